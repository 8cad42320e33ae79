"""HTTP/1.1 as uvicorn speaks it, with a time within which the head of a request has to arrive."""

from asyncio import BaseTransport, TimerHandle

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 10.0
"""As long as a body has (408 ``body-late``): a connection whose request never begins, or whose headers never end, is closed."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn bounds how long a connection stands idle between two requests, and not how long a head takes."""

    head_due: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_there()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_is_there()
        self._expect_head()

    def on_headers_complete(self) -> None:
        self._head_is_there()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self.head_due = self.loop.call_later(HEAD_S, self.transport.close)

    def _head_is_there(self) -> None:
        if self.head_due is not None:
            self.head_due.cancel()
            self.head_due = None
