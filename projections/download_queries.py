"""What feeds, calendars and pages of the log need of the database beside what is asked elsewhere: the log backwards, and when streams last grew."""

from collections.abc import Sequence
from datetime import datetime

from ledger.database.connection import sql_blocks
from projections.basis import MAX_POSITION, Asked
from projections.queries import Queries

SQL = sql_blocks("projections", "download_queries.sql")


def log_back(
    reads: Queries, asked: Asked, after: int, before: int | None, limit: int, type_: str | None = None, subject: str | None = None,
) -> tuple[list[tuple[int, str]], int]:  # fmt: skip
    """As ``Queries.log``, from the last entry before a position back to ``after``."""
    with reads.log_at(asked, after) as (connection, upto):
        given = {"after": after, "before": before or MAX_POSITION, "type": type_, "subject": subject}
        rows = connection.execute(SQL["log_back"], given | {"known_at": upto, "limit": limit}).fetchall()
    return [(position, body) for position, body in rows], upto


def last_recorded(reads: Queries, subjects: Sequence[str], known_at: int) -> dict[str, datetime]:
    """When the last entry of each stream was recorded, up to a position."""
    with reads.connection() as connection:
        rows = connection.execute(SQL["last_recorded"], {"subjects": list(subjects), "known_at": known_at})
        return dict(rows.fetchall())
