"""What decisions rest on: the streams that they touch, read from the log, and kept for the next decision.

A cache saves reading and decides nothing: whatever is decided on it is checked by the statement that records. So it may
hold what is no longer so. What it may not do is hold what never was: all in it comes from the log as it was up to the
entry ``seen``, and while that entry stands where it stood, so does everything before it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from ledger.database.connection import Connection, sql_blocks
from ledger.errors import LedgerError, Unreadable
from ledger.history_cache import HistoryCache
from ledger.log.commitments import Disclosure
from ledger.log.committer import UNSEEN, LastEntry
from ledger.log.entry import read_line
from ledger.recorded import Opening, Recorded
from ledger.vocabulary.dates import InvalidDate, PartialDate
from ledger.vocabulary.fact import Subject
from ledger.writing.decision import DecisionContext, Request

SQL = sql_blocks("ledger.writing", "decision_cache.sql")
KNOWN_BYTES = 450_000_000
"""Of the streams that are kept in memory: a stream that has to be read again costs five times as much."""

KNOWN_OPENINGS = 100_000


class LogReplaced(Exception):
    """The last entry that was seen is gone, or another one stands in its place."""


@dataclass
class Lacking:
    """What has to be read for some requests: streams from a version on, first entries, ids, documents."""

    versions: dict[Subject, int] = field(default_factory=dict)
    openings: set[Subject] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    digests: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.versions or self.openings or self.ids or self.digests)


class DecisionCache:
    """The streams that were read or written last. Not for several threads at once."""

    def __init__(self, most_bytes: int = KNOWN_BYTES) -> None:
        self.most_bytes = most_bytes
        self.clear()

    def clear(self) -> None:
        """The log is not what it was: nothing that was read of it counts any more."""
        self.histories = HistoryCache(self.most_bytes)
        self.openings: dict[Subject, Opening | None] = {}  # None: there was no such stream up to ``seen``
        self.seen: LastEntry | None = None
        self.outdated: set[Subject] = set()  # streams that hold more than is here, as is known

    @property
    def next_position(self) -> int:
        """Where the next entry will come to stand if nobody else writes; at any rate after all that is here."""
        return self.seen.position + 1 if self.seen else 1

    def context(
        self, requests: Sequence[Request], stale: Iterable[Request], today: date, connect: Callable[[], Connection]
    ) -> DecisionContext:
        """What requests are decided on. One round trip for all that is not here, and none if all is.

        Of the ``stale`` ones among them, what is here is read on from where it ends. Raises RolledBack.
        """
        if len(self.openings) > KNOWN_OPENINGS:
            self.openings, self.outdated = {}, set()
        context = DecisionContext(today, {}, {})
        lacking = self._lacking(requests, stale)
        rows = self._read(connect(), context, lacking) if lacking else []
        for subject in {subject for request in requests for subject in request.subjects}:
            context.histories[subject] = self.histories.get(subject)
        if rows:
            self._catch_up(connect(), context, rows)
        context.size = self.next_position - 1
        mentioned = {subject for request in requests for subject in (*request.subjects, *request.mentions)}
        context.openings.update({subject: self.openings[subject] for subject in mentioned})
        return context

    def _lacking(self, requests: Sequence[Request], stale: Iterable[Request]) -> Lacking:
        again = {subject for request in stale for subject in (*request.subjects, *request.mentions)}
        lacking, mentioned = Lacking(), set[Subject]()
        for request in requests:
            for subject in request.subjects:
                if subject not in self.histories or subject in again or subject in self.outdated or request.ids:
                    lacking.versions[subject] = self.histories.get(subject).version
            mentioned |= request.subjects | request.mentions
            lacking.ids |= request.ids
            lacking.digests.update(request.digests)
        for subject in mentioned:
            if subject not in self.openings or (subject in again and self.openings[subject] is None):
                lacking.openings.add(subject)
        return lacking

    def _read(self, connection: Connection, context: DecisionContext, lacking: Lacking) -> list[tuple[str, str]]:
        """Read what is lacking into the context; returns what the streams hold beside what is here: stream and line."""
        ids = [UUID(one) for one in lacking.ids]
        streams = {"streams": list(lacking.versions), "versions": list(lacking.versions.values())}
        with connection.pipeline(), connection.transaction():
            # The ids first: what is found under them is then in the streams that are read after it. The last entry at
            # the end: so nothing that was read comes after it.
            entries = connection.execute(SQL["find_entries"], {"entry_ids": ids}) if ids else None
            opened = connection.execute(SQL["disclosures"], {"entry_ids": ids}) if ids else None
            newer = connection.execute(SQL["load"], streams)
            openings = connection.execute(SQL["openings"], {"streams": list(lacking.openings)})
            holders = connection.execute(SQL["holders"], {"digests": list(lacking.digests)}) if lacking.digests else ()
            last = connection.execute(SQL["last"], self.seen._asdict() if self.seen else UNSEEN)
            first_entries = openings.fetchall()
            context.disclosures.update(_by_entry(opened.fetchall()) if opened else {})
            context.holders.update(dict(holders))
            for entry_id, line in entries or ():
                _read_entry(entry_id, line, context)
            rows = newer.fetchall()
            self._see(last.fetchone())
            self.openings |= dict.fromkeys(lacking.openings) | _openings(first_entries)
            self.outdated -= lacking.versions.keys()
        return rows

    def _see(self, last: tuple[Any, ...] | None) -> None:
        """The last entry, and whether the one that was seen before still stands. Raises RolledBack."""
        if self.seen and not (last and last[3]):
            raise LogReplaced
        self.seen = LastEntry(*last[:3]) if last else None

    def _catch_up(self, connection: Connection, context: DecisionContext, rows: Sequence[tuple[str, str]]) -> None:
        """Bring the histories up to date with entries that were not here."""
        facts = [(Subject(stream), one) for stream, line in rows if (one := _read_recorded(stream, line, context))]
        self._know({subject for _, recorded in facts for subject in recorded.fact.mentions}, connection)
        newer: dict[Subject, list[Recorded]] = {}
        for subject, recorded in facts:
            newer.setdefault(subject, []).append(recorded)
        for subject in newer.keys() - context.unreadable.keys():
            history = context.histories[subject]
            history.load(newer[subject], self.openings)
            self.histories.keep(subject, history)
        self.histories.trim()

    def _know(self, mentioned: set[Subject], connection: Connection) -> None:
        """Look up first entries; one that came after ``seen`` is none yet: it came after all that mentions it here."""
        assert self.seen is not None
        unknown = {subject for subject in mentioned if self.openings.get(subject) is None}  # it may have come meanwhile
        found = read_openings(connection, unknown)
        known = {subject: one for subject, one in found.items() if one.position <= self.seen.position}
        self.openings |= dict.fromkeys(unknown) | known

    def adopt(self, request: Request, context: DecisionContext) -> None:
        """Keep histories as they were decided on, where every entry came to stand as it was taken to."""
        for subject in request.subjects:
            self.histories.keep(subject, context.histories[subject])
            self.openings[subject] = context.openings[subject]
        self.histories.trim()

    def leave(self, request: Request) -> None:
        """It was recorded, but elsewhere than it was taken to stand: its streams hold more than is here."""
        for subject in request.subjects:
            if subject in self.histories:
                self.outdated.add(subject)
            else:
                self.openings.pop(subject, None)


def _read_entry(entry_id: str, line: str, context: DecisionContext) -> None:
    """An entry that was sought by its id. What this version cannot read is told to those whom it concerns alone."""
    try:
        context.entries[entry_id] = read_line(line)
    except LedgerError as error:
        context.unreadable[entry_id] = Unreadable(f"entry {entry_id} cannot be read: {error}")


def _read_recorded(stream: str, line: str, context: DecisionContext) -> Recorded | None:
    """An entry of a stream, likewise."""
    try:
        return read_line(line).recorded()
    except LedgerError as error:
        context.unreadable[stream] = Unreadable(f"{stream} has an entry that cannot be read: {error}")
        return None


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
