"""The columns of every table, told once: CSV files and what CSVW says of them follow from these.

A column is told as ``name:sort``. A ``date`` is EDTF, and two columns beside it have the first and the last day that it allows.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic_core import to_json

from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.kinds.agreement import AGREEMENT
from ledger.vocabulary.kinds.initiative import INITIATIVE
from ledger.vocabulary.kinds.meeting import MEETING
from ledger.vocabulary.kinds.milestone import MILESTONE
from ledger.vocabulary.kinds.party import PARTY
from ledger.vocabulary.kinds.source import SOURCE

SEPARATOR = ";"
ABSENT = ("withheld", "erased", "lost", "missing")
"""What may be told of a person in place of the name."""

Document = Mapping[str, Any]


class Column(NamedTuple):
    """A column: its name, the CSVW datatype, the separator of items where a cell has several, what it has of a document, and of which of
    its fields."""

    name: str
    datatype: str
    value: Callable[[Document], Any]
    description: str = ""
    separator: str | None = None
    field: str = ""


def _cell(value: object) -> str:
    """Null is an empty cell, and what is true or false is told as in JSON."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _json(value: Any) -> str:
    return "" if value is None else to_json(value).decode()


def _items(value: Any) -> str:
    return SEPARATOR.join(map(str, value or ()))


def _codes(value: Any) -> str:
    """The codes of what is odd, each once."""
    return SEPARATOR.join(dict.fromkeys(one["code"] for one in value or ()))


def _person(value: Any) -> str:
    return "" if value is None else value.get("name") or next((one for one in ABSENT if one in value), "")


def _people(value: Any) -> str:
    return _json([_person(one) for one in value] if value else None)


def _earliest(value: Any) -> str:
    return _cell(PartialDate(value).earliest if value else None)


def _latest(value: Any) -> str:
    return _cell(PartialDate(value).latest if value else None)


_SORTS: dict[str, tuple[str, Callable[[Any], str], str, str | None]] = {
    "text": ("string", _cell, "", None),
    "integer": ("integer", _cell, "", None),
    "number": ("number", _cell, "", None),
    "boolean": ("boolean", _cell, "", None),
    "day": ("date", _cell, "", None),
    "time": ("dateTime", _cell, "", None),
    "date": ("string", _cell, "A date as it was recorded, in EDTF (ISO 8601-2).", None),
    "list": ("string", _items, "", SEPARATOR),
    "integers": ("integer", _items, "Positions of entries.", SEPARATOR),
    "codes": ("string", _codes, "Codes of what is odd about it.", SEPARATOR),
    "person": ("string", _person, "A name, or what is told in its place: withheld, erased, lost or missing.", None),
    "people": ("json", _people, "Names, or what is told in their place: withheld, erased, lost or missing.", None),
    "json": ("json", _json, "", None),
}
"""Each sort of column: datatype, how a value is told, a description, the separator of several."""
_BOUNDS = (("earliest", _earliest, "first"), ("latest", _latest, "last"))


def _columns(told: str, within: str = "") -> Iterator[Column]:
    """The columns that a text tells; ``within`` names the object of a document that has the values."""
    for one in told.split():
        name, _, sort = one.partition(":")
        datatype, show, description, separator = _SORTS[sort or "text"]
        yield Column(name, datatype, _value(name, show, within), description, separator, name)
        for bound, show_bound, which in _BOUNDS if sort == "date" else ():
            about = f"The {which} day that {name} allows."
            yield Column(f"{name}_{bound}", "date", _value(name, show_bound, within), about, field=name)


def _value(name: str, show: Callable[[Any], str], within: str) -> Callable[[Document], str]:
    if within:
        return lambda document: show((document.get(within) or {}).get(name))
    return lambda document: show(document.get(name))


FIRST = "subject id status"
LAST = (
    "dates:json effective:json unknown:json alternatives:json anomalies:codes disputed:boolean disputes:integers sources:list"
    " unverified:json version:integer"
)


def _state(told: str) -> tuple[Column, ...]:
    return tuple(_columns(f"{FIRST} {told} {LAST}"))


ENTRY = (
    "sequence recordedtime:time id type subject streamversion:integer time authtype authid correlationid causationid"
    " source dataschema data:json"
)
TABLES: dict[str, tuple[Column, ...]] = {
    SOURCE.name: _state(
        "title kind publisher author:person url published:date language retrieved:date media_type sha256 description reason"
    ),
    PARTY.name: _state(
        "name short_name kind country parent former_names:json identifiers:json succeeded_by:json description reason"
    ),
    INITIATIVE.name: _state(
        "name short_name kind areas:list other_areas:list objective parent parties:json start:date end:date commitments:json"
        " fulfilments:json objectives:json"
        " claims:json relations:json description reason"
    ),
    AGREEMENT.name: _state(
        "title instrument_type binding ambit publicity parties:list initiatives:list subject_matter term:json end:date"
        " forum place places:json registrations:json relations:json amendments:json supplements:json upgrades:json"
        " superseded_by:json description ground reason in_force_for:integer derived:list"
    ),
    MEETING.name: _state(
        "title kind start:date end:date previous_starts:json place mode organisers:list participants:json invitees:json"
        " initiatives:list agreements:list parent topics:json statements:json outcomes:json description reason"
    ),
    MILESTONE.name: _state(
        "title type of:list due:date due_after:date overdue:boolean share:number text reviewed_on:date evidence:list"
        " description reason"
    ),
    "entries": tuple(_columns(ENTRY)),
    "history": (
        *_columns(ENTRY, within="event"),
        *_columns("struck:boolean unverified:boolean corrections:json persons:people"),
    ),
    "timeline": (
        *_columns("day:day"),
        *_columns(ENTRY, within="event"),
        *_columns("unverified:boolean persons:people"),
    ),
    "diff": tuple(_columns("subject field old:json new:json entries:integers")),
    "anomalies": tuple(
        _columns(
            "subject agreement party status anomalies:json disputed:boolean disputes:integers alternatives:json version:integer"
        )
    ),
    "due": tuple(_columns("subject commitment due:day overdue:boolean")),
}
"""The columns of the list of each kind, and of every other table."""
