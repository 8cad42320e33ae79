"""From entries to rows: what each entry closes and what it opens, in both clocks. Pure, and the same for a rebuild."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any

from ledger.dates import PartialDate
from ledger.facts import MAIN, Correction, Kind, Live, State, Subject
from ledger.history import Histories, History, Opening, Recorded, Step
from projections.segments import Segment, document, kind_of, segments

FOREVER = 2**63 - 1

StateKey = tuple[str, str, date]


@dataclass(slots=True)
class Changes:
    """The rows that a batch of entries opens, and the ends of those that it closes."""

    states: dict[StateKey, list[Any]] = field(default_factory=dict)
    timeline: dict[int, list[Any]] = field(default_factory=dict)
    done: list[list[Any]] = field(default_factory=list)
    done_timeline: list[list[Any]] = field(default_factory=list)
    closed: dict[StateKey, int] = field(default_factory=dict)
    closed_timeline: dict[int, int] = field(default_factory=dict)

    def close(self, key: StateKey, position: int) -> None:
        """Believed until ``position``. A row that this very batch opened is written closed."""
        if (row := self.states.pop(key, None)) is None:
            self.closed[key] = position
        else:
            row[5] = position
            self.done.append(row)

    def close_timeline(self, live: Live, position: int) -> None:
        if (row := self.timeline.pop(live.position, None)) is None:
            self.closed_timeline[live.position] = position
        else:
            row[7] = position
            self.done_timeline.append(row)


class Projector:
    """Folds entries into histories and notes what changes. Streams it has folded last stay in memory, up to a bound."""

    def __init__(self) -> None:
        self.histories = Histories()
        self.changes = Changes()

    def missing(self, subjects: Iterable[Subject]) -> list[Subject]:
        """The streams among these that have to be loaded before an entry of theirs is projected."""
        return [subject for subject in subjects if subject not in self.histories]

    def load(self, subject: Subject, recorded: Recorded, openings: Mapping[Subject, Opening]) -> None:
        """Take in an entry that was projected before; its rows are there already."""
        history = self.histories.get(subject)
        history.record(recorded, openings)
        self.histories.keep(subject, history)

    def project(self, subject: Subject, new: Recorded, openings: Mapping[Subject, Opening]) -> None:
        """Note what one more entry changes."""
        history = self.histories.get(subject)
        lives = list(history.lives) if isinstance(new.fact, Correction) else None
        refolded = history.record(new, openings)
        self.histories.keep(subject, history)
        for lane, (start, old) in refolded.items():
            steps = history.lanes[lane]
            start, old = _from_its_day(start, steps, old)
            self._note_states(history.kind, subject, lane, old, steps[start:], new.position)
        self._note_timeline(subject, history, lives, new)

    def take_changes(self) -> Changes:
        changes, self.changes = self.changes, Changes()
        return changes

    def _note_states(
        self, kind: Kind, subject: Subject, lane: str, old: Sequence[Step], new: Sequence[Step], position: int
    ) -> None:
        name = kind.name if lane == MAIN else "participation"
        row = partial(_row, kind_of(kind, lane), name, subject, lane)
        was, now = ({one.valid_from: one for one in segments(steps)} for steps in (old, new))
        kept = {
            day for day in was.keys() & now.keys() if _is_same(was[day], now[day]) or row(was[day]) == row(now[day])
        }
        for day in was.keys() - kept:
            self.changes.close((subject, lane, day), position)
        for day in now.keys() - kept:
            opened = self.changes.states[subject, lane, day] = row(now[day])
            opened[4] = position

    def _note_timeline(self, subject: Subject, history: History, lives: Sequence[Live] | None, new: Recorded) -> None:
        if lives is None:
            opened = [live for live in history.lives if live.position == new.position]
        else:
            now = {live.position for live in history.lives}
            was = {live.position for live in lives}
            for live in lives:
                if live.position not in now:
                    self.changes.close_timeline(live, new.position)
            opened = [live for live in history.lives if live.position not in was]
        for live in opened:
            mentions = _array(sorted(live.fact.mentions))
            self.changes.timeline[live.position] = [
                subject, live.day, live.rank, live.root, live.position, mentions, new.position, FOREVER,
            ]  # fmt: skip


def _from_its_day(start: int, steps: Sequence[Step], old: Sequence[Step]) -> tuple[int, list[Step]]:
    """Begin earlier, with the last day before the fold: its segment may end otherwise now."""
    first = start
    while first and steps[first - 1].place[0] == steps[start - 1].place[0]:
        first -= 1
    return first, [*steps[first:start], *old]


def _is_same(was: Segment, now: Segment) -> bool:
    """The very same state: when it ends is no part of its row, as the next row says so."""
    return was.state is now.state and was.overdue == now.overdue


def _row(kind: Kind, name: str, subject: Subject, lane: str, segment: Segment) -> list[Any]:
    state = segment.state
    if state.shown is None:
        areas, refs = state.fields.get("areas", ()), sorted({one for found in state.refs.values() for one in found})
        state.shown = (_category(state), _array(areas), _array(refs), _due(state), _label(subject, state), {})
    *shown, documents = state.shown
    if segment.overdue not in documents:
        documents[segment.overdue] = document(kind, segment).decode()
    return [name, subject, lane, segment.valid_from, 0, FOREVER, state.status, *shown, documents[segment.overdue]]


def _array(words: Iterable[str]) -> str:
    """A Postgres array of codes or subjects: none of them has a character that would need quoting."""
    return "{" + ",".join(words) + "}"


def _category(state: State) -> str | None:
    return next((state.fields[name] for name in ("kind", "type", "instrument_type") if state.fields.get(name)), None)


def _due(state: State) -> date | None:
    due: PartialDate | None = state.fields.get("due")
    return due.latest if due else None


def _label(subject: Subject, state: State) -> str:
    texts = (state.fields.get(name) for name in ("title", "name", "short_name", "description", "objective"))
    return "\n".join([subject.id, *(text for text in texts if text)]).casefold()
