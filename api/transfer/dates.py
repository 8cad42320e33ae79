"""Dates in the cells of a table, in the formats that a mapping names."""

import re
from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache

from api.transfer.report import CellFault
from ledger.vocabulary.dates import PartialDate

Years = tuple[int, int]
"""The first and the last year that a date may lie in."""

TOKEN = re.compile(r"YYYY|Mon|MM?|DD?")
TOUCHING = re.compile(r"(?>YYYY|MM?(?!on)|DD?){2,}")
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
"""Written out, as the library's names depend on the locale of the machine."""

DAY_COUNT = re.compile(r"(\d{5})(?:\.\d+)?", re.ASCII)
DAY_ZERO = date(1899, 12, 30)
"""The day from which spreadsheets count."""


def check_formats(formats: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse unknown formats, and pairs such as DD/MM and MM/DD, as a cell does not say which of the two it is in."""
    for one in formats:
        tokens = "".join(sorted(token[0] for token in TOKEN.findall(one)))
        if one != "EDTF" and (tokens not in ("Y", "MY", "DMY") or re.search("[A-Za-z%]", TOKEN.sub("", one))):
            raise ValueError(f"{one!r} is no format, such as DD/MM/YYYY, MM/DD/YYYY, D Mon YYYY, YYYY-MM-DD or EDTF")
        if any(re.sub("YYYY|MM|DD", "", digits) for digits in TOUCHING.findall(one)):
            raise ValueError(
                f"{one!r} has digits in a row of which nobody knows how many each part has: write DDMMYYYY"
            )
    if len({_shape(one) for one in formats}) < len(formats):
        raise ValueError(f"of {' and '.join(formats)}, two read the same text")
    return formats


def _shape(format_: str) -> str:
    """What its texts look like: formats of one shape cannot be told apart. Digits in a row are only counted."""
    return re.sub("MM?(?!o)|DD?", "#", TOUCHING.sub(lambda digits: str(len(digits[0])), format_))


def read_date(text: str, formats: Sequence[str], column: str, years: Years | None = None) -> str:
    """The date, in the first of the formats that fits. Raises CellFault."""
    for one in formats:
        try:
            found = PartialDate(text if one == "EDTF" else _iso(text, one))
        except ValueError:
            continue
        _check_years(found, text, column, years)
        return str(found)
    raise CellFault(column, f"{text!r} is no date as {' or '.join(formats)}{_hint(text, formats)}")


def _check_years(found: PartialDate, text: str, column: str, years: Years | None) -> None:
    days = [day for day in found.bounds if day]
    if years and not all(years[0] <= year <= years[1] for year, _, _ in days):
        raise CellFault(column, f"{text!r} is outside of the years {years[0]} to {years[1]}, which the mapping allows")


def _hint(text: str, formats: Sequence[str]) -> str:
    """What it may be: a cell of a spreadsheet that was not saved as a date, or a date with something behind it."""
    if count := DAY_COUNT.fullmatch(text):
        day = DAY_ZERO + timedelta(days=int(count[1]))
        return f": it may be a spreadsheet's count of days, which stands for {day}; save the column as dates"
    begun = next(filter(None, (_pattern(one).match(text) for one in formats if one != "EDTF")), None)
    if begun and (rest := text[begun.end() :]):
        return f": {rest.strip()!r} stands behind it; a column with a pattern takes them apart"
    return ""


def _iso(text: str, format_: str) -> str:
    """Year, month and day, as far as the format has them. Raises ValueError."""
    found = _pattern(format_).fullmatch(text)
    if not found:
        raise ValueError(text)
    parts = found.groupdict()
    numbers = [parts[name] if name != "M" else _month(parts[name]) for name in "YMD" if name in parts]
    return "-".join(number.zfill(2) for number in numbers)


@lru_cache
def _pattern(format_: str) -> re.Pattern[str]:
    """Digits that touch others must all be there: 1021947 is the 1st or the 10th. Blanks may be several."""
    touching = {index for run in TOUCHING.finditer(format_) for index in range(*run.span())}
    pattern, end = "", 0
    for token in TOKEN.finditer(format_):
        pattern += _literal(format_[end : token.start()]) + _group(token[0], exact=token.start() in touching)
        end = token.end()
    return re.compile(pattern + _literal(format_[end:]), re.ASCII)


def _literal(text: str) -> str:
    return r"\s+".join(map(re.escape, re.split(r"\s+", text)))


def _group(part: str, *, exact: bool) -> str:
    if part == "YYYY":
        return r"(?P<Y>(?!0000)\d{4})"
    if part == "Mon":
        return r"(?P<M>[A-Za-z]{3,})\.?"
    return rf"(?P<{part[0]}>\d{{{2 if exact else 1},2}})"


def _month(text: str) -> str:
    """The number of a month that is written as such, or as the beginning of its name. Raises ValueError."""
    if text.isdecimal():
        return text
    return next(str(number) for number, name in enumerate([*MONTHS, text.lower()], 1) if name.startswith(text.lower()))
