"""The axis of time: days as numbers, before year 1 and after 9999 too; which days the picture spans, and its ticks. Pure."""

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import count
from typing import NamedTuple

from api.pages.dates import MONTHS
from api.pages.timeline.words import year_words
from ledger.vocabulary.edtf import Day

MARGIN = 0.04
LEAST_DAYS = 28
"""A picture spans no less, or a single day would fill it."""
TICK_WIDTH = 92.0
"""Pixels that a tick has for its label."""


def ordinal(day: Day) -> int:
    """The number of a day of the proleptic Gregorian calendar; ``date.toordinal`` where that reaches."""
    year, month, number = day
    year, month = (year - 1, month + 12) if month < 3 else (year, month)
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + number - 306


def day_of(one: date) -> Day:
    return one.year, one.month, one.day


class Tick(NamedTuple):
    """A day that is marked; ``major`` where a year begins."""

    day: int
    label: str
    major: bool


class Axis(NamedTuple):
    """From the first day to the last (as numbers, the last not included), drawn from ``left`` over ``width`` pixels."""

    first: float
    last: float
    left: float
    width: float

    def x(self, day: float) -> float:
        """Where a day begins: never outside of the picture."""
        place = self.left + (day - self.first) / (self.last - self.first) * self.width
        return min(max(place, self.left), self.right)

    @property
    def right(self) -> float:
        return self.left + self.width


def axis(days: Iterable[int], today: int, left: float, width: float) -> Axis:
    """Spans all the days and today, with a margin on both sides."""
    those = [*days, today, today + 1]
    first, last = min(those), max(those)
    missing = max(LEAST_DAYS - (last - first), 0) / 2
    margin = (last - first + 2 * missing) * MARGIN + missing
    return Axis(first - margin, last + margin, left, width)


def ticks(of: Axis) -> list[Tick]:
    """Those of the finest unit of which all have room for their labels."""
    most = max(int(of.width // TICK_WIDTH), 2)
    for every in _units():
        if (of.last - of.first) / every.days <= most:
            return list(_numbered(of, every))
    raise AssertionError("the units have no end")


class _Unit(NamedTuple):
    """Days, months or years, so many at a time; ``days`` is how long that is, about."""

    of: str
    step: int
    days: float


def _units() -> Iterator[_Unit]:
    yield from (_Unit("day", step, step) for step in (1, 7))
    yield from (_Unit("month", step, step * 30.4) for step in (1, 3, 6))
    yield from (_Unit("year", step * 10**zeros, step * 10**zeros * 365.2) for zeros in count() for step in (1, 2, 5))


def _numbered(of: Axis, every: _Unit) -> Iterator[Tick]:
    """Ticks within the axis; the first one says its year."""
    is_first = True
    for day, place in _places(of, every):
        if day >= of.last:
            return
        if day >= of.first:
            yield _tick(day, place, every, is_first)
            is_first = False


def _places(of: Axis, every: _Unit) -> Iterator[tuple[int, Day]]:
    """The unit's beginnings, from before the axis on, without end."""
    year = int(of.first // 365.2425)  # the axis begins in that year, or in the one after it
    if every.of == "year":
        yield from ((ordinal((y, 1, 1)), (y, 1, 1)) for y in count((year // every.step) * every.step, every.step))
    elif every.of == "month":
        months = ((y, m, 1) for y in count(year) for m in range(1, 13, every.step))
        yield from ((ordinal(day), day) for day in months)
    else:
        yield from ((n, civil(n)) for n in count(int(of.first) // every.step * every.step + 1, every.step))


def _tick(number: int, day: Day, every: _Unit, is_first: bool) -> Tick:
    year, month, of_month = day
    major = every.of != "day" and month == 1
    if every.of == "year" or major:
        return Tick(number, year_words(year), major and every.of != "year")
    label = MONTHS[month - 1][:3] if every.of == "month" else f"{of_month} {MONTHS[month - 1][:3]}"
    return Tick(number, f"{label} {year_words(year)}" if is_first else label, False)


def civil(number: int) -> Day:
    """The day of a number: ``ordinal`` backwards."""
    shifted = number + 305  # days since 1 March of year 0
    era, of_era = divmod(shifted, 146_097)
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    return year + era * 400 + (month > 9), month + 3 if month < 10 else month - 9, day
