"""Readers who wait for a position, and a database that does not answer: nobody else is held up by either."""

import asyncio
import http.client
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from threading import Event
from time import monotonic, sleep
from typing import Any

import pytest

from api.http import dependencies as app_state
from api.http import lookup as porter
from api.http import protocol
from api.http.lookup import LOOK_S, CoalescedLookup, LookedUp
from ledger.database.connection import Connection, LedgerLocation
from ledger.settings import USUAL, Timeouts
from projections.basis import Behind
from tests.examples import INDUS_X, THX, USA, event
from tests.proxy import Cut, wired
from tests.service import ADMIN, Service, listening, problem_of, running

pytest_plugins = ["tests.service"]

MANY = 200
STATE = "/v1/initiatives/indus-x"


def ask(address: tuple[str, int], path: str, body: Any = None) -> tuple[int, int]:
    """Status and Ledger-Position of an answer, over a connection of its own."""
    connection = http.client.HTTPConnection(*address, timeout=60)
    sent = None if body is None else json.dumps(body)
    connection.request("POST" if body else "GET", path, sent, ADMIN | {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, int(response.headers.get("Ledger-Position") or -1)


def connections(reader: Connection) -> int:
    """How many the services of this test hold."""
    [count] = reader.execute("select count(*) from pg_stat_activity where application_name = 'ledger'").fetchone() or ()
    return int(count)


def party(number: int) -> dict[str, Any]:
    return event("party.registered", f"party:p{number}", sources=[], name="P", kind="company")


def test_waiting_readers_hold_up_nobody(service: Service, reader: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """While many wait for a position, others read and append before any of them is answered, and no connection is held
    for those who wait; once it has come, each of them gets it."""
    monkeypatch.setattr(app_state, "WAIT_S", 60)
    # given
    service.given(THX, INDUS_X)
    position = service.post(USA).json()["position"]
    with listening(service) as address, ThreadPoolExecutor(MANY) as threads:
        assert ask(address, STATE)[0] == 200
        assert ask(address, "/v1/events", party(1))[0] == 201
        before = connections(reader)
        # when
        paths = (
            f"{STATE}?min_position={position}",
            f"/v1/parties/usa?known_at={position}",
            f"{STATE}/history?min_position={position}",
        )
        waiting = [threads.submit(ask, address, paths[number % 3]) for number in range(MANY)]
        sleep(1)
        # then
        for number in range(10):
            assert ask(address, f"/v1/initiatives?limit={number + 1}")[0] == 200
            assert ask(address, "/v1/events", party(number + 2))[0] == 201
        assert connections(reader) <= before
        assert not any(one.done() for one in waiting)
        # when
        while service.follower.step():
            pass
        # then
        answered = [one.result() for one in waiting]
    assert {status for status, _ in answered} == {200}
    assert all(at >= position for _, at in answered)


def test_a_thousand_who_wait_ask_as_often_as_one(location: LedgerLocation, service: Service) -> None:
    """However many wait, the database is asked once in a while for all of them; and none longer than they would."""
    service.given(THX)

    async def wait(many: int) -> int:
        async with Counting(location, watermarks=True) as asked:
            watermarks = (await asked.look_up(None)).watermarks
            until = asyncio.get_running_loop().time() + 0.5
            waits = [asked.wait(Behind("not there", watermarks, 0, 2, ["states"]), until) for _ in range(many)]
            outcomes = await asyncio.gather(*waits, return_exceptions=True)
            assert {type(one) for one in outcomes} == {TimeoutError}
            return asked.count

    assert asyncio.run(wait(1_000)) <= 0.5 / LOOK_S + 3


class Counting(CoalescedLookup):
    """Knows how often the database was asked."""

    count = 0

    async def _read(self, digests: list[bytes], deadline: float) -> LookedUp:
        self.count += 1
        return await super()._read(digests, deadline)


def test_who_waits_for_what_is_rolled_back_is_told_so(service: Service) -> None:
    """A reader does not wait on for a position of another epoch."""
    service.given(THX)
    position = service.post(USA).json()["position"]
    with ThreadPoolExecutor(1) as thread:
        epoch = service.get("/v1/health").json()["epoch"]["epoch"]
        asked = thread.submit(service.get, STATE, min_position=f"{epoch}:{position}")
        sleep(0.2)
        with service.location.connect() as connection:
            connection.execute("update head set epoch = '0123456789abcdef'")
        assert problem_of(asked.result(), 409)["current_epoch"] == "0123456789abcdef"


@contextmanager
def silenced(
    service: Service, marker: bytes, timeouts: Timeouts = USUAL
) -> Iterator[tuple[Service, ThreadPoolExecutor, Event]]:
    """The service behind a wire that swallows the next message that holds the marker, and stays open."""
    released = Event()

    def swallow() -> None:
        wire.was_cut.set()
        released.wait()

    patient = replace(service.location, timeouts=timeouts)
    with wired(patient) as (wire, location), running(location) as behind, ThreadPoolExecutor(8) as threads:
        wire.cut(Cut(marker, delivered=False, meanwhile=swallow))
        try:
            yield behind, threads, wire.was_cut
        finally:
            released.set()


def test_a_swallowed_answer_stops_readers_for_no_longer_than_the_deadline(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All who waited for it get 503 and when to ask again; the connection is dropped, and those who came after them are
    answered over another one."""
    monkeypatch.setattr(porter, "DEADLINE_S", 1.0)
    service.given(THX, INDUS_X)
    with silenced(service, b"api_keys") as (behind, threads, is_silent):
        # when
        first = [threads.submit(behind.get, path) for path in (STATE, "/v1/events")]
        assert is_silent.wait(10)
        later = threads.submit(behind.get, "/v1/initiatives")
        # then
        answers = [one.result(timeout=20) for one in (*first, later)]
        assert {one.status_code for one in answers} == {200, 503}
        for one in answers:
            if one.status_code == 503:
                assert problem_of(one, 503)["type"] == "/problems/unavailable"
                assert one.headers["retry-after"]
        assert behind.get(STATE).status_code == 200


def test_a_read_that_is_never_answered_ends(service: Service) -> None:
    """A connection of the pool that has gone silent is dropped in time, and the reader told; others read on."""
    service.given(THX, INDUS_X)
    with silenced(service, b"from statuses", Timeouts(statement_s=0.5)) as (behind, threads, is_silent):
        lost = threads.submit(behind.get, "/v1/initiatives", status="reported")
        assert is_silent.wait(10)
        assert behind.get(STATE).status_code == 200
        assert not lost.done()
        assert problem_of(lost.result(timeout=20), 503)["type"] == "/problems/unavailable"
        assert behind.get("/v1/initiatives", status="reported").status_code == 200


WHOLE = b"GET /v1/event-types HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("before", [b"", WHOLE, WHOLE + b"\r\n"])
@pytest.mark.parametrize("begun", [b"", b"\r\n", b"GET /v1/ready HTTP/1.1\r\nHost: a\r\n"])
def test_a_head_that_never_ends_ends_the_connection(
    service: Service, monkeypatch: pytest.MonkeyPatch, before: bytes, begun: bytes
) -> None:
    """Whoever sends nothing, empty lines, or headers one by one without end, is hung up on, also after a request that was answered."""
    monkeypatch.setattr(protocol, "HEAD_S", 0.5)
    with listening(service) as address, socket.create_connection(address, timeout=0.1) as connection:
        connection.sendall(before + begun)
        ends = monotonic() + 10
        closed, more = False, b"X-More: 1\r\n" if begun.startswith(b"GET") else begun
        while not closed and monotonic() < ends:
            with suppress(TimeoutError):
                closed = connection.recv(65_536) == b""
            with suppress(OSError):
                connection.sendall(more)
        assert closed


def test_a_head_that_is_there_is_not_hurried(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that takes longer than a head may is given all the same."""
    monkeypatch.setattr(protocol, "HEAD_S", 0.5)
    service.given(THX)
    with listening(service) as address:
        assert ask(address, "/v1/initiatives?min_position=1")[0] == 200
        assert ask(address, "/v1/initiatives?known_at=2")[0] == 422
        waited = monotonic()
        service.post(USA)
        assert ask(address, "/v1/initiatives?min_position=2")[0] == 503
        assert monotonic() - waited > 0.5
