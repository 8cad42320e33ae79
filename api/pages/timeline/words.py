"""Dates, facts and texts in words, as people read them. Pure."""

import re
from typing import NamedTuple

from api.pages.dates import MONTHS, date_words
from ledger.vocabulary.edtf import Bounds, Day, bounds_of

PARTS_OF_YEARS = (
    *("spring", "summer", "autumn", "winter") * 2,
    *("spring", "summer", "autumn", "winter"),  # of the southern hemisphere
    *("first quarter", "second quarter", "third quarter", "fourth quarter"),
    *("first third", "second third", "last third"),
    *("first half", "second half"),
)
"""EDTF's 21 to 41, in their order."""
PART = re.compile(r"(-?\d{4})-(2[1-9]|3\d|4[01])", re.ASCII)
UNREADABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""What XML cannot hold, and what turns the direction in which a line is read."""


class Told(NamedTuple):
    """A date as it was told: in words, how precise it is, and the days between which it lies."""

    words: str
    precision: str
    bounds: Bounds
    about: bool = False
    perhaps: bool = False


def told(text: str) -> Told:
    """What an EDTF text says: as the pages say it, or where they have no words for it, as its bounds do. Raises InvalidDate."""
    about, perhaps = bool(re.search("[~%]", text)), bool(re.search("[?%]", text))
    bounds, words = bounds_of(text), date_words(text)
    own, precision = _told(re.sub("[?~%]", "", text), bounds)
    if words == text:
        words = f"{'about ' * about}{own}{', uncertain' * perhaps}"
    return Told(words, precision, bounds, about, perhaps)


def _told(sure: str, bounds: Bounds) -> tuple[str, str]:
    first, last = bounds
    if first is None or last is None:
        return f"{day_words(first)} or later" if first else f"by {day_words(last)}" if last else "at some time", "open"
    if part := PART.fullmatch(sure):
        return f"{PARTS_OF_YEARS[int(part[2]) - 21]} of {year_words(int(part[1]))}", "part of a year"
    words, precision = _span(first, last)
    return words, "interval" if "/" in sure else precision


def _span(first: Day, last: Day) -> tuple[str, str]:
    """A day, a month, a year, or what lies between two days."""
    if first == last:
        return day_words(first), "day"
    if first[:2] == last[:2] and (first[2], last[2] > 27) == (1, True):
        return month_words(first), "month"
    if first[0] == last[0] and (first[1:], last[1:]) == ((1, 1), (12, 31)):
        return year_words(first[0]), "year"
    return f"between {day_words(first)} and {day_words(last)}", "span"


def day_words(day: Day) -> str:
    """22 August 2024, with BC before year 1."""
    return f"{day[2]} {month_words(day)}"


def month_words(day: Day) -> str:
    return f"{MONTHS[day[1] - 1]} {year_words(day[0])}"


def year_words(year: int) -> str:
    return str(year) if year > 0 else f"{1 - year} BC"


def plain(text: str, longest: int = 0) -> str:
    """A text on one line that every reader of XML takes, shortened where it is longer than ``longest``."""
    line = UNREADABLE.sub(lambda one: " " if one[0] in "\t\n\r" else "\ufffd", text)
    return line if not longest or len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def counted(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"
