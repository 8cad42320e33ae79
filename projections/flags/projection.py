"""Which states have anomalies or are in dispute, over both clocks. Pure."""

from datetime import date
from typing import NamedTuple

from ledger.vocabulary.fact import Subject
from ledger.vocabulary.state import State
from projections.projection import Change, Changes, Column, Projection, Table
from projections.segments import moved


class Flagged(NamedTuple):
    """What a row shows: from ``valid_from`` to ``valid_to`` a lane has so many anomalies, and disputes that nothing resolves."""

    subject: Subject
    lane: str
    counts: tuple[int, int]
    valid_from: date
    valid_to: date

    @property
    def anomalies(self) -> int:
        return self.counts[0]

    @property
    def disputes(self) -> int:
        return self.counts[1]


FLAGS = Table(
    "flags", ("subject", "lane", "valid_to"),
    (
        Column("subject", 'text collate "C"', "subject"),
        Column("lane", 'text collate "C"', "lane"),
        Column("anomalies", "integer", "anomalies"),
        Column("disputes", "integer", "disputes"),
        Column("valid_from", "date", "valid_from"),
        Column("valid_to", "date", "valid_to"),
    ),
)  # fmt: skip


class Flags(Projection):
    name = "flags"
    version = 2
    tables = (FLAGS,)

    def note(self, change: Change, changes: Changes) -> None:
        subject = change.subject
        for lane in change.lanes:
            was, now = moved(lane.steps, lane.first, lane.old, lane.new, _counted)
            opened = {
                (subject, lane.lane, end): Flagged(subject, lane.lane, counts, start, end) for counts, start, end in now
            }
            changes["flags"].replace([(subject, lane.lane, end) for _, _, end in was], opened, change.recorded.position)


def _counted(state: State) -> tuple[int, int] | None:
    """How many anomalies and disputes there are, if any."""
    return (len(state.anomalies), len(state.disputed)) if state.anomalies or state.disputed else None
