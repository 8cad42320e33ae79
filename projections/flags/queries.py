"""The states that have anomalies or are in dispute, at a basis."""

from ledger.database.connection import sql_blocks
from projections.basis import Asked, Basis
from projections.listing import held, version
from projections.queries import Queries, StateRow, state_rows

SQL = sql_blocks("projections.flags", "flags.sql")
FLAGGED = SQL["flagged"].format(held=held("flags.subject", "flags.lane"), version=version("flags.subject"))
Place = tuple[str, str]
"""Where a page ends: a subject, and the lane of a party, empty for the subject itself."""


def flagged(
    reads: Queries, asked: Asked, after: Place | None, limit: int
) -> tuple[list[StateRow], Place | None, Basis]:
    """A page of them, in the order of their subjects; where the next one starts, and the basis of both."""
    subject, lane = after or ("", "")
    with reads.at(asked, "flags", "states") as (connection, basis):
        rows = connection.execute(FLAGGED, {
            "known_at": basis.known_at, "valid_at": basis.valid_at, "limit": limit + 1,
            "after_subject": subject, "after_lane": lane,
        }).fetchall()  # fmt: skip
        found = state_rows(connection, rows[:limit], basis)
    return found, (found[-1].subject, found[-1].lane) if len(rows) > limit else None, basis
