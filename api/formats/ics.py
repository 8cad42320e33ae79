"""Meetings, what is due and what became of it as a calendar (RFC 5545), byte for byte the same whenever the same states are told.

An event stands for a stream: its UID is the subject, its SEQUENCE the stream's version, its DTSTAMP the time at which the last entry
was recorded: it stands on the day for which it is meant, and once it has happened, on that day. An instant has its time in UTC, a date that allows one day is an all-day event. What is known to the month alone, or to
lie between two days, is one over all of these days, and says that it lies somewhere in them. What has no date, or one that is open on
a side, is none.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from icalendar import Calendar, Event, Timezone
from pydantic_core import from_json

from api.formats.days import Placed, placed
from api.formats.form import Form
from ledger.vocabulary.dates import PartialDate

MEDIA_TYPE = "text/calendar"
END = "END:VCALENDAR\r\n"
CANCELLED, TENTATIVE = frozenset({"cancelled", "withdrawn"}), frozenset({"proposed", "reported", "postponed"})
LOUD = frozenset({"cancelled", "withdrawn", "postponed"})
"""Statuses that the summary begins with, as not every calendar shows STATUS."""
HEADS = {"due": "Due", "met": "Met", "not_met": "Not met", "reviewed_on": "Not met", "partially_met": "Partly met"}
"""What the summary of a milestone or commitment begins with, by what is on the day."""
ZONE = Timezone.from_tzid("UTC").to_ical().decode()
VAGUE = "On these days, or on some of them: no entry says it more exactly."


def calendar_form(name: str, events: int, left_out: int) -> Form:
    """``left_out``: how many documents are no event, as no date bounds them. A calendar must have something in it (RFC 5545, 3.6):
    one without ``events`` has the time zone in which its times would be."""
    calendar = Calendar()
    for key, value in (
        ("version", "2.0"), ("prodid", "-//partnership-ledger//EN"), ("x-wr-calname", name), ("x-ledger-left-out", str(left_out)),
    ):  # fmt: skip
        calendar.add(key, value)
    head = calendar.to_ical().decode().removesuffix(END)
    return Form(head + ("" if events else ZONE), lambda document: event_text(from_json(document)), END)


def is_dated(state: Mapping[str, Any]) -> bool:
    """Whether it is an event: the days that it may be on are bounded."""
    return placed(state) is not None


def event_text(state: Mapping[str, Any]) -> str:
    """The event that a state is, with ``recordedtime`` beside its fields; nothing where no date bounds it."""
    place = placed(state)
    if place is None:
        return ""
    event, status, span = Event(), state["status"], _span(place)
    event.add("uid", state["subject"])
    event.add("sequence", state["version"])
    event.add("dtstamp", datetime.fromisoformat(state["recordedtime"]).astimezone(UTC))
    event.add("dtstart", span.start)
    if span.end:
        event.add("dtend", span.end)
    event.add("summary", _summary(state, place.what))
    event.add("status", "CANCELLED" if status in CANCELLED else "TENTATIVE" if status in TENTATIVE else "CONFIRMED")
    event.add("transp", "TRANSPARENT")
    event.add("description", _description(state, place))
    event.add("x-ledger-status", status)
    if location := state.get("place"):
        event.add("location", location)
    told: bytes = event.to_ical()
    return told.decode()


class Span(NamedTuple):
    """When an event is: from one moment to another that is no part of it any more, both instants or both days; a day by itself ends
    nowhere."""

    start: date | datetime
    end: date | datetime | None = None


def _span(place: Placed) -> Span:
    if not place.said.is_instant:
        return Span(place.first, place.last + timedelta(days=1) if place.last > place.first else None)
    start, end = _instant(place.said), place.end
    last = _instant(end) if end and end.is_instant else None
    return Span(start, last if last and last >= start else None)


def _instant(when: PartialDate) -> datetime:
    return datetime.fromisoformat(when).astimezone(UTC).replace(microsecond=0)


def _summary(state: Mapping[str, Any], what: str) -> str:
    title = state.get("title") or state.get("description") or state["subject"]
    said = f"{HEADS[what]}: {title}" if what in HEADS else title
    return f"{state['status'].capitalize()}: {said}" if state["status"] in LOUD else said


def _description(state: Mapping[str, Any], place: Placed) -> str:
    told = f"Status: {state['status']}. Date as recorded: {place.said}."
    due = state.get("due") if place.what != "due" else None
    parts = (
        state.get("description"),
        state.get("reason"),
        told,
        f"Due: {due}." if due else "",
        VAGUE if place.vague else "",
    )
    return "\n".join(one for one in parts if one)
