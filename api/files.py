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
    """Line number and value of each event in a file: CSV by its ending, else NDJSON. Raises Invalid."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            yield from _csv_rows(file) if path.suffix.lower() == ".csv" else _json_lines(file)
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} cannot be read: {error}") from None


def read_drafts(values: Iterable[tuple[int, Any]], report: Report) -> Iterator[Line]:
    """The lines that can be read; what is wrong with the others goes into the report."""
    for number, value in values:
        try:
            draft = read_draft(parse_json(value) if isinstance(value, str) else value)
            yield Line(number, draft if draft.id else draft._replace(id=str(uuid5(LINES, _same(value)))))
        except Invalid as error:
            report.faults.append((number, str(error)))


def _same(value: Any) -> str:
    return to_json(parse_json(value) if isinstance(value, str) else value).decode()


def _json_lines(file: TextIO) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(file, start=1):
        if line.strip():
            yield number, line


def _csv_rows(file: TextIO) -> Iterator[tuple[int, Any]]:
    """A column is a field, or with dots a field within one: ``data.title``, ``sources.0.source``."""
    rows = csv.DictReader(file, restkey="")
    for row in rows:
        event: dict[str, Any] = {}
        for column, cell in row.items():
            if cell:
                _put(event, column.split("."), _cell(cell))
        yield rows.line_num, event


def _cell(cell: str) -> Any:
    """Text, unless it says that it is a JSON list or object."""
    return parse_json(cell) if cell[0] in "[{" else cell


def _put(event: dict[str, Any], path: list[str], value: Any) -> None:
    name, *rest = path
    if not rest:
        event[name] = value
    elif rest[0] == "0":
        items = event.setdefault(name, [{}])
        _put(items[0], rest[1:], value)
    else:
        _put(event.setdefault(name, {}), rest, value)
