"""The stream of entries as they are recorded, as clients on real connections see it."""

import http.client
import json
import re
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from threading import Thread
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import urlencode

import psutil
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from api.http import protocol, streams
from api.http.auth import Role, create_key, revoke_key
from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded
from ledger.service import Ledger
from ledger.writing.draft import read_body
from projections.feed import Line, Wanted
from tests.backup import Backup
from tests.conftest import CLERK
from tests.examples import INDIA, INDUS_X, THX, USA, event
from tests.service import ADMIN, Service, listening, pointers_of, problem_of, running

pytest_plugins = ["tests.service"]

STREAM = "/v1/events/stream"
TIMEOUT_S = 20.0
Address = tuple[str, int]


class Message(NamedTuple):
    """A message as the WHATWG reads it; one without data is told to nobody, and its id counts all the same."""

    event: str
    data: str
    id: str

    @property
    def position(self) -> int:
        return int(self.id.partition(":")[2])


class Client:
    """Reads a stream, by the rules of the HTML standard, section 9.2.6."""

    def __init__(self, address: Address, headers: dict[str, str] | None = None, **params: Any) -> None:
        self.connection = http.client.HTTPConnection(*address, timeout=TIMEOUT_S)
        self.connection.request("GET", f"{STREAM}?{urlencode(params)}", headers=headers or {})
        self.response = self.connection.getresponse()
        self.last_id, self.retry_ms, self.comments = "", 0, list[str]()

    def __enter__(self) -> "Client":
        assert self.response.status == 200, self.response.read()
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def blocks(self) -> Iterator[list[str]]:
        block: list[str] = []
        for line in iter(self.response.readline, b""):
            text = line.decode().removesuffix("\n")
            if text:
                block.append(text)
            else:
                yield block
                block = []

    def __iter__(self) -> Iterator[Message]:
        for block in self.blocks():
            told: dict[str, list[str]] = {}
            for line in block:
                name, _, value = line.partition(":")
                told.setdefault(name, []).append(value.removeprefix(" "))
            self.comments += told.get("", [])
            self.last_id = told.get("id", [self.last_id])[-1]
            self.retry_ms = int(told.get("retry", [self.retry_ms])[-1])
            if "data" in told:
                yield Message(told.get("event", ["message"])[-1], "\n".join(told["data"]), self.last_id)

    def take(self, count: int) -> list[Message]:
        return list(islice(self, count))

    def opened(self) -> str:
        """The id that the stream begins with."""
        block = next(self.blocks())
        assert block == [f"id: {block[0].removeprefix('id: ')}", "retry: 3000"]
        return block[0].removeprefix("id: ")


def party(number: int, **more: Any) -> dict[str, Any]:
    return event("party.registered", f"party:p{number}", sources=[], name=f"P{number}", kind="company", **more)


def stored(location: LedgerLocation) -> list[str]:
    with location.connect() as connection:
        return [line for (line,) in connection.execute("select body::text from entries order by position")]


def until(is_so: Callable[[], bool]) -> None:
    deadline = monotonic() + TIMEOUT_S
    while not is_so():
        assert monotonic() < deadline


def test_every_entry_comes_as_it_is_stored(service: Service) -> None:
    """From a position on, what was recorded before and while the stream is open comes once, in order, byte by byte, each with its
    place; and nothing on the way may keep or delay it."""
    service.given(THX, USA, INDUS_X)
    epoch = service.get("/v1/health").headers["ledger-epoch"]
    with listening(service) as address, Client(address, after=1) as client:
        headers = client.response.headers
        assert headers["content-type"].startswith("text/event-stream")
        assert (headers["x-accel-buffering"], headers["cache-control"]) == ("no", "no-store")
        assert headers["ledger-epoch"] == epoch
        assert client.opened() == f"{epoch}:1"
        assert [one.position for one in client.take(2)] == [2, 3]
        service.given(INDIA, party(1))
        service.given(party(2))
        later = client.take(3)
    assert [one.data for one in later] == stored(service.location)[3:]
    assert [one.id for one in later] == [f"{epoch}:{position}" for position in (4, 5, 6)]
    assert {one.event for one in later} == {"message"}


def test_a_stream_begins_now(service: Service) -> None:
    """Without a place to go on after, only what is recorded from now on comes; the first that is sent is a place, so who
    is cut off before any entry came misses none."""
    service.given(THX, USA)
    with listening(service) as address:
        with Client(address) as client:
            place = client.opened()
            service.given(INDIA)
            assert client.take(1)[0].position == 3
        with Client(address, {"Last-Event-ID": place}) as again:
            assert again.take(1)[0].position == 3


def test_who_comes_again_goes_on(service: Service) -> None:
    """However often a client is cut off, with the id that it has seen last, or with `after`, it gets every entry once; the id
    wins, as a browser repeats the address that it began with."""
    service.given(*(party(number) for number in range(120)))
    found: list[int] = []
    with listening(service) as address:
        last: dict[str, str] = {}
        for count in (1, 7, 50, 62):
            with Client(address, last, after=0) as client:
                found += [one.position for one in client.take(count)]
                last = {"Last-Event-ID": client.last_id}
        assert found == list(range(1, 121))
        epoch = last["Last-Event-ID"].partition(":")[0]
        for place in (118, f"{epoch}:118"):
            with Client(address, after=place) as client:
                assert [one.position for one in client.take(2)] == [119, 120]


PLACES = {"x": 422, "-1": 422, "1.5": 422, "0123456789abcdef:1": 409}


def test_a_place_that_is_none_is_refused(service: Service) -> None:
    """Before anything is streamed, and by the name of the parameter or header."""
    service.given(THX)
    epoch = service.get("/v1/health").headers["ledger-epoch"]
    for place, status in (PLACES | {f"{epoch}:2": 422, "2": 422}).items():
        assert pointers_of(service.get(STREAM, after=place), status) == ["after"]
        assert pointers_of(service.get(STREAM, {"Last-Event-ID": place}), status) == ["Last-Event-ID"]
    for name, value in (("type", "party.sung"), ("subject", "x"), ("kind", "partys"), ("author", "")):
        assert pointers_of(service.get(STREAM, **{name: value})) == [name]


WAYS = [
    ({"type": "party.described"}, [4, 7]),
    ({"subject": "party:usa"}, [2, 4, 7]),
    ({"kind": "party"}, [2, 3, 4, 6, 7]),
    ({"author": "bob"}, [6, 7]),
    ({"author": "bob", "type": "party.described", "kind": "party"}, [7]),
]


@pytest.mark.parametrize(("chosen", "expected"), WAYS)
def test_only_what_is_asked_for_comes(service: Service, chosen: dict[str, Any], expected: list[int]) -> None:
    """By type, subject, kind of subject and author, of what was there and of what comes; and who comes again does not look at
    it all anew."""
    described = event("party.described", "party:usa", short_name="US")
    with service.location.connect() as connection:
        bob = {"Authorization": f"Bearer {create_key(connection, 'bob', Role.admin)}"}

    def record(*events: dict[str, Any], by: dict[str, str] = ADMIN) -> None:
        for one in events:
            assert service.client.post("/v1/events", json=one, headers=by).status_code == 201

    def write() -> None:
        record(THX, USA, INDIA, described, INDUS_X)
        record(party(1), described | {"data": {"short_name": "USA"}}, by=bob)

    write()
    with listening(service) as address, Client(address, after=0, **chosen) as client:
        assert [one.position for one in client.take(len(expected))] == expected
        record(*(party(number) | {"type": "source.registered", "subject": f"source:s{number}", "data": {"title": "S", "kind": "other"}} for number in range(3)))  # fmt: skip
        record(described | {"data": {"short_name": "U.S."}}, by=bob)
        assert client.take(1)[0].position == 11


WORDS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=2).map(tuple)


@for_all(st.builds(Wanted, WORDS, WORDS, WORDS, WORDS), st.tuples(*[st.sampled_from(["a", "b", "c"])] * 4))
def test_an_entry_is_taken_by_every_list_that_is_not_empty(wanted: Wanted, told: tuple[str, str, str, str]) -> None:
    """What is wanted is of one of the types, and of one of the subjects, kinds and authors, where any are given."""
    type_, slug, kind, author = told
    line = Line(1, "", f"{kind}:{slug}", type_, author, "")
    subjects = tuple(f"{kind}:{one}" for one in wanted.subjects)
    pairs = ((wanted.types, type_), (wanted.subjects, slug), (wanted.kinds, kind), (wanted.authors, author))
    assert wanted._replace(subjects=subjects).takes(line) == all(one in chosen for chosen, one in pairs if chosen)


def test_a_quiet_stream_is_kept_alive(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing comes, a comment does, with the place up to which nothing was wanted."""
    monkeypatch.setattr(streams, "KEEP_ALIVE_S", 0.1)
    service.given(THX)
    with listening(service) as address, Client(address, subject="source:none") as client:
        place = client.opened()
        blocks = client.blocks()
        assert next(blocks) == [": ", f"id: {place}"]
        service.given(USA, INDIA)
        moved = re.sub(":1$", ":3", place)
        until(lambda: next(blocks) == [": ", f"id: {moved}"])


@pytest.mark.parametrize("public", [True, False])
def test_a_stream_ends_with_its_key(location: LedgerLocation, reader: Connection, public: bool) -> None:
    """Where reads are not public a key is needed. A key that is revoked ends its streams, and no others."""
    alice, bob = ({"Authorization": f"Bearer {create_key(reader, name, Role.reader)}"} for name in ("alice", "bob"))
    with running(location, public_reads=public) as service:
        service.given(THX)
        if not public:
            problem_of(service.get(STREAM), 401)
        problem_of(service.get(STREAM, {"Authorization": "Bearer none"}), 401)
        with listening(service) as address, Client(address, alice) as hers, Client(address, bob) as his:
            hers.opened()
            revoke_key(reader, "alice")
            [last] = list(hers)
            assert (last.event, json.loads(last.data)["type"]) == ("unauthorised", "/problems/unauthorised")
            service.given(USA)
            assert his.take(1)[0].position == 2


def test_a_stream_ends_when_the_ledger_is_rolled_back(server: Embedded, service: Service) -> None:
    """No entry of another epoch comes under a place of this one: the stream says that it is void, and ends; who comes again with its
    place gets 409."""
    service.given(THX, USA)
    backup = Backup(server, service.location)
    service.given(INDIA)
    with listening(service) as address, Client(address, after=0) as client:
        assert [one.position for one in client.take(3)] == [1, 2, 3]
        backup.restore()
        with service.location.pool(2) as pool, Ledger(service.location, pool) as ledger:
            ledger.append(read_body({"events": [INDUS_X, party(1)]}), CLERK)
        [last] = list(client)
        told = json.loads(last.data)
        assert (last.event, told["type"]) == ("rolled-back", "/problems/rolled-back")
        assert told["current_epoch"] != last.id.partition(":")[0]
        again = service.get(STREAM, {"Last-Event-ID": last.id})
        assert problem_of(again, 409)["current_epoch"] == told["current_epoch"]


def test_streams_end_when_the_service_stops(service: Service) -> None:
    """Who reads is told, and the service does not wait for its grace to pass."""
    service.given(THX)
    with listening(service) as address:
        clients = [Client(address, after=0) for _ in range(5)]
        assert [one.take(1)[0].position for one in clients] == [1] * 5
        began = monotonic()
    assert monotonic() - began < 4  # less than GRACE_S
    for client in clients:
        assert list(client) == []
        assert client.comments[-1] == "the service stops; come again"


def test_head_ends(service: Service) -> None:
    """HEAD tells what GET would, and does not wait for a body without end."""
    service.given(THX)
    answer = service.client.head(STREAM)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_a_client_that_takes_nothing_is_cut_off(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it takes nothing little is kept for it, others read on; it is hung up on in the end, and can go on from its place."""
    monkeypatch.setattr(protocol, "STALL_S", 0.5)
    long = "x" * 20_000
    many = 300
    for start in range(0, many, 20):
        service.given(*(party(number, note=long) for number in range(start, start + 20)))
    with listening(service) as address, socket.create_connection(address) as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        lazy.sendall(f"GET {STREAM}?after=0 HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        began = lazy.recv(400)
        assert b" 200 " in began
        with Client(address, after=0) as client:
            assert [one.position for one in client.take(many)] == list(range(1, many + 1))
        hung_up = select.poll()
        hung_up.register(lazy, 0)  # nothing is read
        assert hung_up.poll(TIMEOUT_S * 1_000)
    assert client.last_id.endswith(f":{many}")


MANY = 200
EACH_BYTES = 100_000


def test_idle_readers_cost_little(service: Service, reader: Connection) -> None:
    """Many who read hold neither threads nor connections, take less than 100 KB each, and all get what is recorded."""
    service.given(THX)
    here = psutil.Process()

    def taken() -> tuple[int, int, int]:
        count = "select count(*) from pg_stat_activity where application_name = 'ledger'"
        return here.memory_info().rss, here.num_threads(), (reader.execute(count).fetchone() or (0,))[0]

    with listening(service) as address:
        first = Client(address)
        first.opened()
        before = taken()
        clients = [Client(address) for _ in range(MANY)]
        for one in clients:
            one.opened()
        rss, threads, connections = (now - then for now, then in zip(taken(), before, strict=True))
        assert rss < MANY * EACH_BYTES  # what the clients take, which are in this process, is part of it
        assert threads <= 1  # one that listens for all of them
        assert connections <= 1
        service.given(USA)
        assert [one.take(1)[0].position for one in (first, *clients)] == [2] * (MANY + 1)
        for one in (first, *clients):
            one.connection.close()


@contextmanager
def writing(service: Service, events: list[dict[str, Any]]) -> Iterator[None]:
    thread = Thread(target=lambda: [service.post(one) for one in events])
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_streams_are_whole_while_much_is_recorded(service: Service) -> None:
    """Readers who come at any moment, with or without a filter, while entries are recorded one by one: none misses one, or has
    one twice, or out of order."""
    service.given(*(party(number) for number in range(60)))
    events = [party(number) for number in range(100, 200)]
    with listening(service) as address, writing(service, events):
        clients = [Client(address, after=number * 17) for number in range(4)]
        clients.append(Client(address, after=0, type="party.registered", author="admin"))
        for number, client in enumerate(clients):
            start = number * 17 if number < 4 else 0
            assert [one.position for one in client.take(160 - start)] == list(range(start + 1, 161))
            client.connection.close()


def test_no_more_streams_than_a_process_serves(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a bound the answer is 503, and when to ask again; a place is free once another stream has ended."""
    monkeypatch.setattr(streams, "MAX_STREAMS", 1)
    service.given(THX)
    with listening(service) as address:
        with Client(address) as client:
            client.opened()
            refused = Client(address)
            assert (refused.response.status, refused.response.headers["retry-after"]) == (503, "1")
            refused.connection.close()
        until(lambda: Client(address).response.status == 200)


def test_a_stream_ends_with_its_connection_whatever_was_asked_behind_it(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the client has sent another request, which waits for the end of the stream (pipelining)."""
    monkeypatch.setattr(streams, "MAX_STREAMS", 1)
    monkeypatch.setattr(streams, "KEEP_ALIVE_S", 10 * TIMEOUT_S)
    service.given(THX)
    with listening(service) as address:
        with socket.create_connection(address, timeout=TIMEOUT_S) as first:
            first.sendall(
                "".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n" for path in (STREAM, "/v1/health")).encode()
            )
            assert b" 200 " in first.recv(400)
        until(lambda: Client(address).response.status == 200)
