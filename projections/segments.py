"""Pure: the states of one lane over valid time, and the document that shows a state."""

from collections.abc import Sequence
from datetime import date
from itertools import islice
from typing import Any, NamedTuple

import orjson

from ledger.history import StateAt
from ledger.vocabulary.kinds.agreement import PARTICIPATION
from ledger.vocabulary.kinds.milestone import overdue_from
from ledger.vocabulary.state import Kind, State

START, END = date.min, date.max
"""All of time: a state that holds "always" holds from START, one that has not ended until END (exclusive)."""


class Segment(NamedTuple):
    """A state, and the days from ``valid_from`` up to but not including ``valid_to`` on which it holds."""

    valid_from: date
    valid_to: date
    state: State
    overdue: bool = False


Run = tuple[str, date, date]
"""One status, and the days on which a stream has it without a break: from the first up to but not including the last."""


def segments(steps: Sequence[StateAt]) -> list[Segment]:
    """The states of a lane in valid order, each day's last one; none before an opening fact."""
    found: list[Segment] = []
    end = END
    for (day, _, _), state in reversed(steps):
        if not state.status or day >= end:  # what comes later on that day counts
            continue
        late = overdue_from(state) if "due" in state.fields else None
        if late and day < late < end:  # a scheduled milestone becomes overdue without a fact
            found += (Segment(late, end, state, True), Segment(day, late, state))
        else:
            found.append(Segment(day, end, state, late is not None and late <= day))
        end = day
    found.reverse()
    return found


def turns(status: str | None, found: Sequence[Segment]) -> list[tuple[str, date]]:
    """Where the status becomes another than it was: which, and from which day on. ``status`` is the one before."""
    turned = []
    for day, _, state, _ in found:
        if state.status and state.status != status:
            status = state.status
            turned.append((status, day))
    return turned


def turned_last(steps: Sequence[StateAt], first: int) -> list[tuple[str, date]]:
    """The last such turn on the days before those that begin at step ``first``; none before an opening fact."""
    if not first or not (status := steps[first - 1].state.status):
        return []
    day = steps[first - 1].order[0]
    for order, state in islice(reversed(steps), len(steps) - first + 1, None):
        if order[0] < day:
            if state.status != status:
                break
            day = order[0]
    return [(status, day)]


def runs(turned: Sequence[tuple[str, date]]) -> set[Run]:
    """From turn to turn."""
    ends = [day for _, day in turned[1:]] + [END]
    return {(status, day, end) for (status, day), end in zip(turned, ends, strict=False)}


def document(kind: Kind, segment: Segment) -> bytes:
    """The JSON object that shows a state, without what depends on the reader: subject, version, basis."""
    state = segment.state
    shown = {"status": state.status, **kind.unstated, **state.fields}
    missing = unknown(shown)
    if kind.name == "milestone":
        shown["overdue"] = segment.overdue
    shown["unknown"] = missing
    shown["alternatives"] = state.alternatives
    shown["anomalies"] = [one._asdict() for one in state.anomalies]
    shown["disputed"] = bool(state.disputed)
    shown["disputes"] = state.disputed
    shown["provenance"] = state.provenance
    return orjson.dumps(shown)


def unknown(fields: dict[str, Any]) -> dict[str, str]:
    """Why a value is null: no entry states it, or the act is recorded without its date."""
    missing = {}
    for name, value in fields.items():
        if value is None:
            missing[name] = "not_stated"
    for act, day in fields["dates"].items():
        if day is None:
            missing[f"dates/{act}"] = "undated"
    return missing


def kind_of(kind: Kind, lane: str) -> Kind:
    return PARTICIPATION if lane else kind
