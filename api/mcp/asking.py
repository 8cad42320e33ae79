"""Whom the tools ask: the service of an address, or the service's own application on a database, in this process. Both answer the same."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlencode

import psycopg
from anyio import to_thread
from httpx2 import ASGITransport, AsyncClient
from pydantic_core import to_json

from api.http.problems import sort_of, told
from api.transfer.client import Answer, Client
from ledger.database.connection import LedgerLocation
from ledger.database.failures import explained
from ledger.errors import Invalid, LedgerError, Unavailable
from ledger.settings import Settings

Given = Mapping[str, Any]


class Declined(Exception):
    """The API answers with a problem, which is ``document``."""

    def __init__(self, document: bytes) -> None:
        super().__init__()
        self.document = document


class Ask(Protocol):
    """Puts a question to the API: a path below ``/v1``, and the query. Raises Declined, Unavailable."""

    async def __call__(self, path: str, query: Given, /) -> Answer: ...


class Asked(Protocol):
    """A ledger that can be asked, and the address of its pages."""

    @property
    def address(self) -> str: ...

    async def ask(self, path: str, query: Given, /) -> Answer:
        """As Ask."""

    async def refresh(self) -> None:
        """Before the questions of a tool: what was recorded by now can be read. Raises LedgerError."""


@dataclass(frozen=True)
class Remote:
    """A service, which keeps up to date by itself."""

    client: Client

    @property
    def address(self) -> str:
        return self.client.base

    async def ask(self, path: str, query: Given, /) -> Answer:
        asked = f"v1/{path}?{urlencode(query)}" if query else f"v1/{path}"
        answer = await to_thread.run_sync(self.client.ask, asked)
        return _sound(answer, self.address)

    async def refresh(self) -> None:
        pass


@asynccontextmanager
async def remote(client: Client) -> AsyncIterator[Asked]:
    yield Remote(client)


@dataclass(frozen=True)
class Local:
    """The application, without a server before it; the projections are brought up to date where no follower does it."""

    client: AsyncClient
    location: LedgerLocation
    address: str

    async def ask(self, path: str, query: Given, /) -> Answer:
        answer = await self.client.get(f"/v1/{path}", params=query)
        return _sound(Answer(answer.status_code, answer.reason_phrase, answer.headers, answer.content), self.address)

    async def refresh(self) -> None:
        await to_thread.run_sync(partial(_catch_up, self.location))


@asynccontextmanager
async def local(settings: Settings, location: LedgerLocation) -> AsyncIterator[Asked]:
    """Whoever has the database may read; who sees names of persons is for the settings, and for the key in LEDGER_KEY."""
    from api.app import build  # here, as who asks a service has no use for the application

    service = build(settings.model_copy(update={"public_reads": True, "admin_key": None}), location)
    transport = ASGITransport(service, raise_app_exceptions=False)
    headers = {"Accept-Encoding": "identity"}  # it goes nowhere
    if settings.key:
        headers["Authorization"] = f"Bearer {settings.key.get_secret_value()}"
    client = AsyncClient(transport=transport, base_url="http://ledger", headers=headers)
    async with service.app.router.lifespan_context(service.app), client:
        yield Local(client, location, settings.address)


def _catch_up(location: LedgerLocation) -> None:
    from projections.follow import catch_up

    try:
        catch_up(location)
    except psycopg.Error as error:
        raise explained(error) from None


def _sound(answer: Answer, address: str) -> Answer:
    if not answer.is_of_a_ledger:
        raise answer.of_no_ledger(address)
    if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
        raise Declined(answer.body)
    return answer


def problem_of(error: LedgerError) -> bytes:
    """An error as the API tells of it."""
    detail = error.detail if isinstance(error, Unavailable) else str(error)  # what the database says may name hosts
    more = {"errors": [fault._asdict() for fault in error.faults]} if isinstance(error, Invalid) else {}
    return to_json(told(sort_of(error), detail, **more))
