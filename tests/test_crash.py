"""Whatever is killed, at any moment: nothing that was acknowledged is lost, and the projections catch up by themselves."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import UUID

import psycopg
import pytest

from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded
from ledger.database.migrations import migrate
from ledger.errors import Unavailable
from projections.rebuild import rebuild
from projections.runner import projected

WRITER = """
import json, os, sys
from threading import Thread
from uuid import uuid4

from ledger.writing.draft import read_body
from ledger.errors import Unavailable
from ledger.database.connection import LedgerLocation
from ledger.service import Actor, Ledger

location = LedgerLocation(sys.argv[1], sys.argv[2])


def write(ledger, subject):
    number = 0
    while True:
        if number == 0:
            event = {"type": "party.registered", "data": {"name": subject, "kind": "state"}}
        else:
            data = {"short_name": str(number)}
            event = {"type": "party.described", "data": data, "sources": [{"source": "source:thx"}]}
        event |= {"subject": subject, "id": str(uuid4()), "occurred": f"{1900 + number % 100}"}
        while True:
            try:
                (answer,) = ledger.append(read_body(event), Actor("system", "crash"))
                break
            except Unavailable:
                continue  # the outcome is unknown: the same id again
        os.write(1, (json.dumps([answer.id, answer.position]) + "\\n").encode())
        number = (number + 1) % 40
        if number == 0:
            subject = f"party:{uuid4()}"


with location.pool(4) as pool, Ledger(location, pool) as ledger:
    for _ in range(4):
        Thread(target=write, args=(ledger, f"party:{uuid4()}"), daemon=True).start()
    sys.stdin.read()
"""

FOLLOWER = """
import sys
from threading import Event, Thread

from ledger.database.connection import LedgerLocation
from projections.follow import follow

stop = Event()
follower = Thread(target=follow, args=(LedgerLocation(sys.argv[1], sys.argv[2]), stop))
follower.start()
sys.stdin.read()
stop.set()
follower.join()
"""

_numbers = count(1)


@dataclass
class Process:
    """One of ours, in a process of its own; a writer tells here what it was told."""

    running: subprocess.Popen[str]
    told: list[tuple[UUID, int]]
    reading: Thread

    def kill(self) -> None:
        os.kill(self.running.pid, signal.SIGKILL)
        self.running.wait(20)
        self.reading.join(20)

    def end(self) -> None:
        """Let it go in peace."""
        if self.running.poll() is None:
            assert self.running.stdin is not None
            self.running.stdin.close()
            self.running.wait(20)
            self.reading.join(20)


def start(script: str, location: LedgerLocation) -> Process:
    running = subprocess.Popen(
        [sys.executable, "-c", script, location.dsn, location.schema],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    told: list[tuple[UUID, int]] = []

    def read() -> None:
        assert running.stdout is not None
        for line in running.stdout:
            if line.endswith("\n"):  # what was being written when it was killed was told to nobody
                entry_id, position = json.loads(line)
                told.append((UUID(entry_id), position))

    reading = Thread(target=read, daemon=True)
    reading.start()
    return Process(running, told, reading)


@contextmanager
def started(script: str, location: LedgerLocation) -> Iterator[Process]:
    process = start(script, location)
    try:
        yield process
        process.end()
    finally:
        if process.running.poll() is None:
            process.kill()


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """A server that may be killed."""
    running = Embedded(tmp_path_factory.mktemp("mortal"), "mortal")
    yield running
    running.stop()


@pytest.fixture
def home(mortal: Embedded) -> LedgerLocation:
    location = LedgerLocation(mortal.location.dsn, f"c{next(_numbers)}")
    migrate(mortal.owner_dsn, location)
    return location


def wait_until(true: Callable[[], bool]) -> None:
    pause = Event()
    for _ in range(600):
        if true():
            return
        pause.wait(0.05)
    raise AssertionError("what was waited for did not come true")


def restart(mortal: Embedded) -> None:
    """Start the server again; its memory may be held for a moment by those who have not noticed yet."""

    def runs() -> bool:
        try:
            mortal.ensure_running()
            with psycopg.connect(mortal.owner_dsn):
                return True
        except (Unavailable, psycopg.OperationalError):
            return False

    wait_until(runs)


def postmaster(mortal: Embedded) -> int:
    pid = mortal.server.get_pid()
    assert pid is not None
    return pid


def position(location: LedgerLocation) -> int:
    with location.connect() as connection:
        return projected(connection)


def size(location: LedgerLocation) -> int:
    with location.connect() as connection:
        row = connection.execute("select size from head").fetchone()
    return int(row[0]) if row else 0


def rows(connection: Connection) -> list[tuple[Any, ...]]:
    states = connection.execute(
        "select states::text from states order by subject, lane, known_from, valid_from"
    ).fetchall()
    return (
        states
        + connection.execute("select timeline::text from timeline order by position, about, known_from").fetchall()
    )


def check(location: LedgerLocation, *writers: Process) -> None:
    """What was acknowledged is there, once and where it was said to be; the order has no gap; the rows are right."""
    with location.connect() as connection:
        found = connection.execute("select entry_id, position from entries order by position").fetchall()
        assert [row[1] for row in found] == list(range(1, len(found) + 1))
        for writer in writers:
            assert set(writer.told) <= set(found)
            assert len(dict(writer.told)) == len(writer.told)
        wait_until(lambda: position(location) == len(found))
        live = rows(connection)
        assert rebuild(location) == len(found)
        assert rows(connection) == live


def test_a_writer_that_is_killed_loses_nothing_it_was_told(home: LedgerLocation) -> None:
    """What a writer was told before it was killed is recorded, and others go on without it."""
    with started(FOLLOWER, home), started(WRITER, home) as survivor, started(WRITER, home) as victim:
        wait_until(lambda: len(victim.told) > 100)
        victim.kill()
        before = len(survivor.told)
        wait_until(lambda: len(survivor.told) > before + 100)
        survivor.end()
        check(home, victim, survivor)


def test_a_follower_that_is_killed_is_followed_by_another(home: LedgerLocation) -> None:
    """A follower that is killed leaves whole steps behind; the next goes on from there, while writers write."""
    with started(WRITER, home) as writer:
        for _ in range(3):
            with started(FOLLOWER, home) as victim:
                before = position(home)
                wait_until(lambda upto=before + 50: position(home) >= upto)  # type: ignore[misc]
                victim.kill()
        writer.end()
        with started(FOLLOWER, home):
            check(home, writer)


def test_a_server_that_is_killed_loses_nothing_that_was_acknowledged(home: LedgerLocation, mortal: Embedded) -> None:
    """Where PostgreSQL itself is killed, all that was acknowledged is there again, and everybody goes on by himself."""
    with started(FOLLOWER, home), started(WRITER, home) as writer:
        for _ in range(2):
            before = len(writer.told)
            wait_until(lambda more=before + 100: len(writer.told) > more)  # type: ignore[misc]
            os.kill(postmaster(mortal), signal.SIGKILL)
            restart(mortal)
        before = len(writer.told)
        wait_until(lambda: len(writer.told) > before + 100)
        writer.end()
        check(home, writer)


def test_all_that_die_at_once_come_back(home: LedgerLocation, mortal: Embedded) -> None:
    """Where writer, follower and PostgreSQL are killed together, the ledger goes on from what was acknowledged."""
    with started(FOLLOWER, home) as follower, started(WRITER, home) as writer:
        wait_until(lambda: len(writer.told) > 100 and position(home) > 0)
        os.kill(postmaster(mortal), signal.SIGKILL)
        follower.kill()
        writer.kill()
    restart(mortal)
    with started(FOLLOWER, home), started(WRITER, home) as successor:
        wait_until(lambda: len(successor.told) > 50)
        successor.end()
        check(home, writer, successor)
    assert size(home) >= len(writer.told) + len(successor.told)
