"""Files that nobody but their owner reads: keys, anchors and evidence. Once they are written they are on the disk."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_IMODE, S_ISREG

from ledger.errors import Misconfigured, in_words


def check_private(path: Path, what: str) -> None:
    """Raises Misconfigured where it is no file, or others than its owner can read ``what`` stands in it; OSError."""
    mode = path.stat().st_mode
    if not S_ISREG(mode):
        raise Misconfigured(f"{path} is no file, and {what} is to stand in one")
    if S_IMODE(mode) & 0o077:
        raise Misconfigured(f"others can read {what}: run `chmod 600 {path}`")


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet. Raises Misconfigured."""
    with _writing(path):
        _write(path, os.O_EXCL, data)


def replace_file(path: Path, data: bytes) -> None:
    """The whole new file or the old one, whatever happens. Raises Misconfigured."""
    draft = path.with_name(f".{path.name}.new")
    with _writing(path):
        _write(draft, os.O_TRUNC, data)
        draft.replace(path)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """The folder is there before, and on the disk after."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Misconfigured(f"cannot write {in_words(error)}") from None


def _write(path: Path, how: int, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
