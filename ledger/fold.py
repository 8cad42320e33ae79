"""The history of one stream: its facts in valid order, corrections applied, and the states they add up to.

Both sides stand on it: an append is admitted against it, and the projections take their rows from it.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Container, Iterable, Sequence, Set
from datetime import date
from itertools import chain, islice, pairwise, takewhile
from operator import attrgetter
from typing import NamedTuple

from ledger.alike import Alike
from ledger.anomalies import anomalies_of
from ledger.recorded import Openings, Recorded
from ledger.vocabulary.codes import AnomalyCode
from ledger.vocabulary.correction import Correction, Disputed, DisputeResolved, Superseded, Voided
from ledger.vocabulary.fact import Fact, Subject
from ledger.vocabulary.fields import Anomaly, DuplicateKey, LiveFact, ValidOrder
from ledger.vocabulary.kind import Kind
from ledger.vocabulary.kinds.participation import PARTICIPATION
from ledger.vocabulary.registry import KINDS
from ledger.vocabulary.state import MAIN, State

ONLY_MAIN = frozenset({MAIN})

RANKS = 100
"""More than any kind has facts."""

FARTHEST = -20_000_000
"""In days: what lies further back than some 50,000 years is not told apart."""

EMPTY_STATE = State()
"""The state of a lane before its first fact."""


Phase = tuple[ValidOrder | None, tuple[str | None, tuple[int, ...]] | None]
"""From where the main lane is over, in which status and by which entries; or from where it goes on."""


Flag = tuple[AnomalyCode, int]
"""What is odd, and the position of the entry that shows it."""


class StateAt(NamedTuple):
    order: ValidOrder
    state: State


class Refolded(NamedTuple):
    """What became of a lane: from ``start`` on its steps are new, and ``old`` are those that stood there."""

    start: int
    old: list[StateAt]


def _duplicate_key(fact: Fact) -> DuplicateKey:
    return (fact.type, fact.occurred, fact.effective)


_valid_order = attrgetter("order")


class History:
    """One stream. ``record`` adds an entry; ``lanes`` holds, for each lane, its states in valid order."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.version = 0
        self.lives: list[LiveFact] = []
        self.last: LiveFact | None = None  # the one that came last
        self.lanes: dict[str, list[StateAt]] = {}
        self.recorded: dict[int, Recorded] = {}
        self.struck: dict[int, int] = {}  # position -> the correction that struck it
        self.anomalies_of: dict[int, tuple[Anomaly, ...]] = {}
        self.alike = Alike()

    @classmethod
    def of(cls, subject: str) -> "History":
        return cls(KINDS[Subject(subject).kind])

    def copy(self) -> "History":
        """A history that can go its own way; the states themselves are shared, as nothing changes them."""
        twin = History(self.kind)
        twin.version, twin.last = self.version, self.last
        twin.lives, twin.recorded = self.lives.copy(), self.recorded.copy()
        twin.struck, twin.anomalies_of, twin.alike = self.struck.copy(), self.anomalies_of.copy(), self.alike.copy()
        twin.lanes = {lane: steps.copy() for lane, steps in self.lanes.items()}
        return twin

    def state(self, lane: str = MAIN) -> State:
        """The last state of a lane, whatever its day."""
        steps = self.lanes.get(lane)
        return steps[-1].state if steps else EMPTY_STATE

    def anomalies(self, position: int) -> list[Anomaly]:
        """What the entry at ``position`` has been flagged with."""
        last = [steps[-1].state for steps in self.lanes.values() if steps]
        shown = {anomaly for state in last for anomaly in state.anomalies if anomaly.position == position}
        return sorted(shown | set(self.anomalies_of.get(position, ())))

    def flags(self) -> set[Flag]:
        """Which entries are flagged with what."""
        return {(one.code, one.position) for one in self._all_anomalies()}

    def new_anomalies(self, known: Set[Flag]) -> list[Anomaly]:
        """What any entry is flagged with now that is not ``known``."""
        return sorted(one for one in self._all_anomalies() if (one.code, one.position) not in known)

    def _all_anomalies(self) -> set[Anomaly]:
        by_states = [steps[-1].state.anomalies for steps in self.lanes.values() if steps]
        return {one for those in (*by_states, *self.anomalies_of.values()) for one in those}

    def find(self, target: int | str) -> Recorded | None:
        """The entry that a correction means."""
        if isinstance(target, int):
            return self.recorded.get(target)
        return next((one for one in self.recorded.values() if one.entry_id == target), None)

    def record(self, new: Recorded, openings: Openings) -> dict[str, Refolded]:
        """Take one more entry in, in the order of recording. ``openings`` answers for the subjects it mentions.

        Returns the lanes that were folded again, and what they held from there on.
        """
        self._enter(new, openings)
        if isinstance(new.fact, Correction):
            return self._refold(self._correct(new.fact, new))
        return self._take(self._live(new.fact, new))

    def load(self, entries: Iterable[Recorded], openings: Openings) -> None:
        """As ``record`` for each of these, but folded once: what they made of each other on the way is not looked at."""
        changed = []
        for new in entries:
            self._enter(new, openings)
            fact = new.fact
            changed += (
                self._correct(fact, new) if isinstance(fact, Correction) else [self._insert(self._live(fact, new))]
            )
        self._refold(changed)

    def _enter(self, new: Recorded, openings: Openings) -> None:
        self.version += 1
        self.recorded[new.position] = new
        if odd := anomalies_of(new, openings):
            self.anomalies_of[new.position] = tuple(odd)

    def _take(self, live: LiveFact) -> dict[str, Refolded]:
        """Most facts come after all others: then there is nothing to fold again."""
        is_last = not self.lives or self.lives[-1].order < live.order
        self._insert(live)
        if not is_last or self._excuses(live):
            return self._refold([live])
        return {lane: Refolded(len(self.lanes[lane]) - 1, []) for lane in self._fold(live, live.lanes)}

    def _correct(self, fact: Correction, new: Recorded) -> list[LiveFact]:
        """Apply a correction; returns the facts that went, came or changed."""
        if (target := self.find(fact.target)) is None:
            return []
        live = next((live for live in self.lives if live.position == target.position), None)
        match fact:
            case Voided():
                self.struck[target.position] = new.position
                return self._remove(live)
            case Superseded():
                self.struck[target.position] = new.position
                first = self.recorded[live.root] if live else target
                replacement = self._replacing(fact.replacement.fact(), first, new)
                return [*self._remove(live), self._insert(replacement)]
            case Disputed() if live:
                return self._swap(live, live._replace(disputed=(*live.disputed, new.position)))
            case DisputeResolved() if live:
                return self._swap(live, live._replace(disputed=()))
        return []

    def _live(self, fact: Fact, first: Recorded) -> LiveFact:
        rank = self.kind.ranks[type(fact)] + _before_year_1(fact)
        order = (counts_from(fact, first.recorded_on), rank, first.position)
        return LiveFact(fact, order, first.position, self.kind.lanes(fact), _duplicate_key(fact))

    def _replacing(self, fact: Fact, first: Recorded, by: Recorded) -> LiveFact:
        """The replacement has the first entry's place; a date it gives is held against the day of the correction."""
        recorded_on = by.recorded_on if fact.occurred else first.recorded_on
        return self._live(fact, first._replace(recorded_on=recorded_on))._replace(position=by.position)

    def _insert(self, live: LiveFact) -> LiveFact:
        self.last = live
        if not self.lives or self.lives[-1].order < live.order:
            self.lives.append(live)
        else:
            insort(self.lives, live, key=_valid_order)
        self.alike.add(live)
        return live

    def _remove(self, live: LiveFact | None) -> list[LiveFact]:
        if live is None:
            return []
        del self.lives[bisect_left(self.lives, live.order, key=_valid_order)]
        self.alike.remove(live)
        return [live]

    def _swap(self, old: LiveFact, new: LiveFact) -> list[LiveFact]:
        self.lives[bisect_left(self.lives, old.order, key=_valid_order)] = new
        self.alike.remove(old)
        self.alike.add(new)
        return [new]

    def _refold(self, changed: list[LiveFact]) -> dict[str, Refolded]:
        """Fold again from the first of these facts on, and of those that may be flagged as saying the same, as they were
        recorded later; all before that stays, and so do lanes it cannot concern.
        """
        if not changed:
            return {}
        order = min(map(self._refold_start, chain(changed, self.alike.recorded_after(changed))))
        lanes = self._concerned(changed, order)
        cut = self._fold_from(order, lanes)
        if self.kind.has_parts and MAIN in cut and self._end_moved(cut[MAIN]):
            cut = self._fold_from(order, {*self.lanes}) | cut  # what was there before, of lanes folded twice
        return {lane: one for lane, one in cut.items() if one.old or len(self.lanes[lane]) > one.start}

    def _end_moved(self, main: Refolded) -> bool:
        """Whether the main lane ends elsewhere, or otherwise, than before it was folded again."""
        steps, first = self.lanes[MAIN], max(main.start - 1, 0)
        return self._phases([*steps[first : main.start], *main.old]) != self._phases(steps[first:])

    def _refold_start(self, live: LiveFact) -> ValidOrder:
        """Where a fact begins to matter: what reopens the stream excuses what was done earlier on its day."""
        return min(live.order, (live.day, -1, 0)) if self._reopens(live) else live.order

    def _reopens(self, live: LiveFact) -> bool:
        return live.fact.outlasts and type(live.fact) in self.kind.lifecycle

    def _excuses(self, live: LiveFact) -> bool:
        """Whether what comes last reopens the stream, and may excuse what was done before it on its day and nothing else excuses."""
        if not self._reopens(live):
            return False
        for one in takewhile(lambda one: one.day == live.day, islice(reversed(self.lives), 1, None)):
            if self._main_before(one.order).status in self.kind.ended:
                return True
            if self._reopens(one):
                return False
        return False

    def _concerned(self, changed: list[LiveFact], order: ValidOrder) -> Set[str]:
        """The lanes that facts bear on: all of them as long as the main lane has not begun, else their own."""
        if not self.kind.has_parts:
            return ONLY_MAIN
        lanes = {lane for live in changed for lane in live.lanes}
        if self._shows_on_main(lanes, order):
            lanes.add(MAIN)
        opened = next((step.order for step in self.lanes.get(MAIN, ()) if step.state.status), None)
        if opened is None or order <= opened or any(self._reopens(one) for one in changed):
            return {MAIN, *lanes, *self.lanes}
        return lanes

    def _shows_on_main(self, lanes: Set[str], order: ValidOrder) -> bool:
        """Whether facts from a place on put what becomes of these lanes on the main lane too, as signatures do."""
        later = self.lives[bisect_left(self.lives, order, key=_valid_order) :]
        return any(len(one.lanes) > 1 and not lanes.isdisjoint(one.lanes) for one in later)

    def _phases(self, steps: Sequence[StateAt]) -> list[Phase]:
        """What of the main lane bears on the others: from where to where it is over, how it ended, and who says so."""
        phases: list[Phase] = [(None, None)]
        for order, state in steps:
            over = state.status in self.kind.ended
            phases.append((order, (state.status, state.provenance["status"]) if over else None))
        return [one for before, one in pairwise(phases) if one[1] != before[1]]

    def _fold_from(self, order: ValidOrder, lanes: Set[str]) -> dict[str, Refolded]:
        """Fold these lanes again from a place on."""
        cut = {}
        for lane in lanes:
            steps = self.lanes.setdefault(lane, [])
            start = bisect_left(steps, order, key=_valid_order)
            cut[lane] = Refolded(start, steps[start:])
            del steps[start:]
        for live in self.lives[bisect_left(self.lives, order, key=_valid_order) :]:
            if not lanes.isdisjoint(live.lanes):
                self._fold(live, lanes)
        return cut

    def _fold(self, live: LiveFact, concerned: Container[str]) -> Iterable[str]:
        """Put a fact on those of its lanes that are concerned; returns the lanes that have one more step."""
        lanes, main = live.lanes, self._main_before(live.order)
        is_over = main.status in self.kind.ended
        excused = is_over and self._reopened_same_day(live)
        states = {}
        for lane in lanes:
            if lane in concerned:
                states[lane] = self._evolved(lane, live, main, excused)
        if lanes[0] in states:
            self._flag(states[lanes[0]], live)
        if MAIN not in lanes and main.status is None:
            states[MAIN] = self._of_a_party(main, live)
        elif len(lanes) > 1 and MAIN in states:
            parts = [states.get(lane) or self._at(lane, live) for lane in lanes if lane != MAIN]
            self.kind.reconcile(states[MAIN], parts)
        for lane, state in states.items():
            self.lanes.setdefault(lane, []).append(StateAt(live.order, state))
        return states

    def _evolved(self, lane: str, live: LiveFact, main: State, excused: bool) -> State:
        """What a fact makes of the last state of a lane."""
        if lane == MAIN != live.lanes[0]:
            return self._of_a_party(main, live)
        state = self.state(lane).before(live)
        if main.status in self.kind.ended:
            state.over, state.over_by, state.excused = main.status, main.provenance["status"], excused
        (self.kind if lane == MAIN else PARTICIPATION).evolve(state, live.fact, lane)
        return state

    def _of_a_party(self, main: State, live: LiveFact) -> State:
        """The main lane's state where a fact is of a party: it knows of the party's part, and nothing else is told of it."""
        state = main.before(live)
        state.sources, state.disputed = main.sources, main.disputed
        if main.status is None:
            state.status = self.kind.statuses[0]
            state.credit_status(None, type(live.fact))
        return state

    def _at(self, lane: str, live: LiveFact) -> State:
        """What a fact led to in a lane that is not folded again."""
        steps = self.lanes[lane]
        return steps[bisect_left(steps, live.order, key=_valid_order)].state

    def _main_before(self, order: ValidOrder) -> State:
        """The main lane's state before a place: the lane may go on behind it, where it was not folded again."""
        steps = self.lanes.get(MAIN)
        if not steps:
            return EMPTY_STATE
        if steps[-1].order < order:
            return steps[-1].state
        before = bisect_left(steps, order, key=_valid_order)
        return steps[before - 1].state if before else EMPTY_STATE

    def _reopened_same_day(self, live: LiveFact) -> bool:
        """Whether what reopens the stream is of the same day, though it comes later in the lifecycle."""
        later = bisect_right(self.lives, live.order, key=_valid_order)
        of_the_day = takewhile(lambda one: one.day == live.day, self.lives[later:])
        return any(self._reopens(one) for one in of_the_day)

    def _flag(self, state: State, live: LiveFact) -> None:
        if live.position in self.anomalies_of:
            state.anomalies += self.anomalies_of[live.position]
        if not state.is_duplicate and self.alike.is_said_before(live):
            state.flag(AnomalyCode.duplicate_suspect, "another entry says the same")


def counts_from(fact: Fact, recorded_on: date) -> date:
    """The day a fact counts from: the latest that ``effective``, else ``occurred``, allows.

    Dates unknown or open, and acts dated later than they were recorded, count from the day they were recorded;
    ``effective`` may lie ahead, unless it may be any day. What only describes holds at all times when it is undated.
    """
    if fact.effective:
        first, last = fact.effective.earliest or date.min, fact.effective.latest
        return recorded_on if last is None or (last == date.max and first <= recorded_on) else last
    if fact.occurred:
        return min(fact.occurred.latest or recorded_on, recorded_on)
    return date.min if fact.describes else recorded_on


def _before_year_1(fact: Fact) -> int:
    """What sorts days before year 1, which all count from the calendar's first: negative, and less the earlier."""
    day = fact.effective or fact.occurred
    latest = day.bounds.latest if day and day.latest == date.min else None
    if latest is None or latest[0] >= 1:
        return 0
    return max(((latest[0] - 1) * 12 + latest[1] - 1) * 31 + latest[2] - 32, FARTHEST) * RANKS
