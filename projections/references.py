"""What states refer to, from which day on: the turns to a subject, and away from it. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from ledger.vocabulary.state import State
from projections.segments import Segment

Refs = Mapping[str, Sequence[str]]
"""What each of a state's fields refers to."""

Turns = dict[tuple[str, date], bool]
"""From a day on something is referred to, or no more."""


def turned(before: State | None, lane: str, old: Sequence[Segment], new: Sequence[Segment]) -> tuple[Turns, Turns]:
    """The turns that are no more, and those that came, as the segments that follow on a state are others."""
    base = _refs(before, lane)
    if old and new and old[0].valid_from == new[0].valid_from:  # of a long day only what differs is looked at
        was, now = _of_the_day(base, _refs(old[0].state, lane), _refs(new[0].state, lane), new[0].valid_from)
        was |= _turns(_refs(old[0].state, lane), lane, old[1:])
        now |= _turns(_refs(new[0].state, lane), lane, new[1:])
    else:
        was, now = _turns(base, lane, old), _turns(base, lane, new)
    same = was.items() & now.items()
    return dict(was.items() - same), dict(now.items() - same)


def _refs(state: State | None, lane: str) -> Refs:
    """A party's part refers to the party, whatever becomes of it."""
    if state is None:
        return {}
    return {"": (lane,)} if lane else state.refs


def _of_the_day(base: Refs, old: Refs, new: Refs, day: date) -> tuple[Turns, Turns]:
    """The turns of a day that are no more, and those that came, as a state is another at its end."""
    was, now = Turns(), Turns()
    for ref, holds in _differing(old, new):
        if _holds(base, ref) == holds:
            was[ref, day] = not holds
        else:
            now[ref, day] = holds
    return was, now


def _turns(known: Refs, lane: str, found: Iterable[Segment]) -> Turns:
    turns = Turns()
    for one in found:
        now = _refs(one.state, lane)
        turns |= {(ref, one.valid_from): holds for ref, holds in _differing(known, now)}
        known = now
    return turns


def _differing(one: Refs, other: Refs) -> Iterator[tuple[str, bool]]:
    """What one of two states refers to alone, and whether the other does."""
    if one is other:
        return
    for these, those, holds in ((one, other, True), (other, one, False)):
        came = {ref for field, refs in those.items() for ref in _beyond(these.get(field, ()), refs)}
        yield from ((ref, holds) for ref in came if not _holds(these, ref))


def _beyond(known: Sequence[str], refs: Sequence[str]) -> Iterable[str]:
    """What a field may refer to that it did not: mostly the last of a list that has grown."""
    if refs is known or known[: len(refs)] == refs:
        return ()
    return refs[len(known) :] if refs[: len(known)] == known else refs


def _holds(refs: Refs, ref: str) -> bool:
    return any(ref in those for those in refs.values())
