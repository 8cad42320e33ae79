"""What holds for every request, whatever the framework then makes of it."""

import re
from contextlib import suppress
from itertools import count
from secrets import token_hex

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from api.cache import Visit, asked_by
from api.house import House, admit
from ledger.errors import Denied, Unavailable

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
Headers = dict[bytes, bytes]


class Doorstep:
    """Each request has an id, the caller's own where that is sound; each answer tells the epoch of the ledger that it
    rests on; HEAD is GET without a body; and an answer that was given before, and is still true, is given again from
    here."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        # Counted, as chance for each would be a system call, at which a busy process hands over to its other threads.
        self.process, self.numbers = token_hex(8), count(1)

    @property
    def house(self) -> House:
        found: House = self.app.state.house
        return found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers: Headers = dict(reversed(scope["headers"]))  # where one is given twice, the first counts
        given = headers.get(b"request-id", b"")
        scope["request_id"] = given.decode() if REQUEST_ID.fullmatch(given) else f"{self.process}-{next(self.numbers)}"

        visit = scope["visit"] = Visit()

        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = MutableHeaders(scope=message)
                more["Request-Id"] = scope["request_id"]
                if epoch := visit.epoch or (visit.told and visit.told.standing.epoch):
                    more["Ledger-Epoch"] = epoch
            await send(message)

        if scope["method"] in ("GET", "HEAD"):
            await self._read(scope, headers, receive, send_more)
        else:
            await self.app(scope, receive, send_more)

    async def _read(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        asked, visit = asked_by(scope, headers.get(b"accept", b"")), scope["visit"]
        kept = self.house.cache.get(asked)
        if kept and await self._admitted(headers, visit) and visit.told and kept.holds(visit.told):
            await kept.send(send, headers.get(b"if-none-match", b"").decode("latin-1"))
            return
        # A copy: the server leaves the body out because it still knows that HEAD was asked for.
        await self.app(dict(scope, method="GET"), receive, send)
        if visit.kept:
            self.house.cache.keep(asked, visit.kept)

    async def _admitted(self, headers: Headers, visit: Visit) -> bool:
        """Whether the reader may see what was kept. Who may not is told so further in."""
        given = headers.get(b"authorization")
        with suppress(Denied, Unavailable):
            await admit(self.house, None if given is None else given.decode("latin-1"), visit)
            return True
        return False
