"""A rebuild: every projection anew, beside the live ones, then put in their place at once.

The streams are dealt out in shares, and each share has its progress, which is written with its rows. So several
processes work at once, whatever is killed loses no more than a batch, and the next rebuild goes on from what is there.
Streams are projected whole, one after the other, as they were when the rebuild began; what was recorded since is
projected in order, as a follower does, once there are indexes.
On a long log this process has others to help it; they end when it does.
"""

import gc
import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import groupby
from time import sleep
from typing import Any

import psycopg
from psycopg import sql

from ledger.database.connection import Connection, LedgerLocation
from ledger.errors import LedgerError, Unavailable, Unreadable
from ledger.history import History, Opening
from ledger.process import undisturbed
from ledger.vocabulary.fact import Subject
from projections.follower import SQL, VERSION, Follower, Poison, Read, read_progress, recorded_of
from projections.rows import Projector

TABLES = ("progress", "statuses", "states", "timeline")
"""In the order in which they are locked: a follower begins with its progress, and a list with the statuses."""

LONG = 20_000
"""From this many entries on it pays to start other processes."""

BATCH = 2_000
SHARES_EACH = 8
WAIT_S = 0.1
SWAP_AGAIN_S = 1.0
ROUNDS = 10

Report = Callable[[int], None]


class Running(Unavailable):
    """Somebody else rebuilds the ledger's projections at this moment."""


def begun(location: LedgerLocation) -> int:
    """How many entries a rebuild that was broken off has projected, where the next one goes on with it."""
    with location.connect(location.rebuild) as connection:
        return _number(connection, "projected") if _can_go_on(connection, location) else 0


def rebuild(location: LedgerLocation, report: Report = lambda position: None, workers: int | None = None) -> int:
    """Build every projection anew beside the live ones, then put it in their place at once. Returns the position.

    Readers see the old rows until the new ones are complete; a rebuild that is broken off changes nothing.
    """
    with (
        location.connect(location.rebuild, patient=True) as connection,
        only("rebuild", location, connection) as alone,
        no_collections(),
    ):
        if not alone:
            raise Running("another rebuild of this ledger is running")
        if not _can_go_on(connection, location):
            _start(connection, location)
        if read_progress(connection) is None:
            _project(connection, location, report, workers or _processors())
        return _finish(connection, location, report)


@contextmanager
def only(role: str, location: LedgerLocation, connection: Connection) -> Iterator[bool]:
    """Whether nobody else does this for the ledger. The lock goes with the connection, whatever becomes of us.

    The server takes a moment to notice that a connection is closed: who is done gives the lock back.
    """
    name = f"{role} {location.schema}"
    row = connection.execute("select pg_try_advisory_lock(hashtext(%s))", [name]).fetchone()
    alone = row is not None and bool(row[0])
    try:
        yield alone
    finally:
        if alone:
            with suppress(psycopg.Error):
                connection.execute("select pg_advisory_unlock(hashtext(%s))", [name])


@contextmanager
def no_collections() -> Iterator[None]:
    """Do not look for garbage in cycles: a rebuild makes none, and looking for it took a tenth to a fifth of it."""
    usual = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if usual:
            gc.enable()


# --- the shares


class Builder(Follower):
    """Projects one share, a few whole streams at a step: so no row is closed that was written by an earlier one."""

    def __init__(self, connection: Connection, batch: int, number: int = 0) -> None:
        super().__init__(connection, batch)
        self.number = number

    def step(self) -> int:
        """Project some streams; returns how many entries. 0 where all is done, or where an entry stops it."""
        with self.connection.transaction():
            share = self.connection.execute(SQL["lock_share"], {"number": self.number}).fetchone()
            return self._build(*share) if share else 0

    def _build(self, after: str, upto: str, goal: int) -> int:
        rows = self._whole_streams(after, upto, goal)
        poison = self._project_all(rows)
        if not poison:
            self._write(self.projector.take_changes())
        done = 0 if poison else len(rows)
        self.connection.execute(SQL["advance_share"], {
            "number": self.number, "after": rows[-1][3] if done else after, "done": done, "is_finished": not rows,
            "error": poison.error if poison else None, "error_position": poison.position if poison else None,
        })  # fmt: skip
        return done

    def _whole_streams(self, after: str, upto: str, goal: int) -> list[tuple[Any, ...]]:
        """The entries of the next streams, as many as fit into a batch; of one that does not, all of it."""
        limit, given = self.batch, {"after": after, "upto": upto, "goal": goal}
        while True:
            rows = self.connection.execute(SQL["read_share"], given | {"limit": limit}).fetchall()
            whole = rows if len(rows) < limit else [row for row in rows if row[3] != rows[-1][3]]
            if whole or not rows:
                return whole
            limit *= 4

    def _project_all(self, rows: list[tuple[Any, ...]]) -> Poison | None:
        """Project whole streams, and nothing before them; up to an entry that cannot be projected, which is returned."""
        self.projector = Projector()
        entries, poison = recorded_of([row[:3] for row in rows])
        return self._note_all(entries, self._openings(entries)) or poison

    @undisturbed()
    def _note_all(self, entries: list[Read], openings: dict[Subject, Opening]) -> Poison | None:
        for subject, whole in groupby(entries, _subject):
            history = History.of(subject)
            for _, recorded in whole:
                try:
                    self.projector.note(history, subject, recorded, openings)
                except Exception as error:
                    return Poison(recorded.position, type(error).__name__)
        return None


def _subject(read: Read) -> Subject:
    return read[0].originator_id


def _can_go_on(connection: Connection, location: LedgerLocation) -> bool:
    """Whether another rebuild of this version has left its tables, and no entry stopped it."""
    if connection.execute("select to_regclass(%s)", [f"{location.rebuild}.shares"]).fetchone() == (None,):
        return False
    row = connection.execute("select bool_and(version = %s and error is null) from shares", [VERSION]).fetchone()
    return row is not None and bool(row[0])


def _start(connection: Connection, location: LedgerLocation) -> None:
    shares = SHARES_EACH * _processors() if _number(connection, "size") >= LONG else 1
    with connection.transaction():
        for name in (*TABLES, "shares"):
            connection.execute(sql.SQL("drop table if exists {}").format(_table(location.rebuild, name)))
        connection.execute(SQL["create"])
        connection.execute(SQL["create_shares"])
        connection.execute(SQL["deal"], {"of": shares, "version": VERSION})


def _processors() -> int:
    return os.cpu_count() or 1


def _number(connection: Connection, question: str) -> int:
    row = connection.execute(SQL[question]).fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def _project(connection: Connection, location: LedgerLocation, report: Report, workers: int) -> None:
    """Project every share. Whoever is free takes the next one, this process too."""
    left = _number(connection, "goal") - _number(connection, "projected")
    with ExitStack() as stack, location.connect(location.rebuild, patient=True) as own:
        for _ in range(workers - 1 if left >= LONG else 0):
            stack.enter_context(_helper(location))
        while _number(connection, "unfinished"):
            for _ in _work(own, location, BATCH):
                _look(connection, report)
            _look(connection, report)
            if _number(connection, "unfinished"):
                sleep(WAIT_S)
    connection.execute(SQL["start"], {"version": VERSION, "position": _number(connection, "goal")})


def _look(connection: Connection, report: Report) -> None:
    _check(connection, "stopped_share")
    report(_number(connection, "projected"))


def _work(connection: Connection, location: LedgerLocation, batch: int) -> Iterator[None]:
    """Take one share after the other that nobody has; comes back after each step."""
    connection.execute("set synchronous_commit = off")  # what a crash of the server takes is projected again
    for (number,) in connection.execute(SQL["open_shares"]).fetchall():
        with only(f"share {number}", location, connection) as alone:
            builder = Builder(connection, batch, number)
            while alone and builder.step():
                yield


def _finish(connection: Connection, location: LedgerLocation, report: Report) -> int:
    """Index the rows, project what was recorded meanwhile, and swap: as often as it takes until nobody is in the way."""
    connection.execute(SQL["create_indexes"])
    connection.execute(SQL["analyze"])
    builder = Follower(connection, batch=BATCH)
    while True:
        for _ in range(ROUNDS):  # each is shorter than the one before, or nobody could keep up
            _follow_up(builder, report)
        with suppress(psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            return _take_over(builder, location, report)
        sleep(SWAP_AGAIN_S)


def _take_over(builder: Follower, location: LedgerLocation, report: Report) -> int:
    """Put the new tables in the place of the live ones. Raises LockNotAvailable where somebody uses those for long.

    Whoever comes meanwhile waits behind us, so we do not wait for long, and leave them a pause before the next try.
    """
    connection = builder.connection
    with connection.transaction():
        _lock(connection, location.rebuild)  # the database itself may be at work there
        connection.execute(SQL["be_brief"])
        _lock(connection, location.projections)
        _follow_up(builder, report)
        _check(connection, "progress")
        position = _number(connection, "position")
        _swap(connection, location)
    return position


def _follow_up(builder: Follower, report: Report) -> None:
    """Project what is recorded by now; what is recorded meanwhile would have no end."""
    goal = _number(builder.connection, "size")
    while builder.step():
        report(builder.position)
        if builder.position >= goal:
            return


def _check(connection: Connection, question: str) -> None:
    for _, _, error, position in connection.execute(SQL[question]).fetchall():
        if position is not None:
            raise Unreadable(f"entry {position} cannot be projected ({error}): the projections stay as they are")


def _lock(connection: Connection, schema: str) -> None:
    """From here to the swap nobody reads or writes the tables, as far as they are there."""
    for name in TABLES:
        if connection.execute("select to_regclass(%s)", [f"{schema}.{name}"]).fetchone() != (None,):
            lock = "lock table {} in access exclusive mode"
            connection.execute(sql.SQL(lock).format(_table(schema, name)))


def _swap(connection: Connection, location: LedgerLocation) -> None:
    for name in TABLES:
        old, new = _table(location.projections, name), _table(location.rebuild, name)
        connection.execute(sql.SQL("drop table if exists {}").format(old))
        target = sql.Identifier(location.projections)
        connection.execute(sql.SQL("alter table {} set schema {}").format(new, target))
    connection.execute("drop table shares")


def _table(schema: str, name: str) -> sql.Composed:
    return sql.SQL("{}.{}").format(sql.Identifier(schema), sql.Identifier(name))


# --- the helpers


@contextmanager
def _helper(location: LedgerLocation) -> Iterator[None]:
    """Another process that takes shares. It ends when we close its standard input, or the kernel does it for us."""
    command = [sys.executable, "-m", "projections.rebuild"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, process_group=0) as process:  # noqa: S603 - it is ourselves
        assert process.stdin is not None
        process.stdin.write(json.dumps({"dsn": location.dsn, "schema": location.schema, "batch": BATCH}) + "\n")
        process.stdin.flush()
        yield


def help_along() -> None:
    """What such a process does. It says nothing of what goes wrong: the shares show what is left to do."""
    given = json.loads(sys.stdin.readline())
    location = LedgerLocation(given["dsn"], given["schema"])
    with (
        no_collections(),
        suppress(psycopg.Error, LedgerError),
        location.connect(location.rebuild, patient=True) as connection,
    ):
        for _ in _work(connection, location, given["batch"]):
            if select.select([sys.stdin], [], [], 0)[0]:
                return


if __name__ == "__main__":
    help_along()
