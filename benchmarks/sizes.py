"""What grows with the ledger, and what must not: cost, memory, bytes, and the speed of import and export."""

import subprocess
from collections.abc import Iterator
from random import Random
from time import perf_counter
from typing import Any

from benchmarks.bulk import FOLLOW, IMPORT, MEMORY_MB, followed, weighed, with_events
from benchmarks.bulk import UNIT as STARTING
from benchmarks.filled import generated, subjects
from benchmarks.measure import Bench, Figure, Measured, Unmeasured, alternate, compare
from benchmarks.processes import Run, Weighed
from benchmarks.service import CLERK
from ledger.database.connection import LedgerLocation
from ledger.service import Ledger
from ledger.vocabulary.fact import Subject
from ledger.writing.draft import read_draft
from projections.basis import Asked
from projections.queries import Queries
from tests.generator import Generator

WITHIN = 1 / 1.3
COST = "microseconds, less is better"
STREAMS = 350
"""That are appended to: the smallest ledger has as many meetings."""


def run_all(bench: Bench) -> Iterator[Figure]:
    count = bench.scale(1_000_000, 10_000)
    big = LedgerLocation(bench.server.location.dsn, f"bench_generated_{count}")
    yield from _commands(bench, big, count)
    yield _bytes(bench, big, count)
    bench.kept.add(big.schema)
    yield from _costs(bench, [bench.scale(10_000, 2_000), bench.scale(100_000, 5_000), count])


# --- commands


def _commands(bench: Bench, location: LedgerLocation, count: int) -> Iterator[Figure]:
    """Import, follow, rebuild and export, one after the other, on a ledger of so many events."""
    bench.new_ledger(location.schema)
    events = with_events(bench, Generator().events(count))
    took = {"import": weighed(bench, location, "import", str(events))}
    events.unlink()
    took["follow"] = followed(bench, location, count)
    took["rebuild"] = weighed(bench, location, "rebuild")
    took["export"] = _export(bench, location, count)
    for command, one in took.items():
        yield from _figures(command, count, one, bounded=command in ("follow", "rebuild"))
    for command, at_least in (("follow", FOLLOW), ("import", IMPORT)):
        yield _against_rebuild(command, count, took, at_least)


def _against_rebuild(command: str, count: int, took: dict[str, Run], at_least: float) -> Figure:
    rates = Measured({name: [count / one.seconds] for name, one in took.items()})
    title = f"ledger {command} of {count:,} events from nothing, against a rebuild"
    return compare(title, rates, command, "rebuild", STARTING, at_least)


def _figures(command: str, count: int, took: Run, *, bounded: bool) -> Iterator[Figure]:
    name = f"ledger {command} of {count:,} events"
    yield Figure(name, count / took.seconds, None, None, None, STARTING, 1)
    bound, at_least = (MEMORY_MB, 1.0) if bounded else (None, None)
    ratio = bound / took.peak_mb if bound else None
    title = f"peak memory of {name}" + (f", against {bound} MB" if bound else "")
    yield Figure(title, took.peak_mb, bound, ratio, at_least, "MB, less is better", 1)


def _export(bench: Bench, location: LedgerLocation, count: int) -> Run:
    target = bench.folder / "export.ndjson"
    with target.open("wb") as out:
        took = Weighed(location, bench.folder, "export", out=out).wait()
    lines = int(subprocess.check_output(["wc", "-l", target]).split()[0])
    target.unlink()
    if lines != count:
        raise Unmeasured(f"{lines} of {count} lines were exported")
    return took


def _bytes(bench: Bench, location: LedgerLocation, count: int) -> Figure:
    row = bench.owner(
        f"select pg_total_relation_size('{location.schema}.entries')::float8, sum(octet_length(body::text))::float8 "
        f"from {location.schema}.entries"
    )[0]
    name = f"bytes on disk of an entry with its indexes, {count:,} events, against the bytes of its line"
    return Figure(name, row[0] / count, row[1] / count, row[1] / row[0], 1 / 2, "bytes, less is better", 1)


# --- cost against size


def _costs(bench: Bench, sizes: list[int]) -> Iterator[Figure]:
    """One append, and one read, on ledgers of several sizes that take turns."""
    places = {size: generated(bench, size) for size in sizes}
    bench.level()
    small, big = f"{sizes[0]:,}", f"{sizes[-1]:,}"
    for what, cost in (("append", _AppendCost), ("read", _ReadCost)):
        contenders = {f"{size:,}": cost(bench, location) for size, location in places.items()}
        measured = alternate(contenders, bench.scale(5, 3))
        curve = {size: found for size in sizes if (found := measured.median(f"{size:,}")) is not None}
        bench.curves.setdefault("Cost against the size of the ledger", {})[f"one {what}"] = curve
        name = f"cost of one {what} at {big} events, against that at {small}"
        yield compare(name, measured, big, small, COST, WITHIN, less=True)


def _topic(meeting: str) -> dict[str, Any]:
    """What can be said of a meeting whatever became of it."""
    sources = [{"source": "source:report-017", "locator": "paragraph 3"}]
    data = {"topic": "logistics", "verb": "discussed"}
    return {"type": "meeting.topic_discussed", "subject": meeting, "sources": sources, "data": data}


class _AppendCost:
    """Microseconds of one append to a stream that this process has not seen yet."""

    def __init__(self, bench: Bench, location: LedgerLocation) -> None:
        self.location, self.count, self.number = location, bench.scale(300, 50), 0
        self.streams = [subject for subject, _ in subjects(bench, location, "'meeting'")][:STREAMS]

    def __call__(self) -> float:
        random = Random(self.number)
        chosen = random.sample(self.streams, self.count)
        self.number += 1
        with self.location.pool(1) as pool, Ledger(self.location, pool) as ledger:
            ledger.append([read_draft(_topic(chosen[0]))], CLERK)
            started = perf_counter()
            for subject in chosen:
                ledger.append([read_draft(_topic(subject))], CLERK)
            return (perf_counter() - started) / self.count * 1e6


class _ReadCost:
    """Microseconds of reading one current state with what belongs to it."""

    def __init__(self, bench: Bench, location: LedgerLocation) -> None:
        self.location, self.count = location, bench.scale(2_000, 500)
        kinds = "'initiative', 'agreement', 'meeting', 'milestone'"
        self.chosen = [Subject(subject) for subject, _ in subjects(bench, location, kinds)][: self.count]

    def __call__(self) -> float:
        with self.location.pool(1) as pool:
            reads = Queries(pool)
            reads.whole(self.chosen[0], Asked())
            started = perf_counter()
            for subject in self.chosen:
                reads.find(subject, Asked())
            return (perf_counter() - started) / len(self.chosen) * 1e6
