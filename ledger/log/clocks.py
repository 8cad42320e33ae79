"""Clocks: the server's, ours, and the last entry's time. What is decided by one and recorded by another may be wrong."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from ledger.database.connection import Connection, sql_blocks

SQL = sql_blocks("ledger.log", "clocks.sql")


class Clocks(NamedTuple):
    """The server's clock, the time of the last entry, and by how many seconds the server's clock and ours are apart at
    least. ``tolerance_s`` is allowed for all that is compared."""

    server: datetime
    last: datetime
    apart_s: float
    tolerance_s: float

    @property
    def differ(self) -> bool:
        return self.apart_s > self.tolerance_s

    @property
    def ahead_s(self) -> float:
        """By how many seconds the last entry lies ahead of the server's clock; not, if negative."""
        return (self.last - self.server).total_seconds()

    def is_ahead(self, recorded_at: datetime) -> bool:
        return (recorded_at - self.server).total_seconds() > self.tolerance_s


def read_clocks(
    connection: Connection, tolerance_s: float, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Clocks:
    before = clock()
    row = connection.execute(SQL["clocks"]).fetchone()
    after = clock()
    assert row is not None
    server, last = row
    apart_s = max((before - server).total_seconds(), (server - after).total_seconds(), 0)
    return Clocks(server, last, apart_s, tolerance_s)
