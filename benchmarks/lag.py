"""How long until a commit shows: appends at a steady pace, and a follower in a process of its own."""

from collections.abc import Iterator
from concurrent.futures import Future
from random import Random
from statistics import median, quantiles
from threading import Event, Thread
from time import perf_counter, sleep

from benchmarks.measure import Bench, Figure
from benchmarks.processes import LEDGER, running
from benchmarks.service import CLERK, claim, ledger_of_tens
from ledger.database.connection import LedgerLocation
from ledger.process import tune_gc
from ledger.service import Ledger
from ledger.writing.decision import Answer
from ledger.writing.draft import read_draft
from projections.follow import catch_up
from projections.runner import projected

PACE = 500
LOOK_EVERY_S = 0.002
PATIENCE_S = 20.0


def run(bench: Bench) -> Iterator[Figure]:
    location, streams = ledger_of_tens(bench, "lag")
    catch_up(location)
    tune_gc()  # as the service does
    bench.level()
    with running(location, (*LEDGER, "follow"), bench.folder / "lag.log"), Watch(location) as watch:
        sleep(2)  # until it has come up
        committed = sorted(_append(location, streams, PACE * bench.scale(60, 6)), key=lambda one: one[1])
        lags = [(watch.shown(position) - at) * 1000 for position, at in committed]
    half = len(committed) // 2
    for name, first, last in (("while streams come into memory", 0, half), ("steady", half, len(committed) - 1)):
        rate = (last - first) / (committed[last][1] - committed[first][1])
        title = f"lag from commit to visible state, {rate:,.0f} events/s over {len(streams):,} streams, {name}"
        p99 = quantiles(lags[first:last], n=100)[-1]
        yield Figure(f"{title}: median", median(lags[first:last]), None, None, None, "ms", 1)
        yield Figure(f"{title}: 99th percentile", p99, None, None, None, "ms", 1)


def _append(location: LedgerLocation, streams: list[str], count: int) -> list[tuple[int, float]]:
    """Positions, and when each was known to be recorded. Nobody waits for an answer before the next event is due."""
    committed: list[tuple[int, float]] = []

    def note(answered: Future[list[Answer]]) -> None:
        committed.append((answered.result()[0].position, perf_counter()))

    with location.pool() as pool, Ledger(location, pool) as ledger:
        started, random = perf_counter(), Random(1)
        for number in range(count):
            sleep(max(started + number / PACE - perf_counter(), 0))
            event = read_draft(claim(random.choice(streams), number))
            ledger.submit([event], CLERK).add_done_callback(note)
    return committed


class Watch:
    """Looks at how far the projections are, every other millisecond."""

    def __init__(self, location: LedgerLocation) -> None:
        self.location, self.stop, self.seen = location, Event(), list[tuple[int, float]]()
        self.thread = Thread(target=self._look)

    def __enter__(self) -> "Watch":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()

    def _look(self) -> None:
        with self.location.connect() as connection:
            while not self.stop.is_set():
                position = projected(connection)
                if not self.seen or position > self.seen[-1][0]:
                    self.seen.append((position, perf_counter()))
                sleep(LOOK_EVERY_S)

    def shown(self, position: int) -> float:
        """When the states showed it first."""
        deadline = perf_counter() + PATIENCE_S
        while not self.seen or self.seen[-1][0] < position:
            if perf_counter() > deadline:
                raise TimeoutError(f"the follower has not come to position {position}")
            sleep(0.01)
        return next(at for shown, at in self.seen if shown >= position)
