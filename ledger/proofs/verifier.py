"""Verification of a whole log from its static files, by whoever trusts nobody but the log's key. Pure: ``read`` fetches a file.

Every entry is hashed, every tile held against those hashes, and the root that they add up to against the signed checkpoint.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from ledger.proofs.checkpoint import Checkpoint, EntryProof
from ledger.proofs.merkle import HASH_BYTES, BadProof, add_up, fold_right, leaf_hash, verify_inclusion
from ledger.proofs.notes import BadNote, Note, VerifierKey, verified
from ledger.proofs.tiles import HEIGHT, WIDTH, BadTile, Tile, tile_root, unbundle

Read = Callable[[str], bytes]
"""Fetches a file of the log by its path below the log's prefix, such as ``checkpoint`` or ``tile/0/000``."""
Report = Callable[[int], None]
Keep = Callable[[Sequence[bytes]], None]
"""Takes entries as they are walked through. They are verified once the walk has come to its end."""
SEQUENCE = b'{"sequence":"%020d",'
"""How the line of each entry begins, so that it cannot stand in another's place."""


class Altered(ValueError):
    """The log is not what was signed. ``position``: of the first entry that shows it, 0 where it cannot be told."""

    def __init__(self, what: str, position: int = 0) -> None:
        super().__init__(f"entry {position:,}: {what}" if position else what)
        self.position = position


class Contradiction(Altered):
    """Two checkpoints of one log that cannot both be true: the evidence against whoever signed them."""


def check_note(note: Note, keys: Collection[VerifierKey]) -> Checkpoint:
    """The checkpoint of a note that one of these keys has signed. Raises Altered."""
    try:
        checkpoint = Checkpoint.read(note.text)
        signers = verified(note, [key for key in keys if key.name == checkpoint.origin])
    except BadNote as error:
        raise Altered(f"the checkpoint cannot be believed: {error}") from None
    if not signers:
        raise Altered(f"the checkpoint of {checkpoint.origin} is signed by none of the keys that are trusted for it")
    return checkpoint


def check_proof(proof: EntryProof, keys: Collection[VerifierKey], entry: bytes) -> Checkpoint:
    """The checkpoint that a proof leads to. Raises Altered."""
    checkpoint = check_note(proof.checkpoint, keys)
    try:
        verify_inclusion(leaf_hash(entry), proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    except BadProof as error:
        raise Altered(f"the entry is not where the proof says: {error}", proof.index + 1) from None
    return checkpoint


class Walk:
    """Goes through the entries of a log bundle by bundle, and knows the root of what it has seen."""

    def __init__(self) -> None:
        self.size = 0
        self.whole: list[bytes] = []  # complete subtrees of full tiles, from the left
        self.leaves: list[bytes] = []  # of the tile that is not full

    def take(self, leaves: Sequence[bytes]) -> None:
        """The leaves of the next bundle: all bundles but the last are full."""
        self.size += len(leaves)
        if len(leaves) == WIDTH:
            self.whole.append(tile_root(b"".join(leaves)))
            add_up(self.whole, self.size // WIDTH)
        else:
            self.leaves = list(leaves)

    @property
    def root(self) -> bytes:
        return self.root_with(self.leaves)

    def root_with(self, leaves: Sequence[bytes]) -> bytes:
        """The root of the full tiles, and these leaves after them."""
        return fold_right([*self.whole, *_peaks_of(leaves)])


def _peaks_of(leaves: Sequence[bytes]) -> list[bytes]:
    stack: list[bytes] = []
    for number, leaf in enumerate(leaves, 1):
        stack.append(leaf)
        add_up(stack, number)
    return stack


class Seen(NamedTuple):
    """A checkpoint that was seen before, and the note that it stood in."""

    checkpoint: Checkpoint
    note: Note


def verify_log(
    read: Read, checkpoint: Checkpoint, seen: Seen | None = None, report: Report = lambda size: None,
    keep: Keep = lambda entries: None,
) -> None:  # fmt: skip
    """Every entry and every tile of a checkpoint's tree, which begins with the one that was seen. Raises Altered, Contradiction."""
    if seen:
        _check_sizes(checkpoint, seen.checkpoint)
    walk, above = Walk(), _Above(read, checkpoint.size)
    for index, width in _widths(checkpoint.size):
        entries = _bundle(read, Tile(None, index, width))
        leaves = check_entries(entries, index * WIDTH)
        keep(entries)
        above.take(0, index, leaves)
        if seen and index * WIDTH < seen.checkpoint.size <= index * WIDTH + width:
            _check_seen(walk.root_with(leaves[: seen.checkpoint.size - index * WIDTH]), seen.checkpoint)
        walk.take(leaves)
        report(walk.size)
    if walk.root != checkpoint.root:
        raise Altered(f"the {checkpoint.size:,} entries do not make the tree that was signed")


def check_entries(entries: Sequence[bytes], before: int) -> list[bytes]:
    """The leaves of entries that follow on ``before`` others, each of which says so itself. Raises Altered."""
    for position, entry in enumerate(entries, before + 1):
        if not entry.startswith(SEQUENCE % position):
            raise Altered("its line says that it is another", position)
    return [leaf_hash(entry) for entry in entries]


def _widths(size: int) -> Iterator[tuple[int, int]]:
    return ((index, min(WIDTH, size - index * WIDTH)) for index in range(-(-size // WIDTH)))


def _check_sizes(checkpoint: Checkpoint, seen: Checkpoint) -> None:
    if checkpoint.size < seen.size:
        raise Contradiction(
            f"{checkpoint.origin} shows a tree of {checkpoint.size:,} entries, and had signed one of {seen.size:,}: it was put back, "
            "or shows different people different logs"
        )


def _check_seen(root: bytes, seen: Checkpoint) -> None:
    if root != seen.root:
        raise Contradiction(
            f"{seen.origin} had signed another tree for its first {seen.size:,} entries: it was altered"
        )


def _bundle(read: Read, tile: Tile) -> Sequence[bytes]:
    try:
        entries = unbundle(read(f"tile/{tile.path}"))
    except BadTile as error:
        raise Altered(f"the bundle {tile.path} cannot be read: {error}", tile.index * WIDTH + 1) from None
    if len(entries) != tile.width:
        raise Altered(f"the bundle {tile.path} has {len(entries)} entries", tile.index * WIDTH + 1)
    return entries


class _Above:
    """The tiles of hashes, held against the hashes that they should have, as soon as these are known."""

    def __init__(self, read: Read, size: int) -> None:
        self.read, self.size = read, size
        self.waiting: dict[int, list[bytes]] = {}

    def take(self, level: int, index: int, hashes: Sequence[bytes]) -> None:
        """A tile of a level is complete, or is the last one. Raises Altered."""
        told = self.read(f"tile/{Tile(level, index, len(hashes)).path}")
        if told != b"".join(hashes):
            raise Altered(
                f"tile {level}/{index} has other hashes than the entries", self._first_other(level, index, told, hashes)
            )
        if len(hashes) == WIDTH:
            self.waiting.setdefault(level + 1, []).append(tile_root(told))
        if (waiting := self.waiting.get(level + 1)) and self._is_complete(level + 1, index // WIDTH, len(waiting)):
            self.waiting[level + 1] = []
            self.take(level + 1, index // WIDTH, waiting)

    def _is_complete(self, level: int, index: int, width: int) -> bool:
        return index * WIDTH + width == min((index + 1) * WIDTH, self.size >> HEIGHT * level)

    def _first_other(self, level: int, index: int, told: bytes, hashes: Sequence[bytes]) -> int:
        """The first position below the first hash that differs."""
        others = (at for at, one in enumerate(hashes) if told[at * HASH_BYTES : (at + 1) * HASH_BYTES] != one)
        return ((index * WIDTH + next(others, 0)) << HEIGHT * level) + 1


def verify_lines(
    lines: Iterator[bytes], seen: Seen, report: Report = lambda size: None, keep: Keep = lambda entries: None
) -> None:
    """Entries line by line, as an export has them, against a checkpoint. What follows on its tree is let be. Raises Altered."""
    stack: list[bytes] = []
    size = 0
    for size, line in enumerate(lines, 1):
        entries = [line.rstrip(b"\n")]
        stack += check_entries(entries, size - 1)
        keep(entries)
        add_up(stack, size)
        report(size)
        if size == seen.checkpoint.size:
            _check_seen(fold_right(stack), seen.checkpoint)
            return
    raise Altered(f"there are {size:,} entries, and {seen.checkpoint.size:,} were signed: the end is missing")
