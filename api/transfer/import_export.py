"""Import and export. An import reads a file twice, to check all of it and then to record it; an export copies the log.

Neither holds more than a batch of events in memory, however long the file or the log.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import typer

from api.cli.terminal import progress, say
from api.transfer.corrections import Imported, imported, last_ids, mark, read_mapped
from api.transfer.event_files import Line, Report, count_lines, read_drafts, read_lines, rereadable
from api.transfer.mapping import TableMapping, read_mapping
from api.transfer.rows import read_table
from ledger.database.connection import Connection, sql_blocks
from ledger.errors import Refused, TooLarge
from ledger.process import tune_gc, undisturbed
from ledger.service import Ledger
from ledger.writing.decision import Actor, Answer
from projections.queries import Queries

SQL = sql_blocks("projections", "queries.sql")
CLERK = Actor("system", "cli")
BATCH = 1_000
LONG = 10_000
"""The check of a file with fewer lines is so short that it shows no progress."""

SHOWN_FAULTS = 20
OPEN_HISTORIES = 5_000
"""How many entries an import caches, each in the history of its stream: neighbouring lines concern far fewer."""

Lines = Callable[[Report], Iterator[Line]]
"""Reads the events of a file, each time from the beginning; what cannot be read goes into the report."""


def load(ledger: AbstractContextManager[Ledger], file: Path, mapping: Path | None, dry_run: bool) -> None:
    """Record the events of a file, or none if one of them cannot be read; the ledger is opened when it is needed."""
    with rereadable(file) as path:
        if mapping:
            meaning = read_mapping(mapping)
            with ledger as opened:
                last = last_ids(meaning, read_table(meaning, path, Report()))
                lines = partial(read_mapped, meaning, path, _earlier(opened, meaning), last)
                report = _record(opened, lines, _check(path, lines), dry_run)
        else:
            lines = partial(_plain, path)
            count = _check(path, lines)
            with ledger as opened:
                report = _record(opened, lines, count, dry_run)
    _conclude(report, "nothing was recorded: a dry run" if dry_run else "")


def _plain(path: Path, report: Report) -> Iterator[Line]:
    return read_drafts(read_lines(path), report)


def _earlier(ledger: Ledger, meaning: TableMapping) -> Imported:
    """What earlier imports with this mapping recorded, read from the log."""
    with Queries(ledger.pool).connection() as connection:
        lines = connection.cursor().stream(SQL["imported"], {"mark": mark(meaning)})
        return imported(meaning, (body for (body,) in lines))


def _check(path: Path, lines: Lines) -> int:
    """How many events the file holds. Ends the command if something in it cannot be read."""
    report, count, total = Report(), 0, count_lines(path)
    with progress("check", total) if total > LONG else nullcontext(lambda _: None) as advance:
        for batch in _batches(lines(report)):
            count += len(batch)
            advance(batch[-1].number)
        advance(total)
    if report.refused:
        _conclude(report, "nothing was recorded")
    return count


def _record(ledger: Ledger, lines: Lines, count: int, dry_run: bool) -> Report:
    report, done = Report(), 0
    if dry_run:
        _try(ledger, list(lines(report)), report)
        return report
    ledger.writer.cache.histories.most_entries = OPEN_HISTORIES
    tune_gc()
    with progress("import", count) as advance:
        for batch in _batches(lines(report)):
            _import(ledger, batch, report)
            done += len(batch)
            advance(done)
    return report


def _batches(lines: Iterator[Line]) -> Iterator[list[Line]]:
    while batch := _next(lines):
        yield batch


@undisturbed()
def _next(lines: Iterator[Line]) -> list[Line]:
    return list(islice(lines, BATCH))


def _import(ledger: Ledger, lines: list[Line], report: Report) -> None:
    """Append a batch at once; if a line is refused, one half after the other, so that only that line is left out."""
    try:
        _count(report, ledger.append([line.draft for line in lines], CLERK))
    except (Refused, TooLarge) as error:
        if len(lines) == 1:
            report.refuse(lines[0].number, str(error))
        else:
            for half in (lines[: len(lines) // 2], lines[len(lines) // 2 :]):
                _import(ledger, half, report)


def _try(ledger: Ledger, lines: list[Line], report: Report) -> None:
    """Count what an import would do, up to the first line that is refused: those after it may depend on it."""
    answers, refusal = ledger.dry_run([line.draft for line in lines], CLERK)
    _count(report, answers)
    if refusal:
        report.refuse(lines[len(answers)].number, f"{refusal}; what follows was not tried")


def _count(report: Report, answers: list[Answer]) -> None:
    report.repeated += sum(answer.repeated for answer in answers)
    report.appended += sum(not answer.repeated for answer in answers)
    report.flagged += sum(bool(answer.anomalies) for answer in answers)


def _conclude(report: Report, remark: str) -> None:
    for number, fault in report.faults[:SHOWN_FAULTS]:
        say(f"line {number}: {fault}")
    if (more := report.refused - SHOWN_FAULTS) > 0:
        say(f"and {more:,} more")
    say(f"{report}{'; ' + remark if remark else ''}")
    if report.refused:
        raise typer.Exit(1)


def unload(connection: Connection, out: BinaryIO, after: int) -> int:
    """Write every line of the log after a position, exactly as it is stored; returns up to which position.

    What is recorded meanwhile is not in it: it is the log as it was at one moment.
    """
    row = connection.execute("select size from head").fetchone()
    upto = max(after, row[0] if row else 0)
    with connection.cursor().copy(SQL["export"], {"after": after, "upto": upto}) as copy:
        copy.set_types(["bytea"])
        for (lines,) in copy.rows():
            out.write(lines)
    return upto
