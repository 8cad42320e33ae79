"""All of a ledger at once: import, a follower that starts from nothing, rebuild and audit; on even streams, and on large agreements."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, NamedTuple

from benchmarks.measure import Bench, Figure, Measured, Unmeasured, compare, console, short
from benchmarks.processes import Run, Weighed
from ledger.database.connection import LedgerLocation
from projections.runner import projected
from tests.generator import STATES, Generator

FOLLOW, IMPORT, AUDIT = 0.9, 0.4, 1 / 2
"""What is asked for against a rebuild: of the rate of a follower that is far behind and of an import, and of an audit's processor time."""
MEMORY_MB = 300
PATIENCE_S = 1_800
UNIT = "events/s, with starting up"
CPU = "s of processors, Postgres' too, less is better"


class Cost(NamedTuple):
    """What a command took: all that its processes did, and the server's processor time beside it."""

    run: Run
    server_s: float

    @property
    def cpu_s(self) -> float:
        return self.run.cpu_s + self.server_s

    @property
    def told(self) -> str:
        return f"{short(self.run.seconds)} s ({short(self.run.cpu_s)} + {short(self.server_s)} of processors)"


def run(bench: Bench) -> Iterator[Figure]:
    count = bench.scale(100_000, 10_000)
    events = with_events(bench, Generator().events(count))
    costs = [_commands(bench, events, count) for _ in range(bench.scale(2, 1))]
    rates = _measured(costs, lambda cost: count / cost.run.seconds)
    for command, at_least in (("follow", FOLLOW), ("import", IMPORT)):
        title = f"ledger {command} of {count:,} events from nothing, against a rebuild"
        yield compare(title, rates, command, "rebuild", UNIT, at_least)
    title = f"ledger audit of {count:,} events: processor time, against a rebuild's"
    yield compare(title, _measured(costs, lambda cost: cost.cpu_s), "audit", "rebuild", CPU, AUDIT, less=True)
    yield from _large_agreements(bench, bench.scale(10_000, 2_000))


def _large_agreements(bench: Bench, count: int) -> Iterator[Figure]:
    events = with_events(bench, Generator().treaties(count))
    for command, cost in _commands(bench, events, count).items():
        name = f"ledger {command} of {count:,} events of agreements of {STATES} parties"
        yield Figure(name, count / cost.run.seconds, None, None, None, UNIT, 1)
        peak = cost.run.peak_mb
        title = f"peak memory of {name}, against {MEMORY_MB} MB"
        yield Figure(title, peak, MEMORY_MB, MEMORY_MB / peak, 1.0, "MB, less is better", 1)


def with_events(bench: Bench, events: Iterable[dict[str, Any]]) -> Path:
    """A file of them, in the benchmark's folder."""
    path = bench.folder / "events.ndjson"
    with path.open("w") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)
    return path


def _commands(bench: Bench, events: Path, count: int) -> dict[str, Cost]:
    """One after the other on a new ledger: each has the work that the one before it has left."""
    location = bench.new_ledger("bench_bulk")
    commands: Mapping[str, Callable[[], Run]] = {
        "import": lambda: weighed(bench, location, "import", str(events)),
        "follow": lambda: followed(bench, location, count),
        "rebuild": lambda: weighed(bench, location, "rebuild"),
        "audit": lambda: weighed(bench, location, "audit"),
    }
    costs = {name: _cost(bench, command) for name, command in commands.items()}
    console.print(f"  [dim]{', '.join(f'{name} {one.told}' for name, one in costs.items())}[/dim]")
    bench.drop(location)
    return costs


def _cost(bench: Bench, command: Callable[[], Run]) -> Cost:
    bench.level()
    before = bench.server_s()
    took = command()
    return Cost(took, bench.server_s() - before)


def _measured(costs: list[dict[str, Cost]], what: Callable[[Cost], float]) -> Measured:
    return Measured({command: [what(one[command]) for one in costs] for command in costs[0]})


def weighed(bench: Bench, location: LedgerLocation, *arguments: str) -> Run:
    return Weighed(location, bench.folder, *arguments).wait()


def followed(bench: Bench, location: LedgerLocation, count: int) -> Run:
    """A follower from the first entry to the last."""
    follower = Weighed(location, bench.folder, "follow")
    deadline = perf_counter() + PATIENCE_S
    with location.connect() as connection:
        while projected(connection) < count:
            if perf_counter() > deadline or follower.process.poll() is not None:
                raise Unmeasured(f"the follower has not come to the end: {follower.log.read_text()[-200:]}")
            sleep(0.2)
    return follower.stop()
