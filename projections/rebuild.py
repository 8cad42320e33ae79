"""A rebuild: every projection anew, beside the live ones, then put in their place at once.

The streams are dealt out in shares, and each share has its progress, which is written with its rows. So several
processes work at once, whatever is killed loses no more than a batch, and the next rebuild goes on from what is there.
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
from dataclasses import asdict
from time import sleep

import psycopg
from psycopg import sql

from ledger.errors import LedgerError, Unavailable, Unreadable
from ledger.postgres import Connection, Place
from projections.follower import SQL, VERSION, Follower, Share, read_progress

TABLES = ("progress", "states", "timeline")
LONG = 20_000
"""From this many entries on it pays to start other processes."""

BATCH = 2_000
SHARES_EACH = 4
WAIT_S = 0.1

Report = Callable[[int], None]


class Running(Unavailable):
    """Somebody else rebuilds the ledger's projections at this moment."""


def begun(place: Place) -> int:
    """About how many entries a rebuild that was broken off has projected, where the next one goes on with it."""
    with place.connect(place.rebuild) as connection:
        return _number(connection, "projected") if _can_go_on(connection, place) else 0


def rebuild(place: Place, report: Report = lambda position: None, workers: int | None = None) -> int:
    """Build every projection anew beside the live ones, then put it in their place at once. Returns the position.

    Readers see the old rows until the new ones are complete; a rebuild that is broken off changes nothing.
    """
    with place.connect(place.rebuild) as connection, only("rebuild", place, connection) as alone, no_collections():
        if not alone:
            raise Running("another rebuild of this ledger is running")
        if not _can_go_on(connection, place):
            _start(connection, place)
        if read_progress(connection) is None:
            _project(connection, place, report, workers or _processors())
        return _finish(connection, place, report)


@contextmanager
def only(role: str, place: Place, connection: Connection) -> Iterator[bool]:
    """Whether nobody else does this for the ledger. The lock goes with the connection, whatever becomes of us."""
    name = f"{role} {place.schema}"
    row = connection.execute("select pg_try_advisory_lock(hashtext(%s))", [name]).fetchone()
    yield row is not None and bool(row[0])


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
    """Projects one share, up to where all shares are to come; no further, though more is recorded meanwhile."""

    BEHIND = "share_behind"
    LOCK = "lock_share"
    ADVANCE = "advance_share"


def _can_go_on(connection: Connection, place: Place) -> bool:
    """Whether another rebuild of this version has left its tables, and no entry stopped it."""
    if connection.execute("select to_regclass(%s)", [f"{place.rebuild}.shares"]).fetchone() == (None,):
        return False
    row = connection.execute("select bool_and(version = %s and error is null) from shares", [VERSION]).fetchone()
    return row is not None and bool(row[0])


def _start(connection: Connection, place: Place) -> None:
    shares = SHARES_EACH * _processors() if _number(connection, "size") >= LONG else 1
    with connection.transaction():
        for name in (*TABLES, "shares"):
            connection.execute(sql.SQL("drop table if exists {}").format(_table(place.rebuild, name)))
        connection.execute(SQL["create"])
        connection.execute(SQL["create_shares"])
        connection.execute(SQL["deal"], {"of": shares, "version": VERSION})


def _processors() -> int:
    return os.cpu_count() or 1


def _number(connection: Connection, question: str) -> int:
    row = connection.execute(SQL[question]).fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def _project(connection: Connection, place: Place, report: Report, workers: int) -> None:
    """Project every share up to where the log ends now. Whoever is free takes the next one, this process too."""
    connection.execute(SQL["set_goal"])
    left = _number(connection, "size") - _number(connection, "projected")
    with ExitStack() as stack, place.connect(place.rebuild) as own:
        for _ in range(workers - 1 if left >= LONG else 0):
            stack.enter_context(_helper(place))
        while _number(connection, "unfinished"):
            for _ in _work(own, place, BATCH):
                _look(connection, report)
            _look(connection, report)
            if _number(connection, "unfinished"):
                sleep(WAIT_S)
    connection.execute(SQL["start"], {"version": VERSION, "position": _number(connection, "projected")})


def _look(connection: Connection, report: Report) -> None:
    _check(connection, "stopped_share")
    report(_number(connection, "projected"))


def _work(connection: Connection, place: Place, batch: int) -> Iterator[None]:
    """Take one share after the other that nobody has; comes back after each step."""
    connection.execute("set synchronous_commit = off")  # what a crash of the server takes is projected again
    for share in [Share(*row) for row in connection.execute(SQL["open_shares"]).fetchall()]:
        with only(f"share {share.number}", place, connection) as alone:
            builder = Builder(connection, batch, share)
            while alone and builder.step():
                yield


def _finish(connection: Connection, place: Place, report: Report) -> int:
    """Index the rows, project what was recorded meanwhile, and swap."""
    connection.execute(SQL["create_indexes"])
    connection.execute(SQL["analyze"])
    builder = Follower(connection, batch=BATCH)
    while builder.step():
        report(builder.position)
    with connection.transaction():
        _hold_live(connection, place)
        while builder.step():
            report(builder.position)
        _check(connection, "progress")
        position = _number(connection, "position")
        _swap(connection, place)
    return position


def _check(connection: Connection, question: str) -> None:
    for _, _, error, position in connection.execute(SQL[question]).fetchall():
        if position is not None:
            raise Unreadable(f"entry {position} cannot be projected ({error}): the projections stay as they are")


def _hold_live(connection: Connection, place: Place) -> None:
    """From here to the swap nobody reads or writes the live tables; the progress first, as the follower does."""
    for name in TABLES:
        if connection.execute("select to_regclass(%s)", [f"{place.projections}.{name}"]).fetchone() != (None,):
            lock = "lock table {} in access exclusive mode"
            connection.execute(sql.SQL(lock).format(_table(place.projections, name)))


def _swap(connection: Connection, place: Place) -> None:
    for name in TABLES:
        old, new = _table(place.projections, name), _table(place.rebuild, name)
        connection.execute(sql.SQL("drop table if exists {}").format(old))
        target = sql.Identifier(place.projections)
        connection.execute(sql.SQL("alter table {} set schema {}").format(new, target))
    connection.execute("drop table shares")


def _table(schema: str, name: str) -> sql.Composed:
    return sql.SQL("{}.{}").format(sql.Identifier(schema), sql.Identifier(name))


# --- the helpers


@contextmanager
def _helper(place: Place) -> Iterator[None]:
    """Another process that takes shares. It ends when we close its standard input, or the kernel does it for us."""
    command = [sys.executable, "-m", "projections.rebuild"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, process_group=0) as process:  # noqa: S603 - it is ourselves
        assert process.stdin is not None
        process.stdin.write(json.dumps({"place": asdict(place), "batch": BATCH}) + "\n")
        process.stdin.flush()
        yield


def help_along() -> None:
    """What such a process does. It says nothing of what goes wrong: the shares show what is left to do."""
    given = json.loads(sys.stdin.readline())
    place = Place(**given["place"])
    with no_collections(), suppress(psycopg.Error, LedgerError), place.connect(place.rebuild) as connection:
        for _ in _work(connection, place, given["batch"]):
            if select.select([sys.stdin], [], [], 0)[0]:
                return


if __name__ == "__main__":
    help_along()
