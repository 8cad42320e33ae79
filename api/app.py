"""The composition root: settings in, an application out. Nobody imports it but the command line and the server."""

import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import cache, partial
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from fastapi_offline import FastAPIOffline
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid6 import uuid7

from api import events, health, problems, reads, shapes
from api.auth import ensure_admin_key
from api.cache import Cache, Visit, asked_by
from api.examples import READS
from api.house import House, admit
from api.porter import Porter
from ledger.errors import Denied, Misconfigured, Unavailable
from ledger.postgres import Place, check_schema
from ledger.service import Ledger
from ledger.settings import Settings, read_settings
from projections.read import Reads

POOL_SIZE = 16
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
DESCRIPTION = """
What happened in partnerships between states and organisations, each fact an immutable, sourced entry; and what the
state of each initiative is, was, and was known to be.

Every read takes `known_at` (a position or a time: what the ledger knew) and `valid_at` (a day: when it was so in the
world), and repeats them as `basis`.
"""


def build(settings: Settings, place: Place) -> FastAPI:
    """The service on a ledger whose schema is ready."""
    app = FastAPIOffline(
        title="Partnership ledger", version="1", description=DESCRIPTION, lifespan=_lifespan(settings, place),
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"}, openapi_url="/v1/openapi.json",
        redirect_slashes=False,
    )  # fmt: skip
    problems.install(app)
    app.add_middleware(Doorstep)
    for router in (events.router, *reads.routers, health.router):
        app.include_router(router)
    app.add_api_route("/", lambda: RedirectResponse("/docs"), include_in_schema=False)
    app.openapi = cache(partial(_describe, app.openapi))  # type: ignore[method-assign]
    return app


def _describe(plain: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The OpenAPI document, with the shapes that the framework does not know of."""
    document = plain()
    document["components"]["schemas"] |= shapes.components()
    for path, examples in READS.items():  # here, as the framework leaves out what is null
        document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["examples"] = examples
    return document


def _lifespan(settings: Settings, place: Place) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        with place.pool(POOL_SIZE) as pool:
            with pool.connection() as connection:
                check_schema(connection, place)
                if settings.admin_key:
                    ensure_admin_key(connection, settings.admin_key.get_secret_value())
            async with Porter(place, standing=True) as readers, Porter(place, standing=False) as writers:
                with Ledger(place, pool, settings.name) as ledger:
                    app.state.house = House(place, settings, ledger, Reads(pool), readers, writers, Cache())
                    yield

    return run


def from_environment() -> FastAPI:
    """For servers that start several processes: each builds its own."""
    settings = read_settings()
    if settings.dsn is None:
        raise Misconfigured("LEDGER_DSN is not set: a service of several processes needs a server of its own")
    return build(settings, Place(settings.dsn.get_secret_value(), settings.schema_))


def listen(settings: Settings) -> socket.socket:
    """The address to serve at, taken before anything is started. Raises Unavailable."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        why = str(error.strerror).partition(" (")[0]
        raise Unavailable(f"cannot serve at {settings.host}, port {settings.port}: {why}") from None
    # asyncio sets this only where it made the socket itself; without it every answer waits 40 ms for an ACK
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def serve_on(app: FastAPI, listener: socket.socket, log_level: str) -> None:
    """Serve until interrupted."""
    with suppress(KeyboardInterrupt):  # by now the service has stopped
        uvicorn.Server(uvicorn.Config(app, log_level=log_level)).run(sockets=[listener])


class Doorstep:
    """What holds for every request: it has an id, the caller's own where that is sound; HEAD is GET without a body; and
    an answer that was given before, and is still true, is given again from here."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("request-id", "")
        scope["request_id"] = given if REQUEST_ID.fullmatch(given) else uuid7().hex

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Request-Id"] = scope["request_id"]
            await send(message)

        if scope["method"] in ("GET", "HEAD"):
            await self._read(scope, headers, receive, send_with_id)
        else:
            await self.app(scope, receive, send_with_id)

    async def _read(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        here: House = scope["app"].state.house
        asked, visit = asked_by(scope, headers), Visit()
        kept = here.cache.get(asked)
        if kept and await _admitted(here, headers, visit) and visit.told and kept.holds(visit.told):
            await kept.send(send, headers.get("if-none-match", ""))
            return
        # A copy: the server leaves the body out because it still knows that HEAD was asked for.
        await self.app(dict(scope, method="GET", visit=visit), receive, send)
        if visit.kept:
            here.cache.keep(asked, visit.kept)


async def _admitted(here: House, headers: Headers, visit: Visit) -> bool:
    """Whether the reader may see what was kept. Who may not is told so further in."""
    with suppress(Denied, Unavailable):
        await admit(here, headers.get("authorization"), visit)
        return True
    return False
