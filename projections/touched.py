"""At which entry each stream was last touched, and all that shows it: what answers rest on that outlive the growth of the log.

What an answer at one position says is said at a later one, too, if nothing that it rests on was touched in between. That is told
by the rows of the streams that have grown, as they were known at any time since: a state that refers to a subject belongs to it,
and so does one that did.
"""

from collections.abc import Collection, Iterable
from datetime import date
from typing import Any

from ledger.database.connection import sql_blocks
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.registry import KINDS
from projections.basis import Basis, Watermarks

SQL = sql_blocks("projections", "touched.sql")
SHOWN = ("states", "timeline", "search", "due")
"""The projections that such answers are read from."""
MOST_ENTRIES = 1_000
"""Where the log has grown by more at once, everything counts as touched."""
MOST_STREAMS = 100_000
RETRACTED = "source:*"
"""What is unverified rests on it: the sources that are retracted, all of them."""


def of_state(subject: Subject) -> tuple[str, ...]:
    """What a subject's state rests on, with all that belongs to it; and its history."""
    return subject, RETRACTED


def of_list(kind: str) -> tuple[str, ...]:
    """What any list of the states of a kind rests on."""
    return kind, RETRACTED


def of_timeline(subject: Subject) -> tuple[str, ...]:
    return subject, _mentioned(subject), RETRACTED


def _mentioned(subject: str) -> str:
    return f"@{subject}"


def position_of(watermarks: Watermarks) -> int | None:
    """Up to where all that is shown has followed the log; None where the projections stand apart."""
    found = {(watermarks.positions or {}).get(name) for name in SHOWN}
    return found.pop() if len(found) == 1 else None


def basis_of(watermarks: Watermarks, valid_at: date) -> Basis:
    """The ledger as it stands, on a day. The projections do not stand apart."""
    position = position_of(watermarks)
    assert position is not None
    return Basis(position, watermarks.recorded_at, valid_at, True, watermarks.covering(position))


class Touched:
    """Of what was recorded after ``since`` and up to ``upto``: the last entry that touched each stream, kind or mention."""

    def __init__(self) -> None:
        self.ground: tuple[object, ...] | None = None
        self.since = self.upto = 0
        self.last: dict[str, int] = {}

    def missing(self, now: Watermarks) -> dict[str, int] | None:
        """Between which positions the log has to be read; None where nothing is new, or too much is, so that all begins anew."""
        upto = position_of(now)
        if upto is None:
            self.forget()
            return None
        too_much = upto - self.upto > MOST_ENTRIES or len(self.last) > MOST_STREAMS
        if self.ground != now.ground or too_much:
            self.ground, self.since, self.upto, self.last = now.ground, upto, upto, {}
        return {"after": self.upto, "upto": upto} if upto > self.upto else None

    def forget(self) -> None:
        """What was touched is not known: no answer is spared that was made before."""
        self.ground = None

    def note(self, grown: Iterable[tuple[Any, ...]], upto: int) -> None:
        """What was read of the streams that have grown, in the order of their last entries."""
        for stream, position, refs, mentions, is_retracted in grown:
            kind = Subject(stream).kind
            wholes = [ref for ref in refs if kind in KINDS[Subject(ref).kind].related]
            parts = [*map(_mentioned, mentions), *[RETRACTED] * is_retracted]
            self.last |= dict.fromkeys((stream, kind, *wholes, *parts), position)
        self.upto = upto

    def spares(self, rests_on: Collection[str], ground: tuple[object, ...], since: int, now: Watermarks) -> bool:
        """Whether what was said at a position, on that ground, is so now: nothing that it rests on was touched, as far as is known."""
        upto = position_of(now)
        if upto is None or not now.goes_on or not self.ground == ground == now.ground:
            return False
        is_known = self.since <= since <= upto <= self.upto
        return is_known and all(self.last.get(one, 0) <= since for one in rests_on)
