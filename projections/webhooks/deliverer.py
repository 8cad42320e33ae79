"""Delivering: each webhook is sent what it wants of the log, in order, at least once, by one deliverer at a time.

A webhook is a position in the log, as a projection is, and needs no outbox: what is still to be sent is what comes after it. The
position is moved once the receiver has taken an entry, so a crash between the two sends the entry again, with the same id, and
never loses one. The entry after it waits until then: so each receiver sees the log's own order, and with it each subject's.

Each works off what is there in turns of a few seconds, some at a time, so that a slow receiver holds up no other.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from time import monotonic

import psycopg

from ledger.database.connection import Connection, LedgerLocation, Listener, Pool
from ledger.database.failures import FAILURES, explained
from ledger.errors import Invalid, LedgerError, Misconfigured, NotFound, Unavailable
from ledger.log.epoch import renew
from projections.feed import lines_after
from projections.rebuild import only
from projections.webhooks.addresses import Allowed
from projections.webhooks.delivery import Message, Outcome, Receiver, entry, rolled_back
from projections.webhooks.signing import SecretKey
from projections.webhooks.subscriptions import SQL, Webhook, webhook

ROLE = "webhooks"
POLL_S = 0.5
WORKERS = 8
TURN_S = 5.0
PAGE = 100
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 3_600.0
PATIENCE_S = 3 * 86_400.0
"""A receiver that has taken nothing for so long is disabled."""
log = logging.getLogger("ledger.webhooks")


def pause_s(failures: int) -> float:
    """How long to wait after so many failures on end, in seconds: twice as long each time, up to an hour."""
    return min(FIRST_PAUSE_S * 2.0 ** min(failures - 1, 30), LONGEST_PAUSE_S)


def deliver(location: LedgerLocation, key: SecretKey, allowed: Allowed, source: str, stop: Event) -> None:
    """Send to every webhook what it wants, until told to stop; a connection that is lost is made again."""
    while not stop.is_set():
        try:
            with location.connect() as connection, only(ROLE, location, connection) as alone:
                if alone:
                    _deliver(location, connection, Turns(key, allowed, source, stop), stop)
        except (*FAILURES, Unavailable) as error:
            told = explained(error) if isinstance(error, psycopg.Error) else error
            log.warning("webhooks go on with a new connection: %s", told)
        except Exception:
            log.exception("webhooks could not be delivered, and are tried again")
        stop.wait(POLL_S)


def _deliver(location: LedgerLocation, connection: Connection, turns: "Turns", stop: Event) -> None:
    """As long as the connection, and with it the lock, lasts."""
    listener, running = Listener(location), dict[str, Future[None]]()
    with location.pool(WORKERS) as pool, ThreadPoolExecutor(WORKERS, "webhook") as workers:
        try:
            while not stop.is_set():
                running = {name: turn for name, turn in running.items() if not turn.done()}
                for (name,) in connection.execute(SQL["due"]):
                    if name not in running:
                        running[name] = workers.submit(turns.take, pool, name)
                listener.wait(POLL_S)
        finally:
            listener.close()
            turns.ends.set()


@dataclass
class Turns:
    """What each turn needs; ``ends`` breaks off those that are under way between two messages."""

    key: SecretKey
    allowed: Allowed
    source: str
    stop: Event

    def __post_init__(self) -> None:
        self.ends = Event()

    def take(self, pool: Pool, name: str) -> None:
        """One webhook's turn."""
        try:
            self._take(pool, name)
        except NotFound:
            log.debug("%s was removed", name)
        except FAILURES as error:
            log.warning("%s waits for the database: %s", name, explained(error))
        except LedgerError as error:
            log.warning("%s waits: %s", name, error)
        except Exception:
            log.exception("%s could not be delivered to, and is tried again", name)

    def _take(self, pool: Pool, name: str) -> None:
        with pool.connection() as connection:
            one = webhook(connection, name)
            if not one.stands and one.epoch == one.current_epoch:
                renew(connection, one.epoch, f"entry {one.position}, which {name} has got, was gone")
                one = webhook(connection, name)
        try:
            receiver = Receiver(one, one.secrets(self.key), self.allowed)
        except (Invalid, Misconfigured) as error:
            self._fail(pool, one, Outcome(str(error)))
            return
        if one.epoch != one.current_epoch:
            self._begin_again(pool, one, receiver.send)
            return
        until = monotonic() + TURN_S
        going: Webhook | None = one
        while going and going.position < going.size and monotonic() < until and not self._is_over():
            going = self._page(pool, going, receiver.send)

    def _is_over(self) -> bool:
        return self.stop.is_set() or self.ends.is_set()

    def _begin_again(self, pool: Pool, one: Webhook, send: Callable[[Message], Outcome]) -> None:
        """The receiver is told that the ledger was rolled back, before it gets anything of the new epoch."""
        outcome = send(rolled_back(one, self.source))
        if outcome.trouble:
            self._fail(pool, one, outcome)
        else:
            _advance(pool, one, one.position if one.stands else 0, sent=True)

    def _page(self, pool: Pool, one: Webhook, send: Callable[[Message], Outcome]) -> Webhook | None:
        """Send some of what comes next; returns the webhook as it is then, None where it is not to go on now."""
        with pool.connection() as connection:
            lines, upto = lines_after(connection, one.position, one.size, PAGE, one.wanted)
        for line in lines:
            outcome = send(entry(line))
            if outcome.trouble:
                self._fail(pool, one, outcome)
                return None
            # the receiver has it: a crash before the next line has come to its end sends it again
            if not _advance(pool, one, line.position, sent=True) or self._is_over():
                return None
            one = one._replace(position=line.position, failures=0)
        if upto > one.position and not _advance(pool, one, upto, sent=False):
            return None
        return one._replace(position=upto)

    def _fail(self, pool: Pool, one: Webhook, outcome: Outcome) -> None:
        with pool.connection() as connection:
            given = {
                "id": one.id, "pause_s": pause_s(one.failures + 1), "patience_s": PATIENCE_S, "trouble": outcome.trouble[:500],
                "gone": outcome.gone,
            }  # fmt: skip
            row = connection.execute(SQL["fail"], given).fetchone()
        if row == (True,):
            log.error(
                "the webhook %s is disabled: %s; `ledger webhooks resume` lets it go on", one.name, outcome.trouble
            )
        elif one.failures == 0:
            log.warning("the webhook %s is not delivered to, and is tried again: %s", one.name, outcome.trouble)


def _advance(pool: Pool, one: Webhook, position: int, *, sent: bool) -> bool:
    """Whether the webhook was still where we had it."""
    given = {
        "id": one.id, "position": position, "epoch": one.current_epoch, "was": one.position, "was_epoch": one.epoch, "sent": sent,
    }  # fmt: skip
    with pool.connection() as connection:
        return connection.execute(SQL["advance"], given).rowcount == 1
