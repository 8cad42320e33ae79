"""Events from NDJSON or CSV files: one draft a line, each with its line number."""

import csv
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfileobj
from stat import S_ISDIR, S_ISREG
from tempfile import TemporaryDirectory
from typing import Any, TextIO
from uuid import UUID, uuid5

from pydantic_core import to_json

from ledger.errors import Invalid, in_words
from ledger.writing.draft import Draft, parse_json, read_draft

LINES = UUID("3f1d8f2c-1f0e-5d2a-8d0a-6a3f6f0d9b11")
EXPORTED = '{"sequence":'
MOST_FAULTS = 1_000
CHUNK = 1 << 20


@dataclass(frozen=True)
class Line:
    """One event of a file. The same line has the same id, so a file can be imported twice."""

    number: int
    draft: Draft


@dataclass
class Report:
    """How many lines of a file were recorded, repeated, flagged and refused, and why they were refused."""

    appended: int = 0
    repeated: int = 0
    flagged: int = 0
    refused: int = 0
    faults: list[tuple[int, str]] = field(default_factory=list)

    def refuse(self, number: int, fault: str) -> None:
        """Count a line that is left out. Of the first ``MOST_FAULTS`` the report keeps what is wrong with them."""
        self.refused += 1
        if self.refused <= MOST_FAULTS:
            self.faults.append((number, fault))

    def __str__(self) -> str:
        flagged = f" ({self.flagged} flagged)" if self.flagged else ""
        return f"appended {self.appended}{flagged}, repeated {self.repeated}, refused {self.refused}"


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raises Invalid where the block cannot read the file, or it holds no text or table."""
    try:
        yield
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {in_words(error).removeprefix(f'{path}: ')}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise Invalid(f"{path} cannot be read: {error}") from None


@contextmanager
def rereadable(file: Path) -> Iterator[Path]:
    """The file; or, while the block runs, a copy of what can be read only once, such as the standard input (``-``)."""
    is_input = str(file) == "-"
    if not is_input and not _flows(file):
        yield file
        return
    with TemporaryDirectory(prefix="ledger-") as folder:
        copy = Path(folder) / ("standard-input" if is_input else file.name)
        with copy.open("wb") as to, nullcontext(sys.stdin.buffer) if is_input else file.open("rb") as given:
            copyfileobj(given, to, CHUNK)
        yield copy


def _flows(file: Path) -> bool:
    """Whether it is a pipe or a device. A file that does not exist is reported when it is opened."""
    try:
        mode = file.stat().st_mode
    except OSError:
        return False
    return not (S_ISREG(mode) or S_ISDIR(mode))


def count_lines(path: Path) -> int:
    """How many lines a file has, the last one also without a line break. Raises Invalid."""
    lines, last = 0, b"\n"
    with readable(path), path.open("rb") as file:
        while chunk := file.read(CHUNK):
            lines, last = lines + chunk.count(b"\n"), chunk[-1:]
    return lines + (last != b"\n")


def read_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Line number and text, or for CSV (by its ending) the row, of each event in a file. Raises Invalid."""
    with readable(path), path.open(encoding="utf-8-sig", newline="") as file:
        yield from _csv_rows(file) if path.suffix.lower() == ".csv" else _json_lines(file)


def read_drafts(lines: Iterable[tuple[int, Any]], report: Report) -> Iterator[Line]:
    """The lines that can be read; what is wrong with the others goes into the report."""
    for number, line in lines:
        try:
            value = parse_json(line) if isinstance(line, str) else _from_row(line)
            draft = read_draft(value)
            yield Line(number, draft if draft.id else draft._replace(id=str(uuid5(LINES, to_json(value).decode()))))
        except Invalid as error:
            report.refuse(number, str(error))


def _json_lines(file: TextIO) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(file, start=1):
        if line.startswith(EXPORTED):
            raise Invalid(
                f"line {number} is an entry as `ledger export` writes it, and has its position and time: an import is of "
                "events that are yet to be recorded. To move a ledger, dump its database and restore it (pg_dump)"
            )
        if line.strip():
            yield number, line


def _csv_rows(file: TextIO) -> Iterator[tuple[int, dict[str, Any]]]:
    rows = csv.DictReader(file)
    if "type" not in (rows.fieldnames or ()):
        raise Invalid(
            "the table has no column 'type': name its columns as the fields of an event, or say what they mean in a file "
            "for --mapping (see docs/importing.md)"
        )
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
