"""The composition root: settings in, an application out. Nobody imports it but the command line and the server."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from fastapi_offline import FastAPIOffline
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid6 import uuid7

from api import events, health, problems, reads
from api.auth import ensure_admin_key
from api.house import House
from ledger.errors import Misconfigured
from ledger.postgres import Place, check_schema
from ledger.service import Ledger
from ledger.settings import Settings, read_settings
from projections.read import Reads

POOL_SIZE = 16
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
    )  # fmt: skip
    problems.install(app)
    app.add_middleware(RequestId)
    for router in (events.router, *reads.routers, health.router):
        app.include_router(router)
    app.add_api_route("/", lambda: RedirectResponse("/docs"), include_in_schema=False)
    return app


def _lifespan(settings: Settings, place: Place) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        with place.pool(POOL_SIZE) as pool:
            with pool.connection() as connection:
                check_schema(connection, place)
                if settings.admin_key:
                    ensure_admin_key(connection, settings.admin_key.get_secret_value())
            with Ledger(place, pool, settings.name) as ledger:
                app.state.house = House(place, settings, ledger, Reads(pool))
                yield

    return run


def from_environment() -> FastAPI:
    """For servers that start several processes: each builds its own."""
    settings = read_settings()
    if settings.dsn is None:
        raise Misconfigured("LEDGER_DSN is not set: a service of several processes needs a server of its own")
    return build(settings, Place(settings.dsn.get_secret_value(), settings.schema_))


class RequestId:
    """Gives each request an id, the caller's own where it sends a sound one, and says it in the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("request-id", "")
        scope["request_id"] = given if given.isalnum() and len(given) <= 64 else uuid7().hex

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Request-Id"] = scope["request_id"]
            await send(message)

        await self.app(scope, receive, send_with_id)
