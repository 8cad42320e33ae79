"""A key for a log of the tests, and a signer that signs when it is told to.

PYTEST_DONT_REWRITE: the modules that register these fixtures also import from here.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.transfer.tiles import export_tiles
from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded
from projections.tree.keys import LogKeys
from projections.tree.signer import Signer
from tests.examples import event
from tests.service import Service

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


GUARDS = {
    "entries": ["entries_are_never_changed", "versions_follow", "erased_names_go"],
    "checkpoints": ["checkpoints_are_never_changed"],
    "cosignatures": ["cosignatures_are_never_changed"],
    "disclosures": ["erased_names_stay_away"],
}
"""What guards the tables, so that it is there again once they were tampered with."""


@pytest.fixture
def superuser(server: Embedded, location: LedgerLocation) -> Iterator[Connection]:
    """Who may do everything to the database, triggers or not."""
    with Connection.connect(server.owner_dsn, autocommit=True) as owner:
        owner.execute(f"set search_path to {location.schema}, {location.projections}".encode())
        yield owner


def tamper(superuser: Connection, *statements: str) -> None:
    """Change what is recorded behind the ledger's back."""
    with superuser.transaction():
        for table in GUARDS:
            superuser.execute(f"alter table {table} disable trigger all".encode())
        for one in statements:
            superuser.execute(one.encode())
        for table, guards in GUARDS.items():
            for guard in guards:
                superuser.execute(f"alter table {table} enable always trigger {guard}".encode())


def put_back(superuser: Connection, size: int) -> None:
    """As a backup has it that was taken at this size."""
    tamper(
        superuser,
        f"delete from disclosures using entries where position > {size} and entries.entry_id = disclosures.entry_id",
        f"delete from entries where position > {size}",
        f"delete from checkpoints where size > {size}",
        f"update head set size = {size}, recorded_at = (select max(recorded_at) from entries)",
    )


def claims(number: int) -> list[dict[str, Any]]:
    return [event("initiative.claim_recorded", "initiative:indus-x", text=f"Claim {one}") for one in range(number)]


def exported(location: LedgerLocation, directory: Path) -> Path:
    """The log as static files."""
    with location.pool(1) as pool:
        export_tiles(pool, directory, lambda done: None)
    return directory


@pytest.fixture
def tiles(signed: Service, tmp_path: Path) -> Path:
    """The log that the tests of a module call ``signed``, as static files."""
    return exported(signed.location, tmp_path / "tiles")


def signed_once(location: LedgerLocation, folder: Path) -> Any:
    """Sign all that there is, with a key of its own."""
    key = folder / "key"
    LogKeys.new(ORIGIN).write(key)
    with location.connect(patient=True) as connection:
        return Signer(connection, key).round()
