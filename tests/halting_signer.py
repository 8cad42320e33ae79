"""A signer that halts at a step of its round, or of its exchange with a witness, says so, and goes on when it is told to: so that
it, or the server, or the witness, can be killed there.

python -m tests.halting_signer DSN SCHEMA KEY STEP [POLICY]
"""

import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

from api.cli.signing import signing
from ledger.database.connection import LedgerLocation
from ledger.settings import Settings
from ledger.witness.offers import _Attendant
from ledger.witness.post import Post
from projections.tree.keys import Anchor
from projections.tree.signer import Signer
from projections.tree.tree import Tree

Steps = dict[str, tuple[type, str, bool]]
"""Which method, and whether before or after it."""

STEPS: Steps = {
    "before the tiles are written": (Tree, "_write", True),
    "after the tiles are written": (Tree, "_write", False),
    "after the tree has grown": (Tree, "grow", False),
    "after the roots are compared": (Tree, "mend", False),
    "before the anchor is written": (Anchor, "write", True),
    "after the anchor is written": (Anchor, "write", False),
    "after it is published": (Signer, "_publish", False),
}
EXCHANGE: Steps = {
    "before it is offered": (Post, "ask", True),
    "after the witness has answered": (Post, "ask", False),
    "before the cosignature is kept": (_Attendant, "_keep", True),
    "after the cosignature is kept": (_Attendant, "_keep", False),
}


def halt_at(step: str) -> None:
    owner, name, before = (STEPS | EXCHANGE)[step]
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


def sign(location: LedgerLocation, key: Path) -> None:
    with location.connect(patient=True) as connection:
        Signer(connection, key).round()


def go_on_signing(location: LedgerLocation, key: Path, policy: Path) -> None:
    """Until it is killed. The first checkpoint that is offered is that of all entries that there are."""
    with signing(location, Settings(log_key=key, witnesses=policy, checkpoint_interval=0.1), Event()):
        Event().wait()


if __name__ == "__main__":
    dsn, schema, key, step, *policy = sys.argv[1:]
    halt_at(step)
    sign(LedgerLocation(dsn, schema), Path(key))
    for one in policy:
        go_on_signing(LedgerLocation(dsn, schema), Path(key), Path(one))
