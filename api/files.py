"""Events from files: NDJSON or CSV in, one draft a line, each with its line number."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID, uuid5

from pydantic_core import to_json

from ledger.draft import Draft, parse_json, read_draft
from ledger.errors import Invalid

LINES = UUID("3f1d8f2c-1f0e-5d2a-8d0a-6a3f6f0d9b11")


@dataclass(frozen=True)
class Line:
    """One event of a file. The same line has the same id, so a file can be imported twice."""

    number: int
    draft: Draft


@dataclass
class Report:
    """What became of the lines of a file."""

    appended: int = 0
    repeated: int = 0
    flagged: int = 0
    faults: list[tuple[int, str]] = field(default_factory=list)

    def __str__(self) -> str:
        flagged = f" ({self.flagged} flagged)" if self.flagged else ""
        return f"appended {self.appended}{flagged}, repeated {self.repeated}, refused {len(self.faults)}"


def read_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Line number and text, or for CSV (by its ending) the row, of each event in a file. Raises Invalid."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _csv_rows(file) if path.suffix.lower() == ".csv" else _json_lines(file)
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise Invalid(f"{path} cannot be read: {error}") from None


def read_drafts(lines: Iterable[tuple[int, Any]], report: Report) -> Iterator[Line]:
    """The lines that can be read; what is wrong with the others goes into the report."""
    for number, line in lines:
        try:
            value = parse_json(line) if isinstance(line, str) else _from_row(line)
            draft = read_draft(value)
            yield Line(number, draft if draft.id else draft._replace(id=str(uuid5(LINES, to_json(value).decode()))))
        except Invalid as error:
            report.faults.append((number, str(error)))


def _json_lines(file: TextIO) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(file, start=1):
        if line.strip():
            yield number, line


def _csv_rows(file: TextIO) -> Iterator[tuple[int, dict[str, Any]]]:
    rows = csv.DictReader(file)
    for row in rows:
        yield rows.line_num, row


def _from_row(row: dict[str, Any]) -> dict[str, Any]:
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
    """Whether there was room: a field is a text or holds fields, not both."""
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
