"""The auditor's check of names: each commitment in the log against the name that is kept for it, or the erasure of it."""

from collections import Counter
from collections.abc import Iterator

from ledger.database.connection import Connection, sql_blocks
from ledger.log.commitments import Disclosure
from projections.finding import Finding
from projections.names_check import NamesCheck
from projections.people import Place

SQL = sql_blocks("projections", "names_audit.sql")
BATCH = 5_000


def check_names(connection: Connection, found: Counter[str]) -> Iterator[Finding]:
    """What does not hold; ``found`` counts the commitments by what they are found to be.

    What the log does not tell of an erasure is no excuse: the table of erasures follows from the log, and is held against it.
    """
    check, after = NamesCheck(_told(connection), found), 0
    while rows := connection.execute(SQL["named"], {"after": after, "limit": BATCH}).fetchall():
        after = rows[-1][0]
        for position, entry_id, line, kept in rows:
            opened = [Disclosure(at, bytes.fromhex(one["salt"]), one["value"]) for at, one in (kept or {}).items()]
            yield from check.entry(position, entry_id, line, {one.pointer: one for one in opened})
    told = _told(connection) if check.missing else {}  # one may have been erased meanwhile
    lost = {Place(str(entry_id), pointer) for entry_id, pointer in connection.execute(SQL["lost"])}
    yield from check.unexplained(told, lost)
    for position, pointer in connection.execute(SQL["untold"]):
        yield Finding(position, f"the name at {pointer} is noted as erased, and no entry tells so")


def _told(connection: Connection) -> dict[Place, int]:
    """The erasures that the log tells of, each with the position of the entry."""
    rows = connection.execute(SQL["told"])
    return {Place(str(entry_id), pointer): position for entry_id, pointer, position in rows}
