"""The rows of a table, from CSV or JSON lines: cells by column, each row with the lines that it stands on."""

import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

from pydantic_core import to_json

from api.transfer.csv_tables import Row, check_columns, csv_rows, find_delimiter
from api.transfer.files import opened_text
from api.transfer.forms import as_key, as_written
from api.transfer.mapping import ITEM, TableMapping
from api.transfer.report import Remark, Report
from ledger.errors import Invalid
from ledger.writing.draft import parse_json

Rows = Iterable[Row]


def read_table(mapping: TableMapping, path: Path, report: Report) -> Iterator[Row]:
    """The rows of JSON lines (.jsonl, .ndjson), else of CSV with a header.

    Fields within fields get dotted names. A line that is no row goes into the report. Raises Invalid.
    """
    with opened_text(path, mapping.encoding) as file:
        if path.suffix.lower() in (".jsonl", ".ndjson"):
            yield from _json_rows(file, mapping.table_columns(), report)
        else:
            yield from _csv_rows(file, mapping, report)


def _csv_rows(file: TextIO, mapping: TableMapping, report: Report) -> Iterator[Row]:
    columns = mapping.table_columns()
    delimiter = mapping.delimiter or find_delimiter(file, columns)
    for lines, cells in csv_rows(file, delimiter, partial(_header, mapping, columns), report):
        yield Row(lines, {name: _as_read(cell) for name, cell in cells.items()})


def _header(mapping: TableMapping, columns: set[str], cells: list[str]) -> list[str]:
    """The names of the columns. Raises Invalid with all that are missing, or stand there twice where that matters."""
    header = [*map(_as_named(columns), cells)]
    _check_names(header)
    check_columns(header, columns, ", which the mapping names")
    if mapping.key is None:
        check_columns(header, header, ", and without a key all of them tell rows apart")
    return header


def _as_named(columns: set[str]) -> Callable[[str], str]:
    """How a column of the table is called: as the mapping writes its name."""
    names = {as_written(name): name for name in columns}
    return lambda name: names.get(as_written(name), name.strip())


def _check_names(names: Collection[str]) -> None:
    if ITEM in names:
        raise Invalid("the table has a column 'item', and {item} is an item of a cell: give the column another name")


def _as_read(cell: str) -> str:
    return unicodedata.normalize("NFC", cell).strip()


def _json_rows(file: TextIO, columns: set[str], report: Report) -> Iterator[Row]:
    """Rows may leave out what is unknown; but a column that none of them has is told, as Invalid, behind the last."""
    named, there = lru_cache(maxsize=10_000)(_as_named(columns)), set[str]()
    for number, line in enumerate(file, start=1):
        lines = range(number, number + 1)
        try:
            cells = _cells(line, named)
        except Invalid as error:
            report.leave_unread(lines, [Remark("", str(error))])
        else:
            _check_names(cells)
            there.update(cells)
            if cells:
                yield Row(lines, cells)
    if there and (missing := sorted(columns - there)):
        told = ", ".join(map(repr, missing))
        raise Invalid(
            f"no line has the column {told}, which the mapping names: is it called otherwise? One may be null"
        )


def _cells(line: str, named: Callable[[str], str]) -> dict[str, str]:
    """The cells of a line of JSON. Raises Invalid."""
    row = parse_json(line) if line.strip() else {}
    if not isinstance(row, dict):
        raise Invalid("the line is no JSON object")
    cells: dict[str, str] = {}
    for name, text in _flat(row):
        if (column := named(name)) in cells:
            raise Invalid(f"the column {column!r} stands there more than once")
        cells[column] = text
    return cells


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, (dict, list)):
        for inner, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _flat(one, f"{name}.{inner}" if name else str(inner))
    else:
        yield name, "" if value is None else _as_read(value if isinstance(value, str) else to_json(value).decode())


@dataclass(frozen=True)
class TableRow:
    """The cells of a row, by column, as a mapping reads them.

    ``secret`` is the ledger's. ``made`` has those of columns that were made of others, and ``origins`` of which; ``item`` is the one at hand, where
    there are items. ``as_keys`` are the columns that templates show in the form in which keys are compared; ``ids``
    collects the ids that were made, and of which names.
    """

    cells: Mapping[str, str]
    mapping: TableMapping
    secret: UUID
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
