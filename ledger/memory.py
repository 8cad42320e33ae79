"""What decisions rest on: the streams that they touch, read from the log, and remembered for the next decision."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from ledger.dates import InvalidDate, PartialDate
from ledger.decision import Answer, Decided, New, Request, World, opening_of
from ledger.disclosure import Disclosure
from ledger.entry import read_line
from ledger.facts import Fact, Subject
from ledger.history import Histories, History, Opening, Recorded
from ledger.postgres import Connection, queries
from ledger.recorder import Receipt

SQL = queries("ledger", "service.sql")
KNOWN_ENTRIES = 150_000
"""Of the streams that are kept in memory, about 3 KB each: a stream that has to be read again costs five times as much."""

KNOWN_OPENINGS = 100_000
UNFOLDED_ENTRIES = 5_000


class Memory:
    """The streams that were read or written last. Not for several threads at once."""

    def __init__(self) -> None:
        self.known = Histories(KNOWN_ENTRIES)
        self.newer: dict[
            Subject, list[tuple[int, Recorded]]
        ] = {}  # what was recorded since, by version, not yet folded
        self.unfolded = 0  # how many these are
        self.openings: dict[Subject, Opening] = {}
        self.seen = 0  # the last position that was read or written
        self.sure: set[Subject] = set()  # streams known to their ends, unless another process wrote just now

    def forget(self) -> None:
        self.known, self.newer, self.unfolded, self.openings = Histories(self.known.most_entries), {}, 0, {}
        self.doubt()

    def doubt(self) -> None:
        """Others have been writing: what any stream holds by now has to be read."""
        self.sure.clear()

    def holds(self, request: Request) -> bool:
        """Whether all that a request rests on is here, unless another process wrote just now."""
        return (
            not request.ids
            and self.sure >= request.subjects
            and all(subject in self.known for subject in request.subjects)
            and all(self._holds_mentioned(given.draft.fact) for given in request.events)
        )

    def _holds_mentioned(self, fact: Fact) -> bool:
        return not getattr(fact, "sha256", None) and self.openings.keys() >= fact.mentions

    def recall(self, requests: Sequence[Request]) -> World:
        """The world of requests that rest on what is here."""
        subjects = {subject for request in requests for subject in request.subjects}
        return World({subject: self.known.get(subject) for subject in subjects}, self.openings)

    def adopt(self, histories: Mapping[Subject, History], made: Iterable[tuple[Answer, New]]) -> None:
        """Keep histories as they were decided on, where every entry came to stand as it was taken to."""
        for subject, history in histories.items():
            self.known.keep(subject, history)
        self.sure.update(histories)
        for answer, new in made:
            if answer.version == 1:
                subject = new.entry.originator_id
                self.openings[subject] = opening_of(histories[subject].recorded[answer.position])
        self.known.trim()

    def remember(self, request: Request, decided: Sequence[Decided], receipt: Receipt) -> None:
        """Keep what was recorded for the next decision on the same stream, which folds it only then."""
        places = iter(receipt.positions)
        for given, (answer, new) in zip(request.events, decided, strict=True):
            if new is not None:
                entry = new.entry
                self.sure.discard(entry.originator_id)
                fact = entry.fact() if entry.disclosures else given.draft.fact
                recorded = Recorded(next(places), entry.id, receipt.recorded_at.date(), fact)
                self.newer.setdefault(entry.originator_id, []).append((answer.version, recorded))
                self.unfolded += 1
                if answer.version == 1:
                    self.openings[entry.originator_id] = opening_of(recorded)
        if self.unfolded > UNFOLDED_ENTRIES:
            self.newer, self.unfolded = {}, 0

    def world(self, connection: Connection, requests: Sequence[Request]) -> World:
        """Everything that these requests rest on, in one round trip, and another where others have been writing."""
        if len(self.openings) > KNOWN_OPENINGS:
            self.openings, self.newer, self.unfolded = {}, {}, 0
            self.sure.clear()
        world = World({}, {})
        for subject in {subject for request in requests for subject in request.subjects}:
            world.histories[subject] = self.known.get(subject)
            self._fold_newer(subject, world)
        drafts = [given.draft for request in requests for given in request.events]
        ids = [UUID(one) for request in requests for one in request.ids]
        digests = [digest for draft in drafts if (digest := getattr(draft.fact, "sha256", None))]
        mentioned = {subject for draft in drafts for subject in (draft.subject, *draft.fact.mentions)}
        unknown = list(mentioned - self.openings.keys())
        with connection.pipeline():
            # The ids first: what is found under them is then in the streams that are read after it.
            entries = connection.execute(SQL["find_entries"], {"entry_ids": ids}) if ids else None
            opened = connection.execute(SQL["disclosures"], {"entry_ids": ids}) if ids else None
            versions = [history.version for history in world.histories.values()]
            newer = connection.execute(SQL["load"], {"streams": list(world.histories), "versions": versions})
            openings = connection.execute(SQL["openings"], {"streams": unknown}) if unknown else None
            holders = connection.execute(SQL["holders"], {"digests": digests}).fetchall() if digests else []
            self.openings |= _openings(openings.fetchall()) if openings else {}
            lines = [body for (body,) in newer.fetchall()]
            world.entries.update({entry.id: entry for (body,) in entries or () for entry in [read_line(body)]})
            world.disclosures.update(_by_entry(opened.fetchall()) if opened else {})
        world.holders.update(dict(holders))
        self._catch_up(connection, world, lines)
        self.sure.update(world.histories)
        world.openings.update({subject: self.openings[subject] for subject in mentioned & self.openings.keys()})
        return world

    def _fold_newer(self, subject: Subject, world: World) -> None:
        """Bring a history up to what this process itself recorded since."""
        newer = self.newer.pop(subject, ())
        self.unfolded -= len(newer)
        history = world.histories[subject]
        if newer and newer[0][0] == history.version + 1:
            for _, recorded in newer:
                history.record(recorded, self.openings)
            self.known.keep(subject, history)

    def _catch_up(self, connection: Connection, world: World, lines: Sequence[str]) -> None:
        """Bring the histories up to date with entries that this process had not seen."""
        entries = [read_line(line) for line in lines]
        recorded = [entry.recorded() for entry in entries]
        mentioned = {subject for one in recorded for subject in one.fact.mentions}
        self.openings |= read_openings(connection, mentioned - self.openings.keys())
        for entry, one in zip(entries, recorded, strict=True):
            history = world.histories[entry.originator_id]
            history.record(one, self.openings)
            self.known.keep(entry.originator_id, history)
            self.seen = max(self.seen, one.position)
        self.known.trim()


def read_openings(connection: Connection, subjects: set[Subject]) -> dict[Subject, Opening]:
    """The first entries of these streams, as far as there are any."""
    rows = connection.execute(SQL["openings"], {"streams": list(subjects)}).fetchall() if subjects else []
    return _openings(rows)


def _openings(rows: Sequence[tuple[Any, ...]]) -> dict[Subject, Opening]:
    return {Subject(stream): Opening(position, _date(published)) for stream, position, published in rows}


def _date(text: str | None) -> PartialDate | None:
    """A date that this version cannot read bounds nothing."""
    try:
        return PartialDate(text) if text else None
    except InvalidDate:
        return None


def read_disclosures(connection: Connection, entry_ids: Sequence[str]) -> dict[str, list[Disclosure]]:
    """What opens the commitments of these entries, by entry; nothing for those that are erased."""
    rows = connection.execute(SQL["disclosures"], {"entry_ids": [UUID(one) for one in entry_ids]}).fetchall()
    return _by_entry(rows)


def _by_entry(rows: Sequence[tuple[Any, ...]]) -> dict[str, list[Disclosure]]:
    found: dict[str, list[Disclosure]] = {}
    for entry_id, *opened in rows:
        found.setdefault(entry_id, []).append(Disclosure(*opened))
    return found
