"""From entries to rows: what each entry closes and what it opens, in both clocks. Pure, and the same for a rebuild."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from struct import pack
from typing import Any, Generic, TypeVar

from ledger.history import History, HistoryCache, Openings, Recorded, StateAt
from ledger.vocabulary.correction import Correction
from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.state import MAIN, Kind, LiveFact, State
from projections.segments import Segment, document, kind_of, runs, segments, turned_last, turns

FOREVER = 2**63 - 1
STATES = ["text", "text", "text", "date", "int8", "int8", "text", "text", "bytea", "bytea", "date", "text", "bytea"]
STATUSES = ["text", "text", "text", "date", "date", "int8", "int8"]
TIMELINE = ["text", "date", "int4", "int8", "int8", "bytea", "int8", "int8"]
"""How the columns of a row are written in COPY's binary format; what is encoded here goes as bytes."""

TEXT_OID = 25
KNOWN_ENTRIES = 50_000
"""Of the streams that a follower keeps in memory, about 3 KB each."""

KEPT = 500
"""How many labels and lists of references are remembered: they seldom change from one state of a stream to the next."""

Row = list[Any]
Segments = Sequence[Segment]
K = TypeVar("K")


@dataclass(slots=True)
class Rows(Generic[K]):
    """What a batch of entries does to one table: the rows that it opens, and the ends of those that it closes."""

    known_to: int  # where in a row its end stands
    opened: dict[K, Row] = field(default_factory=dict)
    done: list[Row] = field(default_factory=list)
    closed: dict[K, int] = field(default_factory=dict)

    def close(self, key: K, position: int) -> None:
        """Believed until ``position``. A row that this very batch opened is written closed."""
        if (row := self.opened.pop(key, None)) is None:
            self.closed[key] = position
        else:
            row[self.known_to] = position
            self.done.append(row)

    @property
    def written(self) -> list[Row]:
        return [*self.done, *self.opened.values()]


@dataclass(slots=True)
class Changes:
    """What a batch of entries does to each table. Its open rows are told apart by subject, lane and ``valid_from``; by
    kind, status, ``valid_to`` and subject; and by position."""

    states: Rows[tuple[str, str, date]] = field(default_factory=lambda: Rows(5))
    statuses: Rows[tuple[str, str, date, str]] = field(default_factory=lambda: Rows(6))
    timeline: Rows[int] = field(default_factory=lambda: Rows(7))


class Projector:
    """Folds entries into histories and notes what changes. Streams it has folded last stay in memory, up to a bound."""

    def __init__(self) -> None:
        self.histories = HistoryCache(KNOWN_ENTRIES)
        self.changes = Changes()

    def missing(self, subjects: Iterable[Subject]) -> list[Subject]:
        """The streams among these that have to be loaded before an entry of theirs is projected."""
        return [subject for subject in subjects if subject not in self.histories]

    def load(self, subject: Subject, recorded: Recorded, openings: Openings) -> None:
        """Take in an entry that was projected before; its rows are there already."""
        history = self.histories.get(subject)
        history.record(recorded, openings)
        self.histories.keep(subject, history)

    def project(self, subject: Subject, new: Recorded, openings: Openings) -> None:
        """Note what one more entry changes."""
        history = self.histories.get(subject)
        self.note(history, subject, new, openings)
        self.histories.keep(subject, history)

    def note(self, history: History, subject: Subject, new: Recorded, openings: Openings) -> None:
        """Take an entry into the stream's history, and note what that changes."""
        lives = list(history.lives) if isinstance(new.fact, Correction) else None
        for lane, (start, cut) in history.record(new, openings).items():
            steps = history.lanes[lane]
            first, was = _from_its_day(start, steps, cut)
            old, now = segments(was), segments(steps[first:])
            self._note_states(kind_of(history.kind, lane), subject, lane, old, now, new.position)
            if lane == MAIN:
                self._note_statuses(subject, steps, first, old, now, new.position)
        self._note_timeline(subject, history, lives, new)

    def take_changes(self) -> Changes:
        changes, self.changes = self.changes, Changes()
        return changes

    def _note_states(
        self, kind: Kind, subject: Subject, lane: str, old: Segments, new: Segments, position: int
    ) -> None:
        states, was = self.changes.states, {one.valid_from: one for one in old}
        for one in new:
            key = (subject, lane, one.valid_from)
            if before := was.pop(one.valid_from, None):
                if _is_same(before, one):
                    continue
                states.close(key, position)
            states.opened[key] = _row(kind, subject, lane, one, position)
        for day in was:
            states.close((subject, lane, day), position)

    def _note_statuses(
        self, subject: Subject, steps: Sequence[StateAt], first: int, old: Segments, new: Segments, position: int
    ) -> None:
        kind, statuses = subject.kind, self.changes.statuses
        before = steps[first - 1].state.status if first else None
        turned, turned_now = turns(before, old), turns(before, new)
        if turned == turned_now:
            return
        begun = turned_last(steps, first)
        was, now = runs([*begun, *turned]), runs([*begun, *turned_now])
        for status, _, valid_to in was - now:
            statuses.close((kind, status, valid_to, subject), position)
        for status, valid_from, valid_to in now - was:
            row = [kind, status, subject, valid_from, valid_to, position, FOREVER]
            statuses.opened[kind, status, valid_to, subject] = row

    def _note_timeline(
        self, subject: Subject, history: History, lives: Sequence[LiveFact] | None, new: Recorded
    ) -> None:
        if lives is None:
            opened = [history.last] if history.last else []
        else:
            now = {live.position for live in history.lives}
            was = {live.position for live in lives}
            for live in lives:
                if live.position not in now:
                    self.changes.timeline.close(live.position, new.position)
            opened = [live for live in history.lives if live.position not in was]
        for live in opened:
            self.changes.timeline.opened[live.position] = [
                subject, *live.order, live.position, _mentions(live.fact.mentions), new.position, FOREVER,
            ]  # fmt: skip


def _from_its_day(start: int, steps: Sequence[StateAt], old: Sequence[StateAt]) -> tuple[int, Sequence[StateAt]]:
    """Begin earlier, with the last day before the fold: its segment may end otherwise now.

    Where a later day was added behind it, and it does not change by itself, it stays.
    """
    if not start:
        return start, old
    day = steps[start - 1].order[0]
    if not old and steps[start].order[0] > day and "due" not in steps[start - 1].state.fields:
        return start, old
    first = start - 1
    while first and steps[first - 1].order[0] == day:
        first -= 1
    return first, [*steps[first:start], *old]


def _is_same(was: Segment, now: Segment) -> bool:
    """Whether both show the same: when a state ends is no part of its row, as the next row says so."""
    return was.overdue == now.overdue and (was.state is now.state or _shown(was.state) == _shown(now.state))


def _shown(state: State) -> tuple[Any, ...]:
    """All that a row is made of."""
    return (
        state.status, state.fields, state.provenance, state.alternatives, state.anomalies, state.disputed,
        [*state.fields], [*state.provenance],
    )  # fmt: skip


def _row(kind: Kind, subject: Subject, lane: str, segment: Segment, position: int) -> Row:
    state, field = segment.state, segment.state.fields.get
    category = field("kind") or field("type") or field("instrument_type") or None
    return [
        kind.name, subject, lane, segment.valid_from, position, FOREVER, state.status, category, _areas(field("areas", ())),
        _refs(*state.refs.values()), _due(state),
        _label(subject, field("title"), field("name"), field("short_name"), field("description"), field("objective")),
        document(kind, segment),
    ]  # fmt: skip


def _array(words: Collection[str]) -> bytes:
    """A Postgres array of texts, in its binary format: dimensions, whether it has nulls, type, then size and start."""
    if not words:
        return pack("!3i", 0, 0, TEXT_OID)
    return pack("!5i", 1, 0, TEXT_OID, len(words), 1) + b"".join(map(_element, words))


@lru_cache(KEPT)
def _element(word: str) -> bytes:
    text = word.encode()
    return pack("!i", len(text)) + text


@lru_cache(KEPT)
def _areas(areas: tuple[str, ...]) -> bytes:
    return _array(areas)


@lru_cache(KEPT)
def _mentions(subjects: frozenset[Subject]) -> bytes:
    return _array(sorted(subjects))


@lru_cache(KEPT)
def _refs(*found: tuple[Subject, ...]) -> bytes:
    return _array(sorted({one for those in found for one in those}))


def _due(state: State) -> date | None:
    due: PartialDate | None = state.fields.get("due")
    return due.latest if due else None


@lru_cache(KEPT)
def _label(subject: Subject, *texts: str | None) -> str:
    return "\n".join([subject.id, *(text for text in texts if text)]).casefold()
