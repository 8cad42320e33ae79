"""The service on a ledger of its own, in this process, and a follower that moves when it is told to.

PYTEST_DONT_REWRITE: the modules that register these fixtures also import from here.
"""

import socket
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any

import pytest
import uvicorn
from httpx2 import Response
from psycopg import Connection as Driver
from pydantic import SecretStr

from api.app import build, listen, server_config
from api.http.response_cache import CachedResponse
from ledger.database.connection import LedgerLocation
from ledger.settings import Settings
from projections.runner import Follower
from tests.asking import Client

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor
else:
    from backports.zstd import ZstdDecompressor

ADMIN_KEY = "an-admin-key-for-tests"
ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Service:
    """The service, and how to ask it."""

    client: Client
    location: LedgerLocation
    follower: Follower

    def post(self, *events: dict[str, Any], **headers: str) -> Response:
        """Append as the admin: one event, or several at once."""
        body = events[0] if len(events) == 1 else {"events": list(events)}
        sent = ADMIN | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post("/v1/events", json=body, headers=sent)

    def given(self, *events: dict[str, Any]) -> list[dict[str, Any]]:
        """What was recorded, and is projected by now."""
        response = self.post(*events)
        assert response.status_code in (200, 201), response.text
        while self.follower.step():
            pass
        recorded: list[dict[str, Any]] = response.json()["events"]
        return recorded

    def get(self, path: str, headers: dict[str, str] | None = None, /, **params: Any) -> Response:
        return self.client.get(path, params=params or None, headers=headers)

    def size(self) -> int:
        """How many entries there are."""
        return int(self.get("/v1/health").json()["head"])


@contextmanager
def running(
    location: LedgerLocation, *, public_reads: bool = True, public_names: bool = False, read_timeout_s: float = 5
) -> Iterator[Service]:
    """The service on a place, with one admin key."""
    settings = Settings(
        admin_key=SecretStr(ADMIN_KEY),
        public_reads=public_reads,
        public_names=public_names,
        read_timeout_s=read_timeout_s,
    )
    with location.connect() as connection:
        follower = Follower(connection)
        follower.create()
        with Client(build(settings, location)) as client:
            yield Service(client, location, follower)


@pytest.fixture
def service(location: LedgerLocation) -> Iterator[Service]:
    """The service on a new, empty ledger that everybody may read."""
    with running(location) as opened:
        yield opened


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every question that this process has put to the database since, but for the look-up that all requests share."""
    found: list[Any] = []
    execute = Driver.execute

    def noted(self: Driver, query: Any, *args: Any, **options: Any) -> Any:
        if query:  # the pool asks nothing at all of a connection that may have been lost
            found.append(query)
        return execute(self, query, *args, **options)

    monkeypatch.setattr(Driver, "execute", noted)
    return found


def problem_of(response: Response, status: int) -> dict[str, Any]:
    """The problem document of an answer, which has this status and is sound."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    told: dict[str, Any] = response.json()
    assert told["status"] == status
    assert told["type"].startswith("/problems/")
    assert told["title"]
    assert told["detail"]
    assert told["request_id"] == response.headers["request-id"]
    return told


def pointers_of(response: Response, status: int = 422) -> list[str]:
    """Where the input is wrong, as the problem document says."""
    return [fault["pointer"] for fault in problem_of(response, status)["errors"]]


@contextmanager
def listening(service: Service) -> Iterator[tuple[str, int]]:
    """The same service on a port of this machine, as real clients find it."""
    settings = service.client.app.app_state.settings  # type: ignore[attr-defined]
    server = uvicorn.Server(server_config(build(settings, service.location), log_level="critical"))
    with listen(Settings(port=0)) as listener:
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def half_a_request(port: int) -> Iterator[socket.socket]:
    """An admin's append that has begun, and whose body of nine bytes is still to come."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        head = f"POST /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ADMIN_KEY}\r\nExpect: 100-continue\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n".encode())
        assert b" 100 " in connection.recv(99)  # by now it is waited for
        yield connection


def unpacked(coding: str, body: bytes) -> bytes:
    """By the decompressors that others use; nothing is left over behind, and the end is there."""
    unpacking = ZstdDecompressor() if coding == "zstd" else zlib.decompressobj(wbits=31)
    plain = unpacking.decompress(body)
    assert unpacking.eof
    assert not unpacking.unused_data
    return plain


def said(kept: CachedResponse) -> bytes:
    """What an answer says that was kept as it was sent, and what is kept of it to be told again."""
    coding = dict(kept.headers).get(b"content-encoding")
    body = unpacked(coding.decode(), kept.body) if coding else kept.body
    return body + (kept.said.body if kept.said else b"")
