"""What a timeline shows: a mark for each date that a fact gives, and the facts that give none. Pure."""

from dataclasses import dataclass
from datetime import date

from api.pages.timeline.words import Told
from api.pages.words import words
from ledger.vocabulary.registry import KINDS

LANES = {
    "status": "Status",
    "initiatives": "Initiatives",
    "agreements": "Agreements",
    "meetings": "Meetings",
    "milestones": "Milestones",
    "commitments": "Commitments",
    "parties": "Parties",
    "other": "Other facts",
    "sources": "Sources",
}
"""From top to bottom."""

SHAPES = {
    "meetings": ("disc", "ring"),
    "milestones": ("diamond", "open-diamond"),
    "commitments": ("square", "open-square"),
}
"""Of what is reached or held, and of what is ahead."""
LATER = "recorded later"
"""Than the entry up to which the picture shows what was known."""


@dataclass(frozen=True)
class Mark:
    """A date that a fact gives, or a fact without one (``at`` is None then); or several at one time, that are counted.

    ``positions`` are the entries that tell it. ``track`` is whose it is. ``bar`` is the status that lasts from then on, up to
    ``until`` or, where that is None, without a known end; ``closes`` tells whether one ends with it. ``moved_from`` is the
    date that it had before.
    """

    lane: str
    track: str
    word: str
    title: str
    positions: tuple[int, ...]
    shape: str
    family: str = "plain"
    at: Told | None = None
    moved_from: Told | None = None
    bar: str = ""
    until: Told | None = None
    closes: bool = False
    doubts: tuple[str, ...] = ()
    count: int = 1

    @property
    def what(self) -> str:
        status = words(self.bar)
        word = self.word if status in ("", self.word.lower()) else f"{self.word}, {status}"
        return f"{word}: {self.title}" if self.title else word

    @property
    def name(self) -> str:
        """As a screen reader says it: what, when, how precise, and which entry."""
        when = f", {self.at.words} ({self.at.precision})" if self.at else ", without a date"
        return f"{'; '.join([self.what + when, *self.doubts])}. {self.entries}"

    @property
    def entries(self) -> str:
        shown = [f"{one}" for one in self.positions[:3]] + ["…"] * (len(self.positions) > 3)
        return f"{'Entry' if len(self.positions) == 1 else 'Entries'} {', '.join(shown)}"


@dataclass(frozen=True)
class Drawing:
    """All that a timeline shows of a subject: its marks in the order of time, and the facts without a date; and in a sentence, what it
    leaves out, if it leaves out any."""

    subject: str
    title: str
    status: str
    marks: tuple[Mark, ...]
    undated: tuple[Mark, ...]
    today: date
    valid_at: date
    known_at: int
    left_out: str = ""

    @property
    def page(self) -> str:
        kind, _, slug = self.subject.partition(":")
        return f"/{KINDS[kind].plural}/{slug}"
