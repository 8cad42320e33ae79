"""Receivers of webhooks on real ports, and the deliverer in a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic, sleep

from ledger.database.connection import LedgerLocation
from ledger.process import beside

PATIENCE_S = 30.0
DELIVERER = """
import sys
from ipaddress import ip_network
from pathlib import Path
from threading import Event

from ledger.database.connection import LedgerLocation
from projections.webhooks.addresses import Allowed
from projections.webhooks.deliverer import deliver
from projections.webhooks.signing import SecretKey

location = LedgerLocation(sys.argv[1], sys.argv[2])
deliver(location, SecretKey.read(Path(sys.argv[3])), Allowed(True, (ip_network("127.0.0.0/8"),)), "/ledgers/test", Event())
"""


@dataclass
class Got:
    """A request as it came."""

    path: str
    headers: Mapping[str, str]
    body: str

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """Takes what comes, unless ``answer`` says otherwise: it is given a request, and returns a status and a body; None hangs up."""

    answer: Callable[[Got], tuple[int, bytes] | None] = lambda _: (204, b"")
    got: list[Got] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)
    port: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?to=us"

    def ids(self) -> list[str]:
        with self.lock:
            return [one.id for one in self.got]

    def wait(self, count: int) -> list[Got]:
        """The requests, once there are so many."""
        wait_until(lambda: len(self.got) >= count)
        return list(self.got)


def wait_until(is_so: Callable[[], object]) -> None:
    deadline = monotonic() + PATIENCE_S
    while not is_so():
        assert monotonic() < deadline
        sleep(0.01)


@contextmanager
def receiving(receiver: Receiver) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            got = Got(self.path, dict(self.headers), body)
            with receiver.lock:
                receiver.got.append(got)
            answered = receiver.answer(got)
            if answered is None:
                self.close_connection = True
                return
            status, said = answered
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(said))} | receiver.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # who sent it has gone

    server = Server(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def deliverer(location: LedgerLocation, key: Path) -> Iterator[Callable[[], None]]:
    """A deliverer in a process of its own; what is yielded kills it."""
    running = subprocess.Popen(
        [sys.executable, "-c", DELIVERER, location.dsn, location.schema, key], cwd=Path(__file__).parents[1]
    )

    def kill() -> None:
        os.kill(running.pid, signal.SIGKILL)
        running.wait(20)

    try:
        yield kill
    finally:
        if running.poll() is None:
            kill()


@contextmanager
def in_a_thread(target: Callable[[Event], None]) -> Iterator[Event]:
    stop = Event()
    with beside(stop, Thread(target=target, args=(stop,))):
        yield stop
