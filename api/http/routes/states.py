"""The states over HTTP: one of them whole, lists, timelines and histories, each at a basis that the answer repeats."""

from collections.abc import Callable, Collection, Mapping
from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field, TypeAdapter
from pydantic_core import to_json

from api.http import shapes
from api.http.dependencies import Patient, TheQueries, answer, answer_at, digest_of, epoch_of, next_page
from api.http.documents import basis_end, history_json, opened, plural_of, shown_json, timeline_json, view_json
from api.http.fields import is_asked, only, with_fields
from api.http.parameters import (
    LIST_QUERIES,
    NARROWED,
    AtBasis,
    Count,
    DiffQuery,
    ListQuery,
    Paged,
    Ref,
    Stored,
    next_cursor,
    resume,
)
from api.http.response_cache import Ending
from api.http.vocabulary_shapes import page_name, state_name, whole_name
from ledger.errors import NotFound
from ledger.vocabulary.fact import SLUG, Subject
from ledger.vocabulary.registry import KINDS
from projections import touched
from projections.basis import Asked, Basis
from projections.diff_queries import diff
from projections.listing import FACETS
from projections.queries import Queries, StateView
from projections.states.projection import NAME_LENGTH

Slug = Annotated[str, Path(pattern=f"^{SLUG}$", examples=["indus-x"])]
UP: TypeAdapter[Any] = TypeAdapter(tuple[Literal["infinity"] | date, Ref])
DOWN: TypeAdapter[Any] = TypeAdapter(tuple[Literal["-infinity"] | date, Ref])
LIST_PLACES: dict[str, TypeAdapter[Any]] = {
    "id": TypeAdapter(tuple[Literal[""], Ref]),
    "name": TypeAdapter(tuple[Annotated[Stored, Field(max_length=NAME_LENGTH)], Ref]),
    "date": UP,
    "-date": DOWN,
    "recorded": TypeAdapter(tuple[Count, Ref]),
    "due": UP,
    "-due": DOWN,
}
LIST_PLACES |= {f"-{name}": LIST_PLACES[name] for name in ("id", "name", "recorded")}
"""Where a page of each order may begin: after which key, and of what."""
Rank = Annotated[int, Field(ge=-(2**31), lt=2**31)]
"""Of a fact among those of its day: negative before year 1, as all days of then are one here."""

BELONGING = 100
"""So many of each kind that refers to a subject its state is shown with."""

FACETS_OF = {name: [facet for facet in FACETS if facet in NARROWED[name].model_fields] for name in KINDS}
"""By what the states of each kind are counted: by what they can be narrowed by."""
TIMELINE_PLACE = TypeAdapter(tuple[date, Rank, Count])


def page_of(
    request: Request, items: str, asked: Asked, of: str, after: tuple[Any, ...] | None, basis: Basis, *,
    beside: Mapping[str, Any] = {}, rests_on: Collection[str] = (),
) -> Response:  # fmt: skip
    """A page of a list. ``of`` is which list, and ``after`` where its next page starts. ``beside`` is what is told of all of it.
    ``rests_on`` is as ``answer_at`` has it."""
    more = "".join([f'"{name}":{to_json(told).decode()},' for name, told in beside.items()])

    def end(request: Request, basis: Basis) -> Ending:
        cursor = next_cursor(epoch_of(request), basis, of, after)
        link = {"Link": next_page(request, cursor=cursor)} if cursor else {}
        return Ending(f'"next":{to_json(cursor).decode()},{more}{basis_end(basis)}', cursor or "", link)

    tag = digest_of(items, more)
    return answer_at(request, f'{{"items":{items},', asked, basis, tag, end, rests_on=rests_on)


def _end(_: Request, basis: Basis) -> Ending:
    return Ending(basis_end(basis))


def _whole_end(whole: StateView, fields: str | None) -> Callable[[Request, Basis], Ending]:
    """How the answer for a state ends: with where there is more of what belongs to it, in lists at the same basis."""
    beyond = {kind: last for kind, last in whole.beyond.items() if is_asked(plural_of(kind), fields)}
    subject = whole.state.subject

    def end(request: Request, basis: Basis) -> Ending:
        epoch = epoch_of(request)
        further = {plural_of(kind): _listed_beyond(kind, subject, last, epoch, basis) for kind, last in beyond.items()}
        more = f'"more":{to_json(further).decode()},' if further else ""
        return Ending(f"{more}{basis_end(basis)}", more)

    return end


def _listed_beyond(kind: str, subject: str, last: str, epoch: str, basis: Basis) -> str:
    """The address of the page of a list on which those follow that refer to a subject too."""
    query = LIST_QUERIES[kind](ref=Subject(subject))
    cursor = next_cursor(epoch, basis, query.fingerprint() + kind, ("", last))
    return f"/v1/{KINDS[kind].plural}?{urlencode({'ref': subject, 'cursor': cursor})}"


def counts(reads: Queries, kind: str, query: ListQuery, basis: Basis) -> dict[str, Any]:
    """What is asked of all that a list holds."""
    told: dict[str, Any] = {"count": reads.count(kind, basis, query.filters())} if query.count else {}
    return told | ({"facets": reads.facets(kind, FACETS_OF[kind], basis, query.filters())} if query.facets else {})


def _routes(kind: str) -> APIRouter:
    """The reads of one kind of stream. They are the same for every kind."""
    router = APIRouter(prefix=f"/v1/{KINDS[kind].plural}", tags=[KINDS[kind].plural], route_class=Patient)
    sort = KINDS[kind]
    found: dict[str, Any] = {"responses": shapes.problems(404, 409)}
    page: dict[str, Any] = {"response_class": Response, "responses": shapes.answers(page_name(sort), 409)}
    whole_state: dict[str, Any] = {"response_class": Response, "responses": shapes.answers(whole_name(sort), 404, 409)}
    listed: Any = with_fields(LIST_QUERIES[kind], state_name(sort))
    shown: Any = with_fields(AtBasis, whole_name(sort))

    @router.get("", operation_id=f"list_{kind}", **page)
    def list_states(request: Request, reads: TheQueries, query: Annotated[listed, Query()]) -> Response:
        """The states on a day, as known at a position: filtered, sorted, in pages that share one basis.

        ``sort`` is by id, name, date (the last that a state tells) or recorded (where its last entry stands), with ``-`` downwards.
        ``count`` tells how many there are, ``facets`` how many with each word, under all filters but that word's own. ``fields``
        names those that are told of each state.
        """
        asked, after = resume(query, query.fingerprint() + kind, LIST_PLACES[query.sort])
        found, more, basis = reads.page(kind, asked, query.filters(), query.sort, after, query.limit)
        items = ",".join([only(shown_json(one), query.fields) for one in found])
        beside, of = counts(reads, kind, query, basis), query.fingerprint() + kind
        return page_of(request, f"[{items}]", asked, of, more, basis, beside=beside, rests_on=touched.of_list(kind))

    @router.get("/{id}", operation_id=f"show_{kind}", **whole_state)
    def show(request: Request, reads: TheQueries, id: Slug, query: Annotated[shown, Query()]) -> Response:
        """The state with what belongs to it, on a day, as known at a position; or those ``fields`` of it.

        Of each kind that refers to it the first hundred are shown; ``more`` leads to the others, where there are.
        """
        asked, subject = query.asked(), Subject(f"{kind}:{id}")
        whole, basis = reads.whole(subject, asked, BELONGING)
        body, version = opened(only(view_json(whole), query.fields)), whole.state.version
        tag = digest_of(whole.digest, query.fields) if query.fields else whole.digest
        rests_on = touched.of_state(subject)
        end = _whole_end(whole, query.fields)
        return answer_at(request, body, asked, basis, tag, end, version=version, rests_on=rests_on)

    @router.get("/{id}/timeline", response_model=shapes.TimelinePage, operation_id=f"timeline_{kind}", **found)
    def timeline(request: Request, reads: TheQueries, id: Slug, query: Annotated[Paged, Query()]) -> Response:
        """The facts about it, its own and those of others that mention it, in the order in which they count."""
        subject = Subject(f"{kind}:{id}")
        asked, after = resume(query, f"timeline {subject}", TIMELINE_PLACE)
        facts, more, basis = reads.timeline(subject, asked, after, query.limit)
        if not facts and after is None:
            raise NotFound(f"nothing is known of {subject} on {basis.valid_at}, as of position {basis.known_at}")
        weak = reads.unverified([line for _, line in facts], basis)
        items, of = ",".join(timeline_json(day, line, weak) for day, line in facts), f"timeline {subject}"
        return page_of(request, f"[{items}]", asked, of, more, basis, rests_on=touched.of_timeline(subject))

    @router.get("/{id}/history", response_model=shapes.History, operation_id=f"history_{kind}", **found)
    def history(request: Request, reads: TheQueries, id: Slug, query: Annotated[AtBasis, Query()]) -> Response:
        """Its entries in the order of recording; the struck ones with what struck them, who, when and why."""
        asked, subject = query.asked(), Subject(f"{kind}:{id}")
        entries, basis = reads.history(subject, asked)
        weak = reads.unverified([line for line, _ in entries], basis)
        items = ",".join(history_json(*one, weak) for one in entries)
        tag, rests_on = digest_of(items), touched.of_state(subject)
        return answer_at(request, f'{{"items":[{items}],', asked, basis, tag, _end, rests_on=rests_on)

    @router.get("/{id}/diff", response_model=shapes.Diff, operation_id=f"diff_{kind}", **found)
    def changed(request: Request, reads: TheQueries, id: Slug, query: Annotated[DiffQuery, Query()]) -> Response:
        """What changed in it, and in all that belongs to it, between two positions or times, or between two days."""
        sides = query.sides()
        changes, first, last = diff(reads, Subject(f"{kind}:{id}"), sides)
        found = to_json([change._asdict() for change in changes]).decode()
        body = (
            f'{{"changes":{found},"from":{to_json(first._asdict()).decode()},"to":{to_json(last._asdict()).decode()}}}'
        )
        tag = digest_of(found, *[f"{one.known_at} {one.valid_at}" for one in (first, last)])
        pinned, final = all(asked.pinned for asked in sides), first.final and last.final
        return answer(request, body.encode(), last.known_at, tag, pinned=pinned, final=final)

    return router


routers = [_routes(kind) for kind in KINDS]
