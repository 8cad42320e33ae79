"""The story of the log, entry by entry, with what each entry changed. Pure: entries in, what is told out."""

import json
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ledger.errors import Unreadable
from ledger.fold import History
from ledger.log.entry import Entry
from ledger.process import undisturbed
from ledger.recorded import Opening, Recorded
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.state import MAIN
from projections.diff import Change, changes
from projections.segments import END, Segment, document, kind_of


class Replayed(NamedTuple):
    """One entry, and the changes it made to the last state of its stream and of the parties in it."""

    entry: Entry
    changes: list[Change]


def story(
    entries: Iterable[tuple[Entry, Recorded]], known: Mapping[Subject, Opening] = MappingProxyType({})
) -> Iterator[Replayed]:
    """Tell entries in their order. What they mention counts as known once it has been told of, or from ``known`` on.

    Raises Unreadable at one that fits into no story.
    """
    histories: dict[Subject, History] = {}
    openings = dict(known)
    for entry, recorded in entries:
        subject = entry.originator_id
        openings.setdefault(subject, Opening(recorded.position, getattr(recorded.fact, "published", None)))
        history = histories.setdefault(subject, History.of(subject))
        yield Replayed(entry, _changes(history, subject, recorded, openings))


@undisturbed()
def _changes(
    history: History, subject: Subject, recorded: Recorded, openings: Mapping[Subject, Opening]
) -> list[Change]:
    before = _documents(history, subject)
    _record(history, recorded, openings)
    return [one._replace(entries=(recorded.position,)) for one in changes(before, _documents(history, subject))]


def _record(history: History, recorded: Recorded, openings: Mapping[Subject, Opening]) -> None:
    try:
        history.record(recorded, openings)
    except Exception as error:
        raise Unreadable(f"{recorded} does not fit into its stream: {type(error).__name__}") from error


def _documents(history: History, subject: Subject) -> dict[str, dict[str, Any]]:
    """The last state of each lane, as a reader would see it."""
    shown = {}
    for lane, steps in history.lanes.items():
        if steps and steps[-1].state.status is not None:
            segment = Segment(steps[-1].order[0], END, steps[-1].state)
            name = subject if lane == MAIN else f"{subject} {lane}"
            shown[name] = json.loads(document(kind_of(history.kind, lane), segment))
    return shown
