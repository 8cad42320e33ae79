"""Several accounts of one act: whether two facts tell of the same, and how what they say goes together. Pure."""

from collections.abc import Sequence
from functools import reduce
from itertools import product
from operator import attrgetter
from typing import NamedTuple

from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.edtf import Bounds, Day
from ledger.vocabulary.fact import Fact

Act = tuple[str, object]
"""The act that facts tell of: what happened, and what tells it from another of its sort, such as the successor's name."""


class Account(NamedTuple):
    """What one entry says of an act: the fact that tells of it, and which item of a list that is."""

    position: int
    fact: Fact
    item: int = 0


def item_of(mine: Account, known: Sequence[Account]) -> int | None:
    """The item of a list that tells of the same act as ``mine``, if there is one: the first of which all accounts agree."""
    others = {one.item for one in known if not compatible(mine, one)}
    return min((one.item for one in known if one.item not in others), default=None)


def repeats(mine: Account, known: Sequence[Account]) -> bool:
    """Whether a source that tells of the act already gives another day for it: it speaks of another act."""
    return any(not compatible(mine, one) and share_source(mine, one) for one in known)


def duplicates(mine: Account, known: Sequence[Account]) -> bool:
    """Whether a source says again what it has said."""
    return any(share_source(mine, one) and compatible(mine, one) for one in known)


def conflicts(mine: Account, known: Sequence[Account]) -> bool:
    """Whether another source gives another day."""
    return any(not compatible(mine, one) for one in known)


def compatible(one: Account, other: Account) -> bool:
    """Whether the days of both leave room for one act: whoever gives none leaves room for any."""
    mine, theirs = one.fact.days, other.fact.days
    return not mine or not theirs or any(overlap(*days) for days in product(mine, theirs))


def overlap(one: Bounds, other: Bounds) -> bool:
    """Whether both can be the same day; an unknown or open bound excludes none."""
    return _reaches(one.latest, other.earliest) and _reaches(other.latest, one.earliest)


def _reaches(last: Day | None, first: Day | None) -> bool:
    return last is None or first is None or first <= last


def share_source(one: Account, other: Account) -> bool:
    """Whether one source says both. What cites none is our own word, each time."""
    mine, theirs = one.fact.cited, other.fact.cited
    return not mine.isdisjoint(theirs) or mine == theirs


def current(accounts: Sequence[Account], *, differ: bool) -> tuple[PartialDate | None, PartialDate | None]:
    """When an act took place and took effect, of all that is said: as accurately as it is told; where the accounts ``differ``,
    as the one says that was recorded last.
    """
    if differ:
        last = max([one for one in accounts if one.fact.days], key=attrgetter("position"))
        return last.fact.occurred, last.fact.effective
    occurred = reduce(accurate, [one.fact.occurred for one in accounts])
    return occurred, reduce(accurate, [one.fact.effective for one in accounts])


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
