"""The Merkle tree, its proofs, its tiles, and signed notes: against other people's vectors, and against a slow tree."""

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

from ledger.proofs.checkpoint import Checkpoint, EntryProof
from ledger.proofs.merkle import (
    EMPTY_ROOT,
    BadProof,
    Node,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    root_of_hashes,
    verify_consistency,
    verify_inclusion,
)
from ledger.proofs.notes import (
    ED25519,
    ED25519_COSIGNATURE,
    ML_DSA_44,
    BadNote,
    Note,
    SignerKey,
    VerifierKey,
    signed,
    verified,
)
from ledger.proofs.tiles import HEIGHT, WIDTH, BadTile, Tile, bundle, grown, node_from, tiles_between, unbundle

SIZE = 300
LEAVES = [leaf_hash(str(number).encode()) for number in range(70_000)]


def slow_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word by word."""
    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY_ROOT
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(slow_root(leaves[:split]), slow_root(leaves[split:]))


def tiles_of(size: int, dice: Random) -> dict[tuple[int | None, int], bytes]:
    """The tiles of a tree that has grown by chance."""
    tiles: dict[tuple[int | None, int], bytes] = {}
    at = 0
    while at < size:
        more = min(dice.randint(1, max(size // 5, 1)), size - at)
        edge = {
            level: tiles[level, (at >> HEIGHT * level) // WIDTH] for level in range(4) if (at >> HEIGHT * level) % WIDTH
        }
        tiles |= {(tile.level, tile.index): hashes for tile, hashes in grown(at, LEAVES[at : at + more], edge)}
        at += more
    return tiles


def node_of(tiles: dict[tuple[int | None, int], bytes]) -> Node:
    return node_from(lambda level, index: tiles[level, index])


def cases(shared: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((shared / "merkle" / "testdata").rglob("*.json")):
        yield str(path), json.loads(path.read_text())


def decoded(text: str | None) -> bytes:
    return b64decode(text or "")


def test_other_peoples_proofs(shared: Path) -> None:
    """All 196 are accepted or rejected as their authors say."""
    wrong, counted = [], 0
    for path, case in cases(shared):
        proof = [decoded(one) for one in case["proof"] or ()]
        try:
            if "leafIdx" in case:
                verify_inclusion(
                    decoded(case["leafHash"]), case["leafIdx"], case["treeSize"], proof, decoded(case["root"])
                )
            else:
                roots = decoded(case["root1"]), decoded(case["root2"])
                verify_consistency(case["size1"], case["size2"], *roots, proof)
            accepted = True
        except BadProof:
            accepted = False
        counted += 1
        if accepted == case["wantErr"]:
            wrong.append(path)
    assert (counted, wrong) == (196, [])


def test_reference_roots(shared: Path) -> None:
    """The roots of the reference trees of 0 to 8 leaves."""
    known = json.loads((shared / "merkle" / "reference_vectors.json").read_text())
    hashes = [leaf_hash(bytes.fromhex(one)) for one in known["leaf_inputs_hex"]]
    assert [root_of_hashes(hashes[:size]).hex() for size in range(9)] == known["root_hashes_hex_by_size"]


def test_every_proof_in_every_size() -> None:
    """Of each leaf and each earlier size, in trees of up to 300 leaves; and, of every seventh of them, for no other leaf or root."""
    node = node_of(tiles_of(SIZE, Random(1)))
    roots = [slow_root(LEAVES[:size]) for size in range(SIZE + 1)]
    for size in range(SIZE + 1):
        assert root(size, node) == roots[size] == root_of_hashes(LEAVES[:size])
        for index in range(size):
            proof = inclusion_proof(index, size, node)
            verify_inclusion(LEAVES[index], index, size, proof, roots[size])
            if (size + index) % 7 == 0:
                with pytest.raises(BadProof):
                    verify_inclusion(LEAVES[index + 1], index, size, proof, roots[size])
        for old in range(1, size):
            proof = consistency_proof(old, size, node)
            verify_consistency(old, size, roots[old], roots[size], proof)
            if (size + old) % 7 == 0:
                with pytest.raises(BadProof):
                    verify_consistency(old, size, roots[old - 1], roots[size], proof)


def test_tiles_are_those_of_a_slow_tree() -> None:
    """However a tree has grown, its tiles hold what the specification says: also where a level is full, and across levels."""
    for number, size in enumerate((1, 255, 256, 257, 511, 65_535, 65_536, 65_537, 70_000)):
        tiles = tiles_of(size, Random(number))
        assert root(size, node_of(tiles)) == slow_root(LEAVES[:size])
        wanted = list(tiles_between(0, size))
        assert {(tile.level, tile.index) for tile in wanted} == set(tiles)
        assert all(len(tiles[tile.level, tile.index]) == 32 * tile.width for tile in wanted)
        assert all(tile.is_in(size) for tile in wanted)
    assert [tile.width for tile in wanted] == [256] * 273 + [112, 256, 17, 1]  # the specification's own example


def test_a_tree_names_the_tiles_that_it_adds() -> None:
    """What a tree has and an earlier one had not, each tile in its widest form; and nothing where nothing was added."""
    for old, size in ((0, 1), (5, 5), (255, 256), (256, 257), (300, 70_000)):
        added = set(tiles_between(old, size))
        assert added == set(tiles_between(0, size)) - set(tiles_between(0, old))


def test_paths_of_tiles() -> None:
    """Each tile has one path, and what is none is refused."""
    for tile, path in (
        (Tile(0, 1_234_067), "0/x001/x234/067"),
        (Tile(1, 5, 17), "1/005.p/17"),
        (Tile(None, 999), "entries/999"),
        (Tile(63, 1_000, 1), "63/x001/000.p/1"),
    ):
        assert (tile.path, Tile.read(path)) == (path, tile)
    for path in (
        "0/1", "0/0001", "64/001", "00/001", "0/x000/001", "0/001.p/0", "0/001.p/256", "0/001.p/01", "0/001.p/1/", "0/x001",
        "entries", "0/\u0660\u0660\u0661", "0/001\n", "-1/001", "",
    ):  # fmt: skip
        with pytest.raises(BadTile):
            Tile.read(path)


def test_bundles() -> None:
    """Entries come out of a bundle as they went in; one that is cut short is none."""
    entries = [b"", b"a", b"x" * 65_535]
    assert unbundle(bundle(entries)) == entries
    with pytest.raises(BadTile):
        unbundle(bundle(entries)[:-1])


# --- signed notes


def test_an_example_of_the_specification() -> None:
    """The note that c2sp.org/signed-note shows is read and written back byte for byte."""
    text = (
        "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned \u00e8 subito sera.\n\n"
        "\u2014 quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
    )
    note = Note.read(text)
    assert str(note) == text
    assert note.text.endswith("sera.\n")
    assert [one.name for one in note.signatures] == ["quasimodo.example/salvatore"]


@pytest.mark.parametrize("type_", [ED25519, ED25519_COSIGNATURE, ML_DSA_44])
def test_signatures(type_: int) -> None:
    """What a key has signed is verified by its public key, with its time; and no other text, time or name is."""
    secret = SignerKey("log.example/a", type_, b"7" * 32)
    public = VerifierKey.read(str(secret.verifier))
    text = Checkpoint("log.example/a", 5, root_of_hashes(LEAVES[:5])).text
    note = Note.read(str(signed(text, [SignerKey.read(secret.encode())], 1_700_000_000)))
    assert verified(note, [public]) == {public: 0 if type_ == ED25519 else 1_700_000_000}
    other = Checkpoint("log.example/a", 6, root_of_hashes(LEAVES[:5])).text
    with pytest.raises(BadNote):
        verified(note._replace(text=other), [public])
    stranger = SignerKey("log.example/b", type_, b"7" * 32).verifier
    assert verified(note, [stranger]) == {}
    if type_ != ED25519:
        [one] = note.signatures
        later = one._replace(signature=one.signature[:7] + b"\xff" + one.signature[8:])
        with pytest.raises(BadNote):
            verified(note._replace(signatures=(later,)), [public])


def test_a_wrong_signature_of_a_known_key_voids_the_note() -> None:
    """Though another one is right: a note is what all known keys say it is, or nothing."""
    keys = [SignerKey("log.example/a", type_, b"7" * 32) for type_ in (ED25519, ML_DSA_44)]
    note = signed(Checkpoint("log.example/a", 5, LEAVES[0]).text, keys, 1)
    right, wrong = note.signatures
    broken = wrong._replace(signature=wrong.signature[:-1] + bytes([wrong.signature[-1] ^ 1]))
    with pytest.raises(BadNote):
        verified(note._replace(signatures=(right, broken)), [key.verifier for key in keys])


@given_any(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
@settings(deadline=None, max_examples=300)
def test_what_is_no_note_is_refused_as_that(data: bytes) -> None:
    """Whatever bytes come, they are read or refused; what is read is written back as it came."""
    for whole in (data, b"a\n\n\xe2\x80\x94 name " + data + b"\n"):
        try:
            assert str(Note.read(whole)).encode() == whole
        except BadNote:
            continue


@pytest.mark.parametrize(
    "text",
    [
        "a+00000000+AQ==", "", "a", "PRIVATE+KEY+a+00000000+AQ==", "a+0+" + "A" * 44,
        "log.example+deadbeef+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)  # fmt: skip
def test_what_is_no_key_is_refused_as_that(text: str) -> None:
    """Keys in text carry their own check."""
    for sort in (VerifierKey, SignerKey):
        with pytest.raises(BadNote):
            sort.read(text)


def test_a_proof_of_one_entry() -> None:
    """The file tells index, hashes, checkpoint and entry, and is read back as it was written."""
    keys = [SignerKey("log.example/a", ED25519, b"7" * 32)]
    note = signed(Checkpoint("log.example/a", 5, root_of_hashes(LEAVES[:5])).text, keys, 1)
    hashes = inclusion_proof(3, 5, node_of(tiles_of(5, Random(1))))
    for entry in (None, b'{"a":1}'):
        proof = EntryProof(3, hashes, note, entry)
        assert EntryProof.read(str(proof)) == proof
    for broken in (
        "",
        "c2sp.org/tlog-proof@v1\n",
        str(proof).replace("index 3", "index 03"),
        str(proof).replace("@v1", "@v2"),
    ):
        with pytest.raises(BadNote):
            EntryProof.read(broken)
