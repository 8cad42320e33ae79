"""The writer's own connection, and the one statement that records over it.

What is promised holds at each point where a process can die:

- before the statement is sent: nothing is recorded, nobody was answered;
- while it runs: the server rolls it back, or commits it whole;
- after its commit, before the answer: it is recorded, and who does not know finds it by its ids.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from time import monotonic
from typing import NamedTuple
from uuid import UUID

import psycopg

from ledger.database.connection import Connection, LedgerLocation, read_dsn, sql_blocks
from ledger.database.failures import is_lost
from ledger.log.batch import Batch
from ledger.log.entry import StoredLine

SQL = sql_blocks("ledger.log", "committer.sql")
NOTIFY_EVERY_S = 0.02


class LastEntry(NamedTuple):
    """The last entry that was read or recorded: where it stands, which one it is, and when it was recorded."""

    position: int
    entry_id: str
    recorded_at: datetime


UNSEEN = {"position": None, "entry_id": None, "recorded_at": None}


class Lost(Exception):
    """The statement that records was sent, and whether it recorded is not known."""


class Verdict(NamedTuple):
    """What became of a batch, in the words of the function ``append_lines``; ``stale`` are its groups left out."""

    verdict: str
    base: int
    recorded_at: datetime
    epoch: str
    stale: Sequence[int]


class Premises(NamedTuple):
    """What a whole batch was decided on: the last entry seen, the time and the day, if any; and how far clocks may differ."""

    seen: LastEntry | None
    decided_at: datetime
    decided_on: date | None
    tolerance: timedelta
    patience: timedelta


class Committer:
    """Not for several threads at once. A connection that is lost is made again when it is needed."""

    def __init__(self, location: LedgerLocation) -> None:
        self.location = location
        self.connection: Connection | None = None
        self.deadline = 0.0  # as time.monotonic() counts: until then the server may take to answer
        self.warned = False
        self.notified_at = 0.0
        self.owes_notice = False

    def connect(self) -> Connection:
        """The connection, bound to the deadline. Raises psycopg.OperationalError."""
        if self.connection is None or self.connection.closed:
            hosts = str(read_dsn(self.location.dsn).get("host", "")).split(",")  # each is waited for in turn
            left_s = max(int((self.deadline - monotonic()) / len(hosts)), 1)
            self.connection = Connection.connect(self.location.conninfo(), autocommit=True, connect_timeout=left_s)
            self.connection.add_notice_handler(self._note_warning)
        self.connection.deadline = self.deadline
        return self.connection

    def _note_warning(self, notice: psycopg.errors.Diagnostic) -> None:
        """Such as that what was committed might not have been replicated: then the outcome is not known."""
        self.warned = self.warned or notice.severity_nonlocalized == "WARNING"

    def drop(self) -> None:
        if self.connection is not None:
            self.connection.close()

    @property
    def is_connected(self) -> bool:
        return self.connection is not None and not self.connection.closed

    @property
    def backend_pid(self) -> int | None:
        connection = self.connection
        return None if connection is None or connection.closed else connection.info.backend_pid

    def record(self, batch: Batch, ground: Premises) -> Verdict:
        """Record what still rests on what it was decided on. Raises Lost, and psycopg.Error where nothing is recorded."""
        seen = ground.seen._asdict() if ground.seen else UNSEEN
        given = batch.parameters() | ground._asdict() | {
            "seen_position": seen["position"], "seen_id": seen["entry_id"], "seen_at": seen["recorded_at"]
        }  # fmt: skip
        connection, self.warned = self.connect(), False
        try:
            row = connection.execute(SQL["append"], given, prepare=True).fetchone()
        except psycopg.Error as error:
            if is_lost(connection, error):
                self.drop()
                raise Lost from error
            raise
        if self.warned:
            raise Lost
        assert row is not None
        return Verdict(*row)

    def find(self, lines: Sequence[StoredLine]) -> Sequence[int] | None:
        """Where these lines stand, if they are recorded: these very lines, not others under their ids."""
        ids = [UUID(line.entry_id) for line in lines]
        rows = self.connect().execute(SQL["find_ids"], {"entry_ids": ids}).fetchall()
        found = {entry_id: (position, body) for entry_id, position, body in rows}
        if any(line_id not in found or not found[line_id][1].endswith(line.state[1:].decode())
               for line_id, line in zip(ids, lines, strict=True)):  # fmt: skip
            return None
        return [found[line_id][0] for line_id in ids]

    def notify(self, *, at_once: bool = False) -> None:
        """Wake the follower, after the commit and not for each: in the transaction it would take a cluster-wide lock."""
        self.owes_notice = not at_once and monotonic() - self.notified_at < NOTIFY_EVERY_S
        if not self.owes_notice:
            self.notified_at = monotonic()
            self.deadline = monotonic() + 1
            try:
                self.connect().execute(SQL["notify"], {"channel": self.location.channel})
            except Exception:  # it is only a notice: the follower polls as well
                self.drop()
