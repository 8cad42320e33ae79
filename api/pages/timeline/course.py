"""What marks are to each other: which status lasts until which, what was moved, what is late, what is told twice. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from itertools import zip_longest
from typing import Any, NamedTuple

from api.pages.timeline.axis import ordinal
from api.pages.timeline.given import Given
from api.pages.timeline.marks import LATER, Mark
from api.pages.timeline.words import Told, told
from api.pages.words import look
from ledger.fold import History
from ledger.vocabulary.registry import KINDS
from ledger.vocabulary.state import MAIN
from projections.segments import segments

WITH_BARS = ("initiative", "agreement")
"""The kinds of which a status lasts: it is drawn as a bar until the next one begins."""
LANES_WITH_BARS = ("status", "other", "initiatives", "agreements")


class Turn(NamedTuple):
    """From ``day`` on, as the ledger counts it, the status is another one, as the entries at ``positions`` tell."""

    status: str
    day: date
    positions: tuple[int, ...]


def with_bars(marks: Sequence[Mark], given: Sequence[Given]) -> list[Mark]:
    """Statuses that last begin, and end, where those of the ledger do."""
    barred = [*marks]
    for subject in dict.fromkeys(one.subject for one in given if one.kind in WITH_BARS):
        mine = [number for number, one in enumerate(marks) if one.track == subject and one.lane in LANES_WITH_BARS]
        if not mine:
            continue
        own = [one for one in given if one.subject == subject]
        turned = [*turns(own)]
        for turn, after in zip_longest(turned, turned[1:]):
            at = next((number for number in mine if _tells(marks[number], turn)), None)
            if at is not None:
                barred[at] = _turned(marks[at], turn, after, own)
    return barred


def turns(facts: Sequence[Given]) -> Iterator[Turn]:
    """Where the status of one subject becomes another, folded as the ledger does, from all of its own facts."""
    history, before = History(KINDS[facts[0].kind]), None
    history.load([one.recorded for one in facts], {})
    for day, _, state, _ in segments(history.kind, history.lanes.get(MAIN, ())):
        if state.status and state.status != before:
            before = state.status
            yield Turn(state.status, day, state.provenance.get("status", ()))


def _tells(mark: Mark, turn: Turn) -> bool:
    return mark.at is not None and mark.positions[0] in turn.positions


def _turned(mark: Mark, turn: Turn, after: Turn | None, facts: Sequence[Given]) -> Mark:
    """The mark with which a status begins: its bar ends with the next one, or where the ledger says it no more."""
    lane = "status" if mark.lane == "other" else mark.lane
    if turn.status in KINDS[facts[0].kind].ended:
        return replace(mark, lane=lane, closes=True)
    family = look(turn.status).family
    return replace(mark, lane=lane, bar=turn.status, shape="bar", family=family, until=after and _end(after, facts))


def _end(after: Turn, facts: Sequence[Given]) -> Told:
    dated = [one.own_date for one in facts if one.position in after.positions and one.own_date]
    return dated[0] if dated else told(after.day.isoformat())


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


def with_delays(marks: Sequence[Mark], to_do: frozenset[str], valid_on: int) -> list[Mark]:
    """What is still to be done, and was due last on a day before the one that is looked at, is overdue."""
    due = {one.track: number for number, one in enumerate(marks) if one.word.startswith("Due")}
    late = {due[track] for track in to_do & due.keys() if _is_past(marks[due[track]].at, valid_on)}
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
