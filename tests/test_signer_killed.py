"""Whatever dies at whichever step of a signing round, or of an exchange with a witness: no checkpoint contradicts another, sizes
never fall, and every checkpoint has its tiles."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count, cycle
from pathlib import Path
from signal import SIGKILL
from threading import Event

import pytest

from api.cli.signing import signing
from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded
from ledger.database.migrations import migrate
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.merkle import leaf_hash, root, root_of_hashes
from ledger.proofs.notes import Note, Signature
from ledger.proofs.submission import path_of
from ledger.proofs.tiles import node_from
from ledger.service import Ledger
from ledger.settings import Settings
from ledger.witness.post import Post
from ledger.writing.draft import read_body
from projections.tree.keys import Anchor, LogKeys
from tests.conftest import CLERK
from tests.examples import event
from tests.halting_signer import EXCHANGE, STEPS, sign
from tests.standby import Server, family, wait_until
from tests.witnesses import Served, Tree, keys_of, served

pytest_plugins = ["tests.signing"]

OPENED = event("initiative.reported", "initiative:a", name="A programme", kind="challenge")
Halted = subprocess.Popen[str]


def append(location: LedgerLocation, number: int, *, opening: bool = False) -> None:
    claims = [event("initiative.claim_recorded", "initiative:a", text=f"Claim {one}") for one in range(number)]
    with location.pool(1) as pool, Ledger(location, pool) as ledger:
        ledger.append(read_body({"events": [OPENED] * opening + claims}), CLERK)


@contextmanager
def halted(location: LedgerLocation, key: Path, step: str, *policy: Path) -> Iterator[Halted]:
    """A signer that stands at the step. It is killed at the end of the block."""
    given = (location.dsn, location.schema, key, step, *policy)
    command = [sys.executable, "-m", "tests.halting_signer", *map(str, given)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    )
    assert process.stdout
    assert process.stdout.readline() == "here\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def check(location: LedgerLocation, key: Path, known: list[Checkpoint]) -> list[Checkpoint]:
    """All that was published stays published, in growing sizes; each checkpoint has the root of the entries and of the tiles; the
    anchor is no older."""
    with location.connect() as connection:
        lines = connection.execute("select body::text from entries order by position").fetchall()
        leaves = [leaf_hash(line.encode()) for (line,) in lines]
        rows = connection.execute("select origin, size, root from checkpoints order by number").fetchall()
        told, tiles = [Checkpoint(*row) for row in rows], tiles_of(connection)
    assert told[: len(known)] == known
    assert [one.size for one in told] == sorted({one.size for one in told})
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


@pytest.fixture
def signed(location: LedgerLocation, key: Path) -> LedgerLocation:
    append(location, 300, opening=True)
    sign(location, key)
    return location


@pytest.fixture(scope="module")
def mortal(server: Embedded) -> Iterator[Server]:
    """A server that may be killed, and started again. (The session's server has unpacked the binaries.)"""
    with family() as one:
        yield one


_numbers = count(1)


@pytest.fixture
def there(mortal: Server) -> LedgerLocation:
    """A new, empty ledger on it."""
    location = mortal.location(f"k{next(_numbers)}")
    migrate(mortal.owner_dsn, location)
    return location


@pytest.mark.parametrize("step", STEPS)
def test_a_signer_that_is_killed(step: str, signed: LedgerLocation, key: Path) -> None:
    """The next one goes on, whether more was recorded meanwhile or not."""
    known = check(signed, key, [])
    for more in (5, 0):
        append(signed, 300)
        with halted(signed, key, step):
            known = check(signed, key, known)
        known = check(signed, key, known)
        if more:
            append(signed, more)
        sign(signed, key)
        known = check(signed, key, known)
        assert known[-1].size % 300 in (1, 6)


@pytest.mark.parametrize("step", STEPS)
def test_a_server_that_is_killed_while_a_signer_is_at_work(
    step: str, mortal: Server, there: LedgerLocation, key: Path
) -> None:
    """The signer fails, or had done its work; the next one goes on."""
    append(there, 300, opening=True)
    sign(there, key)
    append(there, 300)
    with halted(there, key, step) as process:
        known = check(there, key, [])
        mortal.kill()
        mortal.start()
        with suppress(BrokenPipeError):
            process.communicate("\n" * 9, timeout=60)
    known = check(there, key, known)
    append(there, 5)
    sign(there, key)
    assert check(there, key, known)[-1].size == 606


# --- the exchange with a witness


ORIGINS = [f"ledger.example/{number}" for number in range(3 * len(EXCHANGE))]
_origins = cycle(ORIGINS)


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running witness that knows the log of each test."""
    with served(tmp_path_factory.mktemp("witness"), *map(Tree, ORIGINS)) as one:
        yield one


@pytest.fixture
def known_key(tmp_path: Path) -> Path:
    """The key of a log that the witness knows."""
    origin, path = next(_origins), tmp_path / "keys" / "log"
    LogKeys(origin, keys_of(origin)).write(path)
    return path


@pytest.fixture
def policy(witness: Served, known_key: Path, tmp_path: Path) -> Path:
    """A policy with one key of this witness."""
    one, lines = witness.witnesses[0], [f"log {secret.verifier}" for secret in LogKeys.read(known_key).keys]
    path = tmp_path / "policy"
    path.write_text("\n".join([*lines, f"witness {one.name} {one.key} {one.url}", f"quorum {one.name}\n"]))
    return path


def cosigned(location: LedgerLocation, witness: Served) -> int:
    """The size of the largest checkpoint that is cosigned. Every cosignature is one, of the very checkpoint that was published."""
    with location.connect() as connection:
        kept = connection.execute(
            "select size, note, line from cosignatures join checkpoints using (origin, size) order by size"
        ).fetchall()
    for _, note, line in kept:
        assert witness.witnesses[0].key.verify(Note.read(note).text, Signature.read(line.rstrip("\n")).signature)
    return int(kept[-1][0]) if kept else 0


def last_seen(witness: Served, origin: str) -> Checkpoint:
    """The last checkpoint that the witness has cosigned, as it shows it."""
    return Checkpoint.read(Note.read(Post(witness.url).ask("GET", path_of(origin)).body).text)


@contextmanager
def signing_on(location: LedgerLocation, key: Path, policy: Path) -> Iterator[None]:
    """A signer that offers what it signs, as long as the block runs."""
    stop = Event()
    with signing(location, Settings(log_key=key, witnesses=policy, checkpoint_interval=0.1), stop):
        yield
        stop.set()


@pytest.mark.parametrize("victim", ["signer", "server", "witness"])
@pytest.mark.parametrize("step", EXCHANGE)
def test_an_exchange_in_which_somebody_is_killed(
    step: str, victim: str, mortal: Server, there: LedgerLocation, known_key: Path, witness: Served, policy: Path
) -> None:
    """What was cosigned, and what was published, stays; the next checkpoint is cosigned by the same signer, or by the next one
    where that was killed; and the witness has seen no other tree than the one that is published.
    """
    append(there, 300, opening=True)
    with signing_on(there, known_key, policy):
        wait_until(lambda: cosigned(there, witness) == 301)
    append(there, 300)
    with halted(there, known_key, step, policy) as process:
        known, before = check(there, known_key, []), cosigned(there, witness)
        assert (known[-1].size, before) == (601, 601 if step == "after the cosignature is kept" else 301)
        if victim == "server":
            mortal.kill()
            mortal.start()
        elif victim == "witness":
            witness.stop(SIGKILL)
            witness.start()
        if victim != "signer":
            append(there, 5)
            assert process.stdin
            process.stdin.close()
            wait_until(lambda: cosigned(there, witness) == 606)
    known = check(there, known_key, known)
    assert cosigned(there, witness) >= before
    if victim == "signer":
        append(there, 5)
        with signing_on(there, known_key, policy):
            wait_until(lambda: cosigned(there, witness) == 606)
        known = check(there, known_key, known)
    assert last_seen(witness, known[-1].origin) == known[-1]
