"""Tiles of a tree and bundles of entries, as static files: c2sp.org/tlog-tiles. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from ledger.proofs.merkle import HASH_BYTES, Node, node_hash

WIDTH = 256
HEIGHT = 8
TILE_BYTES = WIDTH * HASH_BYTES
"""A tile is 8 levels of the tree."""

TILE = re.compile(r"([0-9]|[1-5][0-9]|6[0-3]|entries)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)
ENTRIES = "entries"


class BadTile(ValueError):
    """A path that names no tile, or bytes that are none."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile: ``level`` of hashes, or None for a bundle of entries; its index in the level; how many it holds."""

    level: int | None
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Its place below ``tile/``."""
        *upper, last = _digits(self.index)
        shown = "".join(f"x{one}/" for one in upper) + last
        return f"{ENTRIES if self.level is None else self.level}/{shown}{f'.p/{self.width}' * (self.width < WIDTH)}"

    @classmethod
    def read(cls, path: str) -> Self:
        """The tile that a path names. Raises BadTile."""
        found = TILE.fullmatch(path)
        width = int(found[3] or WIDTH) if found else 0
        if found is None or width > WIDTH or (found[3] and width == WIDTH) or found[2].startswith("x000/"):
            raise BadTile(f"{path!r} names no tile")
        return cls(
            None if found[1] == ENTRIES else int(found[1]), int(found[2].replace("x", "").replace("/", "")), width
        )

    @property
    def end(self) -> int:
        """How many leaves a tree has at least that has it."""
        return ((self.index << HEIGHT) + self.width) << HEIGHT * (self.level or 0)

    def is_in(self, size: int) -> bool:
        """Whether a tree of ``size`` leaves has it: wholly, or with more."""
        return (self.index << HEIGHT) + self.width <= size >> HEIGHT * (self.level or 0)


def _digits(index: int) -> list[str]:
    shown = str(index)
    shown = shown.zfill(-(-len(shown) // 3) * 3)
    return [shown[at : at + 3] for at in range(0, len(shown), 3)]


def tiles_between(old: int, size: int) -> Iterator[Tile]:
    """The tiles of hashes that a tree of ``size`` has and one of ``old`` has not, level by level; partial ones last."""
    level = 0
    while before_here := size >> HEIGHT * level:
        for index in range((old >> HEIGHT * level) // WIDTH, -(-before_here // WIDTH)):
            width = min(WIDTH, before_here - index * WIDTH)
            if index * WIDTH + width > old >> HEIGHT * level:
                yield Tile(level, index, width)
        level += 1


def bundles_between(old: int, size: int) -> Iterator[Tile]:
    """The bundles of entries that a tree of ``size`` has and one of ``old`` has not."""
    return (replace(one, level=None) for one in tiles_between(old, size) if one.level == 0)


def grown(size: int, leaves: Sequence[bytes], edge: Mapping[int, bytes]) -> Iterator[tuple[Tile, bytes]]:
    """The tiles that ``leaves`` change in a tree of ``size``; ``edge`` has its partial tiles, by level."""
    level, new = 0, b"".join(leaves)
    while new:
        before = size >> HEIGHT * level
        new = edge.get(level, b"") + new
        first, above = before // WIDTH, list[bytes]()
        for at in range(0, len(new), TILE_BYTES):
            hashes = new[at : at + TILE_BYTES]
            yield Tile(level, first + at // TILE_BYTES, len(hashes) // HASH_BYTES), hashes
            if len(hashes) == TILE_BYTES:
                above.append(tile_root(hashes))
        level, new = level + 1, b"".join(above)


def tile_root(hashes: bytes) -> bytes:
    """The one hash that stands for a full tile, or any other 2 ** n hashes, in the level above."""
    level = split(hashes)
    while len(level) > 1:
        level = [node_hash(*pair) for pair in zip(level[::2], level[1::2], strict=True)]
    return level[0]


def split(hashes: bytes) -> list[bytes]:
    if len(hashes) % HASH_BYTES:
        raise BadTile(f"a tile has {HASH_BYTES} bytes a hash, not {len(hashes)} in all")
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


def node_from(hashes_of: Callable[[int, int], bytes]) -> Node:
    """Hashes of subtrees, from tiles: ``hashes_of`` gives those of a tile, by its level and index. It raises BadTile."""

    def node(level: int, index: int) -> bytes:
        inner = level % HEIGHT
        first = index << inner
        hashes = hashes_of(level // HEIGHT, first // WIDTH)
        start = first % WIDTH * HASH_BYTES
        below = hashes[start : start + (HASH_BYTES << inner)]
        if len(below) != HASH_BYTES << inner:
            raise BadTile(f"tile {first // WIDTH} of level {level // HEIGHT} is cut short")
        return tile_root(below)

    return node


def bundle(entries: Iterable[bytes]) -> bytes:
    """Entries, each with its length in two bytes before it."""
    return b"".join([len(one).to_bytes(2) + one for one in entries])


def unbundle(data: bytes) -> Sequence[bytes]:
    """The entries of a bundle. Raises BadTile."""
    entries, at = [], 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2])
        if at + 2 > len(data) or end > len(data):
            raise BadTile("the bundle ends within an entry")
        entries.append(data[at + 2 : end])
        at = end
    return entries
