"""The rows of a table, from CSV or JSON lines: cells by column, each row with its line number."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from pydantic_core import to_json

from api.transfer.event_files import Report, readable
from api.transfer.mapping import TableMapping
from ledger.errors import Invalid
from ledger.writing.draft import parse_json

Rows = Iterable[tuple[int, dict[str, str]]]
"""Line number, and cells by column."""


def read_table(mapping: TableMapping, path: Path, report: Report) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells by column: of JSON lines (.jsonl, .ndjson), of tabs (.tsv), else of CSV with a header.

    Fields within fields get dotted names. A line that is no row goes into the report. Raises Invalid.
    """
    ending = path.suffix.lower()
    with readable(path), path.open(encoding="utf-8-sig", newline="") as file:
        if ending in (".jsonl", ".ndjson"):
            yield from _json_rows(file, report)
        else:
            delimiter = mapping.delimiter or ("\t" if ending == ".tsv" else ",")
            yield from _csv_rows(csv.reader(file, delimiter=delimiter, strict=True), mapping, report)


def _csv_rows(rows: Any, mapping: TableMapping, report: Report) -> Iterator[tuple[int, dict[str, str]]]:
    header = [name.strip() for name in next(rows, [])]
    for column in sorted(mapping.columns()):
        if header.count(column) != 1:
            raise Invalid(f"the table has {header.count(column) or 'no'} columns {column!r}, which the mapping names")
    for row in rows:
        if any(cell.strip() for cell in row[len(header) :]):
            report.refuse(rows.line_num, "the row has more cells than the table has columns")
        elif any(cell.strip() for cell in row):
            yield rows.line_num, dict(zip(header, row, strict=False))


def _json_rows(file: TextIO, report: Report) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows that leave out what is unknown: so a column that none of them has is no fault."""
    for number, line in enumerate(file, start=1):
        try:
            row = parse_json(line) if line.strip() else {}
        except Invalid as error:
            report.refuse(number, str(error))
            continue
        if not isinstance(row, dict):
            report.refuse(number, "the line is no JSON object")
        elif row:
            yield number, dict(_flat(row))


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, (dict, list)):
        for inner, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _flat(one, f"{name}.{inner}" if name else str(inner))
    else:
        yield name, "" if value is None else value if isinstance(value, str) else to_json(value).decode()


@dataclass(frozen=True)
class TableRow:
    """The cells of a row, by column."""

    cells: dict[str, str]
    unknown: Sequence[str]

    def text(self, column: str) -> str | None:
        """None where it is unknown."""
        text = self.cells.get(column, "").strip()
        return None if text.casefold() in self.unknown else text

    def with_item(self, text: str) -> "TableRow":
        return replace(self, cells=self.cells | {"item": text})
