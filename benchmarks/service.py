"""Deciding and recording: the ledger's ``append`` beside the library's ``Application`` as it comes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from random import Random
from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from benchmarks.filled import chunks, record
from benchmarks.measure import Bench, Figure, Paced, alternate, compare, plural
from benchmarks.recorder import CALLERS, LIBRARY, OURS, UNIT, library_env
from ledger.database.connection import LedgerLocation
from ledger.process import tune_gc
from ledger.service import Ledger
from ledger.writing.decision import Actor
from ledger.writing.draft import read_draft
from tests.generator import Generator

ENTRIES = 10
CLERK = Actor("api_key", "clerk")
TEXT = "Both sides say that the co-production of the vehicles, the training of crews and the exchange of data go on. "
AT_LEAST = {64: 5.0}

Body = dict[str, Any]


def claim(subject: str, number: int, year: int = 2024) -> Body:
    """One more event on a stream, of a typical size, always admitted; in 2024 it is later than the ten before it."""
    return {
        "type": "initiative.claim_recorded", "subject": subject, "occurred": f"{year}-{number % 12 + 1:02}-17",
        "sources": [{"source": f"source:report-{number % 100:03}", "locator": f"paragraph {number % 30}"}],
        "data": {"text": TEXT},
    }  # fmt: skip


def streams(count: int) -> list[str]:
    return [f"initiative:stream-{number}" for number in range(count)]


def ten_each(count: int) -> Iterator[Body]:
    """Sources and parties first, then streams of ten entries."""
    yield from islice(Generator().events(160), 160)
    told = {"name": "A programme", "kind": "co_production", "areas": ["jet_engines"]}
    for subject in streams(count):
        for number in range(ENTRIES):
            yield claim(subject, number, 2023) | ({} if number else {"type": "initiative.reported", "data": told})


def ledger_of_tens(bench: Bench, contest: str) -> tuple[LedgerLocation, list[str]]:
    """A ledger of streams of ten entries for this contest alone, and the streams."""
    count = bench.scale(5_000, 1_000)
    location = bench.new_ledger(f"bench_tens_{contest}")
    record(location, ten_each(count))
    return location, streams(count)


class Initiative(Aggregate):
    """The same stream in the library's manner."""

    @event("Reported")
    def __init__(self, name: str, kind: str, areas: list[str], sources: list[Body], occurred: str) -> None:
        self.name, self.kind, self.areas, self.sources = name, kind, areas, sources
        self.claims: list[tuple[str, str]] = []

    @event("ClaimRecorded")
    def record_claim(self, text: str, sources: list[Body], occurred: str) -> None:
        self.claims.append((occurred, text))


class Initiatives(Application[UUID]):
    def open(self, count: int) -> list[UUID]:
        made = [self._ten() for _ in range(count)]
        for chunk in chunks(made, 100):
            self.save(*chunk)
        return [one.id for one in made]

    def _ten(self) -> Initiative:
        first = claim("", 0)
        one = Initiative("A programme", "co_production", ["jet_engines"], first["sources"], first["occurred"])
        for number in range(1, ENTRIES):
            one.record_claim(TEXT, claim("", number)["sources"], claim("", number)["occurred"])
        return one

    def record_claim(self, given: tuple[UUID, int]) -> None:
        which, number = given
        told = claim("", number)
        one: Initiative = self.repository.get(which)
        one.record_claim(told["data"]["text"], told["sources"], told["occurred"])
        self.save(one)


def run(bench: Bench) -> Iterator[Figure]:
    for callers in CALLERS:
        if callers in AT_LEAST or not bench.quick:
            yield _contest(bench, callers)


def _contest(bench: Bench, callers: int) -> Figure:
    """On streams of ten each time: whatever has been appended before would make them longer."""
    location, ours = ledger_of_tens(bench, "service")
    with ExitStack() as stack:
        pool = stack.enter_context(location.pool(16))
        ledger = stack.enter_context(Ledger(location, pool))
        library = stack.enter_context(Initiatives(env=library_env(bench, "bench_application")))
        theirs = library.open(len(ours))
        tune_gc()  # as the service does; the library's application runs in the same process
        bench.level()
        return _figure(bench, ledger, ours, library, theirs, callers)


def _figure(
    bench: Bench, ledger: Ledger, ours: list[str], library: Initiatives, theirs: list[UUID], callers: int
) -> Figure:
    seconds, random = bench.scale(3, 1), Random(callers)
    contenders: dict[str, Callable[[], float]] = {
        OURS: Paced(
            lambda count: [claim(ours[at], at) for at in _places(random, len(ours), count)],
            lambda body: ledger.append([read_draft(body)], CLERK),
            callers=callers, each=1, seconds=seconds,
        ),
        LIBRARY: Paced(
            lambda count: [(theirs[at], at) for at in _places(random, len(theirs), count)],
            library.record_claim,
            callers=callers, each=1, seconds=seconds,
        ),
    }  # fmt: skip
    measured = alternate(contenders, bench.scale(5 if callers in AT_LEAST else 3, 2))
    for name in contenders:
        if (rate := measured.median(name)) is not None:
            bench.curves.setdefault("Service, single events on streams of ten", {}).setdefault(name, {})[callers] = rate
    name = f"service, {plural(callers)} on streams of ten entries, against the library's Application"
    return compare(name, measured, OURS, LIBRARY, UNIT, AT_LEAST.get(callers))


def _places(random: Random, streams: int, count: int) -> list[int]:
    """Each stream once, in an order by chance, then again: callers seldom meet on one."""
    found: list[int] = []
    while len(found) < count:
        found += random.sample(range(streams), streams)
    return found[:count]
