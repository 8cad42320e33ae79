"""A client of the service in this process that hands a request over whole and takes the answer whole.

Starlette's own lets a test look on while an answer is sent, for which it changes threads eight times; this one does so once. What
is streamed, by ``client.stream``, goes by Starlette's.
"""

from asyncio import Event
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import unquote

from httpx2 import BaseTransport, Request, Response
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message

STREAMED = "streamed"


class Client(TestClient):
    """Whatever the application does, a client is answered; and it is led nowhere else."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, raise_server_exceptions=False, follow_redirects=False)
        self._transport = _Whole(self, self._transport)

    @contextmanager
    def stream(self, *args: Any, **options: Any) -> Iterator[Response]:
        with super().stream(*args, **options, extensions={STREAMED: True}) as response:
            yield response


class _Whole(BaseTransport):
    """Within the client's block, whose application has been started."""

    def __init__(self, client: Client, in_steps: BaseTransport) -> None:
        self.client, self.in_steps = client, in_steps

    def handle_request(self, request: Request) -> Response:
        if self.client.portal is None or STREAMED in request.extensions:
            return self.in_steps.handle_request(request)
        told = self.client.portal.call(
            _exchange, self.client.app, _scope(request, self.client.app_state), request.read()
        )
        return _answer(told, request)

    def close(self) -> None:
        self.in_steps.close()


async def _exchange(app: ASGIApp, scope: dict[str, Any], body: bytes) -> list[Message]:
    """All that the application sends; it hears that the client has gone once it has sent all."""
    asked: list[Message] = [{"type": "http.request", "body": body}]
    told: list[Message] = []
    complete = Event()

    async def receive() -> Message:
        if asked:
            return asked.pop()
        await complete.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        told.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            complete.set()

    with suppress(Exception):  # what was sent until then is the answer, as on a connection
        await app(scope, receive, send)
    return told


def _scope(request: Request, state: Mapping[str, Any]) -> dict[str, Any]:
    url = request.url
    return {
        "type": "http",
        "http_version": "1.1",
        "method": request.method,
        "path": unquote(url.path),
        "raw_path": url.raw_path.split(b"?", 1)[0],
        "root_path": "",
        "scheme": url.scheme,
        "query_string": url.query,
        "headers": [(name.lower().encode(), value.encode()) for name, value in request.headers.multi_items()],
        "client": ("testclient", 50000),
        "server": [url.raw_host.decode("ascii"), url.port or {"http": 80, "https": 443}[url.scheme]],
        "extensions": {},
        "state": {**state},
    }


def _answer(told: list[Message], request: Request) -> Response:
    if not told:
        return Response(500, request=request)
    first, *rest = told
    assert first["type"] == "http.response.start"
    assert {message["type"] for message in rest} <= {"http.response.body"}
    assert not [one for one in rest[:-1] if not one.get("more_body")], "something was sent after the end"
    body = b"" if request.method == "HEAD" else b"".join(message.get("body", b"") for message in rest)
    headers = [(name.decode(), value.decode()) for name, value in first.get("headers", [])]
    return Response(first["status"], headers=headers, content=body, request=request)
