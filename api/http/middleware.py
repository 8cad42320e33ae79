"""What holds for every request, whatever the framework then makes of it."""

import re
from asyncio import CancelledError, get_running_loop, timeout_at
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from secrets import token_hex

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.types import Message, Receive, Scope, Send

from api.http.addresses import data_of, is_lines, offered
from api.http.compression import Compressing, coding_of, varying
from api.http.dependencies import AppState, admit, tell_again
from api.http.problems import CROSS_SITE, UNAVAILABLE, BodyLate, NotAcceptable, document, on_ledger_error
from api.http.response_cache import CachedResponse, Question, RequestContext, Said
from api.http.sessions import is_cross_site
from api.http.sharing import on_options, shared
from ledger.errors import Denied, NotFound, Unavailable

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
ARRIVAL_S = 10.0
"""How long the body of a request may take to arrive."""
Headers = dict[bytes, bytes]


class Body:
    """The body of a request, as it comes, and whether all has come that is waited for."""

    def __init__(self, receive: Receive) -> None:
        self.receive_next, self.whole = receive, False
        self.until = get_running_loop().time() + ARRIVAL_S

    async def receive(self) -> Message:
        """Raises BodyLate."""
        try:
            async with timeout_at(self.until):
                message = await self.receive_next()
        except TimeoutError:
            self.whole = True
            raise BodyLate(f"the body did not arrive within {ARRIVAL_S:g} s; send it again") from None
        self.whole = not message.get("more_body")
        return message

    async def drop(self) -> None:
        """Hear out who was answered early: a client that is cut off while it sends does not get to read why."""
        with suppress(BodyLate, CancelledError):
            while not self.whole:
                await self.receive()


class Answer:
    """The answer to a request on its way out: with the request's id and the epoch, and not done before the body is.

    ``body`` is None where none is waited for.
    """

    __slots__ = ("app_state", "begun", "body", "scope", "send_next")

    def __init__(self, scope: Scope, body: Body | None, send: Send, app_state: AppState) -> None:
        self.scope, self.body, self.send_next, self.app_state = scope, body, send, app_state
        self.begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begin(message)
        elif self.body and not self.body.whole:
            await self.send_next({**message, "more_body": True})
            await self.body.drop()
            message = {"type": "http.response.body"}
        await self.send_next(message)

    def _begin(self, message: Message) -> None:
        self.begun, context = True, self.scope["context"]
        headers = [*message["headers"], (b"request-id", self.scope["request_id"].encode())]
        looked_up = context.looked_up.watermarks.epoch if context.looked_up else self.app_state.readers.rollbacks.epoch
        if epoch := context.epoch or looked_up:
            headers.append((b"ledger-epoch", epoch.encode()))
        if self.app_state.settings.public_reads:
            headers = shared(headers, self.scope)
        message["headers"] = varying(headers, b"Accept") if context.negotiated else headers


def joined(given: Sequence[tuple[bytes, bytes]]) -> Headers:
    """The headers by name; what is given line by line is one list (RFC 9110, section 5.3)."""
    headers: Headers = dict(given)
    if len(headers) < len(given):
        lines = dict[bytes, list[bytes]]()
        for name, value in given:
            lines.setdefault(name, []).append(value)
        return {name: b", ".join(values) for name, values in lines.items()}
    return headers


def _as_wanted(scope: Scope, headers: Headers) -> Scope:
    """The request for the data at the address of a page, in the format that is wanted; any other as it is. Raises NotAcceptable."""
    path, accept = scope["path"], headers.get(b"accept", b"").decode("latin-1")
    scope["context"].negotiated = bool(offered(path))
    scope["context"].as_lines = is_lines(path, accept)
    answering = data_of(path, accept)
    if answering == path:
        return scope
    headers.pop(b"accept", None)  # the path says it now
    return dict(scope, path=answering, headers=[one for one in scope["headers"] if one[0] != b"accept"])


class Middleware:
    """Each request has an id, the caller's own where that is sound; each answer tells the epoch of the ledger that it
    rests on, or else the last that was heard of; HEAD is GET without a body; and an answer that was given before, and is
    still true, is given again from here."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        # Counted, as chance for each would be a system call, at which a busy process hands over to its other threads.
        self.process, self.numbers = token_hex(8), count(1)

    @property
    def app_state(self) -> AppState:
        found: AppState = self.app.state.app_state
        return found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = joined(scope["headers"])
        given = headers.get(b"request-id", b"")
        scope["request_id"] = given.decode() if REQUEST_ID.fullmatch(given) else f"{self.process}-{next(self.numbers)}"

        reading = scope["method"] in ("GET", "HEAD", "OPTIONS")
        scope["context"] = RequestContext(is_head=scope["method"] == "HEAD")
        body = None if reading else Body(receive)
        coding = coding_of(headers.get(b"accept-encoding", b"").decode("latin-1"))
        answer = Answer(scope, body, send, self.app_state)
        compressing = Compressing(answer.send, coding, scope["context"])
        try:
            if body and b"authorization" not in headers and is_cross_site(headers):
                told = "a browser says that a page of another site sends this"
                await document(CROSS_SITE, told, Request(scope))(scope, body.receive, compressing.send)
                return
            if scope["method"] == "OPTIONS":
                await self._options(scope)(scope, receive, compressing.send)
                return
            self._sign_in(scope, headers)
            scope["context"].has_key = b"authorization" in headers
            if body is None:
                await self._read(scope, headers, receive, compressing)
            else:
                await self.app(scope, body.receive, compressing.send)
        except CancelledError:  # the server stops, and waits no longer
            if not answer.begun:
                await document(UNAVAILABLE, "the service stops", Request(scope))(scope, receive, compressing.send)

    def _options(self, scope: Scope) -> Response:
        try:
            scope = dict(scope, path=data_of(scope["path"], ""))
            return on_options(self.app, scope, public=self.app_state.settings.public_reads)
        except NotFound as error:
            return on_ledger_error(Request(scope), error)

    def _sign_in(self, scope: Scope, headers: Headers) -> None:
        """In a session the key is the one that was signed in with, unless another comes with the request."""
        if b"authorization" in headers or b"cookie" not in headers:
            return
        if key := self.app_state.sessions.key(headers[b"cookie"]):
            headers[b"authorization"] = b"Bearer " + key.encode()
            scope["headers"] = [*scope["headers"], (b"authorization", headers[b"authorization"])]
            scope["context"].in_session = True

    async def _read(self, scope: Scope, headers: Headers, receive: Receive, compressing: Compressing) -> None:
        """In a session pages show whose it is: nothing that was kept is given, and nothing is kept."""
        try:
            scope = _as_wanted(scope, headers)
        except NotAcceptable as error:
            await on_ledger_error(Request(scope), error)(scope, receive, compressing.send)
            return
        context: RequestContext = scope["context"]
        asked = Question(scope["path"], scope["query_string"], context.as_lines, compressing.coding)
        cached = await self._cached(asked, headers, context)
        if isinstance(cached, CachedResponse):  # as it was sent, compressed
            await cached.send(compressing.send_next, headers.get(b"if-none-match", b"").decode("latin-1"))
            return
        if cached:
            await tell_again(Request(dict(scope, app=self.app)), cached)(scope, receive, compressing.send)
        else:
            # A copy: the server leaves the body out because it still knows that HEAD was asked for.
            await self.app(dict(scope, method="GET"), receive, compressing.send)
        if context.cached and not context.in_session:
            self.app_state.cache.keep(asked, context.cached)

    async def _cached(self, asked: Question, headers: Headers, context: RequestContext) -> CachedResponse | Said | None:
        """The answer, if one is kept that is as it was; or what it says, if that is still so."""
        cache, touched = self.app_state.cache, self.app_state.readers.touched
        if context.in_session or not cache.holds(asked) or not await self._admitted(headers, context):
            return None
        assert context.looked_up is not None
        kept = cache.kept(asked, sees_names=context.sees_names)
        fresh = next((one for one in kept if one.is_fresh(context.looked_up)), None)
        return fresh or next(filter(None, [one.still_says(context.looked_up, touched) for one in kept]), None)

    async def _admitted(self, headers: Headers, context: RequestContext) -> bool:
        """Whether the reader may see what was kept. Who may not is told so further in."""
        given = headers.get(b"authorization")
        with suppress(Denied, Unavailable):
            await admit(self.app_state, None if given is None else given.decode("latin-1"), context)
            return True
        return False
