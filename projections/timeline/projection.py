"""Which facts count, from which day, and about which streams they are. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ledger.vocabulary.fact import Subject
from ledger.vocabulary.fields import LiveFact
from projections.projection import Change, Changes, Column, Key, Projection, Table


class Counted(NamedTuple):
    """What a row shows: a fact of a stream that counts, and a stream that it is about: its own, or one that it mentions."""

    about: Subject
    subject: Subject
    live: LiveFact

    @property
    def key(self) -> Key:
        return self.about, self.live.position


TIMELINE = Table(
    "timeline", ("about", "position"),
    (
        Column("about", 'text collate "C"', "about"),
        Column("day", "date", "live.day"),  # the day that the fact counts from
        Column("rank", "int4", "live.rank"),  # its place in the lifecycle, for facts of one day
        Column("root", "int8", "live.root"),  # the entry whose place it has
        Column("position", "int8", "live.position"),  # the entry that says so
        Column("subject", 'text collate "C"', "subject"),
    ),
)  # fmt: skip


class Timeline(Projection):
    name = "timeline"
    version = 8
    tables = (TIMELINE,)

    def note(self, change: Change, changes: Changes) -> None:
        closed = [one.key for one in _counted(change.subject, change.closed)]
        opened = {one.key: one for one in _counted(change.subject, change.opened)}
        changes["timeline"].replace(closed, opened, change.recorded.position)


def _counted(subject: Subject, facts: Iterable[LiveFact]) -> Iterator[Counted]:
    for live in facts:
        for about in sorted({subject, *live.fact.mentions}):
            yield Counted(about, subject, live)
