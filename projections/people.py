"""Who is named: rows and lines hold commitments alone, and what may be told of each person is put in when it is shown.

Names stand in ``disclosures`` and nowhere else: so none is left in a row, in what is remembered, or in a rebuild once it was
erased there. Where a person stands, an answer has the commitment, the entry and the pointer of it, and one of these:

- ``name``, for who may see names;
- ``withheld``, for who may not;
- ``erased``, with the ground and the entry that tells so, for everybody;
- ``lost``, where the entry came back from tiles, which hold no names;
- ``missing``, where the name is gone and nothing tells why: the audit names it.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from pydantic_core import to_json

from ledger.database.connection import Connection, sql_blocks
from ledger.log.commitments import sealed_in, unseal
from ledger.log.entry import read_line
from projections.search.words import words_of

SQL = sql_blocks("projections", "people.sql")
BATCH = 5_000
BEGINS = '{"commitment":"'
PERSON = re.compile(
    r'(\{"commitment":"[\w-]{43}","entry":"([0-9a-f-]{36})","pointer":"([^"\\]*)")(?:,"name":"(?:[^"\\]|\\.)*")?\}',
    re.ASCII,
)
"""A person in a document, and a name, where rows of an older version hold one. No text in a document can look like it, as
its quotes are escaped there."""


class Place(NamedTuple):
    """Where a person is named: in which entry, and at which JSON pointer."""

    entry_id: str
    pointer: str


Connect = Callable[[], AbstractContextManager[Connection]]
Told = Mapping[Place, Mapping[str, Any]]
"""What may be told of each person."""
NOBODY: Told = {}
WITHHELD = {"withheld": True}
MISSING = {"missing": True}


def places(text: str) -> set[Place]:
    """Where the persons in a document are named."""
    return {Place(entry_id, pointer) for _, entry_id, pointer in PERSON.findall(text)}


def show(text: str, told: Told) -> str:
    """The document with what may be told of each person in it."""
    ends = {place: f",{to_json(one).decode()[1:]}" for place, one in told.items()}
    return PERSON.sub(lambda found: found[1] + ends[Place(found[2], found[3])], text)


def withhold(text: str) -> tuple[str, int]:
    """The document with every name withheld, and how many persons are in it."""
    return PERSON.subn(r'\1,"withheld":true}', text)


def with_persons(
    text: str, connect: Connect, *, names: bool, none_erased: bool = False, known: Told = NOBODY
) -> tuple[str, str]:
    """A document with what a reader may be told of each person in it, and all of that, empty where it names none.

    ``names`` is whether the reader may see them, ``none_erased`` that no name ever was, as far as is known, and ``known`` what
    the reader has told us. A round trip where names are shown, or some were erased.
    """
    if none_erased and not names:
        shown, count = withhold(text)
        return shown, "withheld" if count else ""
    told = dict(known)
    if wanted := places(text) - known.keys():
        with connect() as connection:
            told |= tell(connection, wanted, names=names)
    return show(text, told), repr(sorted(told.items())) if told else ""


def with_names(text: str, connect: Connect) -> str:
    """A document with the names of the persons in it."""
    return with_persons(text, connect, names=True)[0]


def tell(connection: Connection, wanted: Collection[Place], *, names: bool) -> Told:
    """What is told of the persons at these places; ``names`` is whether the reader may see them."""
    entry_ids, pointers = zip(*wanted, strict=True)
    given = {"entry_ids": list(entry_ids), "pointers": list(pointers), "names": names}
    otherwise = MISSING if names else WITHHELD
    rows = connection.execute(SQL["told"], given)
    return {Place(entry_id, pointer): _told(*known) or otherwise for entry_id, pointer, *known in rows}


def _told(name: str | None, erased_by: int | None, ground: str | None, is_lost: bool) -> dict[str, Any]:
    if erased_by is not None:
        return {"erased": {"position": erased_by, "ground": ground}}
    if is_lost:
        return {"lost": True}
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
