"""The audit's first question: are the entries those that were signed? Everything else is checked against them."""

from collections.abc import Callable, Iterator, Sequence

from ledger.database.connection import Connection, sql_blocks
from ledger.proofs.merkle import HASH_BYTES, leaf_hash, root_of_hashes
from ledger.proofs.tiles import WIDTH, Tile
from ledger.proofs.verifier import Walk
from projections.finding import Finding
from projections.tree.tree import SQL as TREE
from projections.tree.tree import read_tiles

SQL = sql_blocks("projections.tree", "checkpoints.sql")
Leaves = Callable[[int, int], Sequence[bytes]]
"""The leaves of a log that is kept elsewhere, by the index of their tile and how many it has."""


def check_tree(
    connection: Connection, elsewhere: Leaves | None, size_elsewhere: int = 0, report: Callable[[int], None] = lambda at: None
) -> Iterator[Finding]:  # fmt: skip
    """Every entry's bytes against the tiles, every checkpoint of this database, and the leaves of a log kept elsewhere."""
    (size,) = connection.execute("select size from head").fetchone() or (0,)
    checkpoints = _checkpoints(connection)
    for (signed,) in connection.execute(SQL["contradicting"]).fetchall():
        yield Finding(
            signed, f"the checkpoint of {signed:,} entries and the note that was signed of it tell of different trees"
        )
    walk, other, tiles = Walk(), 0, _has_tiles(connection)
    for index in range(-(-size // WIDTH)):
        leaves = _leaves(connection, index)
        width = min(WIDTH, size - index * WIDTH)
        if len(leaves) != width:
            yield Finding(index * WIDTH + 1, f"of the {width} entries from here on there are {len(leaves)}")
            return
        if tiles and (at := _first_other(leaves, _tile(connection, index))):
            yield Finding(index * WIDTH + at, "its bytes are not those that the tree was built from")
        if elsewhere and index * WIDTH < size_elsewhere and not other:
            kept = elsewhere(index, min(WIDTH, size_elsewhere - index * WIDTH))
            if other := _first_other(leaves, kept):
                yield Finding(index * WIDTH + other, "its bytes are not those of the log that is kept elsewhere")
        for signed in [one for one in checkpoints if index * WIDTH < one <= index * WIDTH + width]:
            if walk.root_with(leaves[: signed - index * WIDTH]) != checkpoints[signed]:
                yield Finding(signed, f"the first {signed:,} entries are not those that were signed")
                checkpoints = {}  # nor can any larger tree be
                break
        walk.take(leaves)
        report(walk.size)
    for signed in [
        max((one for one in checkpoints if one > size), default=0),
        size_elsewhere if size_elsewhere > size else 0,
    ]:
        if signed:
            yield Finding(
                0, f"there are {size:,} entries, and {signed:,} were signed: the log was put back, or its end cut off"
            )


def last_signed(connection: Connection) -> int:
    """How many entries the last checkpoint of this database covers."""
    return max(_checkpoints(connection), default=0)


def last_common(connection: Connection, origin: str) -> tuple[int, bytes]:
    """Size and root of the last checkpoint of a log whose tree the entries still begin with; of the empty tree where there is none."""
    found, walk = (0, root_of_hashes([])), Walk()
    for size, root in connection.execute(SQL["signed_before"], {"origin": origin}).fetchall():
        while len(leaves := _leaves(connection, walk.size // WIDTH)) == WIDTH and walk.size + WIDTH < size:
            walk.take(leaves)
        if walk.size + len(leaves) < size or walk.root_with(leaves[: size - walk.size]) != root:
            break
        found = size, root
    return found


def _checkpoints(connection: Connection) -> dict[int, bytes]:
    """The roots that were signed, by size."""
    return dict(connection.execute(SQL["roots"]).fetchall())


def _leaves(connection: Connection, index: int) -> list[bytes]:
    rows = connection.execute(TREE["lines"], {"after": index * WIDTH, "upto": (index + 1) * WIDTH}).fetchall()
    return [leaf_hash(line.encode()) for (line,) in rows]


def _has_tiles(connection: Connection) -> bool:
    row = connection.execute("select to_regclass('tiles')").fetchone()
    return row is not None and row[0] is not None


def _tile(connection: Connection, index: int) -> Sequence[bytes]:
    hashes = read_tiles(connection, [Tile(0, index)]).get((0, index), b"")
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


def _first_other(leaves: Sequence[bytes], known: Sequence[bytes]) -> int:
    """Which of the leaves, counted from 1, is not the one that is known; 0 where all are that both have."""
    pairs = enumerate(zip(leaves, known, strict=False), 1)
    return next((number for number, (one, other) in pairs if one != other), 0)
