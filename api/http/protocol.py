"""HTTP/1.1 as uvicorn speaks it, with a time within which the head of a request has to arrive, and one within which some of an
answer has to be taken."""

from asyncio import BaseTransport, TimerHandle
from socket import SO_LINGER, SOL_SOCKET
from struct import pack

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 10.0
"""As long as a body has (408 ``body-late``): a connection whose request never begins, or whose headers never end, is closed."""
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

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_there()
        self._goes_on()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_is_there()
        self._expect_head()

    def on_headers_complete(self) -> None:
        self._head_is_there()
        super().on_headers_complete()

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
