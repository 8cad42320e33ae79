"""HTTP to a service or a web server, within bounds: of bytes, packed and unpacked, and of time; a key goes to one host alone."""

import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from http.client import HTTPException
from threading import Thread
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ledger.errors import Unavailable, in_words

TIMEOUT_S = 30
MAX_ANSWER_BYTES = 2**25
"""A full bundle of the largest entries is smaller, and so is a page of anything."""
EPOCH = "Ledger-Epoch"
"""Every answer of a ledger has it."""


class Answer(NamedTuple):
    """What was answered, with whatever status; ``headers`` are looked up without regard to case."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_of_a_ledger(self) -> bool:
        return EPOCH in self.headers

    def of_no_ledger(self, address: str) -> Unavailable:
        """What is told where something else answers at the address."""
        return Unavailable(f"{address} answers {self.status} {self.reason}, and not as a ledger does")


class _KeyStaysHome(HTTPRedirectHandler):
    """Follows redirects; the key of one host is told to no other."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        again = super().redirect_request(req, fp, code, msg, headers, newurl)
        if again and (again.type, again.host) != (req.type, req.host):
            again.remove_header("Authorization")
        return again


class Client:
    """Asks one address."""

    def __init__(self, address: str, key: str | None) -> None:
        self.base, self.opener = address.rstrip("/"), build_opener(_KeyStaysHome)
        self.headers = {"Accept-Encoding": "gzip"} | ({"Authorization": f"Bearer {key}"} if key else {})

    def ask(self, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}) -> Answer:
        """GET, or POST where there is a body. Raises Unavailable where no web server answers, or not within the bounds."""
        name = f"{self.base}/{path}"
        try:
            request = Request(name, body, {**self.headers, **headers})  # noqa: S310
            return _in_time(lambda: self._ask(request, name))
        except (OSError, HTTPException, ValueError, zlib.error) as error:
            raise Unavailable(f"{name} cannot be read: {_why(error)}") from None

    def _ask(self, request: Request, name: str) -> Answer:
        try:
            answer = self.opener.open(request, timeout=TIMEOUT_S)
        except HTTPError as error:
            answer = error
        with answer:
            return Answer(answer.status, answer.reason, answer.headers, _body(answer, name))


def _in_time(ask: Callable[[], Answer]) -> Answer:
    """An end to it all, in a thread that is left to itself then: heads, interim answers and trailers may never end, as each read of
    theirs is short. Raises TimeoutError, and what ``ask`` raises.
    """
    answer = Future[Answer]()

    def run() -> None:
        try:
            answer.set_result(ask())
        except Exception as error:
            answer.set_exception(error)

    Thread(target=run, daemon=True).start()
    return answer.result(TIMEOUT_S)


def check_size(size: int, name: str) -> None:
    """Raises Unavailable for what is longer than anything that a log or a service has."""
    if size > MAX_ANSWER_BYTES:
        raise Unavailable(f"{name} has more than {MAX_ANSWER_BYTES:,} bytes, which no file of a log has")


def _body(answer: Any, name: str) -> bytes:
    """All of an answer, which has a bound in bytes, packed and unpacked."""
    data = bytearray()
    while piece := answer.read1(2**16):
        data += piece
        check_size(len(data), name)
    if answer.headers.get("Content-Encoding") != "gzip":
        return bytes(data)
    unpacking = zlib.decompressobj(wbits=31)
    unpacked = unpacking.decompress(bytes(data), MAX_ANSWER_BYTES + 1)
    check_size(len(unpacked), name)
    if not unpacking.eof:
        raise zlib.error("it is cut short")
    return unpacked


def _why(error: Exception) -> str:
    why = error.reason if isinstance(error, URLError) else error
    if isinstance(why, TimeoutError):
        return f"no answer within {TIMEOUT_S} s"
    if isinstance(why, OSError) and why.strerror:
        return in_words(why)
    return f"it is no answer of a web server ({type(error).__name__})"
