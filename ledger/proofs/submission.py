"""What a log sends to a witness, and what it answers: the texts of c2sp.org/tlog-witness. Pure."""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple, Self

from ledger.proofs.checkpoint import read_hash, read_size
from ledger.proofs.merkle import MAX_PROOF
from ledger.proofs.notes import BadNote, Note, Signature

ADD_CHECKPOINT = "/add-checkpoint"
SIZE_TYPE = "text/x.tlog.size"


class Submission(NamedTuple):
    """A checkpoint that a witness is asked to cosign, and the proof that its tree begins with the one of ``old_size``."""

    old_size: int
    proof: Sequence[bytes]
    note: Note

    def __str__(self) -> str:
        hashes = [b64encode(one).decode() for one in self.proof]
        return "\n".join([f"old {self.old_size}", *hashes, "", str(self.note)])

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Raises BadNote."""
        head, _, note = data.partition(b"\n\n")
        try:
            first, *hashes = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise BadNote("the lines before the checkpoint are ASCII") from None
        if not first.startswith("old "):
            raise BadNote("the first line is `old` and the size of the tree that the proof starts from")
        if len(hashes) > MAX_PROOF:
            raise BadNote(f"a proof has at most {MAX_PROOF} hashes")
        return cls(read_size(first.removeprefix("old ")), [read_hash(one) for one in hashes], Note.read(note))


def path_of(origin: str) -> str:
    """Where a witness shows the last checkpoint of this log that it has cosigned."""
    return f"/{sha256(origin.encode()).hexdigest()}/checkpoint"


def read_lines(data: bytes) -> list[Signature]:
    """The cosignatures that a witness answers with. Raises BadNote."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise BadNote("signature lines are UTF-8") from None
    if not text.endswith("\n"):
        raise BadNote("signature lines end with a newline each")
    return [Signature.read(line) for line in text[:-1].split("\n")]


def read_size_line(data: bytes) -> int:
    """The size that a witness names in a conflict. Raises BadNote."""
    text = data.decode("ascii", "replace")
    if not text.endswith("\n"):
        raise BadNote("a size ends with a newline")
    return read_size(text[:-1])
