"""The documents of states as they are shown: those of long lanes, which are kept apart, put together."""

from collections.abc import Sequence
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from ledger.database.connection import Connection, sql_blocks
from projections.deltas import is_apart, whole

SQL = sql_blocks("projections", "wholes.sql")


class Kept(NamedTuple):
    """A row's document, as it is kept, and where it was read: of which lane, on which day, as known at which position."""

    subject: str
    lane: str
    known_at: int
    valid_at: date
    document: str


def wholes(connection: Connection, found: Sequence[Kept]) -> list[str]:
    """The documents as they are shown. One round trip for all that are kept apart; none where none is."""
    apart = [(number, *one[:4]) for number, one in enumerate(found) if is_apart(one.document)]
    shown = [one.document for one in found]
    if apart:
        names = ("numbers", "subjects", "lanes", "known_ats", "valid_ats")
        given = dict(zip(names, map(list, zip(*apart, strict=True)), strict=True))
        rows = connection.execute(SQL["deltas"], given).fetchall()
        for number, told in groupby(rows, itemgetter(0)):
            shown[number] = whole(shown[number], [one for _, one in told])
    return shown
