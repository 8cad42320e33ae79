"""Files of text and tables: their encoding, their delimiter, and the lines on which each row stands."""

import codecs
import csv
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from shutil import copyfileobj
from stat import S_ISDIR, S_ISREG
from tempfile import TemporaryDirectory
from typing import NamedTuple, TextIO

from api.transfer.forms import as_written
from ledger.errors import Invalid, in_words

CHUNK = 1 << 20
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
"""The byte order marks by which a file says its encoding."""

DELIMITERS = (",", ";", "\t", "|")


class Record(NamedTuple):
    """A row of CSV, and the lines that it stands on: more than one, where a cell has a line break."""

    first: int
    last: int
    cells: list[str]


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raises Invalid where the block cannot read the file."""
    try:
        yield
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {in_words(error).removeprefix(f'{path}: ')}") from None


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


@contextmanager
def opened_text(path: Path, encoding: str | None = None) -> Iterator[TextIO]:
    """The text of a file, in the encoding of its byte order mark, else the one that is named, else UTF-8.

    Raises Invalid where it is in another, with the line and what to do.
    """
    with readable(path):
        used = _encoding(path, encoding)
        try:
            with path.open(encoding=used, newline="") as file:
                yield file
        except UnicodeError:
            raise Invalid(f"{path} cannot be read: {_undecodable(path, used)}") from None


def _encoding(path: Path, named: str | None) -> str:
    with path.open("rb") as file:
        head = file.read(4)
    if found := next((name for mark, name in MARKS.items() if head.startswith(mark)), named):
        return found
    if head == b"PK\x03\x04":
        raise Invalid(f"{path} is no text but a workbook, or another zip file: save the sheet as CSV in UTF-8")
    if b"\0" in head[:2]:
        raise Invalid(
            f"{path} cannot be read: it looks like UTF-16 without a byte order mark. Save it as UTF-8, or name its encoding "
            'in the mapping: encoding = "utf-16-le" (or "utf-16-be")'
        )
    return "utf-8"


def _undecodable(path: Path, encoding: str) -> str:
    advice = 'Save it as UTF-8, or name its encoding in the mapping, such as encoding = "cp1252" (Windows)'
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding)
            except UnicodeError as error:
                byte = line[getattr(error, "start", 0)]
                return f"line {number} has a byte that is not {encoding.upper()} (0x{byte:02x}). {advice}"
    return f"it is not {encoding.upper()}. {advice}"


def csv_records(file: TextIO, delimiter: str) -> Iterator[Record]:
    """The rows of CSV, blank lines too. Raises Invalid at a stray quote: what follows it may belong to any cell."""
    rows = csv.reader(file, delimiter=delimiter, strict=True)
    first = 1
    try:
        for cells in rows:
            yield Record(first, rows.line_num, cells)
            first = rows.line_num + 1
    except csv.Error as error:
        raise Invalid(_misquoted(str(error), first, rows.line_num)) from None


def _misquoted(error: str, first: int, last: int) -> str:
    if "expected after" in error:
        return f'line {last}: a quote stands alone within a quoted cell: double it, as in "the ""Paris"" accord"'
    if "end of data" in error:
        return f"line {first}: a quote is opened in this row and never closed"
    return f"line {last}: {error}; is a quote missing in the row of line {first}?"


def find_delimiter(file: TextIO, columns: Collection[str]) -> str:
    """The delimiter under which the header has most of the columns; a comma, where none has any."""

    def found(delimiter: str) -> int:
        file.seek(0)
        header = next(csv.reader(file, delimiter=delimiter), [])
        return len({as_written(name) for name in header} & {as_written(name) for name in columns})

    best = max(DELIMITERS, key=found)
    file.seek(0)
    return best


def copy_lines(path: Path, encoding: str | None, lines: Iterable[range], to: Path) -> None:
    """Write some lines of a file to another one, exactly as they are. Raises Invalid."""
    wanted = {number for some in lines for number in some}
    with opened_text(path, encoding) as file, to.open("w", encoding=file.encoding, newline="") as out:
        out.writelines(line for number, line in enumerate(file, start=1) if number in wanted)
