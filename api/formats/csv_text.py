"""Tables as CSV (RFC 4180): UTF-8, CRLF, a line of names; and no cell that a spreadsheet takes for a formula."""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO

from pydantic_core import from_json

from api.formats.columns import Column
from api.formats.form import Form

MEDIA_TYPE = "text/csv; header=present"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a formula, or what hides one, begins with."""


def csv_form(columns: Sequence[Column]) -> Form:
    def line(document: str) -> str:
        told = from_json(document)
        return csv_line(column.value(told) for column in columns)

    return Form(csv_line(column.name for column in columns), line)


def csv_line(cells: Iterable[str]) -> str:
    written = StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerow([safe(cell) for cell in cells])
    return written.getvalue()


def safe(cell: str) -> str:
    """The cell, with an apostrophe before what a spreadsheet would take for a formula; and before one that has apostrophes before
    it already, so that it is known which of them to take away."""
    return f"'{cell}" if cell.lstrip("'").startswith(FORMULA) else cell
