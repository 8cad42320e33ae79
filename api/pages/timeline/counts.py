"""Of more marks than a picture can hold, those of one lane and month are one mark that counts them. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from api.pages.timeline.marks import LANES, Drawing, Mark
from api.pages.timeline.words import Told, counted, day_words
from ledger.vocabulary.edtf import Bounds, Day

MOST = 600


def counted_marks(drawing: Drawing) -> Drawing:
    """The same drawing, where it has more than ``MOST`` marks with lanes that share them out: by months, years, decades …"""
    if len(drawing.marks) <= MOST:
        return drawing
    lanes = [[one for one in drawing.marks if one.lane == name] for name in LANES]
    marks = [one for lane in lanes for one in _few(lane, MOST // len(LANES))]
    return replace(drawing, marks=tuple(sorted(marks, key=lambda one: (_first(one), one.positions))))


def _few(marks: Sequence[Mark], most: int) -> Sequence[Mark]:
    """No more marks than ``most``: of as short times as that allows."""
    months, few = 1, marks
    while len(few) > most:
        few = _by_time(marks, months)
        months = months * 12 if months == 1 else months * 10
    return few


def _by_time(marks: Iterable[Mark], months: int) -> list[Mark]:
    """Those that lie in the same stretch of so many months are one; what may lie in several is one with its like."""
    groups: dict[tuple[Any, ...], list[Mark]] = {}
    for mark in marks:
        assert mark.at
        groups.setdefault(tuple(_stretch(day, months) for day in mark.at.bounds), []).append(mark)
    return [group[0] if len(group) == 1 else _count(group) for group in groups.values()]


def _stretch(day: Day | None, months: int) -> int | None:
    return (day[0] * 12 + day[1] - 1) // months if day else None


def _count(group: Sequence[Mark]) -> Mark:
    """One mark for several, over the days between which they lie."""
    number = sum(one.count for one in group)
    positions = tuple(sorted({position for one in group for position in one.positions}))
    return Mark(
        group[0].lane, "", counted(number, "fact", "facts"), "", positions, "count", at=_over(group), count=number
    )


def _over(group: Sequence[Mark]) -> Told:
    """All of one group are open on the same sides."""
    bounds = [one.at.bounds for one in group if one.at]
    first = min((one.earliest for one in bounds if one.earliest), default=None)
    last = max((one.latest for one in bounds if one.latest), default=None)
    ends = [day_words(day) for day in (first, last) if day]
    return Told(" to ".join(ends), "several", Bounds(first, last))


def _first(mark: Mark) -> Day:
    assert mark.at
    day = mark.at.bounds.earliest or mark.at.bounds.latest
    assert day
    return day
