"""Meetings and what is due as a calendar (RFC 5545), byte for byte the same whenever the same states are told.

An event stands for a stream: its UID is the subject, its SEQUENCE the stream's version, its DTSTAMP the time at which the last entry
was recorded. An instant has its time in UTC, a date that allows one day is an all-day event. What is known to the month alone, or to
lie between two days, is one over all of these days, and says that it lies somewhere in them. What has no date, or one that is open on
a side, is none.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from icalendar import Calendar, Event
from pydantic_core import from_json

from api.formats.form import Form
from ledger.vocabulary.dates import PartialDate

MEDIA_TYPE = "text/calendar"
END = "END:VCALENDAR\r\n"
CANCELLED, TENTATIVE = frozenset({"cancelled", "withdrawn"}), frozenset({"proposed", "reported", "postponed"})
LOUD = frozenset({"cancelled", "withdrawn", "postponed"})
"""Statuses that the summary begins with, as not every calendar shows STATUS."""
VAGUE = "On these days, or on some of them: no entry says it more exactly."


def calendar_form(name: str, left_out: int) -> Form:
    """``left_out``: how many of the documents are no event, as no date bounds them."""
    calendar = Calendar()
    for key, value in (
        ("version", "2.0"), ("prodid", "-//partnership-ledger//EN"), ("x-wr-calname", name), ("x-ledger-left-out", str(left_out)),
    ):  # fmt: skip
        calendar.add(key, value)
    return Form(calendar.to_ical().decode().removesuffix(END), lambda document: event_text(from_json(document)), END)


def is_dated(state: Mapping[str, Any]) -> bool:
    """Whether it is an event: the days that it may be on are bounded."""
    return _span(state) is not None


def event_text(state: Mapping[str, Any]) -> str:
    """The event that a state is, with ``recordedtime`` beside its fields; nothing where no date bounds it."""
    span = _span(state)
    if span is None:
        return ""
    event, status = Event(), state["status"]
    event.add("uid", state["subject"])
    event.add("sequence", state["version"])
    event.add("dtstamp", datetime.fromisoformat(state["recordedtime"]).astimezone(UTC))
    event.add("dtstart", span.start)
    if span.end:
        event.add("dtend", span.end)
    event.add("summary", _summary(state))
    event.add("status", "CANCELLED" if status in CANCELLED else "TENTATIVE" if status in TENTATIVE else "CONFIRMED")
    event.add("transp", "TRANSPARENT")
    event.add("description", _description(state, vague=span.vague))
    event.add("x-ledger-status", status)
    if place := state.get("place"):
        event.add("location", place)
    told: bytes = event.to_ical()
    return told.decode()


def _is_meeting(state: Mapping[str, Any]) -> bool:
    return bool(state["subject"].startswith("meeting:"))


def _date(state: Mapping[str, Any]) -> str | None:
    """When it is, as it was recorded: a meeting that was held without a start on the days on which it was held."""
    if not _is_meeting(state):
        return state.get("due")
    held: str | None = state.get("dates", {}).get("held")
    return state.get("start") or held


class Span(NamedTuple):
    """When an event is: from one moment to another that is no part of it any more, both instants or both days; a day by itself ends
    nowhere. ``vague``: whether it lies somewhere in these days."""

    start: date | datetime
    end: date | datetime | None = None
    vague: bool = False


def _span(state: Mapping[str, Any]) -> Span | None:
    """None where nothing bounds it on both sides, or it lies at the edge of the calendar."""
    said = _date(state)
    when = PartialDate(said) if said else None
    if when is None or when.latest in (None, date.min, date.max):
        return None
    end = PartialDate(state["end"]) if _is_meeting(state) and state.get("start") and state.get("end") else None
    return _time(when, end) if when.is_instant else _days(when, end, is_due=not _is_meeting(state))


def _time(when: PartialDate, end: PartialDate | None) -> Span:
    start = _instant(when)
    last = _instant(end) if end and end.is_instant else None
    return Span(start, last if last and last >= start else None)


def _instant(when: PartialDate) -> datetime:
    return datetime.fromisoformat(when).astimezone(UTC).replace(microsecond=0)


def _days(when: PartialDate, end: PartialDate | None, *, is_due: bool) -> Span | None:
    """What is due by a day, whatever it begins with, stands on that day."""
    last = when.latest
    assert last is not None
    first = last if is_due and when.earliest in (None, date.min) else when.earliest
    if first in (None, date.min):
        return None
    vague = first != last
    if end and end.latest and first <= end.latest < date.max:
        vague, last = vague or end.earliest != end.latest, max(last, end.latest)
    return Span(first, last + timedelta(days=1) if last > first else None, vague)


def _summary(state: Mapping[str, Any]) -> str:
    title = state.get("title") or state.get("description") or state["subject"]
    said = title if _is_meeting(state) else f"Due: {title}"
    return f"{state['status'].capitalize()}: {said}" if state["status"] in LOUD else said


def _description(state: Mapping[str, Any], *, vague: bool) -> str:
    told = f"Status: {state['status']}. Date as recorded: {_date(state)}."
    note = VAGUE if vague else ""
    return "\n".join(one for one in (state.get("description"), state.get("reason"), told, note) if one)
