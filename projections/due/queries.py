"""What is due, at a basis."""

from datetime import date
from typing import NamedTuple

from ledger.database.connection import sql_blocks
from projections.basis import Asked, Basis
from projections.listing import due_rows
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
    conditions = [SQL[name] for name, given in (("after", after), ("before", before)) if given] or [SQL["all"]]
    query = SQL["due"].format(rows=due_rows("\nand ".join(conditions), SQL["order"]), order=SQL["order"])
    place = {f"after_{name}": value for name, value in after._asdict().items()} if after else {}
    with reads.at(asked, "due") as (connection, basis):
        at = {"known_at": basis.known_at, "valid_at": basis.valid_at, "limit": limit + 1}
        rows = connection.execute(query, {"before": before, **at, **place}).fetchall()
    found = [DueItem(*row) for row in rows[:limit]]
    return found, found[-1] if len(rows) > limit else None, basis
