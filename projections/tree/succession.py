"""Another log that begins where two pasts exclude each other: an entry tells of the log before it."""

from base64 import b64encode
from uuid import NAMESPACE_URL, uuid5

from ledger.database.connection import Connection, sql_blocks
from ledger.log.entry import read_line
from ledger.vocabulary.correction import LogBegun
from ledger.writing.draft import Draft
from projections.tree.check import last_common

SQL = sql_blocks("projections.tree", "checkpoints.sql")


def log_begun(connection: Connection, origin: str, reason: str) -> Draft | None:
    """The event that tells of the log before; None where no other was signed, or it is told already."""
    before = connection.execute(SQL["log_before"], {"origin": origin}).fetchone()
    entry_id = str(uuid5(NAMESPACE_URL, f"entry.log_begun {origin}"))
    told = connection.execute(SQL["is_there"], {"entry_id": entry_id}).fetchone()
    if before is None or told is not None:
        return None
    size, root = last_common(connection, before[0])
    row = connection.execute(SQL["line"], {"position": max(size, 1)}).fetchone()
    if row is None:  # there is no entry that it could be about
        return None
    target = read_line(row[0])
    fact = LogBegun(
        target=target.id, origin=origin, before=before[0], size=size, root=b64encode(root).decode(), reason=reason
    )
    return Draft(entry_id, target.originator_id, fact)
