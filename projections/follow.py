"""The follower: entries, in batches, into every projection, exactly once.

Rows and progress are written in one transaction, so at any moment the projections show what the first ``position``
entries add up to, and nothing else. A crash before the commit leaves them as they were; after it, the follower goes on
from there. One follower runs for a ledger, by an advisory lock; the progress row keeps even two from doing harm.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Any, NamedTuple

import psycopg

from ledger.entry import Entry, read_line
from ledger.errors import Unavailable, Unprojectable
from ledger.facts import Subject
from ledger.history import Opening, Recorded
from ledger.postgres import Connection, Listener, Place, queries
from ledger.service import read_disclosures, read_openings
from projections.rows import Changes, Projector

SQL = queries("projections", "states.sql")
VERSION = 1
"""Raised whenever rows come out differently: what was built by another version is built again."""

BATCH = 1_000
POLL_S = 0.5
KNOWN_OPENINGS = 100_000
log = logging.getLogger("ledger.follow")


class Progress(NamedTuple):
    """Which entries the rows show; and the entry that could not be projected, if one stopped them."""

    version: int
    position: int
    error: str | None = None
    error_position: int | None = None


class Moved(Exception):
    """Somebody else has projected since: what is in memory may be behind."""


@dataclass(frozen=True)
class Batch:
    """Entries to be projected, and what else had to be read for them."""

    entries: Sequence[tuple[Entry, Recorded]]
    loaded: Sequence[tuple[Entry, Recorded]]
    openings: dict[Subject, Opening]
    poison: tuple[int, str] | None = None


class Follower:
    """Projects into the tables that ``connection`` sees first: the live ones, or those of a rebuild."""

    def __init__(self, connection: Connection, batch: int = BATCH) -> None:
        self.connection = connection
        self.batch = batch
        self.projector = Projector()
        self.openings: dict[Subject, Opening] = {}
        self.position = -1

    def create(self, *, indexes: bool = True) -> None:
        """Make the tables where they are missing; without indexes they fill faster."""
        self.connection.execute(SQL["create"])
        self.connection.execute(SQL["start"], {"version": VERSION})
        if indexes:
            self.connection.execute(SQL["create_indexes"])

    def step(self) -> int:
        """Project one batch; returns how many entries. 0 where nothing is new, or where an entry stops it."""
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
        self._check_position()
        batch = self._read()
        stopped_by = self._fold(batch)
        done = [
            recorded.position
            for _, recorded in batch.entries
            if stopped_by is None or recorded.position < stopped_by[0]
        ]
        if done or stopped_by:
            self._write(self.projector.take_changes())
            self._advance(done[-1] if done else self.position, stopped_by)
        if stopped_by:
            self._forget()
        self.projector.forget()
        return len(done)

    def _check_position(self) -> None:
        row = self.connection.execute(SQL["lock_progress"]).fetchone()
        position = int(row[1]) if row else 0
        if position != self.position:
            self._forget()
            self.position = position

    def _forget(self) -> None:
        self.projector = Projector()
        self.position = -1

    def _read(self) -> Batch:
        rows = self.connection.execute(SQL["read_batch"], {"after": self.position, "limit": self.batch}).fetchall()
        entries, poison = self._recorded(rows)
        missing = self.projector.missing({entry.originator_id for entry, _ in entries if entry.originator_version > 1})
        loaded: list[tuple[Entry, Recorded]] = []
        if missing:
            held = self.connection.execute(SQL["read_streams"], {"streams": missing, "upto": self.position}).fetchall()
            loaded, _ = self._recorded([(0, body) for (body,) in held])
        return Batch(entries, loaded, self._openings([*loaded, *entries]), poison)

    def _recorded(self, rows: Sequence[tuple[Any, ...]]) -> tuple[list[tuple[Entry, Recorded]], tuple[int, str] | None]:
        """Entries with their facts, up to one that cannot be read."""
        opened = read_disclosures(self.connection, [read_line(b).id for _, b in rows if '{"commitment":' in b])
        read = []
        for position, body in rows:
            try:
                entry = read_line(body)
                names = {one.pointer: one.value for one in opened.get(entry.id, ())}
                read.append((entry, entry.recorded(names)))
            except Exception as error:
                return read, (position, type(error).__name__)
        return read, None

    def _openings(self, entries: Sequence[tuple[Entry, Recorded]]) -> dict[Subject, Opening]:
        """The first entries of every stream mentioned. Once known they never change."""
        mentioned = {subject for _, recorded in entries for subject in recorded.fact.mentions}
        if len(self.openings) > KNOWN_OPENINGS:
            self.openings = {}
        self.openings |= read_openings(self.connection, mentioned - self.openings.keys())
        return self.openings

    def _fold(self, batch: Batch) -> tuple[int, str] | None:
        """Project the batch; returns the position that stopped it, and why."""
        for entry, recorded in batch.loaded:
            self.projector.load(entry.originator_id, recorded, batch.openings)
        for entry, recorded in batch.entries:
            try:
                self.projector.project(entry.originator_id, recorded, batch.openings)
            except Exception as error:
                log.exception("entry %d cannot be projected", recorded.position)
                return recorded.position, type(error).__name__
        return batch.poison

    def _write(self, changes: Changes) -> None:
        closed = changes.closed
        if closed:
            self.connection.execute(SQL["close_states"], {
                "subjects": [key[0] for key in closed], "lanes": [key[1] for key in closed],
                "valid_froms": [key[2] for key in closed], "known_tos": list(closed.values()),
            })  # fmt: skip
        if changes.closed_timeline:
            gone = changes.closed_timeline
            self.connection.execute(SQL["close_timeline"], {"positions": list(gone), "known_tos": list(gone.values())})
        self._copy("copy_states", [*changes.done, *changes.states.values()])
        self._copy("copy_timeline", [*changes.done_timeline, *changes.timeline.values()])

    def _copy(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            with self.connection.cursor() as cursor, cursor.copy(SQL[statement]) as copy:
                for row in rows:
                    copy.write_row(row)

    def _advance(self, position: int, stopped_by: tuple[int, str] | None) -> None:
        """What is now true, once this commits: the rows show the first ``position`` entries."""
        error_position, error = stopped_by or (None, None)
        given = {"before": self.position, "position": position, "error": error, "error_position": error_position}
        self.connection.execute(SQL["advance"], given)
        self.position = position


def read_progress(connection: Connection) -> Progress | None:
    """How far the projections are; None where there are none yet."""
    try:
        row = connection.execute(SQL["progress"]).fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return Progress(*row) if row else None


def follow(place: Place, stop: Event) -> None:
    """Keep the projections up to date until told to stop; lost connections are made again."""
    while not stop.is_set():
        try:
            with place.connect() as connection:
                _follow(place, connection, stop)
        except (psycopg.Error, Unavailable) as error:
            log.warning("the follower lost the database and tries again: %s", type(error).__name__)
            stop.wait(POLL_S)


def catch_up(place: Place) -> None:
    """Project what is recorded by now, unless a follower of its own is at it."""
    with place.connect() as connection, _only_follower(place, connection) as locked:
        if locked:
            _prepare(place, connection)
            follower = Follower(connection)
            while follower.step():
                pass


def _follow(place: Place, connection: Connection, stop: Event) -> None:
    with _only_follower(place, connection) as locked:
        if not locked:
            stop.wait(POLL_S)
            return
        _prepare(place, connection)
        follower, listener = Follower(connection), Listener(place)
        try:
            while not stop.is_set():
                if follower.step() == 0:
                    listener.wait(POLL_S)
        finally:
            listener.close()


def _prepare(place: Place, connection: Connection) -> None:
    """Make the tables, and build anew what another version built."""
    Follower(connection).create()
    progress = read_progress(connection)
    if progress is not None and progress.version != VERSION:
        rebuild(place)


@contextmanager
def _only_follower(place: Place, connection: Connection) -> Iterator[bool]:
    """Whether this is the follower of its ledger. The lock goes with the connection, whatever becomes of us."""
    row = connection.execute("select pg_try_advisory_lock(hashtext(%s))", [f"follow {place.schema}"]).fetchone()
    yield row is not None and bool(row[0])


def rebuild(place: Place, report: Callable[[int], None] = lambda position: None) -> int:
    """Build every projection anew beside the live ones, then put it in their place at once. Returns the position.

    Readers see the old rows until the new ones are complete; a rebuild that is broken off changes nothing.
    """
    with place.connect(place.rebuild) as connection:
        connection.execute("drop table if exists progress, states, timeline")
        builder = Follower(connection, batch=5_000)
        builder.create(indexes=False)
        while builder.step():
            report(builder.position)
        connection.execute(SQL["create_indexes"])
        with connection.transaction():
            _wait_for_follower(connection, place)
            while builder.step():
                report(builder.position)
            _check_complete(connection)
            _swap(connection, place)
        return builder.position


def _check_complete(connection: Connection) -> None:
    progress = read_progress(connection)
    if progress is not None and progress.error_position is not None:
        raise Unprojectable(
            f"entry {progress.error_position} cannot be projected ({progress.error}): the projections stay as they are"
        )


def _wait_for_follower(connection: Connection, place: Place) -> None:
    """Hold the live progress row: from here to the swap the follower writes nothing."""
    if connection.execute("select to_regclass(%s)", [f"{place.projections}.progress"]).fetchone() != (None,):
        connection.execute(psycopg.sql.SQL("select from {} for update").format(_table(place.projections, "progress")))


def _swap(connection: Connection, place: Place) -> None:
    for name in ("progress", "states", "timeline"):
        old, new = _table(place.projections, name), _table(place.rebuild, name)
        connection.execute(psycopg.sql.SQL("drop table if exists {}").format(old))
        target = psycopg.sql.Identifier(place.projections)
        connection.execute(psycopg.sql.SQL("alter table {} set schema {}").format(new, target))


def _table(schema: str, name: str) -> psycopg.sql.Composed:
    return psycopg.sql.SQL("{}.{}").format(psycopg.sql.Identifier(schema), psycopg.sql.Identifier(name))
