"""Following: the projections are kept up to date for as long as the ledger runs, by one follower at a time.

What is far behind is built anew, as a rebuild does it, with whole streams and in several processes. Readers see the rows
that were there until then, and a rebuild that is broken off is gone on with.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from threading import Event
from time import monotonic

import psycopg

from ledger.database.connection import Connection, LedgerLocation, Listener, is_read_only
from ledger.database.failures import FAILURES, explained
from ledger.errors import Unavailable, Unreadable
from ledger.process import tune_gc
from projections.projection import Projection
from projections.rebuild import LONG, Running, lock_of, look_for_no_garbage, only, rebuild, versions_of
from projections.registry import PROJECTIONS
from projections.runner import SQL, Follower, Outdated, read_progress, tables_in

POLL_S = 0.5
ROLE = f"follow {versions_of(PROJECTIONS)}"
"""Of followers of the same versions one works at a time. Others do no harm: who works holds the progress of what it works at."""

log = logging.getLogger("ledger.follow")


class ToldToStop(Exception):
    """The follower is told to stop while it builds something anew."""


def follow(location: LedgerLocation, stop: Event) -> None:
    """Keep the projections up to date until told to stop; a connection that is lost, or silent, is made again."""
    tune_gc()
    said = ""
    while not stop.is_set():
        try:
            with location.connect() as connection:
                _follow(location, connection, stop)
        except ToldToStop:
            return
        except (Outdated, Running) as error:
            if said != (said := str(error)):
                log.warning("the follower waits: %s", error)
            stop.wait(POLL_S)
        except (*FAILURES, Unavailable) as error:
            told = explained(error) if isinstance(error, psycopg.Error) else error
            log.warning("the follower goes on with a new connection: %s", told)
            stop.wait(POLL_S)
        except Exception:
            log.exception("the follower failed and tries again")
            stop.wait(POLL_S)


def is_followed(connection: Connection, location: LedgerLocation) -> bool | None:
    """Whether a process keeps the projections up to date; None on a server that only reads, where that is not to be seen."""
    row = connection.execute(SQL["followed"], {"name": lock_of(ROLE, location)}).fetchone()
    return row[0] if row else None


def unseen_since(connection: Connection, shown: int) -> datetime | None:
    """Since when there is an entry that the first ``shown`` do not hold; None where there is none."""
    row = connection.execute(SQL["unseen_since"], {"shown": shown}).fetchone()
    return row[0] if row else None


def catch_up(location: LedgerLocation) -> None:
    """Project what is recorded by now, unless somebody else is at it, or nobody may: the rows are those that are there."""
    with (
        location.connect() as connection,
        only(ROLE, location, connection) as alone,
        look_for_no_garbage(),
        suppress(Running),
    ):
        if alone and not is_read_only(connection):
            _prepare(location, connection)
            _rebuild_what_is_far_behind(location, connection)
            follower = Follower(connection)
            while follower.step():
                pass


def _follow(location: LedgerLocation, connection: Connection, stop: Event) -> None:
    if _old(connection, location):
        # a follower of the old version, if one runs, keeps the old rows up to date meanwhile
        _prepare(location, connection, stop)
    with only(ROLE, location, connection) as alone:
        if not alone:
            stop.wait(POLL_S)
            return
        _prepare(location, connection, stop)
        _rebuild_what_is_far_behind(location, connection, stop)
        follower, listener = Follower(connection), Listener(location)
        try:
            while not stop.is_set():
                started = monotonic()
                match follower.step():
                    case 0:
                        listener.wait(POLL_S)
                    case _ if follower.keeps_up:
                        stop.wait(monotonic() - started)  # who writes has his turn, and the next batch is larger
        finally:
            listener.close()


def _prepare(location: LedgerLocation, connection: Connection, stop: Event | None = None) -> None:
    """Make the tables, and build anew those that an older version built."""
    if old := _old(connection, location):
        _rebuild(location, old, stop)
    Follower(connection).create()


def _rebuild_what_is_far_behind(location: LedgerLocation, connection: Connection, stop: Event | None = None) -> None:
    """Build anew what is far behind. Where an entry cannot be projected, who follows goes as far as it can be, and says so."""
    if behind := _far_behind(connection):
        with suppress(Unreadable):
            _rebuild(location, behind, stop)


def _rebuild(location: LedgerLocation, projections: Sequence[Projection], stop: Event | None) -> None:
    """Raises ToldToStop where it is told to stop: what is done by then is gone on with by the next."""

    def look(position: int) -> None:
        if stop and stop.is_set():
            raise ToldToStop

    rebuild(location, look, projections=projections)


def _old(connection: Connection, location: LedgerLocation) -> list[Projection]:
    """The projections whose rows an older version made, or that show what the log does not hold."""
    progress = read_progress(connection)
    there = tables_in(connection, location.projections)
    return [
        one
        for one in PROJECTIONS
        if (one.name in progress and (progress[one.name].version < one.version or not progress[one.name].stands))
        or (one.name not in progress and any(table.name in there for table in one.tables))
    ]


def _far_behind(connection: Connection) -> list[Projection]:
    """The projections that lack so much, and more than they show, that to build them anew is faster; none that an entry stops."""
    row = connection.execute(SQL["size"]).fetchone()
    size, progress = row[0] if row else 0, read_progress(connection)
    known = [(one, progress[one.name]) for one in PROJECTIONS]
    ours = [(one, at) for one, at in known if at.version == one.version and at.error_position is None]
    return [one for one, at in ours if size - at.position >= max(LONG, at.position)]
