"""The follower: entries, in batches, into every projection, exactly once.

Rows and progress are written in one transaction, so at any moment the projections show what the first ``position``
entries add up to, and nothing else. A crash before the commit leaves them as they were; after it, the follower goes on
from there. One follower runs for a ledger, by an advisory lock; the progress row keeps even two from doing harm.
"""

import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from typing import NamedTuple

import psycopg

from ledger.entry import Entry, read_line
from ledger.errors import Unavailable, Unreadable
from ledger.facts import Subject
from ledger.history import Opening, Recorded
from ledger.postgres import Connection, Listener, Place, queries
from ledger.service import read_openings
from projections.rows import Changes, Projector, copied_states, copied_timeline

SQL = queries("projections", "states.sql")
VERSION = 2
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


TABLES = ("progress", "states", "timeline")


class Poison(NamedTuple):
    """An entry that cannot be projected, and what the code stumbled over."""

    position: int
    error: str


Read = tuple[Entry, Recorded]


class Follower:
    """Projects into the tables that ``connection`` sees first: the live ones, or those of a rebuild."""

    def __init__(self, connection: Connection, batch: int = BATCH) -> None:
        self.connection = connection
        self.batch = batch
        self.projector = Projector()
        self.openings: dict[Subject, Opening] = {}
        self.position = -1
        self.poison: Poison | None = None

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
        done, poison = self._project(self.batch)
        if poison:
            # What an entry half did to memory is not to be trusted: start again, and stop before it.
            self.projector = Projector()
            done, _ = self._project(poison.position - 1 - self.position)
        self._write(self.projector.take_changes())
        self._advance(done, poison)
        self.projector.histories.trim()
        return done

    def _check_position(self) -> None:
        row = self.connection.execute(SQL["lock_progress"]).fetchone()
        position = int(row[1]) if row else 0
        if position != self.position:
            self._forget()
            self.position = position

    def _forget(self) -> None:
        self.projector = Projector()
        self.position = -1

    def _project(self, limit: int) -> tuple[int, Poison | None]:
        """Project up to ``limit`` entries; returns how many, and the one that stopped it."""
        rows = self.connection.execute(SQL["read_batch"], {"after": self.position, "limit": limit}).fetchall()
        entries, poison = _recorded(rows)
        missing = self.projector.missing({entry.originator_id for entry, _ in entries if entry.originator_version > 1})
        held, broken = self._held(missing)
        if broken:
            return 0, Poison(self.position + 1, broken.error)
        openings = self._openings([*held, *entries])
        for entry, recorded in held:
            self.projector.load(entry.originator_id, recorded, openings)
        for done, (entry, recorded) in enumerate(entries):
            try:
                self.projector.project(entry.originator_id, recorded, openings)
            except Exception as error:
                return done, Poison(recorded.position, type(error).__name__)
        return len(entries), poison

    def _held(self, missing: Sequence[Subject]) -> tuple[list[Read], Poison | None]:
        """What streams that are not in memory held before this batch."""
        if not missing:
            return [], None
        given = {"streams": missing, "upto": self.position}
        return _recorded(self.connection.execute(SQL["read_streams"], given).fetchall())

    def _openings(self, entries: Sequence[Read]) -> dict[Subject, Opening]:
        """The first entries of every stream mentioned. Once known they never change."""
        mentioned = {subject for _, recorded in entries for subject in recorded.fact.mentions}
        if len(self.openings) > KNOWN_OPENINGS:
            self.openings = {}
        self.openings |= read_openings(self.connection, mentioned - self.openings.keys())
        return self.openings

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
        self._copy("copy_states", copied_states([*changes.done, *changes.states.values()]))
        self._copy("copy_timeline", copied_timeline([*changes.done_timeline, *changes.timeline.values()]))

    def _copy(self, statement: str, rows: str) -> None:
        if rows:
            with self.connection.cursor() as cursor, cursor.copy(SQL[statement]) as copy:
                copy.write(rows)

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


def _recorded(rows: Sequence[tuple[int, str, dict[str, str] | None]]) -> tuple[list[Read], Poison | None]:
    """Entries with their facts, up to one that cannot be read."""
    read: list[Read] = []
    for position, body, names in rows:
        try:
            entry = read_line(body)
            read.append((entry, entry.recorded(names)))
        except Exception as error:
            return read, Poison(position, type(error).__name__)
    return read, None


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
        except (psycopg.OperationalError, Unavailable) as error:
            log.warning("the follower lost the database and tries again: %s", type(error).__name__)
            stop.wait(POLL_S)
        except Exception:
            log.exception("the follower failed and tries again")
            stop.wait(POLL_S)


def catch_up(place: Place) -> None:
    """Project what is recorded by now, unless a follower of its own is at it."""
    with place.connect() as connection, _only("follow", place, connection) as alone:
        if alone:
            _prepare(place, connection)
            follower = Follower(connection)
            while follower.step():
                pass


def _follow(place: Place, connection: Connection, stop: Event) -> None:
    with _only("follow", place, connection) as alone:
        if not alone:
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
def _only(role: str, place: Place, connection: Connection) -> Iterator[bool]:
    """Whether nobody else does this for the ledger. The lock goes with the connection, whatever becomes of us."""
    name = f"{role} {place.schema}"
    row = connection.execute("select pg_try_advisory_lock(hashtext(%s))", [name]).fetchone()
    yield row is not None and bool(row[0])


def rebuild(place: Place, report: Callable[[int], None] = lambda position: None) -> int:
    """Build every projection anew beside the live ones, then put it in their place at once. Returns the position.

    Readers see the old rows until the new ones are complete; a rebuild that is broken off changes nothing.
    """
    with place.connect(place.rebuild) as connection, _only("rebuild", place, connection) as alone, _rare_collections():
        if not alone:
            raise Unavailable("another rebuild of this ledger is running")
        connection.execute("drop table if exists progress, states, timeline")
        builder = Follower(connection, batch=5_000)
        builder.create(indexes=False)
        while builder.step():
            report(builder.position)
        connection.execute(SQL["create_indexes"])
        with connection.transaction():
            _hold_live(connection, place)
            while builder.step():
                report(builder.position)
            _check_complete(connection)
            _swap(connection, place)
        return builder.position


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for garbage in cycles more rarely: a rebuild keeps much and drops little, and looking took a fifth of it."""
    usual = gc.get_threshold()
    gc.set_threshold(50_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _check_complete(connection: Connection) -> None:
    progress = read_progress(connection)
    if progress is not None and progress.error_position is not None:
        raise Unreadable(
            f"entry {progress.error_position} cannot be projected ({progress.error}): the projections stay as they are"
        )


def _hold_live(connection: Connection, place: Place) -> None:
    """From here to the swap nobody reads or writes the live tables; the progress first, as the follower does."""
    for name in TABLES:
        if connection.execute("select to_regclass(%s)", [f"{place.projections}.{name}"]).fetchone() != (None,):
            lock = "lock table {} in access exclusive mode"
            connection.execute(psycopg.sql.SQL(lock).format(_table(place.projections, name)))


def _swap(connection: Connection, place: Place) -> None:
    for name in TABLES:
        old, new = _table(place.projections, name), _table(place.rebuild, name)
        connection.execute(psycopg.sql.SQL("drop table if exists {}").format(old))
        target = psycopg.sql.Identifier(place.projections)
        connection.execute(psycopg.sql.SQL("alter table {} set schema {}").format(new, target))


def _table(schema: str, name: str) -> psycopg.sql.Composed:
    return psycopg.sql.SQL("{}.{}").format(psycopg.sql.Identifier(schema), psycopg.sql.Identifier(name))
