"""What a projection is: tables of rows that each hold between two positions, and what an entry changes in them. Pure."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from struct import pack
from typing import Any, ClassVar, LiteralString, NamedTuple

from ledger.fold import StateAt
from ledger.recorded import Recorded
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.fields import LiveFact
from ledger.vocabulary.kind import Kind
from ledger.vocabulary.state import State
from projections.segments import Segment, is_long

FOREVER = 2**63 - 1
TEXT_OID = 25
KNOWN = ("known_from", "known_to")
"""What every row ends with: the position that it is known from, and the one at which it was learnt to be otherwise."""

VACUUMED = "autovacuum_vacuum_insert_scale_factor = 0.05"
"""What of a table is read from an index alone has to be known to be visible to all."""

ROW_BYTES = 500
"""About what a row takes in memory, beside its documents and lists."""

Row = list[Any]
Key = tuple[Any, ...]


class Column(NamedTuple):
    """A column: its type in Postgres, and by which attribute its value is got from what the row shows.

    ``encoded``: the value is given as bytes, in the type's binary format. ``check``: what the table says of it beside.
    """

    name: str
    type: LiteralString
    value: str
    check: LiteralString = "not null"
    encoded: bool = False


@dataclass(frozen=True)
class Table:
    """A table of rows. Its rows that still hold are told apart by ``key``; ``more`` is what Postgres adds by itself."""

    name: str
    key: tuple[LiteralString, ...]
    columns: tuple[Column, ...]
    more: LiteralString = ""
    options: tuple[LiteralString, ...] = ()

    @cached_property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @cached_property
    def encoded(self) -> list[int]:
        """Which columns are given as bytes: documents, and lists."""
        return [number for number, column in enumerate(self.columns) if column.encoded]

    @cached_property
    def values(self) -> Callable[[Any], Sequence[Any]]:
        """The values of all columns, from what a row shows."""
        return attrgetter(*[column.value for column in self.columns])

    @cached_property
    def create(self) -> str:
        columns = [f"{one.name} {one.type} {one.check}" for one in self.columns]
        known = [f"{name} bigint not null" for name in KNOWN]
        told = ", ".join([*columns, *known, *([self.more] if self.more else [])])
        return f"create table if not exists {self.name} ({told}) with ({', '.join([VACUUMED, *self.options])})"

    @cached_property
    def analyze(self) -> str:
        """Of documents, and parts of them, the planner needs to know nothing."""
        told = [one.name for one in self.columns if not (one.encoded and one.type == "text")]
        return f"analyze {self.name} ({', '.join([*told, *KNOWN])})"

    @cached_property
    def copy(self) -> str:
        return f"copy {self.name} ({', '.join([*self.names, *KNOWN])}) from stdin (format binary)"

    @cached_property
    def types(self) -> list[str]:
        """How the columns are written in COPY's binary format."""
        return ["bytea" if one.encoded else one.type.partition(" ")[0] for one in self.columns] + ["int8", "int8"]

    @cached_property
    def close(self) -> str:
        """End rows that hold: ``k0``, ``k1``, ... are arrays of their keys' columns, ``known_tos`` where each ends."""
        types = dict(zip(self.names, (one.type.partition(" ")[0] for one in self.columns), strict=True))
        arrays = [f"%(k{number})b::{types[name]}[]" for number, name in enumerate(self.key)]
        same = " and ".join(f"{self.name}.{name} = closed.{name}" for name in self.key)
        return (  # the names are our own, from this table's definition
            f"update {self.name} set known_to = closed.known_to "  # noqa: S608
            f"from unnest({', '.join(arrays)}, %(known_tos)b::bigint[]) as closed ({', '.join(self.key)}, known_to) "
            f"where {same} and {self.name}.known_to = {FOREVER}"
        )


@dataclass(slots=True)
class Rows:
    """What a batch of entries does to one table: the rows that it opens, and the ends of those that it closes."""

    table: Table
    opened: dict[Key, Row] = field(default_factory=dict)
    done: list[Row] = field(default_factory=list)
    closed: dict[Key, int] = field(default_factory=dict)
    bytes: int = 0  # about so many they take

    def open(self, key: Key, shown: Any, position: int) -> None:
        """A row holds from ``position`` on; ``shown`` is what its columns are got from."""
        row = self.opened[key] = [*self.table.values(shown), position, FOREVER]
        self.bytes += self._size_of(row)

    def close(self, key: Key, position: int) -> None:
        """It held until ``position``. A row that this very batch opened is written closed."""
        if (row := self.opened.pop(key, None)) is None:
            self.closed[key] = position
        else:
            row[-1] = position
            self.done.append(row)

    def replace(self, was: Collection[Key], now: Mapping[Key, Any], position: int) -> None:
        """Close the rows that hold no more, and open those that hold now."""
        for key in was:
            self.close(key, position)
        for key, shown in now.items():
            self.open(key, shown, position)

    def take_done(self) -> "Rows":
        """Those that are done, which nothing changes any more."""
        taken = Rows(self.table, done=self.done)
        self.done, self.bytes = [], sum(map(self._size_of, self.opened.values()))
        return taken

    def _size_of(self, row: Row) -> int:
        return ROW_BYTES + sum([len(row[number]) for number in self.table.encoded])

    @property
    def written(self) -> list[Row]:
        return [*self.done, *self.opened.values()]


class LaneChange(NamedTuple):
    """What an entry changed in one lane of its stream: the steps, from ``start`` on others than they were, which were ``cut``; and
    the segments of the days from the step ``first`` on.
    """

    kind: Kind
    lane: str
    steps: Sequence[StateAt]
    start: int
    cut: Sequence[StateAt]
    first: int
    old: Sequence[Segment]
    new: Sequence[Segment]

    @property
    def before(self) -> State | None:
        """The state that the segments follow on."""
        return self.steps[self.first - 1].state if self.first else None

    @property
    def was_long(self) -> bool:
        return is_long(self.start + len(self.cut))

    @property
    def is_long(self) -> bool:
        return is_long(len(self.steps))


class Change(NamedTuple):
    """What an entry changed in its stream: the lanes, and which facts count now that did not before, or no longer."""

    subject: Subject
    recorded: Recorded
    lanes: Sequence[LaneChange]
    opened: Sequence[LiveFact]
    closed: Sequence[LiveFact]


Changes = Mapping[str, Rows]
"""What a batch does to each table of a projection, by the table's name."""


class Projection(ABC):
    """Shows the log in tables of its own. It has no memory: all it knows of an entry is the change that it made.

    ``version`` is raised whenever rows come out differently: what an older version built is built again. The block
    ``indexes`` of the .sql file in its folder is run once the rows are there.
    """

    name: ClassVar[LiteralString]
    version: ClassVar[int]
    tables: ClassVar[tuple[Table, ...]]

    @abstractmethod
    def note(self, change: Change, changes: Changes) -> None:
        """Note which rows an entry closes and opens."""


def array(words: Collection[str]) -> bytes:
    """A Postgres array of texts, in its binary format: dimensions, whether it has nulls, type, then size and start."""
    if not words:
        return pack("!3i", 0, 0, TEXT_OID)
    return pack("!5i", 1, 0, TEXT_OID, len(words), 1) + b"".join(map(_element, words))


def _element(word: str) -> bytes:
    text = word.encode()
    return pack("!i", len(text)) + text
