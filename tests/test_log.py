"""The log over HTTP: what others need to check it, in the formats of C2SP."""

import gzip
from base64 import b64decode
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from api.transfer.tiles import export_tiles
from ledger.proofs.checkpoint import Checkpoint, EntryProof
from ledger.proofs.merkle import leaf_hash, root_of_hashes, verify_consistency, verify_inclusion
from ledger.proofs.notes import Note, VerifierKey, verified
from ledger.proofs.tiles import Tile, bundles_between, tiles_between, unbundle
from projections.tree.signer import sign as sign_on
from tests.examples import INDUS_X, USA, event
from tests.service import Service, problem_of, running
from tests.signing import Sign
from tests.test_names import TALKS

pytest_plugins = ["tests.service", "tests.signing"]

OPENED = event("initiative.reported", "initiative:a", name="A programme", kind="challenge")


def claims(number: int) -> list[dict[str, Any]]:
    return [event("initiative.claim_recorded", "initiative:a", text=f"Claim {one}") for one in range(number)]


@pytest.fixture
def signed(service: Service, sign: Sign) -> Service:
    """A ledger of 301 entries, of which trees of 1 and 301 are signed."""
    service.given(OPENED)
    signer = sign()
    signer.round()
    service.given(*claims(300))
    signer.round()
    return service


def latest(service: Service) -> Checkpoint:
    response = service.get("/log/checkpoint")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    note, keys = Note.read(response.content), [VerifierKey.read(one) for one in service.get("/log/key").text.split()]
    assert len(verified(note, keys)) == 2
    return Checkpoint.read(note.text)


def test_the_tree_can_be_built_from_what_is_served(signed: Service) -> None:
    """Bundles hold the entries' very bytes, tiles their hashes, and both add up to the root of the signed checkpoint."""
    at = latest(signed)
    entries: list[bytes] = []
    for tile in bundles_between(0, at.size):
        response = signed.get(f"/log/tile/{tile.path}")
        assert response.headers["content-type"] == "application/octet-stream"
        assert "immutable" in response.headers["cache-control"]
        entries += unbundle(response.content)
    leaves = [leaf_hash(one) for one in entries]
    assert (at.size, at.root) == (301, root_of_hashes(leaves))
    assert [signed.get(f"/v1/events/{position}").content for position in (1, 2, 301)] == [
        entries[0],
        entries[1],
        entries[300],
    ]
    tiles = {tile.path: signed.get(f"/log/tile/{tile.path}").content for tile in tiles_between(0, at.size)}
    assert tiles["0/000"] + tiles["0/001.p/45"] == b"".join(leaves)
    assert tiles["1/000.p/1"] == root_of_hashes(leaves[:256])


def test_bundles_are_compressed_for_those_who_take_that(signed: Service) -> None:
    """The same bytes, in fewer; and each gets what it asked for, again and again."""
    path = "/log/tile/entries/000"
    for _ in range(2):
        plain = signed.client.get(path, headers={"Accept-Encoding": "identity"})
        packed = signed.client.get(path, headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.content == plain.content  # the client has unpacked it
        assert int(packed.headers["content-length"]) < len(plain.content) / 4
        assert packed.headers["vary"] == "Accept-Encoding"
        both = signed.client.get(path, headers={"Accept-Encoding": "gzip;q=0.5, zstd"})
        assert (both.headers["content-encoding"], both.content) == ("zstd", plain.content)
    assert gzip.decompress(gzip.compress(plain.content)) == plain.content


def test_a_bundle_is_bytes_whomever_its_entries_name(service: Service, sign: Sign) -> None:
    """Commitments and lengths go out as they are, to everybody."""
    service.given(USA, INDUS_X, *[TALKS | {"data": TALKS["data"] | {"title": "T" * size}} for size in (100, 200, 300)])
    sign().round()
    bodies = {
        service.client.get("/log/tile/entries/000.p/5", headers={"Accept-Encoding": form}).content
        for form in ("identity", "gzip")
    }
    [body] = bodies
    assert [leaf_hash(one) for one in unbundle(body)] == [
        leaf_hash(service.get(f"/v1/events/{position}").content) for position in range(1, 6)
    ]


def test_what_the_tree_has_not_is_not_there(signed: Service) -> None:
    """Tiles beyond the signed tree, and paths that name none."""
    for path in (
        "0/002",
        "0/001",
        "0/001.p/46",
        "1/000",
        "2/000.p/1",
        "entries/001",
        "0/1",
        "x",
        "",
        "entries/000.p/0",
    ):
        assert signed.get(f"/log/tile/{path}").status_code == 404, path
    for path in ("0/000.p/7", "0/001.p/45", "entries/001.p/3"):  # those of an earlier tree are served, too
        assert signed.get(f"/log/tile/{path}").status_code == 200, path


def test_entries_that_are_not_signed_yet_are_in_no_tile(signed: Service) -> None:
    """Until the next checkpoint the tree is that of the last one."""
    signed.given(*claims(5))
    assert signed.get("/log/tile/0/001.p/46").status_code == 404
    assert latest(signed).size == 301
    assert problem_of(signed.get("/v1/events/302/proof"), 404)["detail"]


def test_each_entry_has_a_proof(signed: Service) -> None:
    """Of each entry, in the last tree and in an earlier one; it names the entry's bytes, and leads to the signed root."""
    for position, size in ((1, None), (2, None), (256, None), (301, None), (1, 1)):
        response = signed.get(f"/v1/events/{position}/proof", **({"size": size} if size else {}))
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        proof = EntryProof.read(response.text)
        at = Checkpoint.read(proof.checkpoint.text)
        assert proof.entry == signed.get(f"/v1/events/{position}").content
        assert (proof.index, at.size) == (position - 1, size or 301)
        verify_inclusion(leaf_hash(proof.entry or b""), proof.index, at.size, proof.hashes, at.root)
    assert problem_of(signed.get("/v1/events/2/proof", size=1), 404)
    assert problem_of(signed.get("/v1/events/1/proof", size=7), 404)
    assert problem_of(signed.get("/v1/events/0/proof"), 404)


def test_checkpoints_are_consistent(signed: Service) -> None:
    """Every checkpoint is listed, page by page; of any two the later tree begins with the earlier one."""
    first = signed.get("/v1/checkpoints", limit=1).json()
    second = signed.get("/v1/checkpoints", after=first["next"]).json()
    assert second["next"] is None
    [one], [two] = first["checkpoints"], second["checkpoints"]
    assert (one["size"], two["size"]) == (1, 301)
    told = signed.get("/v1/consistency", **{"from": 1, "to": 301}).json()
    roots = [b64decode(told[side]["root"]) for side in ("from", "to")]
    assert roots == [b64decode(one["root"]), b64decode(two["root"])]
    verify_consistency(1, 301, roots[0], roots[1], [b64decode(one) for one in told["hashes"]])
    assert problem_of(signed.get("/v1/consistency", **{"from": 301, "to": 1}), 422)
    assert problem_of(signed.get("/v1/consistency", **{"from": 2, "to": 301}), 404)


def test_an_answer_names_a_signed_tree_that_holds_what_it_rests_on(service: Service, sign: Sign) -> None:
    """Once there is one, also where the answer was kept from before."""
    service.given(OPENED)
    for path in ("/v1/initiatives/a", "/v1/initiatives/a?known_at=1&valid_at=2030-01-01"):
        assert service.get(path).json()["basis"]["checkpoint"] is None
    signer = sign()
    signer.round()
    for path in ("/v1/initiatives/a", "/v1/initiatives/a?known_at=1&valid_at=2030-01-01"):
        told = service.get(path).json()["basis"]["checkpoint"]
        assert (told["size"], b64decode(told["root"])) == (1, latest(service).root)
    service.given(*claims(1))
    assert service.get("/v1/initiatives/a").json()["basis"]["checkpoint"] is None
    assert service.get("/v1/initiatives/a", known_at=1).json()["basis"]["checkpoint"]["size"] == 1


def test_an_append_can_wait_for_its_proof(service: Service, key: Path) -> None:
    """With ``Prefer: wait=5`` the answer has a proof of each event; without a signer it comes all the same, in time."""
    told = service.post(OPENED, prefer="wait=1")
    assert (told.status_code, "preference-applied" in told.headers) == (201, False)
    assert "proof" not in told.json()["events"][0]
    stop = Event()
    thread = Thread(target=sign_on, args=(service.location, key, 0.1, stop))
    thread.start()
    try:
        told = service.post(*claims(3), prefer="wait=10")
    finally:
        stop.set()
        thread.join()
    assert told.headers["preference-applied"] == "wait=10"
    for one in told.json()["events"]:
        proof = EntryProof.read(one["proof"])
        assert proof.index == one["position"] - 1
        assert proof.entry == service.get(f"/v1/events/{one['position']}").content


def test_where_nothing_is_signed(service: Service) -> None:
    """Whoever asks is told that it needs a process with the key."""
    service.given(OPENED)
    for path in ("/log/checkpoint", "/log/key", "/log/tile/0/000.p/1", "/v1/events/1/proof"):
        assert "LEDGER_LOG_KEY" in problem_of(service.get(path), 404)["detail"]
    assert service.get("/v1/checkpoints").json() == {"checkpoints": [], "next": None}
    assert service.get("/v1/health").json()["signed"] is None


def test_health_says_why_the_log_is_stopped(signed: Service) -> None:
    """And appends are refused with what to look at, while reads go on."""
    assert signed.get("/v1/health").json()["signed"]["size"] == 301
    with signed.location.connect() as connection:
        connection.execute("update head set stopped_at = size, stopped_reason = 'it was put back'")
    told = signed.get("/v1/health")
    assert (told.status_code, told.json()["status"], told.json()["why"]) == (503, "stopped", "it was put back")
    assert "/v1/health" in problem_of(signed.post(*claims(1)), 503)["detail"]
    assert signed.get("/v1/initiatives/a").status_code == 200
    assert "put back" in signed.get("/v1/ready").json()["appends"]["why"]


def test_tiles_need_a_key_where_reads_do(signed: Service) -> None:
    """They hold all entries; and no cache of others may keep them."""
    assert signed.get("/log/tile/0/000").headers["cache-control"].startswith("public")
    with running(signed.location, public_reads=False) as closed:
        for path in ("/log/checkpoint", "/log/key", "/log/tile/0/000", "/v1/events/1/proof", "/v1/checkpoints"):
            assert problem_of(closed.get(path), 401)
            told = closed.get(path, {"Authorization": "Bearer an-admin-key-for-tests"})
            assert told.headers["cache-control"].startswith("private")


def test_what_has_not_changed_is_served_without_asking_again(signed: Service, asked: list[Any]) -> None:
    """Nothing is asked beyond the look-up that all requests share: of tiles and bundles as long as the log lives, of the checkpoint
    and of proofs until something is recorded.
    """

    def questions(path: str) -> int:
        asked.clear()
        assert signed.get(path).status_code == 200
        return len(asked)

    tiles = [f"/log/tile/{one.path}" for one in (*tiles_between(0, 301), *bundles_between(0, 301))]
    paths = [*tiles, "/v1/consistency?from=1&to=301", "/log/checkpoint", "/log/key", "/v1/events/1/proof"]
    assert all(questions(path) for path in paths)
    assert {path: questions(path) for path in paths} == dict.fromkeys(paths, 0)
    signed.given(*claims(1))
    assert {path: questions(path) for path in paths[:-3]} == dict.fromkeys(paths[:-3], 0)
    assert all(questions(path) for path in paths[-3:])


def test_a_directory_of_tiles_is_what_the_service_answers(signed: Service, sign: Sign, tmp_path: Path) -> None:
    """Each file equals the answer byte for byte; the next export adds what is new."""
    with signed.location.pool(1) as pool:
        for more in (0, 300):
            if more:
                signed.given(*claims(more))
                sign().round()
            size, _ = export_tiles(pool, tmp_path / "static", lambda done: None)
            assert size == latest(signed).size
            files = [one for one in (tmp_path / "static").rglob("*") if one.is_file()]
            assert {
                Tile.read(str(one.relative_to(tmp_path / "static/tile"))) for one in files if "tile" in one.parts
            } >= {
                *tiles_between(0, size),
                *bundles_between(0, size),
            }
            for one in files:
                assert one.read_bytes() == signed.get(f"/log/{one.relative_to(tmp_path / 'static')}").content
