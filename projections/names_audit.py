"""The auditor's check of names: each commitment in the log against the name that is kept for it, or the erasure of it."""

import hmac
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ledger.database.connection import Connection, sql_blocks
from ledger.errors import Unreadable
from ledger.log.commitments import commitment
from projections.finding import Finding
from projections.people import Place, persons_in

SQL = sql_blocks("projections", "names_audit.sql")
BATCH = 5_000
SORTS = ("verified", "erased", "lost", "missing", "mismatching")
"""What a commitment can be found to be."""


def check_names(connection: Connection, found: Counter[str]) -> Iterator[Finding]:
    """What does not hold; ``found`` counts the commitments by what they are found to be.

    What the log does not tell of an erasure is no excuse: the table of erasures follows from the log, and is held against it.
    """
    told, missing = _told(connection), dict[Place, int]()
    after = 0
    while rows := connection.execute(SQL["named"], {"after": after, "limit": BATCH}).fetchall():
        after = rows[-1][0]
        for position, entry_id, line, kept in rows:
            yield from _check_entry(position, entry_id, line, kept or {}, told, missing, found)
    told = _told(connection) if missing else told  # one may have been erased meanwhile
    lost = {Place(str(entry_id), pointer) for entry_id, pointer in connection.execute(SQL["lost"])}
    for place, position in missing.items():
        found["erased" if place in told else "lost" if place in lost else "missing"] += 1
        if place not in told and place not in lost:
            yield Finding(position, f"the name at {place.pointer} is gone, and no entry tells that it was erased")
    for position, pointer in connection.execute(SQL["untold"]):
        yield Finding(position, f"the name at {pointer} is noted as erased, and no entry tells so")


def _told(connection: Connection) -> dict[Place, int]:
    """The erasures that the log tells of, each with the position of the entry."""
    rows = connection.execute(SQL["told"])
    return {Place(str(entry_id), pointer): position for entry_id, pointer, position in rows}


def _check_entry(
    position: int, entry_id: str, line: str, kept: dict[str, Any], told: dict[Place, int], missing: dict[Place, int],
    found: Counter[str],
) -> Iterator[Finding]:  # fmt: skip
    """The persons of one entry; what is missing is noted, as it may be told of later."""
    try:
        persons = persons_in(line)
    except Unreadable:  # the audit of the log tells of it
        return
    for person in persons:
        place, opened = Place(entry_id, person["pointer"]), kept.pop(person["pointer"], None)
        if opened is None and place in told:
            found["erased"] += 1
        elif opened is None:
            missing[place] = position
        elif not _opens(opened, place, person["commitment"]):
            found["mismatching"] += 1
            yield Finding(position, f"the name that is kept for {place.pointer} is not the one that it commits to")
        else:
            found["verified"] += 1
        if opened is not None and place in told:
            yield Finding(
                position,
                f"the name at {place.pointer} is kept, and entry {told[place]} tells that it was erased: run `ledger restored`",
            )
    for pointer in kept:
        yield Finding(position, f"a name is kept for {pointer}, where the entry names nobody")


def _opens(opened: dict[str, str], place: Place, sealed: str) -> bool:
    made = commitment(bytes.fromhex(opened["salt"]), place.entry_id, place.pointer, opened["value"])
    return hmac.compare_digest(made, sealed)
