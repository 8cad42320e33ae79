"""Which states have anomalies or are in dispute, over both clocks. Pure."""

from datetime import date
from typing import NamedTuple

from ledger.vocabulary.fact import Subject
from ledger.vocabulary.state import State
from projections.projection import Change, Changes, Column, Projection, Table
from projections.segments import moved


class Flagged(NamedTuple):
    """What a row shows: from ``valid_from`` to ``valid_to`` a lane has anomalies, or disputes that nothing resolves."""

    subject: Subject
    lane: str
    valid_from: date
    valid_to: date


FLAGS = Table(
    "flags", ("subject", "lane", "valid_to"),
    (
        Column("subject", 'text collate "C"', "subject"),
        Column("lane", 'text collate "C"', "lane"),
        Column("valid_from", "date", "valid_from"),
        Column("valid_to", "date", "valid_to"),
    ),
)  # fmt: skip


class Flags(Projection):
    name = "flags"
    version = 3
    tables = (FLAGS,)

    def note(self, change: Change, changes: Changes) -> None:
        subject = change.subject
        for lane in change.lanes:
            was, now = moved(lane.steps, lane.first, lane.old, lane.new, _is_flagged)
            opened = {(subject, lane.lane, end): Flagged(subject, lane.lane, start, end) for _, start, end in now}
            changes["flags"].replace([(subject, lane.lane, end) for _, _, end in was], opened, change.recorded.position)


def _is_flagged(state: State) -> bool | None:
    """True or nothing: how much there is of it would be another row at each fact."""
    return True if state.anomalies or state.disputed else None
