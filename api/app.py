"""The composition root: settings in, an application out. Nobody imports it but the command line and the server."""

import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from errno import EADDRINUSE
from functools import cache, partial
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess
from operator import attrgetter
from threading import Thread, current_thread, main_thread
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp

from api.http import problems, shapes
from api.http.auth import ensure_admin_key
from api.http.dependencies import AppState, Strict
from api.http.examples import READS
from api.http.lookup import CoalescedLookup, RollbackWatch
from api.http.middleware import Middleware
from api.http.protocol import AT_SHUTDOWN, BoundedProtocol
from api.http.relay import Relay
from api.http.response_cache import Cache
from api.http.routes import anomalies, downloads, due, erasures, events, health, log, states, stream, webhooks
from api.http.sessions import Sessions
from api.http.streams import Streams
from api.pages import errors, overview, signing_in, vocabulary
from api.pages import log as log_pages
from api.pages import routes as pages
from api.pages.forms import correcting
from api.pages.forms import routes as forms
from ledger.database.connection import LedgerLocation, Pool, is_read_only
from ledger.database.migrations import check_schema
from ledger.errors import Unavailable, in_words
from ledger.log.epoch import erase_again
from ledger.process import tune_gc
from ledger.service import Ledger
from ledger.settings import Settings, read_settings
from projections.queries import Queries

POOL_SIZE = 16
GRACE_S = 5
"""How long the service waits, when it is to stop, for answers that are under way."""
DESCRIPTION = """
What happened in partnerships between states and organisations, each fact an immutable, sourced entry; and what the
state of each initiative is, was, and was known to be.

Every read takes `known_at` (a position or a time: what the ledger knew) and `valid_at` (a day: when it was so in the
world), and repeats them as `basis`. `min_position` waits until a position can be read.

`Ledger-Epoch` names the ledger's epoch, which ends when the ledger is rolled back. A position may be told with it, as
`EPOCH:N`: in another epoch it gets 409.
"""

PAGES = (
    overview.router, vocabulary.router, *pages.routers, log_pages.router, signing_in.router, forms.router,
    correcting.router,
)  # fmt: skip
"""The routers of pages, beside their pictures."""


def build(settings: Settings, location: LedgerLocation) -> Middleware:
    """The service on a ledger whose schema is ready."""
    app = FastAPIOffline(
        title="Partnership ledger", version="1", description=DESCRIPTION, lifespan=_lifespan(settings, location),
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"}, openapi_url="/v1/openapi.json",
        redirect_slashes=False, docs_url="/api", redoc_url=None, webhooks=webhooks.router,
        generate_unique_id_function=attrgetter("name"),
    )  # fmt: skip
    app.router.route_class = Strict
    problems.install(app)
    errors.install(app)
    for router in (
        stream.router, events.appends, events.router, events.types, erasures.router, *states.routers, due.router, log.log, log.router, health.router,
        anomalies.router, *pages.pictures, downloads.router, *PAGES,
    ):  # fmt: skip
        app.include_router(router)
    app.add_api_route("/docs", lambda: RedirectResponse("/api"), include_in_schema=False)
    app.add_api_route("/openapi.json", lambda: JSONResponse(app.openapi()), include_in_schema=False)
    app.openapi = cache(partial(_describe, app.openapi))  # type: ignore[method-assign]
    return Middleware(app)


def _describe(plain: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The OpenAPI document, with the shapes that the framework does not know of."""
    document = plain()
    document["components"]["schemas"] |= shapes.components()
    for path, examples in READS.items():  # here, as the framework leaves out what is null
        document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["examples"] = examples
    return document


def _lifespan(
    settings: Settings, location: LedgerLocation
) -> Callable[[FastAPI], AbstractAsyncContextManager[dict[str, Any]]]:
    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        with location.within(settings.read_timeout_s).pool(POOL_SIZE) as pool:
            with location.connect() as connection:
                check_schema(connection, location)
                if not is_read_only(connection):
                    erase_again(connection)  # a backup that was restored may hold the names
                if settings.admin_key:
                    ensure_admin_key(connection, settings.admin_key.get_secret_value())
            rollbacks = RollbackWatch(location)
            async with (
                CoalescedLookup(location, rollbacks, watermarks=True) as readers,
                CoalescedLookup(location, rollbacks, watermarks=False) as writers,
            ):
                await readers.look_up(None)  # from the first answer on, the epoch is known
                with _ledger(settings, location, pool) as ledger:
                    streams = Streams(location, pool, readers)
                    app.state.app_state = AppState(
                        location,
                        settings,
                        ledger,
                        Queries(pool),
                        readers,
                        writers,
                        Relay(),
                        Cache(),
                        streams,
                        Sessions(settings.session_secret),
                    )
                    yield {AT_SHUTDOWN: streams.stop}

    return run


def _ledger(settings: Settings, location: LedgerLocation, pool: Pool) -> Ledger:
    patience_s, tolerance_s = settings.append_deadline_s, settings.clock_tolerance
    return Ledger(location, pool, settings.name, settings.address, patience_s=patience_s, tolerance_s=tolerance_s)


def from_environment() -> Middleware:
    """For servers that start several processes: each builds its own, and none serves on without the one that started it."""
    if parent := parent_process():
        Thread(target=_go_with, args=[parent], daemon=True, name="parent").start()
    settings = read_settings()
    app = build(settings, LedgerLocation.from_settings(settings))
    tune_gc()
    return app


def _go_with(parent: BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def listen(settings: Settings) -> socket.socket:
    """The address to serve at, taken before anything is started. Raises Unavailable."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        advice = "; set LEDGER_PORT to another (0 takes any that is free)" if error.errno == EADDRINUSE else ""
        raise Unavailable(f"cannot serve at {settings.host}, port {settings.port}: {in_words(error)}{advice}") from None
    # asyncio sets this only where it made the socket itself; without it every answer waits 40 ms for an ACK
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def at_its_port(settings: Settings, listener: socket.socket) -> Settings:
    """The settings, with the port that was taken where any would do: its address is recorded."""
    return settings.model_copy(update={"port": listener.getsockname()[1]})


def server_config(app: ASGIApp | str, **more: Any) -> uvicorn.Config:
    """How the service is served, by one process or several."""
    # A line for each request would take a third of the time; who wants one has it from the proxy in front.
    return uvicorn.Config(app, http=BoundedProtocol, access_log=False, timeout_graceful_shutdown=GRACE_S, **more)


def serve_on(app: ASGIApp, listener: socket.socket, log_level: str) -> None:
    """Serve until a signal comes; once the service has stopped, that does what it does elsewhere."""
    tune_gc()
    Server(server_config(app, log_level=log_level)).run(sockets=[listener])


class Server(uvicorn.Server):
    """Stops in order at SIGHUP, too, unless that is ignored, as after `nohup`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():  # which raises those that came again at its end
            usual = signal.getsignal(signal.SIGHUP)
            if usual is signal.SIG_IGN or current_thread() is not main_thread():
                yield
                return
            signal.signal(signal.SIGHUP, self.handle_exit)
            try:
                yield
            finally:
                signal.signal(signal.SIGHUP, usual)
