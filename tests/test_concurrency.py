"""One order, no gaps, nothing lost and nothing twice: whatever the number of writers, and whatever dies meanwhile."""

import json
import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing import get_context
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ledger.database.connection import LedgerLocation
from ledger.errors import IdReused, Refused, StaleVersion, Unavailable
from ledger.library_recorder import EntryRecorder
from ledger.log.entry import StoredLine
from ledger.service import Ledger
from ledger.writing.decision import Answer
from ledger.writing.draft import read_body
from tests.conftest import CLERK
from tests.examples import INDIA, THX, USA, event
from tests.proxy import Cut, wired
from tests.servers import Home

pytest_plugins = ["tests.servers"]
KILLS = 25


@dataclass
class Told:
    """What the writers were told: of each id that it is recorded at a position, or that it is not."""

    recorded: dict[str, int] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)

    def __ior__(self, other: "Told") -> "Told":
        self.recorded |= other.recorded
        self.refused |= other.refused
        return self


def check(home: Home, told: Told) -> None:
    """The log is one order without gaps, and holds what it was said to hold."""
    with home.owner() as owner:
        rows = owner.execute(
            "select position, stream, version, entry_id::text, recorded_at, body::text from entries order by position"
        ).fetchall()
        assert owner.execute("select size from head").fetchone() == (len(rows),)
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    assert all(earlier[4] <= later[4] for earlier, later in pairwise(rows))
    versions = Counter[str]()
    for position, stream, version, _, _, body in rows:
        versions[stream] += 1
        assert version == versions[stream]
        assert int(json.loads(body)["sequence"]) == position
    stands = {row[3]: row[0] for row in rows}
    assert told.recorded.items() <= stands.items()
    assert not told.refused & stands.keys()


# --- many threads, and whatever dies meanwhile


def _describe(ledger: Ledger, number: int, rounds: int) -> Told:
    """A client that tries again, with the same ids, until it is told what became of its event."""
    told, chance = Told(), random.Random(number)
    for round_ in range(rounds):
        shared = f"party:shared-{chance.randrange(8)}"
        entry_id, other_id = str(uuid4()), str(uuid4())
        own = event("party.described", f"party:own-{number}", id=entry_id, short_name=f"{number} {round_}")
        drafts = [own, event("party.described", shared, id=other_id, short_name=f"{number} {round_}")]
        if chance.random() < 0.2:
            drafts.append(event("party.described", f"party:typo-{number}", short_name="nobody"))
        elif chance.random() < 0.2:
            drafts[1]["expected_version"] = 0
        while entry_id not in told.recorded.keys() | told.refused:
            try:
                answers = ledger.append(read_body({"events": drafts}), CLERK)
                told.recorded |= {answer.id: answer.position for answer in answers}
            except Unavailable:
                continue
            except Refused:
                told.refused |= {entry_id, other_id}
    return told


def _insert(recorder: EntryRecorder, number: int, rounds: int) -> Told:
    """A writer that goes round the service: some of its versions are taken already."""
    told, chance = Told(), random.Random(number)
    own = 0
    for _ in range(rounds):
        shared = f"agreement:shared-{chance.randrange(4)}"
        lines = [_line(f"agreement:own-{number}", own + 1), _line(shared, _last_version(recorder, shared) + 1)]
        ids = [line.entry_id for line in lines]
        try:
            told.recorded |= dict(zip(ids, recorder.insert_events(lines) or (), strict=True))
        except IntegrityError:
            told.refused |= set(ids)
        own = _last_version(recorder, f"agreement:own-{number}")
    return told


def _last_version(recorder: EntryRecorder, stream: str) -> int:
    while True:
        try:
            last = recorder.select_events(stream, desc=True, limit=1)
            return last[0].originator_version if last else 0
        except psycopg.OperationalError:  # connections that are read from are killed too
            continue


def _line(stream: str, version: int) -> StoredLine:
    state = b'{"specversion":"1.0","data":{}}'
    return StoredLine(stream, version, "agreement.mentioned", state, entry_id=str(uuid4()))


def _kill_now_and_then(home: Home, done: Event, killed: list[int]) -> None:
    """Kill a connection of the ledger's at random, again and again; then let them heal."""
    chance = random.Random(7)
    with home.owner() as owner:
        while len(killed) < KILLS and not done.wait(0.1):
            pids = owner.execute(
                "select pid from pg_stat_activity where application_name = 'ledger' and datname = current_database()"
            ).fetchall()
            if pids:
                killed += chance.choice(pids)
                owner.execute("select pg_terminate_backend(%s)", killed[-1:])


def _tail(home: Home, done: Event, seen: list[int]) -> None:
    """A reader that keeps up: it sees every position once, in order."""
    with home.owner() as reader:
        while True:
            ended = done.is_set()
            last = seen[-1] if seen else 0
            rows = reader.execute(
                "select position from entries where position > %s order by position limit 50", [last]
            ).fetchall()
            seen += [row[0] for row in rows]
            if ended and not rows:
                return


def test_whatever_dies_the_order_has_no_gap_and_nothing_is_lost(home: Home) -> None:
    """With 32 writers, refusals, killed connections and an idle transaction: one order, and every answer true."""
    told, seen, killed, done = Told(), list[int](), list[int](), Event()
    with home.location.pool(8) as pool, Ledger(home.location, pool) as ledger, home.owner() as idle, idle.transaction():
        idle.execute("select pg_current_xact_id(), count(*) from entries")  # it stays open until all is over
        names = [f"party:shared-{n}" for n in range(8)] + [f"party:own-{n}" for n in range(16)]
        parties = [event("party.registered", name, sources=[], name=name, kind="state") for name in names]
        ledger.append(read_body({"events": parties}), CLERK)
        reading = Thread(target=_tail, args=(home, done, seen))
        killing = Thread(target=_kill_now_and_then, args=(home, done, killed))
        for thread in (reading, killing):
            thread.start()
        recorder = ledger.recorder
        assert isinstance(recorder, EntryRecorder)
        with ThreadPoolExecutor(32) as threads:
            work = [threads.submit(_describe, ledger, n, 30) for n in range(16)]
            work += [threads.submit(_insert, recorder, n, 30) for n in range(16)]
        done.set()
        for thread in (reading, killing):
            thread.join(20)
    for one in work:
        told |= one.result()
    check(home, told)
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) >= len(names) + len(told.recorded)
    assert told.refused
    assert killed


def test_a_reader_sees_all_before_it_sees_the_next(home: Home) -> None:
    """A position is seen only when every earlier one can be seen, from several committers at once."""
    done, seen = Event(), list[int]()
    with home.location.pool(4) as pool:
        recorders = [EntryRecorder(home.location, pool) for _ in range(4)]
        reading = Thread(target=_tail, args=(home, done, seen))
        reading.start()
        with ThreadPoolExecutor(8) as threads:
            work = [threads.submit(_insert_own, recorders[n % 4], n) for n in range(8)]
        done.set()
        reading.join(20)
        for recorder in recorders:
            recorder.close()
    told = Told()
    for one in work:
        told |= one.result()
    check(home, told)
    assert seen == list(range(1, 8 * 40 + 1))


def _insert_own(recorder: EntryRecorder, number: int) -> Told:
    told = Told()
    for version in range(1, 41):
        line = _line(f"agreement:a{number}", version)
        (position,) = recorder.insert_events([line]) or ()
        told.recorded[line.entry_id] = position
    return told


# --- many processes


def _describe_elsewhere(location: LedgerLocation, number: int) -> Told:
    with location.pool(4) as pool, Ledger(location, pool) as ledger, ThreadPoolExecutor(4) as threads:
        told = Told()
        for one in threads.map(lambda n: _describe(ledger, number + n, 8), range(4)):
            told |= one
        return told


def test_processes_that_write_to_the_same_streams_lose_nothing(home: Home) -> None:
    """Two processes that append to the same streams share one order; what each was told holds."""
    with home.location.pool(1) as pool, Ledger(home.location, pool) as ledger:
        names = [f"party:shared-{n}" for n in range(8)] + [f"party:own-{n}" for n in range(8)]
        parties = [event("party.registered", name, sources=[], name=name, kind="state") for name in names]
        ledger.append(read_body({"events": parties}), CLERK)
    told = Told()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        for one in processes.map(_describe_elsewhere, [home.location, home.location], [0, 4]):
            told |= one
    check(home, told)
    assert told.recorded


# --- the outcome is unknown


MARKER = b"cut the wire here"
MARKED = {**USA, "id": "7b0c6f6e-6f4e-4d51-8a53-0d6b4b8f8c01", "note": MARKER.decode()}


def _append(ledger: Ledger, *events: dict[str, Any]) -> list[Answer]:
    return ledger.append(read_body({"events": list(events)}), CLERK)


@pytest.mark.parametrize("delivered", [True, False], ids=["after the commit", "before the statement"])
def test_a_lost_answer_is_found_again(delivered: bool, home: Home) -> None:
    """Where the connection dies with the outcome unknown, the writer is told the right positions, and nothing is twice."""
    with wired(home.location) as (wire, location), location.pool(2) as pool, Ledger(location, pool) as ledger:
        _append(ledger, THX)
        wire.cut(Cut(MARKER, delivered=delivered))
        answers = _append(ledger, INDIA, MARKED)
        assert wire.was_cut.is_set()
        assert [(answer.position, answer.repeated) for answer in answers] == [(2, False), (3, False)]
        assert [answer.repeated for answer in _append(ledger, MARKED)] == [True]
        assert _append(ledger, event("party.described", "party:usa", short_name="US"))[0].position == 4
    check(home, Told({answer.id: answer.position for answer in answers}))


@pytest.mark.parametrize("delivered", [True, False], ids=["after the commit", "before the statement"])
def test_many_callers_of_one_lost_transaction_all_get_their_positions(delivered: bool, home: Home) -> None:
    """Where the answer to a shared transaction is lost, each of its callers gets its own positions, or its conflict."""
    with wired(home.location) as (wire, location), location.pool(2) as pool:
        recorder = EntryRecorder(location, pool)
        recorder.insert_events([_line("agreement:a", 1)])
        marked = StoredLine("agreement:b", 1, "t", b'{"note":"' + MARKER + b'"}', entry_id=str(uuid4()))
        lines = [[_line(f"agreement:c{n}", 1), _line(f"agreement:d{n}", 1)] for n in range(10)]
        with home.owner() as owner, owner.transaction():
            owner.execute("select from head for update")  # all gather behind the first
            first = recorder.writer.insert([_line("agreement:z", 1)])
            jobs = [recorder.writer.insert(each) for each in [*lines[:5], [marked], *lines[5:]]]
            wire.cut(Cut(MARKER, delivered=delivered))
        told = Told()
        first.result(20)
        for job, each in zip(jobs, [*lines[:5], [marked], *lines[5:]], strict=True):
            told.recorded |= dict(zip([line.entry_id for line in each], job.result(20), strict=True))
        assert wire.was_cut.is_set()
        recorder.close()
    assert len(set(told.recorded.values())) == 21
    check(home, told)


@pytest.mark.parametrize("delivered", [True, False], ids=["after the commit", "before the statement"])
def test_a_server_that_is_gone_for_good_is_told_as_unavailable(delivered: bool, home: Home) -> None:
    """Where the server does not come back, the writer is told that the outcome is unknown; a later retry finds it out."""
    with (
        wired(home.location) as (wire, location),
        location.pool(2) as pool,
        Ledger(location, pool, patience_s=1) as ledger,
    ):
        _append(ledger, THX)
        wire.cut(Cut(MARKER, delivered=delivered, gone=True))
        with pytest.raises(Unavailable, match="not known"):
            _append(ledger, MARKED)
        assert wire.was_cut.is_set()
    with home.location.pool(2) as pool, Ledger(home.location, pool) as ledger:
        (answer,) = _append(ledger, MARKED)
        assert (answer.position, answer.repeated) == (2, delivered)
    check(home, Told({answer.id: answer.position}))


def test_a_server_that_takes_no_writes_is_told_as_unavailable(home: Home) -> None:
    """Where the server has become a standby, or is read-only for another reason, the writer is told to try again."""
    role = sql.Identifier(str(conninfo_to_dict(home.location.dsn)["user"]))
    with home.owner() as owner:
        owner.execute(sql.SQL("alter role {} set default_transaction_read_only = on").format(role))
        try:
            with (
                home.location.pool(1) as pool,
                Ledger(home.location, pool) as ledger,
                pytest.raises(Unavailable),
            ):
                _append(ledger, USA)
        finally:
            owner.execute(sql.SQL("alter role {} reset default_transaction_read_only").format(role))
    with home.location.pool(1) as pool, Ledger(home.location, pool) as ledger:
        assert _append(ledger, USA)[0].position == 1


def test_what_somebody_else_recorded_under_the_id_is_not_taken_for_ours(home: Home) -> None:
    """Where the connection dies and the id turns out to stand for other content, the writer is refused, not confirmed."""
    with (
        home.location.pool(2) as pool,
        Ledger(home.location, pool) as other,
        wired(home.location) as (wire, location),
        location.pool(2) as wired_pool,
        Ledger(location, wired_pool) as ledger,
    ):
        stolen = {**INDIA, "id": MARKED["id"]}
        wire.cut(Cut(MARKER, delivered=False, meanwhile=lambda: _append(other, stolen)))
        with pytest.raises(IdReused):
            _append(ledger, MARKED)
        assert wire.was_cut.is_set()


def test_the_same_event_that_another_process_recorded_meanwhile_is_answered_as_there(home: Home) -> None:
    """Where the connection dies and another process took the retry, the answer is that one: its position and version."""
    described = event("party.described", "party:usa", id=MARKED["id"], short_name="US", note=MARKER.decode())
    with (
        home.location.pool(2) as pool,
        Ledger(home.location, pool) as other,
        wired(home.location) as (wire, location),
        location.pool(2) as wired_pool,
        Ledger(location, wired_pool) as ledger,
    ):
        _append(other, USA)
        meanwhile = [event("party.described", "party:usa", short_name="another"), described]
        wire.cut(Cut(MARKER, delivered=False, meanwhile=lambda: _append(other, *meanwhile)))
        (answer,) = _append(ledger, described)
        assert (answer.position, answer.version) == (3, 3)


def test_a_stated_version_is_not_taken_twice(home: Home) -> None:
    """Of writers that state the same version at once, one is recorded and the others are told that it is stale."""
    with home.location.pool(8) as pool, Ledger(home.location, pool) as ledger:
        _append(ledger, USA)

        def write(number: int) -> bool:
            while True:
                try:
                    _append(
                        ledger, event("party.described", "party:usa", expected_version=1, short_name=f"name {number}")
                    )
                    return True
                except StaleVersion:
                    return False
                except Unavailable:
                    continue

        with ThreadPoolExecutor(16) as threads:
            assert sum(threads.map(write, range(16))) == 1
    check(home, Told())
