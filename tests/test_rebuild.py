"""A rebuild goes on beside the live rows, in several processes, and whatever is killed on the way changes nothing."""

import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count, cycle, product, takewhile
from pathlib import Path
from threading import Event, Thread
from typing import Any, LiteralString

import psutil
import psycopg
import pytest

from api.cli import terminal
from ledger.database.connection import Connection, LedgerLocation
from ledger.errors import LedgerError, Unreadable
from ledger.service import Ledger
from ledger.vocabulary.fact import Subject
from ledger.writing.draft import Draft, read_body
from projections import rebuild as rebuild_module
from projections.basis import Asked
from projections.listing import Filters
from projections.queries import Queries
from projections.rebuild import begun, rebuild
from projections.runner import Follower, Outdated, read_progress
from projections.states.projection import States
from tests.commands import LEDGER, Command, environment
from tests.conftest import CLERK
from tests.examples import THX, USA
from tests.generator import Generator
from tests.test_follow import EMPTY, POISON, _wait_until, catch_up, following, rows

pytest_plugins = ["tests.commands"]
ENTRIES = 600
SLOW = """
import sys
from ledger.database.connection import LedgerLocation
from projections import rebuild

rebuild.LONG, rebuild.BATCH = 100, 2
rebuild.rebuild(LedgerLocation(*sys.argv[1:]), lambda position: print(position, flush=True), 2)
"""
OLD_FOLLOWER = """
import sys
from threading import Event
from ledger.database.connection import LedgerLocation
from projections import follow
from projections.states.projection import States

States.version -= 1
print("started", flush=True)
follow.follow(LedgerLocation(*sys.argv[1:]), Event())
"""


@pytest.fixture
def told(ledger: Ledger, follower: Follower) -> None:
    """A ledger with some history, and its rows."""
    ledger.append(read_body({"events": list(Generator().events(ENTRIES))}), CLERK)
    catch_up(follower)


@pytest.fixture
def in_small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the log were long."""
    monkeypatch.setattr(rebuild_module, "LONG", 100)
    monkeypatch.setattr(rebuild_module, "BATCH", 2)


def run(script: str, location: LedgerLocation) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, location.dsn, location.schema],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip


def helpers() -> list[psutil.Process]:
    running = [one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE]
    return [one for one in running if "projections.rebuild" in one.cmdline()]


def tables(connection: Connection, schema: str) -> list[Any]:
    return connection.execute("select tablename from pg_tables where schemaname = %s", [schema]).fetchall()


# --- several processes


@pytest.mark.usefixtures("told", "in_small_steps")
def test_several_processes_build_the_same_rows(location: LedgerLocation, reader: Connection) -> None:
    """With other processes to help, a rebuild changes no row, and leaves none of them and none of its tables behind."""
    before = rows(reader)
    seen: set[int] = set()

    def look(position: int) -> None:
        seen.update(one.pid for one in helpers())

    assert rebuild(location, look, workers=3) == ENTRIES
    assert rows(reader) == before
    assert len(seen) == 2
    assert helpers() == []
    assert tables(reader, location.rebuild) == []


@pytest.mark.usefixtures("told", "in_small_steps")
def test_a_helper_that_is_killed_is_done_without(location: LedgerLocation, reader: Connection) -> None:
    """Where a helper is killed, its partition is taken by another, and the rows are the same."""
    before = rows(reader)
    killed: list[int] = []

    def kill(position: int) -> None:
        while not killed and not _is_finished(reader, location):
            if _is_at_work(reader, location):
                [one] = helpers()
                killed.append(one.pid)
                one.kill()

    assert rebuild(location, kill, workers=2) == ENTRIES
    assert killed
    assert rows(reader) == before


def _is_at_work(reader: Connection, location: LedgerLocation) -> bool:
    """Whether more than one partition has been begun: so the helper has one."""
    return _partitions(reader, location, "done > 0 and not is_finished") > 1


def _is_finished(reader: Connection, location: LedgerLocation) -> bool:
    """Whether the helper has left nothing to do but what is being done here."""
    return _partitions(reader, location, "not is_finished") < 2


def _partitions(reader: Connection, location: LedgerLocation, which: LiteralString) -> int:
    table = psycopg.sql.Identifier(location.rebuild, "partitions")
    row = reader.execute(psycopg.sql.SQL("select count(*) from {} where " + which).format(table)).fetchone()
    assert row is not None
    return int(row[0])


# --- broken off


@pytest.mark.usefixtures("told", "in_small_steps")
def test_a_rebuild_that_is_killed_is_gone_on_with(location: LedgerLocation, reader: Connection, ledger: Ledger) -> None:
    """A rebuild that is killed midway leaves the live rows as they are, and the next one goes on from what it did."""
    before = rows(reader)
    assert begun(location) == 0
    with run(SLOW, location) as victim:
        assert victim.stdout is not None
        while int(victim.stdout.readline()) < ENTRIES // 3:
            pass
        victim.kill()
    assert rows(reader) == before
    assert (there := begun(location)) >= ENTRIES // 3
    ledger.append(read_body(USA), CLERK)
    reports: list[int] = []
    assert rebuild(location, reports.append) == ENTRIES + 1
    assert reports[0] >= there
    with location.connect() as connection:
        assert rows(connection) == rows_anew(location)
        assert len(rows(connection)[1]) == len(before[1]) + 1
    assert begun(location) == 0


def rows_anew(location: LedgerLocation) -> Any:
    """What comes out when all is projected at once, in one process."""
    with location.connect("pg_temp") as connection:
        builder = Follower(connection)
        builder.create()
        catch_up(builder)
        return rows(connection)


@pytest.mark.usefixtures("told", "in_small_steps")
def test_what_another_version_has_begun_is_begun_anew(location: LedgerLocation, reader: Connection) -> None:
    """A rebuild goes on only with rows that its own version has made."""

    def break_off(position: int) -> None:
        if position > ENTRIES // 3:
            raise KeyboardInterrupt

    before = rows(reader)
    with pytest.raises(KeyboardInterrupt):
        rebuild(location, break_off)
    assert begun(location) > 0
    with location.connect(location.rebuild) as beside:
        beside.execute("update partitions set versions = versions || ', another 1'")
        beside.execute("update states set status = 'as it was called before'")
    assert begun(location) == 0
    assert rebuild(location) == ENTRIES
    assert rows(reader) == before


def test_an_entry_that_cannot_be_projected_fails_the_rebuild(
    ledger: Ledger, location: LedgerLocation, reader: Connection, follower: Follower
) -> None:
    """Such an entry is named; the live rows stay, and the next rebuild tries anew."""
    ledger.append(read_body(THX), CLERK)
    catch_up(follower)
    before = rows(reader)
    ledger.recorder.insert_events([POISON["an unknown type"]])
    for _ in range(2):
        with pytest.raises(Unreadable, match="entry 2 cannot be projected"):
            rebuild(location)
    assert rows(reader) == before


@pytest.mark.usefixtures("told")
def test_a_rebuild_on_the_command_line_is_broken_off_with_a_remark(
    location: LedgerLocation, reader: Connection
) -> None:
    """After Ctrl-C it says how far it is, and the next one says that it goes on."""
    command = [str(LEDGER), "rebuild"]
    with location.connect() as holder, holder.transaction():
        holder.execute("select from states limit 1")  # it gets to the swap, and no further
        running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(location))
        _wait_until(lambda: _waits(reader))
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert f"stopped about {ENTRIES} entries along: `ledger rebuild` goes on from there\n" in said
    assert "Traceback" not in said
    again = subprocess.run(command, stderr=subprocess.PIPE, text=True, env=environment(location), timeout=60)
    assert f"going on with the rebuild that was broken off, about {ENTRIES} entries along\n" in again.stderr
    assert again.returncode == 0


@pytest.mark.usefixtures("told")
def test_a_swap_that_must_wait_lets_others_read(location: LedgerLocation, reader: Connection) -> None:
    """While somebody reads for long, a rebuild tries to take over again and again, and nobody else waits for that long."""
    before, done = rows(reader), []
    rebuilding = Thread(target=lambda: done.append(rebuild(location)))
    with location.connect() as holder:
        with holder.transaction():
            holder.execute("select from projections, search, due, timeline, statuses, states limit 1")
            rebuilding.start()
            for _ in range(2):
                _wait_until(lambda: _waits(reader))
                reader.execute("set lock_timeout = '2s'")
                assert rows(reader) == before
            assert not done
        rebuilding.join(20)
    assert done == [ENTRIES]
    assert rows(reader) == before


@pytest.mark.usefixtures("told")
def test_a_swap_is_never_in_the_way_of_who_is_in_its_way(location: LedgerLocation) -> None:
    """A list reads statuses, then states: while a swap waits for the one, it does not hold the other."""
    done = list[int]()
    rebuilding = Thread(target=lambda: done.append(rebuild(location)))
    with location.connect() as watcher, location.connect() as lister:
        with lister.transaction():
            lister.execute("select from statuses")
            rebuilding.start()
            _wait_until(lambda: _waits(watcher))
            lister.execute("lock table states in access share mode nowait")
        rebuilding.join(20)
    assert done == [ENTRIES]


@pytest.mark.usefixtures("told")
def test_readers_see_nothing_of_a_swap(location: LedgerLocation, reader: Connection) -> None:
    """While rebuilds take over, one after the other, every one of many readers is answered, and never with an error."""
    lists = reader.execute("select distinct kind, status from states where lane = ''").fetchall()
    subjects = [Subject(one) for (one,) in reader.execute("select distinct subject from states limit 20").fetchall()]
    done, errors, answered = Event(), list[str](), list[int]()

    def read(reads: Queries) -> None:
        for (kind, status), subject in takewhile(lambda _: not done.is_set(), cycle(product(lists, subjects))):
            try:
                reads.page(kind, Asked(), Filters(status=status), "id", None, 50)
                answered.append(reads.whole(subject, Asked())[1].known_at)
            except LedgerError as error:
                errors.append(str(error))

    with location.pool(20) as pool, ThreadPoolExecutor(20) as readers:
        for _ in range(20):
            readers.submit(read, Queries(pool))
        try:
            for _ in range(4):
                rebuild(location)
        finally:
            done.set()
    assert errors == []
    assert set(answered) == {ENTRIES}


def source(number: int) -> list[Draft]:
    return read_body(THX | {"subject": f"source:n{number}"})


@pytest.mark.usefixtures("told")
def test_a_rebuild_ends_though_appends_go_on(ledger: Ledger, location: LedgerLocation, reader: Connection) -> None:
    """Where something is recorded after each of its steps, it leaves the last of it to the follower, and loses nothing."""
    coming = iter(range(500))

    def append(_: int) -> None:
        ledger.append(source(next(coming)), CLERK)

    position = rebuild(location, append)
    assert ENTRIES < position <= ENTRIES + next(coming)
    catch_up(Follower(reader))
    assert rows(reader) == rows_anew(location)


@pytest.mark.usefixtures("told")
def test_nothing_is_more_than_the_whole(ledger: Ledger, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the log grows, a rebuild says how far it is of what there is by then, and of no time less than none."""
    monkeypatch.setattr(terminal, "PLAIN_EVERY_S", 0)
    done = Event()

    def append() -> None:
        for number in takewhile(lambda _: not done.is_set(), count()):
            ledger.append(source(number), CLERK)

    with ThreadPoolExecutor(1) as appending:
        appending.submit(append)
        try:
            said = command("rebuild").stderr
        finally:
            done.set()
    shown = re.findall(r"^rebuild: (\S+) of (\S+), (\S+) s left", said, re.MULTILINE)
    numbers = [[int(number.replace(",", "")) for number in line] for line in shown]
    assert numbers
    assert all(position <= whole and left >= 0 for position, whole, left in numbers)


def _waits(reader: Connection) -> bool:
    return (
        reader.execute("select from pg_locks where not granted and mode = 'AccessExclusiveLock'").fetchone() is not None
    )


# --- versions side by side


def test_an_older_follower_keeps_its_rows_up_to_date_until_the_swap(
    ledger: Ledger, location: LedgerLocation, reader: Connection
) -> None:
    """A newer follower rebuilds beside an older one, which waits from then on, and says so once."""
    ledger.append(read_body(THX), CLERK)
    with run(OLD_FOLLOWER, location) as old:
        try:
            _wait_until(lambda: _shown(reader) == (States.version - 1, 1))
            with following(location):
                _wait_until(lambda: _shown(reader) == (States.version, 1))
                ledger.append(read_body(USA), CLERK)
                _wait_until(lambda: _shown(reader) == (States.version, 2))
                assert old.poll() is None
        finally:
            old.kill()
        assert old.stderr is not None
        assert old.stderr.read().count("the follower waits: the projection states is of version") == 1


def _shown(reader: Connection) -> tuple[int, int]:
    states = read_progress(reader).get("states")
    return (states.version, states.position) if states else (0, 0)


def test_a_follower_does_not_write_into_rows_of_another_version(
    ledger: Ledger, location: LedgerLocation, follower: Follower, reader: Connection
) -> None:
    """However it came about, rows of another version are left alone."""
    ledger.append(read_body(THX), CLERK)
    reader.execute("update projections set version = version + 1 where name = 'states'")
    with pytest.raises(Outdated, match=f"of version {States.version + 1}"):
        follower.step()
    assert rows(reader) == EMPTY
