"""The log and its witnesses: their cosignatures are served, a witness that is down delays nobody, and one that knows better stops it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from api.cli.signing import signing
from api.transfer.tiles import export_tiles
from ledger.database.connection import Connection
from ledger.errors import NotAsSigned
from ledger.proofs.notes import Note, VerifierKey
from ledger.proofs.policy import Policy, check
from ledger.settings import Settings
from projections.tree.keys import Anchor, LogKeys
from tests.commands import Command
from tests.examples import event
from tests.service import Service, problem_of
from tests.signing import tamper
from tests.standby import wait_until
from tests.witnesses import NAME, Served, free_port, served

pytest_plugins = ["tests.commands", "tests.service", "tests.signing"]

OPENED = event("initiative.reported", "initiative:a", name="A programme", kind="challenge")


def claims(number: int) -> list[dict[str, Any]]:
    return [event("initiative.claim_recorded", "initiative:a", text=f"Claim {one}") for one in range(number)]


@pytest.fixture
def witness(tmp_path: Path, key: Path) -> Iterator[Served]:
    """A running witness that knows the log."""
    with served(tmp_path / "witness") as one:
        lines = [f"log {secret.verifier}\n" for secret in LogKeys.read(key).keys]
        (one.folder / "logs").write_text("".join(lines))
        one.stop()
        one.start()
        yield one


def policy_of(witness: Served, key: Path, path: Path) -> Path:
    """A policy in which both of the witness's keys must have cosigned, and another witness is nowhere to be found."""
    stranger = VerifierKey("nobody.example/w", 4, b"\x01" * 32)
    lines = [f"log {secret.verifier}" for secret in LogKeys.read(key).keys]
    lines += [f"witness {one.name} {one.key} {one.url}" for one in witness.witnesses]
    lines += [f"witness down {stranger} http://127.0.0.1:{free_port()}"]
    lines += [f"group both all {' '.join(one.name for one in witness.witnesses)}", "quorum both"]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@contextmanager
def signed_by(service: Service, key: Path, policy: Path) -> Iterator[Event]:
    stop = Event()
    settings = Settings(log_key=key, witnesses=policy, checkpoint_interval=0.1)
    with signing(service.location, settings, stop):
        yield stop


def size_cosigned(service: Service) -> int:
    """The size of the last checkpoint, once both keys of the witness have cosigned it."""
    told = service.get("/v1/health").json()["signed"]
    seen = [one["size"] for one in told["witnesses"] if one["name"].startswith(NAME)] if told else []
    return int(told["size"]) if len(seen) == 2 and set(seen) == {told["size"]} else 0


def test_cosignatures_are_served(
    service: Service, witness: Served, key: Path, tmp_path: Path, command: Command
) -> None:
    """With the checkpoint, by the service and in an export; and whoever has the policy finds its quorum."""
    policy = policy_of(witness, key, tmp_path / "policy")
    service.given(OPENED)
    with signed_by(service, key, policy):
        for size in (1, 301):
            wait_until(lambda size=size: size_cosigned(service) == size)  # type: ignore[misc]
            note = Note.read(service.get("/log/checkpoint").content)
            held = check(note, Policy.read(policy.read_bytes()))
            assert (held.checkpoint.size, held.has_quorum, len(held.signed)) == (size, True, 2)
            assert set(held.cosigned) == {one.name for one in witness.witnesses}
            if size == 1:
                service.given(*claims(300))
    with service.location.pool(1) as pool:
        export_tiles(pool, tmp_path / "tiles", lambda done: None)
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    assert "all 301 entries" in command("verify", tmp_path / "tiles", "--policy", policy, **state).stderr


def test_a_witness_that_is_down_delays_nothing(service: Service, witness: Served, key: Path, tmp_path: Path) -> None:
    """Checkpoints are signed and served without it; once it is back, it is offered the newest."""
    policy = policy_of(witness, key, tmp_path / "policy")
    witness.stop()
    service.given(OPENED)
    with signed_by(service, key, policy):
        wait_until(lambda: (service.get("/v1/health").json()["signed"] or {}).get("size") == 1)
        service.given(*claims(5))
        wait_until(lambda: service.get("/v1/health").json()["signed"]["size"] == 6)
        assert size_cosigned(service) == 0
        witness.start()
        wait_until(lambda: size_cosigned(service) == 6)


def test_a_witness_knows_what_the_database_and_the_anchor_have_forgotten(
    service: Service, witness: Served, key: Path, tmp_path: Path, superuser: Connection
) -> None:
    """A restored copy, and an anchor that went with it: the witness contradicts the first checkpoint that is not what it has seen,
    the log stops, and the evidence is kept beside the key."""
    policy = policy_of(witness, key, tmp_path / "policy")
    service.given(OPENED, *claims(9))
    with signed_by(service, key, policy):
        wait_until(lambda: size_cosigned(service) == 10)
    tamper(
        superuser, "delete from entries where position > 5", "truncate cosignatures, checkpoints cascade",
        "update head set size = 5, recorded_at = (select max(recorded_at) from entries)",
    )  # fmt: skip
    Anchor(key).path.unlink()
    assert service.post(*claims(9)).status_code == 201
    stop = Event()
    with pytest.raises(NotAsSigned, match="witness"), signing(
        service.location, Settings(log_key=key, witnesses=policy, checkpoint_interval=0.1), stop
    ):  # fmt: skip
        assert stop.wait(30)
    kept = list(key.with_name(f"{key.name}.evidence").glob("*.txt"))
    assert all("--- the checkpoint that was submitted ---" in one.read_text() for one in kept)
    health = service.get("/v1/health").json()
    assert health["status"] == "stopped"
    assert any(str(one) in health["why"] for one in kept)
    assert problem_of(service.post(*claims(1)), 503)
