"""Pure: the states of one lane over valid time, and the document that shows a state."""

from collections.abc import Iterator, Sequence
from datetime import date
from json import JSONEncoder
from typing import Any, NamedTuple

from ledger.facts import PARTICIPATION, Kind, State
from ledger.facts.milestone import overdue_from
from ledger.history import Step

START, END = date.min, date.max
"""All of time: a state that holds "always" holds from START, one that has not ended until END (exclusive)."""

JSON = JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"), default=str)
"""Documents are of dicts, lists, strings and a date at most: on these it is twice as fast as pydantic's encoder."""


class Segment(NamedTuple):
    """A state, and the days from ``valid_from`` up to but not including ``valid_to`` on which it holds."""

    valid_from: date
    valid_to: date
    state: State
    overdue: bool = False


def segments(steps: Sequence[Step]) -> list[Segment]:
    """The states of a lane in valid order, each day's last one; none before an opening fact."""
    days = {step.state.now.day: step.state for step in steps if step.state.status and step.place[0] < END}
    ends = [*list(days)[1:], END]
    return [part for (day, state), end in zip(days.items(), ends, strict=False) for part in _parts(day, end, state)]


def _parts(day: date, end: date, state: State) -> Iterator[Segment]:
    """A scheduled milestone becomes overdue without a fact: its segment falls in two."""
    late = overdue_from(state) if "due" in state.fields else None
    if late is None or late >= end:
        yield Segment(day, end, state)
    elif late <= day:
        yield Segment(day, end, state, overdue=True)
    else:
        yield Segment(day, late, state)
        yield Segment(late, end, state, overdue=True)


def document(kind: Kind, segment: Segment) -> bytes:
    """The JSON object that shows a state, without what depends on the reader: subject, version, basis."""
    state = segment.state
    fields = dict.fromkeys(kind.fields) | {"dates": {}} | state.fields
    shown: dict[str, Any] = {
        "status": state.status,
        **fields,
        **({"overdue": segment.overdue} if kind.name == "milestone" else {}),
        "unknown": unknown(fields),
        "alternatives": state.alternatives,
        "anomalies": [one._asdict() for one in state.anomalies],
        "disputed": bool(state.disputed),
        "disputes": state.disputed,
        "provenance": state.provenance,
    }
    return JSON.encode(shown).encode()


def unknown(fields: dict[str, Any]) -> dict[str, str]:
    """Why a value is null: no entry states it, or the act is recorded without its date."""
    missing = {name: "not_stated" for name, value in fields.items() if value is None}
    for act, day in (fields.get("dates") or {}).items():
        if day is None:
            missing[f"dates/{act}"] = "undated"
    return missing


def kind_of(kind: Kind, lane: str) -> Kind:
    return PARTICIPATION if lane else kind
