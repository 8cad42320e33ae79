"""The Merkle tree of RFC 6962: hashes, roots, proofs of inclusion and of consistency, and their verification. Pure.

Hashes are SHA-256, 32 bytes. Leaves are counted from 0. A ``node`` function gives the hash of a complete subtree: of the
``2 ** level`` leaves from ``index * 2 ** level`` on.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256().digest()
MAX_PROOF = 63
"""So many hashes has a proof at most, in a tree of less than 2 ** 63 leaves."""

Node = Callable[[int, int], bytes]


class BadProof(ValueError):
    """A proof that does not show what it should."""


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def root_of_hashes(hashes: Iterable[bytes]) -> bytes:
    """The root of a tree, from the hashes of all its leaves: by a stack of complete subtrees, without tiles."""
    stack: list[bytes] = []
    for size, one in enumerate(hashes, 1):
        stack.append(one)
        add_up(stack, size)
    return fold_right(stack)


def add_up(stack: list[bytes], size: int) -> None:
    """After leaf number ``size`` was put on the stack: the complete subtrees that it ends become one each."""
    while not size & 1:
        right = stack.pop()
        stack[-1] = node_hash(stack[-1], right)
        size >>= 1


def fold_right(subtrees: Sequence[bytes]) -> bytes:
    """The root, from the complete subtrees that make up a tree, from the left."""
    if not subtrees:
        return EMPTY_ROOT
    *others, root = subtrees
    for left in reversed(others):
        root = node_hash(left, root)
    return root


def peaks(size: int) -> Iterator[tuple[int, int]]:
    """Level and index of the complete subtrees that make up a tree of ``size`` leaves, from the left."""
    start = 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            yield level, start >> level
            start += 1 << level


def root(size: int, node: Node) -> bytes:
    return fold_right([node(level, index) for level, index in peaks(size)])


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """What leads from a leaf to the root: siblings, from the leaf's own up."""
    if not 0 <= index < size:
        raise BadProof(f"there is no leaf {index} in a tree of {size}")
    start, end, siblings = 0, size, list[tuple[int, int]]()
    while end - start > 1:
        middle = start + _split(end - start)
        siblings.append((middle, end) if index < middle else (start, middle))
        start, end = (start, middle) if index < middle else (middle, end)
    return [_subtree(*one, node) for one in reversed(siblings)]


def consistency_proof(old: int, size: int, node: Node) -> list[bytes]:
    """What shows that a tree of ``size`` leaves begins with the one of ``old``. Empty from the empty tree, and to itself."""
    if not 0 <= old <= size:
        raise BadProof(f"a tree of {size} leaves does not begin with one of {old}")
    if old in (0, size):
        return []
    start, end, subtrees = 0, size, list[tuple[int, int]]()
    while old != end:
        middle = start + _split(end - start)
        subtrees.append((middle, end) if old <= middle else (start, middle))
        start, end = (start, middle) if old <= middle else (middle, end)
    if start:
        subtrees.append((start, end))
    return [_subtree(*one, node) for one in reversed(subtrees)]


def _split(size: int) -> int:
    """How many of several leaves lie to the left: the largest power of two below their number."""
    return 1 << (size - 1).bit_length() - 1


def _subtree(start: int, end: int, node: Node) -> bytes:
    """The hash of a subtree that begins where a complete one of its height would."""
    hashes = [node(level, (start >> level) + index) for level, index in peaks(end - start)]
    return fold_right(hashes)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raises BadProof unless the leaf with this hash is at ``index`` of the tree with this root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        raise BadProof(f"there is no leaf {index} in a tree of {size}")
    _check_lengths(leaf, root, *proof)
    at, last, found = index, size - 1, leaf
    for sibling in proof:
        if not last:
            raise BadProof("the proof has too many hashes")
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    if last or found != root:
        raise BadProof("the proof does not lead to the root")


def verify_consistency(old: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]) -> None:
    """Raises BadProof unless the tree with ``root`` begins with the one with ``old_root`` (RFC 9162, 2.1.4.2).

    Of the empty tree, with which each begins, there is nothing to show.
    """
    if not 0 < old <= size:
        raise BadProof(f"a tree of {size} leaves does not begin with one of {old}")
    if old == size:
        if proof or old_root != root:
            raise BadProof("there are two trees of this size")
        return
    hashes = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not hashes:
        raise BadProof("the proof is empty")
    at, last = old - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = hashes[0]
    for one in hashes[1:]:
        if not last:
            raise BadProof("the proof has too many hashes")
        if at & 1 or at == last:
            before, after = node_hash(one, before), node_hash(one, after)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            after = node_hash(after, one)
        at, last = at >> 1, last >> 1
    if last or before != old_root or after != root:
        raise BadProof("the proof does not lead to both roots")


def _check_lengths(*hashes: bytes) -> None:
    if any(len(one) != HASH_BYTES for one in hashes):
        raise BadProof(f"a hash has {HASH_BYTES} bytes")
