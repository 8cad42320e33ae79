"""Which facts count, from which day, and which streams they mention. Pure."""

from functools import lru_cache
from typing import NamedTuple

from ledger.vocabulary.fact import Subject
from ledger.vocabulary.fields import LiveFact
from projections.projection import Change, Changes, Column, Projection, Table, array

KEPT = 500


@lru_cache(KEPT)
def _mentions(subjects: frozenset[Subject]) -> bytes:
    return array(sorted(subjects))


class Counted(NamedTuple):
    """What a row shows: a stream, and a fact of it that counts."""

    subject: Subject
    live: LiveFact

    @property
    def mentions(self) -> bytes:
        return _mentions(self.live.fact.mentions)


TIMELINE = Table(
    "timeline", ("position",),
    (
        Column("subject", 'text collate "C"', "subject"),
        Column("day", "date", "live.day"),  # the day that the fact counts from
        Column("rank", "int4", "live.rank"),  # its place in the lifecycle, for facts of one day
        Column("root", "int8", "live.root"),  # the entry whose place it has
        Column("position", "int8", "live.position"),  # the entry that says so
        Column("mentions", "text[]", "mentions", encoded=True),
    ),
)  # fmt: skip


class Timeline(Projection):
    name = "timeline"
    version = 7
    tables = (TIMELINE,)

    def note(self, change: Change, changes: Changes) -> None:
        closed = [(live.position,) for live in change.closed]
        opened = {(live.position,): Counted(change.subject, live) for live in change.opened}
        changes["timeline"].replace(closed, opened, change.recorded.position)
