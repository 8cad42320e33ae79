"""What the lists of states hold, from which day on: the turns to an item, and away from it. Pure."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import TypeVar

from ledger.vocabulary.state import State
from projections.segments import Segment

Item = TypeVar("Item", bound=Hashable)

Items = Mapping[str, Sequence[Item]]
"""What each of a state's lists holds."""

Of = Callable[[State], Items[Item]]

Turns = dict[tuple[Item, date], bool]
"""From a day on an item is held, or no more."""


def turned(
    before: State | None, old: Sequence[Segment], new: Sequence[Segment], of: Of[Item]
) -> tuple[Turns[Item], Turns[Item]]:
    """The turns that are no more, and those that came, as the segments that follow on a state are others."""
    base = of(before) if before and before.status else {}
    if old and new and old[0].valid_from == new[0].valid_from:  # of a long day only what differs is looked at
        held, held_now = of(old[0].state), of(new[0].state)
        was, now = _of_the_day(base, held, held_now, new[0].valid_from)
        was |= _turns(held, old[1:], of)
        now |= _turns(held_now, new[1:], of)
    else:
        was, now = _turns(base, old, of), _turns(base, new, of)
    same = was.items() & now.items()
    return dict(was.items() - same), dict(now.items() - same)


def _of_the_day(
    base: Items[Item], old: Items[Item], new: Items[Item], day: date
) -> tuple[Turns[Item], Turns[Item]]:  # fmt: skip
    """The turns of a day that are no more, and those that came, as a state is another at its end."""
    was: Turns[Item] = {}
    now: Turns[Item] = {}
    for item, holds in _differing(old, new):
        if _holds(base, item) == holds:
            was[item, day] = not holds
        else:
            now[item, day] = holds
    return was, now


def _turns(known: Items[Item], found: Iterable[Segment], of: Of[Item]) -> Turns[Item]:
    turns: Turns[Item] = {}
    for one in found:
        now = of(one.state)
        turns |= {(item, one.valid_from): holds for item, holds in _differing(known, now)}
        known = now
    return turns


def _differing(one: Items[Item], other: Items[Item]) -> Iterator[tuple[Item, bool]]:
    """What one of two states holds alone, and whether the other does."""
    if one is other:
        return
    for these, those, holds in ((one, other, True), (other, one, False)):
        came = {item for name, items in those.items() for item in _beyond(these.get(name, ()), items)}
        yield from ((item, holds) for item in came if not _holds(these, item))


def _beyond(known: Sequence[Item], items: Sequence[Item]) -> Iterable[Item]:
    """What a list may hold that it did not: mostly the last, as it has grown."""
    if items is known or known[: len(items)] == items:
        return ()
    return items[len(known) :] if items[: len(known)] == known else items


def _holds(items: Items[Item], item: Item) -> bool:
    return any(item in those for those in items.values())
