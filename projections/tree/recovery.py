"""Recovery of a log that was put back: entries that were signed and are gone come back from a copy of the tiles, byte for byte.

The names behind commitments are in no tile: those that went with the database are marked as lost.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ledger.database.connection import Connection, LedgerLocation, sql_blocks
from ledger.errors import NotAsSigned, Refused
from ledger.log.commitments import sealed_in, unseal
from ledger.log.entry import Entry, read_line
from ledger.log.epoch import current, renew
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.tiles import WIDTH
from projections.tree.tree import SQL as TREE
from projections.tree.tree import Tree

SQL = sql_blocks("projections.tree", "recovery.sql")
Bundle = Callable[[int, int], Sequence[bytes]]
"""Entries of a verified copy, by the index of their bundle and how many it has."""


class Recovered(NamedTuple):
    """How many entries came back, and how many names are lost with them."""

    entries: int
    names: int


def recover(location: LedgerLocation, signed: Checkpoint, bundle: Bundle, report: Callable[[int], None]) -> Recovered:
    """Bring back what the database lacks of a signed tree. Raises NotAsSigned where what it has is something else, Refused where
    it lacks nothing.

    All in one transaction, at the end of which the root is the signed one, and appends may go on; in another epoch.
    """
    with location.connect(patient=True) as connection:
        with connection.transaction():
            size = _take(connection)
            if size >= signed.size:
                raise Refused(
                    "complete",
                    f"the database has {size:,} entries, and {signed.size:,} were signed: nothing is missing",
                )
            names = 0
            for entries in _missing(connection, size, signed.size, bundle):
                names += _put_back(connection, entries)
                report(entries[-1][0].position or 0)
            _check(connection, signed)
        renew(connection, current(connection), f"{signed.size - size} signed entries were recovered")
    return Recovered(signed.size - size, names)


def _take(connection: Connection) -> int:
    """The log's size, while nobody else records; the stop is lifted with the transaction."""
    row = connection.execute(SQL["take"]).fetchone()
    assert row is not None
    return int(row[0])


def _missing(connection: Connection, size: int, upto: int, bundle: Bundle) -> Iterator[list[tuple[Entry, bytes]]]:
    """The entries beyond the database's, a bundle at a time. Raises NotAsSigned where it has others than the copy before."""
    for index in range(-(-upto // WIDTH)):
        lines = bundle(index, min(WIDTH, upto - index * WIDTH))
        held = connection.execute(
            TREE["lines"], {"after": index * WIDTH, "upto": min((index + 1) * WIDTH, size)}
        ).fetchall()
        for number, ((line,), kept) in enumerate(zip(held, lines, strict=False), index * WIDTH + 1):
            if line.encode() != kept:
                raise NotAsSigned(
                    f"entry {number:,} of the database is another than the one that was signed: it cannot be recovered"
                )
        if missing := lines[len(held) :]:
            yield [(read_line(line), line) for line in missing]


def _put_back(connection: Connection, entries: Sequence[tuple[Entry, bytes]]) -> int:
    """Record lines as they were, and mark the names that they commit to as lost; returns how many."""
    connection.execute(SQL["put_back"], {
        "positions": [one.position for one, _ in entries], "streams": [one.originator_id for one, _ in entries],
        "versions": [one.originator_version for one, _ in entries], "types": [one.type for one, _ in entries],
        "ids": [one.id for one, _ in entries], "times": [one.recorded_at for one, _ in entries],
        "lines": [line.decode() for _, line in entries],
    })  # fmt: skip
    lost = [(one.id, person["pointer"]) for one, _ in entries for person in sealed_in(unseal(one.data, one.id))]
    connection.execute(SQL["mark_lost"], {"ids": [one for one, _ in lost], "pointers": [one for _, one in lost]})
    return len(lost)


def _check(connection: Connection, signed: Checkpoint) -> None:
    tree = Tree(connection)
    tree.grow(signed.size)
    if tree.root != signed.root:
        raise NotAsSigned("the recovered entries do not make the tree that was signed")
