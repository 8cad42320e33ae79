"""The auditor's check: every rule over the whole log, and every live row against rows built from the entries alone.

The order of the log is asked of the database. All else is checked stream by stream, so that each line is read once and each
stream folded once; in several processes, of which each compares the rows of the streams that it has checked.
"""

import json
import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from subprocess import Popen
from threading import Thread

import psycopg

from ledger.database.connection import Connection, LedgerLocation, is_read_only, sql_blocks
from ledger.errors import LedgerError
from projections.finding import LINE, MEND, TABLE, UNPROJECTED, Finding, Found
from projections.names_audit import check_names
from projections.processes import helper, processors, told
from projections.rebuild import LONG, PARTITIONS_EACH, look_for_no_garbage
from projections.rebuild import SQL as REBUILD
from projections.registry import PROJECTIONS
from projections.runner import Progress, read_progress, tables_in
from projections.streams_audit import SCRATCH, Checker, Step, Streams
from projections.tree.check import Leaves, check_tree

SQL = sql_blocks("projections", "audit.sql")
SPAN = 50_000
"""Of so many entries the order is asked at once."""

LEAVE = " (do not rebuild it: the entries themselves are not what was signed)"


def audit(
    location: LedgerLocation, report: Callable[[int], None] = lambda position: None, tolerance_s: float = 5.0,
    names: Counter[str] | None = None, elsewhere: Leaves | None = None, size_elsewhere: int = 0, workers: int | None = None,
) -> Iterator[Finding]:  # fmt: skip
    """Everything that is wrong with what there is at the beginning; nothing where all is well. An entry may lie ahead of
    the server's clock by ``tolerance_s``; in ``names`` the commitments are counted by what they are found to be; ``elsewhere``
    are the leaves of a copy of the log, up to ``size_elsewhere``.

    It begins with the bytes of the entries: as long as these are not what was signed, nobody is told to rebuild from them.

    Memory is bounded but for what is found: streams are read a few at a time. Nothing is changed: rows are built in temporary tables, which go with
    the connection. Nothing is held: what is recorded, projected, rebuilt or vacuumed meanwhile is not in its way, nor it in theirs.
    """
    with location.connect(patient=True) as connection:
        half = is_read_only(connection)  # then there are no temporary tables either
        live = {} if half else read_progress(connection)
        [(size, last)] = connection.execute(SQL["ends"]).fetchall()
        of_rows = [] if half else [*_check_progress(connection, location, live)]
        altered = list(check_tree(connection, elsewhere, size_elsewhere))
        yield from altered
        at = _comparable(connection, location, live)
        found = _in_order([*check_order(connection, size, last, tolerance_s),
                           *check_streams(connection, location, last, at, report, workers or processors())])  # fmt: skip
        yield from [one.finding for one in found if one.sort < UNPROJECTED]
        yield from check_names(connection, Counter() if names is None else names)
        for one in [*of_rows, *[one.finding for one in found if one.sort >= UNPROJECTED]]:
            yield one._replace(what=one.what.replace(MEND, LEAVE)) if altered else one


def _in_order(found: Iterable[Found]) -> list[Found]:
    """By sort and position; of each table the first row alone. What was checked twice, as a process was killed, is told once."""
    ordered = sorted(set(found))
    first = {one.sort: one for one in reversed(ordered)}
    return [one for one in ordered if one.sort < TABLE or one is first[one.sort]]


# --- the log


def check_order(connection: Connection, size: int | None, last: int, tolerance_s: float) -> Iterator[Found]:
    """Positions without a gap, and times that never decrease nor lie ahead of the server's clock."""
    if size != last:
        yield Found(LINE, 0, f"the head of the log says {size}, and the last entry is {last}")
    given = {"after": 0, "last": last, "tolerance_s": tolerance_s, "limit": SPAN}
    while rows := connection.execute(SQL["order"], given).fetchall():
        for row in rows:
            yield from [Found(LINE, row[0], what) for what in _out_of_order(*row)]
        given["after"] = rows[-1][0]


def _out_of_order(position: int, before: int, is_early: bool, is_ahead: bool) -> Iterator[str]:
    if position != before + 1:
        yield f"the entry before it is {before}: positions {before + 1} to {position - 1} are missing"
    if is_early:
        yield "it was recorded before the entry that precedes it"
    if is_ahead:
        yield "its time lies ahead of the server's clock"


# --- the projections


def _comparable(connection: Connection, location: LedgerLocation, live: Mapping[str, Progress]) -> dict[str, int]:
    """The tables whose rows are of our version, each with the position that they show."""
    there = tables_in(connection, location.projections)
    ours = [one for one in PROJECTIONS if one.name in live and live[one.name].version == one.version]
    return {table.name: live[one.name].position for one in ours for table in one.tables if table.name in there}


def _check_progress(
    connection: Connection, location: LedgerLocation, live: Mapping[str, Progress]
) -> Iterator[Finding]:
    """What the projections say of themselves, once there are any."""
    there = tables_in(connection, location.projections)
    for one in PROJECTIONS:
        if one.name in live and live[one.name].version != one.version:
            what = f"of version {live[one.name].version}, not ours: they cannot be compared"
            yield Finding(0, f"the rows of {one.name} are {what}")
    for one in PROJECTIONS if there else ():
        for name in [table.name for table in one.tables if table.name not in there]:
            yield Finding(0, f"the table {name} is gone{MEND}")
        if one.name not in live:
            yield Finding(0, f"nothing says how far the projection {one.name} is{MEND}")
        elif not live[one.name].stands:
            yield Finding(0, f"the projection {one.name} shows what the log does not hold{MEND}")
        elif (stopped := live[one.name].error_position) is not None:
            yield Finding(stopped, f"it stops the projection {one.name} ({live[one.name].error})")


# --- the processes


def check_streams(
    connection: Connection, location: LedgerLocation, last: int, at: Mapping[str, int], report: Callable[[int], None], workers: int
) -> Iterator[Found]:  # fmt: skip
    """Check all streams. Whoever is free takes the next of them, this process too; what a killed one leaves, it takes as well."""
    left, done = deque(_parts(connection, last)), list[Step]()
    with ExitStack() as stack, location.connect(SCRATCH, patient=True) as own:
        others = [
            stack.enter_context(_helping(location, last, at, left, done))
            for _ in range(workers - 1 if last >= LONG else 0)
        ]
        checker = Checker(own, location, last, at)
        for other in [*others, None]:
            for streams in _taken(left):
                for step in checker.check(*streams):
                    done.append(step)
                    report(min(last, sum([count for count, _ in done])))
            if other:
                other.join()
    yield from [one for _, found in done for one in found]


def _parts(connection: Connection, last: int) -> list[Streams]:
    """All streams, in parts of about as many entries each."""
    count = PARTITIONS_EACH * processors() if last >= LONG else 1
    ends = sorted(connection.execute(REBUILD["parts"], {"of": count}).fetchall())
    return [*pairwise([None, *[name for _, name in ends[:-1]], None])]


def _taken(left: deque[Streams]) -> Iterator[Streams]:
    with suppress(IndexError):
        while True:
            yield left.popleft()


@contextmanager
def _helping(
    location: LedgerLocation, last: int, at: Mapping[str, int], left: deque[Streams], done: list[Step]
) -> Iterator[Thread]:
    """Another process, and who asks it for as long as streams are left; at the end of the block it is killed."""
    with helper("projections.audit", location, answers=True, last=last, at=at) as process:
        asking = Thread(target=_ask, args=(process, left, done))
        asking.start()
        try:
            yield asking
        finally:
            left.clear()
            process.kill()
            asking.join()


def _ask(process: Popen[str], left: deque[Streams], done: list[Step]) -> None:
    """Have a process check streams, one part after the other. If it does not answer any more, that part is left to others."""
    assert process.stdin is not None
    assert process.stdout is not None
    for streams in _taken(left):
        count = None
        try:
            os.write(process.stdin.fileno(), f"{json.dumps(streams)}\n".encode())
            while count != 0 and (line := process.stdout.readline()).endswith("\n"):
                count, found = json.loads(line)
                done.append((count, [Found(*one) for one in found]))
        except (OSError, ValueError, TypeError):  # it is gone, or what it says is no answer
            count = None
        if count != 0:
            left.append(streams)
            return


def help_along() -> None:
    """What such a process does: a line for each step. It says nothing of what goes wrong: what it does not answer is taken over."""
    location, given = told()
    with (
        look_for_no_garbage(),
        suppress(psycopg.Error, LedgerError, OSError),
        location.connect(SCRATCH, patient=True) as connection,
    ):
        checker = Checker(connection, location, given["last"], given["at"])
        for line in sys.stdin:
            for step in checker.check(*json.loads(line)):
                os.write(sys.stdout.fileno(), f"{json.dumps(step)}\n".encode())


if __name__ == "__main__":
    help_along()
