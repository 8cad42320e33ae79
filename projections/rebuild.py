"""A rebuild: every projection anew, beside the live ones, then put in their place at once.

The streams are put into partitions, and each has its progress, which is written with its rows. So several
processes work at once, whatever is killed loses no more than a batch, and the next rebuild goes on from what is there.
Streams are projected whole, one after the other, as they were when the rebuild began; what was recorded since is
projected in order, as a follower does, once there are indexes.
On a long log this process has others to help it; they end when it does.
"""

import gc
import select
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import groupby
from time import sleep
from typing import Any

import psycopg
from psycopg import sql

from ledger.database.connection import Connection, LedgerLocation, sql_blocks
from ledger.errors import LedgerError, Unavailable, Unreadable
from ledger.fold import History
from ledger.process import undisturbed
from ledger.recorded import Opening
from ledger.vocabulary.fact import Subject
from projections.changes import Fold, Stopped
from projections.processes import helper, processors, told
from projections.projection import Projection, Rows
from projections.registry import PROJECTIONS
from projections.runner import (
    MOST_BYTES,
    Follower,
    Read,
    Stop,
    begin,
    bytes_of,
    create_indexes,
    create_tables,
    read_progress,
    recorded_of,
    tables_in,
    tables_of,
)
from projections.runner import SQL as RUNNER

SQL = sql_blocks("projections", "rebuild.sql")
READ_PARTITION = SQL["read_partition"].format(entries=RUNNER["entries"])
LONG = 20_000
"""From this many entries on it pays to start other processes."""

BATCH = 2_000
PARTITIONS_EACH = 8
WAIT_S = 0.1
SWAP_AGAIN_S = 1.0
ROUNDS = 10

Report = Callable[[int], None]


class Running(Unavailable):
    """Somebody else rebuilds the ledger's projections at this moment."""


def begun(location: LedgerLocation) -> int:
    """How many entries a rebuild of all that was broken off has projected, where the next one goes on with it."""
    with location.connect(location.rebuild) as connection:
        return _number(connection, "projected") if _can_go_on(connection, location, PROJECTIONS) else 0


def rebuild(
    location: LedgerLocation, report: Report = lambda position: None, workers: int | None = None,
    projections: Sequence[Projection] = PROJECTIONS,
) -> int:  # fmt: skip
    """Build projections anew beside the live ones, then put them in their place at once. Returns the position.

    Readers see the old rows until the new ones are complete; a rebuild that is broken off changes nothing.
    """
    with (
        location.connect(location.rebuild, patient=True) as connection,
        only("rebuild", location, connection) as alone,
        look_for_no_garbage(),
    ):
        if not alone:
            raise Running("another rebuild of this ledger is running")
        if not _can_go_on(connection, location, projections):
            _start(connection, location, projections)
        if not read_progress(connection):
            _project(connection, location, projections, report, workers or processors())
        return _finish(connection, location, projections, report)


def lock_of(role: str, location: LedgerLocation) -> str:
    """The name of the lock that who does this for the ledger holds."""
    return f"{role} {location.schema}"


@contextmanager
def only(role: str, location: LedgerLocation, connection: Connection) -> Iterator[bool]:
    """Whether nobody else does this for the ledger. The lock goes with the connection, whatever becomes of us.

    The server takes a moment to notice that a connection is closed: who is done gives the lock back.
    """
    name = lock_of(role, location)
    row = connection.execute("select pg_try_advisory_lock(hashtext(%s))", [name]).fetchone()
    alone = row is not None and bool(row[0])
    try:
        yield alone
    finally:
        if alone:
            with suppress(psycopg.Error):
                connection.execute("select pg_advisory_unlock(hashtext(%s))", [name])


@contextmanager
def look_for_no_garbage() -> Iterator[None]:
    """Do not look for garbage in cycles: who folds the log makes none, and to look for it takes a tenth to a half of the time."""
    usual = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if usual:
            gc.enable()


# --- the partitions


class Builder(Follower):
    """Projects one partition, a few whole streams at a step: so no row is closed that was written by an earlier one."""

    read = READ_PARTITION
    """The question for the next streams: position, stream, and what else is to be known of each entry."""

    def __init__(
        self, connection: Connection, projections: Sequence[Projection], batch: int = BATCH, number: int = 0
    ) -> None:
        super().__init__(connection, projections, batch)
        self.number = number

    def step(self) -> int:
        """Project some streams; returns how many entries. 0 where all is done, or where an entry stops it."""
        with self.connection.transaction():
            given = {"number": self.number, "versions": versions_of(self.projections.values())}
            partition = self.connection.execute(SQL["lock_partition"], given).fetchone()
            return self._build(*partition) if partition else 0

    def _build(self, after: str, upto: str, goal: int) -> int:
        rows = self._whole_streams(after, upto, goal)
        stop = self._project_all(rows)
        done = 0 if stop else len(rows)
        self.connection.execute(SQL["advance_partition"], {
            "number": self.number, "after": rows[-1][1] if done else after, "done": done, "is_finished": not rows,
            "error": stop.error if stop else None, "error_position": stop.position if stop else None,
        })  # fmt: skip
        return done

    def _whole_streams(self, after: str | None, upto: str | None, goal: int) -> list[tuple[Any, ...]]:
        """The entries of the next streams, as many as fit into a batch; of one that does not, all of it."""
        limit, given = self.batch, {"after": after, "upto": upto, "goal": goal}
        while True:
            rows = self.connection.execute(self.read, given | {"limit": limit}).fetchall()
            whole = rows if len(rows) < limit else [row for row in rows if row[1] != rows[-1][1]]
            if whole or not rows:
                return whole
            limit *= 4

    def _project_all(self, rows: list[tuple[Any, ...]]) -> Stop | None:
        """Write the rows of whole streams; none where an entry cannot be projected, which is returned."""
        entries, stops = recorded_of(rows)
        if stops:
            return stops[0]
        fold, openings = Fold(list(self.projections.values())), self._openings(entries)
        with self.connection.transaction() as writing:
            if stop := _fold_all(fold, entries, openings, self._write_all):
                raise psycopg.Rollback(writing)
            self._write_all(fold.take_changes())
        return stop

    def _write_all(self, changed: Iterable[Rows]) -> None:
        for changes in changed:
            self._write(changes)


@undisturbed()
def _fold_all(
    fold: Fold, entries: list[Read], openings: dict[Subject, Opening], write: Callable[[Iterable[Rows]], None]
) -> Stop | None:
    """What nothing changes any more is written on the way where it is much: of a stream, and when that is over all."""
    for subject, whole in groupby(entries, _subject):
        history = History.of(subject)
        for _, recorded in whole:
            try:
                fold.note(history, subject, recorded, openings)
            except Stopped as error:
                return Stop(recorded.position, error.error, (error.name,))
            except Exception as error:
                return Stop(recorded.position, type(error).__name__)
            if bytes_of(fold) > MOST_BYTES:
                write([rows.take_done() for changes in fold.changes.values() for rows in changes.values()])
        if bytes_of(fold) > MOST_BYTES // 2:
            write(fold.take_changes())
    return None


def _subject(read: Read) -> Subject:
    return read[0].originator_id


def versions_of(projections: Iterable[Projection]) -> str:
    return ", ".join([f"{one.name} {one.version}" for one in projections])


def _can_go_on(connection: Connection, location: LedgerLocation, projections: Sequence[Projection]) -> bool:
    """Whether another rebuild of the same versions has left its tables, and no entry stopped it."""
    if connection.execute("select to_regclass(%s)", [f"{location.rebuild}.partitions"]).fetchone() == (None,):
        return False
    position = max([one.position for one in read_progress(connection).values()], default=0)
    row = connection.execute(SQL["same"], {"versions": versions_of(projections), "position": position}).fetchone()
    return row is not None and bool(row[0])


def _start(connection: Connection, location: LedgerLocation, projections: Sequence[Projection]) -> None:
    count = PARTITIONS_EACH * processors() if _number(connection, "size") >= LONG else 1
    with connection.transaction():
        for name in tables_in(connection, location.rebuild):
            connection.execute(sql.SQL("drop table {}").format(_table(location.rebuild, name)))
        create_tables(connection, projections)
        connection.execute(SQL["create_partitions"])
        connection.execute(
            SQL["assign"].format(parts=SQL["parts"]), {"of": count, "versions": versions_of(projections)}
        )


def _number(connection: Connection, question: str) -> int:
    row = connection.execute((SQL | RUNNER)[question]).fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def _project(
    connection: Connection, location: LedgerLocation, projections: Sequence[Projection], report: Report, workers: int
) -> None:
    """Project every partition. Whoever is free takes the next one, this process too."""
    left = _number(connection, "goal") - _number(connection, "projected")
    with ExitStack() as stack, location.connect(location.rebuild, patient=True) as own:
        for _ in range(workers - 1 if left >= LONG else 0):
            stack.enter_context(helper("projections.rebuild", location, names=[one.name for one in projections]))
        while _number(connection, "unfinished"):
            for _ in _work(own, location, projections):
                _look(connection, report)
            _look(connection, report)
            if _number(connection, "unfinished"):
                sleep(WAIT_S)
    begin(connection, projections, _number(connection, "goal"))


def _look(connection: Connection, report: Report) -> None:
    for error, position in connection.execute(SQL["stopped_partition"]).fetchall():
        raise _stopped(position, error)
    report(_number(connection, "projected"))


def _work(connection: Connection, location: LedgerLocation, projections: Sequence[Projection]) -> Iterator[None]:
    """Take one partition after the other that nobody has; comes back after each step."""
    connection.execute("set synchronous_commit = off")  # what a crash of the server takes is projected again
    for (number,) in connection.execute(SQL["open_partitions"], {"versions": versions_of(projections)}).fetchall():
        with only(f"partition {number}", location, connection) as alone:
            builder = Builder(connection, projections, BATCH, number)
            while alone and builder.step():
                yield


def _finish(connection: Connection, location: LedgerLocation, projections: Sequence[Projection], report: Report) -> int:
    """Index the rows, project what was recorded meanwhile, and swap: as often as it takes until nobody is in the way."""
    create_indexes(connection, projections)
    connection.execute(SQL["analyze_briefly"])
    for table in tables_of(projections):
        connection.execute(table.analyze.encode())
    builder = Follower(connection, projections, BATCH)
    while True:
        for _ in range(ROUNDS):  # each is shorter than the one before, or nobody could keep up
            _follow_up(builder, report)
        with suppress(psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            return _take_over(builder, location, projections, report)
        sleep(SWAP_AGAIN_S)


def _take_over(builder: Follower, location: LedgerLocation, projections: Sequence[Projection], report: Report) -> int:
    """Put the new tables in the place of the live ones. Raises LockNotAvailable where somebody uses those for long.

    Whoever comes meanwhile waits behind us, so we do not wait for long, and leave them a pause before the next try.
    """
    connection = builder.connection
    with connection.transaction():
        _lock(connection, location.rebuild, projections)  # the database itself may be at work there
        connection.execute(SQL["be_brief"])
        if _exists(connection, location.projections, "projections"):
            connection.execute(_sql("hold_progress", location), {"names": [one.name for one in projections]})
        _lock(connection, location.projections, projections)
        _follow_up(builder, report)
        position = _position(connection)
        _swap(connection, location, projections)
    return position


def _follow_up(builder: Follower, report: Report) -> None:
    """Project what is recorded by now; what is recorded meanwhile would have no end."""
    goal = _number(builder.connection, "size")
    while builder.step():
        report(builder.position)
        if builder.position >= goal:
            return


def _position(connection: Connection) -> int:
    """How far the new rows are. Raises Unreadable where an entry stops one of the projections."""
    progress = read_progress(connection).values()
    for one in progress:
        if one.error_position is not None:
            raise _stopped(one.error_position, one.error)
    return min([one.position for one in progress])


def _stopped(position: int, error: str | None) -> Unreadable:
    return Unreadable(f"entry {position} cannot be projected ({error}): the projections stay as they are")


def _lock(connection: Connection, schema: str, projections: Sequence[Projection]) -> None:
    """From here to the swap nobody reads or writes the tables, as far as they are there.

    A query over several tables names them in the same order, from the last that there is to the states.
    """
    for table in reversed(tables_of(projections)):
        if _exists(connection, schema, table.name):
            connection.execute(sql.SQL("lock table {} in access exclusive mode").format(_table(schema, table.name)))


def _exists(connection: Connection, schema: str, table: str) -> bool:
    return connection.execute("select to_regclass(%s)", [f"{schema}.{table}"]).fetchone() != (None,)


def _swap(connection: Connection, location: LedgerLocation, projections: Sequence[Projection]) -> None:
    names = [table.name for table in tables_of(projections)]
    if _exists(connection, location.projections, "projections"):
        connection.execute(_sql("take_progress", location))
        connection.execute("drop table projections")
    else:
        names.append("projections")
    for name in names:
        old, new = _table(location.projections, name), _table(location.rebuild, name)
        connection.execute(sql.SQL("drop table if exists {}").format(old))
        target = sql.Identifier(location.projections)
        connection.execute(sql.SQL("alter table {} set schema {}").format(new, target))
    connection.execute("drop table partitions")
    connection.execute(_sql("drop_former", location))


def _sql(name: str, location: LedgerLocation) -> sql.Composed:
    live, new = sql.Identifier(location.projections), sql.Identifier(location.rebuild)
    return sql.SQL(SQL[name]).format(live=live, rebuild=new)


def _table(schema: str, name: str) -> sql.Composed:
    return sql.SQL("{}.{}").format(sql.Identifier(schema), sql.Identifier(name))


# --- the other processes


def help_along() -> None:
    """What such a process does. It says nothing of what goes wrong: the partitions show what is left to do."""
    location, given = told()
    with (
        look_for_no_garbage(),
        suppress(psycopg.Error, LedgerError),
        location.connect(location.rebuild, patient=True) as connection,
    ):
        for _ in _work(connection, location, [one for one in PROJECTIONS if one.name in given["names"]]):
            if select.select([sys.stdin], [], [], 0)[0]:
                return


if __name__ == "__main__":
    help_along()
