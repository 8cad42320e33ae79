"""From entries to changes: each is folded once, and every projection notes what it makes of it. Pure."""

from collections.abc import Iterable, Sequence

from ledger.fold import History, StateAt
from ledger.history_cache import HistoryCache
from ledger.recorded import Openings, Recorded
from ledger.vocabulary.correction import Correction
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.fields import LiveFact
from ledger.vocabulary.kind import Kind
from projections.projection import Change, Changes, LaneChange, Projection, Rows
from projections.segments import is_long, kind_of, segments

KNOWN_BYTES = 170_000_000
"""Of the streams that are kept in memory: some 34,000 entries, or of large agreements fewer. A stream of ten that has to be read
again costs four times as much; with more kept than this the follower takes over 300 MB."""


class Stopped(Exception):
    """One projection cannot take an entry; the others can."""

    def __init__(self, name: str, error: Exception) -> None:
        super().__init__(name)
        self.name, self.error = name, type(error).__name__


class Fold:
    """Folds entries into histories, for some projections. Streams that were folded last stay in memory, up to a bound."""

    def __init__(self, projections: Sequence[Projection], position: int = 0, epoch: str = "", built: int = 0) -> None:
        self.projections, self.position, self.epoch, self.built = projections, position, epoch, built
        self.histories = HistoryCache(KNOWN_BYTES)
        self.changes: dict[str, Changes] = {}
        self.take_changes()

    def missing(self, subjects: Iterable[Subject]) -> list[Subject]:
        """The streams among these that have to be loaded before an entry of theirs is folded."""
        return [subject for subject in subjects if subject not in self.histories]

    def load(self, subject: Subject, entries: Sequence[Recorded], openings: Openings) -> None:
        """Take in what was folded before of a stream; its rows are there already."""
        history = self.histories.get(subject)
        history.load(entries, openings)
        self.histories.keep(subject, history)

    def take(self, subject: Subject, recorded: Recorded, openings: Openings) -> None:
        """Fold one more entry, and note what it changes. Raises Stopped, and whatever the entry makes of the fold."""
        history = self.histories.get(subject)
        self.note(history, subject, recorded, openings)
        self.histories.keep(subject, history)

    def take_changes(self) -> list[Rows]:
        """What the entries since the last call do to the tables."""
        taken = [rows for changes in self.changes.values() for rows in changes.values()]
        self.changes = {one.name: {table.name: Rows(table) for table in one.tables} for one in self.projections}
        return taken

    def note(self, history: History, subject: Subject, recorded: Recorded, openings: Openings) -> None:
        """Take an entry into the stream's history, and note what that changes."""
        change = changed(history, subject, recorded, openings)
        for projection in self.projections:
            try:
                projection.note(change, self.changes[projection.name])
            except Exception as error:
                raise Stopped(projection.name, error) from error


def changed(history: History, subject: Subject, recorded: Recorded, openings: Openings) -> Change:
    """Take an entry into a history; returns what it changes."""
    lives = list(history.lives) if isinstance(recorded.fact, Correction) else None
    lanes = []
    for lane, (start, cut) in history.record(recorded, openings).items():
        steps = history.lanes[lane]
        kind = kind_of(history.kind, lane)
        if is_long(start + len(cut)) != is_long(len(steps)):  # all of its rows are kept otherwise now
            start, cut = 0, [*steps[:start], *cut]
        first, was = _from_its_day(kind, start, steps, cut)
        new = segments(kind, steps[first:])
        lanes.append(LaneChange(kind, lane, steps, start, cut, first, segments(kind, was), new))
    return Change(subject, recorded, lanes, *_counted(history, lives))


def _counted(history: History, lives: Sequence[LiveFact] | None) -> tuple[list[LiveFact], list[LiveFact]]:
    """The facts that count now and did not before, and those that did; ``lives`` is None where only one can have come."""
    if lives is None:
        return [history.last] if history.last else [], []
    was, now = {live.position for live in lives}, {live.position for live in history.lives}
    return (
        [live for live in history.lives if live.position not in was],
        [live for live in lives if live.position not in now],
    )


def _from_its_day(
    kind: Kind, start: int, steps: Sequence[StateAt], old: Sequence[StateAt]
) -> tuple[int, Sequence[StateAt]]:
    """Begin earlier, with the last day before the fold: its segment may end otherwise now.

    Where a later day was added behind it, and it does not change by itself, it stays.
    """
    if not start:
        return start, old
    day = steps[start - 1].order[0]
    if not old and steps[start].order[0] > day and not kind.overdue_from:
        return start, old
    first = start - 1
    while first and steps[first - 1].order[0] == day:
        first -= 1
    return first, [*steps[first:start], *old]
