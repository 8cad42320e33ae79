"""The recorder keeps the promises of the library's interface, on every PostgreSQL that is supported."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError, Notification, StoredEvent
from eventsourcing.tests import persistence as library
from psycopg.conninfo import make_conninfo

from ledger.database.connection import LedgerLocation, Pool
from ledger.errors import Unavailable
from ledger.library_recorder import EntryRecorder
from ledger.log.entry import StoredLine
from ledger.writing.pending import Insert
from ledger.writing.writer import Writer
from tests.servers import Home

pytest_plugins = ["tests.servers"]


def line(stream: str, version: int, note: str = "", entry_id: str = "") -> StoredLine:
    """A line as the recorder takes it; no more of an entry than the recorder looks at."""
    state = json.dumps({"specversion": "1.0", "data": {"note": note}}, separators=(",", ":")).encode()
    return StoredLine(stream, version, "agreement.mentioned", state, entry_id=entry_id or str(uuid4()))


# --- the library's own cases


class OpaqueRecorder(EntryRecorder):
    """Takes the library's opaque states, which are no lines, and gives them back: each wrapped in a line."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        lines = []
        for event in stored_events:
            state = json.dumps({"specversion": "1.0", "data": b64encode(event.state).decode()}).encode()
            version = event.originator_version + 1  # ours start at 1
            lines.append(StoredLine(str(event.originator_id), version, event.topic, state, entry_id=str(uuid4())))
        return super().insert_events(lines, **kwargs)

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        above, upto = (None if bound is None else bound + 1 for bound in (gt, lte))
        found = super().select_events(originator_id, gt=above, lte=upto, desc=desc, limit=limit)
        return [
            replace(event, originator_version=event.originator_version - 1, state=_unwrapped(event)) for event in found
        ]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        found = super().select_notifications(start, limit, stop, topics, inclusive_of_start=inclusive_of_start)
        return [
            replace(
                one,
                originator_id=UUID(str(one.originator_id)),
                originator_version=one.originator_version - 1,
                state=_unwrapped(one),
            )
            for one in found
        ]


class AggregateOnlyRecorder(OpaqueRecorder):
    """A recorder of aggregates knows of no positions."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> None:
        super().insert_events(stored_events, **kwargs)


def _unwrapped(event: StoredEvent) -> bytes:
    return b64decode(json.loads(event.state)["data"])


class AggregateCases(library.AggregateRecorderTestCase):
    __test__ = False
    INITIAL_VERSION = 0  # some of them count from 0 whatever this says, and ours has no gaps
    create: Callable[[], AggregateOnlyRecorder]

    def create_recorder(self) -> AggregateOnlyRecorder:
        return self.create()


class ApplicationCases(library.ApplicationRecorderTestCase[OpaqueRecorder]):
    __test__ = False
    INITIAL_VERSION = 0  # some of them count from 0 whatever this says, and ours has no gaps
    create: Callable[[], OpaqueRecorder]

    def create_recorder(self) -> OpaqueRecorder:
        return self.create()


@pytest.mark.parametrize("case", ["test_insert_and_select", "test_performance"])
def test_it_passes_the_librarys_cases_for_recorders_of_aggregates(case: str, home: Home) -> None:
    """What the library asks of every recorder of aggregates holds for ours."""
    with home.location.pool(4) as pool:
        cases = AggregateCases(case)
        recorder = AggregateOnlyRecorder(home.location, pool)
        cases.create = lambda: recorder
        cases.debug()
        recorder.close()


@pytest.mark.parametrize(
    "case",
    [
        "test_insert_select",
        "test_performance",
        "test_concurrent_no_conflicts",
        "test_concurrent_throughput",
        "optional_test_insert_subscribe",
    ],
)
def test_it_passes_the_librarys_cases_for_recorders_of_applications(case: str, home: Home) -> None:
    """What the library asks of every recorder of applications holds for ours, subscriptions included."""
    with home.location.pool(4) as pool:
        cases = ApplicationCases(case)
        recorder = OpaqueRecorder(home.location, pool)
        cases.create = lambda: recorder
        cases.debug()
        recorder.close()


# --- group commit


@pytest.fixture
def alone(location: LedgerLocation, pool: Pool) -> Iterator[EntryRecorder]:
    """A recorder on the embedded server, where the server makes no difference."""
    opened = EntryRecorder(location, pool)
    yield opened
    opened.close()


@pytest.fixture
def recorder(home: Home) -> Iterator[EntryRecorder]:
    with home.location.pool(4) as pool:
        opened = EntryRecorder(home.location, pool)
        yield opened
        opened.close()


def test_one_callers_conflict_fails_no_other(home: Home, recorder: EntryRecorder) -> None:
    """Of the callers whose lines are written together, only the one whose stream has moved on is refused."""
    recorder.insert_events([line("agreement:a", 1)])
    with home.owner() as owner, owner.transaction():
        owner.execute("select from head for update")  # the next writer waits, and the others gather behind it
        first = recorder.writer.insert([line("agreement:b", 1)])
        _wait_for_waiting_writer(home)
        stale = recorder.writer.insert([line("agreement:c", 1), line("agreement:a", 1)])
        others = [recorder.writer.insert([line("agreement:d", n), line("agreement:e", n)]) for n in (1, 2)]
    assert first.result(20) == [2]
    with pytest.raises(IntegrityError):
        stale.result(20)
    assert [other.result(20) for other in others] == [[3, 4], [5, 6]]
    assert recorder.select_events("agreement:c") == []


def test_waiting_callers_share_one_transaction(home: Home, recorder: EntryRecorder) -> None:
    """Lines that gather while another transaction is at work are recorded together, at one time."""
    with home.owner() as owner, owner.transaction():
        owner.execute("select from head for update")
        first = recorder.writer.insert([line("agreement:a", 1)])
        _wait_for_waiting_writer(home)
        others = [recorder.writer.insert([line(f"agreement:b{n}", 1)]) for n in range(20)]
    assert first.result(20) == [1]
    assert sorted(position for other in others for position in other.result(20)) == list(range(2, 22))
    with home.owner() as owner:
        written = owner.execute("select count(distinct xmin::text) from entries where position > 1").fetchone()
    assert written == (1,)


def test_a_connection_killed_while_its_statement_waits_loses_nothing(home: Home, recorder: EntryRecorder) -> None:
    """Where the connection dies before the statement is done, the line is recorded once, on a new connection."""
    with home.owner() as owner, owner.transaction():
        owner.execute("select from head for update")
        waiting = recorder.writer.insert([line("agreement:a", 1)])
        pid = _wait_for_waiting_writer(home)
        with home.owner() as other:
            other.execute("select pg_terminate_backend(%s, 5000)", [pid])
    assert waiting.result(20) == [1]
    assert len(recorder.select_notifications(None, 10)) == 1


def test_the_bytes_are_kept_as_they_were_given(recorder: EntryRecorder) -> None:
    """A line comes back byte for byte, with its position and time in front: spaces, order, repeats and escapes too."""
    given = '{"specversion" :  "1.0",  "b":1.00,"a":1e2, "b":"\\u00e9\u00e9\\/", "c":[ ]\t}'
    recorder.insert_events([StoredLine("agreement:a", 1, "t", given.encode(), entry_id=str(uuid4()))])
    (read,) = recorder.select_events("agreement:a")
    front, _, rest = read.state.decode().partition('Z",')
    assert rest == given[1:]
    assert front.startswith('{"sequence":"00000000000000000001","recordedtime":"20')


def test_closing_records_what_waits(home: Home, recorder: EntryRecorder) -> None:
    """What was handed in before the recorder is closed is recorded, and answered."""
    with home.owner() as owner, owner.transaction():
        owner.execute("select from head for update")
        promised = [recorder.writer.insert([line(f"agreement:a{n}", 1)]) for n in range(10)]
        closing = Thread(target=recorder.close)
        closing.start()
    closing.join(20)
    assert sorted(one.result(0)[0] for one in promised) == list(range(1, 11))


def test_after_closing_a_caller_is_told_so(alone: EntryRecorder) -> None:
    """Whoever records with a closed recorder is told that it is unavailable, and does not wait for ever."""
    alone.close()
    promised = alone.writer.insert([line("agreement:a", 1)])
    with pytest.raises(Unavailable):
        promised.result(5)


def test_many_callers_do_not_wait_one_after_the_other(location: LedgerLocation, pool: Pool, tmp_path: Path) -> None:
    """While the database is away each caller waits until its own deadline, and for nobody else's."""
    nowhere = LedgerLocation(make_conninfo(location.dsn, host=str(tmp_path)), location.schema)
    recorder = EntryRecorder(nowhere, pool, Writer(nowhere, patience_s=0.5))
    promised = [recorder.writer.insert([line(f"agreement:b{n}", 1)]) for n in range(60)]
    until = monotonic() + 15  # one after the other would take 30 s
    outcomes = {_failure(one, until) for one in promised}
    recorder.close()
    assert outcomes == {
        "the database did not answer in time; nothing was recorded, send the same again with the same ids"
    }


def _failure(insert: Insert, until: float) -> str:
    with pytest.raises(Unavailable) as failed:
        insert.result(max(until - monotonic(), 0))
    return str(failed.value)


# --- subscriptions


def test_a_subscription_gives_what_is_recorded_later(recorder: EntryRecorder) -> None:
    """A subscription goes on from the past to the future, in order and without a gap."""
    recorder.insert_events([line("agreement:a", n) for n in range(1, 4)])
    seen = SimpleQueue[int]()
    subscription = recorder.subscribe(gt=1)

    def read() -> None:
        for notification in subscription:
            seen.put(notification.id)

    reading = Thread(target=read, daemon=True)
    reading.start()
    assert [seen.get(timeout=20) for _ in range(2)] == [2, 3]
    recorder.insert_events([line("agreement:b", 1)])
    assert seen.get(timeout=20) == 4
    subscription.stop()
    reading.join(20)
    assert not reading.is_alive()


def test_a_subscription_that_is_stopped_by_another_thread_ends_quietly(home: Home, recorder: EntryRecorder) -> None:
    """Stopping a subscription that waits ends it, without an error and without leaving a connection behind."""
    failures = SimpleQueue[BaseException]()

    def read(subscription: Iterator[Notification]) -> None:
        try:
            list(subscription)
        except BaseException as error:
            failures.put(error)

    subscriptions = [recorder.subscribe(gt=None) for _ in range(8)]
    threads = [Thread(target=read, args=(one,), daemon=True) for one in subscriptions]
    for thread in threads:
        thread.start()
    _wait_until(lambda: _listening(home) == 8)
    for subscription in subscriptions:
        subscription.stop()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert failures.empty()
    _wait_until(lambda: _listening(home) == 0)


def test_a_subscription_outlives_its_connections(alone: EntryRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscriber whose connection dies while it reads sees every entry all the same."""
    alone.insert_events([line("agreement:a", 1)])
    select, dies = alone.select_notifications, [True]

    def select_or_die(*args: Any, **kwargs: Any) -> Sequence[Notification]:
        if dies.pop() if dies else False:
            raise psycopg.OperationalError("terminating connection due to administrator command")
        return select(*args, **kwargs)

    monkeypatch.setattr(alone, "select_notifications", select_or_die)
    with alone.subscribe(gt=None) as subscription:
        assert next(subscription).id == 1


def _listening(home: Home) -> int:
    with home.owner() as owner:
        row = owner.execute("""
            select count(*) from pg_stat_activity
             where application_name = 'ledger' and query like %s""", [f"listen%{home.location.channel}%"]).fetchone()  # fmt: skip
    return int(row[0]) if row else 0


def _wait_for_waiting_writer(home: Home) -> int:
    """Wait until a writer waits for its turn; returns its process."""
    found: list[int] = []

    def waits() -> bool:
        with home.owner() as owner:
            found[:] = [
                row[0] for row in owner.execute("""
                    select pid from pg_stat_activity
                     where application_name = 'ledger' and wait_event_type = 'Lock'""")
            ]  # fmt: skip
        return bool(found)

    _wait_until(waits)
    return found[0]


def _wait_until(true: Callable[[], bool]) -> None:
    pause = Event()
    for _ in range(400):
        if true():
            return
        pause.wait(0.05)
    raise AssertionError("what was waited for did not come true")
