"""What facts add up to: the state of one lane of a stream, and the kinds of stream.

A stream has one lane, named "", that tells its state; an agreement has one more for each party. ``evolve`` of a kind
says what a fact does to a lane. It writes through the methods of ``State``, which keep, beside each field, the
positions of the entries that set it, and flag what does not fit instead of failing: the real world is let in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple

from ledger.vocabulary.codes import AnomalyCode
from ledger.vocabulary.fact import Fact, Subject, references

MAIN = ""
"""The lane that every stream has."""

AFTER_END = "after_end"
"""The rule that what has ended is over."""


ValidOrder = tuple[date, int, int]

DuplicateKey = tuple[str, str | None, str | None]
"""Type and dates of a fact. Facts that say the same are of one sort: only within it are they compared in full."""


class LiveFact(NamedTuple):
    """A fact as it counts: after corrections, from the day it counts from.

    Live facts sort by ``order``: day, lifecycle, then the order of recording. ``position`` is the entry that says so
    now, ``root`` the one whose place it has: they differ where an entry was superseded. ``lanes`` are those it concerns.
    """

    fact: Fact
    order: ValidOrder
    position: int
    lanes: tuple[str, ...]
    duplicate_key: DuplicateKey
    disputed: tuple[int, ...] = ()

    @property
    def day(self) -> date:
        return self.order[0]

    @property
    def rank(self) -> int:
        return self.order[1]

    @property
    def root(self) -> int:
        return self.order[2]


class Transition(NamedTuple):
    """One line of a lifecycle: the status that a fact leads to, and what it expects to find.

    ``after`` lists the statuses it follows on (empty: any earlier one); ``once`` says that a second such act is no
    news but a mistake; ``back`` that it may lead to an earlier status; ``restores`` that this is the one before the end,
    where that is known.
    """

    to: str
    after: frozenset[str] = frozenset()
    once: bool = False
    back: bool = False
    restores: bool = False


def transition(
    to: str, after: str = "", *, once: bool = False, back: bool = False, restores: bool = False
) -> Transition:
    return Transition(to, frozenset(after.split()), once, back, restores)


class Anomaly(NamedTuple):
    """Something odd that was accepted: what, and the position of the entry that shows it."""

    code: AnomalyCode
    position: int
    detail: str


class Violation(NamedTuple):
    """A rule that a fact breaks at its place. At an append this is a refusal; history is never refused."""

    rule: str
    position: int
    detail: str


@dataclass(slots=True)
class State:
    """The state of one lane. Copied before each fact, so every earlier state stays as it was."""

    status: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, tuple[int, ...]] = field(default_factory=dict)
    alternatives: dict[str, tuple[dict[str, Any], ...]] = field(default_factory=dict)
    today: tuple[str, ...] = ()  # the fields that were set on the day of ``live``
    refs: dict[str, tuple[Subject, ...]] = field(default_factory=dict)  # the subjects that each field refers to
    anomalies: tuple[Anomaly, ...] = ()
    violations: tuple[Violation, ...] = ()
    disputed: tuple[int, ...] = ()
    live: LiveFact | None = None
    credit: tuple[int, ...] = ()  # the position of ``live``, as provenance has it
    before_end: str | None = None
    excused: bool = False
    """Whether a fact may stand after the end, because what reopens it is of the same day."""

    def before(self, live: LiveFact) -> "State":
        """A working copy, on which the fact ``live`` is to be put. What facts seldom change is copied when they do."""
        is_same_day = self.live is not None and self.live.order[0] == live.order[0]
        return State(
            self.status, self.fields.copy(), self.provenance.copy(), self.alternatives,
            self.today if is_same_day else (), self.refs, self.anomalies, self.violations,
            self.disputed + live.disputed, live, (live.position,), self.before_end,
        )  # fmt: skip

    @property
    def now(self) -> LiveFact:
        assert self.live is not None
        return self.live

    def set(self, name: str, value: Any) -> None:
        """The field has this value from now on."""
        self.fields[name] = value
        self.provenance[name] = self.credit
        self.today += (name,)
        found = references(value)
        if found or name in self.refs:
            self._refer(name, found)

    def describe(self, values: Mapping[str, Any]) -> None:
        """Set fields that only describe. Two values for one day are a conflict: the later recorded one is current.

        A value of a later day ends it, unless that is one of the two again.
        """
        for name, value in values.items():
            if name in self.today and self.fields[name] != value:
                self.dispute(name, value)
            else:
                known = self.alternatives and self.alternatives.get(name)
                if known and all(one["value"] != value for one in known):
                    self.alternatives = {other: both for other, both in self.alternatives.items() if other != name}
                self.set(name, value)

    def dispute(self, name: str, value: Any) -> None:
        """Keep both values of a field that two facts give differently."""
        mine = {"value": value, "position": self.now.position}
        known = self.alternatives.get(name) or ({"value": self.fields[name], "position": self.provenance[name][-1]},)
        both = (*known, mine)
        self.alternatives = {**self.alternatives, name: both}
        self.flag(AnomalyCode.source_conflict, f"another entry gives {name} differently")
        self.set(name, max(both, key=lambda one: one["position"])["value"])
        self.provenance[name] = tuple(sorted(one["position"] for one in both))

    def add(self, name: str, item: Any) -> None:
        """The field is a list, and this is one more of it."""
        self.fields[name] = [*self.fields.get(name, ()), item]
        if found := references(item):
            self._refer(name, self.refs.get(name, ()) + found)
        self._note_provenance(name)

    def merge(self, name: str, key: str, item: Mapping[str, Any]) -> None:
        """The field is a list of things with a key: add this one, or bring the one of its key up to date."""
        items = list(self.fields.get(name, ()))
        at = next((i for i, one in enumerate(items) if one[key] == item[key]), len(items))
        merged = {**(items[at] if at < len(items) else {}), **item}
        items[at:] = [{name: value for name, value in merged.items() if value is not None}, *items[at + 1 :]]
        self.fields[name] = items
        self._refer(name, references(items))
        self._note_provenance(name)

    def _refer(self, name: str, found: tuple[Subject, ...]) -> None:
        self.refs = {**self.refs, name: found} if found else {k: v for k, v in self.refs.items() if k != name}

    def _note_provenance(self, name: str) -> None:
        known = self.provenance.get(name)
        if known is None:
            self.provenance[name] = self.credit
        elif self.credit[0] not in known:
            self.provenance[name] = known + self.credit

    def date(self, name: str, *, first: bool = False) -> None:
        """Keep when an act took place, ``None`` where the fact does not say; ``first`` keeps an earlier date."""
        fact = self.now.fact
        if first and self.fields.get("dates", {}).get(name):
            return
        self._note("dates", name, fact.occurred)
        if fact.effective:
            self._note("effective", name, fact.effective)

    def _note(self, field: str, name: str, value: Any) -> None:
        self.fields[field] = {**self.fields.get(field, {}), name: value}
        self._note_provenance(field)

    def flag(self, code: AnomalyCode, detail: str) -> None:
        self.anomalies = (*self.anomalies, Anomaly(code, self.now.position, detail))

    def flag_order(self) -> None:
        """Two acts are in an odd order: the one that was recorded later shows it."""
        shown_by = max(self.now.position, *self.provenance.get("status", (0,)))
        odd = Anomaly(AnomalyCode.date_order, shown_by, f"it was {self.status} by then; the status stays")
        self.anomalies = (*self.anomalies, odd)

    def violate(self, rule: str, detail: str) -> None:
        self.violations = (*self.violations, Violation(rule, self.now.position, detail))


def _nothing(main: State, others: list[State]) -> None:
    pass


def _one_lane(fact: Fact) -> tuple[str, ...]:
    return (MAIN,)


@dataclass(frozen=True)
class Kind:
    """One kind of stream: its facts in lifecycle order, its statuses in order, what ends it, and how it evolves.

    ``fields`` are shown in every state, ``null`` where nothing gives them; ``lanes`` names the lanes a fact concerns;
    ``reconcile`` shows on the main lane what a fact did to the others. ``plural`` names a list of such streams; ``related``
    are the kinds whose states belong to one of this kind, as they refer to it, in the order in which they are shown;
    ``overdue_from`` tells from which day on a state is late without any fact, where that can be.
    """

    name: str
    plural: str
    facts: tuple[type[Fact], ...]
    statuses: tuple[str, ...]
    ended: frozenset[str]
    lifecycle: Mapping[type[Fact], Transition]
    fields: tuple[str, ...]
    evolve: Callable[[State, Fact, str], None]
    lanes: Callable[[Fact], tuple[str, ...]] = _one_lane
    reconcile: Callable[[State, list[State]], None] = _nothing
    related: tuple[str, ...] = ()
    overdue_from: Callable[[State], date | None] | None = None

    @cached_property
    def ranks(self) -> Mapping[type[Fact], int]:
        """The place of each of its facts in the lifecycle."""
        return {fact: rank for rank, fact in enumerate(self.facts)}

    @cached_property
    def has_parts(self) -> bool:
        """Whether it has other lanes than the main one."""
        return self.lanes is not _one_lane

    @cached_property
    def unstated(self) -> Mapping[str, Any]:
        """What a state shows of which no fact has spoken."""
        return {**dict.fromkeys(self.fields), "dates": {}}

    def advance(self, state: State, fact: Fact) -> None:
        """Take the lifecycle's step, if the fact is one. The status never goes back unless the step says so."""
        rule = self.lifecycle.get(type(fact))
        if state.status is None:
            self._open(state, fact, rule)
        elif rule and rule.once and self._repeats(state, fact, rule):
            state.violate("repeated_act", f"{self.name} is {state.status} already: correct that entry instead")
        elif state.status in self.ended and not fact.outlasts:
            if not state.excused:
                self._refuse_after_end(state, fact, rule)
        elif rule:
            repeated = state.status == rule.to
            self._move(state, rule)
            state.date(fact.short_type, first=repeated)

    def _repeats(self, state: State, fact: Fact, rule: Transition) -> bool:
        known = fact.describes or fact.short_type in state.fields.get("dates", {})
        return state.status == rule.to and known

    def _open(self, state: State, fact: Fact, rule: Transition | None) -> None:
        """The first fact in valid order. It need not be one that opens a stream: that one may be undated."""
        if fact.describes and not fact.opens:
            return
        state.status = rule.to if rule else self.statuses[0]
        if rule and not fact.describes:
            state.date(fact.short_type)
            if not fact.opens or (rule.after and state.status not in rule.after):
                state.flag(AnomalyCode.missing_predecessor, f"nothing is known before it was {state.status}")

    def _refuse_after_end(self, state: State, fact: Fact, rule: Transition | None) -> None:
        """What happens after the end is refused at an append; a mere mention that lies there is nothing odd."""
        state.violate(AFTER_END, f"it is {state.status}: only a correction or what reopens it can follow")
        if rule or not fact.opens:
            state.flag(AnomalyCode.date_order, f"it was {state.status} by then; the status stays")

    def _move(self, state: State, rule: Transition) -> None:
        rank = self.statuses.index
        assert state.status is not None
        if not rule.after or state.status in rule.after:
            forward = rule.back or rank(rule.to) >= rank(state.status)
        else:
            forward = rank(rule.to) >= rank(state.status)
            if forward:
                state.flag(
                    AnomalyCode.missing_predecessor, f"it was {state.status} and not {'/'.join(sorted(rule.after))}"
                )
        if forward:
            before, state.status = state.status, rule.to
            if rule.to in self.ended:
                state.before_end = before
            elif rule.restores and before in self.ended:
                state.status = state.before_end or rule.to
        else:
            state.flag_order()
