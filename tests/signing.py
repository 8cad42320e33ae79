"""A key for a log of the tests, and a signer that signs when it is told to.

PYTEST_DONT_REWRITE: the modules that register these fixtures also import from here.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.database.connection import Connection, LedgerLocation
from projections.tree.keys import LogKeys
from projections.tree.signer import Signer

ORIGIN = "ledger.example/a"
Sign = Callable[[], Signer]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "keys" / "log"
    LogKeys.new(ORIGIN).write(path)
    return path


@pytest.fixture
def sign(location: LedgerLocation, key: Path) -> Iterator[Sign]:
    """A signer as a process has it that has just started."""
    opened: list[Connection] = []

    def make() -> Signer:
        opened.append(location.connect(patient=True))
        return Signer(opened[-1], key, clock=lambda: 1_700_000_000)

    yield make
    for one in opened:
        one.close()


def signed_once(location: LedgerLocation, folder: Path) -> Any:
    """Sign all that there is, with a key of its own."""
    key = folder / "key"
    LogKeys.new(ORIGIN).write(key)
    with location.connect(patient=True) as connection:
        return Signer(connection, key).round()
