"""Every state of every stream, over both clocks; and which status each stream has on which days. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache, partial
from typing import Any, NamedTuple

from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.kind import Derived, Kind
from ledger.vocabulary.state import MAIN, State
from projections.projection import Change, Changes, Column, LaneChange, Projection, Table, array
from projections.search.words import folded
from projections.segments import Fields, LongLane, Segment, document, fields_of, last_day, moved
from projections.turns import Items, turned

NAME_LENGTH = 100
"""Of a name so many characters are compared: a cursor holds one."""
KEPT = 500
"""How many lists of references are remembered: they seldom change from one state of a stream to the next."""


@dataclass(frozen=True)
class Shown:
    """What a row of ``states`` shows: one state of one lane."""

    kind: Kind
    subject: Subject
    lane: str
    segment: Segment
    apart: LongLane | None = None

    @property
    def state(self) -> State:
        return self.segment.state

    @property
    def category(self) -> str | None:
        """What the kind calls kind, type or instrument_type."""
        field = self.state.fields.get
        return field("kind") or field("type") or field("instrument_type") or None

    @property
    def areas(self) -> bytes:
        return _array(self.state.fields.get("areas", ()))

    @cached_property
    def known(self) -> tuple[Fields, dict[str, Derived]]:
        return fields_of(self.kind, self.state)

    @property
    def fields(self) -> Fields:
        return self.apart.of(self.state).fields if self.apart else self.known[0]

    @property
    def document(self) -> bytes:
        return self.apart.document(self.segment) if self.apart else document(self.kind, self.segment, self.known)

    @property
    def name(self) -> str:
        return _name(self.state, self.subject)

    @property
    def day(self) -> date | None:
        return last_day(self.fields)

    @property
    def due(self) -> date | None:
        return _due(self.state)


class HasStatus(NamedTuple):
    """What a row of ``statuses`` shows: a status of a stream, the day by which it is due and its name, from one turn to the next."""

    subject: Subject
    status: str
    due: date | None
    name: str
    valid_from: date
    valid_to: date


class Delta(NamedTuple):
    """What a row of ``deltas`` shows: what a fact did to the lists of a long lane's documents."""

    subject: Subject
    lane: str
    day: date
    rank: int
    root: int
    told: bytes


class Turned(NamedTuple):
    """What a row of ``refs`` shows: from a day on a lane refers to something, or does no more."""

    subject: Subject
    ref: str
    lane: str
    valid_from: date
    holds: bool


@lru_cache(KEPT)
def _array(words: tuple[str, ...]) -> bytes:
    return array(words)


STATES = Table(
    "states", ("subject", "lane", "valid_from"),
    (
        Column("kind", 'text collate "C"', "kind.name"),
        Column("subject", 'text collate "C"', "subject"),
        Column("lane", 'text collate "C"', "lane"),  # '', or the party whose part in an agreement this is
        Column("valid_from", "date", "segment.valid_from"),  # until the lane's next row that is known then
        Column("status", 'text collate "C"', "state.status"),
        Column("category", 'text collate "C"', "category", check=""),
        Column("areas", "text[]", "areas", encoded=True),
        Column("due", "date", "due", check=""),
        Column("name", 'text collate "C"', "name"),
        Column("day", "date", "day", check=""),  # the last of its dates
        Column("doc", "text", "document", encoded=True),  # JSON, taken as it is; of a long lane without its lists
    ),
    options=("toast_tuple_target = 4080",),  # a document of up to 4 KB stays in its row
)  # fmt: skip

DELTAS = Table(
    "deltas", ("subject", "lane", "day", "rank", "root"),
    (
        Column("subject", 'text collate "C"', "subject"),
        Column("lane", 'text collate "C"', "lane"),
        Column("day", "date", "day"),  # valid order: day, place in the lifecycle, order of recording
        Column("rank", "int4", "rank"),
        Column("root", "int8", "root"),
        Column("told", "text", "told", encoded=True),  # JSON, as ``projections.deltas`` puts it together
    ),
)  # fmt: skip

REFS = Table(
    "refs", ("subject", "ref", "lane", "valid_from"),
    (
        Column("ref", 'text collate "C"', "ref"),
        Column("subject", 'text collate "C"', "subject"),
        Column("lane", 'text collate "C"', "lane"),  # '', or the party itself, which has a part in an agreement
        Column("valid_from", "date", "valid_from"),  # until the next row of the same that is known then
        Column("holds", "bool", "holds"),
    ),
)  # fmt: skip

STATUSES = Table(
    "statuses", ("kind", "status", "valid_to", "subject"),
    (
        Column("kind", 'text collate "C"', "subject.kind"),
        Column("status", 'text collate "C"', "status"),
        Column("subject", 'text collate "C"', "subject"),
        Column("valid_from", "date", "valid_from"),
        Column("valid_to", "date", "valid_to"),  # exclusive; the last of all days where none is known
        Column("due", "date", "due", check=""),
        Column("name", 'text collate "C"', "name"),
    ),
    more="duration_log16 integer generated always as (length(to_hex(known_to - known_from))) stored",
)  # fmt: skip


def _due(state: State) -> date | None:
    due: PartialDate | None = state.fields.get("due")
    return due.latest if due else None


def _status(subject: Subject, state: State) -> tuple[str | None, date | None, str]:
    return state.status, _due(state), _name(state, subject)


def _name(state: State, subject: Subject) -> str:
    """What it is called, as names are compared; of a long one the beginning."""
    told = state.fields.get
    name = told("short_name") or told("name") or told("title") or subject.id
    return folded(name[:NAME_LENGTH])[:NAME_LENGTH]


class States(Projection):
    name = "states"
    version = 20
    tables = (STATES, DELTAS, REFS, STATUSES)

    def note(self, change: Change, changes: Changes) -> None:
        for lane in change.lanes:
            long = LongLane(lane.kind)
            _note_states(change, lane, long, changes)
            _note_deltas(change, lane, long, changes)
            _note_refs(change, lane, changes)
            if lane.lane == MAIN:
                was, now = moved(lane.steps, lane.first, lane.old, lane.new, partial(_status, change.subject))
                kind, subject = change.subject.kind, change.subject
                shown = {
                    (kind, status, end, subject): HasStatus(subject, status, due, name, start, end)
                    for (status, due, name), start, end in now
                }
                closed = [(kind, status, end, subject) for (status, *_), _, end in was]
                changes["statuses"].replace(closed, shown, change.recorded.position)


def _note_states(change: Change, lane: LaneChange, long: LongLane, changes: Changes) -> None:
    """Rows that show the same stay. But the last of a lane is opened with any other: so what was known at a position begins no
    later than the last row that was opened by then, and no read looks further."""
    states, position, opened = changes["states"], change.recorded.position, False
    same = _is_same_core(long) if lane.is_long else _is_same
    was = {one.valid_from: one for one in lane.old}
    for one in lane.new:
        key = (change.subject, lane.lane, one.valid_from)
        if before := was.pop(one.valid_from, None):
            is_same = lane.was_long == lane.is_long and same(before, one)
            if is_same and not (opened and one is lane.new[-1]):
                continue
            states.close(key, position)
        shown = Shown(lane.kind, change.subject, lane.lane, one, long if lane.is_long else None)
        states.open(key, shown, position)
        opened = True
    for day in was:
        states.close((change.subject, lane.lane, day), position)


def _note_deltas(change: Change, lane: LaneChange, long: LongLane, changes: Changes) -> None:
    """What the facts of a long lane did, as far as they do it otherwise now."""
    before = lane.steps[lane.start - 1].state if lane.start else None
    was = dict(long.deltas(before, lane.cut)) if lane.was_long else {}
    now = dict(long.deltas(before, lane.steps[lane.start :])) if lane.is_long else {}
    closed = [(change.subject, lane.lane, *order) for order, told in was.items() if now.get(order) != told]
    opened = {
        (change.subject, lane.lane, *order): Delta(change.subject, lane.lane, *order, told)
        for order, told in now.items()
        if was.get(order) != told
    }
    changes["deltas"].replace(closed, opened, change.recorded.position)


def _note_refs(change: Change, lane: LaneChange, changes: Changes) -> None:
    part: Items[str] = {"": (lane.lane,)}  # refers to its party, whatever becomes of it
    was, now = turned(lane.before, lane.old, lane.new, lambda state: part if lane.lane else state.refs)
    subject = change.subject
    closed = [(subject, ref, lane.lane, day) for ref, day in was]
    opened = {
        (subject, ref, lane.lane, day): Turned(subject, ref, lane.lane, day, holds) for (ref, day), holds in now.items()
    }
    changes["refs"].replace(closed, opened, change.recorded.position)


def _is_same(was: Segment, now: Segment) -> bool:
    """Whether both show the same: when a state ends is no part of its row, as the next row says so."""
    return was.overdue == now.overdue and (was.state is now.state or _told(was.state) == _told(now.state))


def _is_same_core(long: LongLane) -> Callable[[Segment, Segment], bool]:
    """The same of rows without lists; but the areas, by which lists are narrowed, stand in them."""
    return lambda was, now: (
        long.document(was) == long.document(now) and was.state.fields.get("areas") == now.state.fields.get("areas")
    )


def _told(state: State) -> tuple[Any, ...]:
    """All that a row is made of."""
    return (
        state.status, state.fields, state.provenance, state.alternatives, state.anomalies, state.disputed, state.sources,
        [*state.fields], [*state.provenance], state.shares, [*state.shares],
    )  # fmt: skip
