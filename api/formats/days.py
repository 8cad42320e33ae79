"""Where calendars put what a state tells of: on the day on which it happened, where that is told, else on the day for which it is meant. Pure."""

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from ledger.vocabulary.acts import overlap
from ledger.vocabulary.dates import PartialDate

MEANT = ("start", "due")
"""What tells for which day something is meant: of a meeting its start, of a milestone or a commitment by when."""
STANDS = {"met": ("met", "due"), "notMet": ("not_met", "reviewed_on", "due"), "partiallyMet": ("due", "partially_met")}
"""What tells on which day a state stands, by its status: the first of these that is bounded. Others stand on the day that is meant."""
UNPLACED = (None, date.min, date.max)


class Placed(NamedTuple):
    """A state's place: what is then, such as ``start``, ``due`` or ``met``, and when, as it was recorded; between which days, both
    included, that lies. ``vague``: whether it is somewhere in these days, and no entry says where."""

    what: str
    said: PartialDate
    end: PartialDate | None
    first: date
    last: date
    vague: bool


def placed(state: Mapping[str, Any]) -> Placed | None:
    """None where no date bounds it on both sides, or it lies at the edge of the calendar."""
    return next((found for what in _stands(state) if (found := _place(state, what))), None)


def _stands(state: Mapping[str, Any]) -> tuple[str, ...]:
    status = state.get("status")  # what is listed as due has none
    if status == "held":
        return ("held", "start") if _is_held_otherwise(state) else ("start", "held")
    return STANDS.get(status or "", MEANT)


def _is_held_otherwise(state: Mapping[str, Any]) -> bool:
    """Whether a meeting was held on another day than the one that it was to start on, or that is told more exactly."""
    start, held = _date(state, "start"), _date(state, "held")
    if start is None or held is None or not overlap(start.bounds, held.bounds):
        return held is not None
    return start.earliest != start.latest and held.earliest == held.latest


def _date(state: Mapping[str, Any], what: str) -> PartialDate | None:
    said = state.get("dates", {}).get(what) or state.get(what)
    return PartialDate(said) if said else None


def _place(state: Mapping[str, Any], what: str) -> Placed | None:
    """What is due by a day, whatever it begins with, stands on that day."""
    said = _date(state, what)
    if said is None or said.latest in UNPLACED:
        return None
    end, last = _date(state, "end") if what == "start" else None, said.latest
    first = last if what == "due" and said.earliest in UNPLACED else said.earliest
    if first in UNPLACED:
        return None
    return _through(Placed(what, said, end, first, last, first != last))


def _through(one: Placed) -> Placed:
    """With the days up to its end, which counts where it is a day of the calendar and none before the first."""
    end = one.end
    if end is None or end.latest in UNPLACED or end.latest < one.first:
        return one
    return one._replace(last=max(one.last, end.latest), vague=one.vague or end.earliest != end.latest)
