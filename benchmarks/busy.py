"""Reads while others write: states that nobody appends to, asked for as on an idle service, and beside a steady pace of appends."""

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import count
from time import perf_counter

from benchmarks.filled import record, subjects
from benchmarks.lopsided import FIRST_DAY, Event, claim, event, register
from benchmarks.measure import Bench, Figure, Unmeasured, alternate, compare
from benchmarks.processes import LEDGER, running
from benchmarks.web import CONNECTIONS, KEY, SUBJECTS, UNIT, Load, get, path_of, served
from ledger.database.connection import LedgerLocation
from projections.follow import catch_up
from tests.generator import Generator

PACE, HELD = 50, 0.9
"""Appends a second, and what of them must have been answered: a service that is too busy for them is not measured."""
STREAMS, WRITERS = 20, 10
WHILE_OTHERS_WRITE = 0.5
IDLE, BUSY = "idle", "busy"


def run(bench: Bench) -> Iterator[Figure]:
    location = _ledger(bench)
    asked = [
        get(path_of(one)) for one, _ in subjects(bench, location, "'agreement', 'meeting', 'milestone'")[:SUBJECTS]
    ]
    with ExitStack() as stack:
        stack.enter_context(running(location, (*LEDGER, "follow"), bench.folder / "busy-follow.log"))
        port = served(bench, stack, location, *LEDGER, "serve")
        pace, load = Pace(port), Load(bench, port, "busy", asked, 200)
        load()  # what the service keeps in memory, it has
        measured = alternate({IDLE: load, BUSY: lambda: pace.beside(load)}, bench.scale(5, 2))
    title = f"HTTP current state, {CONNECTIONS} connections, with {PACE} appends/s to other streams, against none"
    yield compare(title, measured, BUSY, IDLE, UNIT, WHILE_OTHERS_WRITE)


def _ledger(bench: Bench) -> LedgerLocation:
    """One of this contest's own: the shared ones stay as they are."""
    location = bench.new_ledger("bench_busy")
    record(location, Generator().events(bench.scale(20_000, 5_000)))
    catch_up(location)
    bench.level()
    return location


class Pace:
    """Appends to streams of its own at a steady pace, over a few connections: each waits for its answer, as readers do."""

    def __init__(self, port: int) -> None:
        self.port, self.numbers = port, count()
        with self._connected() as append:
            for fact in (register(), *map(_reported, range(STREAMS))):
                append(fact)

    def beside(self, load: Callable[[], float]) -> float:
        """What the load measures meanwhile. Raises Unmeasured where the pace was not held."""
        stop, started = threading.Event(), perf_counter()
        with ThreadPoolExecutor(WRITERS) as threads:
            each = [threads.submit(self._keep_up, stop) for _ in range(WRITERS)]
            try:
                rate = load()
            finally:
                stop.set()
            held = sum(one.result() for one in each) / (perf_counter() - started)
        if held < HELD * PACE:
            raise Unmeasured(f"{held:.0f} appends a second were answered, and not {PACE}")
        return rate

    def _keep_up(self, stop: threading.Event) -> int:
        """One connection's share of the pace; returns how many were answered."""
        started, done = perf_counter(), 0
        with self._connected() as append:
            while not stop.wait(max(started + done * WRITERS / PACE - perf_counter(), 0)):
                number = next(self.numbers)
                append(claim(_stream(number), number))
                done += 1
        return done

    @contextmanager
    def _connected(self) -> Iterator[Callable[[Event], None]]:
        """What appends, over a connection of its own. Raises Unmeasured where an append is not answered with 201."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            yield partial(_append, connection)


def _append(connection: http.client.HTTPConnection, fact: Event) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/events", json.dumps(fact), headers)
    with connection.getresponse() as response:
        said = response.read()
        if response.status != 201:
            raise Unmeasured(f"an append is answered with {response.status}: {said[:200]!r}")


def _reported(number: int) -> Event:
    return event("initiative.reported", _stream(number), FIRST_DAY, name="A busy one", kind="research")


def _stream(number: int) -> str:
    return f"initiative:busy-{number % STREAMS}"
