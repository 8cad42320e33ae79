"""The fields of a state: what facts say of them, who says so, and what stands beside it where they differ. Pure.

What does not fit is flagged instead of failing: the real world is let in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from ledger.vocabulary.acts import Accounts, Act
from ledger.vocabulary.codes import AnomalyCode
from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.fact import Fact, Subject, references

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


class Share(NamedTuple):
    """The part of one party, as far as the whole follows from it: where it stands, when it consented, and who says so."""

    status: str
    told_by: tuple[int, ...]
    consented: PartialDate | None
    consents: tuple[int, ...]


class Former(NamedTuple):
    """The values that were told of a field for earlier days, the current one perhaps among them, and who told of changes."""

    values: tuple[Any, ...] = ()
    told_by: tuple[int, ...] = ()


@dataclass(slots=True)
class Fields:
    """All that a state has, and how single fields of it are set."""

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
    acts: dict[Act, Accounts] = field(default_factory=dict)  # those that may be told of again
    former: dict[str, Former] = field(default_factory=dict)  # of fields whose earlier values are kept in a list
    fresh_from: date | None = None  # the day from which on a notice is of the present, not of what is over
    revoked_until: date | None = None  # until then the next notice to take effect has been revoked already
    shares: dict[str, Share] = field(default_factory=dict)  # of each party, in the order in which they came
    over: str | None = None  # the status in which the stream has ended, if ``live`` comes after that
    over_by: tuple[int, ...] = ()  # the entries that tell of the end
    excused: bool = False  # it may stand after the end, because what reopens the stream is of the same day
    same_act: frozenset[int] = frozenset()  # the other entries that tell of the act of ``live``
    is_duplicate: bool = False  # one of them says the same, and is of the same source
    is_apart: bool = False  # ``live`` is an act that cannot happen again: it stands in history alone

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
