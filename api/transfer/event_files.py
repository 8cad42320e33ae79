"""Events from NDJSON or CSV files: one draft a line, each with its line number."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TextIO
from uuid import UUID, uuid5

from pydantic_core import to_json

from api.transfer.files import csv_records, find_delimiter, opened_text
from api.transfer.report import About, Outcome, Remark, Report
from ledger.errors import Invalid
from ledger.writing.draft import Draft, parse_json, read_draft

LINES = UUID("3f1d8f2c-1f0e-5d2a-8d0a-6a3f6f0d9b11")
EXPORTED = '{"sequence":'


class RawEvent(NamedTuple):
    """An event as a file gives it, a text of JSON or the cells of a row by column, and the lines that it stands on."""

    lines: range
    value: Any


@dataclass(frozen=True)
class Line:
    """One event of a file. The same line has the same id, so a file can be imported twice.

    ``outcome`` is what it comes to when it is recorded; ``column`` says where in a table a field comes from, by its pointer.
    """

    number: int
    draft: Draft
    outcome: Outcome = Outcome.recorded
    column: Callable[[str], str] = lambda _: ""

    @property
    def about(self) -> About:
        return About(self.number, self.draft.subject, self.draft.fact.type)


def read_lines(path: Path, report: Report) -> Iterator[RawEvent]:
    """Each event of a file: NDJSON, or by its ending CSV. Raises Invalid."""
    with opened_text(path) as file:
        yield from _csv_rows(file, report) if path.suffix.lower() == ".csv" else _json_lines(file)


def read_drafts(events: Iterable[RawEvent], report: Report) -> Iterator[Line]:
    """The events that can be read; what is wrong with the others goes into the report."""
    for lines, given in events:
        try:
            value = parse_json(given) if isinstance(given, str) else _from_row(given)
            draft = read_draft(value)
            yield Line(lines[0], draft if draft.id else draft._replace(id=str(uuid5(LINES, to_json(value).decode()))))
        except Invalid as error:
            report.leave_unread(lines, [Remark("", str(error))])


def _json_lines(file: TextIO) -> Iterator[RawEvent]:
    for number, line in enumerate(file, start=1):
        if line.startswith(EXPORTED):
            raise Invalid(
                f"line {number} is an entry as `ledger export` writes it, and has its position and time: an import is of "
                "events that are yet to be recorded. To move a ledger, dump its database and restore it (pg_dump)"
            )
        if line.strip():
            yield RawEvent(range(number, number + 1), line)


def _csv_rows(file: TextIO, report: Report) -> Iterator[RawEvent]:
    records = csv_records(file, find_delimiter(file, {"type"}))
    header = next(records, None)
    columns = header.cells if header else []
    if "type" not in columns:
        raise Invalid(
            "the table has no column 'type': name its columns as the fields of an event, or say what they mean in a file "
            "for --mapping (see docs/importing.md)"
        )
    report.header = range(1, header.last + 1) if header else range(0)
    for first, last, cells in records:
        if cells:
            more: dict[str | None, str] = {None: ""} if len(cells) > len(columns) else {}
            yield RawEvent(range(first, last + 1), dict(zip(columns, cells, strict=False)) | more)


def _from_row(row: dict[str | None, str]) -> dict[str, Any]:
    """The event of a row. A column is a field, or with dots a field within one: ``data.title``, ``sources.0.source``.

    Raises Invalid for a cell without a column, and for columns that cannot both be.
    """
    event: dict[str, Any] = {}
    for column, cell in row.items():
        if column is None:
            raise Invalid("the row has more cells than the file has columns")
        if cell and not _put(event, column.split("."), _cell(cell)):
            raise Invalid(f"the column {column!r} does not go with the others")
    listed: dict[str, Any] = _listed(event)
    return listed


def _cell(cell: str) -> Any:
    """Text, unless it says that it is a JSON list or object."""
    return parse_json(cell) if cell[0] in "[{" else cell


def _put(event: dict[str, Any], path: list[str], value: Any) -> bool:
    """Set a field. False where its path is taken: a field is a text or holds fields, not both."""
    *outer, last = path
    for name in outer:
        event = event.setdefault(name, {})
        if not isinstance(event, dict):
            return False
    return event.setdefault(last, value) is value


def _listed(value: Any) -> Any:
    """Fields whose names are numbers are the items of a list."""
    if not isinstance(value, dict):
        return value
    fields = {name: _listed(one) for name, one in value.items()}
    return list(fields.values()) if fields and all(name.isdecimal() for name in fields) else fields
