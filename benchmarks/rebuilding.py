"""Building every projection anew: beside the library's way to project, and beside merely reading the entries."""

from collections.abc import Iterator
from contextlib import ExitStack
from time import perf_counter
from typing import Any
from uuid import UUID

from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Json
from pydantic_core import from_json

from benchmarks.filled import generated
from benchmarks.measure import Bench, Figure, Unmeasured, alternate, compare
from benchmarks.recorder import library_env
from benchmarks.service import ENTRIES, Initiatives
from ledger.database.connection import LedgerLocation
from projections.rebuild import rebuild

SCHEMA = "bench_projection"
COPY = "copy (select body from entries order by position) to stdout (format binary)"
UNIT = "events/s"
PATIENCE_S = 600.0


class View(PostgresTrackingRecorder):
    """A table of states, written in one transaction with how far it has come."""

    def __init__(self, datastore: PostgresDatastore, **kwargs: Any) -> None:
        super().__init__(datastore, **kwargs)
        table = Identifier(datastore.schema, "states")
        self.sql_create_statements.append(
            SQL("create table if not exists {} (subject uuid primary key, status text, doc jsonb)").format(table)
        )
        self.upsert_statement = SQL(
            "insert into {} (subject, status, doc) values (%s, %s, %s) "
            "on conflict (subject) do update set status = excluded.status, doc = excluded.doc"
        ).format(table)

    def upsert(self, subject: UUID, status: str, doc: dict[str, Any], tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(self.upsert_statement, (subject, status, Json(doc)), prepare=True)


class States(Projection[View]):
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        told = {name: value for name, value in vars(domain_event).items() if name in ("text", "occurred", "sources")}
        self.view.upsert(domain_event.originator_id, type(domain_event).__name__, told, tracking)


def run(bench: Bench) -> Iterator[Figure]:
    count = bench.scale(50_000, 5_000)
    location = generated(bench, count)
    env = library_env(bench, SCHEMA)
    with ExitStack() as stack:
        stack.enter_context(Initiatives(env=env)).open(count // ENTRIES)
        bench.level()
        measured = alternate(
            {
                "ours": lambda: _rebuild(location),
                "eventsourcing": lambda: _project(bench, env, count),
                "reading and decoding": lambda: _read(location),
            },
            bench.scale(3, 2),
        )
    title = f"rebuild of every projection, {count:,} events, against"
    yield compare(f"{title} the library's ProjectionRunner", measured, "ours", "eventsourcing", UNIT, 12)
    yield compare(f"{title} COPY and JSON-decoding", measured, "ours", "reading and decoding", UNIT, 0.2)


def _rebuild(location: LedgerLocation) -> float:
    started = perf_counter()
    return rebuild(location) / (perf_counter() - started)


def _project(bench: Bench, env: dict[str, str], count: int) -> float:
    bench.owner(f"drop table if exists {SCHEMA}.states, {SCHEMA}.states_tracking")
    started = perf_counter()
    with ProjectionRunner(application_class=Initiatives, projection_class=States, view_class=View, env=env) as runner:
        runner.wait(count, timeout=PATIENCE_S)
        took = perf_counter() - started
    if bench.owner(f"select count(*) from {SCHEMA}.states") != [(count // ENTRIES,)]:
        raise Unmeasured("the library's projection is not complete")
    return count / took


def _read(location: LedgerLocation) -> float:
    started, count = perf_counter(), 0
    with location.connect() as connection, connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for (body,) in copy.rows():
            from_json(body)
            count += 1
    return count / (perf_counter() - started)
