"""Import and export. An import reads a file twice, to check all of it and then to record it; an export copies the log.

Neither holds more than a batch of events in memory, however long the file or the log.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple
from uuid import UUID, uuid4

import typer

from api.cli.terminal import progress, say
from api.transfer.corrections import Imported, imported, mark, read_mapped
from api.transfer.event_files import Line, read_drafts, read_lines
from api.transfer.files import copy_lines, count_lines, rereadable, writable
from api.transfer.mapping import TableMapping, read_mapping
from api.transfer.report import Outcome, Remark, Report, report_to
from api.transfer.rows import read_table
from api.transfer.trial import tried
from ledger.database.connection import Connection, sql_blocks
from ledger.errors import Refused, TakesTooLong, TooLarge
from ledger.process import tune_gc, undisturbed
from ledger.service import Ledger
from ledger.vocabulary.codes import AnomalyCode
from ledger.vocabulary.fields import Anomaly
from ledger.writing.decision import SYSTEM, Actor, Answer
from projections.queries import Queries

SQL = sql_blocks("projections", "queries.sql")
CLERK = Actor(SYSTEM, "cli")
BATCH = 1_000
LONG = 10_000
"""The check of a file with fewer lines is so short that it shows no progress."""

SHOWN = 20
"""How many faults, and how many flags, are shown; all are counted, and stand in the report."""

OPEN_BYTES = 50_000_000
"""Of the histories that an import keeps in memory: neighbouring lines concern far fewer."""

Lines = Callable[[Report], Iterator[Line]]
"""Reads the events of a file, each time from the beginning; what cannot be read goes into the report."""


class Options(NamedTuple):
    """How a file is imported: ``unreadable`` is the file for the lines that cannot be read, which are then skipped.

    ``strict`` refuses what would be flagged. ``actor`` records it.
    """

    mapping: Path | None = None
    dry_run: bool = False
    report: Path | None = None
    unreadable: Path | None = None
    strict: bool = False
    actor: Actor = CLERK


class Input(NamedTuple):
    """A file of events, or a table, and how its lines are read."""

    path: Path
    lines: Lines
    encoding: str | None = None


def load(ledger: AbstractContextManager[Ledger], file: Path, options: Options) -> None:
    """Record the events of a file, or none if one cannot be read and is not to be skipped.

    The ledger is opened when it is needed.
    """
    with rereadable(file) as path:
        if options.mapping:
            mapping = read_mapping(options.mapping)
            with ledger as opened:
                lines = partial(_mapped, mapping, path, _earlier(opened, mapping))
                source = Input(path, lines, mapping.encoding)
                _record(opened, source, _check(source, options), options)
        else:
            count = _check(Input(path, partial(_plain, path, uuid4())), options)  # no id is used yet
            with ledger as opened:
                _record(opened, Input(path, partial(_plain, path, _secret(opened))), count, options)


def _plain(path: Path, secret: UUID, report: Report) -> Iterator[Line]:
    return read_drafts(read_lines(path, report), secret, report)


def _secret(ledger: Ledger) -> UUID:
    """The number of the ledger that ids are made of where they are made of names of persons."""
    with Queries(ledger.pool).connection() as connection:
        row = connection.execute(SQL["import_secret"]).fetchone()
    assert row
    return UUID(str(row[0]))


def _mapped(mapping: TableMapping, path: Path, earlier: Imported, report: Report) -> Iterator[Line]:
    return read_mapped(mapping, read_table(mapping, path, report), earlier, report)


def _earlier(ledger: Ledger, mapping: TableMapping) -> Imported:
    """What earlier imports with this mapping recorded, read from the log."""
    secret = _secret(ledger)
    with Queries(ledger.pool).connection() as connection:
        lines = connection.cursor().stream(SQL["imported"], {"mark": mark(mapping)})
        return imported(mapping, (body for (body,) in lines), secret)


def _check(source: Input, options: Options) -> int:
    """How many events the file holds. Ends the command if something in it cannot be read, and is not to be skipped."""
    count, total = 0, count_lines(source.path)
    if options.unreadable:
        with writable(options.unreadable):
            options.unreadable.write_bytes(b"")
    with report_to(options.report) as report:
        with progress("check", total) if total > LONG else nullcontext(lambda _: None) as advance:
            for batch in _batches(source.lines(report)):
                count += len(batch)
                advance(batch[-1].number)
            advance(total)
        if report.unread and not options.dry_run and not options.unreadable:
            _conclude(report, "nothing was recorded")
    return count


def _record(ledger: Ledger, source: Input, count: int, options: Options) -> None:
    with report_to(options.report) as report:
        if options.dry_run:
            _try(ledger, list(source.lines(report)), report, options)
        else:
            _import_all(ledger, source, count, report, options)
        remarks = [_skip(source, report, options.unreadable)] if options.unreadable else []
        remarks += ["nothing was recorded: a dry run"] if options.dry_run else []
        _conclude(report, "; ".join(remarks))


def _skip(source: Input, report: Report, unreadable: Path) -> str:
    """Write the lines that cannot be read, with the header, to a file of their own; returns what was done."""
    report.skips = True
    copy_lines(source.path, source.encoding, [report.header, *report.unread], unreadable)
    return f"skipped {len(report.unread)}, written to {unreadable}"


def _import_all(ledger: Ledger, source: Input, count: int, report: Report, options: Options) -> None:
    ledger.writer.cache.histories.most_bytes = OPEN_BYTES
    tune_gc()
    done = 0
    with progress("import", count) as advance:
        for batch in _batches(source.lines(report)):
            _import(ledger, batch, report, options)
            report.flush()
            done += len(batch)
            advance(done)


def _batches(lines: Iterator[Line]) -> Iterator[list[Line]]:
    while batch := _next(lines):
        yield batch


@undisturbed()
def _next(lines: Iterator[Line]) -> list[Line]:
    return list(islice(lines, BATCH))


def _import(ledger: Ledger, lines: list[Line], report: Report, options: Options) -> None:
    """Append a batch at once; if a line is refused, one half after the other, so that only that line is left out; and so if
    the whole takes too long to decide.
    """
    try:
        answers = ledger.append([line.draft for line in lines], options.actor, strict=options.strict)
    except (Refused, TooLarge, TakesTooLong) as error:
        if len(lines) > 1:
            for half in (lines[: len(lines) // 2], lines[len(lines) // 2 :]):
                _import(ledger, half, report, options)
        elif isinstance(error, TakesTooLong):
            raise
        else:
            report.refuse(lines[0].about, Remark("", str(error)))
    else:
        for line, answer in zip(lines, answers, strict=True):
            _note(report, line, answer)


def _try(ledger: Ledger, lines: list[Line], report: Report, options: Options) -> None:
    """Count what an import would do: what follows on a line that is refused is tried without it."""
    answers = tried(ledger, [line.draft for line in lines], options.actor, strict=options.strict)
    for line, answer in zip(lines, answers, strict=True):
        if isinstance(answer, Answer):
            _note(report, line, answer)
        else:
            report.refuse(line.about, Remark("", str(answer)))


def _note(report: Report, line: Line, answer: Answer) -> None:
    outcome = Outcome.unchanged if answer.repeated else line.outcome
    report.record(line.about, outcome, [_flag(line, anomaly) for anomaly in answer.anomalies])


def _flag(line: Line, anomaly: Anomaly) -> Remark:
    """What is odd, with the columns that it comes from: of the dates, unless nobody has registered what is referred to."""
    fact, field = line.draft.fact, "/effective" if line.draft.fact.effective else "/occurred"
    if anomaly.code == AnomalyCode.dangling_reference:
        field = "/sources" if any(citation.source in anomaly.detail for citation in fact.sources) else "/data"
    return Remark(line.column(field), f"{anomaly.code}: {anomaly.detail}")


def _conclude(report: Report, remark: str) -> None:
    _show(report.faults, "", report.left_out)
    _show(report.flags, "flagged, ", report.flagged)
    say(f"{report}{'; ' + remark if remark else ''}")
    if report.failed:
        raise typer.Exit(1)


def _show(told: list[tuple[int, str]], what: str, count: int) -> None:
    for number, text in sorted(told)[:SHOWN]:
        say(f"line {number}: {what}{text}")
    if (more := count - SHOWN) > 0:
        say(f"and {more:,} more")


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
