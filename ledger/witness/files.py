"""Files that are written once, and that nobody but their owner reads: keys, and evidence."""

import os
from pathlib import Path

from ledger.errors import Misconfigured, in_words


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet; once this returns it is on the disk. Raises Misconfigured."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Misconfigured(f"cannot write {in_words(error)}") from None
