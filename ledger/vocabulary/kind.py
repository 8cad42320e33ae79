"""The kinds of stream: their facts, their lifecycle, and the step that a fact takes in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple, get_args

from ledger.vocabulary.acts import Account, Act
from ledger.vocabulary.codes import AnomalyCode
from ledger.vocabulary.fact import Fact, Part
from ledger.vocabulary.state import MAIN, State


class Transition(NamedTuple):
    """One line of a lifecycle: the status that a fact leads to, and what it expects to find.

    ``after`` lists the statuses it follows on (empty: any earlier one); ``once`` says that it happens once, until what
    it led to is over: whoever tells of it again tells of the same act; ``each`` names the field that tells several such
    acts apart; ``joint`` that it goes on, act by act, and began with the first; ``back`` that it may lead to an earlier
    status; ``restores`` that this is the one before, where that is known.
    """

    to: str
    after: frozenset[str] = frozenset()
    once: bool = False
    each: str = ""
    joint: bool = False
    back: bool = False
    restores: bool = False

    def act(self, fact: Fact) -> Act:
        return fact.short_type, getattr(fact, self.each) if self.each else None


def transition(to: str, after: str = "", **more: Any) -> Transition:
    return Transition(to, frozenset(after.split()), **more)


class Items(NamedTuple):
    """What the items of a list in a state are made of: the own fields of facts or of a part, and what is noted beside them."""

    of: tuple[type[Part], ...]
    beside: Mapping[str, Any]


def items(*of: type[Part], **beside: Any) -> Items:
    return Items(of, beside)


def _tell_again(state: State, fact: Fact, rule: Transition, act: Act, known: tuple[Account, ...]) -> None:
    """The act is known: another entry tells of it. Of several of a sort ``dates`` shows the last, of joint ones the first."""
    began = [state.began(one) for one in state.acts if one[0] == act[0]]
    is_shown = not rule.joint and state.began(act) == max(began)
    state.tell_again(act, known, is_shown=is_shown)
    if rule.joint:
        state.date_first(fact.short_type)
    elif not state.is_apart:
        state.note("dates")
    if state.is_told("status"):
        state.note("status")


def _is_code(sort: Any) -> bool:
    return isinstance(sort, type) and issubclass(sort, StrEnum)


def _nothing(main: State, others: list[State]) -> None:
    pass


class Derived(NamedTuple):
    """What follows from other facts of a state, where nothing states it: the value, and the entries from which it follows."""

    value: Any
    told_by: tuple[int, ...]


def _none_derived(state: State) -> Mapping[str, Derived]:
    return {}


def _one_lane(fact: Fact) -> tuple[str, ...]:
    return (MAIN,)


@dataclass(frozen=True)
class Kind:
    """One kind of stream: its facts in lifecycle order, its statuses in order, what ends it, and how it evolves.

    ``fields`` are shown in every state, ``null`` where nothing gives them, ``also`` once a fact has given them: these are
    fields of its facts. ``lists`` are made of several facts, and ``shows`` has the types of all else. ``lanes`` names the lanes a fact concerns;
    ``reconcile`` shows on the main lane what a fact did to the others; ``derived`` are the fields, and with
    ``dates/`` before them the days, that follow from that. ``plural`` names a list of such streams; ``related``
    are the kinds whose states belong to one of this kind, as they refer to it, in the order in which they are shown;
    ``overdue_from`` tells from which day on a state is late without any fact, where that can be; ``cycle_ends`` are the
    statuses, beside those that end it, after which everything may happen again.
    """

    name: str
    plural: str
    facts: tuple[type[Fact], ...]
    statuses: tuple[str, ...]
    ended: frozenset[str]
    lifecycle: Mapping[type[Fact], Transition]
    fields: tuple[str, ...]
    evolve: Callable[[State, Fact, str], None]
    also: tuple[str, ...] = ()
    lists: Mapping[str, Items] = field(default_factory=dict)
    shows: Mapping[str, Any] = field(default_factory=dict)
    lanes: Callable[[Fact], tuple[str, ...]] = _one_lane
    reconcile: Callable[[State, list[State]], None] = _nothing
    derived: Callable[[State], Mapping[str, Derived]] = _none_derived
    related: tuple[str, ...] = ()
    overdue_from: Callable[[State], date | None] | None = None
    cycle_ends: frozenset[str] = frozenset()

    @cached_property
    def ranks(self) -> Mapping[type[Fact], int]:
        """The place of each of its facts in the lifecycle."""
        return {fact: rank for rank, fact in enumerate(self.facts)}

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """The codes of what its facts call kind, type or instrument_type."""
        opening = [fact for fact in self.facts if fact.opens]
        fields = [fact.model_fields.get(name) for fact in opening for name in ("kind", "type_", "instrument_type")]
        codes = [
            found for one in fields if one for found in (one.annotation, *get_args(one.annotation)) if _is_code(found)
        ]
        return tuple(dict.fromkeys(str(code) for sort in codes for code in sort))

    @cached_property
    def list_of(self) -> Mapping[type[Part], str]:
        """The list that tells of each of its facts which one does."""
        return {one: name for name, told in self.lists.items() for one in told.of}

    @cached_property
    def has_areas(self) -> bool:
        """Whether anything tells what it is about."""
        return any("areas" in fact.model_fields for fact in self.facts)

    @cached_property
    def has_parts(self) -> bool:
        """Whether it has other lanes than the main one."""
        return self.lanes is not _one_lane

    @cached_property
    def unstated(self) -> Mapping[str, Any]:
        """What a state shows of which no fact has spoken."""
        return {**dict.fromkeys(self.fields), "dates": {}}

    @cached_property
    def renewed(self) -> Mapping[str, frozenset[str]]:
        """The acts that can happen again once it has each status, as they come after it and lead back from it."""
        return {
            status: frozenset(
                fact.short_type for fact, one in self.lifecycle.items() if one.back and status in one.after
            )
            for status in self.statuses
        }

    @cached_property
    def lasting(self) -> frozenset[str]:
        """The acts that go on whatever becomes of the stream, as signatures do: the first of all of them is shown."""
        return frozenset(fact.short_type for fact, one in self.lifecycle.items() if one.joint and not one.once)

    @cached_property
    def leading_to(self) -> Mapping[str, frozenset[str]]:
        """The acts that lead to each status."""
        return {
            status: frozenset(fact.short_type for fact, one in self.lifecycle.items() if one.to == status)
            for status in self.statuses
        }

    @cached_property
    def restored(self) -> frozenset[str]:
        """The statuses before which the earlier one is remembered, as something leads back to it."""
        return frozenset(status for one in self.lifecycle.values() if one.restores for status in one.after)

    def expects(self, fact: type[Fact], status: str | None) -> bool:
        """Whether a fact is nothing odd of a stream of this status (None: nothing is known of it), as far as the lifecycle tells."""
        rule = self.lifecycle.get(fact)
        if status is None:
            return fact.opens and (rule is None or not rule.after or rule.to in rule.after)
        if status in self.ended and not fact.outlasts:
            return fact.opens and (fact.describes or rule is None)
        rank = self.statuses.index
        return rule is None or (self._follows(rule, status) and (rule.back or rank(rule.to) >= rank(status)))

    def advance(self, state: State, fact: Fact, *, is_act: bool = True) -> None:
        """Take the lifecycle's step, if the fact ``is_act`` of it. The status never goes back unless the step says so."""
        before = state.status
        is_step = self._step(state, fact, is_act)
        state.credit_status(before, type(fact) if is_step else Fact)

    def _step(self, state: State, fact: Fact, is_act: bool) -> bool:
        """Whether ``fact`` could take it."""
        rule = self.lifecycle.get(type(fact)) if is_act else None
        act = rule.act(fact) if rule and rule.once else None
        if rule and act and (known := state.acts.get(act)):
            _tell_again(state, fact, rule, act, known)
            return True
        if state.status is None and not state.over:
            self._open(state, fact, rule)
        elif state.over and not fact.outlasts and not (rule and rule.each and self._is_joined(state, fact)):
            self._flag_after_end(state, fact, rule)
            return False
        elif rule:
            self._move(state, rule)
            if not fact.describes:
                state.date(fact.short_type, first=rule.joint and (not rule.once or self._is_joined(state, fact)))
        if rule and act:
            state.enter(act)
            if rule.joint:
                state.date_first(fact.short_type)
        return is_act

    def _is_joined(self, state: State, fact: Fact) -> bool:
        """Whether it is one more act of the sort, such as another successor, and what that led to has lasted since."""
        return any(name == fact.short_type for name, _ in state.acts)

    def _open(self, state: State, fact: Fact, rule: Transition | None) -> None:
        """The first fact in valid order. It need not be one that opens a stream: that one may be undated."""
        if fact.describes and not fact.opens:
            return
        state.status = rule.to if rule else self.statuses[0]
        if rule and not fact.describes:
            state.date(fact.short_type)
            if not fact.opens or (rule.after and state.status not in rule.after):
                state.flag(AnomalyCode.missing_predecessor, f"nothing is known before it was {state.status}")

    def _flag_after_end(self, state: State, fact: Fact, rule: Transition | None) -> None:
        """It stands in history and moves no status; a mere mention that lies there is nothing odd."""
        state.status = state.status or self.statuses[0]
        if state.excused or (fact.opens and (fact.describes or not rule)):
            return
        detail = f"{state.told} comes after it was {state.over}; the status stays"
        state.flag(AnomalyCode.after_end, detail, state.over_by)
        order = self.statuses.index
        if rule and state.over in self.statuses and order(rule.to) < order(state.over):
            state.flag_order()

    def _follows(self, rule: Transition, before: str) -> bool:
        return not rule.after or before in rule.after or before == rule.to

    def _move(self, state: State, rule: Transition) -> None:
        """Lead to the step's status, unless that would be a step back that it does not make."""
        rank, before = self.statuses.index, state.status
        assert before is not None
        expected = self._follows(rule, before)
        if not (expected and rule.back) and rank(rule.to) < rank(before):
            state.flag_order()
            return
        if not expected:
            detail = f"it was {before} and not {'/'.join(sorted(rule.after))}"
            state.flag(AnomalyCode.missing_predecessor, detail, state.provenance.get("status", ()))
        state.status = state.before_end or rule.to if rule.restores and before in rule.after else rule.to
        if state.status != before:
            self._turn(state, before, state.status)

    def _turn(self, state: State, before: str, now: str) -> None:
        """Acts that led to what is over may happen again, and are others then."""
        if now in self.restored:
            state.before_end = before
        if before in self.ended or before in self.cycle_ends:
            state.fresh_from, state.revoked_until = state.now.day, None
            state.forget(lambda act: act[0] not in self.lasting)
            return
        again = self.renewed[now]
        if self.statuses.index(now) < self.statuses.index(before):
            again |= self.leading_to[before]
        if again:
            state.forget(lambda act: act[0] in again)
