"""The auditor's check: every rule over the whole log, and every live row against a rebuild from the entries alone."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, LiteralString, NamedTuple

from psycopg import IsolationLevel, sql

from ledger.admission import check_correction
from ledger.entry import read_line
from ledger.errors import LedgerError
from ledger.facts import Correction, Subject
from ledger.history import History
from ledger.postgres import Connection, Place, is_read_only, queries
from projections.follow import Follower, read_progress

SQL = queries("projections", "audit.sql")
BATCH = 5_000
SCRATCH = "pg_temp"
STATE_COLUMNS = "kind, subject, lane, valid_from, known_from, status, category, areas, refs, due, label, doc"
STATUS_COLUMNS = "kind, status, subject, valid_from, valid_to, known_from"
TIMELINE_COLUMNS = "subject, day, rank, root, position, mentions, known_from"


class Finding(NamedTuple):
    """Something that does not hold, and the position in the log where it shows; 0 where no entry is to blame."""

    position: int
    what: str


def audit(place: Place, report: Callable[[int], None] = lambda position: None) -> Iterator[Finding]:
    """Everything that is wrong, in the order in which it is found; nothing where all is well.

    Memory is bounded: the log is read in batches, and streams one at a time. Nothing is changed: the rebuild fills
    temporary tables, which go with the connection.
    """
    with place.connect(patient=True) as connection:
        yield from check_log(connection, report)
        yield from check_streams(connection)
    with place.connect(SCRATCH, patient=True) as connection:
        if not is_read_only(connection):  # then there are no temporary tables either
            yield from check_rows(connection, place)


def check_log(connection: Connection, report: Callable[[int], None]) -> Iterator[Finding]:
    """Positions without a gap, times that never decrease, and lines that say what the columns beside them say."""
    position, last = 0, None
    while rows := connection.execute(SQL["log"], {"after": position, "limit": BATCH}).fetchall():
        for row in rows:
            if row[0] != position + 1:
                yield Finding(
                    row[0], f"the entry before it is {position}: positions {position + 1} to {row[0] - 1} are missing"
                )
            if last is not None and row[5] < last:
                yield Finding(row[0], "it was recorded before the entry that precedes it")
            position, last = row[0], row[5]
            yield from _check_line(row)
        report(position)
    size = connection.execute("select size from head").fetchone()
    if size is None or size[0] != position:
        yield Finding(0, f"the head of the log says {size and size[0]}, and the last entry is {position}")


def _check_line(row: tuple[Any, ...]) -> Iterator[Finding]:
    position, stream, version, type_, entry_id, recorded_at, body = row
    try:
        entry = read_line(body)
        entry.fact()
    except LedgerError as error:
        yield Finding(position, f"its line does not fit the schema of its type: {error}")
        return
    columns: tuple[int, str, int, str, str, datetime] = (position, stream, version, type_, entry_id, recorded_at)
    told = (entry.position, entry.originator_id, entry.originator_version, entry.type, entry.id, entry.recorded_at)
    if columns != told:
        yield Finding(position, "its line and the columns beside it do not say the same")


def check_streams(connection: Connection) -> Iterator[Finding]:
    """Versions without a gap, and corrections that were legal when they were recorded."""
    given: dict[str, Any] = {"stream": "", "version": 0, "upto": 2**62, "limit": BATCH}
    history, subject = None, Subject("")
    while rows := connection.execute(SQL["streams"], given).fetchall():
        for stream, version, body in rows:
            if stream != subject or history is None:
                history, subject = History.of(stream), Subject(stream)
            yield from _check_version(history, subject, version, body)
        given |= {"stream": rows[-1][0], "version": rows[-1][1]}


def _check_version(history: History, subject: Subject, version: int, body: str) -> Iterator[Finding]:
    entry = read_line(body)
    position = entry.position or 0
    if version != history.version + 1:
        yield Finding(position, f"{subject} goes from version {history.version} to {version}")
        history.version = version - 1
    try:
        recorded = entry.recorded()
        if isinstance(recorded.fact, Correction):
            check_correction(history, recorded.fact, subject)
        history.record(recorded, {})
    except LedgerError as error:
        yield Finding(position, f"it could not have been recorded: {error}")


def check_rows(connection: Connection, place: Place) -> Iterator[Finding]:
    """The live rows against rows built from the entries alone, both as of the position that the live ones show."""
    builder = Follower(connection)
    builder.create()
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    with connection.transaction():
        upto = _live_position(connection, place)
        while (left := upto - max(builder.position, 0)) > 0:
            builder.batch = min(BATCH, left)
            if builder.step() == 0:
                progress = read_progress(connection)
                at = progress.error_position if progress else 0
                yield Finding(at or 0, "it cannot be projected")
                return
        yield from _compare(connection, place)


def _live_position(connection: Connection, place: Place) -> int:
    query = sql.SQL("select position from {}.progress").format(sql.Identifier(place.projections))
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _compare(connection: Connection, place: Place) -> Iterator[Finding]:
    states = _differing(place, "states", STATE_COLUMNS, "subject, lane, valid_from")
    for side, subject, lane, valid_from, position in connection.execute(states):
        row = f"{subject} {lane}".strip()
        yield Finding(position, f"the {side} row of {row} from {valid_from} is not in the other: run `ledger rebuild`")
    for table, columns in (("statuses", STATUS_COLUMNS), ("timeline", TIMELINE_COLUMNS)):
        for side, subject, position in connection.execute(_differing(place, table, columns, "subject")):
            yield Finding(position, f"the {side} {table} of {subject} is not in the other: run `ledger rebuild`")


def _differing(place: Place, table: str, columns: LiteralString, key: LiteralString) -> sql.Composed:
    names = {"projections": place.projections, "scratch": SCRATCH, "table": table}
    identifiers = {name: sql.Identifier(one) for name, one in names.items()}
    return sql.SQL(SQL["differing"]).format(columns=sql.SQL(columns), key=sql.SQL(key), **identifiers)
