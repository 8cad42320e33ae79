"""The log as its subscribers take it: what they want of the entries after a position, in order, each line as it is stored."""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString, NamedTuple

from ledger.database.connection import Connection, sql_blocks
from projections.basis import MAX_POSITION

SQL = sql_blocks("projections", "feed.sql")
WINDOW = 10_000
"""So many entries are looked at for one page: what is wanted rarely holds up nobody else."""


class Line(NamedTuple):
    """An entry: what it is chosen by, and its line. The line names no person."""

    position: int
    entry_id: str
    subject: str
    type: str
    author: str
    text: str


class Wanted(NamedTuple):
    """Which entries a subscriber wants: of these types, subjects, kinds of subject and authors. An empty one wants all."""

    types: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()

    def takes(self, line: Line) -> bool:
        """Whether the entry is wanted; ``lines_after`` says the same of it."""
        told = (line.type, line.subject, line.subject.partition(":")[0], line.author)
        return all(not chosen or one in chosen for chosen, one in zip(self, told, strict=True))


ALL = Wanted()


@dataclass(frozen=True)
class Chosen:
    """Which entries of the log: after a position, up to another, recorded from a time on and up to another, of these sorts."""

    after: int = 0
    upto: int = MAX_POSITION
    since: datetime | None = None
    until: datetime | None = None
    wanted: Wanted = ALL


def conditions(wanted: Wanted) -> tuple[LiteralString, dict[str, str | list[str]]]:
    """What a query says of the entries that are wanted, for one value as an index can give it in order; and what goes into it."""
    given = {name: list(values) for name, values in wanted._asdict().items() if values}
    blocks = [SQL[f"one_of_{name}" if len(values) == 1 else f"any_of_{name}"] for name, values in given.items()]
    told = "".join([f"\n   and {block}" for block in blocks])
    return told, {name: values[0] if len(values) == 1 else values for name, values in given.items()}


def lines_after(
    connection: Connection, after: int, upto: int, limit: int, wanted: Wanted = ALL
) -> tuple[list[Line], int]:
    """At most ``limit`` lines, and the position up to which no other is wanted: where to go on after."""
    upto = min(upto, after + WINDOW)
    told, given = conditions(wanted)
    query = SQL["lines"].format(wanted=told)
    rows = connection.execute(query, {"after": after, "upto": upto, "limit": limit, **given}).fetchall()
    lines = [Line(*row) for row in rows]
    return lines, lines[-1].position if len(lines) == limit else max(upto, after)
