"""Transparency software that others wrote agrees with ours: trees, tiles, checkpoints, and who cosigns what."""

import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from signal import SIGKILL

import pytest

from ledger.proofs.merkle import consistency_proof, inclusion_proof, leaf_hash, root_of_hashes
from ledger.proofs.notes import ED25519, Note, SignerKey, VerifierKey, verified
from ledger.proofs.policy import Policy, Witness, check
from ledger.proofs.submission import path_of
from ledger.proofs.tiles import HEIGHT, WIDTH, bundle, bundles_between, grown
from ledger.witness.client import Contradicted, Cosigned, Unwilling
from ledger.witness.keeper import LOGS
from ledger.witness.offers import Log, Witnesses
from ledger.witness.post import Post
from tests.examples import event
from tests.peers import peers, ran_by, told_by
from tests.service import Service, listening
from tests.signing import Sign
from tests.standby import wait_until
from tests.witnesses import ORIGIN, Tree, asked, free_port, keys_of, served, until_it_answers

pytest_plugins = ["tests.service", "tests.signing"]

__all__ = ["peers"]
SIZE = 100
ENTRIES = [f"entry {number}".encode() for number in range(SIZE)]

TREES = """
import json, sys
from aics_tlog import MerkleTree
from pymerkle import InmemoryTree, InvalidProof

def leads_to(proof, *roots):
    try:
        proof.verify(*roots)
    except InvalidProof:
        return False
    return True

given = json.load(sys.stdin)
entries, roots = ([bytes.fromhex(one) for one in given[name]] for name in ("entries", "roots"))
sizes = range(1, len(entries) + 1)
theirs, tree = MerkleTree(entries), InmemoryTree()
for one in entries:
    tree.append_entry(one)
json.dump({
    "aics-tlog": {
        "roots": [theirs.root(size).hex() for size in sizes],
        "inclusion": [[[one.hex() for one in theirs.inclusion_proof(index, size)] for index in range(size)] for size in sizes],
        "consistency": [[[one.hex() for one in theirs.consistency_proof(old, size)] for old in range(1, size)] for size in sizes],
    },
    "pymerkle": {
        "roots": [tree.get_root(size).hex() for size in sizes],
        "inclusion": [[[one.hex() for one in tree.prove_inclusion(index + 1, size).path] for index in range(size)] for size in sizes],
        "mistaken": [
            (old, size, wrong) for size in sizes for old in range(1, size) for wrong in (0, 1)
            if leads_to(tree.prove_consistency(old, size), roots[old - 1], roots[size - 1 - wrong]) == bool(wrong)
        ],
    },
}, sys.stdout)
"""

VERIFIED = """
import json, sys
from types import SimpleNamespace
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore.errors import VerificationError
from aics_tlog import verify_consistency, verify_leaf_inclusion

def included(entry, index, size, root, hashes):
    proof = SimpleNamespace(log_index=index, tree_size=size, root_hash=root, hashes=hashes)
    try:
        verify_merkle_inclusion(SimpleNamespace(_inner=SimpleNamespace(inclusion_proof=proof, canonicalized_body=entry)))
    except VerificationError:
        return False
    return True

given = json.load(sys.stdin)
roots = [bytes.fromhex(one) for one in given["roots"]]
wrong = {"sigstore": [], "aics-tlog": []}
for entry, index, size, hashes in given["inclusion"]:
    entry, hashes = bytes.fromhex(entry), [bytes.fromhex(one) for one in hashes]
    for at in (size, size - 1 or 2):
        if included(entry, index, size, roots[at - 1], hashes) != (at == size):
            wrong["sigstore"].append((index, size, at))
        if bool(verify_leaf_inclusion(entry, index, size, hashes, roots[at - 1])) != (at == size):
            wrong["aics-tlog"].append((index, size, at))
for old, size, hashes in given["consistency"]:
    hashes = [bytes.fromhex(one) for one in hashes]
    if not verify_consistency(old, size, roots[old - 1], roots[size - 1], hashes):
        wrong["aics-tlog"].append((old, size))
json.dump(wrong, sys.stdout)
"""

CHECKPOINTS = """
import json, sys
from aics_tlog import parse_note, parse_vkey, verify_checkpoint
from sigstore._internal.rekor.checkpoint import SignedCheckpoint
given = json.load(sys.stdin)
note = given["note"]
theirs = SignedCheckpoint.from_text(note)
found = verify_checkpoint(parse_note(note.encode()), parse_vkey(given["log"]), [parse_vkey(given["witness"])], quorum=1)
json.dump([
    [theirs.checkpoint.origin, theirs.checkpoint.log_size, theirs.checkpoint.log_hash, len(theirs.signed_note.signatures)], found.ok
], sys.stdout)
"""

AUDIT = """
import json, sys
from aics_tlog import FileSystemTileReader, audit_tiles
given = json.load(sys.stdin)
audit_tiles(FileSystemTileReader(given["folder"]), given["size"], bytes.fromhex(given["root"]))
json.dump(True, sys.stdout)
"""

SUBMIT = """
import json, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from aics_tlog import Checkpoint, MerkleTree, sign_checkpoint
from aics_witness.feeder import FeederError, WitnessClient, merge_cosignatures
given = json.load(sys.stdin)
key, origin = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(given["seed"])), given["origin"]
client, told = WitnessClient(given["url"], given["witness"], max_attempts=1), []
for leaves, sizes in given["trees"]:
    tree = MerkleTree([one.encode() for one in leaves])
    for size in sizes:
        note = sign_checkpoint(Checkpoint(origin, size, tree.root(size)), key, origin).to_bytes()
        try:
            told.append(merge_cosignatures(note, client.submit(note, tree.consistency_proof)).decode())
        except FeederError as error:
            told.append([type(error).__name__, getattr(error, "status", None), getattr(error, "known_size", None)])
json.dump(told, sys.stdout)
"""


def hexes(hashes: list[bytes]) -> list[str]:
    return [one.hex() for one in hashes]


def node(level: int, at: int) -> bytes:
    return root_of_hashes(map(leaf_hash, ENTRIES[at << level : at + 1 << level]))


def test_trees_and_proofs_are_those_of_others(peers: Path) -> None:
    """In every size to a hundred: roots, proofs of every leaf, and proofs that it begins with every earlier one. Those of
    pymerkle have another form: they lead to our roots, and to no other.
    """
    sizes = range(1, SIZE + 1)
    roots = [root_of_hashes(map(leaf_hash, ENTRIES[:size])).hex() for size in sizes]
    told = told_by(peers, TREES, {"entries": hexes(ENTRIES), "roots": roots})
    inclusion = [[hexes(inclusion_proof(index, size, node)) for index in range(size)] for size in sizes]
    consistency = [[hexes(consistency_proof(old, size, node)) for old in range(1, size)] for size in sizes]
    assert told["aics-tlog"] == {"roots": roots, "inclusion": inclusion, "consistency": consistency}
    assert told["pymerkle"]["roots"] == roots
    leaves = hexes(list(map(leaf_hash, ENTRIES)))
    with_leaf = [[[leaves[index], *proof] for index, proof in enumerate(proofs)] for proofs in inclusion]
    assert told["pymerkle"]["inclusion"] == with_leaf
    assert told["pymerkle"]["mistaken"] == []


def test_others_verify_our_proofs(peers: Path) -> None:
    """And none of them with another tree's root."""
    sizes = range(1, SIZE + 1)
    given = {
        "roots": [root_of_hashes(map(leaf_hash, ENTRIES[:size])).hex() for size in sizes],
        "inclusion": [
            (ENTRIES[index].hex(), index, size, hexes(inclusion_proof(index, size, node)))
            for size in sizes
            for index in range(size)
        ],
        "consistency": [
            (old, size, hexes(consistency_proof(old, size, node))) for size in sizes for old in range(1, size)
        ],
    }
    assert told_by(peers, VERIFIED, given) == {"sigstore": [], "aics-tlog": []}


def test_others_read_our_tiles(peers: Path, tmp_path: Path) -> None:
    """A folder of tiles and bundles is audited from its first leaf to its root, by a tool that we did not write."""
    entries = [f"entry {number}".encode() for number in range(66_000)]
    leaves = [leaf_hash(one) for one in entries]
    for tile, hashes in grown(0, leaves, {}):
        put(tmp_path / "tile" / tile.path, hashes)
    for one in bundles_between(0, len(entries)):
        put(tmp_path / "tile" / one.path, bundle(entries[one.index << HEIGHT :][: min(one.width, WIDTH)]))
    given = {"folder": str(tmp_path), "size": len(entries), "root": root_of_hashes(leaves).hex()}
    assert told_by(peers, AUDIT, given) is True


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@dataclass
class Theirs:
    """A witness of the aics tools, in a process of its own."""

    peers: Path
    folder: Path
    witness: Witness
    running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert self.witness.url
        at = self.witness.url.removeprefix("http://")
        self.running = subprocess.Popen(
            [self.peers, "-I", "-m", "aics_witness", "serve", "--config", self.folder / "witness.json", "--listen", at],
            stderr=subprocess.DEVNULL,
        )
        until_it_answers(self.witness.url)

    def kill(self) -> None:
        if self.running is not None:
            self.running.send_signal(SIGKILL)
            self.running.wait(20)
            self.running = None


@pytest.fixture
def theirs(peers: Path, tmp_path: Path) -> Iterator[Theirs]:
    """A witness of the aics tools that runs, and knows our log by its Ed25519 key."""
    config = tmp_path / "witness.json"
    vkey = ran_by(peers, "aics_witness", "init", "--config", config, "--name", "witness.example.org/theirs").strip()
    key = keys_of(ORIGIN)[0].verifier
    ran_by(peers, "aics_witness", "add-log", "--config", config, "--origin", ORIGIN, "--vkey", key)
    url = f"http://127.0.0.1:{free_port()}"
    running = Theirs(peers, tmp_path, Witness("theirs", VerifierKey.read(vkey), url))
    running.start()
    yield running
    running.kill()


def test_their_witness_cosigns_our_checkpoints(theirs: Theirs) -> None:
    """Over HTTP, as the log grows, also after it was killed and started again, and where an answer was lost."""
    tree, one = Tree(), theirs.witness
    policy = Policy.read(f"log {keys_of(ORIGIN)[0].verifier}\nwitness t {one.key}\nquorum t\n".encode())
    for size, old in ((1, 0), (20, 1), (20, 20), (300, 20), (301, 0), (301, 300)):
        outcome = asked(one, tree, size, old)
        assert isinstance(outcome, Cosigned), outcome
        note = tree.checkpoint(size)
        cosigned = note._replace(signatures=(*note.signatures, outcome.signature))
        assert check(cosigned, policy).counts
        told = told_by(theirs.peers, CHECKPOINTS, {
            "note": str(cosigned), "log": str(keys_of(ORIGIN)[0].verifier), "witness": str(one.key),
        })  # fmt: skip
        assert told == [[ORIGIN, size, tree.root(size).hex(), 3], True]
    theirs.kill()
    assert isinstance(asked(one, tree, 302, 301), Unwilling)
    theirs.start()
    assert isinstance(asked(one, tree, 302, 301), Cosigned)


def test_their_witness_contradicts_a_log_that_was_put_back(theirs: Theirs) -> None:
    """A shorter tree gets 409 with its size, another one 422, before and after it was killed; and it shows what we had signed."""
    tree, fork, one = Tree(), Tree(forked_at=10), theirs.witness
    assert isinstance(asked(one, tree, 20), Cosigned)
    for _ in range(2):
        for log, size, status, named in ((tree, 15, 409, 20), (fork, 20, 422, None), (fork, 25, 422, None)):
            found = asked(one, log, size, 15)
            assert isinstance(found, Contradicted), found
            assert (found.answer.status, found.size) == (status, named)
            assert found.shown
            assert found.shown.text == tree.checkpoint(20).text
            assert verified(found.shown, [keys_of(ORIGIN)[0].verifier, one.key])
        theirs.kill()
        theirs.start()
    assert isinstance(asked(one, Tree("log.example/unknown"), 5), Unwilling)


@contextmanager
def offering(
    theirs: Theirs, tree: Tree, last: dict[str, Note], evidence: Path
) -> Iterator[tuple[Witnesses, list[object]]]:
    came: list[object] = []
    log = Log(tree.proof, lambda: 0, lambda *kept: came.append(kept[0]), lambda *found: came.append(found[1]), evidence)
    with Witnesses([theirs.witness], log, last) as witnesses:
        yield witnesses, came


def test_a_rollback_ends_in_their_answer_and_our_stop(theirs: Theirs, tmp_path: Path) -> None:
    """What is offered beside the signer is cosigned; after the log was put back it is stopped, and the evidence is kept."""
    with offering(theirs, Tree(), {}, tmp_path / "evidence") as (witnesses, came):
        for size in (10, 20):
            witnesses.offer(Tree().checkpoint(size))
            wait_until(partial(came.__contains__, size))
    with offering(theirs, Tree(forked_at=12), {"theirs": Tree().checkpoint(10)}, tmp_path / "evidence") as (
        witnesses,
        came,
    ):
        witnesses.offer(Tree(forked_at=12).checkpoint(14))
        wait_until(lambda: came)
    [path] = (tmp_path / "evidence").iterdir()
    assert came == [path]
    text = path.read_text()
    assert "status: 409\ntype: text/x.tlog.size\nits words:\n20\n" in text
    assert Tree().checkpoint(20).text in text


def test_our_witness_cosigns_what_they_submit(peers: Path, tmp_path: Path) -> None:
    """Their client gets our cosignatures, verified by it; and our refusals, as it knows them, where it submits a fork."""
    secret = SignerKey("log.example/theirs", ED25519, b"t" * 32)
    leaves = [f"entry {number}" for number in range(60)]
    fork = [*leaves[:10], "another", *leaves[11:]]
    with served(tmp_path / "witness") as running:
        running.stop()
        (running.folder / LOGS).write_text(f"log {secret.verifier}\n")
        running.start()
        ours = running.witnesses[0]
        told = told_by(peers, SUBMIT, {
            "seed": secret.seed.hex(), "origin": secret.name, "url": ours.url, "witness": str(ours.key),
            "trees": [(leaves, (1, 7, 7, 32, 60)), (fork, (60, 9)), (leaves, (60,))],
        })  # fmt: skip
        shown = Post(running.url).ask("GET", path_of(secret.name)).body
    *cosigned, other_root, shorter, again = told
    for text in (*cosigned, again):
        assert set(verified(Note.read(text), [secret.verifier, ours.key])) == {secret.verifier, ours.key}
    assert (other_root, shorter) == (["WitnessRejected", 422, None], ["WitnessAhead", None, 60])
    assert Note.read(shown).text == Note.read(again).text
    assert b64encode(root_of_hashes(leaf_hash(one.encode()) for one in leaves)).decode() in again


VERIFY = """
import json, sys
from aics_tlog import HttpTileReader, audit_tiles, parse_note, parse_vkey, verify_checkpoint
given = json.load(sys.stdin)
found = verify_checkpoint(parse_note(given["note"].encode()), parse_vkey(given["key"]), expected_origin=given["origin"])
if found.ok:
    audit_tiles(HttpTileReader(given["address"]), found.size, found.root)
json.dump([found.ok, found.size, found.root.hex()], sys.stdout)
"""


def test_others_audit_the_running_service(peers: Path, service: Service, sign: Sign) -> None:
    """Over HTTP, from the first entry to the signed root, with the log's own key."""
    service.given(event("initiative.reported", "initiative:a", name="A programme", kind="challenge"))
    service.given(*[event("initiative.claim_recorded", "initiative:a", text=f"Claim {one}") for one in range(600)])
    signer = sign()
    checkpoint = signer.round()
    assert checkpoint
    with listening(service) as (host, port):
        given = {
            "address": f"http://{host}:{port}/log", "note": service.get("/log/checkpoint").text,
            "key": min(service.get("/log/key").text.split(), key=len), "origin": checkpoint.origin,
        }  # fmt: skip
        assert told_by(peers, VERIFY, given) == [True, checkpoint.size, checkpoint.root.hex()]
