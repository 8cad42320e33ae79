"""Several accounts of one act: whether two facts tell of the same, and how what they say goes together. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import cached_property, reduce
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple

from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.edtf import Bounds, Day
from ledger.vocabulary.fact import Fact

Act = tuple[str, object]
"""The act that facts tell of: what happened, and what tells it from another of its sort, such as the successor's name."""

OCCURRED, EFFECTIVE = "occurred", "effective"
DAYS = {"dates": OCCURRED, "effective": EFFECTIVE}
"""Where a state has the days of acts, and which day of a fact it has there."""


class Account(NamedTuple):
    """What one entry says of an act: the fact that tells of it, the day it counts from, and which item of a list that is."""

    position: int
    fact: Fact
    day: date
    item: int = 0


class Saying(NamedTuple):
    """What one entry says of a thing, field by field; and what is shown with that, where it is a side of a conflict."""

    value: Mapping[str, Any]
    position: int
    beside: Mapping[str, Any] = MappingProxyType({})


def item_of(mine: Account, known: Sequence[Account]) -> int | None:
    """The item of a list that tells of the same act as ``mine``, if there is one: the earliest of which all accounts agree."""
    others = {one.item for one in known if not compatible(mine, one)}
    found = [(one.day, one.fact.occurred or "", one.item) for one in known if one.item not in others]
    return min(found)[2] if found else None


def is_dated_alike(mine: Account, item: int, known: Sequence[Account]) -> bool:
    """Whether one of the accounts that an item has gives the same days: then another like it tells no more of which act it is."""
    given = (item, mine.fact.occurred, mine.fact.effective)
    return any((one.item, one.fact.occurred, one.fact.effective) == given for one in known)


def repeats(mine: Account, known: Sequence[Account]) -> bool:
    """Whether a source that tells of the act on an earlier day gives nothing but other days now: it speaks of another act."""
    return any(one.day != mine.day and _is_apart(mine, one) and share_source(mine.fact, one.fact) for one in known)


def duplicates(mine: Account, known: Sequence[Account]) -> bool:
    """Whether a source says again what it has said."""
    return any(share_source(mine.fact, one.fact) and compatible(mine, one) for one in known)


def conflicts(mine: Account, known: Sequence[Account]) -> list[str]:
    """Where a state has the days that another entry gives differently."""
    return [name for name, which in DAYS.items() if any(is_disputed((mine, one), which) for one in known)]


def compatible(one: Account, other: Account) -> bool:
    """Whether the days of both leave room for one act: when it took place is held against when it took place, its effect
    against its effect, and whoever gives none leaves room for any.
    """
    return all(_agreements(one, other))


def _is_apart(one: Account, other: Account) -> bool:
    """Whether they give days, and agree in none."""
    agreements = _agreements(one, other)
    return bool(agreements) and not any(agreements)


def _agreements(one: Account, other: Account) -> list[bool]:
    """For each day that both give, whether it can be the same."""
    pairs = zip(one.fact.days, other.fact.days, strict=True)
    return [overlap(mine, theirs) for mine, theirs in pairs if mine and theirs]


def overlap(one: Bounds, other: Bounds) -> bool:
    """Whether both can be the same day; an unknown or open bound excludes none."""
    return _reaches(one.latest, other.earliest) and _reaches(other.latest, one.earliest)


def _reaches(last: Day | None, first: Day | None) -> bool:
    return last is None or first is None or first <= last


def share_source(one: Fact, other: Fact) -> bool:
    """Whether one source says both. What cites none is our own word, each time."""
    mine, theirs = one.cited, other.cited
    return not mine.isdisjoint(theirs) or mine == theirs


def is_disputed(accounts: Sequence[Account], which: str) -> bool:
    """Whether not all of the days that are given of one act can be the same: of ranges, two have nothing in common then."""
    bounds = [day.bounds for one in accounts if (day := getattr(one.fact, which))]
    first = max((one.earliest for one in bounds if one.earliest), default=None)
    return not _reaches(min((one.latest for one in bounds if one.latest), default=None), first)


def current(accounts: Sequence[Account], which: str) -> PartialDate | None:
    """The day of an act, of all that is said: as accurately as it is told; where that differs, as it was recorded last."""
    given: list[tuple[int, PartialDate]] = [
        (one.position, day) for one in accounts if (day := getattr(one.fact, which))
    ]
    if is_disputed(accounts, which):
        return max(given)[1]
    return reduce(accurate, [day for _, day in given], None)


def is_contested(accounts: Sequence[Account]) -> bool:
    """Whether not all of them can tell of the same days."""
    return any(is_disputed(accounts, which) for which in DAYS.values())


def standing(accounts: Sequence[Account]) -> list[Account]:
    """Those that are shown together as one act: the one recorded last, and each, from later recorded to earlier ones, whose
    days contradict none of these. Where days are in dispute, the last that tells when it took place comes first.
    """
    contested, those = is_contested(accounts), list[Account]()
    for one in sorted(accounts, key=lambda one: (contested and bool(one.fact.occurred), one.position), reverse=True):
        if all(compatible(one, other) for other in those):
            those.append(one)
    return those


def agreed(values: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The first of these, and of the others what contradicts nothing before: no two values that only different ones join."""
    whole: dict[str, Any] = {}
    for value in values:
        if all(whole.get(name, said) == said for name, said in value.items()):
            whole |= value
    return whole


def days_given(fact: Fact) -> dict[str, PartialDate]:
    return {which: day for which in DAYS.values() if (day := getattr(fact, which))}


class Accounts(tuple[Account, ...]):
    """All that is told of one act, as it counts: it is asked for its days much more often than anything more is told of it."""

    @cached_property
    def days(self) -> tuple[PartialDate | None, PartialDate | None]:
        """When the act took place, and when it took effect."""
        return current(self, OCCURRED), current(self, EFFECTIVE)

    @cached_property
    def order(self) -> tuple[bool, Day]:
        """What sorts acts by the day that each counts from; those of which none is told come last."""
        occurred, effective = self.days
        day, began = effective or occurred, self[0].day
        last = day.bounds.latest if day else None
        return day is None, last or (began.year, began.month, began.day)


def accurate(one: PartialDate | None, other: PartialDate | None) -> PartialDate | None:
    """Of two dates of one act the one that leaves less open; where neither does, always the same one of them."""
    if one is None or other is None or one == other:
        return one or other
    return min(one, other, key=lambda day: (_span(day), day))


def _span(day: PartialDate) -> int:
    """How many days it leaves open, about; very many, where a side is open."""
    if day.earliest is None or day.latest is None:
        return 10**9
    return (day.latest - day.earliest).days


def together(sayings: Iterable[Saying]) -> dict[str, Any]:
    """All that is said of a thing; what is given differently, as it was recorded last."""
    whole: dict[str, Any] = {}
    for one in sorted(sayings, key=attrgetter("position")):
        whole |= one.value
    return whole


def differing(sayings: Sequence[Saying]) -> frozenset[str]:
    """The fields that are given differently."""
    whole = together(sayings)
    return frozenset([name for one in sayings for name, value in one.value.items() if whole[name] != value])


def sides(sayings: Iterable[Saying]) -> tuple[dict[str, Any], ...]:
    """The same as alternatives: each value once, with who said it last."""
    said: list[dict[str, Any]] = []
    for value, position, beside in sorted(sayings, key=attrgetter("position")):
        side = {**value, **beside}
        said = [one for one in said if one["value"] != side] + [{"value": side, "position": position}]
    return tuple(said)
