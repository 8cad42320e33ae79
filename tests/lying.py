"""A service that stands before an honest one, and tells some things otherwise."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from pydantic_core import from_json, to_json

Lie = Callable[[str, Any], int | None]
"""Changes a JSON document that is answered at a path; answers a status instead of 200, where it returns one."""


@contextmanager
def lying(address: str, lie: Lie) -> Iterator[str]:
    """Where what a service answers is told otherwise; what is no JSON goes through as it is."""

    class Teller(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = {name: self.headers[name] for name in ("Authorization",) if name in self.headers}
            try:
                with urlopen(Request(address + self.path, headers=given)) as answer:
                    status, body = answer.status, answer.read()
            except HTTPError as error:
                status, body = error.code, error.read()
            if self.path.startswith("/v1/"):
                document = from_json(body)
                status = lie(self.path, document) or status
                body = to_json(document)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Teller)
    Thread(target=server.serve_forever).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
