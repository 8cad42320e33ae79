"""Which facts of a stream say the same, and of one source: found by what they say, never by comparing each with each. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import chain
from operator import attrgetter

from ledger.vocabulary.fields import DuplicateKey, LiveFact

Group = tuple[DuplicateKey, bytes, str | None]
"""A sort, what is said, and a source that says it: None for what cites none, which is our own word, each time."""

_root = attrgetter("root")


class Alike:
    """The facts that count of one stream. What a fact says is written out once there is another of its sort."""

    def __init__(self) -> None:
        self.alone: dict[DuplicateKey, LiveFact | None] = {}  # the only one of its sort; None: there are several
        self.groups: dict[Group, tuple[LiveFact, ...]] = {}  # as they were recorded

    def copy(self) -> "Alike":
        twin = Alike()
        twin.alone, twin.groups = self.alone.copy(), self.groups.copy()
        return twin

    def add(self, live: LiveFact) -> None:
        first = self.alone.setdefault(live.duplicate_key, live)
        if first is live:
            return
        self.alone[live.duplicate_key] = None
        for one in (first, live) if first else (live,):
            for group in _groups(one):
                known = self.groups.get(group, ())
                at = bisect_right(known, one.root, key=_root)
                self.groups[group] = (*known[:at], one, *known[at:])

    def remove(self, live: LiveFact) -> None:
        if self.alone[live.duplicate_key]:
            del self.alone[live.duplicate_key]
            return
        for group in _groups(live):
            known = self.groups[group]
            at = bisect_left(known, live.root, key=_root)
            self.groups[group] = known[:at] + known[at + 1 :]

    def is_said_before(self, live: LiveFact) -> bool:
        """Whether an entry that was recorded before says the same."""
        first = (self.groups[group][0] for group in _groups(live)) if not self.alone[live.duplicate_key] else ()
        return any(one.root < live.root for one in first)

    def recorded_after(self, lives: Iterable[LiveFact]) -> Iterator[LiveFact]:
        """What says the same as any of these, and was recorded after it."""
        roots = dict[Group, int]()
        for live in lives:
            if not self.alone.get(live.duplicate_key, live):
                for group in _groups(live):
                    roots[group] = min(live.root, roots.get(group, live.root))
        known = ((self.groups.get(group, ()), root) for group, root in roots.items())
        return chain.from_iterable(those[bisect_right(those, root, key=_root) :] for those, root in known)


def _groups(live: LiveFact) -> Iterator[Group]:
    fact = live.fact
    return ((live.duplicate_key, fact.likeness, source) for source in fact.cited or (None,))
