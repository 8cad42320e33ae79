"""What changed in a stream, and in all that belongs to it, between two bases; and which entries between are responsible."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from datetime import date
from functools import partial
from typing import Any, LiteralString

from ledger.database.connection import Connection, sql_blocks
from ledger.errors import NotFound
from ledger.vocabulary.fact import Subject
from projections.basis import Asked, Basis
from projections.diff import Between, Change, Step, changes, explained, gone, stepped, stream_of, supports
from projections.listing import held
from projections.queries import Queries, StateRow, find_state, find_states
from projections.wholes import Kept, wholes

SQL = sql_blocks("projections", "diff.sql")
CHANGED = ("changed.subject", "changed.lane")
STEPS_KNOWN = SQL["steps_known"].format(held=held(*CHANGED, known_at="turn.position"))
STEPS_VALID = SQL["steps_valid"].format(held=held(*CHANGED, valid_at="turn.day"))

Documents = dict[str, dict[str, Any]]
"""The states on one side: of streams, and of the parties' parts in agreements."""

Read = Callable[[Connection, Sequence[Basis]], tuple[Documents, Documents]]
"""Reads the documents of both sides."""

Steps = Callable[[Sequence[Change]], Mapping[str, Sequence[Step]]]
"""Looks up the way from the earlier point to the later one, for the states and fields of these changes."""


def diff(reads: Queries, subject: Subject, sides: tuple[Asked, Asked]) -> tuple[list[Change], Basis, Basis]:
    """The changes from one side to the other, and both bases, which differ in one clock. Raises NotFound."""
    found, bases, is_known = _compared(reads, sides, partial(_documents, subject))
    if not is_known:
        raise NotFound(f"nothing is known of {subject}, neither there nor here")
    return found, bases[0], bases[1]


def diff_each(reads: Queries, subjects: Sequence[Subject], sides: tuple[Asked, Asked]) -> dict[Subject, list[Change]]:
    """The changes of each of several streams by itself: of its parties' parts, too, but not of what belongs to it."""
    found, _, _ = _compared(reads, sides, partial(_own_documents, subjects))
    grouped: dict[Subject, list[Change]] = {subject: [] for subject in subjects}
    for change in found:
        grouped[Subject(stream_of(change.subject))].append(change)
    return grouped


def _compared(reads: Queries, sides: tuple[Asked, Asked], read: Read) -> tuple[list[Change], list[Basis], bool]:
    """The changes from one side to the other, both bases, and whether anything is known on either side.

    It takes a fixed number of round trips. All is read in one transaction, so that no rebuild puts other rows between.
    """
    days_pass = sides[0].known_at == sides[1].known_at
    with reads.at_each(sides, *(["states", "timeline"] if days_pass else [])) as (connection, bases):
        early, late = sorted(bases, key=lambda basis: (basis.known_at, basis.valid_at))
        with connection.transaction():
            before, after = read(connection, (early, late))
            found = _explained(connection, before, after, early, late) if early != late else []
    if [early, late] != bases:
        found = [change._replace(old=change.new, new=change.old) for change in found]
    return found, bases, bool(before or after)


def _own_documents(
    subjects: Sequence[Subject], connection: Connection, bases: Sequence[Basis]
) -> tuple[Documents, Documents]:
    """The documents of streams by themselves on both sides."""
    before, after = (_by_name(find_states(connection, subjects, basis, with_parts=True)) for basis in bases)
    return before, after


def _documents(subject: Subject, connection: Connection, bases: Sequence[Basis]) -> tuple[Documents, Documents]:
    """The documents of both sides; what belongs to the subject on one side alone may be known on the other."""
    whole = [find_state(connection, subject, basis) for basis in bases]
    shown = [found.shown if found else [] for found in whole]
    subjects = {one.subject for side in shown for one in side}
    before, after = (
        _by_name([*side, *find_states(connection, sorted(subjects - {one.subject for one in side}), basis)])
        for side, basis in zip(shown, bases, strict=True)
    )
    return before, after


def _by_name(shown: Sequence[StateRow]) -> Documents:
    return {_name(one.subject, one.lane): json.loads(one.doc) | {"unverified": one.unverified} for one in shown}


def _name(subject: str, lane: str) -> str:
    return f"{subject} {lane}".strip()


def _explained(connection: Connection, before: Documents, after: Documents, early: Basis, late: Basis) -> list[Change]:
    """The changes with the entries responsible. The way between the points is looked up where provenance does not tell."""
    found = [(one, before.get(one.subject, {}), after.get(one.subject, {})) for one in changes(before, after)]
    streams = sorted({stream_of(change.subject) for change, _, _ in found})
    if early.known_at == late.known_at:
        between, steps = _between_days(connection, streams, early, late)
    else:
        left = gone(one for told in found for one in supports(*told))
        between, steps = _between_positions(connection, streams, left, early, late)
    told = [explained(change, old, new, between) for change, old, new in found]
    way = steps([change for change in told if not change.entries])
    return [one if one.entries else stepped(one, before.get(one.subject, {}), way[one.subject]) for one in told]


def _between_positions(
    connection: Connection, streams: Sequence[str], left: Set[int], early: Basis, late: Basis
) -> tuple[Between, Steps]:
    """What was recorded between two positions, as it bears on one day. Entries that are ``left`` may have been struck."""
    given = {"since": early.known_at, "upto": late.known_at, "valid_at": late.valid_at}
    struck = dict(connection.execute(SQL["struck"], given | {"gone": list(left)}).fetchall()) if left else {}
    recorded = range(early.known_at + 1, late.known_at + 1)

    def steps(rest: Sequence[Change]) -> Mapping[str, Sequence[Step]]:
        found = _fields(connection, STEPS_KNOWN, given, rest)
        return _by_state((name, Step((position,), fields)) for name, position, _, fields in found)

    return Between(dict.fromkeys(streams, recorded), struck), steps


def _between_days(connection: Connection, streams: Sequence[str], early: Basis, late: Basis) -> tuple[Between, Steps]:
    """The facts that count from a day between two, as known at one position."""
    given = {"since": early.valid_at, "upto": late.valid_at, "known_at": late.known_at}
    facts: dict[tuple[str, date], list[int]] = defaultdict(list)
    positions: dict[str, set[int]] = {stream: set() for stream in streams}
    for stream, position, day in connection.execute(SQL["facts"], given | {"streams": streams}):
        facts[stream, day].append(position)
        positions[stream].add(position)

    def steps(rest: Sequence[Change]) -> Mapping[str, Sequence[Step]]:
        found = _fields(connection, STEPS_VALID, given, rest)
        return _by_state((name, Step(facts[stream_of(name), day], fields)) for name, _, day, fields in found)

    return Between(positions, days_pass=True), steps


def _fields(
    connection: Connection, query: LiteralString, given: Mapping[str, Any], rest: Sequence[Change]
) -> Iterator[tuple[str, int, date, dict[str, Any]]]:
    """The parts that are looked at of documents of the states that changed: which state, at which position, on which day."""
    wanted = {change.field for change in rest} | {"provenance", "disputes"}
    names = [name.partition(" ") for name in sorted({change.subject for change in rest})]
    lanes = {"subjects": [subject for subject, _, _ in names], "lanes": [lane for _, _, lane in names]}
    rows = connection.execute(query, {**given, **lanes}).fetchall() if rest else []
    kept = [Kept(subject, lane, position, day, doc or "{}") for subject, lane, position, day, doc in rows]
    for one, document in zip(kept, wholes(connection, kept), strict=True):
        told = {name: value for name, value in json.loads(document).items() if name in wanted}
        yield _name(one.subject, one.lane), one.known_at, one.valid_at, told


def _by_state(rows: Any) -> Mapping[str, Sequence[Step]]:
    found: dict[str, list[Step]] = defaultdict(list)
    for name, step in rows:
        found[name].append(step)
    return found
