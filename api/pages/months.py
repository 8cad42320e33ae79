"""Meetings by month: which days they took, as exactly as it is known. Pure."""

from calendar import Calendar
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from api.pages.dates import MONTHS
from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.edtf import InvalidDate

WEEK = Calendar()
FIRST, LAST = (1000, 1), (2999, 12)
"""The months that can be asked for."""
LONGEST = timedelta(days=14)
"""A meeting whose days are not told more exactly than this has no place in a week."""


class Month(NamedTuple):
    """A month of the calendar, with its weeks of days, those of the months beside it too."""

    year: int
    month: int

    @property
    def words(self) -> str:
        return f"{MONTHS[self.month - 1]} {self.year}"

    @property
    def weeks(self) -> list[list[date]]:
        return WEEK.monthdatescalendar(self.year, self.month)

    def step(self, by: int) -> str:
        """The month so many later, such as ``2024-08``."""
        year, month = divmod(self.year * 12 + self.month - 1 + by, 12)
        return f"{year:04}-{month + 1:02}"

    @classmethod
    def read(cls, text: str) -> "Month":
        year, month = text.split("-")
        return cls(int(year), int(month))

    @classmethod
    def of(cls, day: date) -> "Month":
        """The month of a day, or the nearest that can be asked for: the calendar's last week is beyond all dates."""
        return cls(*min(max((day.year, day.month), FIRST), LAST))


class Dated(NamedTuple):
    """A meeting, and between which days it lies."""

    meeting: Mapping[str, Any]
    said: str
    first: date
    last: date

    @property
    def is_exact(self) -> bool:
        return self.last - self.first <= LONGEST

    def is_on(self, day: date) -> bool:
        return self.first <= day <= self.last


def said_of(meeting: Mapping[str, Any]) -> str | None:
    """When it takes or took place, as a source says it."""
    dates = [said for said in (meeting["dates"].get("held"), meeting["start"], *meeting["dates"].values()) if said]
    if dates and dates[0] == meeting["start"] and meeting["end"] and "/" not in meeting["start"] + meeting["end"]:
        return f"{meeting['start']}/{meeting['end']}"
    return dates[0] if dates else None


def in_month(meetings: Iterable[Mapping[str, Any]], month: Month) -> Sequence[Dated]:
    """Those that may lie in a month, in the order of their first days."""
    days = [day for week in month.weeks for day in week if day.month == month.month]
    found = [dated for one in meetings if (dated := _dated(one)) and dated.first <= days[-1] and dated.last >= days[0]]
    return sorted(found, key=lambda one: (one.first, one.last, one.meeting["subject"]))


def _dated(meeting: Mapping[str, Any]) -> Dated | None:
    said = said_of(meeting)
    try:
        bounds = PartialDate(said) if said else None
    except InvalidDate:
        return None
    if bounds is None or bounds.earliest is None or bounds.latest is None or said is None:
        return None
    return Dated(meeting, said, bounds.earliest, bounds.latest)
