"""The signer: what it signs is what is stored, it never contradicts itself, and it stops where the log was put back or altered."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded
from ledger.errors import Misconfigured, NotAsSigned, Unavailable
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.merkle import leaf_hash, root_of_hashes
from ledger.proofs.notes import Note, verified
from ledger.service import Ledger
from projections.tree.keys import Anchor, LogKeys
from tests.examples import USA, event
from tests.signing import Sign

pytest_plugins = ["tests.signing"]

Given = Callable[..., list[Any]]


def claims(number: int) -> list[dict[str, Any]]:
    return [event("initiative.claim_recorded", "initiative:a", text=f"Claim {one}") for one in range(number)]


OPENED = event("initiative.reported", "initiative:a", name="A programme", kind="challenge")


@pytest.fixture
def superuser(server: Embedded, location: LedgerLocation) -> Iterator[Connection]:
    """Who may do everything to the database, triggers or not."""
    with Connection.connect(server.owner_dsn, autocommit=True) as owner:
        owner.execute(f"set search_path to {location.schema}, {location.projections}".encode())
        yield owner


def published(connection: Connection) -> list[tuple[Checkpoint, Note]]:
    rows = connection.execute("select origin, size, root, note from checkpoints order by size").fetchall()
    return [(Checkpoint(*row[:3]), Note.read(row[3])) for row in rows]


def leaves(connection: Connection) -> list[bytes]:
    rows = connection.execute("select body::text from entries order by position").fetchall()
    return [leaf_hash(line.encode()) for (line,) in rows]


def tamper(superuser: Connection, *statements: str) -> None:
    """Change what is recorded behind the ledger's back."""
    with superuser.transaction():
        superuser.execute("alter table entries disable trigger all")
        for one in statements:
            superuser.execute(one.encode())
        superuser.execute("alter table entries enable always trigger entries_are_never_changed")
        superuser.execute("alter table entries enable always trigger versions_follow")


def test_what_is_stored_is_what_is_signed(given: Given, sign: Sign, reader: Connection, key: Path) -> None:
    """Each checkpoint has the root of the stored bytes, signed by both keys; nothing new gives none."""
    signer = sign()
    assert signer.round() is None
    for events in ([OPENED], claims(300), claims(1)):
        given(*events)
        checkpoint = signer.round()
        assert checkpoint
        assert checkpoint.root == root_of_hashes(leaves(reader)[: checkpoint.size])
        assert signer.round() is None
    told = published(reader)
    assert [one.size for one, _ in told] == [1, 301, 302]
    keys = [one.verifier for one in LogKeys.read(key).keys]
    for one, note in told:
        assert note.text == one.text
        assert set(verified(note, keys)) == set(keys)
    assert Anchor(key).read(LogKeys.read(key).keys) == told[-1]


def test_the_next_process_goes_on(given: Given, sign: Sign, reader: Connection) -> None:
    """It knows the tree again from the stored bytes, and signs what follows."""
    given(OPENED, *claims(9))
    sign().round()
    given(*claims(5))
    checkpoint = sign().round()
    assert checkpoint
    assert checkpoint.root == root_of_hashes(leaves(reader))
    rows = reader.execute("select previous, size from checkpoints order by size").fetchall()
    assert rows == [(None, 10), (10, 15)]


def test_tiles_are_built_anew_where_they_are_not_the_tree(given: Given, sign: Sign, reader: Connection) -> None:
    """Dropped, altered or left behind: tiles are derived, and are right before anything is signed."""
    given(OPENED, *claims(300))
    sign().round()
    for spoil in (
        "drop table tiles, tree",
        "update tiles set hashes = '\\x00' where level = 1",
        "update tree set size = 5",
    ):
        reader.execute(spoil.encode())
        given(*claims(1))
        assert sign().round()
        size, leaf = len(leaves(reader)), leaves(reader)[-1]
        (last,) = reader.execute("select hashes from tiles where level = 0 order by index desc limit 1").fetchone() or (
            b"",
        )
        assert last[-32:] == leaf
        assert (size % 256) * 32 == len(last)


def test_a_signer_that_died_before_it_published(given: Given, sign: Sign, key: Path, reader: Connection) -> None:
    """What the anchor has counts as signed: the next one publishes it as it is, and goes on after it."""
    given(OPENED)
    first = sign()
    first.round()
    given(*claims(2))
    first.connection.execute("set default_transaction_read_only = on")  # it dies between anchor and database
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        first.round()
    given(*claims(2))
    sign().round()
    assert [one.size for one, _ in published(reader)] in ([1, 3, 5], [1, 5])


def test_two_signers_never_contradict_each_other(given: Given, sign: Sign, reader: Connection) -> None:
    """Should there be two with one key, the database takes one checkpoint after another; the second one notices."""
    given(OPENED)
    first, second = sign(), sign()
    first.round()
    second.round()
    given(*claims(1))
    first.round()
    given(*claims(1))
    with pytest.raises(NotAsSigned, match="somebody else signs"):
        second.round()
    told = published(reader)
    assert all(one.root == root_of_hashes(leaves(reader)[: one.size]) for one, _ in told)


@pytest.mark.parametrize("how", ["byte", "authid", "swapped", "deleted", "cut off"])
def test_a_log_that_was_altered_is_not_signed(how: str, given: Given, sign: Sign, superuser: Connection) -> None:
    """Whoever is the database's superuser: the next start finds that the entries are not those that were signed."""
    given(USA, OPENED, *claims(8))
    sign().round()
    tamper(superuser, *{
        "byte": ["update entries set body = replace(body::text, 'A programme', 'a programme')::json where position = 2"],
        "authid": ["update entries set body = replace(body::text, 'clerk', 'other')::json where position = 2"],
        "swapped": [
            "create temp table held as select position, body from entries where position in (4, 5)",
            "update entries set body = held.body from held where held.position = 9 - entries.position",
            "drop table held",
        ],
        "deleted": [
            "delete from entries where position = 10", "update head set size = 9",
        ],
        "cut off": ["delete from entries where position > 7", "update head set size = 7"],
    }[how])  # fmt: skip
    with pytest.raises(NotAsSigned, match=r"not those that were signed|was put back"):
        sign().round()


def test_a_log_that_is_not_what_was_signed_takes_nothing_more(
    given: Given, sign: Sign, superuser: Connection, ledger: Ledger
) -> None:
    """Neither is it signed, nor does anybody append to it, until it is resolved; and what was refused says why."""
    given(OPENED, *claims(3))
    superuser.execute("update head set stopped_at = size, stopped_reason = 'it was put back'")
    with pytest.raises(Unavailable, match="the log is stopped"):
        given(*claims(1))
    with pytest.raises(NotAsSigned, match="it was put back"):
        sign().round()
    superuser.execute("update head set stopped_at = null, stopped_reason = null")
    given(*claims(1))
    assert sign().round()


def test_checkpoints_are_never_changed(given: Given, sign: Sign, superuser: Connection, reader: Connection) -> None:
    """Not by the service's role, and not by their owner as long as the triggers are there."""
    given(OPENED)
    sign().round()
    for statement in ("delete from checkpoints", "update checkpoints set size = 9", "truncate checkpoints cascade"):
        for connection in (reader, superuser):
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.IntegrityConstraintViolation)):
                connection.execute(statement.encode())


def test_a_key_that_others_can_read_is_refused(key: Path) -> None:
    """And so is one that is cut short; neither message has the secret in it."""
    key.chmod(0o640)
    with pytest.raises(Misconfigured, match="chmod 600"):
        LogKeys.read(key)
    key.chmod(0o600)
    secret = key.read_text().split("+")[-1].strip()
    key.write_text(key.read_text()[:-20])
    with pytest.raises(Misconfigured) as refused:
        LogKeys.read(key)
    assert secret[:10] not in str(refused.value)
    assert sha256(secret.encode()).hexdigest() not in str(refused.value)


def test_an_anchor_by_another_key_is_refused(given: Given, sign: Sign, key: Path) -> None:
    """Nobody can make the signer believe in a checkpoint that its key has not signed."""
    given(OPENED)
    sign().round()
    LogKeys.new("ledger.example/a").write(key)
    with pytest.raises(Misconfigured, match="none of the log's keys"):
        sign().round()
