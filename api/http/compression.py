"""Answers made smaller for those who take that: in which coding (RFC 9110, section 12.5.3), and how it is sent.

A state or a list is compressed whole, once, and kept as it was sent; a file is compressed as it is streamed. The same bytes always
become the same bytes: neither coding notes a time. ETags are weak, so one stands for an answer in every coding.
"""

import sys
import zlib
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from typing import Protocol

from fastapi.concurrency import run_in_threadpool
from starlette.types import Message, Send

from api.http.negotiation import WEIGHT
from api.http.response_cache import CachedResponse, RawHeaders, RequestContext

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdCompressor
else:
    from backports.zstd import ZstdCompressor

SMALL_BYTES = 1_000
"""What is smaller goes out as it is: it fits one packet."""
AT_ONCE_BYTES = 2**15
"""What is larger is compressed in a thread, so that others are served meanwhile."""
GZIP_LEVEL, ZSTD_LEVEL = 6, 3
TEXTS = frozenset(
    {
        b"application/json", b"application/problem+json", b"application/schema+json", b"application/cloudevents+json",
        b"application/csvm+json", b"application/x-ndjson", b"application/atom+xml", b"image/svg+xml",
        b"text/html", b"text/csv", b"text/calendar", b"text/css", b"text/javascript", b"text/plain",
    }
)  # fmt: skip
"""What is worth it. A live stream is not, as each entry is to go out at once; nor are tiles, whose route knows better."""


class Compressor(Protocol):
    """As the compressors of the standard library are."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def _gzip() -> Compressor:
    return zlib.compressobj(GZIP_LEVEL, wbits=31)


def _zstd() -> Compressor:
    return ZstdCompressor(ZSTD_LEVEL)


CODINGS: dict[str, Callable[[], Compressor]] = {"zstd": _zstd, "gzip": _gzip}
"""By the names that clients call them, the better one first."""


def compressed(coding: str, body: bytes) -> bytes:
    """All of a body at once."""
    return _fed(CODINGS[coding](), body, last=True)


def _fed(compressor: Compressor, data: bytes, *, last: bool) -> bytes:
    return compressor.compress(data) + (compressor.flush() if last else b"")


@lru_cache(100)
def coding_of(accept_encoding: str) -> str | None:
    """The coding that is wanted most; of those that are wanted alike, the first of ours. None: as it is."""
    weights = dict(map(_weight, accept_encoding.lower().split(",")))
    other = weights.get("*", 0.0)
    best = max(CODINGS, key=lambda name: weights.get(name, other))
    wanted = weights.get(best, other)
    return best if wanted > 0 and wanted >= weights.get("identity", 0.0) else None


def _weight(one: str) -> tuple[str, float]:
    """A coding and how much it is wanted. What cannot be read is not wanted."""
    name, *parameters = (part.strip() for part in one.split(";"))
    given = next((part[2:].strip() for part in parameters if part.startswith("q=")), "1")
    return name, float(given) if WEIGHT.fullmatch(given) else 0.0


def _is_text(headers: dict[bytes, bytes]) -> bool:
    return headers.get(b"content-type", b"").partition(b";")[0] in TEXTS


def varying(headers: RawHeaders, name: bytes) -> RawHeaders:
    """The headers, with one more among those that the answer depends on, which are named in one order."""
    told = {one.strip() for header, value in headers if header == b"vary" for one in value.split(b",")}
    if name in told:
        return headers
    others = [one for one in headers if one[0] != b"vary"]
    return [*others, (b"vary", b", ".join(sorted([*told, name])))]


def _coded(headers: RawHeaders, coding: str, size: int | None) -> RawHeaders:
    """The headers of a body in a coding; of a stream without its size. A strong ETag is of the plain body alone, and ranges are, too."""
    told = [_weak(one) for one in headers if one[0] not in (b"content-length", b"accept-ranges")]
    length = [] if size is None else [(b"content-length", str(size).encode())]
    return [*told, (b"content-encoding", coding.encode()), *length]


def _weak(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    name, value = header
    return (name, b"W/" + value) if name == b"etag" and not value.startswith(b"W/") else header


class Compressing:
    """Sends an answer in a coding, where the answer is worth it; if it may be cached, it is what was sent that is."""

    __slots__ = ("coding", "compressor", "context", "held", "send_next")

    def __init__(self, send: Send, coding: str | None, context: RequestContext) -> None:
        self.send_next, self.coding, self.context = send, coding, context
        self.held: Message | None = None  # the beginning, until its whole body is there
        self.compressor: Compressor | None = None  # of a stream

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif self.held is not None:
            await self._send_held(self.held, message)
        elif self.compressor is not None:
            await self._send_more(self.compressor, message)
        else:
            await self.send_next(message)

    async def _begin(self, message: Message) -> None:
        headers, cached = dict(message["headers"]), self.context.cached
        has_it = message["status"] == HTTPStatus.NOT_MODIFIED
        if _is_text(dict(cached.headers) if cached else headers) or (has_it and not cached):
            message["headers"] = varying(message["headers"], b"Accept-Encoding")
        if cached and has_it:
            self.context.cached = await self._as_sent(cached)
        elif cached:
            is_sent = message["status"] == HTTPStatus.OK  # and nothing has failed on the way
            self.context.cached = cached._replace(headers=message["headers"]) if is_sent else None
        coding = self._coding_for(headers)
        if coding is None:
            await self.send_next(message)
        elif b"content-length" not in headers:
            await self._begin_stream(message, coding)
        else:
            self.held = message

    def _coding_for(self, headers: dict[bytes, bytes]) -> str | None:
        """None: an answer with these headers goes out as it is. In a session all do: their sizes would tell of names beside
        what others have put into the address (BREACH)."""
        is_done = b"content-encoding" in headers or b"content-range" in headers
        is_small = int(headers.get(b"content-length", SMALL_BYTES)) < SMALL_BYTES
        return None if self.context.in_session or is_done or is_small or not _is_text(headers) else self.coding

    async def _as_sent(self, cached: CachedResponse) -> CachedResponse:
        """The answer as it would have been sent to one who does not have it."""
        told = dict(cached.headers)
        headers = varying(cached.headers, b"Accept-Encoding") if _is_text(told) else cached.headers
        coding = self._coding_for(told)
        if coding is None:
            return cached._replace(headers=headers)
        body = await _in_time(CODINGS[coding](), cached.body, last=True)
        return cached._replace(headers=_coded(headers, coding, len(body)), body=body)

    async def _begin_stream(self, start: Message, coding: str) -> None:
        self.compressor = CODINGS[coding]()
        start["headers"] = _coded(start["headers"], coding, None)
        await self.send_next(start)

    async def _send_held(self, start: Message, message: Message) -> None:
        """With the first part of the body, which is all of most; a file from the disk comes in several."""
        assert self.coding is not None
        self.held, coding = None, self.coding
        if len(message["body"]) < int(dict(start["headers"])[b"content-length"]):
            await self._begin_stream(start, coding)
            await self.send(message)
            return
        body = await _in_time(CODINGS[coding](), message["body"], last=True)
        start["headers"] = _coded(start["headers"], coding, len(body))
        if cached := self.context.cached:
            self.context.cached = cached._replace(headers=_coded(cached.headers, coding, len(body)), body=body)
        await self.send_next(start)
        await self.send_next({**message, "body": body})

    async def _send_more(self, compressor: Compressor, message: Message) -> None:
        last = not message.get("more_body", False)
        body = await _in_time(compressor, message.get("body", b""), last=last)
        if body or last:
            await self.send_next({**message, "body": body})


async def _in_time(compressor: Compressor, data: bytes, *, last: bool) -> bytes:
    if len(data) <= AT_ONCE_BYTES:
        return _fed(compressor, data, last=last)
    return await run_in_threadpool(_fed, compressor, data, last=last)
