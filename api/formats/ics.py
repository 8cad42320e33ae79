"""Meetings and what is due as a calendar (RFC 5545), byte for byte the same whenever the same states are told.

An event stands for a stream: its UID is the subject, its SEQUENCE the stream's version, its DTSTAMP the time at which the last entry
was recorded. A date that allows one day is an all-day event, an instant has its time in UTC, and a meeting that was held from one day to
another takes all of them. What is not known to the day is no event, as a calendar would make a day of it.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from icalendar import Calendar, Event
from pydantic_core import from_json

from api.formats.form import Form
from ledger.vocabulary.dates import PartialDate

MEDIA_TYPE = "text/calendar"
END = "END:VCALENDAR\r\n"
CANCELLED, TENTATIVE = frozenset({"cancelled", "withdrawn"}), frozenset({"proposed", "reported", "postponed"})
LOUD = frozenset({"cancelled", "withdrawn", "postponed"})
"""Statuses that the summary begins with, as not every calendar shows STATUS."""


def calendar_form(name: str, left_out: int) -> Form:
    """``left_out``: how many of the documents are no event, as their dates are not known to the day."""
    calendar = Calendar()
    for key, value in (
        ("version", "2.0"), ("prodid", "-//partnership-ledger//EN"), ("x-wr-calname", name), ("x-ledger-left-out", str(left_out)),
    ):  # fmt: skip
        calendar.add(key, value)
    return Form(calendar.to_ical().decode().removesuffix(END), lambda document: event_text(from_json(document)), END)


def is_dated(document: str) -> bool:
    """Whether it is an event: its date allows one day."""
    return _starts(from_json(document)) is not None


def event_text(state: Mapping[str, Any]) -> str:
    """The event that a state is, with ``recordedtime`` beside its fields; nothing where its date is not known to the day."""
    start = _starts(state)
    if start is None:
        return ""
    event, status = Event(), state["status"]
    event.add("uid", state["subject"])
    event.add("sequence", state["version"])
    event.add("dtstamp", datetime.fromisoformat(state["recordedtime"]).astimezone(UTC))
    event.add("dtstart", start)
    if end := _ends(state, start):
        event.add("dtend", end)
    event.add("summary", _summary(state))
    event.add("status", "CANCELLED" if status in CANCELLED else "TENTATIVE" if status in TENTATIVE else "CONFIRMED")
    event.add("transp", "TRANSPARENT")
    event.add("description", _description(state))
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


def _starts(state: Mapping[str, Any]) -> date | datetime | None:
    first, last = _held(state)
    return _exactly(_date(state)) or (first if last else None)


def _held(state: Mapping[str, Any]) -> tuple[date | datetime | None, date | datetime | None]:
    """The first and the last day of a meeting that was held from one to another; None where one of them is open or not a day."""
    held = _date(state) if _is_meeting(state) and not state.get("start") else None
    days = [_exactly(one) for one in (held or "").split("/") if one not in ("", "..")]
    return (days[0], days[1]) if len(days) == 2 and all(days) else (None, None)


def _exactly(told: str | None) -> date | datetime | None:
    """The instant or the day that a date names; None where it allows several days, or lies at the edge of the calendar."""
    when = PartialDate(told) if told else None
    if when is None or when.earliest != when.latest or when.latest in (None, date.min, date.max):
        return None
    return datetime.fromisoformat(when).astimezone(UTC).replace(microsecond=0) if when.is_instant else when.earliest


def _ends(state: Mapping[str, Any], start: date | datetime) -> date | datetime | None:
    """The first moment after it, of the same sort as the start; None where that is not told."""
    end = _exactly(state.get("end")) if _is_meeting(state) and state.get("start") else _held(state)[1]
    if end is None or isinstance(end, datetime) != isinstance(start, datetime) or end < start:
        return None
    return end if isinstance(end, datetime) else end + timedelta(days=1)


def _summary(state: Mapping[str, Any]) -> str:
    title = state.get("title") or state.get("description") or state["subject"]
    said = title if _is_meeting(state) else f"Due: {title}"
    return f"{state['status'].capitalize()}: {said}" if state["status"] in LOUD else said


def _description(state: Mapping[str, Any]) -> str:
    told = f"Status: {state['status']}. Date as recorded: {_date(state)}."
    return "\n".join(one for one in (state.get("description"), state.get("reason"), told) if one)
