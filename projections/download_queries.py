"""What feeds and calendars need of the database beside what is asked elsewhere: when streams last grew."""

from collections.abc import Sequence
from datetime import datetime

from ledger.database.connection import sql_blocks
from projections.queries import Queries

SQL = sql_blocks("projections", "download_queries.sql")


def last_recorded(reads: Queries, subjects: Sequence[str], known_at: int) -> dict[str, datetime]:
    """When the last entry of each stream was recorded, up to a position."""
    with reads.connection() as connection:
        rows = connection.execute(SQL["last_recorded"], {"subjects": list(subjects), "known_at": known_at})
        return dict(rows.fetchall())
