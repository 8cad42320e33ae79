"""Pages about the whole ledger: the dashboard, search, what is due, meetings by month, anomalies, comparison, replay, audit."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field
from pydantic_core import from_json, to_json

from api.http.dependencies import TheQueries, epoch_of
from api.http.documents import array_json
from api.http.parameters import AtBasis, DueQuery, Paged, Ref, Search, next_cursor, resume
from api.http.routes import anomalies as anomalies_api
from api.http.routes.due import PLACE
from api.pages.months import Month, in_month
from api.pages.rendering import Page
from api.pages.routes import CompareQuery, PageRoute, event_of, timed
from ledger.errors import NotFound
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.registry import KINDS
from projections.basis import MAX_POSITION, Asked, Basis
from projections.diff_queries import diff
from projections.due.queries import DueItem, due
from projections.flags.queries import flagged
from projections.page_queries import entries_at, meetings, touched
from projections.queries import Filters, Queries

RECENT, NEXT, FOUND, COMPARED, MONTHLY = 10, 8, 10, 6, 1_000
router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/")
def dashboard(request: Request, reads: TheQueries, query: Annotated[AtBasis, Query()]) -> Response:
    """What was recorded last, what comes next, and what needs attention."""
    asked = query.asked()
    items, _, basis = due(reads, asked, None, None, NEXT)
    pinned = Asked(basis.known_at, basis.valid_at)
    odd, _, _ = flagged(reads, pinned, None, NEXT)
    planned, _, _ = reads.page("meeting", pinned, Filters(status="scheduled"), "id", None, NEXT)
    active, _, _ = reads.page("initiative", pinned, Filters(), "id", None, MONTHLY)
    body = {
        "recent": _recent(reads, basis), "due": [_due(one, basis) for one in items],
        "flagged": from_json(array_json(odd)), "planned": from_json(array_json(planned)),
        "initiatives": from_json(array_json(active)),
    }  # fmt: skip
    return Page(request, reads, basis).show("dashboard.html", to_json(body).decode())


def _recent(reads: Queries, basis: Basis) -> list[dict[str, Any]]:
    positions = range(max(1, basis.known_at - RECENT + 1), basis.known_at + 1)
    lines = entries_at(reads, positions, basis)
    return [timed(event_of(line)) for _, line in sorted(lines, reverse=True)]


def _due(one: Any, basis: Basis) -> dict[str, Any]:
    late = (basis.valid_at - one.due).days
    return {"subject": one.subject, "commitment": one.item or None, "due": one.due, "days_late": max(late, 0)}


class SearchQuery(AtBasis):
    """Words to look for."""

    q: Search | None = None


@router.get("/search")
def search(request: Request, reads: TheQueries, query: Annotated[SearchQuery, Query()]) -> Response:
    """What is found by words, of every kind."""
    basis = reads.basis(query.asked())
    found: dict[str, Any] = {}
    if query.q:
        pinned, filters = Asked(basis.known_at, basis.valid_at), Filters(text=query.q)
        for kind in KINDS:
            shown, _, _ = reads.page(kind, pinned, filters, "id", None, FOUND)
            count = reads.count(kind, basis, filters) if len(shown) == FOUND else len(shown)
            found[kind] = {"count": count, "items": from_json(array_json(shown))}
    body = to_json({"found": found}).decode()
    return Page(request, reads, basis).show("search.html", body, q=query.q)


@router.get("/anomalies")
def anomalies(request: Request, reads: TheQueries, query: Annotated[Paged, Query()]) -> Response:
    """The states that have anomalies, or are in dispute."""
    asked, after = resume(query, anomalies_api.OF, anomalies_api.PLACE)
    shown, more, basis = flagged(reads, asked, after, query.limit)
    cursor = next_cursor(epoch_of(request), basis, anomalies_api.OF, more)
    body = f'{{"items":{array_json(shown)},"next":{to_json(cursor).decode()}}}'
    return Page(request, reads, basis).show("anomalies.html", body)


@router.get("/board")
def board(request: Request, reads: TheQueries, query: Annotated[AtBasis, Query()]) -> Response:
    """Milestones by their status, those that are overdue first."""
    basis = reads.basis(query.asked())
    pinned, columns = Asked(basis.known_at, basis.valid_at), []
    for title, filters in [
        ("overdue", Filters(overdue=True)),
        *((status, Filters(status=status)) for status in KINDS["milestone"].statuses),
    ]:
        shown, _, _ = reads.page("milestone", pinned, filters, "due", None, 50)
        count = reads.count("milestone", basis, filters) if len(shown) == 50 else len(shown)
        columns.append({"title": title, "count": count, "items": from_json(array_json(shown))})
    return Page(request, reads, basis).show("board.html", to_json({"columns": columns}).decode())


@router.get("/due")
def due_page(request: Request, reads: TheQueries, query: Annotated[DueQuery, Query()]) -> Response:
    """What is still to be done, the earliest first."""
    of = f"due {query.due_before}"
    asked, after = resume(query, of, PLACE)
    items, more, basis = due(reads, asked, query.due_before, DueItem(*after) if after else None, query.limit)
    cursor = next_cursor(epoch_of(request), basis, of, more)
    body = to_json({"items": [_due(one, basis) for one in items], "next": cursor}).decode()
    return Page(request, reads, basis).show("due.html", body)


class MonthQuery(AtBasis):
    """Which month, such as ``2024-08``; this one by default."""

    month: Annotated[str, Field(pattern=r"^[12]\d{3}-(0[1-9]|1[0-2])$")] | None = None


@router.get("/calendar")
def calendar(request: Request, reads: TheQueries, query: Annotated[MonthQuery, Query()]) -> Response:
    """The meetings of a month."""
    basis = reads.basis(query.asked())
    month = Month.read(query.month or f"{basis.valid_at:%Y-%m}")
    rows = meetings(reads, month.year, basis, MONTHLY)
    found = in_month(from_json(array_json(rows)), month)
    body = to_json({"meetings": [one._asdict() | {"exact": one.is_exact} for one in found]}).decode()
    return Page(request, reads, basis).show("calendar.html", body, month=month, found=found)


class WholeQuery(CompareQuery):
    """And which subjects: those after one, by name."""

    beyond: Ref | None = None


@router.get("/diff")
def compare(request: Request, reads: TheQueries, query: Annotated[WholeQuery, Query()]) -> Response:
    """What differs in the whole ledger between two of its entries: the subjects that were touched, a few at a time."""
    if query.from_ is None:
        return Page(request, reads, reads.basis(query.asked())).show("compare.html", "{}")
    first, last = (reads.basis(one) for one in query.sides())
    early, late = sorted((first.known_at, last.known_at))
    subjects = touched(reads, early, late, query.beyond or "", COMPARED + 1)
    sides = Asked(first.known_at, first.valid_at), Asked(last.known_at, last.valid_at)
    found = [{"subject": one, "changes": _changes(reads, one, sides)} for one in subjects[:COMPARED]]
    body = to_json({"found": found}).decode()
    return Page(request, reads, last, moves=False).show(
        "compare.html", body, sides=[first, last], entries=late - early,
        beyond=query.beyond, more=subjects[COMPARED - 1] if len(subjects) > COMPARED else None,
    )  # fmt: skip


def _changes(reads: Queries, subject: Subject, sides: tuple[Asked, Asked]) -> list[dict[str, Any]]:
    """What differs in one subject, and not in what belongs to it; nothing where all that was recorded of it is struck."""
    try:
        changes, _, _ = diff(reads, subject, sides)
    except NotFound:
        return []
    return [change._asdict() for change in changes if change.subject.partition(" ")[0] == subject]


class ReplayQuery(AtBasis):
    """Which entry."""

    entry: Annotated[int, Field(ge=1, le=MAX_POSITION)] | None = None


@router.get("/replay")
def replay(request: Request, reads: TheQueries, query: Annotated[ReplayQuery, Query()]) -> Response:
    """The story of the log, an entry at a time, with what each changed."""
    basis = reads.basis(query.asked())
    position = min(query.entry or 1, basis.known_at)
    body: dict[str, Any] = {"changes": []}
    if position:
        line, _, _, _ = reads.event(position, Asked(basis.known_at))
        event = event_of(line)
        sides = Asked(position - 1, basis.valid_at), Asked(position, basis.valid_at)
        body = {"event": timed(event), "changes": _changes(reads, Subject(event["subject"]), sides)}
    return Page(request, reads, basis).show("replay.html", to_json(body).decode(), position=position)


@router.get("/audit")
def audit(request: Request, reads: TheQueries, query: Annotated[AtBasis, Query()]) -> Response:
    """What can be checked, and how: signed trees, projections, commands."""
    basis = reads.basis(query.asked())
    base = str(request.base_url).rstrip("/")
    return Page(request, reads, basis).show("audit.html", "{}", base=base)
