"""Epochs: from one rollback of the ledger to the next.

While the epoch stays, the log only grows. A backup that was restored, or a failover that lost entries, leaves positions
that may come to stand for other entries: whoever notices begins another epoch, and whatever rests on the one before
(ETags, cursors, kept answers, ``min_position`` of a client) is known to be void.
"""

from datetime import datetime
from secrets import token_hex
from typing import NamedTuple

from ledger.database.connection import Connection, sql_blocks

SQL = sql_blocks("ledger.log", "epoch.sql")
EPOCH_BYTES = 8


class Epoch(NamedTuple):
    """When it began, how many entries there were then, and why."""

    epoch: str
    began_at: datetime
    size: int
    reason: str


def renew(connection: Connection, known: str | None, reason: str, since: datetime | None = None) -> str:
    """Begin another epoch, unless one has begun after ``known``; returns the one that is current now.

    What the log tells to be erased is erased again, as the names may have come back with a backup.

    Where the ledger has no memory of ``known``: unless one has begun ``since``. The head is not held across a round trip.
    """
    given = {"known": known, "next": token_hex(EPOCH_BYTES), "reason": reason, "since": since}
    connection.execute(SQL["take_next"], given)
    erase_again(connection)
    return current(connection)


def erase_again(connection: Connection) -> int:
    """Erase again what the log tells to be erased; returns how many names were there. The log itself stays as it is."""
    row = connection.execute(SQL["erase_again"]).fetchone()
    return int(row[0]) if row else 0


def current(connection: Connection) -> str:
    row = connection.execute(SQL["current"]).fetchone()
    assert row is not None
    return str(row[0])


def epochs(connection: Connection) -> list[Epoch]:
    """All of them, the first one first."""
    return [Epoch(*row) for row in connection.execute(SQL["epochs"])]
