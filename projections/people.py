"""Who is named: rows and lines hold commitments alone, and what may be told of each person is put in when it is shown.

Names stand in ``disclosures`` and nowhere else: so none is left in a row, in what is remembered, or in a rebuild once it was
erased there. Where a person stands, an answer has the commitment, the entry and the pointer of it, and one of these:

- ``name``, for who may see names;
- ``withheld``, for who may not;
- ``erased``, with the ground and the entry that tells so, for everybody;
- ``missing``, where the name is gone and nothing tells why: the audit names it.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from pydantic_core import from_json, to_json

from ledger.database.connection import Connection, sql_blocks
from ledger.log.commitments import sealed_in, unseal
from ledger.log.entry import read_line
from projections.search.words import words_of

SQL = sql_blocks("projections", "people.sql")
BATCH = 5_000
BEGINS = '{"commitment":"'
PERSON = re.compile(
    r'(?P<sealed>\{"commitment":"[\w-]{43}","entry":"(?P<entry>[0-9a-f-]{36})","pointer":(?P<pointer>"(?:[^"\\]|\\.)*"))'
    r'(?:,"name":"(?:[^"\\]|\\.)*")?\}',
    re.ASCII,
)
"""A person in a document, and a name, where rows of an older version hold one. No text in a document can look like it, as
its quotes are escaped there."""


class Place(NamedTuple):
    """Where a person is named: in which entry, and at which JSON pointer."""

    entry_id: str
    pointer: str


Told = Mapping[Place, Mapping[str, Any]]
"""What may be told of each person."""
WITHHELD = {"withheld": True}
MISSING = {"missing": True}


def places(text: str) -> set[Place]:
    """Where the persons in a document are named."""
    return {_place(found) for found in PERSON.finditer(text)} if BEGINS in text else set()


def show(text: str, told: Told) -> str:
    """The document with what may be told of each person in it; of whom nothing is known, nothing is."""
    return PERSON.sub(lambda found: _shown(found, told.get(_place(found), {})), text) if BEGINS in text else text


def _place(found: re.Match[str]) -> Place:
    return Place(found["entry"], from_json(found["pointer"]))


def _shown(found: re.Match[str], told: Mapping[str, Any]) -> str:
    return f"{found['sealed']},{to_json(told).decode()[1:]}" if told else f"{found['sealed']}}}"


def tell(connection: Connection, wanted: Collection[Place], *, names: bool) -> Told:
    """What is told of the persons at these places; ``names`` is whether the reader may see them."""
    ordered = [*wanted]
    entry_ids, pointers = [UUID(one.entry_id) for one in ordered], [one.pointer for one in ordered]
    rows = connection.execute(SQL["told"], {"entry_ids": entry_ids, "pointers": pointers, "names": names})
    otherwise = MISSING if names else WITHHELD
    return {Place(str(entry_id), pointer): _told(*known) or otherwise for entry_id, pointer, *known in rows}


def _told(name: str | None, erased_by: int | None, ground: str | None) -> dict[str, Any]:
    if erased_by is not None:
        return {"erased": {"position": erased_by, "ground": ground}}
    return {} if name is None else {"name": name}


def persons_in(line: str) -> list[dict[str, str]]:
    """The persons that a stored line names, as a document shows them. Raises Unreadable."""
    if BEGINS not in line:
        return []
    entry = read_line(line)
    return list(sealed_in(unseal(entry.data, entry.id)))


def held_of(connection: Connection, name: str) -> Iterator[tuple[int, str, str, str, str]]:
    """Position, stream and type of each entry that names somebody with all these words, where in it, and the name.

    Compared without regard to case, accents and forms of Unicode. All that is held is read, a batch at a time.
    """
    words = {*words_of(name)}
    with connection.transaction(), connection.cursor(name="held") as cursor:
        cursor.itersize = BATCH
        for row in cursor.execute(SQL["held"]):
            if words and words <= {*words_of(row[-1])}:
                yield row
