"""Other processes of ours that do a share of what takes long; they end when the one that started them does."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ledger.database.connection import LedgerLocation


def processors() -> int:
    return os.cpu_count() or 1


@contextmanager
def helper(
    module: str, location: LedgerLocation, *, answers: bool = False, **given: Any
) -> Iterator[subprocess.Popen[str]]:  # fmt: skip
    """Another process, which is told the place, and what else is given, in the first line of its standard input. Where it
    ``answers``, its standard output is to be read.

    It ends when we close that, or the kernel does it for us.
    """
    with subprocess.Popen(  # noqa: S603 - it is ourselves
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if answers else None,
        text=True,
        process_group=0,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps({"dsn": location.dsn, "schema": location.schema, **given}) + "\n")
        process.stdin.flush()
        yield process


def told() -> tuple[LedgerLocation, dict[str, Any]]:
    """What such a process is told first: the place, and what else it was given."""
    given = json.loads(sys.stdin.readline())
    return LedgerLocation(given["dsn"], given["schema"]), given
