"""What processes of the service cost each other: two that append, beside one with as many callers."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from itertools import count
from multiprocessing import get_context
from random import Random
from time import perf_counter

from benchmarks.measure import Bench, Figure, alternate, compare
from benchmarks.service import CLERK, claim, ledger_of_tens
from ledger.database.connection import LedgerLocation
from ledger.errors import LedgerError
from ledger.process import tune_gc
from ledger.service import Ledger
from ledger.writing.draft import read_draft

CALLERS = 32
UNIT = "events/s"
ONE, APART, SAME = "one process", "two processes, each on streams of its own", "two processes on the same streams"


def run(bench: Bench) -> Iterator[Figure]:
    location, streams = ledger_of_tens(bench, "several")
    half, seconds = len(streams) // 2, bench.scale(4, 2)
    bench.level()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        both = partial(_together, processes, location, seconds)
        contenders = {
            ONE: lambda: both([streams]),
            APART: lambda: both([streams[:half], streams[half:]]),
            SAME: lambda: both([streams, streams]),
        }
        measured = alternate(contenders, bench.scale(4, 2))
    for name in (APART, SAME):
        yield compare(f"service, {CALLERS} callers in {name}, against {ONE}", measured, name, ONE, UNIT)


def _together(
    processes: ProcessPoolExecutor, location: LedgerLocation, seconds: float, shares: list[list[str]]
) -> float:
    """Events recorded a second, by as many processes as there are shares of the streams."""
    callers = CALLERS // len(shares)
    work = [
        processes.submit(appended, location, share, callers, seconds, number) for number, share in enumerate(shares)
    ]
    return sum(one.result() for one in work)


def appended(location: LedgerLocation, streams: list[str], callers: int, seconds: float, seed: int) -> float:
    """Events recorded a second, by so many callers in this process."""
    tune_gc()
    with location.pool(2) as pool, Ledger(location, pool) as ledger, ThreadPoolExecutor(callers) as threads:
        started = perf_counter()
        each = [threads.submit(_pump, ledger, streams, started + seconds, seed * 1_000 + n) for n in range(callers)]
        return sum(one.result() for one in each) / (perf_counter() - started)


def _pump(ledger: Ledger, streams: list[str], until: float, seed: int) -> int:
    random, done = Random(seed), 0
    for number in count():
        if perf_counter() > until:
            return done
        try:
            ledger.append([read_draft(claim(random.choice(streams), number))], CLERK)
            done += 1
        except LedgerError:
            continue  # it was overtaken too often
    return done
