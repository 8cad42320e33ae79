"""Following: the projections are kept up to date for as long as the ledger runs, by one follower at a time."""

import logging
from contextlib import suppress
from threading import Event
from time import monotonic

import psycopg

from ledger.database.connection import Connection, LedgerLocation, Listener, is_read_only
from ledger.database.failures import FAILURES, explained
from ledger.errors import Unavailable
from ledger.process import tune_gc
from projections.follower import VERSION, Follower, Outdated, read_progress
from projections.rebuild import Running, only, rebuild

POLL_S = 0.5
log = logging.getLogger("ledger.follow")


def follow(location: LedgerLocation, stop: Event) -> None:
    """Keep the projections up to date until told to stop; a connection that is lost, or silent, is made again."""
    tune_gc()
    said = ""
    while not stop.is_set():
        try:
            with location.connect() as connection:
                _follow(location, connection, stop)
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


def catch_up(location: LedgerLocation) -> None:
    """Project what is recorded by now, unless somebody else is at it, or nobody may: the rows are those that are there."""
    with location.connect() as connection, only("follow", location, connection) as alone, suppress(Running):
        if alone and not is_read_only(connection):
            _prepare(location, connection)
            follower = Follower(connection)
            while follower.step():
                pass


def _follow(location: LedgerLocation, connection: Connection, stop: Event) -> None:
    if _is_old(connection):
        _prepare(
            location, connection
        )  # while a follower of the old version, if one runs, keeps the old rows up to date
    with only("follow", location, connection) as alone:
        if not alone:
            stop.wait(POLL_S)
            return
        _prepare(location, connection)
        follower, listener = Follower(connection), Listener(location)
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


def _prepare(location: LedgerLocation, connection: Connection) -> None:
    """Make the tables, and build anew what an older version built. Raises Outdated where a newer one did."""
    if _is_old(connection):
        rebuild(location)
    Follower(connection).create()


def _is_old(connection: Connection) -> bool:
    progress = read_progress(connection)
    return progress is not None and progress.version < VERSION
