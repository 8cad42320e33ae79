"""What rests on sources that were taken back, and on nothing else."""

import re
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from datetime import date
from typing import TypeVar

from pydantic_core import from_json

from ledger.database.connection import Connection
from ledger.log.entry import read_line
from ledger.vocabulary.state import MAIN
from projections.listing import SQL
from projections.wholes import Kept, wholes

Place = TypeVar("Place", bound=Hashable)
Told = Iterable[tuple[str, str]]
"""The sources that were taken back, and their documents as they are kept."""
SOURCE = re.compile('"(source:[^"]+)"')


def unverified_in(
    connection: Connection, documents: Mapping[Place, str], told: Told, known_at: int
) -> dict[Place, dict[str, list[int]]]:
    """The fields that are unverified, of those documents that may rest on a retracted source: the entries of no other are read."""
    sources = dict(told)
    named = {place: from_json(doc)["provenance"] for place, doc in documents.items() if _may_rest_on(doc, sources)}
    positions = {position for paths in named.values() for found in paths.values() for position in found}
    weak = _unverified(connection, positions, sources, known_at)
    return {place: unverified_fields(provenance, weak) for place, provenance in named.items()}


def unverified_among(connection: Connection, lines: Sequence[str], told: Told, known_at: int) -> set[int]:
    """The positions of those entries among these lines that rest on retracted sources alone."""
    sources = dict(told)
    positions = {read_line(line).position or 0 for line in lines if _names(line, sources)}
    return set(_unverified(connection, positions, sources, known_at))


def unverified_fields(provenance: dict[str, list[int]], weak: dict[int, list[int]]) -> dict[str, list[int]]:
    """The fields of which nothing is left that a source still stands for."""
    return {
        field: sorted({by for position in positions for by in weak[position]})
        for field, positions in provenance.items()
        if positions and weak.keys() >= set(positions)
    }


def _may_rest_on(doc: str, sources: Collection[str]) -> bool:
    """A document names the sources of all its entries, but for those that something is derived from."""
    return bool(sources) and ('"derived":' in doc or _names(doc, sources))


def _names(text: str, sources: Collection[str]) -> bool:
    return bool(sources) and any(found in sources for found in SOURCE.findall(text))


def _unverified(
    connection: Connection, positions: Collection[int], sources: Mapping[str, str], known_at: int
) -> dict[int, list[int]]:
    """Of the entries at these positions, those that rest on retracted sources alone, with what retracted them."""
    if not positions:
        return {}
    given = {"positions": list(positions), "retracted": list(sources)}
    rows = connection.execute(SQL["unverified"], given).fetchall()
    cited = {source: sources[source] for _, cited in rows for source in cited}
    by = _retracted_by(connection, cited, known_at)
    return {position: sorted({one for source in cited for one in by[source]}) for position, cited in rows}


def _retracted_by(connection: Connection, sources: Mapping[str, str], known_at: int) -> dict[str, list[int]]:
    """Which entries took these sources back, on whatever day: what has been is not undone."""
    kept = [Kept(source, MAIN, known_at, date.max, doc) for source, doc in sources.items()]
    return {
        one.subject: from_json(doc)["provenance"]["status"]
        for one, doc in zip(kept, wholes(connection, kept), strict=True)
    }
