"""The log's keys: made once, shown to everybody who verifies, and changed without a gap."""

import subprocess
from pathlib import Path

import pytest

from ledger.database.connection import LedgerLocation
from ledger.proofs.notes import Note, VerifierKey, verified
from projections.tree.signer import Signer
from tests.commands import LEDGER, Command, environment
from tests.examples import event
from tests.service import Service

pytest_plugins = ["tests.commands", "tests.service"]

OPENED = event("initiative.reported", "initiative:a", name="A programme", kind="challenge")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "log"


def signed_by(location: LedgerLocation, path: Path) -> Note:
    with location.connect(patient=True) as connection:
        signer = Signer(connection, path)
        signer.round()
        assert signer.last
        return signer.last[1]


def test_a_key_is_made_once(command: Command, path: Path) -> None:
    """Nobody else can read it, its public half is shown, and another `init` changes nothing."""
    at = {"LEDGER_LOG_KEY": str(path), "LEDGER_ORIGIN": "ledger.example/a"}
    shown = command("log", "init", **at).stdout
    assert path.stat().st_mode & 0o077 == 0
    assert [VerifierKey.read(line).name for line in shown.split()] == ["ledger.example/a"] * 2
    assert command("log", "key", **at).stdout == shown == command("log", "init", "--if-missing", **at).stdout
    assert "rotate" in command("log", "init", code=1, **at).stderr
    assert "PRIVATE" not in shown


def test_without_a_name_or_a_place_there_is_no_key(command: Command, path: Path) -> None:
    """Each is asked for by the name of its setting."""
    assert "LEDGER_LOG_KEY" in command("log", "key", code=4).stderr
    assert "LEDGER_ORIGIN" in command("log", "init", code=2, LEDGER_LOG_KEY=str(path)).stderr


def test_the_keys_of_a_demo_are_found_where_it_keeps_them(command: Command, tmp_path: Path) -> None:
    """Beside the files of its server, by every command of the log's; nobody looks there for the keys of another server's ledger."""
    at = {"LEDGER_DATA": str(tmp_path), "LEDGER_ORIGIN": "ledger.example/a"}
    assert f"there is no {tmp_path / 'log' / 'key'}" in run_bare(at, "log", "key", code=4)
    for words in (["log", "key"], ["log", "recover", "tiles"], ["log", "resume", "--reason", "mended"]):
        assert "LEDGER_LOG_KEY" in command(*words, code=4, **at).stderr
    shown = command("log", "init", LEDGER_LOG_KEY=str(tmp_path / "log" / "key"), **at).stdout
    assert run_bare(at, "log", "key") == shown
    assert "rotate" in run_bare(at, "log", "init", code=1)


def run_bare(settings: dict[str, str], *words: str, code: int = 0) -> str:
    """What a command says that works without a database's address."""
    done = subprocess.run(
        [LEDGER, *words], capture_output=True, text=True, timeout=100, env=environment(None, **settings)
    )
    assert done.returncode == code, done.stderr
    return str(done.stdout + done.stderr)


def test_keys_change_without_a_gap(service: Service, command: Command, path: Path) -> None:
    """For a while both pairs sign: whoever knows either is content. Then the new one signs alone, and goes on from the old one."""
    at = {"LEDGER_LOG_KEY": str(path), "LEDGER_ORIGIN": "ledger.example/a"}
    old = [VerifierKey.read(line) for line in command("log", "init", **at).stdout.split()]
    service.given(OPENED)
    assert len(verified(signed_by(service.location, path), old)) == 2
    both = [VerifierKey.read(line) for line in command("log", "rotate", **at).stdout.split()]
    new = [one for one in both if one not in old]
    assert (len(both), len(new)) == (4, 2)
    anchor = path.with_name("log.anchor").read_bytes()
    path.with_name("log.anchor").unlink()
    assert "signed no checkpoint yet" in command("log", "rotate", "--retire", code=1, **at).stderr
    path.with_name("log.anchor").write_bytes(anchor)
    assert "signed no checkpoint yet" in command("log", "rotate", "--retire", code=1, **at).stderr
    service.given(event("initiative.claim_recorded", "initiative:a", text="One"))
    note = signed_by(service.location, path)
    assert (len(verified(note, old)), len(verified(note, new))) == (2, 2)
    assert set(service.get("/log/key").text.split()) == {str(one) for one in both}
    assert command("log", "rotate", "--retire", **at).stdout.split() == [str(one) for one in new]
    service.given(event("initiative.claim_recorded", "initiative:a", text="Two"))
    note = signed_by(service.location, path)
    assert (verified(note, old), len(verified(note, new))) == ({}, 2)
    assert [one["size"] for one in service.get("/v1/checkpoints").json()["checkpoints"]] == [1, 2, 3]
