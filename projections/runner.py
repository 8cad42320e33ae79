"""One step of the follower: a batch of entries into every projection, exactly once.

Rows and progress are written in one transaction, so at any moment a projection shows what the first ``position`` entries
add up to, and nothing else. A crash before the commit leaves it as it was; after it, the follower goes on from there. A
projection's progress is held for the length of a step, so even two followers do no harm.

The log is read and folded once for all projections that stand at the same position. What stops one stops no other.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from time import monotonic
from typing import Any, NamedTuple

import psycopg
from psycopg.types.string import BytesBinaryDumper

from ledger.database.connection import Connection, sql_blocks
from ledger.errors import Unavailable, Unreadable
from ledger.log.entry import Entry, read_line
from ledger.process import undisturbed
from ledger.recorded import Opening, Recorded
from ledger.vocabulary.fact import Subject
from ledger.writing.decision_cache import read_openings
from projections.changes import Fold, Stopped
from projections.projection import Projection, Rows, Table
from projections.registry import PROJECTIONS

SQL = sql_blocks("projections", "runner.sql")
PROGRESS, LOCK_PROGRESS = (SQL[name].format(progress=SQL["progress_columns"]) for name in ("progress", "lock_progress"))
READ_BATCH, READ_STREAMS = (SQL[name].format(entries=SQL["entries"]) for name in ("read_batch", "read_streams"))
BATCH = 1_000
KNOWN_OPENINGS = 50_000
MOST_BYTES = 32_000_000
"""Of rows that wait in memory to be written: a batch ends where they are more."""
LONGEST_S = 5.0
"""So long a batch is folded: while it is, the database sees a transaction in which nothing happens, and bounds that."""

log = logging.getLogger("ledger.follow")


class Progress(NamedTuple):
    """How many entries a projection shows, and the entry that stopped it, if one did; ``built`` counts its rebuilds.

    ``stands``: the log still holds the last of those entries. If not, a backup of the log alone was restored.
    """

    name: str
    version: int
    position: int
    error: str | None = None
    error_position: int | None = None
    built: int = 0
    stands: bool = True


class Stop(NamedTuple):
    """An entry that some projections cannot take, and what the code stumbled over."""

    position: int
    error: str
    names: tuple[str, ...] = ()


class Outdated(Unavailable):
    """Rows belong to another version of their projection than this process has, or to another log."""


Read = tuple[Entry, Recorded]
Names = tuple[str, ...]


class Follower:
    """Projects into the tables that ``connection`` sees first: the live ones, or those of a rebuild."""

    def __init__(
        self, connection: Connection, projections: Sequence[Projection] = PROJECTIONS, batch: int = BATCH
    ) -> None:
        self.connection, self.batch = connection, batch
        self.projections = {one.name: one for one in projections}
        self.folds: dict[Names, Fold] = {}  # what is in memory of those that stand at the same position
        self.openings: dict[Subject, Opening] = {}
        self.position = 0  # of the one that is furthest behind and goes on
        self.keeps_up = True  # whether all that go on show what there was at the last step

    def create(self) -> None:
        """Make the tables where they are missing."""
        create_tables(self.connection, self.projections.values())
        begin(self.connection, self.projections.values(), 0)
        create_indexes(self.connection, self.projections.values())

    def step(self) -> int:
        """Project one batch; returns how many entries. 0 where nothing is new, or where an entry stops what is behind.

        Raises Outdated where another version made the rows.
        """
        row = self.connection.execute(SQL["behind"], {"names": list(self.projections)}).fetchone()
        if row is None or not row[0]:
            return 0
        try:
            with self.connection.transaction():
                return self._step()
        except BaseException:
            self.folds = {}  # memory may hold what was rolled back
            raise

    def _step(self) -> int:
        rows = self.connection.execute(LOCK_PROGRESS, {"names": list(self.projections)}).fetchall()
        size, epoch = (rows[0][7], rows[0][8]) if rows else (0, "")
        groups = _groups([Progress(*row[:7]) for row in rows], self.projections)
        self.folds = {names: fold for names, fold in self.folds.items() if names in groups}
        done = [self._run(names, at, size, epoch) for names, at in groups.items()]
        self.position = min([fold.position for fold in self.folds.values()], default=0)
        self.keeps_up = self.position >= size
        return sum(done)

    def _run(self, names: Names, at: Progress, size: int, epoch: str) -> int:
        """Take projections that stand at one position on; returns by how many entries."""
        fold = self.folds.get(names)
        if fold is None or (fold.position, fold.epoch, fold.built) != (at.position, epoch, at.built):
            fold = self._begin(names, at, epoch)
        upto, stop = self._project(fold, min(size, at.position + (1 if at.error_position else self.batch)))
        again = stop
        while again:  # what an entry half did to memory is not to be trusted: begin again, and stop before it
            stop, most = again, again.position - 1
            fold = self._begin(names, at, epoch)
            upto, again = self._project(fold, most)
            if upto < most:
                stop = None  # the next batch comes to it
        for changes in fold.take_changes():
            self._write(changes)
        self._advance(names, at, upto, stop)
        fold.position = upto
        fold.histories.trim()
        return upto - at.position

    def _begin(self, names: Names, at: Progress, epoch: str) -> Fold:
        self.openings = {}
        fold = self.folds[names] = Fold([self.projections[name] for name in names], at.position, epoch, at.built)
        return fold

    def _project(self, fold: Fold, upto: int) -> tuple[int, Stop | None]:
        """Fold the entries up to a position, or to one before it where that takes too long or makes too many rows for one batch;
        returns how far it came, and the entry that stopped it."""
        entries, stops = recorded_of(
            self.connection.execute(READ_BATCH, {"after": fold.position, "upto": upto}).fetchall()
        )
        if stops:
            entries = [one for one in entries if one[1].position < stops[0].position]
        missing = fold.missing({entry.originator_id for entry, _ in entries if entry.originator_version > 1})
        held, broken = self._held(missing, fold.position)
        openings = self._openings([*held, *entries])
        reached, stop = self._fold(fold, held, entries, openings, broken)
        if reached is None and not stop and stops:
            stop = stops[0]
        return upto if reached is None else reached, stop

    @undisturbed()
    def _fold(
        self, fold: Fold, held: Sequence[Read], entries: Sequence[Read], openings: dict[Subject, Opening],
        broken: Mapping[Subject, Stop],
    ) -> tuple[int | None, Stop | None]:  # fmt: skip
        """Returns at which entry the batch ends early, if it does; and which entry stopped it, if one did."""
        for subject, before in grouped(held).items():
            if subject not in broken:
                fold.load(subject, before, openings)
        ends = monotonic() + LONGEST_S
        for entry, recorded in entries:
            if stop := broken.get(entry.originator_id):
                return None, stop._replace(position=recorded.position, error=f"{stop.error} at entry {stop.position}")
            try:
                fold.take(entry.originator_id, recorded, openings)
            except Stopped as error:
                return None, Stop(recorded.position, error.error, (error.name,))
            except Exception as error:
                return None, Stop(recorded.position, type(error).__name__)
            if bytes_of(fold) > MOST_BYTES or monotonic() > ends:
                return recorded.position, None
        return None, None

    def _held(self, missing: Sequence[Subject], upto: int) -> tuple[list[Read], dict[Subject, Stop]]:
        """What streams that are not in memory held before this batch; and those of which an entry cannot be read."""
        if not missing:
            return [], {}
        rows = self.connection.execute(READ_STREAMS, {"streams": missing, "upto": upto}).fetchall()
        held, stops = recorded_of(rows)
        streams = {position: Subject(stream) for position, stream, *_ in rows}
        return held, {streams[stop.position]: stop for stop in reversed(stops)}

    def _openings(self, entries: Sequence[Read]) -> dict[Subject, Opening]:
        """The first entries of every stream mentioned. Once known they never change in an epoch."""
        mentioned = {subject for _, recorded in entries for subject in recorded.fact.mentions}
        if len(self.openings) > KNOWN_OPENINGS:
            self.openings = {}
        self.openings |= read_openings(self.connection, mentioned - self.openings.keys())
        return self.openings

    def _write(self, changes: Rows) -> None:
        if changes.closed:
            columns = {f"k{number}": list(one) for number, one in enumerate(zip(*changes.closed, strict=True))}
            self.connection.execute(
                changes.table.close.encode(), columns | {"known_tos": list(changes.closed.values())}
            )
        if rows := changes.written:
            with self.connection.cursor() as cursor, cursor.copy(changes.table.copy.encode()) as copy:
                cursor.adapters.register_dumper(bytes, BytesBinaryDumper)  # the usual one calls Python for each
                copy.set_types(changes.table.types)
                for row in rows:
                    copy.write_row(row)

    def _advance(self, names: Names, at: Progress, position: int, stop: Stop | None) -> None:
        """What is now true, once this commits: the rows of these show the first ``position`` entries."""
        stopped = (stop.names or names) if stop else ()
        if stop and (stop.position, stop.error) != (at.error_position, at.error):
            log.error("entry %d stops %s: %s", stop.position, " and ".join(stopped), stop.error)
        elif position == at.position:
            return
        self.connection.execute(SQL["advance"], {
            "names": list(names), "position": position, "stopped": list(stopped),
            "error": stop.error if stop else None, "error_position": stop.position if stop else None,
        })  # fmt: skip


def bytes_of(fold: Fold) -> int:
    """Of the rows that wait to be written."""
    return sum([rows.bytes for changes in fold.changes.values() for rows in changes.values()])


def _groups(rows: Sequence[Progress], projections: Mapping[str, Projection]) -> dict[Names, Progress]:
    """The projections by where they stand; what was stopped goes apart. Raises Outdated."""
    for row in rows:
        if row.version != (ours := projections[row.name].version):
            what = f"is of version {row.version}, and this process makes version {ours}"
            raise Outdated(f"the projection {row.name} {what}")
        if not row.stands:
            raise Outdated(f"the projection {row.name} shows entries that the log does not hold: it is built anew")
    found: dict[tuple[int, int, str], list[Progress]] = {}
    for row in rows:
        found.setdefault((row.position, row.built, row.name if row.error_position else ""), []).append(row)
    return {tuple([row.name for row in group]): group[0] for group in found.values()}


def grouped(entries: Sequence[Read]) -> dict[Subject, list[Recorded]]:
    """The entries of each stream, in their order."""
    found: dict[Subject, list[Recorded]] = {}
    for entry, recorded in entries:
        found.setdefault(entry.originator_id, []).append(recorded)
    return found


@undisturbed()
def recorded_of(rows: Sequence[tuple[Any, ...]]) -> tuple[list[Read], list[Stop]]:
    """Entries with their facts; and those that cannot be read. A row has position, stream, line."""
    read: list[Read] = []
    stops: list[Stop] = []
    for row in rows:
        try:
            read.append(_read(*row))
        except Exception as error:
            stops.append(Stop(row[0], type(error).__name__))
    return read, stops


def _read(position: int, stream: str, body: str) -> Read:
    entry = read_line(body)
    if entry.position != position:
        raise Unreadable(f"entry {position} says that it is entry {entry.position}")
    return entry, entry.recorded()


def read_progress(connection: Connection) -> dict[str, Progress]:
    """How far the projections are, by name; of those that there are not yet nothing."""
    try:
        rows = connection.execute(PROGRESS).fetchall()
    except psycopg.errors.UndefinedTable:
        return {}
    return {row[0]: Progress(*row) for row in rows}


def are_of_our_versions(connection: Connection) -> bool:
    """Whether the rows that there are were made as this version makes them."""
    live = read_progress(connection)
    return all(live[one.name].version == one.version for one in PROJECTIONS if one.name in live)


def projected(connection: Connection) -> int:
    """How many entries every projection shows."""
    known = read_progress(connection)
    return min([known[one.name].position if one.name in known else 0 for one in PROJECTIONS])


# --- tables


def create_tables(connection: Connection, projections: Iterable[Projection]) -> None:
    """Make the tables where they are missing, and that of the progress."""
    connection.execute(SQL["create"])
    for table in tables_of(projections):
        connection.execute(table.create.encode())


def create_indexes(connection: Connection, projections: Iterable[Projection]) -> None:
    for one in projections:
        connection.execute(sql_blocks(f"projections.{one.name}", f"{one.name}.sql")["indexes"])


def begin(connection: Connection, projections: Iterable[Projection], position: int) -> None:
    """From now on the progress of these is kept, unless it is already."""
    for one in projections:
        connection.execute(SQL["begin"], {"name": one.name, "version": one.version, "position": position})


def tables_of(projections: Iterable[Projection]) -> list[Table]:
    return [table for one in projections for table in one.tables]


def tables_in(connection: Connection, schema: str) -> set[str]:
    """Every table that there is in a schema."""
    return {name for (name,) in connection.execute(SQL["tables"], {"schema": schema}).fetchall()}
