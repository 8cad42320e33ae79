"""A rebuild goes on beside the live rows, in several processes, and whatever is killed on the way changes nothing."""

import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import Any, LiteralString

import psutil
import psycopg
import pytest

from ledger.draft import read_body
from ledger.errors import Unreadable
from ledger.postgres import Connection, Place
from ledger.service import Ledger
from projections import follower as follower_module
from projections import rebuild as rebuild_module
from projections.follow import Follower, begun, read_progress, rebuild
from projections.follower import VERSION, Outdated
from tests.commands import LEDGER, environment
from tests.conftest import CLERK
from tests.examples import THX, USA
from tests.generator import Generator
from tests.test_follow import POISON, _wait_until, catch_up, following, rows

ENTRIES = 1_500
SLOW = """
import sys
from ledger.postgres import Place
from projections import rebuild

rebuild.LONG, rebuild.BATCH = 100, 5
rebuild.rebuild(Place(*sys.argv[1:]), lambda position: print(position, flush=True), 2)
"""
OLD_FOLLOWER = """
import sys
from threading import Event
from ledger.postgres import Place
from projections import follow, follower, rebuild

for module in (follow, follower, rebuild):
    module.VERSION -= 1
print("started", flush=True)
follow.follow(Place(*sys.argv[1:]), Event())
"""


@pytest.fixture
def told(ledger: Ledger, follower: Follower) -> None:
    """A ledger with some history, and its rows."""
    events = list(Generator().events(ENTRIES))
    for start in range(0, ENTRIES, 500):
        ledger.append(read_body({"events": events[start : start + 500]}), CLERK)
    catch_up(follower)


@pytest.fixture
def in_small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the log were long."""
    monkeypatch.setattr(rebuild_module, "LONG", 100)
    monkeypatch.setattr(rebuild_module, "BATCH", 5)


def run(script: str, place: Place) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, place.dsn, place.schema],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip


def helpers() -> list[psutil.Process]:
    running = [one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE]
    return [one for one in running if "projections.rebuild" in one.cmdline()]


def tables(connection: Connection, schema: str) -> list[Any]:
    return connection.execute("select tablename from pg_tables where schemaname = %s", [schema]).fetchall()


# --- several processes


@pytest.mark.usefixtures("told", "in_small_steps")
def test_several_processes_build_the_same_rows(place: Place, reader: Connection) -> None:
    """With other processes to help, a rebuild changes no row, and leaves none of them and none of its tables behind."""
    before = rows(reader)
    seen: set[int] = set()

    def look(position: int) -> None:
        seen.update(one.pid for one in helpers())

    assert rebuild(place, look, workers=3) == ENTRIES
    assert rows(reader) == before
    assert len(seen) == 2
    assert helpers() == []
    assert tables(reader, place.rebuild) == []


@pytest.mark.usefixtures("told", "in_small_steps")
def test_a_helper_that_is_killed_is_done_without(place: Place, reader: Connection) -> None:
    """Where a helper is killed, its share is taken by another, and the rows are the same."""
    before = rows(reader)
    killed: list[int] = []

    def kill(position: int) -> None:
        while not killed and not _is_finished(reader, place):
            if _is_at_work(reader, place):
                [one] = helpers()
                killed.append(one.pid)
                one.kill()

    assert rebuild(place, kill, workers=2) == ENTRIES
    assert killed
    assert rows(reader) == before


def _is_at_work(reader: Connection, place: Place) -> bool:
    """Whether more than one share has been begun: so the helper has one."""
    return _shares(reader, place, "done > 0 and not is_finished") > 1


def _is_finished(reader: Connection, place: Place) -> bool:
    """Whether the helper has left nothing to do but what is being done here."""
    return _shares(reader, place, "not is_finished") < 2


def _shares(reader: Connection, place: Place, which: LiteralString) -> int:
    table = psycopg.sql.Identifier(place.rebuild, "shares")
    row = reader.execute(psycopg.sql.SQL("select count(*) from {} where " + which).format(table)).fetchone()
    assert row is not None
    return int(row[0])


# --- broken off


@pytest.mark.usefixtures("told", "in_small_steps")
def test_a_rebuild_that_is_killed_is_gone_on_with(place: Place, reader: Connection, ledger: Ledger) -> None:
    """A rebuild that is killed midway leaves the live rows as they are, and the next one goes on from what it did."""
    before = rows(reader)
    assert begun(place) == 0
    with run(SLOW, place) as victim:
        assert victim.stdout is not None
        while int(victim.stdout.readline()) < ENTRIES // 3:
            pass
        victim.kill()
    assert rows(reader) == before
    assert (there := begun(place)) >= ENTRIES // 3
    ledger.append(read_body(USA), CLERK)
    reports: list[int] = []
    assert rebuild(place, reports.append) == ENTRIES + 1
    assert reports[0] >= there
    with place.connect() as connection:
        assert rows(connection) == rows_anew(place)
        assert len(rows(connection)[1]) == len(before[1]) + 1
    assert begun(place) == 0


def rows_anew(place: Place) -> Any:
    """What comes out when all is projected at once, in one process."""
    with place.connect("pg_temp") as connection:
        builder = Follower(connection)
        builder.create()
        catch_up(builder)
        return rows(connection)


@pytest.mark.usefixtures("told", "in_small_steps")
def test_what_another_version_has_begun_is_begun_anew(
    place: Place, reader: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebuild goes on only with rows that its own version has made."""

    def break_off(position: int) -> None:
        if position > ENTRIES // 3:
            raise KeyboardInterrupt

    before = rows(reader)
    with pytest.raises(KeyboardInterrupt):
        rebuild(place, break_off)
    assert begun(place) > 0
    for module in (follower_module, rebuild_module):
        monkeypatch.setattr(module, "VERSION", VERSION + 1)
    assert begun(place) == 0
    assert rebuild(place) == ENTRIES
    assert rows(reader) == before


def test_an_entry_that_cannot_be_projected_fails_the_rebuild(
    ledger: Ledger, place: Place, reader: Connection, follower: Follower
) -> None:
    """Such an entry is named; the live rows stay, and the next rebuild tries anew."""
    ledger.append(read_body(THX), CLERK)
    catch_up(follower)
    before = rows(reader)
    ledger.recorder.insert_events([POISON["an unknown type"]])
    for _ in range(2):
        with pytest.raises(Unreadable, match="entry 2 cannot be projected"):
            rebuild(place)
    assert rows(reader) == before


@pytest.mark.usefixtures("told")
def test_a_rebuild_on_the_command_line_is_broken_off_with_a_remark(place: Place, reader: Connection) -> None:
    """After Ctrl-C it says how far it is, and the next one says that it goes on."""
    command = [str(LEDGER), "rebuild"]
    with place.connect() as holder, holder.transaction():
        holder.execute("select from progress for update")  # it gets to the swap, and no further
        running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(place))
        _wait_until(lambda: _waits(reader))
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "stopped about 1,500 entries along: `ledger rebuild` goes on from there\n" in said
    assert "Traceback" not in said
    again = subprocess.run(command, stderr=subprocess.PIPE, text=True, env=environment(place), timeout=60)
    assert "going on with the rebuild that was broken off, about 1,500 entries along\n" in again.stderr
    assert again.returncode == 0


@pytest.mark.usefixtures("told")
def test_a_swap_that_must_wait_lets_others_read(place: Place, reader: Connection) -> None:
    """While somebody reads for long, a rebuild tries to take over again and again, and nobody else waits for that long."""
    before, done = rows(reader), []
    rebuilding = Thread(target=lambda: done.append(rebuild(place)))
    with place.connect() as holder:
        with holder.transaction():
            holder.execute("select from states")
            rebuilding.start()
            for _ in range(2):
                _wait_until(lambda: _waits(reader))
                reader.execute("set lock_timeout = '2s'")
                assert rows(reader) == before
            assert not done
        rebuilding.join(20)
    assert done == [ENTRIES]
    assert rows(reader) == before


def _waits(reader: Connection) -> bool:
    return (
        reader.execute("select from pg_locks where not granted and mode = 'AccessExclusiveLock'").fetchone() is not None
    )


# --- versions side by side


def test_an_older_follower_keeps_its_rows_up_to_date_until_the_swap(
    ledger: Ledger, place: Place, reader: Connection
) -> None:
    """A newer follower rebuilds beside an older one, which waits from then on, and says so once."""
    ledger.append(read_body(THX), CLERK)
    with run(OLD_FOLLOWER, place) as old:
        try:
            _wait_until(lambda: _shown(reader) == (VERSION - 1, 1))
            with following(place):
                _wait_until(lambda: _shown(reader) == (VERSION, 1))
                ledger.append(read_body(USA), CLERK)
                _wait_until(lambda: _shown(reader) == (VERSION, 2))
                assert old.poll() is None
        finally:
            old.kill()
        assert old.stderr is not None
        assert old.stderr.read().count("the follower waits: the projections are of version") == 1


def _shown(reader: Connection) -> tuple[int, int]:
    progress = read_progress(reader)
    return (progress.version, progress.position) if progress else (0, 0)


def test_a_follower_does_not_write_into_rows_of_another_version(
    ledger: Ledger, place: Place, follower: Follower, reader: Connection
) -> None:
    """However it came about, rows of another version are left alone."""
    ledger.append(read_body(THX), CLERK)
    reader.execute("update progress set version = version + 1")
    with pytest.raises(Outdated, match=f"of version {VERSION + 1}"):
        follower.step()
    assert rows(reader) == ([], [])
