"""Reads of some streams while others are written to: what the answers that are kept are worth then."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain, cycle
from json import dumps
from threading import Event, Thread
from time import perf_counter, sleep

from benchmarks.filled import record, subjects
from benchmarks.measure import Bench, Figure, Unmeasured, alternate, compare
from benchmarks.processes import LEDGER, running
from benchmarks.service import claim, streams
from benchmarks.web import CONNECTIONS, SUBJECTS, UNIT, Client, Load, get, path_of, served
from ledger.database.connection import LedgerLocation
from projections.follow import catch_up
from tests.generator import Generator

PACE = 50
OTHERS = 200
"""So many streams are written to, and none of them is read."""
OPENED = {"name": "A programme", "kind": "co_production", "areas": ["jet_engines"]}


class Appends:
    """One event after the other over HTTP, at a steady pace, for as long as the block."""

    def __init__(self, port: int) -> None:
        self.client, self.stop, self.failed = Client(port), Event(), list[int]()
        self.thread = Thread(target=self._append)

    def __enter__(self) -> None:
        self.thread.start()
        sleep(0.5)

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()
        if self.failed:
            raise Unmeasured(f"appends were answered with {self.failed}")

    def _append(self) -> None:
        started = perf_counter()
        for number, subject in enumerate(cycle(streams(OTHERS))):
            sleep(max(started + number / PACE - perf_counter(), 0))
            if self.stop.is_set():
                return
            answer = self.client.ask("POST", "/v1/events", dumps(claim(subject, number)).encode())
            answer.read()
            if answer.status != 201:
                self.failed.append(answer.status)


def run(bench: Bench) -> Iterator[Figure]:
    """The same reads with nobody writing, and with 50 appends a second to other streams; the follower runs all the while."""
    location = _ledger(bench)
    some = subjects(bench, location, "'agreement', 'meeting', 'milestone'")[:SUBJECTS]
    paths = [path_of(subject) for subject, _ in some]
    with ExitStack() as stack:
        stack.enter_context(running(location, (*LEDGER, "follow"), bench.folder / "busy-follow.log"))
        port = served(bench, stack, location, *LEDGER, "serve")
        read = Load(bench, port, "busy", [get(path) for path in paths], 200)
        for path in paths:
            Client(port).get(path)

        def read_while_others_write() -> float:
            with Appends(port):
                return read()

        measured = alternate({"idle": read, "busy": read_while_others_write}, bench.scale(5, 2))
    name = f"HTTP current state, {CONNECTIONS} connections, with {PACE} appends/s to other streams, against none"
    yield compare(name, measured, "busy", "idle", UNIT, 0.5)


def _ledger(bench: Bench) -> LedgerLocation:
    location = bench.new_ledger("bench_busy")
    opened = ({**claim(subject, 0, 2023), "type": "initiative.reported", "data": OPENED} for subject in streams(OTHERS))
    record(location, chain(Generator().events(bench.scale(20_000, 5_000)), opened))
    catch_up(location)
    bench.level()
    return location
