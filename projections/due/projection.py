"""What is due, over both clocks: milestones that are still to be met, and commitments that are still to be kept. Pure."""

from collections.abc import Iterator
from datetime import date
from functools import partial
from typing import NamedTuple

from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.state import MAIN, State
from projections.projection import Change, Changes, Column, LaneChange, Projection, Table
from projections.segments import moved
from projections.turns import turned

MILESTONE = ""
OPEN_MILESTONE = ("reported", "scheduled", "partiallyMet")
OPEN_COMMITMENT = ("made", "revised")


class Due(NamedTuple):
    """What a row shows: from ``valid_from`` to ``valid_to`` something of a stream is due by the end of a day.

    ``item`` is the commitment's name; MILESTONE where the stream is a milestone.
    """

    subject: Subject
    item: str
    due: date
    valid_from: date
    valid_to: date


DUE = Table(
    "due", ("subject", "item", "valid_to"),
    (
        Column("subject", 'text collate "C"', "subject"),
        Column("item", 'text collate "C"', "item"),
        Column("due", "date", "due"),
        Column("valid_from", "date", "valid_from"),
        Column("valid_to", "date", "valid_to"),
    ),
)  # fmt: skip


class DueItems(Projection):
    name = "due"
    version = 5
    tables = (DUE,)

    def note(self, change: Change, changes: Changes) -> None:
        subject, position = change.subject, change.recorded.position
        for lane in change.lanes:
            if lane.lane == MAIN and subject.kind in ("milestone", "initiative"):
                for item in _changed(lane):
                    was, now = moved(lane.steps, lane.first, lane.old, lane.new, partial(_due, item))
                    closed = [(subject, item, end) for _, _, end in was]
                    opened = {(subject, item, end): Due(subject, item, due, start, end) for due, start, end in now}
                    changes["due"].replace(closed, opened, position)


def _changed(lane: LaneChange) -> set[str]:
    """The items that are due otherwise now, on whatever day."""
    was, now = turned(lane.before, lane.old, lane.new, lambda state: {"": tuple(_items(state))})
    return {item for (item, _), _ in (*was, *now)}


def _due(item: str, state: State) -> date | None:
    return next((due for one, due in _items(state) if one == item), None)


def _items(state: State) -> Iterator[tuple[str, date]]:
    """Each item with the last day that its date allows."""
    return ((item, due.latest) for item, due in _dated(state) if due and due.latest)


def _dated(state: State) -> Iterator[tuple[str, PartialDate | None]]:
    if "commitments" in state.fields:
        for one in state.fields["commitments"]:
            if one["status"] in OPEN_COMMITMENT:
                yield one["commitment"], one.get("due")
    elif state.status in OPEN_MILESTONE:
        yield MILESTONE, state.fields.get("due")
