"""Checkpoints (c2sp.org/tlog-checkpoint) and proofs of one entry (c2sp.org/tlog-proof). Pure."""

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from ledger.proofs.merkle import HASH_BYTES, MAX_PROOF
from ledger.proofs.notes import BadNote, Note, unbase64

SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
MAX_SIZE = 2**63 - 1
PROOF_HEADER = "c2sp.org/tlog-proof@v1"


class Checkpoint(NamedTuple):
    """The tree of a log at one size."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def read(cls, text: str) -> Self:
        """What the text of a note says; lines beyond the third are passed over. Raises BadNote."""
        lines = text.removesuffix("\n").split("\n")
        if len(lines) < 3 or not all(lines):
            raise BadNote("a checkpoint is an origin, a size and a root, each on a line")
        return cls(lines[0], read_size(lines[1]), read_hash(lines[2]))


def read_size(text: str) -> int:
    """Raises BadNote."""
    if not SIZE.fullmatch(text) or int(text) > MAX_SIZE:
        raise BadNote(f"a size is a decimal number without leading zeroes, up to {MAX_SIZE}")
    return int(text)


def read_hash(text: str) -> bytes:
    """Raises BadNote."""
    if len(data := unbase64(text)) != HASH_BYTES:
        raise BadNote(f"a hash has {HASH_BYTES} bytes")
    return data


@dataclass(frozen=True)
class EntryProof:
    """That one entry is in the log: its index, what leads from it to the root, the signed checkpoint; and the entry itself.

    ``entry`` goes with it as extra data, so that the file alone tells what is proved.
    """

    index: int
    hashes: Sequence[bytes]
    checkpoint: Note
    entry: bytes | None = None

    def __str__(self) -> str:
        extra = [] if self.entry is None else [f"extra {b64encode(self.entry).decode()}"]
        hashes = [b64encode(one).decode() for one in self.hashes]
        return "\n".join([PROOF_HEADER, *extra, f"index {self.index}", *hashes, "", str(self.checkpoint)])

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises BadNote."""
        head, _, note = text.partition("\n\n")
        first, *lines = head.split("\n")
        if first != PROOF_HEADER:
            raise BadNote(f"a proof begins with {PROOF_HEADER}")
        entry = unbase64(lines.pop(0).removeprefix("extra ")) if lines and lines[0].startswith("extra ") else None
        if not lines or not lines[0].startswith("index ") or not SIZE.fullmatch(index := lines[0][6:]):
            raise BadNote("a proof names the index of its entry")
        if len(lines) > MAX_PROOF + 1:
            raise BadNote(f"a proof has at most {MAX_PROOF} hashes")
        return cls(int(index), [read_hash(one) for one in lines[1:]], Note.read(note), entry)
