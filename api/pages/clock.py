"""The clock bar: what a page shows of both clocks, and the links that move them. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from api.pages.dates import day_words
from api.pages.words import act_words

CLOCKS = ("valid_at", "known_at")
GOES_ON = ("cursor", "beyond", "before")
"""Where a list goes on: each page has one of them."""
OF_A_PAGE = ("from_entry", "limit", "count", "facets")
"""What is asked of a page, and not of all that it is a page of."""
PLAIN = re.compile(r"[A-Za-z0-9_./~-]*")
"""A path that stands in a link as it is."""


class Stop(NamedTuple):
    """An entry at which something of a page changes."""

    position: int
    recorded_at: datetime
    type: str
    subject: str

    @property
    def words(self) -> str:
        return f"entry {self.position}, {time_words(self.recorded_at)}, {act_words(self.type)}: {self.subject}"


def time_words(at: datetime) -> str:
    """Such as 3 September 2024, 14:02 UTC."""
    return f"{day_words(at.date())}, {at:%H:%M} UTC"


@dataclass(frozen=True)
class Clock:
    """Both clocks of a page: ``given`` is its query, ``known_at`` and ``valid_at`` are what its answer rests on.

    ``stops`` are entries at which it changes, in order: the first, ``around`` of them up to ``known_at`` and as many beyond, and
    the last; ``size`` is how many entries there are.
    A page that compares two points has no clock that ``moves``.
    """

    path: str
    given: Mapping[str, str]
    known_at: int
    known_at_time: datetime | None
    valid_at: date
    size: int
    stops: Sequence[Stop] = ()
    around: int = 0
    moves: bool = True

    @property
    def is_known_now(self) -> bool:
        return "known_at" not in self.given

    @property
    def is_valid_now(self) -> bool:
        return "valid_at" not in self.given

    @property
    def sentence(self) -> str:
        at = f" ({time_words(self.known_at_time)})" if self.known_at_time else ""
        return f"Showing what was true on {day_words(self.valid_at)}, as recorded up to entry {self.known_at}{at}."

    @property
    def kept(self) -> dict[str, str]:
        """The query but for where a list goes on: what a form keeps beside its own fields."""
        return {name: value for name, value in self.given.items() if name not in GOES_ON}

    @property
    def others(self) -> dict[str, str]:
        """As ``kept``, but for the clocks."""
        return {name: value for name, value in self.kept.items() if name not in CLOCKS}

    @property
    def narrowing(self) -> dict[str, str]:
        """What a file of the page's rows takes of its query, beside the clocks: it has all of them, wherever the page begins."""
        return {name: value for name, value in self.others.items() if name not in OF_A_PAGE}

    @cached_property
    def clocks(self) -> dict[str, str]:
        """The clocks that the query has."""
        return {name: self.given[name] for name in CLOCKS if name in self.given}

    @cached_property
    def pinned(self) -> str:
        """How a link ends that keeps the clocks, and nothing else of the query."""
        return f"?{urlencode(self.clocks)}" if self.clocks else ""

    def url(self, path: str | None = None, /, **changes: Any) -> str:
        """A link to a page at the same clocks; with no path to this one, its other parameters kept. None takes one away."""
        if path is not None and not changes:
            return (path if PLAIN.fullmatch(path) else quote(path)) + self.pinned
        kept = self.clocks if path is not None else self.others | self.clocks
        query = {name: str(value) for name, value in (kept | changes).items() if value is not None}
        return quote(path or self.path) + (f"?{urlencode(query)}" if query else "")

    def to(self, subject: str, plurals: Mapping[str, str]) -> str:
        """A link to the page of a subject."""
        kind, _, slug = subject.partition(":")
        return self.url(f"/{plurals[kind]}/{slug}")

    @property
    def permalink(self) -> str:
        """This page with both clocks pinned."""
        if not self.moves:
            return self.url()
        return self.url(known_at=self.known_at, valid_at=self.valid_at)

    @property
    def index(self) -> int:
        """How many stops are shown."""
        return sum(stop.position <= self.known_at for stop in self.stops)

    @property
    def later(self) -> int:
        """How many of the stops came later."""
        return len(self.stops) - self.index

    @property
    def is_cut(self) -> bool:
        """Whether more came later than there are stops."""
        return self.later > self.around

    def step(self, by: int) -> str | None:
        """A link to the stop so many from here; None where there is none."""
        at = self.index - 1 + by
        return (
            self.url(known_at=self.stops[at].position) if 0 <= at < len(self.stops) and at != self.index - 1 else None
        )

    @property
    def first(self) -> str | None:
        return self.url(known_at=self.stops[0].position) if self.index > 1 else None

    @property
    def last(self) -> str | None:
        return self.url(known_at=self.stops[-1].position) if self.later else None
