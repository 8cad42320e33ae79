"""Recording lines, and nothing else: ours beside the library's default recorder, UmaDB, Emmett, message-db, and Postgres itself."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from uuid import uuid4

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresFactory
from eventsourcing.utils import Environment
from psycopg.conninfo import conninfo_to_dict

from benchmarks import emmett, message_db, pgbench, uma
from benchmarks.lines import TYPICAL, TYPICAL_BYTES, batches
from benchmarks.measure import Bench, Figure, Measured, Paced, alternate, compare, console, plural
from ledger.library_recorder import EntryRecorder

CALLERS = (1, 8, 64, 256)
BATCH = 100
OURS, LIBRARY, UMADB, EMMETT, MESSAGE_DB, PGBENCH = "ours", "eventsourcing", "UmaDB", "Emmett", "message-db", "pgbench"
CHECKED = "UmaDB that checks for the stream"
UNIT = "events/s"
AT_LEAST: dict[tuple[int, int], dict[str, float | None]] = {
    (64, 1): {PGBENCH: 1.3, LIBRARY: 8, UMADB: 1.5, EMMETT: 1.5, MESSAGE_DB: None, CHECKED: None},
    (1, 1): {PGBENCH: 0.4, LIBRARY: 1.2, MESSAGE_DB: None},
    (1, BATCH): {LIBRARY: 2},
}
"""By callers and events in a batch: against whom, and by how much."""

Contender = Callable[[], float]


def library_env(bench: Bench, schema: str) -> dict[str, str]:
    """The library's own settings, as its documentation says, and the defaults for all else."""
    bench.owner(f"drop schema if exists {schema} cascade")
    bench.owner(f"create schema {schema}")
    owner = conninfo_to_dict(bench.server.owner_dsn)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres", "POSTGRES_DBNAME": str(owner["dbname"]),
        "POSTGRES_HOST": str(owner["host"]), "POSTGRES_USER": str(owner["user"]), "POSTGRES_PASSWORD": "not asked for",
        "POSTGRES_SCHEMA": schema,
    }  # fmt: skip


def _stored_events(count: int, size: int) -> list[list[StoredEvent]]:
    state = TYPICAL.state.ljust(TYPICAL_BYTES)
    return [[StoredEvent(uuid4(), 1, TYPICAL.topic, state) for _ in range(size)] for _ in range(count)]


class Contest:
    """Every contender, set up once, for any number of callers and events in a batch."""

    def __init__(self, bench: Bench, stack: ExitStack) -> None:
        self.bench = bench
        location = bench.new_ledger("bench_recorder")
        recorder = EntryRecorder(location, stack.enter_context(location.pool(1)))
        stack.callback(recorder.close)
        self.ours = recorder.insert_events
        factory = PostgresFactory(Environment("bench", library_env(bench, "bench_library")))
        stack.callback(factory.close)
        self.library = factory.application_recorder().insert_events
        self.uma = stack.enter_context(uma.Server(bench.folder / "uma"))
        self.pgbench = pgbench.inserts(bench, location)
        self.message_db = message_db.Appends(bench)
        self.emmett = emmett.Appends(bench)

    def contenders(self, callers: int, size: int) -> dict[str, Contender]:
        seconds = self.bench.scale(2, 1)
        paced = {"callers": callers, "each": size, "seconds": seconds}
        found: dict[str, Contender] = {
            OURS: Paced(lambda count: batches(count, size), self.ours, callers=callers, each=size, seconds=seconds),
            LIBRARY: Paced(lambda count: _stored_events(count, size), self.library, **paced),
            UMADB: Paced(lambda count: uma.batches(count, size), self.uma.append, **paced),
            CHECKED: Paced(lambda count: uma.batches(count, size), self.uma.append_checked, **paced),
            EMMETT: lambda: self.emmett.run(callers, size, seconds),
        }
        if size == 1 and callers <= pgbench.MAX_CLIENTS:
            found[PGBENCH] = lambda: self.pgbench.run(callers, seconds)
            found[MESSAGE_DB] = lambda: self.message_db.run(callers, seconds)
        return found


def run(bench: Bench) -> Iterator[Figure]:
    console.print(f"a line has {TYPICAL_BYTES} bytes")
    with ExitStack() as stack:
        contest = Contest(bench, stack)
        bench.level()
        for size in (1, BATCH):
            for callers in CALLERS:
                at_least = AT_LEAST.get((callers, size), {})
                if at_least or not bench.quick:
                    measured = _measure(contest, callers, size, at_least)
                    _note(bench, measured, callers, size)
                    yield from _figures(measured, callers, size, at_least)


def _measure(contest: Contest, callers: int, size: int, at_least: dict[str, float | None]) -> Measured:
    console.print(f"recorder, {_title(callers, size)}")
    contenders = contest.contenders(callers, size)
    if contest.bench.quick or CHECKED not in at_least:
        contenders.pop(CHECKED)
    if contest.bench.quick:
        contenders = {name: one for name, one in contenders.items() if name == OURS or name in at_least}
    return alternate(contenders, contest.bench.scale(5 if at_least else 2, 2))


def _title(callers: int, size: int) -> str:
    each = "one event each" if size == 1 else f"batches of {size}"
    return f"{plural(callers)}, {each}"


def _figures(measured: Measured, callers: int, size: int, at_least: dict[str, float | None]) -> Iterator[Figure]:
    for peer in measured.runs:
        if peer != OURS:
            name = f"recorder, {_title(callers, size)}, against {peer}"
            yield compare(name, measured, OURS, peer, UNIT, at_least.get(peer))


def _note(bench: Bench, measured: Measured, callers: int, size: int) -> None:
    title = "Recorder, single events" if size == 1 else f"Recorder, batches of {size}"
    for name in measured.runs:
        if (rate := measured.median(name)) is not None:
            bench.curves.setdefault(title, {}).setdefault(name, {})[callers] = rate
