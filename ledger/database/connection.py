"""Where the ledger is, connections to it that nobody waits on for ever, and SQL in named blocks."""

import math
import re
import select
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.resources import files
from time import monotonic, sleep
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import sql
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool

from ledger.database.failures import FAILURES, Unanswered, explained
from ledger.errors import Misconfigured, Unavailable
from ledger.settings import USUAL, Settings, Timeouts

T = TypeVar("T")


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that nobody waits on for ever.

    Past ``deadline`` (as ``time.monotonic`` counts), and ``answer_s`` after any question, whoever waits for an answer
    gets Unanswered, and the connection is closed: an answer that the network has swallowed, with the connection left
    open, is never noticed by the server's own timeouts, nor by keepalives. Nothing is cancelled on the server.
    """

    deadline: float = math.inf
    answer_s: float = math.inf

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        started = monotonic()
        deadline = min(self.deadline, started + self.answer_s)
        if deadline == math.inf or timeout is not None:  # who waits for notices knows for how long
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, max(deadline - started, 0))
        except psycopg.OperationalError as error:
            if monotonic() < deadline or error.sqlstate:
                raise
            self.close()
            raise Unanswered(f"no answer within {monotonic() - started:.1f} s") from None


Pool = ConnectionPool[Connection]

NAMED_BLOCK = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
PATIENCE = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
"""How long a peer that has gone silent is believed to be there, in seconds (tcp_user_timeout in milliseconds)."""

KEEPALIVES = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}
"""And how long the server believes that of us: what a lost client held is free again."""

OPTION = re.compile(r"(?:-c\s*|--)([\w-]+)=((?:\\.|\S)*)")
"""A setting in the ``options`` of a connection string, as the server's own command line has it."""


def sql_blocks(package: str, name: str) -> dict[str, LiteralString]:
    """The named blocks of an .sql file: each starts with a line ``-- name: block``."""
    parts = NAMED_BLOCK.split(files(package).joinpath(name).read_text())[1:]
    return {block: text.strip() for block, text in zip(parts[::2], parts[1::2], strict=True)}


@dataclass(frozen=True)
class LedgerLocation:
    """Where a ledger lives: the service's connection string, which may hold a password, and the ledger's schema."""

    dsn: str = field(repr=False)
    schema: str
    timeouts: Timeouts = USUAL

    def __post_init__(self) -> None:
        read_dsn(self.dsn)

    @classmethod
    def from_settings(cls, settings: Settings) -> "LedgerLocation":
        """Raises Misconfigured where they name no server, or not so that it can be read."""
        if settings.dsn is None:
            raise Misconfigured("LEDGER_DSN is not set: a service of several processes needs a server of its own")
        return cls(settings.dsn.get_secret_value(), settings.schema_, settings.timeouts)

    def within(self, statement_s: float) -> "LedgerLocation":
        """The same place, with at most so long for a statement; 0 is as long as any has."""
        limits = [limit for limit in (statement_s, self.timeouts.statement_s) if limit]
        return replace(self, timeouts=replace(self.timeouts, statement_s=min(limits, default=0)))

    @property
    def projections(self) -> str:
        return f"{self.schema}_projections"

    @property
    def rebuild(self) -> str:
        return f"{self.schema}_rebuild"

    @property
    def channel(self) -> str:
        return f"{self.schema}_recorded"

    def conninfo(self, *search_path: str, patient: bool = False) -> str:
        """A connection string whose names are looked up in the given schemas, the ledger's own last.

        What it says itself is honoured, but for what the ledger must have. ``patient`` is work that rightly takes long.
        """
        given = read_dsn(self.dsn)
        options = str(given.get("options", ""))
        path = ",".join((*(search_path or (self.projections,)), self.schema))
        whole = f"{_options(self._usual())} {options} {_options(_needed(path, options, patient=patient))}"
        must = {"options": whole, "client_encoding": "UTF8"}
        return make_conninfo("", **{**PATIENCE, "application_name": "ledger", **given, **must})

    def _usual(self) -> dict[str, str]:
        return KEEPALIVES | {
            "max_parallel_workers_per_gather": "0",  # to start them takes longer than any question here,
            "jit": "off",  # and so does compiling
            "random_page_cost": "1.1",  # what is read often is in memory
            "lock_timeout": _ms(self.timeouts.lock_s),
            "statement_timeout": _ms(self.timeouts.statement_s),
            "idle_in_transaction_session_timeout": _ms(self.timeouts.idle_in_transaction_s),
        }

    def connect(self, *search_path: str, patient: bool = False) -> Connection:
        """One autocommit connection. Raises Unavailable."""
        try:
            connection = Connection.connect(self.conninfo(*search_path, patient=patient), autocommit=True)
        except FAILURES as error:
            raise explained(error) from None
        self._bound(connection, patient=patient)
        return connection

    def pool(self, size: int = 8, *, patient: bool = False) -> Pool:
        return ConnectionPool(
            self.conninfo(patient=patient), connection_class=Connection, min_size=1, max_size=size, timeout=10, open=True,
            kwargs={"autocommit": True}, configure=partial(self._bound, patient=patient), check=_check_if_heard,
        )  # fmt: skip

    def _bound(self, connection: Connection, *, patient: bool) -> None:
        connection.answer_s = math.inf if patient else self.timeouts.answer_s


def read_dsn(dsn: str) -> dict[str, Any]:
    """What a connection string says, be it a URL or key=value. Raises Misconfigured, which repeats nothing of it.

    A URL whose password holds an @ or a / as it is would be cut in the wrong place, and part of the password be told to
    everybody as a host that cannot be found.
    """
    with suppress(psycopg.ProgrammingError):
        given = conninfo_to_dict(dsn)
        port = str(given.get("port", "")).replace(",", "")
        is_torn = "://" in dsn and any("@" in str(given.get(part)) for part in ("host", "dbname"))
        if not is_torn and (port.isdecimal() or not port):
            return given
    raise Misconfigured(
        "LEDGER_DSN, or LEDGER_OWNER_DSN, is no connection string: give key=value pairs, or a URL such as "
        "postgresql://user:password@host:5432/database with what is special in the password percent-encoded"
    )


def _needed(path: str, options: str, *, patient: bool) -> dict[str, str]:
    """What the ledger must have, whatever a connection string says; a stronger durability is let be."""
    given = {name.replace("-", "_").lower(): value for name, value in OPTION.findall(options)}
    without_end = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"} if patient else {}
    return without_end | {
        "search_path": path,
        "timezone": "UTC",
        "datestyle": "ISO",
        "synchronous_commit": "remote_apply" if given.get("synchronous_commit") == "remote_apply" else "on",
        "default_transaction_isolation": r"read\ committed",
    }


def _options(settings: dict[str, str]) -> str:
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def _ms(seconds: float) -> str:
    return f"{math.ceil(seconds * 1000)}ms"


def _check_if_heard(connection: Connection) -> None:
    """A server that has hung up was heard of: ask only where there is something to read. Asking always is a round trip."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(connection)


def is_read_only(connection: Connection) -> bool:
    """Whether nothing can be recorded: on a standby, or where the server was told so."""
    return connection.execute("show transaction_read_only").fetchone() == ("on",)


class Listener:
    """Wakes when something was recorded. A lost connection is made again; the caller polls as well."""

    def __init__(self, location: LedgerLocation) -> None:
        self.location = location
        self.connection: Connection | None = None
        self.stopped = False

    def wait(self, timeout_s: float) -> None:
        """Returns on a notice, or when time is up."""
        try:
            if self.stopped:
                return
            if self.connection is None or self.connection.closed:
                self.connection = self.location.connect()
                self.connection.execute(sql.SQL("listen {}").format(sql.Identifier(self.location.channel)))
                return  # what was recorded before we listened was not announced to us
            for _ in self.connection.notifies(timeout=timeout_s, stop_after=1):
                pass
        except (psycopg.Error, Unavailable):
            self._disconnect()
            sleep(timeout_s)
        if self.stopped:
            self._disconnect()

    def close(self) -> None:
        self.stopped = True
        self._disconnect()

    def _disconnect(self) -> None:
        if self.connection is not None:
            self.connection.close()


# --- migrations


# --- the embedded server
