"""A state at a past day: beside a temporal table of PostgreSQL's own, which knows one clock."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from time import perf_counter

import psycopg

from benchmarks.clocks import COST, KINDS
from benchmarks.filled import generated, subjects
from benchmarks.measure import Bench, Figure, Unmeasured, alternate, compare
from benchmarks.web import past_bases
from ledger.database.connection import LedgerLocation
from ledger.vocabulary.fact import Subject
from projections.basis import Asked
from projections.projection import FOREVER
from projections.queries import Queries, find_states

OURS, ALONE, THEIRS = "ours", "ours alone", "WITHOUT OVERLAPS"
SCHEMA = "bench_temporal"
ONE = f"select doc from {SCHEMA}.states where subject = %s and valid_at @> %s::date"
CREATE = f"""
create table {SCHEMA}.states (
    subject text collate "C", valid_at daterange, doc text, primary key (subject, valid_at without overlaps)
)"""
FILL = """
insert into bench_temporal.states
select subject,
       daterange(valid_from, lead(valid_from) over (partition by subject order by valid_from)),
       doc
  from {projections}.states
 where lane = '' and known_to = {ever}"""
"""What is believed now: of each stream the row that begins on each day, as long as no later one does."""

Asking = tuple[str, date]
"""A stream, and a day."""


def run(bench: Bench) -> Iterator[Figure]:
    """The same documents on the same days, asked for one by one on one connection."""
    count = bench.scale(100_000, 10_000)
    location = generated(bench, count)
    _fill(bench, location)
    with location.pool(1) as pool:
        some = subjects(bench, location, KINDS)[: bench.scale(1_000, 300)]
        asked = [(one, at.valid_at) for one, at in past_bases(bench, location, Queries(pool), some) if at.valid_at]
    bench.level()
    contenders: dict[str, Callable[[], float]] = {
        OURS: lambda: _ours(location, asked),
        ALONE: lambda: _alone(location, asked),
        THEIRS: lambda: _theirs(bench, asked),
    }
    measured = alternate(contenders, bench.scale(7, 3))
    bench.owner(f"drop schema {SCHEMA} cascade")
    title = f"at a past day, {count:,} events, against a table of the same documents {THEIRS}"
    yield compare(f"state with what belongs to it {title}", measured, OURS, THEIRS, COST, less=True)
    yield compare(f"state by itself, its basis known, {title}", measured, ALONE, THEIRS, COST, less=True)


def _fill(bench: Bench, location: LedgerLocation) -> None:
    bench.owner(f"drop schema if exists {SCHEMA} cascade")
    bench.owner(f"create schema {SCHEMA}")
    bench.owner("create extension if not exists btree_gist")
    bench.owner(CREATE)
    bench.owner(FILL.format(projections=location.projections, ever=FOREVER))


def _ours(location: LedgerLocation, asked: Sequence[Asking]) -> float:
    with location.pool(1) as pool:
        reads = Queries(pool)
        return _each(asked, lambda subject, day: reads.find(Subject(subject), Asked(valid_at=day))[0])


def _alone(location: LedgerLocation, asked: Sequence[Asking]) -> float:
    with location.pool(1) as pool:
        basis = Queries(pool).basis(Asked())
        with pool.connection() as connection:
            return _each(asked, lambda subject, day: find_states(connection, [subject], basis._replace(valid_at=day)))


def _theirs(bench: Bench, asked: Sequence[Asking]) -> float:
    with psycopg.connect(bench.server.owner_dsn, autocommit=True) as connection:
        return _each(asked, lambda subject, day: connection.execute(ONE, (subject, day)).fetchall())


def _each(asked: Sequence[Asking], ask: Callable[[str, date], object]) -> float:
    """Microseconds a question. Raises Unmeasured where one finds nothing: something was known of each of these, now and then."""
    for subject, day in asked[:20]:
        ask(subject, day)
    started = perf_counter()
    found = sum(1 for subject, day in asked if ask(subject, day))
    took = perf_counter() - started
    if found < len(asked):
        raise Unmeasured(f"{len(asked) - found} of {len(asked)} states are not there")
    return took / len(asked) * 1e6
