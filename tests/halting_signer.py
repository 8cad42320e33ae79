"""A signer that halts at a step of its round, says so, and goes on when it is told to: so that it, or the server, can be killed there.

python -m tests.halting_signer DSN SCHEMA KEY STEP
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ledger.database.connection import LedgerLocation
from projections.tree.keys import Anchor
from projections.tree.signer import Signer
from projections.tree.tree import Tree

STEPS: dict[str, tuple[type, str, bool]] = {
    "before the tiles are written": (Tree, "_write", True),
    "after the tiles are written": (Tree, "_write", False),
    "after the tree has grown": (Tree, "grow", False),
    "before the anchor is written": (Anchor, "write", True),
    "after the anchor is written": (Anchor, "write", False),
    "before it is published": (Signer, "_publish", True),
    "after it is published": (Signer, "_publish", False),
}
"""Which method, and whether before or after it."""


def halt_at(step: str) -> None:
    owner, name, before = STEPS[step]
    method: Callable[..., Any] = getattr(owner, name)

    def halting(*given: Any, **named: Any) -> Any:
        if before:
            wait()
        told = method(*given, **named)
        if not before:
            wait()
        return told

    setattr(owner, name, halting)


def wait() -> None:
    sys.stdout.write("here\n")
    sys.stdout.flush()
    sys.stdin.readline()


if __name__ == "__main__":
    dsn, schema, key, step = sys.argv[1:]
    halt_at(step)
    with LedgerLocation(dsn, schema).connect(patient=True) as connection:
        Signer(connection, Path(key)).round()
