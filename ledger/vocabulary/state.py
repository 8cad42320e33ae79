"""What facts add up to: the state of one lane of a stream.

A stream has one lane, named "", that tells its state; an agreement has one more for each party. ``evolve`` of a kind
says what a fact does to a lane. It writes through the methods of ``State``, which keep, beside each field, the
positions of the entries that set it, and flag what does not fit instead of failing: the real world is let in.

A fact changes a state by what stands before it in valid order, never by what was recorded before it; but of two values
that conflict the one that was recorded later is current.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import Any

from pydantic_core import to_json

from ledger.vocabulary.acts import (
    DAYS,
    EFFECTIVE,
    OCCURRED,
    Account,
    Accounts,
    Act,
    Saying,
    accurate,
    agreed,
    conflicts,
    current,
    days_given,
    differing,
    duplicates,
    is_contested,
    is_dated_alike,
    is_disputed,
    item_of,
    repeats,
    sides,
    standing,
    together,
)
from ledger.vocabulary.codes import AnomalyCode
from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.fact import references
from ledger.vocabulary.fields import Fields, LiveFact

MAIN = ""
"""The lane that every stream has."""


@dataclass(slots=True)
class State(Fields):
    """The state of one lane. Copied before each fact, so every earlier state stays as it was."""

    def before(self, live: LiveFact) -> "State":
        """A working copy, on which the fact ``live`` is to be put. What facts seldom change is copied when they do."""
        is_same_day = self.live is not None and self.live.order[0] == live.order[0]
        state = State(
            self.status, self.fields.copy(), self.provenance.copy(), self.alternatives,
            self.today.copy() if is_same_day else {}, self.refs, self.sources, self.anomalies,
            self.disputed + live.disputed, live, (live.position,), self.before_end, self.acts, self.former,
            self.fresh_from, self.revoked_until, self.shares,
        )  # fmt: skip
        state._cite(live.fact)
        return state

    def include(self, name: str, item: Any) -> None:
        """The field is a list of what bears no day of its own, and this is in it, whoever else says so."""
        items = self.fields.get(name, ())
        if item not in items:
            self.fields[name] = (*items, item)
            if found := references(item):
                self._refer(name, self.refs.get(name, ()) + found)
        self.note(name)

    def add(self, name: str, item: Any) -> None:
        """The field is a list, to which nothing else writes, and this is one more of it, unless another entry tells of the
        same.
        """
        act = (name, to_json(_plain(item)))
        items: list[Any] = [*self.fields.get(name, ())]
        known = self.acts.get(act, ())
        at = item_of(self.account, known)
        if at is None or not is_dated_alike(self.account, at, known):
            self.enter(act, len(items) if at is None else at)
        if at is not None:
            items[at] = _dated(items[at], item)
        else:
            items.append(item)
            if found := references(item):
                self._refer(name, self.refs.get(name, ()) + found)
        self.fields[name] = items
        self.note(name)

    def put(self, name: str, items: Sequence[Any]) -> None:
        """The field is a list, which has these in it now, as ``live`` says with others."""
        self.fields[name] = items
        self._refer(name, references(items))
        self.note(name)

    def tell_item(self, name: str, key: str, act: Act, days: Sequence[str] = ("occurred",)) -> None:
        """The field is a list that has one item of each act of a sort, found by ``key``: what is told of one act goes
        together there as far as it agrees, and what is told differently is a conflict.
        """
        told = self.acts.get(act)
        if self.is_apart:
            return
        if not told:  # it stands in history alone
            self.add(name, {**self.now.fact.own, **{day: getattr(self.now.fact, day) for day in days}})
            return
        items, item = [*self.fields.get(name, ())], _item(told, days)
        if not self.same_act:
            items.insert(self._place(name, key, items, item), item)
        else:
            self.weigh_accounts(f"{name}/{act[1]}", told, [Saying(one.fact.own, one.position) for one in told])
            at = max(i for i, one in enumerate(items) if one[key] == item[key])
            beside = items[at].keys() - item.keys() - _own(told)
            items[at] = item | {field: said for field, said in items[at].items() if field in beside}
        self.put(name, items)

    def _place(self, name: str, key: str, items: Sequence[Mapping[str, Any]], item: Mapping[str, Any]) -> int:
        """Items of one day stand in the order of their keys, whichever was recorded first."""
        at = len(items)
        while at and f"{name}/{items[at - 1][key]}" in self.today and items[at - 1][key] > item[key]:
            at -= 1
        self.today[f"{name}/{item[key]}"] = type(self.now.fact)
        return at

    def weigh_accounts(self, path: str, told: Sequence[Account], sayings: Sequence[Saying]) -> None:
        """Where accounts of one act cannot tell of the same days, each of them is a side of the conflict as a whole."""
        if is_contested(told):
            sayings = [
                one._replace(beside={**one.beside, **days_given(account.fact)})
                for account, one in zip(told, sayings, strict=True)
            ]
        self.weigh(path, sayings, is_contested=is_contested(told))

    def weigh(
        self, path: str, sayings: Sequence[Saying], *, ends_older: bool = False, is_contested: bool = False
    ) -> dict[str, Any]:
        """All that entries which tell of one thing, ``live`` the last of them, say of it. What they give differently is a
        conflict, of which all sides stand beside each other. An older one stays, as what it is of stands in a list still,
        unless what is said now ``ends_older`` ones of the same fields.
        """
        if len(sayings) == 1 and path not in self.alternatives:
            return {**sayings[0].value}
        whole, fields, *known = together(sayings), differing(sayings), *sayings[:-1]
        sides_now = sides([one for one in sayings if is_contested or not fields.isdisjoint(one.value)])
        if path in self.alternatives or sides_now:
            given = whole.keys() if ends_older else frozenset[str]()
            self._set_sides(path, (*self._older(path, sayings, given), *sides_now))
        if any(differing((one, sayings[-1])) for one in known):
            self.flag_conflict(path, [one.position for one in known])
        return whole

    def _older(self, path: str, sayings: Sequence[Saying], given: Set[str]) -> tuple[dict[str, Any], ...]:
        """The sides of an earlier conflict, as far as it is of other fields than are ``given`` now."""
        positions = {one.position for one in sayings}
        known = [
            Saying(one["value"], one["position"])
            for one in self.alternatives.get(path, ())
            if one["position"] not in positions
        ]
        over = differing(known) & given
        older = [Saying({name: said for name, said in value.items() if name not in over}, at) for value, at, _ in known]
        return sides(older) if differing(older) else ()

    def _set_sides(self, path: str, both: tuple[dict[str, Any], ...]) -> None:
        self.settle(path)
        if both:
            self.alternatives = {**self.alternatives, path: both}

    @property
    def account(self) -> Account:
        """What ``live`` says of an act."""
        return Account(self.now.position, self.now.fact, self.now.order[0])

    def enter(self, act: Act, item: int = 0) -> None:
        """Keep that ``live`` tells of an act, and in which item of a list."""
        live = self.now
        mine = Account(live.position, live.fact, live.order[0], item)
        self.acts = {**self.acts, act: Accounts((*self.acts.get(act, ()), mine))}

    def told_today(self, act: Act) -> tuple[Account, ...]:
        """Those that tell of something on this day, ``live`` the last of them."""
        known = [one for one in self.acts.get(act, ()) if one.day == self.now.day]
        self.acts = {**self.acts, act: Accounts((*known, self.account))}
        return self.acts[act]

    def of_that_day(self, act: Act) -> list[Act]:
        """It and the others of its sort of which it was told first on the same day."""
        return [one for one in self.acts if one[0] == act[0] and self.began(one) == self.began(act)]

    def began(self, act: Act) -> date:
        """The day on which it was told of first."""
        return self.acts[act][0].day

    def end_dispute(self, act: Act) -> None:
        """On which day it was makes no difference any more."""
        for name in DAYS:
            self.settle(_path(name, act))

    def forget(self, is_over: Callable[[Act], bool]) -> None:
        """What is told of these acts from now on is told of others."""
        self.acts = {act: known for act, known in self.acts.items() if not is_over(act)}

    def tell_again(self, act: Act, known: tuple[Account, ...], is_shown: bool) -> None:
        """``live`` tells of an act that others tell of: it corroborates them, or gives another day.

        ``dates`` has the act's day where it ``is_shown``: the first or the last of several such acts.
        """
        mine, others = self.account, tuple(one.position for one in known)
        if repeats(mine, known):
            self.is_apart = True
            self.flag(AnomalyCode.repeated_act, f"the same source tells of {act[0]} on another day", others)
            return
        if duplicates(mine, known):
            self.is_duplicate = True
            self.flag(AnomalyCode.duplicate_suspect, "another entry says the same", others)
        self.same_act = frozenset(others)
        self.enter(act)
        for name in conflicts(mine, known):
            self.flag_conflict(_path(name, act), others)
        self._date_again(act, is_shown)

    def days(self, act: Act) -> tuple[PartialDate | None, PartialDate | None]:
        """When the act of ``live`` took place and took effect, of all that is told of it."""
        return (self.acts.get(act) or Accounts([self.account])).days

    def _date_again(self, act: Act, is_shown: bool) -> None:
        """The day that is told most accurately; where sources give different ones, all of them stand beside it."""
        told = self.acts[act]
        self.list_days(act, told)
        if is_shown:
            occurred, effective = zip(*map(self.days, self.of_that_day(act)), strict=True)
            self._note("dates", act[0], reduce(accurate, occurred))
            self._take_effect(act[0], reduce(accurate, effective))

    def date_first(self, name: str) -> None:
        """``dates`` has the first of several acts of a sort that go on, each with its day as it is told now."""
        if told := [one for act, one in self.acts.items() if act[0] == name]:
            first = min(one.order for one in told)
            occurred, effective = zip(*(one.days for one in told if one.order == first), strict=True)
            self._note("dates", name, reduce(accurate, occurred))
            self._take_effect(name, reduce(accurate, effective))

    def list_days(self, act: Act, told: Sequence[Account]) -> None:
        """All days that are told of an act are among the alternatives, where they are in dispute."""
        for name, which in DAYS.items():
            if is_disputed(told, which):
                given = [(one.position, day) for one in told if (day := getattr(one.fact, which))]
                self.list_sides(_path(name, act), [{"value": day, "position": position} for position, day in given])

    def list_sides(self, path: str, said: Iterable[dict[str, Any]]) -> None:
        """These are among the alternatives of what is in dispute."""
        known = self.alternatives.get(path, ())
        self.alternatives = {**self.alternatives, path: (*known, *(one for one in said if one not in known))}

    def date(self, name: str, *, first: bool = False) -> None:
        """Keep when an act took place, ``None`` where the fact does not say; ``first`` keeps that of an earlier day."""
        if first and self.fields.get("dates", {}).get(name) and f"dates/{name}" not in self.today:
            return
        fact = self.now.fact
        self._note("dates", name, self._day_with_others("dates", name, fact.occurred, first))
        if fact.effective or "effective" in self.fields:
            self._take_effect(name, self._day_with_others("effective", name, fact.effective, first))

    def _day_with_others(self, field: str, name: str, day: PartialDate | None, first: bool) -> PartialDate | None:
        """The day of an act, of all that is told of it on this day; of an earlier day, where that is known and the ``first``."""
        path = f"{field}/{name}"
        known: PartialDate | None = self.fields.get(field, {}).get(name)
        if path in self.today:
            return accurate(known, day)
        if first and known:
            return known
        if not first:
            self.settle(path)
        self.today[path] = type(self.now.fact)
        return day

    def _take_effect(self, name: str, day: PartialDate | None) -> None:
        """Keep when an act took effect, or that it is not told apart from when it took place."""
        known = self.fields.get("effective", {})
        if day and (self.now.fact.effective or known.get(name) != day):
            self._note("effective", name, day)
        elif not day and name in known:
            self.fields["effective"] = {other: one for other, one in known.items() if other != name}
            if len(known) == 1:
                del self.fields["effective"], self.provenance["effective"]

    def _note(self, field: str, name: str, value: Any) -> None:
        self.fields[field] = {**self.fields.get(field, {}), name: value}
        self.note(field)


def _item(told: Sequence[Account], days: Iterable[str]) -> dict[str, Any]:
    """What is shown of an act, of all that is told of it, in the order of the facts' fields, whoever told it first. When it
    took place is as ``dates`` has it."""
    those = standing(told)
    accounts, said = {OCCURRED: told, EFFECTIVE: those}, agreed(one.fact.own for one in those)
    own = {field: said[field] for _, field, _ in told[0].fact.own_fields if field in said}
    return own | {day: current(accounts[day], day) for day in days}


def _own(told: Sequence[Account]) -> frozenset[str]:
    return frozenset(name for one in told for name in one.fact.own)


def _path(field: str, act: Act) -> str:
    """Where a day of an act stands in the state."""
    name, each = act
    return f"{field}/{name}/{each}" if each else f"{field}/{name}"


def _plain(item: Any) -> Any:
    """What an item of a list says, without its day and the entry that says it."""
    if not isinstance(item, Mapping):
        return item
    return {name: value for name, value in item.items() if name not in ("occurred", "position")}


def _dated(item: Any, other: Any) -> Any:
    """An item, with the more accurate day of both."""
    if not isinstance(item, Mapping) or "occurred" not in item:
        return item
    return {**item, "occurred": accurate(item["occurred"], other["occurred"])}
