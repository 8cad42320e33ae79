"""Partial dates: an EDTF string (ISO 8601-2) and the days between which it lies.

What a source says about a date is kept as it was said ("2024-09", "2024?", "../2024-06"); what is computed
from it are two strict bounds, the earliest and the latest day it allows. Approximation marks (``?``, ``~``, ``%``)
leave the bounds as they are: how far "about 1984" reaches is a judgement, and this ledger makes none.
"""

from datetime import date
from functools import lru_cache
from typing import Any, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from ledger.vocabulary.edtf import INSTANT, Bounds, Day, InvalidDate, bounds_of

__all__ = ["INSTANT", "InvalidDate", "PartialDate"]


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


def _clamp(day: Day | None) -> date | None:
    if day is None:
        return None
    if not 1 <= day[0] <= 9999:
        return date.min if day[0] < 1 else date.max
    return date(*day)
