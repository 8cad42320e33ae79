"""What is due, at a basis."""

from datetime import date
from typing import NamedTuple

from ledger.database.connection import sql_blocks
from projections.basis import Asked, Basis
from projections.queries import Queries

SQL = sql_blocks("projections.due", "due.sql")


class DueItem(NamedTuple):
    """Something of a stream, and the last day on which it is not late; ``item`` is empty where it is the stream itself."""

    subject: str
    item: str
    due: date


def due(
    reads: Queries, asked: Asked, before: date | None, after: DueItem | None, limit: int
) -> tuple[list[DueItem], DueItem | None, Basis]:
    """What is still to be done, the earliest first: a page, where the next one starts, and the basis of both."""
    start = after or DueItem("", "", date.min)
    with reads.at(asked, "due") as (connection, basis):
        rows = connection.execute(SQL["due"], {
            "known_at": basis.known_at, "valid_at": basis.valid_at, "before": before, "limit": limit + 1,
            "after_due": start.due, "after_subject": start.subject, "after_item": start.item,
        }).fetchall()  # fmt: skip
    found = [DueItem(*row) for row in rows[:limit]]
    return found, found[-1] if len(rows) > limit else None, basis
