"""Bodies that no version of the ledger has written: always JSON, as the column is of that type, and nothing else is sure.

PYTEST_DONT_REWRITE: the modules that register these fixtures also import from here.
"""

import json
from collections.abc import Iterator, Sequence
from typing import LiteralString

import pytest

from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded

WHOLE = {
    "an empty list": "[]",
    "a list of entries": '[{"sequence":"00000000000000000005"}]',
    "a text": '"x"',
    "an empty object": "{}",
    "nothing": "null",
    "a number": "7",
    "a number beyond all": "1e400",
    "true": "true",
    "far too deep": "[" * 1_000 + "]" * 1_000,
}
"""Instead of a line."""

CHANGED = {
    "another subject": {"subject": "place:x"},
    "a subject that is a number": {"subject": 7},
    "a version that is a text": {"streamversion": "2"},
    "a version beyond all": {"streamversion": float("1e300")},
    "a sequence that is no number": {"sequence": "five"},
    "a sequence that is no text": {"sequence": 5},
    "the sequence of another": {"sequence": "00000000000000000001"},
    "a time that is none": {"recordedtime": "yesterday"},
    "a time without a zone": {"recordedtime": "2024-01-01T00:00:00"},
    "an id that is none": {"id": "five"},
    "an id that is a list": {"id": []},
    "a type of the future": {"type": "initiative.from_the_future"},
    "a schema of the future": {"dataschema": "/v1/event-types/initiative.activated/2"},
    "a schema that is none": {"dataschema": "x"},
    "a schema that is a number": {"dataschema": 1},
    "a correction of the future": {"type": "entry.from_the_future"},
    "a correction without a target": {"type": "entry.voided"},
    "a fact of another kind": {"type": "party.registered", "data": {"sources": [], "name": "X", "kind": "state"}},
    "a type that is an object": {"type": {"commitment": "x"}},
    "no data": {"data": None},
    "data that is a list": {"data": [{"occurred": "2023"}]},
    "data that does not fit": {"data": {"occurred": 1, "sources": {"source": "source:thx"}}},
    "data far too deep": {"data": {"note": json.loads("[" * 150 + "]" * 150)}},
    "sources that are none": {"data": {"sources": [7, None, "x", {"source": 7}]}},
}
"""Of a line, so much is changed."""

MISSING = ("sequence", "recordedtime", "id", "type", "subject", "streamversion", "authid", "dataschema", "data")
KINDS = [*WHOLE, *CHANGED, *(f"no {name}" for name in MISSING)]


def body(kind: str, line: str) -> str:
    """What comes to stand in the place of a line."""
    if kind in WHOLE:
        return WHOLE[kind]
    told = json.loads(line) | CHANGED.get(kind, {})
    told.pop(kind.removeprefix("no "), None)
    return json.dumps(told, separators=(",", ":"))


SPOIL: LiteralString = "update entries set body = %s::json where position = %s"


def spoil(owner: Connection, kind: str, position: int) -> str:
    """Put such a body in the place of an entry's line; returns it."""
    spoilt = body(kind, line_of(owner, position))
    tamper(owner, SPOIL, spoilt, position)
    return spoilt


def spoilt_in_turn(owner: Connection, position: int, kinds: Sequence[str] = KINDS) -> Iterator[tuple[str, str]]:
    """Each sort of such bodies in the place of an entry's line, one after the other; in the end, the line again."""
    line = line_of(owner, position)
    for kind in kinds:
        spoilt = body(kind, line)
        tamper(owner, SPOIL, spoilt, position)
        yield kind, spoilt
    tamper(owner, SPOIL, line, position)


def line_of(owner: Connection, position: int) -> str:
    row = owner.execute("select body::text from entries where position = %s", [position]).fetchone()
    assert row
    return str(row[0])


def tamper(owner: Connection, statement: LiteralString, *given: object) -> None:
    """Do what only the owner of the server can, and leave the trigger as it was."""
    owner.execute("alter table entries disable trigger entries_are_never_changed")
    owner.execute(statement, given or None)
    owner.execute("alter table entries enable always trigger entries_are_never_changed")


@pytest.fixture
def owner(server: Embedded, location: LedgerLocation) -> Iterator[Connection]:
    """Whoever owns the server: who can do what the service cannot."""
    with Connection.connect(server.owner_dsn, autocommit=True) as connection:
        connection.execute(
            "select set_config('search_path', %s, false)", [f"{location.projections}, {location.schema}"]
        )
        yield connection
