"""What a verifier reads, a directory or a service, and what it remembers: keys, and the last checkpoint of each log."""

import os
from collections.abc import Iterable, Sequence
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path

from api.transfer.client import MAX_ANSWER_BYTES, Client, check_size
from ledger.errors import NotAsSigned, Refused, Unavailable, in_words
from ledger.proofs.checkpoint import Checkpoint, EntryProof
from ledger.proofs.merkle import leaf_hash
from ledger.proofs.notes import BadNote, Note, VerifierKey
from ledger.proofs.tiles import WIDTH, Tile, split, unbundle
from ledger.proofs.verifier import (
    Altered,
    Contradiction,
    Keep,
    Read,
    Report,
    Seen,
    check_note,
    check_proof,
    verify_lines,
    verify_log,
)
from projections.tree.check import Leaves
from projections.tree.recovery import Bundle


def from_directory(directory: Path) -> Read:
    """Files of a directory of static tiles."""

    def read(path: str) -> bytes:
        try:
            with (directory / path).open("rb") as file:
                data = file.read(MAX_ANSWER_BYTES + 1)
                check_size(len(data), str(directory / path))
                return data
        except OSError as error:
            raise Unavailable(f"the log cannot be read: {in_words(error)}") from None

    return read


class KeyRefused(Unavailable):
    """The service answers others, not whoever has this key, or none."""


def from_service(address: str, key: str | None) -> Read:
    """Files of a log over HTTP: of a service, by the address of its log, or of any web server."""
    client = Client(address, key)

    def read(path: str) -> bytes:
        answer = client.ask(path)
        if answer.status != HTTPStatus.OK:
            said = f"{client.base}/{path} answers {answer.status}: {' '.join(answer.reason.split())}"
            if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise KeyRefused(f"{said}; the key is taken from LEDGER_KEY")
            raise Unavailable(said)
        return answer.body

    return read


class Memory:
    """What a verifier knows of one log: a folder below the user's own state."""

    def __init__(self, origin: str) -> None:
        state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        self.folder = state / "partnership-ledger" / sha256(origin.encode()).hexdigest()[:16]

    def keys(self) -> list[VerifierKey]:
        """Raises Unavailable where the file is damaged."""
        path = self.folder / "keys"
        try:
            return [VerifierKey.read(line) for line in path.read_text().splitlines()] if path.exists() else []
        except (BadNote, UnicodeDecodeError):
            raise Unavailable(f"{path} is damaged: put it back, or remove it and give the keys again") from None

    def seen(self) -> Seen | None:
        """Raises Unavailable where the file is damaged."""
        path = self.folder / "checkpoint"
        if not path.exists():
            return None
        try:
            note = Note.read(path.read_bytes())
            return Seen(Checkpoint.read(note.text), note)
        except BadNote:
            raise Unavailable(
                f"{path} is damaged: put it back, or remove it, and what was seen before is forgotten"
            ) from None

    def trust(self, keys: Iterable[VerifierKey]) -> None:
        self._write("keys", "".join(f"{one}\n" for one in keys))

    def remember(self, note: Note) -> None:
        self._write("checkpoint", str(note))

    def keep_evidence(self, one: Note, other: Note) -> Path:
        """Both notes, for everybody to see."""
        name = f"contradiction-{sha256(str(other).encode()).hexdigest()[:8]}"
        self._write(name, f"{one}\n{other}")
        return self.folder / name

    def _write(self, name: str, text: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.folder / f".{name}.new"
        draft.write_text(text)
        draft.replace(self.folder / name)


def trusted(note: Note, read: Read, given: Sequence[VerifierKey], *, on_first_use: bool) -> Sequence[VerifierKey]:
    """The keys that the log's checkpoint is held against: those that are given, or those that were trusted before.

    Raises Refused where there are none: it shows the key that the log names itself.
    """
    origin = Checkpoint.read(note.text).origin
    memory = Memory(origin)
    if known := given or memory.keys():
        return known
    told = [one for line in read("key").decode("latin-1").split() if (one := VerifierKey.read(line)).name == origin]
    if not on_first_use:
        ids = " and ".join(f"{one.name}+{one.key_id.hex()}" for one in told if one.name == origin)
        raise Refused(
            "no_key", f"no key is known for {origin}. It names {ids} itself, in the file `key`: compare that with what you have from "
            "elsewhere, and give it (--log-key FILE); --trust-on-first-use believes it, this once"
        )  # fmt: skip
    check_note(note, told)
    memory.trust(told)
    return told


def verify(
    read: Read, given: Sequence[VerifierKey], report: Report, *, on_first_use: bool = False, is_copy: bool = False,
    keep: Keep = lambda entries: None,
) -> tuple[Checkpoint, Note]:  # fmt: skip
    """All of a log. Raises NotAsSigned where it is not what was signed; the evidence of a contradiction is kept.

    A copy may be older than what was seen of the log; whoever serves the log itself may not take anything back.
    """
    try:
        note = Note.read(read("checkpoint"))
        checkpoint = check_note(note, trusted(note, read, given, on_first_use=on_first_use))
        memory = Memory(checkpoint.origin)
        seen = memory.seen()
        if is_copy and seen and seen.checkpoint.size > checkpoint.size:
            verify_log(read, checkpoint, None, report, keep)
            return checkpoint, note  # the caller says that it is older
    except (BadNote, Altered) as error:
        raise NotAsSigned(str(error)) from None
    try:
        verify_log(read, checkpoint, seen, report, keep)
    except Contradiction as error:
        assert seen
        raise NotAsSigned(f"{error}. Both checkpoints are kept in {memory.keep_evidence(seen.note, note)}") from None
    except Altered as error:
        raise NotAsSigned(str(error)) from None
    memory.remember(note)
    return checkpoint, note


def leaves_of(where: str, given: Sequence[VerifierKey], api_key: str | None) -> tuple[Leaves, int]:
    """The leaves of a copy of the log, an export, a directory or a service, and how many there are; what is signed is verified
    first. Raises NotAsSigned, Unavailable, Refused where no key is known.
    """
    path = Path(where)
    if path.is_file():
        with path.open("rb") as lines:
            leaves = [leaf_hash(line.rstrip(b"\n")) for line in lines if line.strip()]
        if not leaves:
            raise Refused("empty", f"{where} holds no entry")
        return lambda index, width: leaves[index * WIDTH : index * WIDTH + width], len(leaves)
    read = from_service(log_address(where), api_key) if "://" in where else from_directory(path)
    checkpoint, _ = verify(read, given, lambda size: None, is_copy="://" not in where)
    return lambda index, width: split(read(f"tile/{Tile(0, index, width).path}")), checkpoint.size


def copy_of(
    where: str, keys: Sequence[VerifierKey], api_key: str | None, anchored: tuple[Checkpoint, Note] | None
) -> tuple[Checkpoint, Note, Bundle]:
    """A copy of the log that is wholly verified against these keys, and begins with the tree that is ``anchored``: what was
    signed, and its entries. Raises NotAsSigned.
    """
    read = from_service(log_address(where), api_key) if "://" in where else from_directory(Path(where))
    try:
        note = Note.read(read("checkpoint"))
        checkpoint = check_note(note, keys)
        verify_log(read, checkpoint, Seen(*anchored) if anchored and anchored[0].size <= checkpoint.size else None)
    except (BadNote, Altered) as error:
        raise NotAsSigned(str(error)) from None
    return checkpoint, note, lambda index, width: unbundle(read(f"tile/{Tile(None, index, width).path}"))


def log_address(address: str) -> str:
    """Where the log of a service is, by its own address or the log's."""
    base = address.rstrip("/")
    return base if base.endswith("/log") else f"{base}/log"


def verify_export(
    path: Path, note: Note, keys: Sequence[VerifierKey], report: Report, keep: Keep = lambda entries: None
) -> Checkpoint:
    """The lines of an export against a checkpoint. Raises NotAsSigned, Unavailable."""
    try:
        seen = Seen(check_note(note, keys), note)
        with path.open("rb") as lines:
            verify_lines(iter(lines), seen, report, keep)
    except Altered as error:
        raise NotAsSigned(str(error)) from None
    except OSError as error:
        raise Unavailable(f"the export cannot be read: {in_words(error)}") from None
    return seen.checkpoint


def verify_proof(path: Path, given: Sequence[VerifierKey]) -> tuple[EntryProof, Checkpoint]:
    """One entry, by its proof alone. Raises NotAsSigned, Refused where no key is known."""
    try:
        proof = EntryProof.read(path.read_bytes().decode())
        origin = Checkpoint.read(proof.checkpoint.text).origin
        keys = given or Memory(origin).keys()
        if not keys:
            raise Refused("no_key", f"no key is known for {origin}: give --log-key")
        if proof.entry is None:
            raise Refused("no_entry", "the proof does not hold the entry that it is of")
        return proof, check_proof(proof, keys, proof.entry)
    except (BadNote, UnicodeDecodeError, Altered) as error:
        raise NotAsSigned(str(error)) from None
    except OSError as error:
        raise Unavailable(f"the proof cannot be read: {in_words(error)}") from None
