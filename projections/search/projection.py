"""The words of titles, names, descriptions and notes, over both clocks. Pure.

No name of a person is among them: those stand in fields of their own.
"""

from datetime import date
from typing import NamedTuple

from ledger.vocabulary.fact import Subject
from ledger.vocabulary.state import MAIN, State
from projections.projection import Change, Changes, Column, LaneChange, Projection, Table
from projections.search.words import tsvector, words_of
from projections.segments import END, moved

NAMED = ("title", "name", "short_name", "description", "objective")
OF_STATE = 0


class Text(NamedTuple):
    """What a row shows: words of a stream, and on which days they are said of it.

    ``root`` is the entry whose note this is; OF_STATE where the words are those of the stream's state.
    """

    subject: Subject
    root: int
    valid_from: date
    valid_to: date
    words: tuple[str, ...]

    @property
    def vector(self) -> bytes:
        return tsvector(self.words)


SEARCH = Table(
    "search", ("subject", "root", "valid_to"),
    (
        Column("subject", 'text collate "C"', "subject"),
        Column("root", "int8", "root"),
        Column("valid_from", "date", "valid_from"),
        Column("valid_to", "date", "valid_to"),
        Column("words", "tsvector", "vector", encoded=True),
    ),
)  # fmt: skip


class Search(Projection):
    name = "search"
    version = 4
    tables = (SEARCH,)

    def note(self, change: Change, changes: Changes) -> None:
        for lane in change.lanes:
            if lane.lane == MAIN:
                _note_state(change, lane, changes)
        closed = [(change.subject, live.root, END) for live in change.closed if live.fact.note]
        opened = {
            (change.subject, live.root, END): Text(change.subject, live.root, live.day, END, words_of(live.fact.note))
            for live in change.opened
            if live.fact.note
        }
        changes["search"].replace(closed, opened, change.recorded.position)


def _note_state(change: Change, lane: LaneChange, changes: Changes) -> None:
    subject = change.subject
    was, now = moved(lane.steps, lane.first, lane.old, lane.new, _texts)
    closed = [(subject, OF_STATE, end) for _, _, end in was]
    opened = {
        (subject, OF_STATE, end): Text(subject, OF_STATE, start, end, words_of("\n".join([subject.id, *texts])))
        for texts, start, end in now
    }
    changes["search"].replace(closed, opened, change.recorded.position)


def _texts(state: State) -> tuple[str, ...]:
    return tuple([text for name in NAMED if (text := state.fields.get(name))])
