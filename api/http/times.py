"""How positions, entries, times and days are read where a query or a command names them, and what is said of those that cannot be."""

import re
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, PlainValidator, TypeAdapter, ValidationError

from ledger.vocabulary.dates import INSTANT
from projections.basis import MAX_POSITION, Position

EXAMPLE = "as in RFC 3339, such as 2026-06-01T00:00:00Z"
WHICH = TypeAdapter[int | UUID](Annotated[int, Field(ge=1, le=MAX_POSITION)] | UUID)
ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
LIKE_A_TIME = re.compile(r"\d{4}-\d\d(-|$|T)|.*[T:]\d\d:\d\d", re.ASCII)
CLOCK = r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?"
ZONE = r"([Zz]|[+-]\d\d(:?\d\d)?)"
FAULTS = (
    (rf"{CLOCK} \d\d:?\d\d", "a space stands where the offset has its sign: in a query + is %2B"),
    (rf".*:60(\.\d+)?{ZONE}?", "a leap second is on no clock of the ledger: take second 59"),
    (CLOCK, "it has no offset from UTC: end it with Z, or with one such as +02:00"),
    (rf"\d{{4}}(-\d\d(-\d\d([Tt ]\d\d(:\d\d)?{ZONE}?)?)?)?[Tt:-]?", "it is cut short"),
    (r".*\d\d:\d\d:\d\d.*", "its T and Z are capitals, a fraction has a point, an offset has hours and minutes"),
)
"""What is wrong with a text that is nearly a time, tried in this order."""


def read_time(text: str) -> datetime:
    """A time of RFC 3339. Raises ValueError, which tells exactly what is wrong."""
    if INSTANT.fullmatch(text):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"no calendar or clock shows it; a time is written {EXAMPLE}") from None
    why = next((why for form, why in FAULTS if re.fullmatch(form, text, re.ASCII)), "this is no time")
    raise ValueError(f"{why}; a time is written {EXAMPLE}")


def read_day(text: str) -> date:
    """A day of the calendar. Raises ValueError."""
    if not ISO_DAY.fullmatch(text):
        raise ValueError("this is no date such as 2026-06-01")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"there is no day {text} in the calendar") from None


def read_moment(given: object) -> Position | datetime:
    """A position or a time of the ledger. Raises ValueError, in the words of what it looks like."""
    if LIKE_A_TIME.match(str(given)):
        return read_time(str(given))
    try:
        return Position.read(given)
    except ValueError as error:
        raise ValueError(f"{error}, and no time {EXAMPLE}") from None


def read_which(given: object) -> int | UUID:
    """An entry, by its position or its id. Raises ValueError."""
    try:
        return WHICH.validate_python(given)
    except ValidationError:
        raise ValueError("give the position of an entry, such as 17, or its id, a UUID") from None


def read_end(given: object) -> Position | datetime | date:
    """A position or a time of the ledger, or a day of the world. Raises ValueError."""
    return read_day(str(given)) if ISO_DAY.fullmatch(str(given)) else read_moment(given)


Day = Annotated[date, PlainValidator(read_day, json_schema_input_type=date)]
Time = Annotated[datetime, PlainValidator(lambda given: read_time(str(given)), json_schema_input_type=datetime)]
Moment = Annotated[Position | datetime, PlainValidator(read_moment, json_schema_input_type=Position | datetime)]
End = Annotated[Position | datetime | date, PlainValidator(read_end, json_schema_input_type=Position | datetime | date)]
Which = Annotated[int | UUID, PlainValidator(read_which, json_schema_input_type=int | UUID)]
