"""Checks an evidence pack, offline, with nothing of the ledger but this one file.

    python verify.py --log-key KEY [--witness KEY]     with keys that you have from elsewhere, or files of them: do this
    python verify.py                                   with the keys that lie in the pack

It needs Python 3.11 or later and the package `cryptography` (`pip install cryptography`). It ends with 0 if all is as it
should be, and with 1 if not. What it checks:

- every file is one that `manifest` lists, and no byte of it is another;
- `checkpoint`, which tells how many entries the log had and the root of their Merkle tree, is signed by the log's key, and by
  each witness whose key is given (c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature);
- of every entry the proof leads from its exact bytes to that root, at its position (RFC 6962, c2sp.org/tlog-proof);
- every entry that `state.json` names is here, with all others of the same streams up to the versions that it tells;
- where there is a `disclosures.json`, each name is the one that the entry holds a commitment for.

What it cannot check:

- whose the keys are. Compare them with what you have from elsewhere: without that, a pack shows that it agrees with itself;
- that what an entry says is true. It shows what was recorded, and that nobody has changed it since it was signed;
- that `state.json` and `page.html` follow from the entries: they are the ledger's reading of them, and you may read them anew;
- what was recorded later, or left out of the pack and of `state.json`: ask the ledger for the history of each stream;
- that others are not shown another log: for that there are witnesses;
- this file itself. If you do not trust whoever gave you the pack, take verify.py from the ledger's project.
"""

import argparse
import hmac
import json
import sys
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from os.path import isfile
from pathlib import Path
from typing import Any, NamedTuple

ED25519, COSIGNATURE, ML_DSA_44 = 1, 4, 6
TYPES = {ED25519: "Ed25519", COSIGNATURE: "Ed25519 cosignature", ML_DSA_44: "ML-DSA-44"}
OK, NOTE, WRONG = "ok", "note", "WRONG"
MALFORMED = (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError)

Files = Mapping[str, bytes]  # the files of a pack by their names, such as entries/000123.json
Found = Iterator[tuple[str, str]]  # OK, NOTE or WRONG, and what was found, in plain words


class Wrong(Exception):
    """Something is not as it should be: what, and where."""


class CannotCheck(Exception):
    """The package `cryptography` is missing, or does not have what is needed."""


class Tree(NamedTuple):
    """What a checkpoint says: of which log, how many entries it had, and their root."""

    origin: str
    size: int
    root: bytes


class Key(NamedTuple):
    """A public key. In text: name+id+base64."""

    name: str
    id: bytes
    type: int
    public: bytes

    def __str__(self) -> str:
        return f"{self.name} ({TYPES[self.type]}, id {self.id.hex()})"


def read_key(text: str) -> Key:
    try:
        name, key_id, encoded = text.split("+", 2)
        data = b64decode(encoded, validate=True)
        key = Key(name, bytes.fromhex(key_id), data[0], data[1:])
    except MALFORMED:
        raise Wrong(f"{text[:80]!r} is no key: it should be name+id+base64") from None
    if key.type not in TYPES or sha256(name.encode() + b"\n" + data).digest()[:4] != key.id:
        raise Wrong(f"{text[:80]!r} is a key of no known type, or with another id than it should have")
    return key


def read_keys(given: Sequence[str]) -> list[Key]:
    """Keys that are given as they are, or by a file that holds one a line."""
    texts = [line for one in given for line in (Path(one).read_text().split() if isfile(one) else [one])]
    return [read_key(one) for one in texts]


def take(files: Files, name: str) -> bytes:
    if name not in files:
        raise Wrong(f"{name} is missing")
    return files[name]


def check_files(files: Files) -> Found:
    """The manifest lists each file with its SHA-256, sorted by name, and nothing else."""
    there = [f"{sha256(files[name]).hexdigest()}  {name}" for name in sorted(files) if name != "manifest"]
    listed = take(files, "manifest").decode().split("\n")
    for name in sorted({line.partition("  ")[2] for line in {*there} ^ {*listed[:-1]}}):
        yield WRONG, f"{name or 'manifest'} was changed, added or taken away, or its line in the manifest was"
    if listed == [*there, ""]:
        yield OK, f"the {len(there)} files are those that the manifest lists"
    else:
        yield WRONG, "manifest is not the list of these files"


def read_note(note: bytes) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """The text of a signed note; and of each signature the name, the id of the key, and the signature."""
    text, _, lines = note.decode().rpartition("\n\n")
    signatures = []
    for line in lines.removesuffix("\n").split("\n"):
        _dash, name, encoded = line.split(" ")
        data = b64decode(encoded, validate=True)
        signatures.append((name, data[:4], data[4:]))
    return f"{text}\n", signatures


def read_tree(files: Files) -> Tree:
    origin, size, root = read_note(take(files, "checkpoint"))[0].split("\n")[:3]
    return Tree(origin, int(size), b64decode(root, validate=True))


def verify_signature(key: Key, text: str, signature: bytes, tree: Tree) -> str:
    """When it was signed, as far as the signature tells. Raises Wrong, CannotCheck."""
    time, own = (0, signature) if key.type == ED25519 else (int.from_bytes(signature[:8]), signature[8:])
    message = text.encode()
    if key.type == COSIGNATURE:
        message = f"cosignature/v1\ntime {time}\n{text}".encode()
    if key.type == ML_DSA_44:
        signer, origin = (bytes([len(one.encode())]) + one.encode() for one in (key.name, tree.origin))
        numbers = bytes(8) + tree.size.to_bytes(8)  # of the entries from the first on
        message = b"subtree/v1\n\0" + signer + time.to_bytes(8) + origin + numbers + tree.root
    try:
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        if key.type == ML_DSA_44:
            from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
    except ImportError:
        raise CannotCheck(f"install a version of `cryptography` that has {TYPES[key.type]}") from None
    try:
        if key.type == ML_DSA_44:
            MLDSA44PublicKey.from_public_bytes(key.public).verify(own, message)
        else:
            Ed25519PublicKey.from_public_bytes(key.public).verify(own, message)
    except (InvalidSignature, ValueError):
        raise Wrong(f"checkpoint: the signature under the name of {key} is not of this text") from None
    except UnsupportedAlgorithm:
        raise CannotCheck(f"`cryptography` does not have {TYPES[key.type]} on this machine") from None
    return f", on {datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S} UTC" if time else ""


def check_checkpoint(files: Files, log_keys: Sequence[Key], witnesses: Sequence[Key]) -> Found:
    """A key of the log has signed it, and every witness that is asked for; no signature of these is wrong."""
    tree, (text, signatures) = read_tree(files), read_note(take(files, "checkpoint"))
    of_the_log, verified = [key for key in log_keys if key.name == tree.origin], set()
    for name, key_id, signature in signatures:
        key = next((one for one in [*of_the_log, *witnesses] if (one.name, one.id) == (name, key_id)), None)
        if key is None:
            yield NOTE, f"a signature of {name} (id {key_id.hex()}) was not checked: its key was not given"
            continue
        try:
            when = verify_signature(key, text, signature, tree)
            verified.add(key)
            yield OK, f"checkpoint of {tree.size} entries is {'co' * (key in witnesses)}signed by {key}{when}"
        except CannotCheck as error:
            yield NOTE, f"the signature of {key} was not checked: {error}"
    if not verified.intersection(of_the_log):
        yield WRONG, f"checkpoint: no signature of {tree.origin} could be verified with the keys that are trusted"
    for key in witnesses:
        if key not in verified:
            yield WRONG, f"checkpoint: no cosignature of {key} could be verified"


def root_from(leaf: bytes, index: int, size: int, siblings: list[bytes]) -> bytes:
    """The root of a tree of ``size`` leaves, from one of them and the siblings on its way up. Takes these, the last first."""
    if size == 1:
        return leaf
    left = 1 << (size - 1).bit_length() - 1  # so many leaves are on the left: the largest power of two below size
    sibling = siblings.pop()
    if index < left:
        return sha256(b"\1" + root_from(leaf, index, left, siblings) + sibling).digest()
    return sha256(b"\1" + sibling + root_from(leaf, index - left, size - left, siblings)).digest()


def check_entry(position: int, entry: bytes, proof: bytes, note: bytes, tree: Tree) -> None:
    """The entry is in the tree, at its position. Raises Wrong."""
    head, _, proved = proof.partition(b"\n\n")
    *named, index = head.decode().split("\n")[:3]
    if proved != note:
        raise Wrong("its proof is of another checkpoint")
    if named != ["c2sp.org/tlog-proof@v1", f"extra {b64encode(entry).decode()}"]:
        raise Wrong("its proof is of other bytes")
    if index != f"index {position - 1}" or not entry.startswith(b'{"sequence":"%020d",' % position):
        raise Wrong("it is of another position")
    siblings = [b64decode(one, validate=True) for one in head.decode().split("\n")[3:]]
    root = root_from(sha256(b"\0" + entry).digest(), position - 1, tree.size, siblings)
    if root != tree.root or siblings or not 0 < position <= tree.size:
        raise Wrong("its proof does not lead to the root: it is not what was signed")


def check_entries(files: Files) -> Found:
    """Each entry has a proof, and each proof an entry."""
    tree, note, wrong = read_tree(files), take(files, "checkpoint"), False
    held = {name for name in files if name.startswith(("entries/", "proofs/"))}
    numbers = sorted({Path(name).stem for name in held})
    for name in sorted(
        held - {f"entries/{one}.json" for one in numbers} - {f"proofs/{one}.tlog-proof" for one in numbers}
    ):
        yield WRONG, f"{name} is neither an entry nor the proof of one"
    for number in numbers:
        try:
            entry, proof = take(files, f"entries/{number}.json"), take(files, f"proofs/{number}.tlog-proof")
            check_entry(int(number), entry, proof, note, tree)
        except (Wrong, *MALFORMED) as error:
            wrong = True
            yield WRONG, f"entry {number}: {error if isinstance(error, Wrong) else 'its proof cannot be read'}"
    if not wrong:
        yield OK, f"the {len(numbers)} entries are in the tree of {tree.size} entries, each at its position"


def parts_of(value: Any) -> list[tuple[Any, Any]]:
    return list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())


def positions_in(state: Any) -> Iterator[int]:
    """Every entry that a state names. That a name was erased may be told by one that came later."""
    for name, value in parts_of(state):
        if name in ("provenance", "unverified"):
            yield from (position for several in value.values() for position in several)
        elif name in ("position", "disputes"):
            yield from value if isinstance(value, list) else [value]
        elif name != "erased":
            yield from positions_in(value)


def versions_in(state: Any) -> Iterator[tuple[str, int]]:
    """Stream and version of a state, and of those that belong to it."""
    if isinstance(state, dict) and "version" in state:
        yield state.get("subject") or state["agreement"], state["version"]
    for _, value in parts_of(state):
        yield from versions_in(value)


def entries_in(files: Files) -> dict[int, Any]:
    return {int(name[8:-5]): json.loads(files[name]) for name in sorted(files) if name.startswith("entries/")}


def check_state(files: Files) -> Found:
    """What the state names is here, and nothing that was recorded after what it rests on."""
    state, entries, tree = json.loads(take(files, "state.json")), entries_in(files), read_tree(files)
    basis, named = state["basis"], set(positions_in(state))
    if basis["checkpoint"] != {"size": tree.size, "root": b64encode(tree.root).decode()}:
        yield WRONG, "state.json rests on another checkpoint"
    for position in sorted(named - entries.keys()):
        yield WRONG, f"entry {position} is named in state.json, and is not in the pack"
    for position in (one for one in entries if one > basis["known_at"]):
        yield WRONG, f"entry {position} is later than what state.json rests on"
    if not named or state["version"] < 1:
        yield WRONG, "state.json names no entry that it rests on"
    for subject, version in sorted(set(versions_in(state))):
        held = {entry["streamversion"] for entry in entries.values() if entry["subject"] == subject}
        if len(held) != version or max(held) != version:
            yield WRONG, f"{subject} has {version} entries, as state.json tells, and {len(held)} are in the pack"
    at = f"on {basis['valid_at']}, as known up to entry {basis['known_at']}"
    yield OK, f"state.json is of {state['subject']} {at}; it names {len(named & entries.keys())} entries of the pack"


def check_names(files: Files) -> Found:
    """Each name that is disclosed is the one that was committed to."""
    if "disclosures.json" not in files:
        yield NOTE, "the pack tells no names of persons: where one stands, the entry holds a commitment"
        return
    entries, disclosed = entries_in(files), json.loads(files["disclosures.json"])
    for number, opened in disclosed.items():
        entry = entries[int(number)]
        for pointer, one in opened.items():
            at = entry
            for step in pointer.split("/")[1:]:
                at = at[int(step) if isinstance(at, list) else step]
            message = "\0".join(("ledger/commitment/v1", entry["id"], pointer, one["value"])).encode()
            made = hmac.digest(urlsafe_b64decode(f"{one['salt']}=="), message, "sha256")
            if at["commitment"] != urlsafe_b64encode(made).decode().rstrip("="):
                yield WRONG, f"disclosures.json: entry {number} holds another name at {pointer}"
    yield OK, f"{sum(map(len, disclosed.values()))} names of persons are told in disclosures.json"


def check(files: Files, log_keys: Sequence[Key] = (), witnesses: Sequence[Key] = ()) -> Found:
    """Everything, part by part: what is wrong in one does not hide what is wrong in another."""
    keys = list(log_keys)
    try:
        keys = keys or [read_key(line) for line in take(files, "keys").decode().splitlines()]
    except (Wrong, UnicodeDecodeError) as error:
        yield WRONG, f"keys: {error}"
    parts = {
        "manifest": check_files(files),
        "checkpoint": check_checkpoint(files, keys, witnesses),
        "entries": check_entries(files),
        "state.json": check_state(files),
        "disclosures.json": check_names(files),
    }
    for name, found in parts.items():
        try:
            yield from found
        except Wrong as error:
            yield WRONG, str(error)
        except MALFORMED:
            yield WRONG, f"{name} does not have the form that it should have"
    if not log_keys:
        yield NOTE, "no --log-key was given: with the keys of the pack this shows only that it agrees with itself"
        yield NOTE, "compare the file `keys` with what you have from elsewhere"


def main() -> int:
    parser = argparse.ArgumentParser(description="Check an evidence pack, offline.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parent, help="where it is")
    parser.add_argument("--log-key", action="append", default=[], metavar="KEY", help="a public key of the log")
    parser.add_argument("--witness", action="append", default=[], metavar="KEY", help="a witness that must agree")
    given = parser.parse_args()
    try:
        log_keys, witnesses = read_keys(given.log_key), read_keys(given.witness)
    except (Wrong, UnicodeDecodeError) as error:
        parser.error(str(error))
    if bool(given.log_key) > bool(log_keys) or bool(given.witness) > bool(witnesses):
        parser.error("a file that was given for --log-key or --witness holds no key")
    paths = [path for path in given.folder.rglob("*") if path.is_file()]
    files = {path.relative_to(given.folder).as_posix(): path.read_bytes() for path in paths}
    is_sound = True
    for mark, told in check(files, log_keys, witnesses):
        is_sound = is_sound and mark != WRONG
        print(f"{mark:5}  {told}")
    print("The pack is as it should be." if is_sound else "The pack is NOT as it should be.")
    return 0 if is_sound else 1


if __name__ == "__main__":
    sys.exit(main())
