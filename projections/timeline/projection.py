"""Which facts count, from which day, and which streams they mention. Pure."""

from functools import lru_cache

from ledger.vocabulary.fact import Subject
from projections.projection import Change, Changes, Column, Projection, Table, array

KEPT = 500


@lru_cache(KEPT)
def _mentions(subjects: frozenset[Subject]) -> bytes:
    return array(sorted(subjects))


TIMELINE = Table(
    "timeline", ("position",),
    (
        Column("subject", 'text collate "C"', lambda row: row[0]),
        Column("day", "date", lambda row: row[1].day),  # the day that the fact counts from
        Column("rank", "int4", lambda row: row[1].rank),  # its place in the lifecycle, for facts of one day
        Column("root", "int8", lambda row: row[1].root),  # the entry whose place it has
        Column("position", "int8", lambda row: row[1].position),  # the entry that says so
        Column("mentions", "text[]", lambda row: _mentions(row[1].fact.mentions), encoded=True),
    ),
)  # fmt: skip
"""A row shows a stream, and a fact of it that counts."""


class Timeline(Projection):
    name = "timeline"
    version = 5
    tables = (TIMELINE,)

    def note(self, change: Change, changes: Changes) -> None:
        closed = [(live.position,) for live in change.closed]
        opened = {(live.position,): (change.subject, live) for live in change.opened}
        changes["timeline"].replace(closed, opened, change.recorded.position)
