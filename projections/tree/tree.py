"""The Merkle tree over the log's order. Leaf i is entry i + 1: the very bytes that are stored, without a newline.

Tiles are derived, as all that stands in this schema: dropped, they are built anew. What they add up to is held against the tree
once more, folded from the stored bytes alone, before anybody signs it.
"""

from collections.abc import Iterable, Sequence

from ledger.database.connection import Connection, sql_blocks
from ledger.proofs.merkle import HASH_BYTES, add_up, fold_right, leaf_hash, root
from ledger.proofs.tiles import HEIGHT, WIDTH, BadTile, Tile, grown, node_from

SQL = sql_blocks("projections.tree", "tree.sql")
BATCH = 20_000
LEVELS = 8


class Tree:
    """The tree as this process has folded it from the stored bytes; it writes the tiles that are not there yet.

    At most one process at a time may grow it. What it commits has been confirmed by the standby, where one is synchronous.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.size = 0
        self.subtrees: list[bytes] = []
        connection.execute(SQL["create"])

    @property
    def root(self) -> bytes:
        return fold_right(self.subtrees)

    def grow(self, upto: int) -> None:
        """Take in the entries up to this position."""
        while self.size < upto:
            rows = self.connection.execute(
                SQL["lines"], {"after": self.size, "upto": min(self.size + BATCH, upto)}
            ).fetchall()
            if not rows:
                raise LookupError(f"entry {self.size + 1} is gone")
            self._take([leaf_hash(line.encode()) for (line,) in rows])

    def _take(self, leaves: Sequence[bytes]) -> None:
        first = self.size
        for number, leaf in enumerate(leaves, first + 1):
            self.subtrees.append(leaf)
            add_up(self.subtrees, number)
        self.size += len(leaves)
        with self.connection.transaction():
            (built,) = self.connection.execute(SQL["take"]).fetchone() or (0,)
            if first <= built < self.size:
                self._write(built, leaves[built - first :])

    def _write(self, size: int, leaves: Sequence[bytes]) -> None:
        changed = list(grown(size, leaves, edge(self.connection, size)))
        self.connection.execute(SQL["write"], {
            "levels": [tile.level for tile, _ in changed], "indexes": [tile.index for tile, _ in changed],
            "hashes": [hashes for _, hashes in changed],
        })  # fmt: skip
        self.connection.execute(SQL["advance"], {"size": size + len(leaves)})

    def mend(self) -> bool:
        """Whether the tiles show another tree than the stored bytes do: then all of them are built anew."""
        (built,) = self.connection.execute(SQL["size"]).fetchone() or (0,)
        if built == self.size and tiled_root(self.connection, built) == self.root:
            return False
        upto, self.size, self.subtrees = self.size, 0, []
        self.connection.execute(SQL["empty"])
        self.grow(upto)
        return True


def edge(connection: Connection, size: int) -> dict[int, bytes]:
    """The partial tiles of a tree of this size, by level."""
    wanted = [
        Tile(level, (size >> HEIGHT * level) // WIDTH) for level in range(LEVELS) if (size >> HEIGHT * level) % WIDTH
    ]
    found = read_tiles(connection, wanted)
    return {level: hashes[: (size >> HEIGHT * level) % WIDTH * HASH_BYTES] for (level, _), hashes in found.items()}


def tiled_root(connection: Connection, size: int) -> bytes | None:
    """The root that the tiles add up to; None where some of them are missing."""
    tiles = edge(connection, size)
    try:
        return root(size, node_from(lambda level, index: tiles[level]))
    except (KeyError, BadTile):
        return None


def read_tiles(connection: Connection, wanted: Iterable[Tile]) -> dict[tuple[int, int], bytes]:
    """Tiles by level and index, as far as they are there; partial ones may hold more than is wanted."""
    asked = list(wanted)
    rows = connection.execute(
        SQL["tiles"], {"levels": [one.level for one in asked], "indexes": [one.index for one in asked]}
    ).fetchall()
    return {(level, index): hashes for level, index, hashes in rows}
