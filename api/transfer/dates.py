"""Dates in the cells of a table, in the formats that a mapping names."""

import re
from collections.abc import Sequence
from datetime import datetime

from ledger.errors import Invalid
from ledger.vocabulary.dates import PartialDate

TOKEN = re.compile(r"YYYY|Mon|MM?|DD?")
WORD = re.compile(r"([A-Za-z]{3,})\.?")
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
"""Written out, as the library's names depend on the locale of the machine."""


def check_formats(formats: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse unknown formats, and pairs such as DD/MM and MM/DD, as a cell does not say which of the two it is in."""
    for one in formats:
        tokens = "".join(sorted(token[0] for token in TOKEN.findall(one)))
        if one != "EDTF" and (tokens not in ("Y", "MY", "DMY") or re.search("[A-Za-z%]", TOKEN.sub("", one))):
            raise ValueError(f"{one!r} is no format, such as DD/MM/YYYY, MM/DD/YYYY, D Mon YYYY, YYYY-MM-DD or EDTF")
    shapes = {re.sub("MM?(?!o)|DD?", "#", one) for one in formats}
    if len(shapes) < len(formats):
        raise ValueError(f"of {' and '.join(formats)}, two read the same text")
    return formats


def read_date(text: str, formats: Sequence[str], column: str) -> str:
    """The date, in the first of the formats that fits. Raises Invalid, naming the column."""
    for one in formats:
        try:
            return str(PartialDate(text)) if one == "EDTF" else _iso(text, one)
        except ValueError:
            continue
    raise Invalid(f"column {column!r}: {text!r} is no date as {' or '.join(formats)}")


def _iso(text: str, format_: str) -> str:
    """Year, month and day, as far as the format has them. Raises ValueError."""
    if "Mon" in format_:
        text = WORD.sub(lambda word: _month(word[1].lower()), text)
    pattern = TOKEN.sub(lambda token: {"Y": "%Y", "M": "%m", "D": "%d"}[token[0][0]], format_)
    found = datetime.strptime(text, pattern).date().isoformat()
    return found[: 10 if "D" in format_ else 7 if "M" in format_ else 4]


def _month(word: str) -> str:
    return next((str(number) for number, name in enumerate(MONTHS, start=1) if name.startswith(word)), word)
