"""The pages: lists, subjects with their history and reasons, entries, comparisons. Each shows what the API answers."""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import Field
from pydantic_core import from_json, to_json

from api.formats.columns import TABLES
from api.http.dependencies import Patient, TheQueries, answer, digest_of, epoch_of
from api.http.documents import array_json, is_struck, plural_of, shown_day, whole_json
from api.http.parameters import LIST_QUERIES, NARROWED, AtBasis, DiffQuery, EntriesNarrowed, next_cursor, resume, shaped
from api.http.routes.states import FACETS_OF, LIST_PLACES, Slug
from api.http.times import End, read_time
from api.pages.clock import time_words
from api.pages.dates import day_words
from api.pages.rendering import PLURALS, SAFE, STATIC, Page, static
from api.pages.supported import reasons_of, support
from api.pages.timeline.facts import marks_of
from api.pages.timeline.given import subjects_of
from api.pages.timeline.marks import Drawing
from api.pages.timeline.svg import standalone
from ledger.errors import NotFound, Unreadable
from ledger.log.commitments import unseal
from ledger.log.entry import read_line
from ledger.proofs.merkle import leaf_hash
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.kinds.source import SOURCE
from ledger.vocabulary.registry import FACTS, KINDS
from projections.basis import MAX_POSITION, Asked, Basis
from projections.diff_queries import diff
from projections.feed import Wanted
from projections.page_queries import beliefs, citing, drawn, entries_at, first_entry
from projections.queries import Chosen, Queries

PAGE = 50
COUNTED = 20_000
"""In a ledger of so many entries a list counts its states by each word unasked; in a larger one at a link."""
DRAWN, DRAWN_FACTS = 200, 1_000
"""Of how many subjects, and of each how many facts, a timeline is drawn at most."""
YEAR_S = 31_536_000
ABOUT_THE_ROW = {
    "subject", "id", "version", "unknown", "alternatives", "anomalies", "disputed", "disputes", "provenance",
    "unverified", "basis", "derived",
}  # fmt: skip
"""What a state says of itself; the rest is about its subject."""


class PageRoute(Patient):
    """A form sends its empty fields, too: they say nothing."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def leave_out_and_handle(request: Request) -> Response:
            given = parse_qsl(request.scope["query_string"].decode("latin-1"))
            request.scope["query_string"] = urlencode(given).encode()
            return await handle(Request(request.scope, request.receive))

        return leave_out_and_handle

    def parameters(self, request: Request) -> set[str]:
        """Those of its query's model: the reference does not tell of pages."""
        models = [one.field_info.annotation for one in self.dependant.query_params]
        return {field.alias or name for one in models if one for name, field in one.model_fields.items()}


FieldName: Any = Annotated[shaped("[a-z][a-z_]{0,49}", "name of a field, such as status"), Path()]
EntryNumber = Annotated[int, Path(ge=1, le=MAX_POSITION)]
LogPage = tuple[list[tuple[int, str]], int | None, int | None]
"""Position and line of each entry; the position at which the page before begins, and the one after, where there are."""


class EntriesQuery(EntriesNarrowed, AtBasis):
    """Which entries, from one on."""

    from_entry: Annotated[int, Field(ge=1, le=MAX_POSITION)] | None = None


class CompareQuery(DiffQuery):
    """As the API's, but that a page without an end asks for one."""

    from_: Annotated[End | None, Field(alias="from")] = None  # type: ignore[assignment]


def event_of(line: str) -> dict[str, Any]:
    """An entry, with each person in it as a state shows them. What cannot be read is shown as it is."""
    event: dict[str, Any] = from_json(line)
    with suppress(Unreadable):
        entry = read_line(line)
        event["data"] = unseal(entry.data, entry.id)
    return event


def _in_history(line: str, corrections: list[dict[str, Any]], weak: set[int]) -> dict[str, Any]:
    """An entry with what corrects it, whether it is struck, and whether its sources were taken back."""
    event = event_of(line)
    told = {"struck": is_struck(corrections), "unverified": int(event["sequence"]) in weak}
    return {"corrections": corrections, **told, **timed(event)}


def timed(event: dict[str, Any]) -> dict[str, Any]:
    """An entry with the day and the time of its recording."""
    return {"event": event, **_times(event)}


def _times(event: dict[str, Any]) -> dict[str, str]:
    """The day and the time of recording, in words."""
    at = read_time(event["recordedtime"])
    return {"day": day_words(at.date()), "time": time_words(at)}


router = APIRouter(route_class=PageRoute, include_in_schema=False)


def _subject_routes(kind: str) -> APIRouter:
    """The pages of one kind of stream. They are the same for every kind."""
    plural = PLURALS[kind]
    pages = APIRouter(prefix=f"/{plural}", route_class=PageRoute, include_in_schema=False)
    narrowed: Any = LIST_QUERIES[kind]
    filters = NARROWED[kind].model_fields.keys() - AtBasis.model_fields.keys() - {"sort"}

    @pages.get("")
    def list_page(request: Request, reads: TheQueries, query: Annotated[narrowed, Query()]) -> Response:
        """A list, filtered, in pages."""
        of = query.fingerprint() + kind
        asked, after = resume(query, of, LIST_PLACES[query.sort])
        shown, more, basis = reads.page(kind, asked, query.filters(), query.sort, after, query.limit)
        cursor = next_cursor(epoch_of(request), basis, of, more)
        count = reads.count(kind, basis, query.filters())
        is_counted = query.facets or basis.known_at <= COUNTED
        facets = reads.facets(kind, FACETS_OF[kind], basis, query.filters()) if is_counted else None
        told = f'"count":{count},"facets":{to_json(facets).decode()}'
        body = f'{{"items":{array_json(shown)},"next":{to_json(cursor).decode()},{told}}}'
        given = [(name, value) for name, value in request.query_params.items() if name in filters]
        sort = KINDS[kind]
        return Page(request, reads, basis).show(
            "list.html", body, kind=kind, statuses=sort.statuses, categories=sort.categories, narrowed=given,
        )  # fmt: skip

    @pages.get("/{id}")
    def show(request: Request, reads: TheQueries, id: Slug, query: Annotated[AtBasis, Query()]) -> Response:
        """The state of one, with all that belongs to it."""
        subject = Subject(f"{kind}:{id}")
        whole, basis = reads.find(subject, query.asked())
        if whole is None:
            return _not_yet(request, reads, subject, basis)
        body = whole_json(whole, basis)
        document = from_json(body)
        names = [plural_of(one) for one in KINDS[kind].related]
        if kind == SOURCE.name:
            body = to_json(document | {"supports": _support(reads, subject, basis)}).decode()
        differing = {one["position"] for accounts in document["alternatives"].values() for one in accounts}
        return Page(request, reads, basis, subject).show(
            "subject.html", body, kind=kind, fields=fields_of(document), related=names, reasons=reasons_of(document),
            drawing=drawing_of(reads, document, basis), events=_events(reads, differing | {*document["disputes"]}, basis),
        )  # fmt: skip

    @pages.get("/{id}/history")
    def history(request: Request, reads: TheQueries, id: Slug, query: Annotated[AtBasis, Query()]) -> Response:
        """Its entries in the order of recording."""
        subject = Subject(f"{kind}:{id}")
        found, basis = reads.history(subject, query.asked())
        weak = reads.unverified([line for line, _ in found], basis)
        entries = [_in_history(line, corrections, weak) for line, corrections in found]
        days = [list(group) for _, group in groupby(reversed(entries), itemgetter("day"))]
        body = to_json({"days": days, "of": subject}).decode()
        at = f"/{plural}/{id}"
        return Page(request, reads, basis, subject).show("history.html", body, at=at, subject=subject)

    @pages.get("/{id}/timeline")
    def timeline(id: Slug) -> Response:
        """It stands on the page of the subject, as a picture and as a table."""
        return RedirectResponse(f"/{plural}/{id}#timeline-table", 307)

    @pages.get("/{id}/why")
    def why(request: Request, reads: TheQueries, id: Slug, query: Annotated[AtBasis, Query()]) -> Response:
        """For each field of a state, the entries that it rests on."""
        return _why(request, reads, Subject(f"{kind}:{id}"), query.asked(), None)

    @pages.get("/{id}/why/{field}")
    def why_field(
        request: Request, reads: TheQueries, id: Slug, field: FieldName, query: Annotated[AtBasis, Query()]
    ) -> Response:
        """The entries that one field rests on, and what was shown of it as the ledger grew."""
        return _why(request, reads, Subject(f"{kind}:{id}"), query.asked(), field)

    @pages.get("/{id}/diff")
    def compare(request: Request, reads: TheQueries, id: Slug, query: Annotated[CompareQuery, Query()]) -> Response:
        """What differs between two points of either clock."""
        subject, at = Subject(f"{kind}:{id}"), f"/{plural}/{id}"
        if query.from_ is None:
            _, basis = reads.whole(subject, query.asked())
            return Page(request, reads, basis, subject).show(
                "diff.html", f'{{"of":"{subject}"}}', as_data=False, at=at, subject=subject
            )
        changes, first, last = diff(reads, subject, query.sides())
        sides = [first, last]
        body = to_json({"changes": [change._asdict() for change in changes], "of": subject}).decode()
        responsible = len({position for change in changes for position in change.entries})
        return Page(request, reads, last, moves=False).show(
            "diff.html", body, at=at, subject=subject, sides=sides, responsible=responsible
        )

    return pages


def _picture_route(kind: str) -> APIRouter:
    """Its path looks like that of data, and goes before those."""
    pictures = APIRouter(prefix=f"/{PLURALS[kind]}", route_class=PageRoute, include_in_schema=False)

    @pictures.get("/{id}/timeline.svg")
    def picture(request: Request, reads: TheQueries, id: Slug, query: Annotated[AtBasis, Query()]) -> Response:
        """The timeline as a file of its own."""
        whole, basis = reads.whole(Subject(f"{kind}:{id}"), query.asked())
        file = standalone(drawing_of(reads, from_json(whole_json(whole, basis)), basis))
        return answer(
            request, file.encode(), basis.known_at, digest_of(file), pinned=False, final=basis.final, raw=True,
            media_type="image/svg+xml", more={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"},
        )  # fmt: skip

    return pictures


def _not_yet(request: Request, reads: Queries, subject: Subject, basis: Basis) -> Response:
    """Where nothing is known of a subject there and then: which entry tells of it first. Raises NotFound where none does."""
    first = first_entry(reads, subject)
    if first is None:
        raise NotFound(f"nothing is recorded of {subject}")
    page, (position, recorded_at) = Page(request, reads, basis), first
    return page.show(
        "not_yet.html", f'{{"of":"{subject}"}}', position=position, recorded_at=recorded_at, subject=subject
    )


def drawing_of(reads: Queries, whole: dict[str, Any], basis: Basis) -> Drawing:
    """The timeline of a subject: of its own facts, those that mention it, and those of what belongs to it."""
    subjects = subjects_of(whole)
    found = drawn(reads, subjects[:DRAWN], basis, DRAWN_FACTS + 1)
    facts = [
        {"day": shown_day(day, line), "event": from_json(line), "unverified": False}
        for day, line in found[:DRAWN_FACTS]
    ]
    today = datetime.now(UTC).date()
    drawing = marks_of(whole, facts, today=today, valid_at=basis.valid_at, known_at=basis.known_at)
    return replace(drawing, left_out=_left_out(len(subjects), len(found)))


def _left_out(subjects: int, facts: int) -> str:
    """What a drawing does not have, in a sentence; of so many subjects, and at least so many facts."""
    told = [f"what is told of {subjects - DRAWN:,} of the {subjects - 1:,} that belong to it"] * (subjects > DRAWN)
    told += [f"all but the first {DRAWN_FACTS:,} facts"] * (facts > DRAWN_FACTS)
    return f"Not drawn: {', and '.join(told)}." if told else ""


def fields_of(state: dict[str, Any]) -> list[str]:
    """What a state says of its subject, but for the streams that belong to it."""
    related = {plural_of(one) for one in KINDS[Subject(state["subject"]).kind].related}
    return [name for name in state if name not in ABOUT_THE_ROW | related]


def _support(reads: Queries, source: Subject, basis: Basis) -> dict[str, Any]:
    """What stands on a source: of the first ``DRAWN_FACTS`` of the entries that mention it."""
    lines, states = citing(reads, source, basis, DRAWN_FACTS)
    documents = [{"subject": one.subject} | from_json(one.doc) for one in states]
    return support(source, [event_of(line) for line in lines], documents)


def _why(request: Request, reads: Queries, subject: Subject, asked: Asked, field: str | None) -> Response:
    whole, basis = reads.whole(subject, asked)
    state = from_json(whole_json(whole, basis))
    provenance = {name: positions for name, positions in reasons_of(state).items() if field in (None, name)}
    if field and not provenance:
        if field not in fields_of(dict.fromkeys((column.name for column in TABLES[subject.kind]), "") | state):
            raise NotFound(f"{subject} has no field {field}")
        provenance = {field: []}
    events = _events(reads, {at for positions in provenance.values() for at in positions}, basis)
    fields = [
        {
            "name": name, "value": state.get(name), "events": [events[at] for at in positions],
            "earlier": _earlier(reads, subject, basis, name) if field else [],
        }
        for name, positions in provenance.items()
    ]  # fmt: skip
    body = to_json({"fields": fields, "of": subject}).decode()
    at = f"/{PLURALS[subject.kind]}/{subject.id}"
    return Page(request, reads, basis, subject).show("why.html", body, at=at, subject=subject, most=PAGE)


def _events(reads: Queries, positions: set[int], basis: Basis) -> dict[int, Any]:
    """Entries by their positions."""
    return {at: event_of(line) for at, line in entries_at(reads, sorted(positions), basis)}


def _earlier(reads: Queries, subject: Subject, basis: Basis, field: str) -> list[tuple[int, Any]]:
    """From which of the last entries on a field was shown how, on the same day."""
    shown: list[tuple[int, Any]] = []
    for position, document in beliefs(reads, subject, basis, PAGE):
        value = from_json(document).get(field) if document else None
        if not shown or shown[-1][1] != value:
            shown.append((position, value))
    return shown


@router.get("/entries")
def entries(request: Request, reads: TheQueries, query: Annotated[EntriesQuery, Query()]) -> Response:
    """The log, or its entries of some sorts, a page of it; the last one by default."""
    basis = reads.basis(query.asked())
    found, before, after = _log_page(reads, Asked(basis.known_at), query.wanted(), query.from_entry)
    body = to_json({"entries": [timed(event_of(line)) for _, line in found]}).decode()
    return Page(request, reads, basis).show("entries.html", body, before=before, after=after, types=sorted(FACTS))


def _log_page(reads: Queries, asked: Asked, wanted: Wanted, first: int | None) -> LogPage:
    """The entries from a position on, or the last ones; with where the page before begins, and the one after."""
    if first is None:
        last, _ = reads.log(asked, Chosen(wanted=wanted), 2 * PAGE, back=True)
        shown, earlier, after = last[:PAGE][::-1], last[PAGE:], None
    else:
        earlier, _ = reads.log(asked, Chosen(upto=first - 1, wanted=wanted), PAGE, back=True)
        found, _ = reads.log(asked, Chosen(first - 1, wanted=wanted), PAGE + 1)
        shown, after = found[:PAGE], found[PAGE][0] if len(found) > PAGE else None
    return shown, earlier[-1][0] if earlier else None, after


@router.get("/entries/{position}")
def entry(request: Request, reads: TheQueries, position: EntryNumber, query: Annotated[AtBasis, Query()]) -> Response:
    """One entry: what it says, when, where from, how it stands, and its proof."""
    line, corrections, _, _ = reads.event(position, query.asked())
    event = _with_target(reads, event_of(line), query.asked())
    body = to_json({"event": event}).decode()
    leaf = leaf_hash(line.encode()).hex()
    basis = reads.basis(query.asked())
    base = str(request.base_url).rstrip("/")
    return Page(request, reads, basis, since=position).show(
        "entry.html", body, position=position, corrections=corrections, line=line, leaf=leaf, base=base,
        recorded=_times(event)["time"],
    )  # fmt: skip


def _with_target(reads: Queries, event: dict[str, Any], asked: Asked) -> dict[str, Any]:
    """An entry; where it names by its id the one that it corrects, that one's position stands there, as on every page."""
    target = event["data"].get("target") if event["type"].startswith("entry.") else None
    with suppress(ValueError, NotFound):
        if isinstance(target, str):
            meant, *_ = reads.event(UUID(target), asked)
            event["data"]["target"] = int(from_json(meant)["sequence"])
    return event


@router.get("/static/{digest}/{name}")
def static_file(digest: str, name: str) -> Response:
    """A style sheet or a script, which changes its address with its bytes: to be kept for good."""
    if name not in STATIC or static(name)[1] != digest:
        raise NotFound("there is no such file")
    cache = f"public, max-age={YEAR_S}, immutable"
    return Response(static(name)[0], media_type=STATIC[name], headers={**SAFE, "Cache-Control": cache})


pictures = [_picture_route(kind) for kind in KINDS]
routers = [router, *map(_subject_routes, KINDS)]
