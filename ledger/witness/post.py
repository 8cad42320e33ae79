"""HTTP to one other party, a witness or whoever takes webhooks, within bounds: of time, and of what is taken in."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from socket import IPPROTO_TCP, SHUT_RDWR, TCP_NODELAY, create_connection, socket
from threading import Timer
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from ledger.errors import Misconfigured, in_words

TIMEOUT_S = 5.0
"""For a connection, and for the whole exchange."""
MAX_ANSWER = 100_000
PORTS = {"http": 80, "https": 443}
Reach = Callable[[str, int, float], socket]
"""Connects to a host and port, within so many seconds. Raises OSError, NoAnswer."""


class NoAnswer(Exception):
    """The other side did not answer as it should, or not in time. ``str`` of it says why."""


class Answer(NamedTuple):
    """What the other side says; ``type`` is the media type, without parameters."""

    status: int
    type: str
    body: bytes

    @property
    def words(self) -> str:
        """The answer for people, on one line."""
        said = " ".join(self.body.decode(errors="replace").split())
        return f"{self.status} {said[:200]!r}" if said else str(self.status)


def anywhere(host: str, port: int, timeout_s: float) -> socket:
    return create_connection((host, port), timeout_s)


class Post:
    """A connection to one party, which is kept open between requests. For one thread; ``cut`` is for any."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S, reach: Reach = anywhere) -> None:
        """``url`` is the prefix of what the other side serves. Raises Misconfigured."""
        parts = _split(url)
        self.prefix, self.timeout_s, self.late = parts.path.rstrip("/"), timeout_s, False
        assert parts.hostname is not None
        sort = _Secure if parts.scheme == "https" else _Plain
        self.connection = sort(parts.hostname, parts.port or PORTS[parts.scheme], timeout=timeout_s)
        self.connection.reach = reach

    def ask(self, method: str, path: str, body: str = "", headers: Mapping[str, str] | None = None) -> Answer:
        """Raises NoAnswer. What is redirected is not followed. A request is sent again where the connection was kept open and the other side had closed it."""
        with self._in_time():
            was_open = self.connection.sock is not None
            try:
                return self._ask(method, path, body, headers)
            except ConnectionError:
                if not was_open or self.late:
                    raise
                self.connection.close()
                return self._ask(method, path, body, headers)

    def cut(self) -> None:
        """End what is under way."""
        self.late = True
        if (sock := self.connection.sock) is not None:
            with suppress(OSError):
                socket.shutdown(sock, SHUT_RDWR)

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """An end to it all, as a byte now and then would keep each single wait short. Looking up the host's name is not cut."""
        self.late = False
        timer = Timer(self.timeout_s, self.cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (OSError, HTTPException, NoAnswer, ValueError) as error:
            self.connection.close()
            late = f"no answer within {self.timeout_s:g} s"
            raise NoAnswer(late if self.late or isinstance(error, TimeoutError) else _why(error)) from None
        finally:
            timer.cancel()

    def _ask(self, method: str, path: str, body: str, headers: Mapping[str, str] | None) -> Answer:
        plain = {"Content-Type": "text/plain; charset=utf-8"} if body else {}
        self.connection.request(
            method, self.prefix + path, body.encode() or None, plain if headers is None else headers
        )
        response = self.connection.getresponse()
        said = response.read(MAX_ANSWER + 1)
        if self.late:  # what was read may be cut short
            raise TimeoutError
        if len(said) > MAX_ANSWER:
            raise NoAnswer(f"an answer longer than {MAX_ANSWER:,} bytes")
        return Answer(response.status, response.headers.get_content_type(), said)


def _connect(connection: "_Plain | _Secure") -> None:
    connection.sock = connection.reach(connection.host, connection.port, connection.timeout or TIMEOUT_S)
    connection.sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)


class _Plain(HTTPConnection):
    """It connects to where it is told to."""

    reach: Reach

    def connect(self) -> None:
        _connect(self)


class _Secure(HTTPSConnection):
    """The socket is there to be cut before TLS begins."""

    reach: Reach

    def connect(self) -> None:
        _connect(self)
        context = ssl.create_default_context()
        sock = context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
        self.sock = sock
        sock.do_handshake()


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in PORTS and parts.hostname and parts.port != 0 and url.isascii()
    except ValueError:
        sound = False
    if not sound or parts.query or parts.fragment or "@" in parts.netloc:
        raise Misconfigured(f"a witness has an address such as https://witness.example.org, not {url!r}")
    return parts


def _why(error: Exception) -> str:
    if isinstance(error, NoAnswer):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return in_words(error)
    return " ".join(f"not HTTP ({type(error).__name__}) {error}".split())[:200]
