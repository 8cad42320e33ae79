"""A stream that is much longer than all others: what its rows take, and what one fact more costs, in order and out of it."""

from collections.abc import Iterator
from functools import partial
from itertools import count, repeat
from statistics import median
from time import perf_counter

from benchmarks.filled import record
from benchmarks.lopsided import claim, long_initiative, long_meeting, register, statement
from benchmarks.measure import Bench, Figure, Measured, alternate, compare
from benchmarks.service import CLERK
from ledger.database.connection import LedgerLocation
from ledger.service import Ledger
from ledger.writing.draft import read_draft
from projections.follow import catch_up
from projections.runner import Follower

ORDERS = {"in the order of their days": True, "in no order": False}
SHORT, LONG = 200, 2_000
EACH = 5
ROWS, FOLLOWED, ADMITTED = 1 / 5, 1 / 2, 1 / 2
"""What is asked for: the rows' bytes on disk against the entries', one fact more on the long stream against the short, and an
admission for each entry of the stream."""
MS = "ms, less is better"
ENTRIES_BYTES = "select pg_total_relation_size('{}.entries')::float8"
ROWS_BYTES = """
select sum(pg_total_relation_size(pg_class.oid))::float8
  from pg_class
  join pg_namespace on pg_namespace.oid = relnamespace
 where nspname = '{}' and relkind = 'r'"""


def run(bench: Bench) -> Iterator[Figure]:
    long = bench.scale(LONG, 5 * SHORT)
    for order, in_order in ORDERS.items():
        yield from _initiatives(bench, long, order, in_order=in_order)
    yield _meetings(bench, 2 * SHORT, bench.scale(2 * LONG, 5 * SHORT))


def _initiatives(bench: Bench, long: int, order: str, *, in_order: bool) -> Iterator[Figure]:
    location = bench.new_ledger("bench_long")
    record(location, [register(), *long_initiative("initiative:long", long, in_order=in_order)])
    catch_up(location)
    rows = float(bench.owner(ROWS_BYTES.format(location.projections))[0][0])
    entries = float(bench.owner(ENTRIES_BYTES.format(location.schema))[0][0])
    name = f"one stream of {long:,} claims recorded {order}"
    title = f"{name}: bytes of all rows on disk, against those of its entries"
    yield Figure(title, rows, entries, entries / rows, ROWS, "bytes, less is better", 1)
    record(location, long_initiative("initiative:short", SHORT, in_order=in_order))
    catch_up(location)
    bench.level()
    measured = _followed(bench, location, {"long": long, "short": SHORT}, in_order=in_order)
    bench.drop(location)
    title = f"{name}: following one more of them, against one on {SHORT}"
    yield compare(title, measured, "long", "short", MS, FOLLOWED, less=True)


def _followed(bench: Bench, location: LedgerLocation, sizes: dict[str, int], *, in_order: bool) -> Measured:
    """Milliseconds that a follower takes for one claim more: of a day after all others, or of one in their middle."""
    with location.connect() as connection, location.pool(1) as pool, Ledger(location, pool) as ledger:
        follower = Follower(connection)

        def follow(subject: str, day: int) -> float:
            ledger.append([read_draft(claim(subject, day))], CLERK)
            started = perf_counter()
            follower.step()
            return (perf_counter() - started) * 1000

        def several(name: str, days: Iterator[int]) -> float:
            return median(follow(f"initiative:{name}", next(days)) for _ in range(EACH))

        days = {name: count(size) if in_order else repeat(size // 2) for name, size in sizes.items()}
        for name in sizes:
            follow(f"initiative:{name}", next(days[name]))  # the first has the whole stream to read
        contenders = {name: partial(several, name, days[name]) for name in sizes}
        return alternate(contenders, bench.scale(5, 2))


def _meetings(bench: Bench, short: int, long: int) -> Figure:
    location = bench.new_ledger("bench_long")
    record(location, [register(), *long_meeting("meeting:short", short), *long_meeting("meeting:long", long)])
    bench.level()
    numbers = count(long)
    sizes = {"short": short, "long": long}
    contenders = {name: partial(_admitted, location, f"meeting:{name}", size, numbers) for name, size in sizes.items()}
    measured = alternate(contenders, bench.scale(3, 2))
    bench.drop(location)
    title = f"one statement more at a meeting with {long:,} of one day, for each of them, against one with {short}"
    return compare(title, measured, "long", "short", "microseconds, less is better", ADMITTED, less=True)


def _admitted(location: LedgerLocation, meeting: str, size: int, numbers: Iterator[int]) -> float:
    """Microseconds for each entry of a stream that this ledger has not in memory, to admit and record one more."""
    draft = read_draft(statement(meeting, next(numbers)))
    with location.pool(1) as pool, Ledger(location, pool) as ledger:
        started = perf_counter()
        ledger.append([draft], CLERK)
        return (perf_counter() - started) / size * 1e6
