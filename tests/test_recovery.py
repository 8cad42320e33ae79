"""A log that was put back: nobody signs it, nobody appends to it, and what was signed comes back byte for byte from a copy of the tiles."""

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Any

import pytest

from ledger.database.connection import Connection, LedgerLocation
from ledger.errors import NotAsSigned
from projections.tree.keys import Anchor, LogKeys
from projections.tree.signer import Signer, check_signed
from projections.tree.signer import sign as sign_on
from tests.commands import Command, lines_of, run
from tests.examples import INDUS_X, THX, USA, event
from tests.service import ADMIN, Service, problem_of
from tests.signing import ORIGIN, Sign, claims, exported, put_back, tamper
from tests.standby import wait_until
from tests.test_names import TALKS

pytest_plugins = ["tests.commands", "tests.service", "tests.signing"]


@pytest.fixture
def signed(service: Service, sign: Sign) -> Service:
    """A ledger of 304 entries, all of them signed; the fourth names two persons."""
    service.given(THX, USA, INDUS_X)
    sign().round()
    service.given(TALKS, *claims(300))
    sign().round()
    return service


def export(command: Command) -> str:
    return command("export").stdout


def test_a_ledger_that_was_put_back_stops_and_says_so(
    signed: Service, superuser: Connection, command: Command, key: Path
) -> None:
    """Whoever signs ends with code 3 and what to do; health says it, too, and nothing is recorded meanwhile."""
    put_back(superuser, 100)
    told = command("follow", code=3, LEDGER_LOG_KEY=str(key)).stderr
    assert "the database has 100 entries, and 304 were signed" in told
    assert "ledger log recover" in told
    health = signed.get("/v1/health").json()
    assert (health["status"], "304 were signed" in health["why"]) == ("stopped", True)
    assert "nothing was recorded" in problem_of(signed.post(*claims(1)), 503)["detail"]
    assert signed.get("/v1/events/100").status_code == 200


def test_a_running_signer_notices(signed: Service, superuser: Connection, key: Path) -> None:
    """Within a round, though the process goes on, it stops the log, and the anchor stays what it was."""
    anchored = Anchor(key).path.read_text()
    stop, why = Event(), list[str]()
    thread = Thread(target=sign_on, args=(signed.location, key, 0.1, stop, why.append))
    thread.start()
    try:
        wait_until(lambda: _is_signing(superuser))
        put_back(superuser, 100)
        began = monotonic()
        wait_until(lambda: bool(why))
        assert monotonic() - began < 10
    finally:
        stop.set()
        thread.join()
    assert Anchor(key).path.read_text() == anchored
    assert problem_of(signed.post(*claims(1)), 503)


def _is_signing(superuser: Connection) -> bool:
    row = superuser.execute("select count(*) from pg_locks where locktype = 'advisory' and granted").fetchone()
    return row is not None and row[0] > 0


@pytest.mark.parametrize("size", [100, 3, 256])
def test_what_was_signed_comes_back(
    size: int,
    signed: Service,
    tiles: Path,
    superuser: Connection,
    command: Command,
    sign: Sign,
    key: Path,
    tmp_path: Path,
) -> None:
    """Byte for byte, with the signed root; names that were in no tile are marked as lost; then the log goes on."""
    before = export(command)
    put_back(superuser, size)
    command("follow", code=3, LEDGER_LOG_KEY=str(key))
    told = command("log", "recover", tiles, LEDGER_LOG_KEY=str(key)).stderr
    assert f"{304 - size} entries came back" in told
    assert export(command) == before
    lost = superuser.execute("select pointer from lost_disclosures order by pointer").fetchall()
    assert len(lost) == (2 if size == 3 else 0)
    assert ("names of persons" in told) == (size == 3)
    audited = command("audit", "--against", tiles, "--log-key", tiles / "key", XDG_STATE_HOME=str(tmp_path / "state"))
    assert (
        f"names of persons: {0 if size == 3 else 2} verified, 0 erased, {2 if size == 3 else 0} lost" in audited.stderr
    )
    while signed.follower.step():
        pass
    shown = signed.get("/v1/meetings/talks", ADMIN).json()["participants"]
    assert [sorted({"lost", "name"} & one["person"].keys()) for one in shown] == [["lost" if size == 3 else "name"]] * 2
    signed.given(*claims(1))
    checkpoint = sign().round()
    assert checkpoint
    assert checkpoint.size == 305
    assert signed.get("/v1/checkpoints").json()["checkpoints"][-1]["size"] == 305
    assert signed.get("/v1/health").json()["epoch"]["count"] > 1


def test_what_was_recorded_meanwhile_is_not_overwritten(
    signed: Service, tiles: Path, superuser: Connection, command: Command, key: Path
) -> None:
    """Where others were recorded after the backup, before anybody noticed, nothing is recovered over them, and nothing is lost."""
    put_back(superuser, 100)
    assert signed.post(*claims(2)).status_code == 201
    before = export(command)
    assert (
        "entry 101 of the database is another"
        in command("log", "recover", tiles, code=3, LEDGER_LOG_KEY=str(key)).stderr
    )
    assert export(command) == before


def test_only_what_the_log_has_signed_is_recovered(
    signed: Service, tiles: Path, superuser: Connection, command: Command, key: Path, tmp_path: Path
) -> None:
    """Neither a copy with one other byte, nor another key's, nor one that is behind the anchor; and a whole log needs none."""
    assert "nothing is missing" in command("log", "recover", tiles, code=1, LEDGER_LOG_KEY=str(key)).stderr
    put_back(superuser, 100)
    before = export(command)
    bundle = tiles / "tile/entries/001.p/48"
    whole = bundle.read_bytes()
    bundle.write_bytes(whole.replace(b"Claim 299", b"Claim 298"))
    assert "entry 304" in command("log", "recover", tiles, code=3, LEDGER_LOG_KEY=str(key)).stderr
    bundle.write_bytes(whole)
    other = tmp_path / "other"
    LogKeys.new("ledger.example/a").write(other)
    assert "none of the keys" in command("log", "recover", tiles, code=3, LEDGER_LOG_KEY=str(other)).stderr
    assert export(command) == before


def test_only_a_copy_that_begins_with_the_anchor_is_recovered(
    signed: Service, superuser: Connection, command: Command, sign: Sign, key: Path, tmp_path: Path
) -> None:
    """A fork that was signed with the same key is refused, whole, and the anchor stays what it was: it is the evidence."""
    anchored = Anchor(key).path.read_text()
    put_back(superuser, 100)
    Anchor(key).path.unlink()  # somebody signs a fork on the copy
    assert signed.post(*claims(250)).status_code == 201
    sign().round()
    exported(signed.location, tmp_path / "fork")
    put_back(superuser, 100)
    Anchor(key).path.write_text(anchored)
    assert (
        "had signed another tree"
        in command("log", "recover", tmp_path / "fork", code=3, LEDGER_LOG_KEY=str(key)).stderr
    )
    assert Anchor(key).path.read_text() == anchored
    assert command("export").stdout.count("\n") == 100


def test_a_stop_ends_with_its_cause(
    signed: Service, superuser: Connection, command: Command, sign: Sign, key: Path
) -> None:
    """Once the entries are again what was signed, `ledger log resume` lets the log go on, in another epoch; not before."""
    at = {"LEDGER_LOG_KEY": str(key)}
    tamper(
        superuser, "update entries set body = replace(body::text, 'Claim 7\"', 'Claim 8\"')::json where position = 12"
    )
    assert "ledger log resume" in command("follow", code=3, **at).stderr
    assert "not those that were signed" in command("log", "resume", "--reason", "why not", code=3, **at).stderr
    tamper(
        superuser, "update entries set body = replace(body::text, 'Claim 8\"', 'Claim 7\"')::json where position = 12"
    )
    assert command("follow", code=3, **at).stderr  # it was stopped, and stays so until somebody says otherwise
    command("log", "resume", "--reason", "the entry was put back", **at)
    assert signed.post(*claims(1)).status_code == 201
    assert sign().round()
    assert "the entry was put back" in signed.get("/v1/health").json()["epoch"]["reason"]


def test_another_log_begins_where_two_pasts_exclude_each_other(
    signed: Service, superuser: Connection, command: Command, key: Path, tmp_path: Path
) -> None:
    """With a new key of another origin; the old checkpoints stay, and say what was signed."""
    put_back(superuser, 100)
    assert signed.post(*claims(2)).status_code == 201
    assert "304 were signed" in command("follow", code=3, LEDGER_LOG_KEY=str(key)).stderr
    at = {"LEDGER_LOG_KEY": str(tmp_path / "keys" / "second"), "LEDGER_ORIGIN": "ledger.example/second"}
    command("log", "init", **at)
    resumed = command("log", "resume", "--reason", "a backup was put back, and others had recorded by then", **at)
    assert "entry 103 tells which one it follows" in resumed.stderr
    assert signed.post(*claims(1)).status_code == 201
    with signed.location.connect(patient=True) as connection:
        checkpoint = Signer(connection, Path(at["LEDGER_LOG_KEY"])).round()
    assert checkpoint
    assert (checkpoint.origin, checkpoint.size) == ("ledger.example/second", 104)
    assert signed.get("/log/checkpoint").text.startswith("ledger.example/second\n104\n")


@pytest.fixture
def begun(signed: Service, superuser: Connection, command: Command, tmp_path: Path) -> dict[str, Any]:
    """Another log that began at entry 103; the one before was signed at 3 and 304 entries. The entry that tells so."""
    put_back(superuser, 100)
    assert signed.post(*claims(2)).status_code == 201
    at = {"LEDGER_LOG_KEY": str(tmp_path / "keys" / "second"), "LEDGER_ORIGIN": "ledger.example/second"}
    command("log", "init", **at)
    command("log", "resume", "--reason", "a backup was put back", **at)
    command("log", "resume", "--reason", "it is told once", **at)
    command("rebuild")
    with signed.location.connect(patient=True) as connection:
        assert Signer(connection, Path(at["LEDGER_LOG_KEY"])).round()
    assert signed.size() == 103
    told: dict[str, Any] = signed.get("/v1/events/103").json()
    return told


def test_the_first_entry_of_another_log_tells_of_the_one_before(
    begun: dict[str, Any], signed: Service, superuser: Connection
) -> None:
    """By whom the ledger was signed, the last size and root on which both agree, why, and about the last entry that they share."""
    [(root,)] = superuser.execute("select root from checkpoints where size = 3").fetchall()
    told = {name: begun["data"][name] for name in ("origin", "before", "size", "root", "reason")}
    assert (begun["type"], begun["authtype"]) == ("entry.log_begun", "system")
    assert told == {
        "origin": "ledger.example/second", "before": ORIGIN, "size": 3, "root": b64encode(root).decode(),
        "reason": "a backup was put back",
    }  # fmt: skip
    target = signed.get("/v1/events/3").json()
    assert (begun["subject"], begun["data"]["target"]) == (target["subject"], target["id"])


def test_such_an_entry_changes_nothing_else(
    begun: dict[str, Any], signed: Service, command: Command, new_location: Callable[[], LedgerLocation], tmp_path: Path
) -> None:
    """It is shown in histories and replays, audited, exported and imported like any other; the state is what it was."""
    kind, _, name = begun["subject"].partition(":")
    history = signed.get(f"/v1/{kind}s/{name}/history").json()["items"]
    [corrections] = [item["corrections"] for item in history if item["event"]["sequence"].endswith("0003")]
    assert [(one["type"], one["reason"]) for one in corrections] == [("entry.log_begun", "a backup was put back")]
    state = signed.get(f"/v1/{kind}s/{name}").json()
    before = signed.get(f"/v1/{kind}s/{name}", known_at=102).json()
    assert {**state, "version": 0, "basis": 0} == {**before, "version": 0, "basis": 0}
    assert "entry.log_begun" in command("replay").stdout
    assert "entry.log_begun" in command("history", begun["subject"]).stdout
    assert export(command).count('"type":"entry.log_begun"') == 1
    assert "nothing found" in run(signed.location, "audit").stderr
    other, target = new_location(), begun["data"]["target"]
    data = {name: begun["data"][name] for name in ("target", "origin", "before", "size", "root", "reason")}
    again = event("entry.log_begun", begun["subject"], sources=[], **data)
    run(other, "import", lines_of(tmp_path / "lines", THX, USA, INDUS_X | {"id": target}, again))
    assert run(other, "export").stdout.count('"type":"entry.log_begun"') == 1
    assert "nothing found" in run(other, "audit").stderr


def test_where_nothing_is_shared_that_is_told(
    signed: Service, superuser: Connection, command: Command, tmp_path: Path
) -> None:
    """Though the first entry is another: the size is 0, and the root that of the empty tree."""
    tamper(
        superuser, "update entries set body = replace(body::text, 'An article', 'A leaflet')::json where position = 1"
    )
    at = {"LEDGER_LOG_KEY": str(tmp_path / "keys" / "second"), "LEDGER_ORIGIN": "ledger.example/second"}
    command("log", "init", **at)
    command("log", "resume", "--reason", "an entry was altered", **at)
    told = signed.get("/v1/events/305").json()
    assert (told["data"]["size"], told["data"]["root"]) == (0, b64encode(sha256(b"").digest()).decode())
    assert told["subject"] == "source:thx"


def test_whoever_serves_with_the_key_looks_first(signed: Service, superuser: Connection, key: Path) -> None:
    """Before the first append is taken, though another process signs."""
    put_back(superuser, 100)
    with pytest.raises(NotAsSigned):
        check_signed(signed.location, key)
    assert problem_of(signed.post(*claims(1)), 503)
