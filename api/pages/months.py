"""Meetings and milestones by month: which days they take, as exactly as it is known. Pure."""

from calendar import Calendar
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from api.formats.days import Placed, placed
from api.pages.dates import MONTHS

WEEK = Calendar()
FIRST, LAST = (1000, 1), (2999, 12)
"""The months that can be asked for."""
LONGEST = timedelta(days=14)
"""Something whose days are not told more exactly than this has no place in a week."""


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
    """A meeting or milestone, and between which days it lies."""

    state: Mapping[str, Any]
    place: Placed

    @property
    def is_exact(self) -> bool:
        return self.place.last - self.place.first <= LONGEST

    @property
    def said(self) -> str:
        """When it is, as a source says it."""
        said, end = self.place.said, self.place.end
        return f"{said}/{end}" if end and "/" not in said + end else said

    def is_on(self, day: date) -> bool:
        return self.place.first <= day <= self.place.last


def in_month(states: Iterable[Mapping[str, Any]], month: Month) -> Sequence[Dated]:
    """Those that may lie in a month, in the order of their first days."""
    days = [day for week in month.weeks for day in week if day.month == month.month]
    dated = [Dated(one, place) for one in states if (place := placed(one))]
    found = [one for one in dated if one.place.first <= days[-1] and one.place.last >= days[0]]
    return sorted(found, key=lambda one: (one.place.first, one.place.last, one.state["subject"]))
