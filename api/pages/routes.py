"""The pages: lists, subjects with their history and reasons, entries, comparisons. Each shows what the API answers."""

from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import Field
from pydantic_core import from_json, to_json

from api.formats.columns import TABLES
from api.http.dependencies import Patient, TheQueries, answer, digest_of, epoch_of
from api.http.documents import array_json, is_struck, plural_of, shown_day, shown_json, whole_json
from api.http.parameters import LIST_QUERIES, NARROWED, AtBasis, DiffQuery, Ref, next_cursor, resume, shaped
from api.http.routes.states import FACETS_OF, LIST_PLACES, Slug
from api.http.times import End, read_time
from api.pages.clock import time_words
from api.pages.dates import day_words
from api.pages.excerpts import MOST, last_of, shortened
from api.pages.rendering import PLURALS, SAFE, STATIC, Page, static
from api.pages.supported import reasons_of, support
from api.pages.timeline.facts import marks_of
from api.pages.timeline.given import subjects_of
from api.pages.timeline.marks import Drawing
from api.pages.timeline.svg import standalone
from ledger.errors import NotFound, Unreadable
from ledger.log.commitments import unseal
from ledger.log.entry import read_line
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.kinds.source import SOURCE
from ledger.vocabulary.registry import KINDS
from projections.basis import MAX_POSITION, Asked, Basis
from projections.diff import Change
from projections.diff_queries import diff
from projections.page_queries import (
    beliefs,
    citing,
    drawn,
    entries_at,
    excerpt,
    first_entry,
    history_before,
    state_of,
)  # fmt: skip
from projections.queries import Queries, unknown

PAGE, EARLIER, FEW = 50, 20, 5
"""Of the log and of a history so many entries are a page; so many earlier values of a field are told, and for each of several
fields so many entries that it rests on."""
COUNTED = 20_000
"""In a ledger of so many entries a list counts its states by each word unasked; in a larger one at a link."""
DRAWN, DRAWN_FACTS, FACTS = 200, 1_000, 40
"""Of how many subjects of a kind a timeline is drawn at most, and of how many facts: as a file, and on a page."""
CITED, PASSAGES = 70, 40
"""Of so many of the last entries that cite a source its page tells, and so many of the passages that they cite."""
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


class PartsQuery(AtBasis):
    """An agreement, and beyond which party those are shown that have a part in it."""

    beyond: Ref | None = None


class HistoryQuery(AtBasis):
    """Which entries of a history: those before one, the last by default."""

    before: Annotated[int, Field(ge=1, le=MAX_POSITION)] | None = None


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
    return {"event": event, **times_of(event)}


def times_of(event: dict[str, Any]) -> dict[str, str]:
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
    sort = KINDS[kind]
    of_one: Any = PartsQuery if sort.has_parts else AtBasis

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
        return Page(request, reads, basis).show(
            "list.html", body, kind=kind, statuses=sort.statuses, categories=sort.categories, narrowed=given,
        )  # fmt: skip

    @pages.get("/{id}")
    def show(request: Request, reads: TheQueries, id: Slug, query: Annotated[of_one, Query()]) -> Response:
        """The state of one, with the latest of what belongs to it."""
        subject, beyond = Subject(f"{kind}:{id}"), getattr(query, "beyond", None)
        found, basis = excerpt(reads, subject, query.asked(), MOST, beyond or "")
        if found is None:
            return _not_yet(request, reads, subject, basis)
        document = from_json(whole_json(found.view, basis))
        shown, left_out = _excerpted(document)
        differing = {one["position"] for accounts in shown["alternatives"].values() for one in accounts}
        told = shown | ({"supports": _support(reads, subject, basis)} if kind == SOURCE.name else {})
        return Page(request, reads, basis, subject).show(
            "subject.html", to_json(told).decode(), kind=kind, fields=fields_of(document),
            related=[plural_of(one) for one in sort.related], reasons=reasons_of(document), left_out=left_out,
            counts={plural_of(one): count for one, count in found.counts.items()}, further=found.beyond,
            drawing=drawing_of(reads, document, basis, found.counts, FACTS), beyond=beyond,
            events=_events(reads, differing | {*shown["disputes"]}, basis),
        )  # fmt: skip

    @pages.get("/{id}/history")
    def history(request: Request, reads: TheQueries, id: Slug, query: Annotated[HistoryQuery, Query()]) -> Response:
        """Its entries, the last ones first, a page of them."""
        subject, before = Subject(f"{kind}:{id}"), query.before or MAX_POSITION
        found, count, basis = history_before(reads, subject, query.asked(), before, PAGE + 1)
        weak = reads.unverified([line for line, _ in found], basis)
        entries = [_in_history(line, corrections, weak) for line, corrections in found]
        days = [list(group) for _, group in groupby(reversed(entries[-PAGE:]), itemgetter("day"))]
        body = to_json({"days": days, "of": subject}).decode()
        more = int(entries[-PAGE]["event"]["sequence"]) if len(entries) > PAGE else None
        at = f"/{plural}/{id}"
        return Page(request, reads, basis, subject).show(
            "history.html", body, at=at, subject=subject, count=count, more=more
        )

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
            _, basis = state_of(reads, subject, query.asked())
            return Page(request, reads, basis, subject).show(
                "diff.html", f'{{"of":"{subject}"}}', as_data=False, at=at, subject=subject
            )
        changes, first, last = diff(reads, subject, query.sides())
        sides = [first, last]
        shown = [change._asdict() | _short_sides(change) for change in changes[:MOST]]
        body = to_json({"changes": shown, "of": subject}).decode()
        responsible = len({position for change in changes for position in change.entries})
        return Page(request, reads, last, moves=False).show(
            "diff.html", body, at=at, subject=subject, sides=sides, responsible=responsible, differing=len(changes)
        )

    return pages


def _picture_route(kind: str) -> APIRouter:
    """Its path looks like that of data, and goes before those."""
    pictures = APIRouter(prefix=f"/{PLURALS[kind]}", route_class=PageRoute, include_in_schema=False)

    @pictures.get("/{id}/timeline.svg")
    def picture(request: Request, reads: TheQueries, id: Slug, query: Annotated[AtBasis, Query()]) -> Response:
        """The timeline as a file of its own."""
        subject = Subject(f"{kind}:{id}")
        found, basis = excerpt(reads, subject, query.asked(), DRAWN)
        if found is None:
            raise unknown(subject, basis)
        document = from_json(whole_json(found.view, basis))
        file = standalone(drawing_of(reads, document, basis, found.counts, DRAWN_FACTS))
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


def drawing_of(reads: Queries, whole: dict[str, Any], basis: Basis, counts: Mapping[str, int], most: int) -> Drawing:
    """The timeline of a subject: the last of its own facts, those that mention it, and those of what belongs to it.

    ``counts``: how many there are of each kind that belongs to it, also of those that the state does not hold."""
    subjects = subjects_of(whole)
    found, before = drawn(reads, subjects[: DRAWN + 1], basis, most)
    facts = [{"day": shown_day(day, line), "event": from_json(line), "unverified": False} for day, line in found]
    today = datetime.now(UTC).date()
    drawing = marks_of(whole, facts, today=today, valid_at=basis.valid_at, known_at=basis.known_at)
    held = Counter(Subject(one).kind for one in subjects[1:])
    belonging = sum((held | Counter({kind: counts[kind] for kind in counts if kind in KINDS})).values())
    return replace(drawing, left_out=_left_out(belonging, min(len(subjects) - 1, DRAWN), before))


def _left_out(belonging: int, drawn: int, before: int) -> str:
    """What a drawing does not have, in a sentence: of what belongs to its subject, and of its facts."""
    told = [f"what is told of {belonging - drawn:,} of the {belonging:,} that belong to it"] * (belonging > drawn)
    told += [f"the {before:,} {'fact' if before == 1 else 'facts'} before these"] * (before > 0)
    return f"Not drawn: {', and '.join(told)}." if told else ""


def _excerpted(document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, int]]:
    """A state as its page shows it: with the last items of its lists; and how many it leaves out of what is odd or differs."""
    fields = {name: shortened(document[name]) for name in fields_of(document)}
    odd, left_out = last_of(document, "anomalies", "disputes")
    differing = [*document["alternatives"].items()]
    accounts = {field: shortened(told[-MOST:]) for field, told in differing[-MOST:]}
    left_out["alternatives"] = len(differing) - len(accounts)
    return document | fields | odd | {"alternatives": accounts, "provenance": {}}, left_out


def _short_sides(change: Change) -> dict[str, Any]:
    return {"old": shortened(change.old), "new": shortened(change.new), "entries": change.entries[-MOST:]}


def fields_of(state: dict[str, Any]) -> list[str]:
    """What a state says of its subject, but for the streams that belong to it."""
    related = {plural_of(one) for one in KINDS[Subject(state["subject"]).kind].related}
    return [name for name in state if name not in ABOUT_THE_ROW | related]


def _support(reads: Queries, source: Subject, basis: Basis) -> dict[str, Any]:
    """What stands on a source: of the last ``CITED`` of the entries that mention it, and how many come before."""
    lines, states, before = citing(reads, source, basis, CITED)
    documents = [{"subject": one.subject} | from_json(one.doc) for one in states]
    told = support(source, map(from_json, lines), documents)
    passages = told["passages"]
    return told | {"passages": passages[:PASSAGES], "of_all": len(passages), "before": before}


def _why(request: Request, reads: Queries, subject: Subject, asked: Asked, field: str | None) -> Response:
    row, basis = state_of(reads, subject, asked)
    state = from_json(shown_json(row))
    provenance = {name: positions for name, positions in reasons_of(state).items() if field in (None, name)}
    if field and not provenance:
        if field not in fields_of(dict.fromkeys((column.name for column in TABLES[subject.kind]), "") | state):
            raise NotFound(f"{subject} has no field {field}")
        provenance = {field: []}
    last = {name: positions[-(MOST if field else FEW) :] for name, positions in provenance.items()}
    events = _events(reads, {at for positions in last.values() for at in positions}, basis)
    fields = [
        {
            "name": name, "value": shortened(state.get(name)), "events": [events[at] for at in positions],
            "left_out": len(provenance[name]) - len(positions),
            "earlier": _earlier(reads, subject, basis, name) if field else [],
        }
        for name, positions in last.items()
    ]  # fmt: skip
    body = to_json({"fields": fields, "of": subject}).decode()
    at = f"/{PLURALS[subject.kind]}/{subject.id}"
    return Page(request, reads, basis, subject).show("why.html", body, at=at, subject=subject, most=EARLIER)


def _events(reads: Queries, positions: set[int], basis: Basis) -> dict[int, Any]:
    """Entries by their positions."""
    return {at: event_of(line) for at, line in entries_at(reads, sorted(positions), basis)}


def _earlier(reads: Queries, subject: Subject, basis: Basis, field: str) -> list[tuple[int, Any]]:
    """From which of the last entries on a field was shown how, on the same day."""
    shown: list[tuple[int, Any]] = []
    for position, document in beliefs(reads, subject, basis, EARLIER):
        value = shortened(from_json(document).get(field), 1) if document else None
        if not shown or shown[-1][1] != value:
            shown.append((position, value))
    return shown


@router.get("/static/{digest}/{name}")
def static_file(digest: str, name: str) -> Response:
    """A style sheet or a script, which changes its address with its bytes: to be kept for good."""
    if name not in STATIC or static(name)[1] != digest:
        raise NotFound("there is no such file")
    cache = f"public, max-age={YEAR_S}, immutable"
    return Response(static(name)[0], media_type=STATIC[name], headers={**SAFE, "Cache-Control": cache})


pictures = [_picture_route(kind) for kind in KINDS]
routers = [router, *map(_subject_routes, KINDS)]
