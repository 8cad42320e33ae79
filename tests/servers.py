"""Where the promises are put to the test: the embedded PostgreSQL and, where the machine has one, an older release.

PYTEST_DONT_REWRITE: the modules that register these fixtures also import from here.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded
from ledger.database.migrations import migrate

OLDER = range(15, 18)
ROLE = "ledger_service"
USER = "embedded_postgres" if os.geteuid() == 0 else None  # PostgreSQL does not run as root
_numbers = count(1)


class Home(NamedTuple):
    """A new, empty ledger, and the owner of the server that it lives on."""

    location: LedgerLocation
    owner_dsn: str

    def owner(self) -> Connection:
        """A connection of the owner's that looks at the ledger's own tables."""
        return Connection.connect(self.owner_dsn, autocommit=True, options=f"-c search_path={self.location.schema}")


def older_binaries() -> Path | None:
    """The directory of the oldest PostgreSQL of this machine that is supported and older than the embedded one."""
    configured = shutil.which("pg_config")
    named = [subprocess.check_output([configured, "--bindir"], text=True).strip()] if configured else []
    found = {}
    for directory in [Path(name) for name in named] + list(Path("/usr/lib/postgresql").glob("*/bin")):
        if (directory / "postgres").exists() and (directory / "initdb").exists():
            told = subprocess.check_output([directory / "postgres", "--version"], text=True)
            release = re.search(r"\d+", told)
            if release and int(release[0]) in OLDER:
                found[int(release[0])] = directory
    return found[min(found)] if found else None


@pytest.fixture(scope="session")
def older_server(server: Embedded) -> Iterator[tuple[str, str]]:
    """An older PostgreSQL on a socket of its own: the connection strings of its owner and of the service."""
    binaries = older_binaries()
    if binaries is None:
        pytest.skip(f"this machine has no PostgreSQL {OLDER[0]} to {OLDER[-1]}")
    with tempfile.TemporaryDirectory(prefix="ledger-") as directory:
        if USER:
            shutil.chown(directory, USER)
        data = f"{directory}/data"
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
            check=True, user=USER, stdout=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip
        with open(f"{directory}/log", "wb") as log:
            running = subprocess.Popen(
                [binaries / "postgres", "-D", data, "-k", directory, "-c", "listen_addresses="],
                user=USER, stdout=log, stderr=log, cwd="/",
            )  # fmt: skip
        try:
            owner_dsn = make_conninfo("", host=directory, user="postgres", dbname="ledger")
            _create_database(owner_dsn)
            yield owner_dsn, make_conninfo(owner_dsn, user=ROLE)
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(30)


def _create_database(owner_dsn: str) -> None:
    deadline = monotonic() + 30
    while True:
        try:
            with psycopg.connect(owner_dsn, dbname="postgres", autocommit=True) as owner:
                owner.execute("create database ledger")
                return
        except psycopg.OperationalError:
            if monotonic() > deadline:
                raise
            sleep(0.1)


@pytest.fixture(params=["embedded", "older"])
def home(request: pytest.FixtureRequest, server: Embedded) -> Home:
    """A new, empty ledger on each of the servers."""
    if request.param == "embedded":
        owner_dsn, dsn = server.owner_dsn, server.location.dsn
    else:
        owner_dsn, dsn = request.getfixturevalue("older_server")
    location = LedgerLocation(dsn, f"h{next(_numbers)}")
    migrate(owner_dsn, location)
    return Home(location, owner_dsn)
