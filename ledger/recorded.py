"""A fact as it was recorded, and what is known of the streams that it mentions. Pure."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.fact import Fact, Subject

UNRECORDED = 2**62
"""Entries that are being decided have positions from here on: after every entry there is."""


class Opening(NamedTuple):
    """What other streams need to know of one: the position of its first entry, and when a source was published."""

    position: int
    published: PartialDate | None = None


Openings = Mapping[Subject, Opening | None]
"""Of the streams that are mentioned; None, or nothing, for one that is not there."""


class Recorded(NamedTuple):
    """A fact as it was recorded: where in the log, under which id, on which day (UTC)."""

    position: int
    entry_id: str
    recorded_on: date
    fact: Fact

    def __str__(self) -> str:
        return f"entry {self.position if self.position < UNRECORDED else self.entry_id}"
