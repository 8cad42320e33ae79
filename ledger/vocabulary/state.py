"""What facts add up to: the state of one lane of a stream.

A stream has one lane, named "", that tells its state; an agreement has one more for each party. ``evolve`` of a kind
says what a fact does to a lane. It writes through the methods of ``State``, which keep, beside each field, the
positions of the entries that set it, and flag what does not fit instead of failing: the real world is let in.

A fact changes a state by what stands before it in valid order, never by what was recorded before it; but of two values
that conflict the one that was recorded later is current.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from pydantic_core import to_json

from ledger.vocabulary.acts import (
    DAYS,
    EFFECTIVE,
    OCCURRED,
    Account,
    Act,
    Saying,
    accurate,
    conflicts,
    current,
    differing,
    duplicates,
    is_disputed,
    item_of,
    repeats,
    sides,
    together,
)
from ledger.vocabulary.codes import AnomalyCode
from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.fact import Fact, Subject, references

MAIN = ""
"""The lane that every stream has."""

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


class Anomaly(NamedTuple):
    """Something odd that was accepted: what, and the position of the entry that shows it."""

    code: AnomalyCode
    position: int
    detail: str


class Former(NamedTuple):
    """The values that were told of a field for earlier days, the current one perhaps among them, and who told of changes."""

    values: tuple[Any, ...] = ()
    told_by: tuple[int, ...] = ()


@dataclass(slots=True)
class State:
    """The state of one lane. Copied before each fact, so every earlier state stays as it was."""

    status: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, tuple[int, ...]] = field(default_factory=dict)
    alternatives: dict[str, tuple[dict[str, Any], ...]] = field(default_factory=dict)
    today: dict[str, type[Fact]] = field(default_factory=dict)  # what was set on this day, by facts of which type
    refs: dict[str, tuple[Subject, ...]] = field(default_factory=dict)  # the subjects that each field refers to
    sources: tuple[Subject, ...] = ()
    anomalies: tuple[Anomaly, ...] = ()
    disputed: tuple[int, ...] = ()
    live: LiveFact | None = None
    credit: tuple[int, ...] = ()  # the position of ``live``, as provenance has it
    before_end: str | None = None
    acts: dict[Act, tuple[Account, ...]] = field(default_factory=dict)  # those that may be told of again
    former: dict[str, Former] = field(default_factory=dict)  # of fields whose earlier values are kept in a list
    fresh_from: date | None = None  # the day from which on a notice is of the present, not of what is over
    over: str | None = None  # the status in which the stream has ended, if ``live`` comes after that
    over_by: tuple[int, ...] = ()  # the entries that tell of the end
    excused: bool = False  # it may stand after the end, because what reopens the stream is of the same day
    same_act: frozenset[int] = frozenset()  # the other entries that tell of the act of ``live``
    is_duplicate: bool = False  # one of them says the same, and is of the same source
    is_apart: bool = False  # ``live`` is an act that cannot happen again: it stands in history alone

    def before(self, live: LiveFact) -> "State":
        """A working copy, on which the fact ``live`` is to be put. What facts seldom change is copied when they do."""
        is_same_day = self.live is not None and self.live.order[0] == live.order[0]
        state = State(
            self.status, self.fields.copy(), self.provenance.copy(), self.alternatives,
            self.today.copy() if is_same_day else {}, self.refs, self.sources, self.anomalies,
            self.disputed + live.disputed, live, (live.position,), self.before_end, self.acts, self.former,
            self.fresh_from,
        )  # fmt: skip
        state._cite(live.fact)
        return state

    def _cite(self, fact: Fact) -> None:
        for citation in fact.sources:
            if citation.source not in self.sources:
                self.sources = tuple(sorted((*self.sources, citation.source)))

    @property
    def now(self) -> LiveFact:
        assert self.live is not None
        return self.live

    def set(self, name: str, value: Any) -> None:
        """The field has this value from now on."""
        self.fields[name] = value
        self.provenance[name] = self.credit
        self.today[name] = type(self.now.fact)
        found = references(value)
        if found or name in self.refs:
            self._refer(name, found)

    def tell(self, name: str, value: Any) -> None:
        """Set a field that belongs to an act, with its day: what another entry says of the same act stands beside it."""
        if self.is_apart:
            return
        if self.is_told(name) or self.today.get(name) is type(self.now.fact):
            self._beside(name, value)
        else:
            self.settle(name)
            self.set(name, value)

    def replace(self, name: str, value: Any, kept_in: str, before: Any = None) -> None:
        """Give a field another value. A list keeps all that were told for earlier days and are not current."""
        known = self.former.get(kept_in, Former())
        values = [*known.values, before]
        is_again = self.today.get(name) is type(self.now.fact)
        if not is_again:
            values += [one["value"] for one in self.alternatives.get(name, ())] or [self.fields.get(name)]
        if is_again or name in self.alternatives or self.fields.get(name) != value:
            self.tell(name, value)
        else:
            self._agree(name)
        earlier = tuple(dict.fromkeys([one for one in values if one is not None]))
        self.former = {**self.former, kept_in: Former(earlier, known.told_by + self.credit)}
        self.show_former(name, kept_in)

    def show_former(self, name: str, kept_in: str) -> None:
        """Keep the list of a field's former values as it is to be, whatever has set the field."""
        if kept_in not in self.former:
            return
        values, told_by = self.former[kept_in]
        if shown := [one for one in values if one != self.fields[name]]:
            self.fields[kept_in], self.provenance[kept_in] = shown, told_by
        else:
            self.fields.pop(kept_in, None)
            self.provenance.pop(kept_in, None)

    def describe(self, values: Mapping[str, Any]) -> None:
        """Set fields that only describe. Two values for one day are a conflict: the later recorded one is current.

        A value of a later day ends it, unless that is one of the two again.
        """
        for name, value in values.items() if not self.is_apart else ():
            if name in self.today or self.is_told(name):
                self._beside(name, value)
            else:
                if all(one["value"] != value for one in self.alternatives.get(name, ())):
                    self.settle(name)
                self.set(name, value)

    def settle(self, name: str) -> None:
        """What comes now ends a conflict, if there was one."""
        if name in self.alternatives:
            self.alternatives = {other: both for other, both in self.alternatives.items() if other != name}

    def is_told(self, name: str) -> bool:
        """Whether another entry that tells of the same act gives the field."""
        return bool(self.same_act) and not self.same_act.isdisjoint(self.provenance.get(name, ()))

    def _beside(self, name: str, value: Any) -> None:
        """Another entry says the same of the field, or says otherwise; ``None`` says nothing of it."""
        if self.fields[name] == value and not self._sides(name):
            self._agree(name)
        elif value is None:
            return
        elif self.fields[name] is None:
            self.set(name, value)
        else:
            self.dispute(name, value)

    def _sides(self, name: str) -> tuple[dict[str, Any], ...]:
        """Those of a conflict of this day or act; one of an earlier day is over where something else is told now."""
        known = self.alternatives.get(name, ())
        return known if any(one["position"] in self.provenance[name] for one in known) else ()

    def _agree(self, name: str) -> None:
        """``live`` says, too, what the field has, for its day."""
        self.note(name)
        self.today[name] = type(self.now.fact)

    def dispute(self, name: str, value: Any) -> None:
        """Keep both values of a field that two facts give differently."""
        told = self.provenance[name]
        known = self._sides(name) or ({"value": self.fields[name], "position": max(told)},)
        same = max((one["position"] for one in known if one["value"] == value), default=0)
        mine = {"value": value, "position": max(same, self.now.position)}
        both = (*(one for one in known if one["value"] != value), mine)
        self.alternatives = {**self.alternatives, name: both}
        if not same:
            self.flag_conflict(name, told)
        self.set(name, max(both, key=lambda one: one["position"])["value"])
        self.provenance[name] = tuple(sorted({*told, self.now.position}))

    def include(self, name: str, item: Any) -> None:
        """The field is a list of what bears no day of its own, and this is in it, whoever else says so."""
        items = self.fields.get(name, ())
        if item in items:
            self.note(name)
        else:
            self.put(name, (*items, item))

    def add(self, name: str, item: Any) -> None:
        """The field is a list, to which nothing else writes, and this is one more of it, unless another entry tells of the
        same.
        """
        act = (name, to_json(_plain(item)))
        items: list[Any] = [*self.fields.get(name, ())]
        known = self.acts.get(act)
        at = item_of(self.account, known) if known else None
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
        """The field is a list that has one item of each act of a sort, found by ``key``: all that is told of one act goes
        together there, and what is told differently is a conflict.
        """
        told = self.acts.get(act)
        if self.is_apart:
            return
        if not told:  # it stands in history alone
            self.add(name, {**self.now.fact.own, **{day: getattr(self.now.fact, day) for day in days}})
            return
        items = [*self.fields.get(name, ())]
        if not self.same_act:
            item = self.now.fact.own | {day: getattr(self.now.fact, day) for day in days}
            items.insert(self._place(name, key, items, item), item)
        else:
            sayings = [Saying(one.fact.own, one.position) for one in told]
            item = self.weigh(f"{name}/{act[1]}", sayings) | {day: current(told, day) for day in days}
            at = max(i for i, one in enumerate(items) if one[key] == item[key])
            items[at] = items[at] | item
        self.put(name, items)

    def _place(self, name: str, key: str, items: Sequence[Mapping[str, Any]], item: Mapping[str, Any]) -> int:
        """Items of one day stand in the order of their keys, whichever was recorded first."""
        at = len(items)
        while at and f"{name}/{items[at - 1][key]}" in self.today and items[at - 1][key] > item[key]:
            at -= 1
        self.today[f"{name}/{item[key]}"] = type(self.now.fact)
        return at

    def weigh(self, path: str, sayings: Sequence[Saying], *, ends_older: bool = False) -> dict[str, Any]:
        """All that entries which tell of one thing, ``live`` the last of them, say of it. What they give differently is a
        conflict, of which all sides stand beside each other. An older one stays, as what it is of stands in a list still,
        unless what is said now ``ends_older`` ones of the same fields.
        """
        if len(sayings) == 1 and path not in self.alternatives:
            return {**sayings[0].value}
        whole, fields, *known = together(sayings), differing(sayings), *sayings[:-1]
        sides_now = sides([one for one in sayings if not fields.isdisjoint(one.value)])
        if path in self.alternatives or sides_now:
            given = whole.keys() if ends_older else frozenset[str]()
            self._set_sides(path, (*self._older(path, sayings, given), *sides_now))
        if any(differing((one, sayings[-1])) for one in known):
            self.flag_conflict(path, [one.position for one in known])
        return whole

    def _older(self, path: str, sayings: Sequence[Saying], given: Set[str]) -> tuple[dict[str, Any], ...]:
        """The sides of an earlier conflict, as far as it is of other fields than are ``given`` now."""
        positions = {one.position for one in sayings}
        known = [Saying(**one) for one in self.alternatives.get(path, ()) if one["position"] not in positions]
        over = differing(known) & given
        older = [Saying({name: said for name, said in value.items() if name not in over}, at) for value, at in known]
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
        self.acts = {**self.acts, act: (*self.acts.get(act, ()), mine)}

    def told_today(self, act: Act) -> tuple[Account, ...]:
        """Those that tell of something on this day, ``live`` the last of them."""
        known = [one for one in self.acts.get(act, ()) if one.day == self.now.day]
        self.acts = {**self.acts, act: (*known, self.account)}
        return self.acts[act]

    def began(self, act: Act) -> tuple[date, str]:
        """What puts acts of one sort in an order, whichever was recorded first."""
        return self.acts[act][0].day, str(act[1])

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
        told = self.acts.get(act) or (self.account,)
        return current(told, OCCURRED), current(told, EFFECTIVE)

    def _date_again(self, act: Act, is_shown: bool) -> None:
        """The day that is told most accurately; where sources give different ones, all of them stand beside it."""
        told = self.acts[act]
        for name, which in DAYS.items():
            if is_disputed(told, which):
                given = [(one.position, day) for one in told if (day := getattr(one.fact, which))]
                self.list_sides(_path(name, act), [{"value": day, "position": position} for position, day in given])
        if is_shown:
            occurred, effective = self.days(act)
            self._note("dates", act[0], occurred)
            self._take_effect(act[0], effective)

    def list_sides(self, path: str, said: Iterable[dict[str, Any]]) -> None:
        """These are among the alternatives of what is in dispute."""
        known = self.alternatives.get(path, ())
        self.alternatives = {**self.alternatives, path: (*known, *(one for one in said if one not in known))}

    def _refer(self, name: str, found: tuple[Subject, ...]) -> None:
        self.refs = {**self.refs, name: found} if found else {k: v for k, v in self.refs.items() if k != name}

    def credit_status(self, before: str | None, sort: type[Fact]) -> None:
        """``live``, a fact of this sort, has led to the status; or another of its sort and day has, and it tells so too."""
        if self.status != before:
            self.provenance["status"] = self.credit
            self.today["status"] = sort
        elif self.today.get("status") is sort:
            self.note("status")

    def note(self, name: str) -> None:
        """``live`` says, too, what the field has."""
        known = self.provenance.get(name)
        if known is None:
            self.provenance[name] = self.credit
        elif self.credit[0] not in known:
            self.provenance[name] = known + self.credit

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
        if day and self.now.fact.effective:
            self._note("effective", name, day)
        elif not day and name in known:
            self.fields["effective"] = {other: one for other, one in known.items() if other != name}
            if len(known) == 1:
                del self.fields["effective"], self.provenance["effective"]

    def _note(self, field: str, name: str, value: Any) -> None:
        self.fields[field] = {**self.fields.get(field, {}), name: value}
        self.note(field)

    @property
    def told(self) -> str:
        """``live`` in words: what happened, and when."""
        fact = self.now.fact
        return f"{fact.short_type} ({fact.occurred or fact.effective or 'undated'})"

    def flag(self, code: AnomalyCode, detail: str, others: Iterable[int] = ()) -> None:
        """Of entries that are odd together, the one that was recorded last shows it."""
        self.anomalies = (*self.anomalies, Anomaly(code, max(self.now.position, *others, 0), detail))

    def flag_conflict(self, path: str, others: Iterable[int]) -> None:
        self.flag(AnomalyCode.source_conflict, f"another entry gives {path} differently", others)

    def flag_order(self) -> None:
        """Two acts are in an odd order."""
        detail = f"{self.told} comes after it was {self.status}; the status stays"
        self.flag(AnomalyCode.date_order, detail, self.provenance.get("status", ()))


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
