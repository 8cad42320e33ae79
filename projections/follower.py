"""One follower's step: a batch of entries into every projection, exactly once.

Rows and progress are written in one transaction, so at any moment the projections show what the first ``position``
entries add up to, and nothing else. A crash before the commit leaves them as they were; after it, the follower goes on
from there. The progress row is held for the length of a step, so even two followers do no harm.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg.types.string import BytesBinaryDumper

from ledger.database.connection import Connection, queries
from ledger.errors import Unavailable, Unreadable
from ledger.history import Opening, Recorded
from ledger.log.entry import Entry, read_line
from ledger.process import undisturbed
from ledger.vocabulary.fact import Subject
from ledger.writing.decision_cache import read_openings
from projections.rows import STATES, STATUSES, TIMELINE, Changes, Projector, Row

SQL = queries("projections", "states.sql")
VERSION = 4
"""Raised whenever rows come out differently: what an older version built is built again."""

BATCH = 1_000
KNOWN_OPENINGS = 50_000
log = logging.getLogger("ledger.follow")


class Progress(NamedTuple):
    """Which entries the rows show; and the entry that could not be projected, if one stopped them."""

    version: int
    position: int
    error: str | None = None
    error_position: int | None = None


class Poison(NamedTuple):
    """An entry that cannot be projected, and what the code stumbled over."""

    position: int
    error: str


class Outdated(Unavailable):
    """The rows belong to another version of the projection than this process has."""


Read = tuple[Entry, Recorded]


class Follower:
    """Projects into the tables that ``connection`` sees first: the live ones, or those of a rebuild."""

    def __init__(self, connection: Connection, batch: int = BATCH) -> None:
        self.connection = connection
        self.batch = batch
        self.projector = Projector()
        self.openings: dict[Subject, Opening] = {}
        self.position = -1
        self.epoch = ""
        self.poison: Poison | None = None

    def create(self) -> None:
        """Make the tables where they are missing."""
        self.connection.execute(SQL["create"])
        self.connection.execute(SQL["start"], {"version": VERSION, "position": 0})
        self.connection.execute(SQL["create_indexes"])

    def step(self) -> int:
        """Project one batch; returns how many entries. 0 where nothing is new, or where an entry stops it.

        Raises Outdated where another version made the rows.
        """
        if not self._is_behind():
            return 0
        try:
            with self.connection.transaction():
                return self._step()
        except BaseException:
            self._forget()  # memory may hold what was rolled back
            raise

    def _is_behind(self) -> bool:
        row = self.connection.execute(SQL["behind"]).fetchone()
        return row is not None and bool(row[0])

    def _step(self) -> int:
        size = self._check_position()
        upto = min(size, self.position + self.batch)
        done, poison = self._project(upto)
        if poison:
            # What an entry half did to memory is not to be trusted: start again, and stop before it.
            self.projector = Projector()
            done, _ = self._project(poison.position - 1)
        self._write(self.projector.take_changes())
        self._advance(done, poison)
        self.projector.histories.trim()
        return done

    def _check_position(self) -> int:
        """Hold the progress, and see that memory is where the rows are, and of the log that there is now.

        Returns the size of the log.
        """
        row = self.connection.execute(SQL["lock_progress"]).fetchone()
        version, position, size, epoch = row or (VERSION, 0, 0, "")
        if version != VERSION:
            raise Outdated(f"the projections are of version {version}, and this process makes version {VERSION}")
        if (position, epoch) != (self.position, self.epoch):
            self._forget()
            self.position, self.epoch = position, epoch
        return int(size)

    def _forget(self) -> None:
        self.projector, self.openings = Projector(), {}
        self.position, self.poison = -1, None

    def _project(self, upto: int) -> tuple[int, Poison | None]:
        """Project the entries up to a position; returns how many positions, and the entry that stopped it."""
        given = {"after": self.position, "upto": upto}
        entries, poison = recorded_of(self.connection.execute(SQL["read_batch"], given).fetchall())
        missing = self.projector.missing({entry.originator_id for entry, _ in entries if entry.originator_version > 1})
        held, broken = self._held(missing)
        if broken:
            return 0, Poison(self.position + 1, broken.error)
        openings = self._openings([*held, *entries])
        poison = self._fold(held, entries, openings) or poison
        return (poison.position - 1 if poison else upto) - self.position, poison

    @undisturbed()
    def _fold(self, held: Sequence[Read], entries: Sequence[Read], openings: dict[Subject, Opening]) -> Poison | None:
        """Take entries into their histories, and note what the new ones change; returns the one that cannot be."""
        for entry, recorded in held:
            self.projector.load(entry.originator_id, recorded, openings)
        for entry, recorded in entries:
            try:
                self.projector.project(entry.originator_id, recorded, openings)
            except Exception as error:
                return Poison(recorded.position, type(error).__name__)
        return None

    def _held(self, missing: Sequence[Subject]) -> tuple[list[Read], Poison | None]:
        """What streams that are not in memory held before this batch."""
        if not missing:
            return [], None
        given = {"streams": missing, "upto": self.position}
        return recorded_of(self.connection.execute(SQL["read_streams"], given).fetchall())

    def _openings(self, entries: Sequence[Read]) -> dict[Subject, Opening]:
        """The first entries of every stream mentioned. Once known they never change in an epoch."""
        mentioned = {subject for _, recorded in entries for subject in recorded.fact.mentions}
        if len(self.openings) > KNOWN_OPENINGS:
            self.openings = {}
        self.openings |= read_openings(self.connection, mentioned - self.openings.keys())
        return self.openings

    def _write(self, changes: Changes) -> None:
        states, statuses, timeline = changes.states, changes.statuses, changes.timeline
        self._close("close_states", ("subjects", "lanes", "valid_froms"), states.closed)
        self._close("close_statuses", ("kinds", "statuses", "valid_tos", "subjects"), statuses.closed)
        self._close("close_timeline", ("positions",), {(position,): end for position, end in timeline.closed.items()})
        self._copy("copy_states", STATES, states.written)
        self._copy("copy_statuses", STATUSES, statuses.written)
        self._copy("copy_timeline", TIMELINE, timeline.written)

    def _close(self, statement: str, names: Sequence[str], closed: Mapping[Any, int]) -> None:
        if closed:
            columns = dict(zip(names, map(list, zip(*closed, strict=True)), strict=True))
            self.connection.execute(SQL[statement], {**columns, "known_tos": list(closed.values())})

    def _copy(self, statement: str, types: Sequence[str], rows: Sequence[Row]) -> None:
        if rows:
            with self.connection.cursor() as cursor, cursor.copy(SQL[statement]) as copy:
                cursor.adapters.register_dumper(bytes, BytesBinaryDumper)  # the usual one calls Python for each
                copy.set_types(types)
                for row in rows:
                    copy.write_row(row)

    def _advance(self, done: int, poison: Poison | None) -> None:
        """What is now true, once this commits: the rows show the first ``position`` entries."""
        if poison and poison != self.poison:
            log.error("entry %d cannot be projected: %s", poison.position, poison.error)
        given = {"before": self.position, "position": self.position + done, "error": poison.error if poison else None}
        given["error_position"] = poison.position if poison else None
        if done or poison != self.poison:
            self.connection.execute(SQL["advance"], given)
        self.position += done
        self.poison = poison


@undisturbed()
def recorded_of(rows: Sequence[tuple[int, str, dict[str, str] | None]]) -> tuple[list[Read], Poison | None]:
    """Entries with their facts, up to one that cannot be read."""
    read: list[Read] = []
    for position, body, names in rows:
        try:
            read.append(_read(position, body, names))
        except Exception as error:
            return read, Poison(position, type(error).__name__)
    return read, None


def _read(position: int, body: str, names: dict[str, str] | None) -> Read:
    entry = read_line(body)
    if entry.position != position:
        raise Unreadable(f"entry {position} says that it is entry {entry.position}")
    return entry, entry.recorded(names)


def read_progress(connection: Connection) -> Progress | None:
    """How far the projections are; None where there are none yet."""
    try:
        row = connection.execute(SQL["progress"]).fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return Progress(*row) if row else None
