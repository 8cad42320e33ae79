"""What reads cost, in pages of the database: as much on a long log as on a short one, and whatever the planner has been told."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from functools import partial, reduce
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from pydantic_core import from_json

from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded
from ledger.database.migrations import migrate
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.registry import KINDS
from projections.basis import Asked
from projections.diff_queries import diff
from projections.download_queries import last_recorded
from projections.due.queries import DueItem, due
from projections.feed import Chosen, Wanted
from projections.flags.queries import flagged
from projections.listing import FACETS, SORTS, Filters
from projections.page_queries import (
    Listing,
    beliefs,
    citing,
    drawn,
    entries_at,
    first_entry,
    labels,
    later,
    listed,
    stops,
    touched,
    version_of,
)
from projections.queries import Queries
from projections.registry import PROJECTIONS
from projections.runner import Follower
from tests.examples import INDIA, THX, USA
from tests.generator import Generator
from tests.pages_read import counting, recorded
from tests.service import problem_of, running

DEEPER = 15
"""So many pages more a read may look at in a ledger that is a hundred times as long: trees have more levels."""
SHORT, LONG = 200, 20_000

ENTRIES = """
alter table entries disable trigger versions_follow;
insert into entries (position, stream, version, type, entry_id, recorded_at, body)
select position, 'party:ind', position - 1, 'party.renamed', gen_random_uuid(), now(), '{}'
  from generate_series(3, %(count)s) as position;
update head set size = %(count)s;
"""
"""Entries that follow on those of the stream."""
EACH_DAY = """
insert into states
select (jsonb_populate_record(states, jsonb_build_object('valid_from', valid_from + (position - 2)::int, 'known_from', position))).*
  from states, generate_series(3, %(count)s) as position
 where subject = 'party:ind';
"""
"""Rows as each of these entries writes one where each tells of a later day."""
ONE_DAY = """
insert into states
select (jsonb_populate_record(states, jsonb_build_object('known_from', position, 'known_to', position + 1))).*
  from states, generate_series(3, %(count)s) as position
 where subject = 'party:ind';
"""
"""Rows as they are where all tell of one day."""
FOLLOWED = """
update states set known_to = 3 where subject = 'party:ind' and known_from = 2 and %(one_day)s;
update projections set position = %(count)s;
"""

TABLES = "select schemaname, tablename from pg_tables where schemaname in (%s, %s)"

OPTIONS = """
select relname, reloptions
  from pg_class
  join pg_namespace on pg_namespace.oid = relnamespace
 where relkind = 'r'
   and (nspname = %s and relname <> 'projections' or nspname = %s and relname = 'entries')
"""


# --- of what was learnt since nothing is walked through


def grown(server: Embedded, location: LedgerLocation, rows: str, count: int) -> None:
    """A stream of so many entries, in the log and among the states."""
    recorded(location, [THX, INDIA])
    with Connection.connect(server.owner_dsn, autocommit=True) as owner:
        owner.execute(f"set search_path = {location.projections}, {location.schema}")
        for statement in (ENTRIES, rows, FOLLOWED):
            told = {"count": str(count), "one_day": str(rows is ONE_DAY)}
            owner.execute(reduce(lambda text, one: text.replace(f"%({one})s", told[one]), told, statement))


def known_early(reads: Queries, subject: Subject) -> Iterator[Callable[[], Any]]:
    asked = Asked(known_at=20)
    basis = reads.basis(asked)
    yield lambda: reads.whole(subject, asked)
    yield lambda: reads.page("party", asked, Filters(), "recorded", None, 50)
    yield lambda: beliefs(reads, subject, basis, 2)
    yield lambda: labels(reads, [subject], basis)
    yield lambda: last_recorded(reads, [subject], 20)
    yield lambda: reads.log(asked, Chosen(after=10, wanted=Wanted(subjects=(subject,))), 3)


@pytest.mark.parametrize("rows", [EACH_DAY, ONE_DAY], ids=["each day", "one day"])
def test_what_was_known_early_is_found_at_once(
    server: Embedded, new_location: Callable[[], LedgerLocation], rows: str
) -> None:
    """A state as it was known at an early position and holds today, and its version then, are found by descents of indexes,
    however much was recorded of it since: of later days, or of the same."""
    pages = []
    for count in (SHORT, LONG):
        location = new_location()
        grown(server, location, rows, count)
        with counting(location) as (reads, pages_of):
            pages.append([pages_of(read) for read in known_early(reads, Subject("party:ind"))])
    assert all(long <= short + DEEPER for short, long in zip(*pages, strict=True)), pages


# --- what takes too long all the same


def test_a_read_that_takes_too_long_says_how_to_narrow_it(location: LedgerLocation) -> None:
    """The database stops working on it, and it is a problem of its own, with Retry-After; appends go on, and so do other reads."""
    with running(location, read_timeout_s=0.2) as service:
        service.given(THX, INDIA)
        with location.connect() as other, other.transaction():
            other.execute("lock table search in access exclusive mode")
            answer = service.get("/v1/parties", text="india")
            told = problem_of(answer, 503)
            assert told["type"] == "/problems/read-takes-too-long"
            assert "narrow it" in told["detail"]
            assert int(answer.headers["retry-after"]) >= 1
            assert service.post(USA).status_code == 201
            assert service.get("/v1/parties").status_code == 200
        assert service.get("/v1/parties", text="india").status_code == 200


# --- indexes alone


def test_tables_are_vacuumed_soon_after_rows_came(location: LedgerLocation, follower: Follower) -> None:
    """What is read from an index alone is looked up in the table as well where the table was not vacuumed: each is, when a
    twentieth has come."""
    with location.connect() as connection:
        rows = connection.execute(OPTIONS, [location.projections, location.schema]).fetchall()
    assert {name for name, _ in rows} == {"entries", *(table.name for one in PROJECTIONS for table in one.tables)}
    assert all("autovacuum_vacuum_insert_scale_factor=0.05" in options for _, options in rows)


# --- plans that hold


def of_each_sort(reads: Queries, size: int, recorded_at: datetime) -> dict[str, Callable[[], Any]]:
    """Every question that reads put to the database, by what is asked."""
    now, early, day = Asked(), Asked(known_at=size // 2, valid_at=date(1999, 1, 1)), date(1999, 1, 1)
    [first], _, _ = reads.page("initiative", now, Filters(), "id", None, 1)
    one, party, source = Subject(first.subject), Subject("party:p3"), Subject("source:report-003")
    basis, entry_id = reads.basis(now), UUID(from_json(reads.event(9, now)[0])["id"])
    lists = [Listing(kind, Filters(), 10) for kind in KINDS]
    asked: dict[str, Callable[[], Any]] = {
        "state": lambda: reads.whole(one, now),
        "state then": lambda: reads.whole(Subject("party:p3"), early),
        "known at a time": lambda: reads.basis(Asked(known_at=recorded_at)),
        "facets": lambda: reads.facets("agreement", FACETS, basis, Filters()),
        "count": lambda: reads.count("agreement", basis, Filters()),
        "count by status": lambda: reads.count("agreement", basis, Filters(status="in_force")),
        "timeline": lambda: reads.timeline(party, now, None, 50),
        "timeline on": lambda: reads.timeline(party, now, (day, 0, 0), 50),
        "history": lambda: reads.history(one, now),
        "log": lambda: reads.log(now, Chosen(after=size // 2), 50),
        "log from a time": lambda: reads.log(now, Chosen(since=recorded_at), 50),
        "log back": lambda: reads.log(now, Chosen(), 50, back=True),
        "entry": lambda: reads.event(size // 2, now),
        "entry by id": lambda: reads.event(entry_id, now),
        "due": lambda: due(reads, now, None, None, 50),
        "due before": lambda: due(reads, now, day, DueItem(party, "", date(1990, 1, 1)), 50),
        "anomalies": lambda: flagged(reads, now, None, 50),
        "diff": lambda: diff(reads, one, (Asked(known_at=size // 2), now)),
        "diff of days": lambda: diff(reads, one, (Asked(known_at=size, valid_at=day), Asked(known_at=size))),
        "lists": lambda: listed(reads, now, lists),
        "labels": lambda: labels(reads, [one, party], basis),
        "last recorded": lambda: last_recorded(reads, [one, party], size),
        "stops": lambda: stops(reads, None, 900, 20),
        "stops of one": lambda: stops(reads, one, 900, 20),
        "beliefs": lambda: beliefs(reads, one, basis, 20),
        "entries": lambda: entries_at(reads, [3, 9, 27], basis),
        "touched": lambda: touched(reads, size - 100, size, "", 20),
        "drawn": lambda: drawn(reads, [one, party], basis, 50),
        "citing": lambda: citing(reads, source, basis, 20),
        "first entry": lambda: first_entry(reads, one),
        "version": lambda: version_of(reads, one),
        "later": lambda: later(reads, one, 2, 20),
    }
    for wanted in (
        Wanted(subjects=(one,)), Wanted(subjects=(one, party)), Wanted(types=("agreement.signed",)), Wanted(kinds=("party",)),
        Wanted(authors=("clerk",)), Wanted(types=("party.registered", "agreement.signed"), authors=("nobody",)),
    ):  # fmt: skip
        asked[f"log of {wanted}"] = partial(reads.log, now, Chosen(wanted=wanted), 50)
    for at, filters in product((now, early), (
        Filters(), Filters(status="met"), Filters(category="delivery"), Filters(ref=one), Filters(party=party), Filters(text="5"),
        Filters(text="milestone"), Filters(due_before=day), Filters(overdue=True), Filters(overdue=False),
    )):  # fmt: skip
        asked[f"{filters} at {at}"] = partial(reads.page, "milestone", at, filters, "id", None, 50)
    for at, sort in product((now, early), SORTS):
        asked[f"sorted by {sort} at {at}"] = partial(reads.page, "milestone", at, Filters(), sort, None, 50)
    return asked


@pytest.fixture(scope="module")
def never_analysed(server: Embedded) -> LedgerLocation:
    """A ledger of which the planner was told nothing."""
    location = LedgerLocation(server.location.dsn, "never_analysed")
    migrate(server.owner_dsn, location)
    with location.connect() as connection:
        follower = Follower(connection)
        follower.create()
        for schema, table in connection.execute(TABLES, [location.schema, location.projections]).fetchall():
            with Connection.connect(server.owner_dsn, autocommit=True) as owner:
                owner.execute(f"alter table {schema}.{table} set (autovacuum_enabled = off)")
        recorded(location, Generator().events(3_000), rebuilt=False)
        while follower.step():
            pass
        connection.execute("vacuum statuses")
    return location


def test_no_plan_flips(server: Embedded, never_analysed: LedgerLocation, subtests: pytest.Subtests) -> None:
    """The hundredth time that a connection puts a question it looks at as many pages as the first time, and on a ledger
    that was never analysed at as many as on one that was."""
    pages = [costs(never_analysed)]
    with Connection.connect(server.owner_dsn, autocommit=True) as owner:
        for schema, table in owner.execute(TABLES, [never_analysed.schema, never_analysed.projections]).fetchall():
            owner.execute(f"analyze {schema}.{table}")
    pages.append(costs(never_analysed))
    for name in pages[0]:
        with subtests.test(asked=name):
            told = [*pages[0][name], *pages[1][name]]
            assert max(told) <= 1.5 * min(told) + DEEPER, (name, told)


def costs(location: LedgerLocation) -> dict[str, tuple[int, int]]:
    """The pages of each question as it is put for the first time and for the hundredth."""
    found = {}
    with counting(location) as (reads, pages_of):
        line = from_json(reads.log(Asked(), Chosen(after=1_499), 1)[0][0][1])
        for name, read in of_each_sort(reads, 3_000, datetime.fromisoformat(line["recordedtime"])).items():
            first = pages_of(read)
            for _ in range(98):
                read()
            found[name] = first, pages_of(read)
    return found


# --- ledgers that grow


def of_lists(reads: Queries) -> dict[str, Callable[[], Any]]:
    """What is asked of a ledger however long it is, and answered with a few."""
    now = Asked()
    basis = reads.basis(now)
    asked: dict[str, Callable[[], Any]] = {
        "timeline of a party": lambda: reads.timeline(Subject("party:p3"), now, None, 5),
        "due": lambda: due(reads, now, None, None, 5),
        "lists": lambda: listed(
            reads, now, [Listing("agreement", Filters(), 5), Listing("milestone", Filters(overdue=True), 5)]
        ),
    }
    for kind in ("agreement", "meeting", "milestone"):
        asked[f"count of {kind}"] = partial(reads.count, kind, basis, Filters())
        for text in (kind, f"{kind} nowhere"):
            asked[f"{kind}, {text}"] = partial(reads.page, kind, now, Filters(text=text), "id", None, 5)
    for filters, sort in product((Filters(), Filters(overdue=True)), ("due", "-due", "id")):
        asked[f"{filters} by {sort}"] = partial(reads.page, "milestone", now, filters, sort, None, 5)
    for at, sort in product((now, Asked(basis.known_at - 10)), ("name", "-name")):
        asked[f"meetings by {sort} at {at.known_at and 'a past position'}"] = partial(
            reads.page, "meeting", at, Filters(), sort, None, 5
        )
    return asked


def test_what_shows_a_few_costs_as_much_on_a_long_log(
    new_location: Callable[[], LedgerLocation], subtests: pytest.Subtests
) -> None:
    """Of ten times as many entries a page is made from as many pages of the database, or from a few more."""
    pages = list[dict[str, int]]()
    for count in (800, 8_000):
        location = new_location()
        recorded(location, Generator().events(count))
        with location.connect() as connection:
            connection.execute("vacuum statuses")
        with counting(location) as (reads, pages_of):
            pages.append({name: pages_of(read) for name, read in of_lists(reads).items()})
    for name, short in pages[0].items():
        with subtests.test(asked=name):
            assert pages[1][name] <= 1.3 * short + DEEPER, (name, short, pages[1][name])
