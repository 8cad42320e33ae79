"""Partial dates: an EDTF string (ISO 8601-2) and the days between which it lies.

What a source says about a date is kept as it was said ("2024-09", "2024?", "../2024-06"); what is computed
from it are two strict bounds, the earliest and the latest day it allows. Approximation marks (``?``, ``~``, ``%``)
leave the bounds as they are: how far "about 1984" reaches is a judgement, and this ledger makes none.
"""

import calendar
import re
from datetime import date, datetime
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

Day = tuple[int, int, int]
"""Year, month, day in the proleptic Gregorian calendar; year 0 is 1 BC, as in ISO 8601."""


class Bounds(NamedTuple):
    """The earliest and the latest day, ``None`` where the side is open or unknown."""

    earliest: Day | None
    latest: Day | None


class InvalidDate(ValueError):
    """The text is not a date, or names a day that no calendar has."""


PLAIN = re.compile(r"(\d{4})(?:-(0\d|1[0-2])(?:-(\d\d))?)?", re.ASCII)
MASKED = re.compile(r"((?!-0000)-?[\dX]{4})-([01X][\dX])(?:-([\dX]{2}))?", re.ASCII)
INSTANT = re.compile(r"(\d{4})-(\d\d)-(\d\d)T[0-2]\d:[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-][0-2]\d:[0-5]\d)", re.ASCII)
LOCAL_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d", re.ASCII)
HUGE = re.compile(r"E\d{2}", re.ASCII)
NO_END = re.compile(r"[TY\[{]")


class PartialDate(str):
    """A date as a source gives it: any EDTF string of levels 0 to 2, or an RFC 3339 instant."""

    __slots__ = ("earliest", "latest")

    earliest: date | None
    """The first day it allows; a year before 1 or after 9999 reads as the calendar's edge."""

    latest: date | None

    def __new__(cls, text: str) -> Self:
        self = super().__new__(cls, text)
        self.earliest, self.latest = map(_clamp, bounds_of(text))
        return self

    @property
    def bounds(self) -> Bounds:
        return bounds_of(self)

    @property
    def is_instant(self) -> bool:
        return INSTANT.fullmatch(self) is not None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(max_length=120)
        return core_schema.no_info_after_validator_function(
            _date, text, metadata={"pydantic_js_updates": {"format": "edtf"}}
        )


@lru_cache(maxsize=10_000)
def _date(text: str) -> PartialDate:
    """Days are told of more than once, and kept in memory once."""
    return PartialDate(text)


@lru_cache(maxsize=65_536)
def bounds_of(text: str) -> Bounds:
    """The strict bounds of an EDTF string or an RFC 3339 instant. Raises InvalidDate."""
    if plain := PLAIN.fullmatch(text):
        return _plain(*plain.groups())
    if instant := INSTANT.fullmatch(text):
        return _instant(text, *instant.groups()[:3])
    if text.count("/") == 1:
        return _interval(*text.split("/"))
    if masked := MASKED.fullmatch(text):
        return _masked(*masked.groups())
    return _by_library(text)


def _plain(year: str, month: str | None, day: str | None) -> Bounds:
    first = _real((int(year), int(month or 1), int(day or 1)))
    if day:
        return Bounds(first, first)
    last = (first[0], int(month or 12))
    return Bounds(first, _real((*last, _days_in(*last))))


def _instant(text: str, *parts: str) -> Bounds:
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidDate(f"{text!r} is not an instant: {error}") from None
    day = _real((int(parts[0]), int(parts[1]), int(parts[2])))
    return Bounds(day, day)


def _interval(start: str, end: str) -> Bounds:
    """Each end read by itself; "" is an unknown end and ".." an open one: neither bounds anything."""
    if NO_END.search(start + end):
        raise InvalidDate(f"{start}/{end}: an interval is between days, months or years of four digits")
    ends = [Bounds(None, None) if side in ("", "..") else bounds_of(side) for side in (start, end)]
    first, last = ends[0].earliest, ends[1].latest if "X" in end else ends[1].earliest
    if (first and last and first > last) or start == end == "":
        raise InvalidDate(f"{start}/{end} ends before it starts")
    return Bounds(ends[0].earliest, ends[1].latest)


def _masked(year: str, month: str, day: str | None) -> Bounds:
    """A date with unspecified digits: the first and the last real day that the mask allows."""
    years = _years(year)
    first = next((days[0] for y in years if (days := _masked_days(y, month, day or "XX"))), None)
    last = next((days[-1] for y in reversed(years) if (days := _masked_days(y, month, day or "XX"))), None)
    if first is None:
        raise InvalidDate(f"no day of the calendar looks like {year}-{month}-{day or 'XX'}")
    return Bounds(first, last)


def _years(mask: str) -> list[int]:
    digits = [range(10) if digit == "X" else (int(digit),) for digit in mask.lstrip("-")]
    years = sorted(int("".join(map(str, chosen))) for chosen in product(*digits))
    return [-year for year in reversed(years)] if mask.startswith("-") else years


def _masked_days(year: int, month: str, day: str) -> list[Day]:
    return [(year, m, d) for m in _numbers(month, 12) for d in _numbers(day, _days_in(year, m))]


def _numbers(mask: str, most: int) -> list[int]:
    pattern = re.compile(mask.replace("X", r"\d"))
    return [n for n in range(1, most + 1) if pattern.fullmatch(f"{n:02d}")]


def _by_library(text: str) -> Bounds:
    from edtf import parse_edtf  # here, as it takes a process 80 ms and few dates need it

    if HUGE.search(text):  # the library would work out the number
        raise InvalidDate(f"{text!r} is further away than this ledger reaches")
    try:
        parsed = parse_edtf(LOCAL_TIME.sub(r"\1", text))
        first, last = _struct(parsed.lower_strict()), _struct(parsed.upper_strict())
    except Exception:  # the library raises what its parts raise: KeyError, AttributeError, its own
        raise InvalidDate(f"{text!r} is not a date in EDTF, such as 2024-09-25, 2024-09, 2024? or ../2024-06") from None
    if text != text.strip():
        raise InvalidDate(f"{text!r} has blanks around it")
    if first and last and first > last:
        raise InvalidDate(f"{text} ends before it starts")
    return Bounds(first, last)


def _struct(moment: Any) -> Day | None:
    return None if isinstance(moment, float) else _real((moment[0], moment[1], moment[2]))


def _real(day: Day) -> Day:
    year, month, number = day
    if not (1 <= month <= 12 and 1 <= number <= _days_in(year, month)):
        raise InvalidDate(f"there is no day {year:04d}-{month:02d}-{number:02d} in the calendar")
    return day


def _days_in(year: int, month: int) -> int:
    if not 1 <= month <= 12:
        raise InvalidDate(f"there is no month {month:02d}")
    return 29 if month == 2 and calendar.isleap(year) else (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]


def _clamp(day: Day | None) -> date | None:
    if day is None:
        return None
    if not 1 <= day[0] <= 9999:
        return date.min if day[0] < 1 else date.max
    return date(*day)
