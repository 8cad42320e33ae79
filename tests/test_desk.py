"""The desk: requests that come together are decided together, and none is the worse for it."""

import json
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from eventsourcing.persistence import IntegrityError

from ledger import desk as desk_module
from ledger.decision import Request, World
from ledger.draft import read_body
from ledger.entry import StoredLine
from ledger.errors import IdReused, LedgerError, Refused, StaleVersion, Unavailable
from ledger.postgres import Connection, Place, Pool
from ledger.recorder import Job, Promise
from ledger.service import Answer, Ledger
from tests.conftest import CLERK
from tests.examples import INDIA, INDUS_X, THX, USA, event

Given = Callable[..., list[Answer]]


def submit(ledger: Ledger, *events: dict[str, Any], key: str | None = None) -> Promise[list[Answer]]:
    return ledger.submit(read_body({"events": list(events)}), CLERK, key)


def claim(subject: str, text: str, **more: Any) -> dict[str, Any]:
    return event("initiative.claim_recorded", subject, text=text, **more)


def space(number: int) -> dict[str, Any]:
    return event("initiative.reported", f"initiative:i{number}", name="A programme", kind="challenge")


class Gate:
    """Holds back what the desk hands to the committer, and keeps count of it."""

    def __init__(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = Event()
        self.arrived = Event()
        self.jobs: list[Job] = []
        pass_on = ledger.recorder.committer.submit_all

        def held(jobs: list[Job]) -> None:
            self.arrived.set()
            assert self.open.wait(20)
            self.jobs += jobs
            pass_on(jobs)

        monkeypatch.setattr(ledger.recorder.committer, "submit_all", held)


@pytest.fixture
def gate(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(ledger, monkeypatch)


def test_writers_of_one_process_never_conflict(ledger: Ledger, given: Given, gate: Gate, reader: Connection) -> None:
    """However many write to one stream at once, each is admitted after those before it, and none is tried twice."""
    # given
    gate.open.set()
    given(THX, INDUS_X)
    # when
    promises = [submit(ledger, claim("initiative:indus-x", f"claim {n}")) for n in range(200)]
    answers = [promise.result(60)[0] for promise in promises]
    # then
    assert [answer.version for answer in answers] == list(range(2, 202))
    assert not [job for job in gate.jobs if isinstance(job.error, IntegrityError)]
    assert reader.execute("select count(*) from entries where stream = 'initiative:indus-x'").fetchone() == (201,)


def test_what_waits_is_decided_together(ledger: Ledger, given: Given, gate: Gate) -> None:
    """Requests that came while another was being decided share one reading; those to one stream share one commit."""
    # given
    first = submit(ledger, THX)
    assert gate.arrived.wait(20)
    # when
    others = [submit(ledger, space(n)) for n in range(5)] + [submit(ledger, claim("initiative:i3", "one more"))]
    gate.open.set()
    # then
    assert [promise.result(20)[0].version for promise in (first, *others)] == [1, 1, 1, 1, 1, 1, 2]
    assert sorted(len(job.lines) for job in gate.jobs) == [1, 1, 1, 1, 1, 2]


def test_a_refused_request_leaves_nothing_to_those_after_it(ledger: Ledger, given: Given, gate: Gate) -> None:
    """What a request would have changed, had it not been refused, is not there for the next one in the round."""
    # given
    first = submit(ledger, THX)
    assert gate.arrived.wait(20)
    # when
    refused = submit(ledger, space(1), event("initiative.resumed", "initiative:nobody"))
    stale = submit(ledger, claim("initiative:i1", "too late", expected_version=1))
    right = submit(ledger, space(1) | {"expected_version": 0})
    gate.open.set()
    # then
    assert first.result(20)
    with pytest.raises(Refused, match="nobody"):
        refused.result(20)
    with pytest.raises(Refused):
        stale.result(20)
    assert right.result(20)[0].version == 1


def test_of_requests_that_state_one_version_the_first_is_recorded(ledger: Ledger, given: Given, gate: Gate) -> None:
    """A writer that states the version it saw is told that another of its own round came first."""
    # given
    first = submit(ledger, THX, INDUS_X)
    assert gate.arrived.wait(20)
    # when
    promises = [submit(ledger, claim("initiative:indus-x", f"{n}", expected_version=1)) for n in range(3)]
    gate.open.set()
    # then
    assert first.result(20)
    assert promises[0].result(20)[0].version == 2
    for promise in promises[1:]:
        with pytest.raises(StaleVersion):
            promise.result(20)


def test_the_same_event_twice_in_a_round_is_recorded_once(ledger: Ledger, given: Given, gate: Gate) -> None:
    """A retry that arrives beside the first attempt gets its answer; the same id with other content is refused."""
    # given
    first = submit(ledger, THX)
    assert gate.arrived.wait(20)
    named = INDUS_X | {"id": str(uuid4())}
    # when
    attempts = [submit(ledger, named) for _ in range(3)]
    other = submit(ledger, USA | {"id": named["id"]})
    keyed = [submit(ledger, INDIA, key="k") for _ in range(2)]
    gate.open.set()
    # then
    assert first.result(20)
    told = [promise.result(20)[0] for promise in attempts]
    assert [answer.repeated for answer in told] == [False, True, True]
    assert len({answer.position for answer in told}) == 1
    with pytest.raises(IdReused):
        other.result(20)
    assert [promise.result(20)[0].repeated for promise in keyed] == [False, True]


def test_what_cannot_be_read_fails_nobody_else_of_its_round(ledger: Ledger, gate: Gate) -> None:
    """A stream with an entry that this version cannot read fails those who write to it, and them alone."""
    # given
    state = json.dumps({
        "specversion": "1.0", "id": str(uuid4()), "source": "/", "subject": "party:x", "streamversion": 1,
        "authtype": "system", "authid": "x", "type": "party.from_the_future", "data": {},
    })  # fmt: skip
    gate.open.set()
    line = StoredLine("party:x", 1, "party.from_the_future", state.encode(), entry_id=str(uuid4()))
    ledger.recorder.insert_events([line])
    gate.open.clear()
    gate.arrived.clear()
    first = submit(ledger, THX)
    assert gate.arrived.wait(20)
    # when
    more = [event("party.described", f"party:{one}", short_name=one) for one in ("x", "usa", "usa")]
    unreadable, *others = [submit(ledger, one) for one in (more[0], USA, INDIA, *more[1:])]
    gate.open.set()
    # then
    assert first.result(20)
    assert [promise.result(20)[0].version for promise in others] == [1, 1, 2, 3]
    with pytest.raises(LedgerError):
        unreadable.result(20)


def test_other_streams_go_on_while_one_is_being_recorded(ledger: Ledger, given: Given, reader: Connection,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """A request waits for the outcome of the one before it on its own stream, and for no other."""
    # given
    given(THX, INDUS_X)
    started, outcome = [], Event()
    pass_on = ledger.recorder.committer.submit_all

    def noted(jobs: list[Job]) -> None:
        started.append([str(line.originator_id) for job in jobs for line in job.lines])
        if len(started) == 1:
            conclude = jobs[0].tell
            assert conclude is not None

            def late(job: Job) -> None:
                outcome.wait(20)
                conclude(job)

            jobs[0].tell = late
        pass_on(jobs)

    monkeypatch.setattr(ledger.recorder.committer, "submit_all", noted)
    # when
    slow = submit(ledger, claim("initiative:indus-x", "slow"))
    while not started:
        pass
    behind, other = submit(ledger, claim("initiative:indus-x", "behind")), submit(ledger, space(1))
    while len(started) < 2:
        pass
    # then
    assert started == [["initiative:indus-x"], ["initiative:i1"]]
    assert not behind.done()
    outcome.set()
    assert [promise.result(20)[0].version for promise in (slow, behind, other)] == [2, 3, 1]


def test_who_gives_up_waiting_stops_nobody(ledger: Ledger, gate: Gate) -> None:
    """What was handed in is recorded, and so is what came with it, whoever still waits for the answer."""
    # given
    first = submit(ledger, THX)
    assert gate.arrived.wait(20)
    given_up, other = submit(ledger, USA), submit(ledger, INDIA)
    # when
    with pytest.raises(TimeoutError):
        given_up.result(0)
    gate.open.set()
    # then
    assert [promise.result(20)[0].version for promise in (first, given_up, other)] == [1, 1, 1]


def test_memory_that_is_let_go_makes_no_difference(place: Place, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that remembers nothing decides as one that remembers everything."""
    told: list[list[tuple[int, list[str]]]] = []
    for bound in (0, 10_000):
        monkeypatch.setattr("ledger.memory.UNFOLDED_ENTRIES", bound)
        subject = f"initiative:bound-{bound}"
        with Ledger(place, pool) as ledger:
            made = [
                event("initiative.reported", subject, "2020", name="A", kind="challenge"),
                *(claim(subject, f"claim {n % 3}", id=str(uuid4())) for n in range(6)),
                event("initiative.launched", subject, "2019", name="B", kind="challenge"),
            ]
            answers = [ledger.append(read_body(one), CLERK)[0] for one in made]
            told.append([(one.version, sorted(anomaly.code for anomaly in one.anomalies)) for one in answers])
    assert told[0] == told[1]


def test_who_is_overtaken_again_and_again_is_told_to_try_later(
    ledger: Ledger, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After three conflicts with other processes the writer is told that it is unavailable, and nothing is recorded."""
    # given
    given(THX)
    tries: list[int] = []

    def overtaken(jobs: list[Job]) -> None:
        for job in jobs:
            tries.append(len(job.lines))
            job.fail(IntegrityError("somebody was there first"))

    monkeypatch.setattr(ledger.recorder.committer, "submit_all", overtaken)
    # when
    promise = submit(ledger, INDUS_X)
    # then
    with pytest.raises(Unavailable):
        promise.result(20)
    assert len(tries) == desk_module.ATTEMPTS


def test_what_is_remembered_is_not_read_again(
    ledger: Ledger, given: Given, monkeypatch: pytest.MonkeyPatch, reader: Connection
) -> None:
    """Whoever writes to a stream that this process wrote last, and mentions what it knows, waits for no reading."""
    # given
    for one in (THX, INDUS_X):
        given(one)
    # when
    monkeypatch.setattr(ledger.desk.memory, "world", None)
    answers = [submit(ledger, claim("initiative:indus-x", f"claim {n}")).result(20)[0] for n in range(3)]
    # then
    assert [(answer.version, answer.position) for answer in answers] == [(2, 3), (3, 4), (4, 5)]
    assert reader.execute("select count(*) from entries where stream = 'initiative:indus-x'").fetchone() == (4,)


def test_nobody_is_refused_on_the_strength_of_memory(ledger: Ledger, place: Place, pool: Pool, given: Given) -> None:
    """A writer who saw what another process has recorded is not told that it is not so."""
    # given
    for one in (THX, INDUS_X):
        given(one)
    with Ledger(place, pool) as other:
        submit(other, claim("initiative:indus-x", "from elsewhere")).result(20)
        submit(other, USA).result(20)
    # when
    seen = submit(ledger, claim("initiative:indus-x", "after it", expected_version=2))
    # then
    assert seen.result(20)[0].version == 3
    with pytest.raises(StaleVersion) as stale:
        submit(ledger, claim("initiative:indus-x", "too late", expected_version=2)).result(20)
    assert stale.value.version == 3


def test_after_others_have_written_streams_are_read_again(
    ledger: Ledger, place: Place, pool: Pool, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Positions tell that another process has written: then no stream is taken to be as it was, until it is read."""
    # given
    for one in (THX, INDUS_X, space(1)):
        given(one)
    with Ledger(place, pool) as other:
        submit(other, claim("initiative:i1", "from elsewhere")).result(20)
    read: list[str] = []
    world = ledger.desk.memory.world

    def noted(connection: Connection, requests: Sequence[Request]) -> World:
        read.extend(subject for request in requests for subject in request.subjects)
        return world(connection, requests)

    monkeypatch.setattr(ledger.desk.memory, "world", noted)
    # when
    first = submit(ledger, claim("initiative:indus-x", "by heart")).result(20)[0]
    second = submit(ledger, claim("initiative:i1", "read")).result(20)[0]
    # then
    assert (first.version, second.version) == (2, 3)
    assert read == ["initiative:i1"]


def test_an_event_loop_does_what_need_not_be_read(place: Place, pool: Pool) -> None:
    """Where there is an event loop, requests are decided there, together, and it is closed with nothing left undone."""
    calls: list[Callable[[], None]] = []
    with Ledger(place, pool, soon=calls.append) as ledger:
        promises = [submit(ledger, one) for one in (THX, INDUS_X, claim("initiative:indus-x", "one more"))]
        assert not any(promise.done() for promise in promises)
        calls.pop()()
        assert [promise.result(20)[0].version for promise in promises] == [1, 1, 2]
        last = submit(ledger, claim("initiative:indus-x", "and the last"))
    assert last.result(20)[0].version == 3


def test_after_closing_a_request_is_refused(place: Place, pool: Pool) -> None:
    """Whoever comes to a ledger that is closed is told so, and does not wait for ever."""
    with Ledger(place, pool) as ledger:
        submit(ledger, THX).result(20)
    with pytest.raises(Unavailable):
        submit(ledger, INDUS_X).result(20)
