"""Whole answers, kept to be given again. Each says what it rests on, and is given only while that is still so."""

import re
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from starlette.types import Scope, Send

from api.http.auth import Holder
from api.http.lookup import LookedUp
from ledger.errors import Unavailable
from projections.basis import Watermarks

SIZE_BYTES = 64 * 2**20
LARGEST_BYTES = 2**20
OVERHEAD_BYTES = 1_000
"""About what an answer takes beside its body."""

LINES = re.compile(rb"application/(?:x-ndjson|jsonl)(?!\s*;\s*q=0(\.0*)?\s*(,|$))", re.IGNORECASE)
"""In an Accept header: that lines are asked for, and not ruled out."""
ABOUT_THE_BODY = (b"content-length", b"content-type", b"content-encoding")
RawHeaders = list[tuple[bytes, bytes]]


class CachedResponse(NamedTuple):
    """An answer, and how things stood before it was worked out.

    ``sees_names`` is whether it is for those who see names of persons, or for those who do not; None where it names nobody.

    If anything moved while it was worked out, the standing has moved for good, and the answer is never given again. One
    that is pinned to a position and a day moves only with the tables, when names of persons go, with the epoch and the server, as
    a backup may have been restored, and with the first checkpoint that covers its position.
    """

    watermarks: Watermarks
    today: date
    pinned: bool
    tag: str
    headers: RawHeaders
    body: bytes
    position: int
    sees_names: bool | None = None

    def is_fresh(self, looked_up: LookedUp) -> bool:
        now, then = looked_up.watermarks, self.watermarks
        if self.pinned:
            is_told = then.covering(self.position) or not now.covering(self.position)
            return bool(is_told) and now.ground == then.ground
        return now == then and looked_up.today == self.today

    async def send(self, send: Send, known: str) -> None:
        """The answer, or 304 without a body to a reader who has it already (``known`` is their If-None-Match)."""
        if etag_matches(self.tag, known):
            headers = [one for one in self.headers if one[0] not in ABOUT_THE_BODY]
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        await send({"type": "http.response.start", "status": 200, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": self.body})


def etag_matches(tag: str, known: str) -> bool:
    """Whether an If-None-Match names this ETag. They are compared weakly."""
    given = {one.strip().removeprefix("W/") for one in known.split(",")}
    return tag.removeprefix("W/") in given or "*" in given


@dataclass
class RequestContext:
    """What is known of a request on its way: what was looked up for it, or why not, and whether the reader may see names of
    persons; whose key it came with, and whether that was a browser's session; whether no body is sent, as HEAD was asked for; whether
    its format was chosen by Accept; its answer, if that may be cached."""

    looked_up: LookedUp | None = None
    holder: Holder | None = None
    in_session: bool = False
    sees_names: bool = False
    negotiated: bool = False
    failure: Unavailable | None = None
    cached: CachedResponse | None = None
    epoch: str | None = None  # in which the answer was recorded, where it was
    is_head: bool = False  # no body is waited for


class Cache:
    """Answers by what was asked, up to so many bytes; what was not asked for the longest goes first."""

    def __init__(self, size_bytes: int = SIZE_BYTES) -> None:
        self.size = self.free = size_bytes
        self.answers: OrderedDict[Hashable, CachedResponse] = OrderedDict()
        self.erasures = 0

    def forget_names(self, erasures: int) -> None:
        """Names of persons have gone since the answers were made, if ``erasures`` is another number: keep none of them."""
        if erasures != self.erasures:
            self.erasures, self.free = erasures, self.size
            self.answers.clear()

    def holds(self, asked: Hashable) -> bool:
        """Whether there is an answer, whomever it is for."""
        return any((asked, whom) in self.answers for whom in (None, False, True))

    def fresh(self, asked: Hashable, looked_up: LookedUp, *, sees_names: bool) -> CachedResponse | None:
        """An answer that is still true, for everybody or for those who see names as this reader does."""
        kept = [self.get((asked, whom)) for whom in (None, sees_names)]
        return next((one for one in kept if one and one.is_fresh(looked_up)), None)

    def get(self, asked: Hashable) -> CachedResponse | None:
        cached = self.answers.get(asked)
        if cached is not None:
            self.answers.move_to_end(asked)
        return cached

    def keep(self, asked: Hashable, cached: CachedResponse) -> None:
        if len(cached.body) > LARGEST_BYTES:
            return
        if asked in self.answers:
            self.free += _size(self.answers.pop(asked))
        self.answers[asked] = cached
        self.free -= _size(cached)
        while self.free < 0:
            self.free += _size(self.answers.popitem(last=False)[1])


def _size(cached: CachedResponse) -> int:
    return len(cached.body) + OVERHEAD_BYTES


def cache_key(scope: Scope, accept: bytes, coding: str | None) -> Hashable:
    """All that an answer depends on beside the ledger: path, query, the form that can be chosen, and the coding."""
    return scope["path"], scope["query_string"], wants_lines(accept), coding


def wants_lines(accept: bytes) -> bool:
    return LINES.search(accept) is not None
