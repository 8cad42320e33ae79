"""What pages show at every stop of the clock, and at every entry of the replay: held against folds of the entries that were made here."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from pydantic_core import from_json

from api.pages.words import fields as fields_of_facts
from api.pages.words import words
from ledger.database.embedded import Embedded
from ledger.fold import History
from ledger.log.entry import read_line
from ledger.recorded import Opening
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.state import MAIN
from projections.diff import SHOWN_APART
from projections.segments import document, kind_of, segments
from tests import ledgers
from tests.service import Service
from tests.test_pages import of, page
from tests.test_vocabulary_pages import text_of

CHIP = re.compile(r'<h1>.*?<span class="chip \w+"><span aria-hidden="true">.</span> ([a-z ]+)</span>', re.DOTALL)
WHY = re.compile(r'<a class="why" href="[^"]*/why/([a-z_]+)\?')
CHANGED = re.compile(r'data-label="Field"><span aria-hidden="true">.</span> ([a-z ]+)</th>')
State = dict[str, Any]


@dataclass
class Fold:
    """The entries so far of every stream, folded by the ledger's rules alone: no database, no projection."""

    histories: dict[Subject, History] = field(default_factory=dict)
    openings: dict[Subject, Opening | None] = field(default_factory=dict)

    def record(self, line: str) -> Subject:
        entry = read_line(line)
        recorded, subject = entry.recorded(), entry.originator_id
        self.openings.setdefault(subject, Opening(recorded.position, getattr(recorded.fact, "published", None)))
        self.histories.setdefault(subject, History.of(subject)).record(recorded, self.openings)
        return subject

    def states(self, subject: Subject) -> dict[str, State]:
        """Today's, of the stream itself and of each party to it."""
        if (history := self.histories.get(subject)) is None:
            return {}
        today, kinds = datetime.now(UTC).date(), {lane: kind_of(history.kind, lane) for lane in history.lanes}
        return {
            lane: from_json(document(kinds[lane], one))
            for lane, steps in history.lanes.items()
            for one in segments(kinds[lane], steps)
            if one.valid_from <= today < one.valid_to
        }


@pytest.fixture(scope="module")
def seeded(server: Embedded) -> Iterator[Service]:
    with ledgers.seeded(server, "replay_pages") as service:
        yield service


def stops(seeded: Service) -> Iterator[tuple[int, Subject, dict[str, State], dict[str, State]]]:
    """Each entry of the ledger: its position, its subject, and the states of the subject before and after it."""
    with seeded.location.connect() as connection:
        lines = connection.execute("select body::text from entries order by position").fetchall()
    fold = Fold()
    for position, (line,) in enumerate(lines, 1):
        subject = read_line(line).originator_id
        before = fold.states(subject)
        fold.record(line)
        yield position, subject, before, fold.states(subject)


def test_every_stop_of_every_subject_shows_what_a_fold_of_the_entries_so_far_says(seeded: Service) -> None:
    """Its status, its texts, which fields rest on entries, and how many anomalies and other accounts there are."""
    seen = set[Subject]()
    for position, subject, _, states in stops(seeded):
        html = page(seeded, of(subject), known_at=position)
        if not (state := states.get(MAIN)):
            assert "Not yet recorded" in html or "not known" in text_of(html).lower(), (subject, position)
            continue
        seen.add(subject)
        assert CHIP.findall(html) == [words(state["status"])], (subject, position)
        stated = {name.partition("/")[0] for name in state["provenance"]}
        assert set(WHY.findall(html)) == stated & state.keys(), (subject, position)
        text = text_of(html)
        assert all(" ".join(one.split()) in text for one in texts(state)), (subject, position)
        assert html.count("/glossary#anomaly-") == len(state["anomalies"]), (subject, position)
    with seeded.location.connect() as connection:
        [(count,)] = connection.execute("select count(distinct stream) from entries").fetchall()
    assert len(seen) == count


def texts(state: State) -> Iterator[str]:
    """Those of its own fields that are no dates, codes or names of streams: a page shows them as they are."""
    others = {*fields_of_facts().dates, *fields_of_facts().codes}
    for name, value in state.items():
        if isinstance(value, str) and name not in others and not re.fullmatch(r"[a-z]+:[a-z0-9-]+", value):
            yield value


def told(value: Any) -> Any:
    """What a field says: null, what is empty, and a flag that is down say nothing, alone or among others."""
    if isinstance(value, dict):
        value = {name: one for name, part in value.items() if (one := told(part)) is not None}
    return value or None


def test_the_replay_shows_at_every_entry_which_fields_it_changed(seeded: Service) -> None:
    """Those of its subject that a fold of the entries up to it has otherwise than one of the entries before: no other."""
    for position, subject, before, after in stops(seeded):
        html = unescape(page(seeded, "/replay", entry=position))
        changed = [
            words(one)
            for lane in before.keys() | after.keys()
            for one in differing(before.get(lane, {}), after.get(lane, {}))
        ]
        assert sorted(CHANGED.findall(html)) == sorted(changed), (subject, position)


def differing(old: State, new: State) -> list[str]:
    names = (old.keys() | new.keys()) - SHOWN_APART
    return [name for name in names if told(old.get(name)) != told(new.get(name))]
