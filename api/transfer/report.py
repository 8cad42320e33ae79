"""What became of each line of a file that was imported: counted, kept in part to be shown, and written to a file."""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum, auto
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from api.transfer.files import writable
from ledger.errors import Invalid

MOST_FAULTS = 1_000
MOST_PENDING = 10_000
COLUMNS = ("line", "outcome", "subject", "type", "column", "reason")


class Outcome(StrEnum):
    """What became of a line, or of one of the facts that it tells."""

    recorded = auto()
    corrected = auto()
    unchanged = auto()
    flagged = auto()
    refused = auto()
    unreadable = auto()


class Remark(NamedTuple):
    """What is wrong or odd, and in which column, where that is known."""

    column: str
    reason: str

    def __str__(self) -> str:
        return f"column {self.column!r}: {self.reason}" if self.column else self.reason


NOTHING = Remark("", "")


class CellFault(Invalid):
    """A cell that cannot be read as what the mapping says."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(str(Remark(column, reason)))
        self.remark = Remark(column, reason)


class About(NamedTuple):
    """Which fact a line of the report is about."""

    number: int
    subject: str = ""
    type: str = ""


@dataclass
class Report:
    """How many facts of a file were recorded, repeated, flagged and refused, and why.

    ``unread`` has the lines on which each row stands that cannot be read, ``header`` those before the first row; where they
    are skipped, that is no failure. ``write`` takes the rows of the report, in the order of ``COLUMNS``; those that
    ``flush`` has not written yet are ``pending``.
    """

    appended: int = 0
    corrected: int = 0
    repeated: int = 0
    flagged: int = 0
    refused: int = 0
    unread: list[range] = field(default_factory=list)
    header: range = range(0)
    faults: list[tuple[int, str]] = field(default_factory=list)
    flags: list[tuple[int, str]] = field(default_factory=list)
    skips: bool = False
    pending: list[tuple[object, ...]] = field(default_factory=list)
    write: Callable[[Sequence[object]], object] = field(default=lambda _: None)

    @property
    def left_out(self) -> int:
        return self.refused + len(self.unread)

    @property
    def failed(self) -> bool:
        return bool(self.refused or (self.unread and not self.skips))

    def refuse(self, about: About, remark: Remark) -> None:
        """Count a fact, or a row, that can be read and is left out."""
        self.refused += 1
        self._fault(about, Outcome.refused, [remark])

    def leave_unread(self, lines: range, remarks: Sequence[Remark]) -> None:
        """Count a row that cannot be read."""
        self.unread.append(lines)
        self._fault(About(lines[0]), Outcome.unreadable, remarks)

    def _fault(self, about: About, outcome: Outcome, remarks: Sequence[Remark]) -> None:
        for remark in remarks:
            self._write(about, outcome, remark)
        _keep(self.faults, about, remarks)

    def unchanged(self, about: About, *, counts: bool = True) -> None:
        """Note what is recorded already, or told twice; it ``counts`` once, however many rows tell it."""
        self.repeated += counts
        self._write(about, Outcome.unchanged)

    def record(self, about: About, outcome: Outcome, flags: Sequence[Remark]) -> None:
        """Count what was recorded, now or before, and what is odd about it."""
        self.appended += outcome != Outcome.unchanged
        self.repeated += outcome == Outcome.unchanged
        self.corrected += outcome == Outcome.corrected
        self._write(about, outcome)
        for flag in flags:
            self._write(about, Outcome.flagged, flag)
        if flags:
            self.flagged += 1
            _keep(self.flags, about, flags)

    def _write(self, about: About, outcome: Outcome, remark: Remark = NOTHING) -> None:
        self.pending.append((about.number, outcome, about.subject, about.type, *remark))
        if len(self.pending) >= MOST_PENDING:
            self.flush()

    def flush(self) -> None:
        """Write what is pending, line by line."""
        for row in sorted(self.pending, key=itemgetter(0)):
            self.write(row)
        self.pending.clear()

    def __str__(self) -> str:
        notes = ", ".join(f"{n} {what}" for n, what in ((self.flagged, "flagged"), (self.corrected, "corrected")) if n)
        refused = self.refused if self.skips else self.left_out
        return f"appended {self.appended}{f' ({notes})' if notes else ''}, repeated {self.repeated}, refused {refused}"


def _keep(kept: list[tuple[int, str]], about: About, remarks: Sequence[Remark]) -> None:
    """Keep what is to be shown, of the first ``MOST_FAULTS``."""
    if len(kept) < MOST_FAULTS:
        kept.append((about.number, "; ".join(map(str, remarks))))


@contextmanager
def report_to(path: Path | None) -> Iterator[Report]:
    """A report whose rows are written to a CSV file, where one is named. Raises Invalid."""
    if path is None:
        yield Report()
        return
    with writable(path):
        file = path.open("w", encoding="utf-8", newline="")
    with file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        report = Report(write=rows.writerow)
        try:
            yield report
        finally:
            report.flush()
