"""What marks are to each other: which status lasts until which, what was moved, what is late, what is told twice. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from api.pages.timeline.axis import ordinal
from api.pages.timeline.given import Given, leads_to
from api.pages.timeline.marks import FAMILY, LATER, Mark
from api.pages.timeline.words import Told
from ledger.vocabulary.kind import Kind
from ledger.vocabulary.registry import FACTS, KINDS

WITH_BARS = ("initiative", "agreement")
"""The kinds of which a status lasts: it is drawn as a bar until the next one begins."""


def with_bars(marks: Sequence[Mark], given: Sequence[Given]) -> list[Mark]:
    """Statuses that last begin where the lifecycle takes a step, in the order in which the facts count."""
    types = {one.position: one for one in given}
    status: dict[str, str] = {}
    barred = []
    for mark in marks:
        fact = types[mark.positions[0]]
        if mark.lane == KINDS[fact.kind].plural or mark.lane == "status":
            mark = _step(mark, fact, status)
        barred.append(mark)
    return _with_ends(barred)


def _with_ends(marks: Sequence[Mark]) -> list[Mark]:
    """A bar lasts until the next step of its track."""
    ends: dict[str, Told | None] = {}
    ended = []
    for mark in reversed(marks):
        ended.append(replace(mark, until=ends.get(mark.track)) if mark.bar else mark)
        if mark.bar or mark.closes:
            ends[mark.track] = mark.at
    return ended[::-1]


def _step(mark: Mark, fact: Given, status: dict[str, str]) -> Mark:
    kind = KINDS[fact.kind]
    if kind.name not in WITH_BARS or mark.at is None or mark.at != fact.own_date:
        return mark
    before, now = status.get(mark.track, ""), _next(kind, fact, status.get(mark.track, ""))
    if not now or now == before:
        return mark
    status[mark.track] = now
    if now in kind.ended:
        return replace(mark, closes=True)
    return replace(mark, bar=now, shape="bar", family=FAMILY.get(now, "plain"))


def _next(kind: Kind, fact: Given, before: str) -> str:
    """The status after the fact: the lifecycle never goes back unless the step says so."""
    to = leads_to(fact)
    if not to or not before:
        return to or before
    rule, rank = kind.lifecycle.get(FACTS[fact.type]), kind.statuses.index
    may_go_back = rule is not None and rule.back and (not rule.after or before in rule.after)
    return to if rule and (rank(to) >= rank(before) or may_go_back) else before


def merged(marks: Iterable[Mark], disputed: frozenset[int]) -> list[Mark]:
    """What several entries tell alike is one mark, with all of them."""
    known: dict[tuple[object, ...], Mark] = {}
    for mark in marks:
        doubts = ("disputed",) if not disputed.isdisjoint(mark.positions) else ()
        mark = replace(mark, doubts=mark.doubts + doubts)
        key = (mark.lane, mark.track, mark.word, mark.title, mark.at) if mark.at else (mark.positions,)
        known[key] = _together(known[key], mark) if key in known else mark
    return list(known.values())


def _together(known: Mark, mark: Mark) -> Mark:
    """Unverified is what no other entry verifies; disputed is what any of them has in dispute."""
    weak = [one for one in ("unverified",) if one in known.doubts and one in mark.doubts]
    disputed = [one for one in ("disputed",) if one in known.doubts or one in mark.doubts]
    doubts = (*weak, *disputed)
    first = known if known.bar or not mark.bar else mark
    return replace(first, positions=tuple(sorted({*known.positions, *mark.positions})), doubts=doubts)


def with_moves(marks: Sequence[Mark]) -> list[Mark]:
    """What is due or begins at another time than was said before says from when it was moved."""
    last: dict[str, Told] = {}
    moved = []
    for mark in marks:
        is_moved = mark.word in ("Rescheduled", "Due, rescheduled", "Due, revised")
        moved.append(replace(mark, moved_from=last.get(mark.track)) if is_moved else mark)
        if mark.at and mark.family in ("planned", "paused"):
            last[mark.track] = mark.at
    return moved


def with_later(marks: Iterable[Mark], known_at: int) -> list[Mark]:
    return [_with_doubt(one, LATER) if min(one.positions) > known_at else one for one in marks]


def _with_doubt(mark: Mark, doubt: str) -> Mark:
    return replace(mark, doubts=(*mark.doubts, doubt))


def with_delays(marks: Sequence[Mark], scheduled: frozenset[str], valid_on: int) -> list[Mark]:
    """What is still scheduled, and was due last on a day before the one that is looked at, is overdue."""
    due = {one.track: number for number, one in enumerate(marks) if one.lane == "milestones" and one.word[:3] == "Due"}
    late = {due[track] for track in scheduled & due.keys() if _is_past(marks[due[track]].at, valid_on)}
    return [
        replace(_with_doubt(one, "overdue"), family="paused") if number in late else one
        for number, one in enumerate(marks)
    ]


def _is_past(at: Told | None, day: int) -> bool:
    return at is not None and at.bounds.latest is not None and ordinal(at.bounds.latest) < day


def time_of(mark: Mark) -> tuple[Any, ...]:
    """By the first day it may be, then the last one; what is open on a side sorts by the other."""
    assert mark.at
    first, last = mark.at.bounds
    return first or last, last or first, mark.positions
