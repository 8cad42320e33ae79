"""A wire between client and server that can be cut at the moment that matters."""

import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Lock, Thread

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.database.connection import LedgerLocation

READY_FOR_QUERY = b"Z\0\0\0\5I"
"""How the server ends its answer, once what it was asked for is committed."""


@dataclass(frozen=True)
class Cut:
    """Cut the wire at the first message that holds ``marker``.

    ``delivered``: the server gets the message and answers it, and its answer is lost. Otherwise the message is lost.
    ``swallowed``: nothing is cut, and all the same no answer comes through any more, so that nobody notices.
    ``gone``: there is no wire from then on. ``meanwhile`` is done between the message and the cut.
    """

    marker: bytes
    delivered: bool
    swallowed: bool = False
    gone: bool = False
    meanwhile: Callable[[], object] = lambda: None


class Wire:
    """Listens on a socket in ``directory`` and passes on what it hears."""

    def __init__(self, directory: Path, target: str) -> None:
        self.directory = directory
        self.target = target
        self.was_cut = Event()
        self._cut: Cut | None = None
        self._lock = Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / ".s.PGSQL.5432"))
        self._listener.listen(64)
        Thread(target=self._accept, daemon=True).start()

    def cut(self, cut: Cut) -> None:
        self.was_cut.clear()
        self._cut = cut

    def close(self) -> None:
        """Nobody gets through any more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for pair in self._pairs:
                _hang_up(*pair)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.socket(socket.AF_UNIX)
                try:
                    server.connect(self.target)
                except OSError:
                    client.close()
                    continue
                with self._lock:
                    self._pairs.append((client, server))
                ends = (client, server, Event(), Event())
                Thread(target=self._ask, args=ends, daemon=True).start()
                Thread(target=self._answer, args=ends, daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket, lost: Event, swallowed: Event) -> None:
        heard = b""
        with suppress(OSError):
            while message := client.recv(65_536):
                heard = heard[-1_000:] + message
                with self._lock:
                    cut = self._cut if self._cut and self._cut.marker in heard else None
                    if cut:
                        self._cut = None
                if cut is None:
                    server.sendall(message)
                    continue
                cut.meanwhile()
                if cut.gone:
                    self._listener.shutdown(socket.SHUT_RDWR)
                    self._listener.close()
                if cut.swallowed:
                    swallowed.set()
                if cut.delivered:
                    lost.set()
                    server.sendall(message)
                else:
                    self.was_cut.set()
                    break
        if swallowed.is_set() or not lost.is_set():
            _hang_up(client, server)

    def _answer(self, client: socket.socket, server: socket.socket, lost: Event, swallowed: Event) -> None:
        with suppress(OSError):
            answer = b""
            while message := server.recv(65_536):
                if not lost.is_set():
                    client.sendall(message)
                    continue
                if swallowed.is_set():
                    self.was_cut.set()
                    continue
                answer += message
                if answer.endswith(READY_FOR_QUERY):
                    self.was_cut.set()
                    break
        _hang_up(client, server)


def _hang_up(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def wired(location: LedgerLocation) -> Iterator[tuple[Wire, LedgerLocation]]:
    """A wire to the server of ``location``, and the same place as it is reached through the wire."""
    host = conninfo_to_dict(location.dsn)["host"]
    with tempfile.TemporaryDirectory(prefix="wire-") as directory:
        wire = Wire(Path(directory), f"{host}/.s.PGSQL.5432")
        try:
            yield wire, replace(location, dsn=make_conninfo(location.dsn, host=directory))
        finally:
            wire.close()
