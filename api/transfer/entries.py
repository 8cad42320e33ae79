"""Verified entries, put in order by stream, for whoever has no database of the ledger's."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

from ledger.log.entry import Entry, read_line
from ledger.recorded import Opening
from ledger.vocabulary.fact import Subject
from ledger.writing.decision import opening_of

KNOWN_OPENINGS = 100_000


class Entries:
    """Entries in a database of this process's own, which is on the disk and has no name: it is gone when the process is."""

    def __init__(self) -> None:
        self.database = sqlite3.connect("", isolation_level=None)
        self.database.execute("create table entries (position integer primary key, subject text, line blob)")
        self.database.execute("begin")
        self.size = 0

    def take(self, lines: Sequence[bytes]) -> None:
        """The entries that follow on those that are here. Raises Unreadable."""
        rows = [(read_line(line).originator_id, line) for line in lines]
        numbered = [(position, *row) for position, row in enumerate(rows, self.size + 1)]
        self.database.executemany("insert into entries values (?, ?, ?)", numbered)
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
