"""HTTP/1.1 as uvicorn speaks it, with a size that the head of a request may have, a time within which it has to arrive, and one
within which some of an answer has to be taken."""

from asyncio import BaseTransport, TimerHandle
from socket import SO_LINGER, SOL_SOCKET
from struct import pack

from pydantic_core import to_json
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.http.problems import HEAD_TOO_LARGE, MEDIA_TYPE

HEAD_S = 10.0
"""As long as a body has (408 ``body-late``): a connection whose request never begins, or whose headers never end, is closed."""
MAX_HEAD_BYTES = 65_536
"""What the lines of a request's head, trailers among them, may come to; and so long may be what is read of it without a header, or
a part of the body, having come to its end."""
MAX_FIELDS = 100
"""How many headers a request may have, trailers among them: as many as common servers take."""
AROUND = len(": \r\n")
"""What a line of the head has beside name and value, or around the address."""
STALL_S = 20.0
"""A client that takes nothing of what waits for it for so long is cut off."""
AT_ONCE = pack("ii", 1, 0)
AT_SHUTDOWN = "at_shutdown"
"""By this name the application's state holds what is to be done once the server has been told to stop, for answers that do
not end by themselves. It may be done more than once."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn bounds how long a connection stands idle between two requests, and neither how long a head takes, nor an answer."""

    head_due: TimerHandle | None = None
    stalled: TimerHandle | None = None
    head_bytes = 0
    fields = 0
    unfinished_bytes = 0
    is_in_head = False
    is_refused = False
    running: RequestResponseCycle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_there()
        self._goes_on()
        # uvicorn tells only the last request, which waits for the running one where several came at once
        if self.running is not None:
            self.running.disconnected = True
            self.running.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.is_refused:
            return  # a client that is cut off while it sends does not get to read why
        self.unfinished_bytes += len(data)
        super().data_received(data)
        if self.unfinished_bytes > MAX_HEAD_BYTES and not self.is_refused and not self.transport.is_closing():
            self.send_400_response("")
        elif self.head_due is None and not self.is_refused and self._awaits_head():
            self._expect_head()  # most heads are there at once

    def _awaits_head(self) -> bool:
        """Whether a head has begun, or may as well have: empty lines before one do not begin it, and end uvicorn's own wait for it."""
        return self.is_in_head or self.cycle is None or self.cycle.response_complete

    def _may_answer(self) -> bool:
        """Whether what is read now is of a request whose turn it is, and nothing has been said to it."""
        if self.cycle is None or self.cycle.response_complete:
            return True
        return self.cycle is self.running and self.cycle.more_body and not self.cycle.response_started

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.is_in_head = True
        self.head_bytes = self.fields = 0
        self._head_is_there()

    def on_url(self, url: bytes) -> None:
        self._count(len(url) + AROUND)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.unfinished_bytes = 0
        self.fields += 1
        self._count(len(name) + len(value) + AROUND)
        super().on_header(name, value)

    def _count(self, size: int) -> None:
        self.head_bytes += size
        if self._has_too_much():
            raise ValueError("the head is too large")  # it is told in ``send_400_response``

    def _has_too_much(self) -> bool:
        return self.head_bytes > MAX_HEAD_BYTES or self.fields > MAX_FIELDS

    def on_body(self, body: bytes) -> None:
        self.unfinished_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.unfinished_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """To what is no HTTP, and to a head that is too large. As long as an earlier request has no whole answer, this would be
        taken for it, or for a part of it: the connection is closed."""
        is_small = self.unfinished_bytes <= MAX_HEAD_BYTES and not self._has_too_much()
        if is_small and self._may_answer():
            super().send_400_response(msg)
            return
        self.is_refused = True
        if not is_small and self._awaits_head() and self._may_answer() and self.transport.can_write_eof():
            self.transport.write(_head_too_large())
            self.transport.write_eof()
            self._head_is_there()
            self._expect_head()  # it is closed then, or once the client is done
        else:
            self.transport.close()

    def on_headers_complete(self) -> None:
        self.is_in_head = False
        self.unfinished_bytes = 0
        self._head_is_there()
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self.running = cycle
        super()._start_asgi_task(cycle, app)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_less(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        self._goes_on()
        super().resume_writing()

    def shutdown(self) -> None:
        if at_shutdown := self.app_state.get(AT_SHUTDOWN):
            at_shutdown()
        super().shutdown()

    def _expect_head(self) -> None:
        self.head_due = self.loop.call_later(HEAD_S, self.transport.close)

    def _head_is_there(self) -> None:
        if self.head_due is not None:
            self.head_due.cancel()
            self.head_due = None

    def _expect_less(self, waiting: int) -> None:
        self.stalled = self.loop.call_later(STALL_S, self._look_at, waiting)

    def _look_at(self, waiting: int) -> None:
        """``waiting`` bytes waited for the client, STALL_S ago."""
        now = self.transport.get_write_buffer_size()
        if now < waiting:
            self._expect_less(now)
        else:
            # without it the system would go on to offer what it holds itself, megabytes for each client
            self.transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, AT_ONCE)
            self.transport.abort()

    def _goes_on(self) -> None:
        if self.stalled is not None:
            self.stalled.cancel()
            self.stalled = None


def _head_too_large() -> bytes:
    """The answer that says so."""
    told = HEAD_TOO_LARGE
    detail = f"the address and the headers have more than {MAX_HEAD_BYTES:,} bytes, or there are more than {MAX_FIELDS} headers; send fewer, or shorter ones"
    body = to_json({"type": told.type, "title": told.title, "status": told.status, "detail": detail})
    head = f"HTTP/1.1 {told.status} {told.title}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return head.encode() + body
