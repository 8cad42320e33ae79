"""Pages about the whole ledger: the dashboard, search, what is due, meetings and milestones by month, anomalies, comparison, replay, audit."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field
from pydantic_core import from_json, to_json

from api.formats.days import placed
from api.http.addresses import DATED
from api.http.dependencies import TheQueries, app_state, epoch_of
from api.http.documents import array_json
from api.http.parameters import AtBasis, DueQuery, Paged, Ref, Search, next_cursor, resume, shaped
from api.http.routes import anomalies as anomalies_api
from api.http.routes.due import PLACE
from api.http.times import Moment
from api.pages.months import Month, in_month
from api.pages.rendering import Page
from api.pages.routes import CompareQuery, PageRoute, event_of, timed
from api.pages.timeline.strips import strips
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.registry import KINDS
from projections.basis import MAX_POSITION, Asked, Basis
from projections.diff_queries import diff_each
from projections.due.queries import DueItem, due
from projections.flags.queries import flagged
from projections.listing import Filters
from projections.page_queries import Listed, Listing, courses, entries_at, listed, of_year, touched
from projections.queries import Queries

RECENT, NEXT, INITIATIVES = 10, 8, 50
"""How many entries, dates and initiatives the dashboard shows at most."""
STRIPS, TURNS = 12, 60
"""Of so many active initiatives it draws how their status went on, with so many of its last turns each."""
FOUND, COLUMN, COMPARED = 10, 50, 6
"""How many states of a kind a search shows at most, milestones a column of the board, and subjects a comparison at a time."""
YEARLY = 1_000
"""How many meetings, and how many milestones, of a year a calendar looks at."""
router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/")
def dashboard(request: Request, reads: TheQueries, query: Annotated[AtBasis, Query()]) -> Response:
    """What was recorded last, what comes next, what needs attention, and how active initiatives went on."""
    asked = query.asked()
    items, _, basis = due(reads, asked, None, None, NEXT)
    pinned = Asked(basis.known_at, basis.valid_at)
    odd, _, _ = flagged(reads, pinned, None, NEXT)
    (planned, initiatives, active), _ = listed(reads, pinned, [
        Listing("meeting", Filters(status="scheduled"), NEXT), Listing("initiative", Filters(), INITIATIVES),
        Listing("initiative", Filters(status="active"), STRIPS, "name"),
    ])  # fmt: skip
    drawn = courses(reads, [one.subject for one in active.shown], basis, TURNS)
    body = {
        "recent": _recent(reads, basis), "due": [_due(one, basis) for one in items],
        "flagged": from_json(array_json(odd)), "planned": _shown(planned)["items"], "initiatives": _shown(initiatives),
        "active": {"count": active.count, "subjects": [one.subject for one in active.shown]},
    }  # fmt: skip
    return Page(request, reads, basis).show(
        "dashboard.html", to_json(body).decode(), strips=strips(drawn, datetime.now(UTC).date(), basis.valid_at)
    )


def _shown(found: Listed) -> dict[str, Any]:
    return {"count": found.count, "items": from_json(array_json(found.shown))}


def _recent(reads: Queries, basis: Basis) -> list[dict[str, Any]]:
    positions = range(max(1, basis.known_at - RECENT + 1), basis.known_at + 1)
    lines = entries_at(reads, positions, basis)
    return [timed(event_of(line)) for _, line in sorted(lines, reverse=True)]


def _due(one: Any, basis: Basis) -> dict[str, Any]:
    late = (basis.valid_at - one.due).days
    return {"subject": one.subject, "commitment": one.item or None, "due": one.due, "days_late": max(late, 0)}


SEARCHED = sorted(KINDS, key=("initiative", "agreement", "meeting", "milestone", "party", "source").index)
"""What is looked for stands before what it rests on."""


class SearchQuery(AtBasis):
    """Words to look for."""

    q: Search | None = None


@router.get("/search")
def search(request: Request, reads: TheQueries, query: Annotated[SearchQuery, Query()]) -> Response:
    """What is found by words, of every kind."""
    lists = [Listing(kind, Filters(text=query.q), FOUND) for kind in SEARCHED] if query.q else []
    found, basis = listed(reads, query.asked(), lists)
    body = to_json({"found": {one.kind: _shown(those) for one, those in zip(lists, found, strict=True)}}).decode()
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
    titles = ("overdue", *KINDS["milestone"].statuses)
    narrowed = [Filters(overdue=True), *(Filters(status=status) for status in titles[1:])]
    found, basis = listed(reads, query.asked(), [Listing("milestone", one, COLUMN, "due") for one in narrowed])
    columns = [{"title": title} | _shown(those) for title, those in zip(titles, found, strict=True)]
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


MonthName: Any = shaped(r"[12]\d{3}-(0[1-9]|1[0-2])", "month, such as 2024-09")


LATEST = 10
"""So many of a kind are looked at to find a month that has some."""


class MonthQuery(AtBasis):
    """Which month, such as ``2024-08``; this one by default."""

    month: MonthName | None = None


@router.get("/calendar")
def calendar(request: Request, reads: TheQueries, query: Annotated[MonthQuery, Query()]) -> Response:
    """The meetings and milestones of a month."""
    basis = reads.basis(query.asked())
    month = Month.read(query.month) if query.month else Month.of(basis.valid_at)
    rows = {KINDS[kind].plural: of_year(reads, kind, month.year, basis, YEARLY + 1) for kind in sorted(DATED)}
    found = in_month(from_json(array_json([one for those in rows.values() for one in those[:YEARLY]])), month)
    body = to_json({"found": [{"state": one.state, "said": one.said, "exact": one.is_exact} for one in found]}).decode()
    nearest = None if found else _nearest(reads, query.asked())
    crowded = [plural for plural, those in rows.items() if len(those) > YEARLY]
    return Page(request, reads, basis).show(
        "calendar.html", body, month=month, found=found, nearest=nearest, crowded=crowded, most=YEARLY
    )


def _nearest(reads: Queries, asked: Asked) -> Month | None:
    """The last month that some of what was last dated lies in; None where none of that has a day."""
    latest, _ = listed(reads, asked, [Listing(kind, Filters(), LATEST, "-date") for kind in sorted(DATED)])
    dated = [place.last for those in latest for one in from_json(array_json(those.shown)) if (place := placed(one))]
    return Month.of(max(dated)) if dated else None


class WholeQuery(CompareQuery):
    """Between positions or times: which subjects differ between two days no entry tells. And those after one, by name."""

    from_: Annotated[Moment | None, Field(alias="from")] = None
    to: Moment | None = None
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
    found = [{"subject": one, "changes": told} for one, told in _changes(reads, subjects[:COMPARED], sides)]
    body = to_json({"found": found}).decode()
    return Page(request, reads, last, moves=False).show(
        "compare.html", body, sides=[first, last], entries=late - early,
        beyond=query.beyond, more=subjects[COMPARED - 1] if len(subjects) > COMPARED else None,
    )  # fmt: skip


def _changes(
    reads: Queries, subjects: Sequence[Subject], sides: tuple[Asked, Asked]
) -> list[tuple[Subject, list[Any]]]:
    """What differs in each subject by itself."""
    found = diff_each(reads, subjects, sides)
    return [(subject, [change._asdict() for change in changes]) for subject, changes in found.items()]


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
        ((_, changes),) = _changes(reads, [Subject(event["subject"])], sides)
        body = {"event": timed(event), "changes": changes}
    return Page(request, reads, basis).show("replay.html", to_json(body).decode(), position=position)


@router.get("/audit")
def audit(request: Request, reads: TheQueries, query: Annotated[AtBasis, Query()]) -> Response:
    """What can be checked, and how: signed trees, projections, commands."""
    basis = reads.basis(query.asked())
    return Page(request, reads, basis).show("audit.html", "{}", base=app_state(request).settings.address)
