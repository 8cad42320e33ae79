"""Shapes that are not even, as ledgers of the real world are: one stream that is much longer than all others."""

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from typing import Any

FIRST_DAY = date(1995, 1, 1)
TEXT = "Both sides say that the co-production of the vehicles, the training of crews and the exchange of data go on. "

Event = dict[str, Any]


def event(type_: str, subject: str, day: date | None = None, **data: Any) -> Event:
    occurred = {"occurred": day.isoformat()} if day else {}
    sources = [{"source": "source:register", "locator": f"paragraph {day or 1}"}]
    return {"type": type_, "subject": subject, "sources": sources, "data": data, **occurred}


def register() -> Event:
    """The source of all that is told here."""
    told = {"title": "The register", "kind": "gazette"}
    return {"type": "source.registered", "subject": "source:register", "data": told}


def long_initiative(subject: str, claims: int, *, in_order: bool) -> Iterator[Event]:
    """An initiative of which so many claims are made, a day apart each: recorded in the order of their days, or in none."""
    yield event("initiative.reported", subject, FIRST_DAY, name="The long one", kind="research")
    days = list(range(claims))
    if not in_order:
        Random(claims).shuffle(days)
    yield from (claim(subject, day) for day in days)


def claim(subject: str, day: int) -> Event:
    return event("initiative.claim_recorded", subject, FIRST_DAY + timedelta(days=day + 1), text=f"{day} {TEXT}")


def long_meeting(subject: str, statements: int) -> Iterator[Event]:
    """A meeting of one day at which so much was said."""
    yield event("meeting.held", subject, FIRST_DAY, title="The long one")
    yield from (statement(subject, number) for number in range(statements))


def statement(subject: str, number: int) -> Event:
    return event("meeting.statement_made", subject, FIRST_DAY, act="emphasised", text=f"{number} {TEXT}")
