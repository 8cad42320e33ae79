"""The auditor's check of streams: each line is read once, each stream folded once, and its live rows held against what comes out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from psycopg import sql

from ledger.database.connection import Connection, LedgerLocation, sql_blocks
from ledger.errors import Refused, Unreadable
from ledger.fold import History
from ledger.log.entry import read_line
from ledger.process import undisturbed
from ledger.recorded import Recorded
from ledger.vocabulary.correction import Correction
from ledger.vocabulary.fact import Subject
from ledger.writing.admission import check_correction
from projections.changes import Fold, Stopped
from projections.finding import LINE, MEND, STREAM, TABLE, UNPROJECTED, Found
from projections.projection import Table
from projections.rebuild import BATCH, Builder
from projections.registry import PROJECTIONS
from projections.runner import MOST_BYTES, Read, bytes_of, tables_of

SQL = sql_blocks("projections", "streams_audit.sql")
SCRATCH = "pg_temp"

Streams = tuple[str | None, str | None]
"""Those after one and up to another, by name; None: from the first on, or to the last."""

Step = tuple[int, Sequence[Found]]
"""How many entries were checked, and what was found. With the last step of some streams none is: their rows are compared."""

Line = tuple[Any, ...]
"""An entry's position, stream, version, type, id and time, as the columns have them, and its line."""


@dataclass
class Stream:
    """What the entries of a stream add up to so far, and those that were passed over, by position and id."""

    subject: Subject
    version: int = 0
    history: History | None = None
    passed: set[int | str] = field(default_factory=set)

    def begun(self) -> History:
        self.history = self.history or History.of(self.subject)
        return self.history


class Checker(Builder):
    """Checks whole streams: lines, versions, corrections, and the live rows against those that the entries add up to.

    Entries are those up to ``last``; ``at`` are the tables that are compared, each with the position that it shows.
    """

    read = SQL["streams"]

    def __init__(self, connection: Connection, location: LedgerLocation, last: int, at: Mapping[str, int]) -> None:
        shown = [one for one in PROJECTIONS if any(table.name in at for table in one.tables)]
        super().__init__(connection, shown, BATCH)
        self.location, self.last, self.at = location, last, at
        self.fold, self.found, self.apart = Fold(shown), list[Found](), set[str]()
        connection.prepare_threshold = None  # or the server would take one plan for all streams, wherever they begin
        for table in tables_of(shown):
            connection.execute(table.create.encode())

    def check(self, after: str | None, upto: str | None) -> Iterator[Step]:
        """Everything that is wrong with the streams between two names; comes back after each step."""
        first, self.apart = after, set()
        while rows := self._whole_streams(after, upto, self.last):
            after = rows[-1][1]
            read = self._read_lines(rows)
            self._openings([one for one in read if one])
            self._check_streams(zip(rows, read, strict=True))
            yield len(rows), self._take_found()
        self._compare(first, upto)
        yield 0, self._take_found()

    def _take_found(self) -> Sequence[Found]:
        found, self.found = self.found, []
        return found

    @undisturbed()
    def _read_lines(self, rows: Iterable[Line]) -> list[Read | None]:
        return [self._read_line(*row) for row in rows]

    def _read_line(self, position: int, *columns: Any) -> Read | None:
        """What an entry's line says, if it can be read; it has to say what the columns beside it say."""
        try:
            entry = read_line(columns[-1])
        except Unreadable as error:
            self._tell(LINE, position, f"its line cannot be read: {error}")
            return None
        told = (entry.originator_id, entry.originator_version, entry.type, entry.id, entry.recorded_at)
        if (entry.position, *told) != (position, *columns[:-1]):
            self._tell(LINE, position, "its line and the columns beside it do not say the same")
        try:
            return entry, entry.recorded()
        except Unreadable as error:
            self._tell(LINE, position, f"its line does not fit the schema of its type: {error}")
        except Exception as error:
            self._tell(LINE, position, f"its line does not fit the schema of its type: {type(error).__name__}")
        return None

    @undisturbed()
    def _check_streams(self, entries: Iterable[tuple[Line, Read | None]]) -> None:
        """What nothing changes any more is written on the way where it is much, as in a rebuild."""
        for name, whole in groupby(entries, lambda one: one[0][1]):
            stream = Stream(Subject(name))
            for (position, _, version, _, entry_id, *_), read in whole:
                if version != stream.version + 1:
                    self._tell(STREAM, position, f"{name} goes from version {stream.version} to {version}")
                stream.version = version
                self._check_entry(stream, position, entry_id, read)
                if bytes_of(self.fold) > MOST_BYTES:
                    self._write_all([rows.take_done() for one in self.fold.changes.values() for rows in one.values()])
            if bytes_of(self.fold) > MOST_BYTES // 2:
                self._write_all(self.fold.take_changes())
        self._write_all(self.fold.take_changes())

    def _check_entry(self, stream: Stream, position: int, entry_id: str, read: Read | None) -> None:
        """What cannot be read is passed over, and so is what corrects it."""
        if read is None or (read[0].position, read[0].originator_id) != (position, stream.subject):
            self._set_apart(stream, position, "Unreadable")
        if read is None:
            stream.passed |= {position, entry_id}
            return
        try:
            self._take(stream, read[1]._replace(position=position, entry_id=entry_id))
        except Stopped as error:
            self._set_apart(stream, position, error.error)
        except Exception as error:
            stream.passed |= {position, entry_id}
            self._tell(STREAM, position, f"it does not fit into {stream.subject}: {type(error).__name__}")
            self._set_apart(stream, position, type(error).__name__)

    def _take(self, stream: Stream, recorded: Recorded) -> None:
        """Take an entry in as a projection does: also a correction that could not have been recorded."""
        history = stream.begun()
        if isinstance(recorded.fact, Correction):
            self._check_correction(stream, history, recorded, recorded.fact)
        if stream.subject in self.apart or not self._is_shown(recorded.position):
            history.record(recorded, self.openings)
        else:
            self.fold.note(history, stream.subject, recorded, self.openings)

    def _check_correction(self, stream: Stream, history: History, recorded: Recorded, fact: Correction) -> None:
        try:
            if fact.target not in stream.passed:
                check_correction(history, fact, stream.subject)
                return
        except Refused as error:
            self._tell(STREAM, recorded.position, f"it could not have been recorded: {error}")
        stream.passed |= {recorded.position, recorded.entry_id}

    def _is_shown(self, position: int) -> bool:
        """Whether the rows of any table that is compared say what the entry did."""
        return position <= max(self.at.values(), default=0)

    def _set_apart(self, stream: Stream, position: int, error: str) -> None:
        """From here on a stream is not projected, and its rows are not compared."""
        if self._is_shown(position) and stream.subject not in self.apart:
            self._tell(UNPROJECTED, position, f"it cannot be projected ({error}): its stream is not compared")
            self.apart.add(stream.subject)

    def _compare(self, after: str | None, upto: str | None) -> None:
        """The rows of the streams, in each table as of the position that the live ones showed at first."""
        tables = [(one.name, table) for one in PROJECTIONS for table in one.tables]
        for sort, (name, table) in enumerate(tables, TABLE):
            if table.name in self.at:
                given = {
                    "name": name,
                    "shown": self.at[table.name],
                    "apart": [*self.apart],
                    "after": after,
                    "upto": upto,
                }
                for side, subject, key, position in self.connection.execute(self._differing(table), given):
                    row = f"the {side} row of {subject} in {table.name} ({key})"
                    self._tell(sort, position, f"{row} is not in the other{MEND}")
        for table in tables_of(self.projections.values()):
            self.connection.execute(f"truncate {SCRATCH}.{table.name}".encode())

    def _differing(self, table: Table) -> sql.Composed:
        names = {"projections": self.location.projections, "scratch": SCRATCH, "table": table.name}
        return sql.SQL(SQL["differing"]).format(
            columns=sql.SQL(", ").join(map(sql.Identifier, [*table.names, "known_from"])),
            key=sql.SQL(", ").join(map(sql.Identifier, table.key)),
            **{name: sql.Identifier(one) for name, one in names.items()},
        )

    def _tell(self, sort: int, position: int, what: str) -> None:
        self.found.append(Found(sort, position, what))
