"""The auditor's check: every rule over the whole log, and every live row against a rebuild from the entries alone."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from psycopg import sql

from ledger.database.connection import Connection, LedgerLocation, is_read_only, sql_blocks
from ledger.errors import Refused, Unreadable
from ledger.fold import History
from ledger.log.clocks import Clocks, read_clocks
from ledger.log.entry import read_line
from ledger.process import undisturbed
from ledger.vocabulary.correction import Correction
from ledger.vocabulary.fact import Subject
from ledger.writing.admission import check_correction
from projections.finding import Finding
from projections.names_audit import check_names
from projections.projection import Table
from projections.rebuild import Builder
from projections.registry import PROJECTIONS
from projections.runner import Progress, Stop, read_progress, tables_in
from projections.tree.check import Leaves, check_tree

SQL = sql_blocks("projections", "audit.sql")
BATCH = 5_000
LAST_STREAM = "~"
"""After every stream there is."""

SCRATCH = "pg_temp"
MEND = ": run `ledger rebuild`"
LEAVE = " (do not rebuild it: the entries themselves are not what was signed)"


def audit(
    location: LedgerLocation, report: Callable[[int], None] = lambda position: None, tolerance_s: float = 5.0,
    names: Counter[str] | None = None, elsewhere: Leaves | None = None, size_elsewhere: int = 0,
) -> Iterator[Finding]:  # fmt: skip
    """Everything that is wrong, in the order in which it is found; nothing where all is well. An entry may lie ahead of
    the server's clock by ``tolerance_s``; in ``names`` the commitments are counted by what they are found to be; ``elsewhere``
    are the leaves of a copy of the log, up to ``size_elsewhere``.

    It begins with the bytes of the entries: as long as these are not what was signed, nobody is told to rebuild from them.

    Memory is bounded: the log is read in batches, and streams one at a time. Nothing is changed: the rebuild fills
    temporary tables, which go with the connection.
    """
    with location.connect(patient=True) as connection:
        altered = list(check_tree(connection, elsewhere, size_elsewhere))
        yield from altered
        yield from check_log(connection, report, tolerance_s)
        yield from check_streams(connection)
        yield from check_names(connection, Counter() if names is None else names)
    with location.connect(SCRATCH, patient=True) as connection:
        if not is_read_only(connection):  # then there are no temporary tables either
            for one in check_rows(connection, location):
                yield one._replace(what=one.what.replace(MEND, LEAVE)) if altered else one


def check_log(connection: Connection, report: Callable[[int], None], tolerance_s: float) -> Iterator[Finding]:
    """Positions without a gap, times that never decrease, and lines that say what the columns beside them say."""
    position, last = 0, None
    while True:
        size = connection.execute("select size from head").fetchone()  # before the entries, of which more may come
        rows = connection.execute(SQL["log"], {"limit": BATCH, "after": position}).fetchall()
        if not rows:
            break
        clocks = read_clocks(connection, tolerance_s)
        yield from _gathered(_check_batch(rows, position, last, clocks))
        position, last = rows[-1][0], rows[-1][5]
        report(position)
    if size is None or size[0] != position:
        yield Finding(0, f"the head of the log says {size and size[0]}, and the last entry is {position}")


@undisturbed()
def _gathered(found: Iterator[Finding]) -> list[Finding]:
    return list(found)


def _check_batch(
    rows: Iterable[tuple[Any, ...]], position: int, last: datetime | None, clocks: Clocks
) -> Iterator[Finding]:
    """Entries that follow the one at ``position``, which was recorded at ``last``."""
    for row in rows:
        if row[0] != position + 1:
            yield Finding(
                row[0], f"the entry before it is {position}: positions {position + 1} to {row[0] - 1} are missing"
            )
        if last is not None and row[5] < last:
            yield Finding(row[0], "it was recorded before the entry that precedes it")
        if clocks.is_ahead(row[5]):
            yield Finding(row[0], "its time lies ahead of the server's clock")
        position, last = row[0], row[5]
        yield from _check_line(*row)


def _check_line(
    position: int, stream: str, version: int, type_: str, entry_id: str, recorded_at: datetime, body: str
) -> Iterator[Finding]:
    try:
        entry = read_line(body)
    except Unreadable as error:
        yield Finding(position, f"its line cannot be read: {error}")
        return
    told = (entry.position, entry.originator_id, entry.originator_version, entry.type, entry.id, entry.recorded_at)
    if told != (position, stream, version, type_, entry_id, recorded_at):
        yield Finding(position, "its line and the columns beside it do not say the same")
    try:
        entry.fact()
    except Unreadable as error:
        yield Finding(position, f"its line does not fit the schema of its type: {error}")


def check_streams(connection: Connection) -> Iterator[Finding]:
    """Versions without a gap, and corrections that were legal when they were recorded."""
    for stream, entries in groupby(_streams(connection), itemgetter(0)):
        yield from _gathered(_check_stream(Subject(stream), list(entries)))


def _streams(connection: Connection) -> Iterator[tuple[Any, ...]]:
    """The entries of every stream, one stream after the other."""
    stream, version = "", 0
    while rows := connection.execute(SQL["streams"], {"stream": stream, "version": version, "limit": BATCH}).fetchall():
        yield from rows
        stream, version, *_ = rows[-1]


def _check_stream(subject: Subject, entries: Iterable[tuple[Any, ...]]) -> Iterator[Finding]:
    """What cannot be read, of which ``check_log`` tells, is passed over, and so is what corrects it."""
    history, before, passed = None, 0, set[int | str]()
    for _, version, position, entry_id, body in entries:
        if version != before + 1:
            yield Finding(position, f"{subject} goes from version {before} to {version}")
        before = version
        try:
            recorded = read_line(body).recorded()._replace(position=position, entry_id=entry_id)
            history = history or History.of(subject)
            if isinstance(recorded.fact, Correction):
                _check_correction(history, recorded.fact, subject, passed)
            history.record(recorded, {})
        except Unreadable:
            passed |= {position, entry_id}
        except Refused as error:
            passed |= {position, entry_id}
            yield Finding(position, f"it could not have been recorded: {error}")
        except Exception as error:
            passed |= {position, entry_id}
            yield Finding(position, f"it does not fit into {subject}: {type(error).__name__}")


def _check_correction(history: History, fact: Correction, subject: Subject, passed: Set[int | str]) -> None:
    if fact.target in passed:
        raise Unreadable("what it corrects cannot be read")
    check_correction(history, fact, subject)


class Rebuilt(Builder):
    """Rows built from the entries alone, whole streams at a time. A stream that cannot be projected has none."""

    def build(self, upto: int) -> Iterator[tuple[str, Stop]]:
        """Returns the streams that cannot be projected, each with the first entry that stops it."""
        after = ""
        while rows := self._whole_streams(after, LAST_STREAM, upto):
            after = rows[-1][1]
            if self._project_all(rows):
                for stream, entries in groupby(rows, itemgetter(1)):
                    if stop := self._project_all(list(entries)):
                        yield stream, stop


def check_rows(connection: Connection, location: LedgerLocation) -> Iterator[Finding]:
    """The live rows against rows built from the entries alone, both as of the position that the live ones show at first.

    Nothing is held meanwhile: the live rows can go on, and be put in place anew.
    """
    live = _live(connection, location)
    current = [one for one in PROJECTIONS if one.name not in live or live[one.name].version == one.version]
    for name in sorted({one.name for one in PROJECTIONS} - {one.name for one in current}):
        yield Finding(0, f"the rows of {name} are of version {live[name].version}, not ours: they cannot be compared")
    yield from _check_progress(connection, location, live)
    builder = Rebuilt(connection, current, BATCH)
    builder.create()
    broken = dict(builder.build(max([one.position for one in live.values()], default=0)))
    for stop in broken.values():
        yield Finding(stop.position, f"it cannot be projected ({stop.error}): its stream is not compared")
    there = tables_in(connection, location.projections)
    for one in current:
        for table in one.tables:
            if one.name in live and table.name in there:
                yield from _compare(connection, location, table, live[one.name], list(broken))


def _check_progress(
    connection: Connection, location: LedgerLocation, live: Mapping[str, Progress]
) -> Iterator[Finding]:
    """What the projections say of themselves, once there are any."""
    there = tables_in(connection, location.projections)
    for one in PROJECTIONS if there else ():
        for name in [table.name for table in one.tables if table.name not in there]:
            yield Finding(0, f"the table {name} is gone{MEND}")
        if one.name not in live:
            yield Finding(0, f"nothing says how far the projection {one.name} is{MEND}")
        elif not live[one.name].stands:
            yield Finding(0, f"the projection {one.name} shows what the log does not hold{MEND}")
        elif (stopped := live[one.name].error_position) is not None:
            yield Finding(stopped, f"it stops the projection {one.name} ({live[one.name].error})")


def _live(connection: Connection, location: LedgerLocation) -> dict[str, Progress]:
    with location.connect() as live:
        return read_progress(live)


def _compare(
    connection: Connection, location: LedgerLocation, table: Table, at: Progress, apart: Sequence[str]
) -> Iterator[Finding]:
    """Where the two part as of a position, but for the streams that stand ``apart``."""
    names = {"projections": location.projections, "scratch": SCRATCH, "table": table.name}
    query = sql.SQL(SQL["differing"]).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, [*table.names, "known_from"])),
        key=sql.SQL(", ").join(map(sql.Identifier, table.key)),
        **{name: sql.Identifier(one) for name, one in names.items()},
    )
    given = {"name": at.name, "upto": at.position, "apart": apart}
    for side, subject, key, position in connection.execute(query, given):
        row = f"the {side} row of {subject} in {table.name} ({key})"
        yield Finding(position, f"{row} is not in the other{MEND}")
