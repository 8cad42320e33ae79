"""Which entries a state rests on: all of its stream and of those that belong to it, and of the sources that these cite."""

from collections.abc import Collection

from ledger.log.entry import read_line
from ledger.vocabulary.fact import Subject
from projections.basis import Basis
from projections.listing import SQL
from projections.queries import Queries, StateView

Lines = dict[int, str]
"""The lines of entries by their positions, in order."""


def concerned(reads: Queries, whole: StateView, basis: Basis) -> Lines:
    """The entries that are in the basis, those that were struck and what struck them, too. Raises Unreadable."""
    own = _of_streams(reads, {one.subject for one in whole.shown}, basis)
    sources = _of_streams(reads, {one for one in _mentioned(own) if one.kind == "source"}, basis)
    return dict(sorted((own | sources).items()))


def _mentioned(lines: Lines) -> set[Subject]:
    return {one for line in lines.values() for one in read_line(line).fact().mentions}


def _of_streams(reads: Queries, streams: Collection[str], basis: Basis) -> Lines:
    with reads.connection() as connection:
        given = {"streams": [*streams], "known_at": basis.known_at}
        return dict(connection.execute(SQL["of_streams"], given).fetchall())
