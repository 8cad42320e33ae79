"""Verified entries, put in order by stream, for whoever has no database of the ledger's."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

from ledger.log.entry import Entry, read_line
from ledger.recorded import Opening
from ledger.vocabulary.correction import ValueErased
from ledger.vocabulary.fact import Subject
from ledger.writing.decision import opening_of
from projections.people import Place

KNOWN_OPENINGS = 100_000


class Entries:
    """Entries in a database of this process's own, which is on the disk and has no name: it is gone when the process is.

    Those that name persons, and those that tell of erasures; or the ``whole`` log.
    """

    def __init__(self, *, whole: bool) -> None:
        self.database = sqlite3.connect("", isolation_level=None, check_same_thread=False)  # any thread may tidy up
        self.database.execute(
            "create table entries (position integer primary key, subject text, id text, of_names bool, line blob)"
        )
        self.database.execute("begin")
        self.size, self.whole = 0, whole

    def take(self, lines: Sequence[bytes]) -> None:
        """The entries that follow on those before. Raises Unreadable."""
        rows = [
            (position, entry.originator_id, entry.id, of_names, line)
            for position, line in enumerate(lines, self.size + 1)
            if (of_names := _of_names(line)) or self.whole
            for entry in [read_line(line)]
        ]
        self.database.executemany("insert into entries values (?, ?, ?, ?, ?)", rows)
        self.size += len(lines)

    def arrange(self) -> None:
        """All are here: now they are found by their streams."""
        self.database.execute("create index by_subject on entries (subject, position)")

    def streams(self, kind: str) -> Iterator[tuple[Subject, list[Entry]]]:
        """Every stream of a kind, in the order of their names, with its entries."""
        query = "select subject, line from entries where subject > ? and subject < ? order by subject, position"
        with closing(self.database.execute(query, (f"{kind}:", f"{kind};"))) as rows:
            for subject, found in groupby(rows, itemgetter(0)):
                yield Subject(subject), [read_line(line) for _, line in found]

    @lru_cache(KNOWN_OPENINGS)  # noqa: B019  # both live as long as the command
    def opening(self, subject: Subject) -> Opening | None:
        query = "select line from entries where subject = ? order by position limit 1"
        row = self.database.execute(query, (subject,)).fetchone()
        return opening_of(read_line(row[0]).recorded()) if row else None

    def naming(self) -> Iterator[bytes]:
        """The lines that name persons, or tell of erasures, in order."""
        with closing(self.database.execute("select line from entries where of_names order by position")) as rows:
            yield from (line for (line,) in rows)

    def subject(self, position: int) -> Subject:
        [subject] = self.database.execute("select subject from entries where position = ?", (position,)).fetchone()
        return Subject(subject)

    def erasures(self) -> dict[Place, int]:
        """The erasures that are told of, each with the position of the entry."""
        told = [entry for entry in map(read_line, self.naming()) if entry.type == ValueErased.type]
        query = "select id from entries where subject = ? and ? in (position, id)"
        return {
            Place(entry_id, entry.data["pointer"]): entry.position or 0
            for entry in told
            for (entry_id,) in self.database.execute(query, (entry.originator_id, entry.data["target"])).fetchall()
        }


def _of_names(line: bytes) -> bool:
    return b'{"commitment":' in line or b'"entry.value_erased"' in line
