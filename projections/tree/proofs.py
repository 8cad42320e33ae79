"""What the tree shows to readers: checkpoints, tiles, bundles of entries, and proofs made of them."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

import psycopg

from ledger.database.connection import Connection, Pool, sql_blocks
from ledger.database.failures import FAILURES, explained
from ledger.errors import Fault, Invalid, NotFound, NotYet, Unreadable
from ledger.proofs.checkpoint import Checkpoint, EntryProof
from ledger.proofs.merkle import (
    HASH_BYTES,
    BadProof,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root,
    verify_consistency,
    verify_inclusion,
)
from ledger.proofs.notes import Note, Signature, VerifierKey
from ledger.proofs.tiles import HEIGHT, WIDTH, BadTile, Tile, bundle, node_from
from projections.tree.tree import LEVELS, read_tiles
from projections.tree.tree import SQL as TREE

SQL = sql_blocks("projections.tree", "checkpoints.sql")
LAST, OF_A_SIZE, LARGER, BEST = (
    SQL["published"].format(which=SQL[which]) for which in ("the_last", "of_a_size", "larger", "best_of")
)


class Published(NamedTuple):
    """A checkpoint as it is published: signed, cosigned, and when it was."""

    checkpoint: Checkpoint
    note: Note
    signed_at: datetime


class Proofs:
    """Reads over the service's pool. Raises NotFound where nothing was signed, Unavailable, Unreadable for damaged tiles."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def latest(self) -> Published:
        with self._connected() as connection:
            return _published(connection, None)

    def at(self, size: int) -> Published:
        """The checkpoint of a tree of just this size. Raises NotFound."""
        with self._connected() as connection:
            return _published(connection, size)

    def covering(self, position: int) -> Published:
        """A checkpoint whose tree holds the entries up to a position: the one with most cosignatures, of the last ones.

        Raises NotFound where nothing is signed, NotYet where not so much is.
        """
        with self._connected() as connection:
            if row := connection.execute(BEST, {"position": position}).fetchone():
                return _read(row)
            size = _published(connection, None).checkpoint.size
        raise NotYet(
            f"the first {size:,} entries are signed, and {position:,} are asked for: ask again when the process that signs has "
            f"gone on, or for what was known at {size}"
        )

    def public_keys(self, size: int | None = None) -> list[str]:
        """The public keys that signed the checkpoint of a size (None: the last one)."""
        with self._connected() as connection:
            signed_by = {(one.name, one.key_id) for one in _published(connection, size).note.signatures}
            known = [VerifierKey.read(text) for (text,) in connection.execute(SQL["keys"]).fetchall()]
            return [str(one) for one in known if (one.name, one.key_id) in signed_by]

    def page(self, after: int, limit: int) -> list[Published]:
        """Checkpoints of trees larger than ``after``, the smaller first."""
        with self._connected() as connection:
            rows = connection.execute(LARGER, {"after": after, "limit": limit}).fetchall()
            return [_read(row) for row in rows]

    def tile(self, tile: Tile) -> bytes:
        """The bytes of a tile or bundle of the last checkpoint's tree. Raises NotFound."""
        with self._connected() as connection:
            size = _published(connection, None).checkpoint.size
            if not tile.is_in(size):
                raise NotFound(f"the tree of {size:,} entries has no tile {tile.path}")
            return _entries(connection, tile) if tile.level is None else _hashes(connection, tile)

    def proofs(self, positions: Sequence[int], size: int | None = None) -> list[EntryProof]:
        """That the entries at these positions are in the tree of a size (None: the last that was signed). Raises NotFound."""
        with self._connected() as connection:
            published = _published(connection, size)
            rows = connection.execute(TREE["entries"], {"positions": positions}).fetchall()
            entries, tiles = {position: line.encode() for position, line in rows}, _Tiles(connection)
            for position in positions:
                if not 1 <= position <= published.checkpoint.size or position not in entries:
                    at = published.checkpoint.size
                    raise NotFound(f"there is no entry {position} in the signed tree, which has {at} entries")
            tiles.fetch([position - 1 for position in positions], published.checkpoint.size)
            return [_proof(position - 1, entries[position], published, tiles) for position in positions]

    def consistency(self, old: int, size: int) -> tuple[Checkpoint, Checkpoint, Sequence[bytes]]:
        """That the tree of one checkpoint begins with that of another. Raises NotFound, Invalid."""
        if old > size:
            raise Invalid("from lies behind to", [Fault("from", "it must not be larger than to", "order")])
        with self._connected() as connection:
            before, after = _published(connection, old).checkpoint, _published(connection, size).checkpoint
            try:
                hashes = consistency_proof(old, size, _Tiles(connection).node)
                verify_consistency(old, size, before.root, after.root, hashes)
            except (BadProof, BadTile) as error:
                raise _damaged(str(error)) from None
            return before, after, hashes

    def root_at(self, size: int) -> bytes:
        """The root of the first entries. Raises Unreadable."""
        with self._connected() as connection:
            try:
                return root(size, _Tiles(connection).node)
            except BadTile as error:
                raise _damaged(str(error)) from None

    def consistency_hashes(self, old: int, size: int) -> Sequence[bytes]:
        """The proof for any two sizes of the signed tree, as a witness may name one that was never signed here. Raises Unreadable."""
        with self._connected() as connection:
            try:
                return consistency_proof(old, size, _Tiles(connection).node)
            except (BadProof, BadTile) as error:
                raise _damaged(str(error)) from None

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        try:
            with self.pool.connection() as connection:
                yield connection
        except psycopg.errors.UndefinedTable:
            raise NotFound("the log has no tree yet: a process with the log's key (LEDGER_LOG_KEY) makes it") from None
        except FAILURES as error:
            raise explained(error) from None


class _Tiles:
    """Tiles as they are needed, each read once."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.known: dict[tuple[int, int], bytes] = {}
        self.node = node_from(self.hashes)

    def fetch(self, leaves: Iterable[int], size: int) -> None:
        """Read at once the tiles that proofs of these leaves, in a tree of this size, are made of: those above each, and the last ones."""
        wanted = {
            (level, (one >> HEIGHT * level) // WIDTH)
            for level in range(LEVELS)
            if size >> HEIGHT * level
            for one in (*leaves, size - 1)
        }
        self.known |= read_tiles(self.connection, [Tile(*one) for one in wanted - self.known.keys()])

    def hashes(self, level: int, index: int) -> bytes:
        if (level, index) not in self.known:
            self.known |= read_tiles(self.connection, [Tile(level, index)])
        try:
            return self.known[level, index]
        except KeyError:
            raise BadTile(f"tile {index} of level {level} is missing") from None


def _proof(index: int, entry: bytes, published: Published, tiles: _Tiles) -> EntryProof:
    at = published.checkpoint
    try:
        hashes = inclusion_proof(index, at.size, tiles.node)
        verify_inclusion(leaf_hash(entry), index, at.size, hashes, at.root)
    except (BadProof, BadTile) as error:
        raise _damaged(str(error)) from None
    return EntryProof(index, hashes, published.note, entry)


def _damaged(why: str) -> Unreadable:
    return Unreadable(
        f"the tree cannot be shown, as its tiles are damaged ({why}): restart the process that signs, which mends them"
    )


def _published(connection: Connection, size: int | None) -> Published:
    query, given = (LAST, {}) if size is None else (OF_A_SIZE, {"size": size})
    row = connection.execute(query, given).fetchone()
    if row is None and size is not None:
        raise NotFound(f"no tree of {size} entries was signed: see /v1/checkpoints")
    if row is None:
        raise NotFound("nothing is signed yet: a process with the log's key (LEDGER_LOG_KEY) signs")
    return _read(row)


def _read(row: tuple[str, int, bytes, str, datetime, list[str]]) -> Published:
    origin, size, root_, text, signed_at, cosigned = row
    note = Note.read(text)
    by_witnesses = tuple(Signature.read(line.removesuffix("\n")) for line in cosigned)
    return Published(
        Checkpoint(origin, size, root_), note._replace(signatures=note.signatures + by_witnesses), signed_at
    )


def _hashes(connection: Connection, tile: Tile) -> bytes:
    assert tile.level is not None
    found = read_tiles(connection, [tile]).get((tile.level, tile.index), b"")[: tile.width * HASH_BYTES]
    if len(found) != tile.width * HASH_BYTES:
        raise _damaged(f"tile {tile.path}")
    return found


def _entries(connection: Connection, tile: Tile) -> bytes:
    first = tile.index * WIDTH
    rows = connection.execute(TREE["lines"], {"after": first, "upto": first + tile.width}).fetchall()
    if len(rows) != tile.width:
        raise _damaged(f"bundle {tile.path}")
    return bundle([line.encode() for (line,) in rows])
