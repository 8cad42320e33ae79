"""Files of text: what can be read and written, in which encoding, and on which line it is in another."""

import codecs
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from io import IncrementalNewlineDecoder
from pathlib import Path
from shutil import copyfileobj
from stat import S_ISDIR, S_ISREG
from tempfile import TemporaryDirectory
from typing import TextIO

from ledger.errors import Invalid, in_words

CHUNK = 1 << 20
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
"""The byte order marks by which a file says its encoding."""


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raises Invalid where the block cannot read the file."""
    try:
        yield
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {in_words(error).removeprefix(f'{path}: ')}") from None


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Raises Invalid where the block cannot write the file."""
    try:
        yield
    except OSError as error:
        raise Invalid(f"{path} cannot be written: {in_words(error).removeprefix(f'{path}: ')}") from None


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


ADVICE = 'Save it as UTF-8, or name its encoding in the mapping, such as encoding = "cp1252" (Windows)'


def _undecodable(path: Path, encoding: str) -> str:
    """On which line a text stops being of the encoding, and what to do."""
    decoder = IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    line = 1
    with path.open("rb") as file:
        for chunk in iter(partial(file.read, CHUNK), b""):
            state = decoder.getstate()
            try:
                line += decoder.decode(chunk).count("\n")
            except UnicodeError:
                decoder.setstate(state)
                return _wrong_byte(decoder, chunk, line, encoding)
    return f"line {line} ends within a character of {encoding.upper()}: is the file cut short? {ADVICE}"


def _wrong_byte(decoder: IncrementalNewlineDecoder, chunk: bytes, line: int, encoding: str) -> str:
    """The same, in a chunk that begins on a line."""
    for number in range(len(chunk)):
        try:
            line += decoder.decode(chunk[number : number + 1]).count("\n")
        except UnicodeDecodeError as error:
            return (
                f"line {line} has a byte that is not {encoding.upper()} (0x{error.object[error.start]:02x}). {ADVICE}"
            )
        except UnicodeError:
            break
    return f"it is not {encoding.upper()}. {ADVICE}"


def copy_lines(path: Path, encoding: str | None, lines: Iterable[range], to: Path) -> None:
    """Write some lines of a file to another one, exactly as they are. Raises Invalid."""
    wanted = {number for some in lines for number in some}
    with opened_text(path, encoding) as file, writable(to), to.open("w", encoding=file.encoding, newline="") as out:
        out.writelines(line for number, line in enumerate(file, start=1) if number in wanted)
