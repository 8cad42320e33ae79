"""The documents of states as they are shown: those of long lanes, which are kept in parts, put together."""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from pydantic_core import from_json

from ledger.database.connection import Connection, sql_blocks
from ledger.vocabulary.state import MAIN
from projections.parts import is_apart, whole

SQL = sql_blocks("projections", "wholes.sql")


Retracted = dict[str, list[int]]
"""Sources that were taken back, each with the entries that say so."""


class Kept(NamedTuple):
    """A row's document, as it is kept, and where it was read: of which lane, on which day, as known at which position."""

    subject: str
    lane: str
    known_at: int
    valid_at: date
    document: str


def wholes(connection: Connection, found: Sequence[Kept]) -> list[str]:
    """The documents as they are shown. One round trip for all that are kept in parts; none where none is."""
    apart = [(number, *one[:4]) for number, one in enumerate(found) if is_apart(one.document)]
    shown = [one.document for one in found]
    if apart:
        names = ("numbers", "subjects", "lanes", "known_ats", "valid_ats")
        given = dict(zip(names, map(list, zip(*apart, strict=True)), strict=True))
        rows = connection.execute(SQL["steps"], given).fetchall()
        for number, told in groupby(rows, itemgetter(0)):
            shown[number] = whole(shown[number], [one for _, one in told])
    return shown


def retractions(connection: Connection, rows: Iterable[Sequence[Any]], known_at: int) -> Retracted:
    """The sources that were taken back, each with the day from which its document is, and the document: with the entries that say so."""
    kept = [Kept(subject, MAIN, known_at, day, document) for subject, day, document in rows]
    shown = wholes(connection, kept)
    return {one.subject: from_json(doc)["provenance"]["status"] for one, doc in zip(kept, shown, strict=True)}
