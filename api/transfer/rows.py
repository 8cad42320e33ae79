"""The rows of a table, from CSV or JSON lines: cells by column, each row with the lines that it stands on."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from pydantic_core import to_json

from api.transfer.files import csv_records, find_delimiter, opened_text
from api.transfer.forms import as_key, as_written
from api.transfer.mapping import ITEM, TableMapping
from api.transfer.report import Remark, Report
from ledger.errors import Invalid
from ledger.writing.draft import parse_json


class Row(NamedTuple):
    """The lines that a row stands on, and its cells by column."""

    lines: range
    cells: Mapping[str, str]


Rows = Iterable[Row]


def read_table(mapping: TableMapping, path: Path, report: Report) -> Iterator[Row]:
    """The rows of JSON lines (.jsonl, .ndjson), else of CSV with a header.

    Fields within fields get dotted names. A line that is no row goes into the report. Raises Invalid.
    """
    with opened_text(path, mapping.encoding) as file:
        if path.suffix.lower() in (".jsonl", ".ndjson"):
            yield from _json_rows(file, report)
        else:
            yield from _csv_rows(file, mapping, report)


def _csv_rows(file: TextIO, mapping: TableMapping, report: Report) -> Iterator[Row]:
    columns = mapping.table_columns()
    records = csv_records(file, mapping.delimiter or find_delimiter(file, columns))
    first = next(records, None)
    header = _header(first.cells if first else [], columns)
    report.header = range(1, first.last + 1) if first else range(0)
    for record in records:
        lines = range(record.first, record.last + 1)
        if any(cell.strip() for cell in record.cells[len(header) :]):
            report.leave_unread(lines, [Remark("", "the row has more cells than the table has columns")])
        elif len(record.cells) < len(header) and any(cell.strip() for cell in record.cells):
            few = f"the row has {len(record.cells)} cells, and the table {len(header)} columns: is the file cut short?"
            report.leave_unread(lines, [Remark("", few)])
        elif any(cell.strip() for cell in record.cells):
            yield Row(lines, dict(zip(header, map(_as_read, record.cells), strict=False)))


def _header(cells: list[str], columns: set[str]) -> list[str]:
    """The names of the columns, as the mapping writes them. Raises Invalid with all that are missing."""
    names = {as_written(name): name for name in columns}
    header = [names.get(as_written(cell), cell.strip()) for cell in cells]
    if wrong := [name for name in sorted(columns) if header.count(name) != 1]:
        told = ", ".join(f"{header.count(name) or 'no'} column {name!r}" for name in wrong)
        raise Invalid(f"the table has {told}, which the mapping names; its columns are {', '.join(map(repr, header))}")
    return header


def _as_read(cell: str) -> str:
    return unicodedata.normalize("NFC", cell).strip()


def _json_rows(file: TextIO, report: Report) -> Iterator[Row]:
    """Rows that leave out what is unknown: so a column that none of them has is no fault."""
    for number, line in enumerate(file, start=1):
        lines = range(number, number + 1)
        try:
            row = parse_json(line) if line.strip() else {}
        except Invalid as error:
            report.leave_unread(lines, [Remark("", str(error))])
            continue
        if not isinstance(row, dict):
            report.leave_unread(lines, [Remark("", "the line is no JSON object")])
        elif row:
            yield Row(lines, dict(_flat(row)))


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, (dict, list)):
        for inner, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _flat(one, f"{name}.{inner}" if name else str(inner))
    else:
        yield name, "" if value is None else _as_read(value if isinstance(value, str) else to_json(value).decode())


@dataclass(frozen=True)
class TableRow:
    """The cells of a row, by column, as a mapping reads them.

    ``made`` has those of columns that were made of others, and ``origins`` of which; ``item`` is the one at hand, where
    there are items. ``as_keys`` are the columns that templates show in the form in which keys are compared; ``ids``
    collects the ids that were made, and of which names.
    """

    cells: Mapping[str, str]
    mapping: TableMapping
    made: Mapping[str, str | None] = field(default_factory=dict)
    item: str | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    as_keys: frozenset[str] = frozenset()
    ids: dict[tuple[str, tuple[str, ...]], None] = field(default_factory=dict)

    def text(self, column: str) -> str | None:
        """None where it is unknown: of an item that was known when it was read, whatever it was translated to."""
        if column == ITEM:
            return self.item
        text = self.made[column] if column in self.made else self.cells.get(column)
        text = text and text.strip()
        return None if text is None or text.casefold() in self.mapping.unknown else text

    def shown(self, column: str) -> str | None:
        """The text as a template shows it."""
        text = self.text(column)
        return as_key(text) if text is not None and column in self.as_keys else text

    def origin(self, column: str) -> str:
        """The column of the table that a column comes from: the one to be named to people."""
        return self.origins.get(column, column)

    def with_item(self, text: str, column: str) -> "TableRow":
        """The row with one item of a column, as ``{item}``."""
        return replace(self, item=text, origins={**self.origins, ITEM: self.origin(column)})

    def with_made(self, cells: Mapping[str, str | None], column: str) -> "TableRow":
        """The row with more cells, which come from a column."""
        origins = {**self.origins, **dict.fromkeys(cells, self.origin(column))}
        return replace(self, made={**self.made, **cells}, origins=origins)
