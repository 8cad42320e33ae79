"""Following: the projections are kept up to date for as long as the ledger runs, by one follower at a time."""

import logging
from contextlib import suppress
from threading import Event
from time import monotonic

import psycopg

from ledger.errors import Unavailable
from ledger.postgres import FAILURES, Connection, Listener, Place, explained, is_read_only
from ledger.process import look_for_garbage_rarely
from projections.follower import VERSION, Follower, Outdated, Progress, read_progress
from projections.rebuild import Running, begun, only, rebuild

__all__ = ["VERSION", "Follower", "Progress", "begun", "catch_up", "follow", "read_progress", "rebuild"]

POLL_S = 0.5
log = logging.getLogger("ledger.follow")


def follow(place: Place, stop: Event) -> None:
    """Keep the projections up to date until told to stop; a connection that is lost, or silent, is made again."""
    look_for_garbage_rarely()
    said = ""
    while not stop.is_set():
        try:
            with place.connect() as connection:
                _follow(place, connection, stop)
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


def catch_up(place: Place) -> None:
    """Project what is recorded by now, unless somebody else is at it, or nobody may: the rows are those that are there."""
    with place.connect() as connection, only("follow", place, connection) as alone, suppress(Running):
        if alone and not is_read_only(connection):
            _prepare(place, connection)
            follower = Follower(connection)
            while follower.step():
                pass


def _follow(place: Place, connection: Connection, stop: Event) -> None:
    if _is_old(connection):
        _prepare(place, connection)  # while a follower of the old version, if one runs, keeps the old rows up to date
    with only("follow", place, connection) as alone:
        if not alone:
            stop.wait(POLL_S)
            return
        _prepare(place, connection)
        follower, listener = Follower(connection), Listener(place)
        try:
            while not stop.is_set():
                started = monotonic()
                match follower.step():
                    case 0:
                        listener.wait(POLL_S)
                    case few if few < follower.batch:
                        stop.wait(monotonic() - started)  # who writes has his turn, and the next batch is larger
        finally:
            listener.close()


def _prepare(place: Place, connection: Connection) -> None:
    """Make the tables, and build anew what an older version built. Raises Outdated where a newer one did."""
    if _is_old(connection):
        rebuild(place)
    Follower(connection).create()


def _is_old(connection: Connection) -> bool:
    progress = read_progress(connection)
    return progress is not None and progress.version < VERSION
