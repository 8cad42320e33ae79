"""What rests on sources that were taken back, and on nothing else."""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic_core import from_json

from ledger.database.connection import Connection
from ledger.log.entry import read_line
from ledger.vocabulary.state import MAIN
from projections.listing import SQL
from projections.wholes import Kept, wholes

Place = TypeVar("Place", bound=Hashable)
Retracted = dict[str, list[int]]
"""Sources that were taken back, each with the entries that say so."""


def retractions(connection: Connection, rows: Iterable[Sequence[Any]], known_at: int) -> Retracted:
    """The sources that were taken back, each with the day from which its document is, and the document: with the entries that say so."""
    kept = [Kept(subject, MAIN, known_at, day, document) for subject, day, document in rows]
    shown = wholes(connection, kept)
    return {one.subject: from_json(doc)["provenance"]["status"] for one, doc in zip(kept, shown, strict=True)}


def unverified_in(
    connection: Connection, documents: Mapping[Place, str], retracted: Retracted
) -> dict[Place, dict[str, list[int]]]:
    """The fields that are unverified, of those documents that may rest on a retracted source: the entries of no other are read."""
    named = {place: from_json(doc)["provenance"] for place, doc in documents.items() if _may_rest_on(doc, retracted)}
    positions = {position for paths in named.values() for found in paths.values() for position in found}
    weak = _unverified(connection, positions, retracted)
    return {place: unverified_fields(provenance, weak) for place, provenance in named.items()}


def unverified_among(connection: Connection, lines: Sequence[str], retracted: Retracted) -> set[int]:
    """The positions of those entries among these lines that rest on retracted sources alone."""
    positions = {read_line(line).position or 0 for line in lines if _names(line, retracted)}
    return set(_unverified(connection, positions, retracted))


def _may_rest_on(doc: str, sources: Collection[str]) -> bool:
    """A document names the sources of all its entries, but for those that something is derived from."""
    return bool(sources) and (_names(doc, sources) or '"derived":' in doc)


def _names(text: str, sources: Iterable[str]) -> bool:
    return any(f'"{source}"' in text for source in sources)


def _unverified(connection: Connection, positions: Collection[int], retracted: Retracted) -> dict[int, list[int]]:
    """Of the entries at these positions, those that rest on retracted sources alone, with what retracted them."""
    if not positions:
        return {}
    given = {"positions": list(positions), "retracted": list(retracted)}
    rows = connection.execute(SQL["unverified"], given).fetchall()
    return {position: sorted({by for source in sources for by in retracted[source]}) for position, sources in rows}


def unverified_fields(provenance: dict[str, list[int]], weak: dict[int, list[int]]) -> dict[str, list[int]]:
    """The fields of which nothing is left that a source still stands for."""
    return {
        field: sorted({by for position in positions for by in weak[position]})
        for field, positions in provenance.items()
        if positions and weak.keys() >= set(positions)
    }
