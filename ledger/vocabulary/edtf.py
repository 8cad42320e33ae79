"""EDTF (ISO 8601-2, levels 0 to 2): what a text says, as the earliest and the latest day that it allows. Pure.

The marks ``?``, ``~`` and ``%`` leave the days as they are. Significant digits widen a year to all that share them. A season
lies in the calendar year that it is named with, and an unspecified hemisphere is taken for the northern one.
"""

import calendar
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import NamedTuple

LEAP_YEAR = 2000
Day = tuple[int, int, int]
"""Year, month, day in the proleptic Gregorian calendar; year 0 is 1 BC, as in ISO 8601."""


class Bounds(NamedTuple):
    """The earliest and the latest day, ``None`` where the side is open or unknown."""

    earliest: Day | None
    latest: Day | None


class InvalidDate(ValueError):
    """The text is not a date, or names a day that no calendar has, or is EDTF that the ledger does not take."""


EXAMPLES = "such as 2024-09-25, 2024-09, 2024? or ../2024-06"
MARK = "[?~%]?"
PLAIN = re.compile(r"(\d{4})(?:-(0\d|1[0-2])(?:-(\d\d))?)?", re.ASCII)
DATE = re.compile(
    rf"{MARK}(?P<year>(?!-0000)-?[\dX]{{4}}){MARK}(?:-{MARK}(?P<month>[01X][\dX]){MARK}(?:-{MARK}(?P<day>[\dX]{{2}}){MARK})?)?",
    re.ASCII,
)
SEASON = re.compile(rf"{MARK}(?P<year>(?!-0000)-?\d{{4}}){MARK}-{MARK}(?P<season>2[1-9]|3\d|4[01]){MARK}", re.ASCII)
YEAR = re.compile(
    r"(?P<year>(?!-0000)-?\d{4}(?=S)|Y-?[1-9]\d{4,}|Y-?[1-9]\d*(?=E))(?:E(?P<exponent>\d+))?(?:S(?P<digits>\d+))?[?~%]?",
    re.ASCII,
)
"""A year by itself: of more than four digits, with an exponent, or with significant digits."""
MOMENT = re.compile(
    r"(?P<day>-?\d{4}-\d\d-\d\d)T(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.\d{1,9})?"
    r"(?:Z|[+-](?P<zone_hour>\d\d)(?::(?P<zone_minute>\d\d))?)?",
    re.ASCII,
)
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT[0-2]\d:[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-][0-2]\d:[0-5]\d)", re.ASCII)
"""A moment as RFC 3339 writes it."""
MOST_ZEROS = 9
SEASONS = {
    21: (3, 5), 22: (6, 8), 23: (9, 11), 24: (12, 12), 25: (3, 5), 26: (6, 8), 27: (9, 11), 28: (12, 12),
    29: (9, 11), 30: (12, 12), 31: (3, 5), 32: (6, 8), 33: (1, 3), 34: (4, 6), 35: (7, 9), 36: (10, 12),
    37: (1, 4), 38: (5, 8), 39: (9, 12), 40: (1, 6), 41: (7, 12),
}  # fmt: skip
"""First and last month of seasons (of unspecified, northern, southern hemisphere), quarters, thirds and halves of a year."""


@lru_cache(maxsize=65_536)
def bounds_of(text: str) -> Bounds:
    """The strict bounds of an EDTF string or an RFC 3339 instant. Raises InvalidDate."""
    if plain := PLAIN.fullmatch(text):
        return _plain(*plain.groups())
    if moment := MOMENT.fullmatch(text):
        return _moment(text, moment)
    if text[:1] + text[-1:] in ("[]", "{}"):
        return _set(text)
    if text.count("/") == 1:
        return _interval(text, *text.split("/"))
    return _date(text)


def _plain(year: str, month: str | None, day: str | None) -> Bounds:
    first = _real((int(year), int(month or 1), int(day or 1)))
    return Bounds(first, first if day else _last_day(first[0], int(month or 12)))


def _date(text: str) -> Bounds:
    """A date that is no interval, no set and no moment."""
    if date := DATE.fullmatch(text):
        return _by_digits(text, date["year"], date["month"] or "XX", date["day"] or "XX")
    if season := SEASON.fullmatch(text):
        first, last = SEASONS[int(season["season"])]
        return Bounds((int(season["year"]), first, 1), _last_day(int(season["year"]), last))
    if year := YEAR.fullmatch(text):
        return _year(text, year)
    raise InvalidDate(f"{text!r} is not a date in EDTF, {EXAMPLES}")


def _moment(text: str, moment: re.Match[str]) -> Bounds:
    if moment["second"] == "60":
        raise InvalidDate(f"{text!r} is in a leap second, which the ledger does not take: write second 59")
    numbers = [int(moment[name] or 0) for name in ("hour", "minute", "second", "zone_hour", "zone_minute")]
    if numbers[:3] == [24, 0, 0] and not INSTANT.fullmatch(text):
        numbers[0] = 0  # the end of the day, which ISO 8601 has and RFC 3339 has not
    if any(number > most for number, most in zip(numbers, (23, 59, 59, 23, 59), strict=True)):
        raise InvalidDate(f"{text!r} names a time that no clock shows")
    return _date(moment["day"])


def _interval(text: str, start: str, end: str) -> Bounds:
    """From the first day of one end to the last of the other; "" is an unknown end and ".." an open one: neither bounds."""
    ends = [Bounds(None, None) if side in ("", "..") else _end(text, side) for side in (start, end)]
    first, last = ends[0].earliest, ends[1].latest
    if first and last and first > last:
        raise InvalidDate(f"{text} ends before it starts")
    return Bounds(first, last)


def _end(whole: str, side: str) -> Bounds:
    """An end of an interval, or what stands in a set."""
    if any(letter in side for letter in "TY[]{}"):
        raise InvalidDate(
            f"{whole}: the ledger takes days, months, seasons and years of four digits in an interval or a set"
        )
    return _date(side)


def _set(text: str) -> Bounds:
    """One of several dates (in brackets), or all of them (in braces): from the earliest to the latest."""
    members = re.split(" *, *", text[1:-1])  # some programs write blanks there, though the standard has none
    if any(member.startswith("..") for member in members[1:]) or any(member.endswith("..") for member in members[:-1]):
        raise InvalidDate(f"{text}: a set is open before its first member or after its last, nowhere else")
    found = [_member(text, member) for member in members]
    first = [one.earliest for one in found if one.earliest]
    last = [one.latest for one in found if one.latest]
    return Bounds(min(first) if len(first) == len(found) else None, max(last) if len(last) == len(found) else None)


def _member(whole: str, member: str) -> Bounds:
    """A date, or a range of them with an end that may be open."""
    start, dots, end = member.partition("..")
    if member in ("", ".."):
        raise InvalidDate(f"{whole}: a member of the set is missing")
    if not dots:
        return _end(whole, member)
    return _interval(member, start or "..", end or "..")


def _year(text: str, year: re.Match[str]) -> Bounds:
    exponent = int(year["exponent"] or 0)
    if exponent > MOST_ZEROS:  # or working out the number would take its time
        raise InvalidDate(f"{text!r} is further away than this ledger reaches: an exponent has one digit")
    number = int(year["year"].lstrip("Y")) * 10**exponent
    first, last = _significant(text, abs(number), int(year["digits"])) if year["digits"] else (abs(number),) * 2
    first, last = (-last, -first) if number < 0 else (first, last)
    return Bounds((first, 1, 1), (last, 12, 31))


def _significant(text: str, year: int, digits: int) -> tuple[int, int]:
    """The first and the last year that has the same first digits."""
    if not 1 <= digits <= max(len(str(year)), 4):
        raise InvalidDate(f"{text!r}: {year} has no {digits} significant digits")
    unit: int = 10 ** max(len(str(year)) - digits, 0)
    return year // unit * unit, year // unit * unit + unit - 1


def _by_digits(text: str, year: str, month: str, day: str) -> Bounds:
    """A date of which digits may be unspecified: the first and the last real day that it allows."""
    if not _days(True, month, day):  # a leap year has all days of the others
        raise InvalidDate(f"{text!r}: the calendar has no such day")
    first = next(((y, *days[0]) for y in _years(year) if (days := _days(calendar.isleap(y), month, day))), None)
    last = next(((y, *days[-1]) for y in _years(year, -1) if (days := _days(calendar.isleap(y), month, day))), None)
    if first is None or last is None:
        raise InvalidDate(f"{text!r}: the calendar has no such day")
    return Bounds(first, last)


def _years(digits: str, step: int = 1) -> Iterator[int]:
    """The years that digits allow, one by one: from the first, or with -1 from the last."""
    sign = -1 if digits.startswith("-") else 1
    choices = [range(10)[:: sign * step] if digit == "X" else (int(digit),) for digit in digits.lstrip("-")]
    for chosen in product(*choices):
        year = int("".join(map(str, chosen)))
        if year or sign > 0:
            yield sign * year


@lru_cache(maxsize=1_000)
def _days(is_leap: bool, month: str, day: str) -> list[tuple[int, int]]:
    """The days that digits allow in a leap year, or in another."""
    year = LEAP_YEAR if is_leap else LEAP_YEAR + 1
    return [(m, d) for m in _numbers(month, 12) for d in _numbers(day, _days_in(year, m))]


@lru_cache(maxsize=1_000)
def _numbers(digits: str, most: int) -> list[int]:
    pattern = re.compile(digits.replace("X", r"\d"))
    return [n for n in range(1, most + 1) if pattern.fullmatch(f"{n:02d}")]


def _real(day: Day) -> Day:
    year, month, number = day
    if not (1 <= month <= 12 and 1 <= number <= _days_in(year, month)):
        raise InvalidDate(f"there is no day {year:04d}-{month:02d}-{number:02d} in the calendar")
    return day


def _last_day(year: int, month: int) -> Day:
    return (year, month, _days_in(year, month))


def _days_in(year: int, month: int) -> int:
    if not 1 <= month <= 12:
        raise InvalidDate(f"there is no month {month:02d}")
    return 29 if month == 2 and calendar.isleap(year) else (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]
