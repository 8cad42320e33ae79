"""Whatever dies at whichever step of a signing round: no checkpoint contradicts another, and every one has its tiles."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from ledger.database.connection import Connection, LedgerLocation
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.merkle import leaf_hash, root, root_of_hashes
from ledger.proofs.tiles import node_from
from ledger.service import Ledger
from ledger.writing.draft import read_body
from projections.tree.keys import Anchor, LogKeys
from projections.tree.signer import Signer
from tests.conftest import CLERK
from tests.examples import event
from tests.halting_signer import STEPS
from tests.standby import Server

pytest_plugins = ["tests.signing", "tests.standby"]

OPENED = event("initiative.reported", "initiative:a", name="A programme", kind="challenge")
Halted = subprocess.Popen[str]


def append(location: LedgerLocation, number: int, *, opening: bool = False) -> None:
    claims = [event("initiative.claim_recorded", "initiative:a", text=f"Claim {one}") for one in range(number)]
    with location.pool(1) as pool, Ledger(location, pool) as ledger:
        ledger.append(read_body({"events": [OPENED] * opening + claims}), CLERK)


def halted(location: LedgerLocation, key: Path, step: str) -> Halted:
    """A signer that stands at the step."""
    command = [sys.executable, "-m", "tests.halting_signer", location.dsn, location.schema, str(key), step]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    )
    assert process.stdout
    assert process.stdout.readline() == "here\n"
    return process


def check(location: LedgerLocation, key: Path, known: list[Checkpoint]) -> list[Checkpoint]:
    """All that was published stays published; each checkpoint has the root of the entries and of the tiles; the anchor is no older."""
    with location.connect() as connection:
        lines = connection.execute("select body::text from entries order by position").fetchall()
        leaves = [leaf_hash(line.encode()) for (line,) in lines]
        rows = connection.execute("select origin, size, root from checkpoints order by size").fetchall()
        told, tiles = [Checkpoint(*row) for row in rows], tiles_of(connection)
    assert told[: len(known)] == known
    for one in told:
        assert one.root == root_of_hashes(leaves[: one.size])
        assert one.root == root(one.size, node_from(lambda level, index: tiles[level, index]))
    anchored = Anchor(key).read(LogKeys.read(key).keys)
    assert not told or (anchored and anchored[0].size >= told[-1].size)
    return told


def tiles_of(connection: Connection) -> dict[tuple[int, int], bytes]:
    return {
        (level, index): hashes for level, index, hashes in connection.execute("select level, index, hashes from tiles")
    }


def sign(location: LedgerLocation, key: Path) -> None:
    """A process that has just started signs what there is."""
    with location.connect(patient=True) as connection:
        Signer(connection, key).round()


@pytest.fixture
def signed(location: LedgerLocation, key: Path) -> LedgerLocation:
    append(location, 300, opening=True)
    sign(location, key)
    return location


@pytest.mark.parametrize("step", STEPS)
def test_a_signer_that_is_killed(step: str, signed: LedgerLocation, key: Path) -> None:
    """The next one goes on, whether more was recorded meanwhile or not."""
    known = check(signed, key, [])
    for more in (5, 0):
        append(signed, 300)
        process = halted(signed, key, step)
        process.kill()
        process.wait()
        known = check(signed, key, known)
        if more:
            append(signed, more)
        sign(signed, key)
        known = check(signed, key, known)
        assert known[-1].size % 300 in (1, 6)


@pytest.mark.parametrize("step", STEPS)
def test_a_server_that_is_killed_while_a_signer_is_at_work(step: str, primary: Server, key: Path) -> None:
    """The signer fails, or had done its work; the next one goes on."""
    location = primary.location()
    append(location, 300, opening=True)
    sign(location, key)
    known = check(location, key, [])
    append(location, 300)
    process = halted(location, key, step)
    primary.kill()
    primary.start()
    with suppress(BrokenPipeError):
        process.communicate("\n" * 9, timeout=60)
    known = check(location, key, known)
    append(location, 5)
    sign(location, key)
    assert check(location, key, known)[-1].size == 606
