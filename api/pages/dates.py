"""Partial dates in words. What no words fit is shown as it was said."""

import re
from datetime import date
from functools import lru_cache

from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.edtf import INSTANT, InvalidDate

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
PLAIN = re.compile(r"(?P<year>\d{4})(?:-(?P<month>0[1-9]|1[0-2])(?:-(?P<day>\d\d))?)?(?P<mark>[?~%]?)", re.ASCII)
MARKS = {"": "{}", "~": "about {}", "?": "{}, uncertain", "%": "about {}, uncertain"}
OPEN_ENDS = {"..": "open", "": "unknown"}


def day_words(day: date) -> str:
    """Such as 22 August 2024."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


@lru_cache(maxsize=10_000)
def date_words(said: str) -> str:
    """A date of EDTF in words: 22 August 2024, August 2024, about 1984, 9 to 10 September 2024."""
    if INSTANT.fullmatch(said):
        return f"{date_words(said[:10])}, {said[11:]}"
    first, is_interval, last = said.partition("/")
    if not is_interval:
        return _one(said) or said
    if last in OPEN_ENDS and (word := _one(first)):
        return f"from {word} (end {OPEN_ENDS[last]})"
    if first in OPEN_ENDS and (word := _one(last)):
        return f"until {word} (beginning {OPEN_ENDS[first]})"
    begins, ends = _one(first), _one(last)
    return f"{_shortened(begins, ends)} to {ends}" if begins and ends else said


def _one(said: str) -> str:
    found = PLAIN.fullmatch(said)
    if not found:
        return ""
    parts = [found["day"] and str(int(found["day"])), found["month"] and MONTHS[int(found["month"]) - 1], found["year"]]
    return MARKS[found["mark"]].format(" ".join(part for part in parts if part))


def _shortened(begins: str, ends: str) -> str:
    """The first end of an interval, without the month and the year that the last one has, too."""
    first, last = begins.split(" "), ends.split(" ")
    while len(first) > 1 and len(first) == len(last) and first[-1] == last[-1]:
        first, last = first[:-1], last[:-1]
    return " ".join(first)


def precision(said: str) -> str:
    """How exactly a date was said: to the second, to the day, to the month, to the year; or between which days it lies."""
    if INSTANT.fullmatch(said):
        return "to the second"
    found = PLAIN.fullmatch(said)
    if found:
        return f"to the {'day' if found['day'] else 'month' if found['month'] else 'year'}"
    return f"between {_edge(said, 'earliest')} and {_edge(said, 'latest')}"


def _edge(said: str, name: str) -> str:
    try:
        day = getattr(PartialDate(said), name)
    except InvalidDate:
        day = None
    return "an open end" if day is None else day_words(day)
