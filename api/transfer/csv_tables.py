"""Tables in CSV: their delimiter, their header, and their rows, each with the lines that it stands on."""

import csv
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple, TextIO

from api.transfer.forms import as_written
from api.transfer.report import Remark, Report
from ledger.errors import Invalid

DELIMITERS = (",", ";", "\t", "|")
SHOWN = 50
"""How many columns of a table are named to people."""


class Row(NamedTuple):
    """The lines that a row of a table stands on, and its cells by column."""

    lines: range
    cells: Mapping[str, str]


class Record(NamedTuple):
    """A row of CSV, and the lines that it stands on: more than one, where a cell has a line break."""

    lines: range
    cells: list[str]


Names = Callable[[list[str]], list[str]]
"""How the columns of a header are called. Raises Invalid where it is not as it must be."""


def csv_rows(file: TextIO, delimiter: str, names: Names, report: Report) -> Iterator[Row]:
    """The rows behind the header, without blank ones; those that do not fit it go into the report.

    A column without a name is called by its place. Raises Invalid.
    """
    records = _records(file, delimiter)
    try:
        first = next(records, Record(range(0), []))
        header = names(_named(first))
    except Invalid as error:
        raise Invalid(f"{error}{_if_other(file)}") from None
    report.header = first.lines
    for lines, cells in records:
        if any(map(str.strip, cells)):
            if fault := _misfit(cells, len(header)):
                report.leave_unread(lines, [Remark("", fault)])
            else:
                yield Row(lines, dict(zip(header, cells, strict=False)))


def _named(first: Record) -> list[str]:
    """What the first row calls the columns. Raises Invalid where there is none."""
    if not first.cells:
        what = "the first line" if first.lines else "the file"
        raise Invalid(f"{what} is empty: a table begins with the names of its columns")
    return [cell.strip() or f"column {place}" for place, cell in enumerate(first.cells, start=1)]


def _misfit(cells: list[str], columns: int) -> str:
    """Why a row does not fit its header, if it does not: blank cells behind it are none."""
    if any(map(str.strip, cells[columns:])):
        return "the row has more cells than the table has columns"
    if len(cells) < columns:
        return f"the row has {len(cells)} cells, and the table {columns} columns: is the file cut short?"
    return ""


def check_columns(header: Collection[str], columns: Collection[str], why: str) -> None:
    """Raises Invalid with all columns that do not stand in the header once."""
    counts = Counter(header)
    if wrong := [name for name in sorted(set(columns)) if counts[name] != 1]:
        told = ", ".join(f"{counts[name] or 'no'} column {name!r}" for name in wrong)
        shown = ", ".join(map(repr, [*header][:SHOWN])) + (", …" if len(header) > SHOWN else "")
        raise Invalid(f"the table has {told}{why}; its columns are {shown}")


def _if_other(file: TextIO) -> str:
    """What to do with a file that begins otherwise than a table does."""
    file.seek(0)
    begins = file.read(4)
    if begins.startswith(("[", "{")):
        return ". It looks like JSON: lines of JSON are read where the name ends in .jsonl or .ndjson"
    if begins.lower() == "sep=":
        return (
            ". Its first line tells a spreadsheet the delimiter: take that line out, the delimiter is found without it"
        )
    return ""


def _records(file: TextIO, delimiter: str) -> Iterator[Record]:
    """The rows of CSV, blank lines too. Raises Invalid at a stray quote: what follows it may belong to any cell."""
    rows = csv.reader(file, delimiter=delimiter, strict=True)
    first = 1
    try:
        for cells in rows:
            yield Record(range(first, rows.line_num + 1), cells)
            first = rows.line_num + 1
    except csv.Error as error:
        raise Invalid(_misquoted(str(error), first, rows.line_num)) from None


def _misquoted(error: str, first: int, last: int) -> str:
    if "expected after" in error:
        return f'line {last}: a quote stands alone within a quoted cell: double it, as in "the ""Paris"" accord"'
    if "end of data" in error:
        return f"line {first}: a quote is opened in this row and never closed"
    if "field limit" in error:
        error = f"a cell has more than {csv.field_size_limit():,} characters, which no entry holds: shorten it"
        return f"line {last}: {error}; or is a quote missing in the row of line {first}?"
    return f"line {last}: {error}; is a quote missing in the row of line {first}?"


def find_delimiter(file: TextIO, columns: Collection[str]) -> str:
    """The delimiter under which the header has most of the columns; a comma, where none has any."""
    wanted = set(map(as_written, columns))

    def found(delimiter: str) -> int:
        file.seek(0)
        try:
            header = next(csv.reader(file, delimiter=delimiter), [])
        except csv.Error:  # it is told when the rows are read
            return 0
        return len(wanted.intersection(map(as_written, header)))

    best = max(DELIMITERS, key=found)
    file.seek(0)
    return best
