"""Several accounts of one act: whether two facts tell of the same, and how what they say goes together. Pure."""

from collections.abc import Sequence
from functools import reduce
from itertools import combinations, product
from typing import NamedTuple

from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.edtf import Bounds, Day
from ledger.vocabulary.fact import Fact

Act = tuple[str, object]
"""The act that facts tell of: what happened, and what tells it from another of its sort, such as the successor's name."""

UNDATED = Bounds(None, None)


class Account(NamedTuple):
    """What one entry says of an act: when it took place or effect, and which sources say so."""

    position: int
    occurred: PartialDate | None
    effective: PartialDate | None
    sources: frozenset[str]
    item: int = 0  # of the list that tells of such acts: which one it is

    @property
    def days(self) -> list[Bounds]:
        """The days that it gives; without any, each day is one of them."""
        return [day.bounds for day in (self.occurred, self.effective) if day] or [UNDATED]


def account(fact: Fact, position: int) -> Account:
    sources = frozenset([citation.source for citation in fact.sources])
    return Account(position, fact.occurred, fact.effective, sources)


def item_of(mine: Account, known: Sequence[Account]) -> int | None:
    """The item of a list that tells of the same act as ``mine``, if there is one."""
    items = {one.item: [other for other in known if other.item == one.item] for one in known}
    return next((item for item, others in items.items() if is_one_day([mine, *others])), None)


def repeats(mine: Account, known: Sequence[Account]) -> bool:
    """Whether a source that tells of the act already gives another day for it: it speaks of another act."""
    return any(share_source(mine, one) and not compatible(mine, one) for one in known)


def duplicates(mine: Account, known: Sequence[Account]) -> bool:
    """Whether a source says again what it has said."""
    return any(share_source(mine, one) and compatible(mine, one) for one in known)


def conflicts(mine: Account, known: Sequence[Account]) -> bool:
    """Whether another source gives another day."""
    return any(not compatible(mine, one) for one in known)


def compatible(one: Account, other: Account) -> bool:
    """Whether the days of both leave room for one act."""
    return any(overlap(*days) for days in product(one.days, other.days))


def overlap(one: Bounds, other: Bounds) -> bool:
    """Whether both can be the same day; an unknown or open bound excludes none."""
    return _reaches(one.latest, other.earliest) and _reaches(other.latest, one.earliest)


def _reaches(last: Day | None, first: Day | None) -> bool:
    return last is None or first is None or first <= last


def share_source(one: Account, other: Account) -> bool:
    """Whether one source says both. What cites none is our own word, each time."""
    return not one.sources.isdisjoint(other.sources) or one.sources == other.sources


def is_one_day(accounts: Sequence[Account]) -> bool:
    """Whether the days of all leave room for one act."""
    return all(compatible(one, other) for one, other in combinations(accounts, 2))


def current(accounts: Sequence[Account]) -> tuple[PartialDate | None, PartialDate | None]:
    """When an act took place and took effect, of all that is said: as accurately as it is told; where the accounts differ,
    as the one says that was recorded last.
    """
    if is_one_day(accounts):
        occurred = reduce(accurate, [one.occurred for one in accounts])
        return occurred, reduce(accurate, [one.effective for one in accounts])
    last = max(one for one in accounts if one.occurred or one.effective)
    return last.occurred, last.effective


def accurate(one: PartialDate | None, other: PartialDate | None) -> PartialDate | None:
    """Of two dates of one act the one that leaves less open; where neither does, always the same one of them."""
    if one is None or other is None:
        return one or other
    return min(one, other, key=lambda day: (_span(day), day))


def _span(day: PartialDate) -> int:
    """How many days it leaves open, about; very many, where a side is open."""
    if day.earliest is None or day.latest is None:
        return 10**9
    return (day.latest - day.earliest).days
