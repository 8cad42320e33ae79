"""Pure: the states of one lane over valid time, and the document that shows a state."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence, Set
from datetime import date
from itertools import islice
from typing import Any, NamedTuple

import orjson

from ledger.fold import StateAt
from ledger.vocabulary.fields import Anomaly, ValidOrder
from ledger.vocabulary.kind import Derived, Kind
from ledger.vocabulary.kinds.participation import PARTICIPATION
from ledger.vocabulary.state import State
from projections.deltas import Parts, changes, taken_apart, unknown

START, END = date.min, date.max
"""All of time: a state that holds "always" holds from START, one that has not ended until END (exclusive)."""


FEW = 16
"""A lane of more facts is long: its documents are kept apart, so that no fact writes anew what the others have told."""


class Segment(NamedTuple):
    """A state, and the days from ``valid_from`` up to but not including ``valid_to`` on which it holds."""

    valid_from: date
    valid_to: date
    state: State
    overdue: bool = False


Run = tuple[Any, date, date]
"""A value, and the days on which a stream has it without a break: from the first up to but not including the last."""

Fields = dict[str, Any]
"""By their names, as a document shows them."""

TO_BE = ("start", "due", "published")
"""The fields that tell a day of what has no date of an act yet."""

Of = Callable[[State], Hashable]
"""What of a state is looked at; None where it says nothing."""


def segments(kind: Kind, steps: Sequence[StateAt]) -> list[Segment]:
    """The states of a lane in valid order, each day's last one; none before an opening fact."""
    found: list[Segment] = []
    end = END
    for (day, _, _), state in reversed(steps):
        if not state.status or day >= end:  # what comes later on that day counts
            continue
        late = kind.overdue_from(state) if kind.overdue_from else None
        if late and day < late < end:  # a scheduled milestone becomes overdue without a fact
            found += (Segment(late, end, state, True), Segment(day, late, state))
        else:
            found.append(Segment(day, end, state, late is not None and late <= day))
        end = day
    found.reverse()
    return found


def moved(
    steps: Sequence[StateAt], first: int, old: Sequence[Segment], new: Sequence[Segment], of: Of
) -> tuple[set[Run], set[Run]]:
    """The runs of a value that are no more, and those that came, as the segments from step ``first`` on are others."""
    before = _value(steps[first - 1].state, of) if first else None
    turned, turned_now = _turns(before, old, of), _turns(before, new, of)
    if turned == turned_now:
        return set(), set()
    begun = _turned_last(steps, first, of)
    was, now = _runs([*begun, *turned]), _runs([*begun, *turned_now])
    return was - now, now - was


def _value(state: State, of: Of) -> Hashable:
    """None before an opening fact."""
    return of(state) if state.status else None


def _turns(value: Hashable, found: Sequence[Segment], of: Of) -> list[tuple[Hashable, date]]:
    """Where the value becomes another than it was: which, and from which day on. ``value`` is the one before."""
    turned = []
    for day, _, state, _ in found:
        now = of(state) if state.status else None
        if now != value:
            value = now
            turned.append((now, day))
    return turned


def _turned_last(steps: Sequence[StateAt], first: int, of: Of) -> list[tuple[Hashable, date]]:
    """The last such turn on the days before those that begin at step ``first``; none before an opening fact."""
    if not first or (value := _value(steps[first - 1].state, of)) is None:
        return []
    day = steps[first - 1].order[0]
    for order, state in islice(reversed(steps), len(steps) - first + 1, None):
        if order[0] < day:
            if _value(state, of) != value:
                break
            day = order[0]
    return [(value, day)]


def _runs(turned: Sequence[tuple[Hashable, date]]) -> set[Run]:
    """From turn to turn, as far as there is a value."""
    ends = [day for _, day in turned[1:]] + [END]
    return {(value, day, end) for (value, day), end in zip(turned, ends, strict=False) if value is not None}


def fields_of(kind: Kind, state: State) -> tuple[Fields, dict[str, Derived]]:
    """The fields of a state, null where nothing states them; and of these what follows from other facts."""
    shown = {"status": state.status, **kind.unstated, **state.fields}
    return shown, _derive(kind, state, shown)


def last_day(fields: Fields) -> date | None:
    """The day that lists are sorted by: the last that its dates allow; without any, of when it is to be or was published."""
    dates = [day for day in fields["dates"].values() if day] or [fields.get(one) for one in TO_BE]
    return max([known for day in dates if day and (known := day.latest or day.earliest)], default=None)


def document(kind: Kind, segment: Segment, known: tuple[Fields, dict[str, Derived]] | None = None) -> bytes:
    """The JSON object that shows a state, without what depends on the reader: subject, version, basis.

    ``known`` are its fields (as ``fields_of``), where they were asked for before.
    """
    return orjson.dumps(shown_in(kind, segment, known or fields_of(kind, segment.state)), default=Anomaly._asdict)


def shown_in(kind: Kind, segment: Segment, known: tuple[Fields, dict[str, Derived]]) -> Fields:
    """What the document shows."""
    state, (fields, derived) = segment.state, known
    shown = dict(fields)
    missing = unknown(shown)
    if kind.overdue_from:
        shown["overdue"] = segment.overdue
    shown["unknown"] = missing
    shown["alternatives"] = state.alternatives
    shown["anomalies"] = state.anomalies
    shown["disputed"] = bool(state.disputed)
    shown["disputes"] = state.disputed
    shown["sources"] = state.sources
    shown["provenance"] = state.provenance
    if derived:
        shown["derived"] = [*derived]
        shown["provenance"] = {**{path: told_by for path, (_, told_by) in derived.items()}, **state.provenance}
    return shown


class TakenApart(NamedTuple):
    """A state's fields, its document without the lists, and these; and which of them are sorted: sources, and the entries that
    many parties' parts follow from.
    """

    fields: Fields
    core: Fields
    parts: Parts
    are_sorted: Set[str]


class LongLane:
    """The states of a lane whose documents are kept apart, each taken apart once."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.made: dict[int, tuple[State, TakenApart]] = {}

    def of(self, state: State) -> TakenApart:
        made = self.made.get(id(state))
        if made is None:
            fields, derived = known = fields_of(self.kind, state)
            core, parts = taken_apart(shown_in(self.kind, Segment(START, END, state), known))
            own = state.provenance
            are_sorted = {"sources", *(f"provenance/{path}" for path in derived if path not in own)}
            made = self.made[id(state)] = state, TakenApart(fields, core, parts, are_sorted)
        return made[1]

    def document(self, segment: Segment) -> bytes:
        """What a row holds of the document."""
        core = self.of(segment.state).core
        return orjson.dumps({**core, "overdue": segment.overdue} if self.kind.overdue_from else core)

    def deltas(self, before: State | None, steps: Iterable[StateAt]) -> Iterator[tuple[ValidOrder, bytes]]:
        """What each of these steps, that follow on a state, does to the lists."""
        parts = self.of(before).parts if before else {}
        for order, state in steps:
            now = self.of(state)
            if told := changes(parts, now.parts, now.are_sorted):
                yield order, orjson.dumps(told, default=Anomaly._asdict)
            parts = now.parts


def _derive(kind: Kind, state: State, shown: Fields) -> dict[str, Derived]:
    """Put in what follows from other facts, where nothing states it; returns that, by field."""
    derived = {}
    for path, one in kind.derived(state).items():
        name, _, act = path.partition("/")
        if act and not shown[name].get(act):
            shown[name] = {**shown[name], act: one.value}
            derived[path] = one
        elif not act and not shown.get(name):
            shown[name] = one.value
            derived[path] = one
    return derived


def kind_of(kind: Kind, lane: str) -> Kind:
    return PARTICIPATION if lane else kind


def is_long(steps: int) -> bool:
    """Whether the documents of a lane of so many steps are kept apart."""
    return steps > FEW
