"""Whole answers, kept to be given again. Each says what it rests on, and is given only while that is still so.

What is pinned to a position and a day is the same however the ledger grows. What is said of some streams as they stand is told again
with the basis that holds by now, as long as nothing has touched them (``projections.touched``). All else is void with the next entry.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from cachetools import LRUCache
from starlette.requests import Request
from starlette.types import Send

from api.http.auth import Holder
from api.http.lookup import LookedUp
from ledger.errors import Unavailable
from projections.basis import Basis, Watermarks
from projections.touched import Touched

SIZE_BYTES = 64 * 2**20
LARGEST_BYTES = 2**20
OVERHEAD_BYTES = 2_000
"""About what an answer takes beside its body and what it was asked by."""

ABOUT_THE_BODY = (b"content-length", b"content-type", b"content-encoding")
RawHeaders = list[tuple[bytes, bytes]]


class Question(NamedTuple):
    """All that an answer depends on beside the ledger and who asks: path, query, what Accept has chosen there, and the coding."""

    path: str
    query: bytes
    as_lines: bool
    coding: str | None


class Ending(NamedTuple):
    """How an answer ends, which tells its basis; what of it makes another answer; and the headers that tell it, too."""

    text: str
    tells: str = ""
    headers: Mapping[str, str] = {}


class Said(NamedTuple):
    """What is said of the ledger as it stands, up to the basis, and how it ends at each; what of persons is told in it; and on
    what it rests. ``version`` is of the stream whose state it is."""

    body: bytes
    told: str
    digest: str
    version: int | None
    end: Callable[[Request, Basis], Ending]
    valid_at: date
    rests_on: tuple[str, ...]


class CachedResponse(NamedTuple):
    """An answer, and how things stood before it was worked out.

    ``sees_names`` is whether it is for those who see names of persons, or for those who do not; None where it names nobody.
    ``said`` is there where it can be told again.

    If anything moved while it was worked out, the standing has moved for good, and the answer is never given again as it is. One
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
    said: Said | None = None

    def is_fresh(self, looked_up: LookedUp) -> bool:
        """Whether it may be given again as it is."""
        now, then = looked_up.watermarks, self.watermarks
        if self.pinned:
            is_told = then.covering(self.position) or not now.covering(self.position)
            return bool(is_told) and now.ground == then.ground
        return now == then and looked_up.today == self.today

    def still_says(self, looked_up: LookedUp, touched: Touched) -> Said | None:
        """What it says, if that is so at the basis that holds by now."""
        said = self.said
        if said is None or looked_up.today != self.today:
            return None
        is_so = touched.spares(said.rests_on, self.watermarks.ground, self.position, looked_up.watermarks)
        return said if is_so else None

    async def send(self, send: Send, known: str) -> None:
        """The answer, or 304 without a body to a reader who has it already (``known`` is their If-None-Match)."""
        if known and etag_matches(self.tag, known):
            headers = [one for one in self.headers if one[0] not in ABOUT_THE_BODY]
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        await send({"type": "http.response.start", "status": 200, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


def etag_matches(tag: str, known: str) -> bool:
    """Whether an If-None-Match names this ETag. They are compared weakly."""
    given = {one.strip().removeprefix("W/") for one in known.split(",")}
    return tag.removeprefix("W/") in given or "*" in given


@dataclass
class RequestContext:
    """What is known of a request on its way: what was looked up for it, or why not, and whether the reader may see names of
    persons; whose key it came with, and whether that was a browser's session; whether no body is sent, as HEAD was asked for; whether
    its format was chosen by Accept, and whether that is lines of the log; its answer, if that may be cached."""

    looked_up: LookedUp | None = None
    holder: Holder | None = None
    has_key: bool = False  # or what was meant for one
    in_session: bool = False
    sees_names: bool = False
    negotiated: bool = False
    as_lines: bool = False
    failure: Unavailable | None = None
    cached: CachedResponse | None = None
    epoch: str | None = None  # in which the answer was recorded, where it was
    is_head: bool = False  # no body is waited for


class Cache:
    """Answers by what was asked and whom they are for, up to so many bytes; what was not asked for the longest goes first."""

    def __init__(self, size_bytes: int = SIZE_BYTES) -> None:
        self.answers: LRUCache[Hashable, Kept] = LRUCache(size_bytes, _size)
        self.erasures = 0

    def forget_names(self, erasures: int) -> None:
        """Names of persons have gone since the answers were made, if ``erasures`` is another number: keep none of them."""
        if erasures != self.erasures:
            self.erasures = erasures
            self.answers.clear()

    def holds(self, asked: Question) -> bool:
        """Whether there is an answer, whomever it is for."""
        return any((asked, whom) in self.answers for whom in (None, False, True))

    def kept(self, asked: Question, *, sees_names: bool) -> list[CachedResponse]:
        """The answers for everybody, and for those who see names as this reader does."""
        found = [self.answers.get((asked, whom)) for whom in (None, sees_names)]
        return [one.response for one in found if one]

    def keep(self, asked: Question, response: CachedResponse) -> None:
        """It is kept unless it is large; and what is large before it is compressed is not told again."""
        if response.said and len(response.said.body) > LARGEST_BYTES:
            response = response._replace(said=None)
        if len(response.body) <= LARGEST_BYTES:
            self.answers[asked, response.sees_names] = Kept(asked, response)


class Kept(NamedTuple):
    """An answer with what it was asked by, which counts, too."""

    asked: Question
    response: CachedResponse


def _size(kept: Kept) -> int:
    (path, query, *_), response = kept
    said = len(response.said.body) if response.said else 0
    return len(path) + len(query) + len(response.body) + said + OVERHEAD_BYTES
