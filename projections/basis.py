"""What an answer rests on: what a reader asks for, how the ledger stands, and whether the one is there in the other."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from math import inf
from typing import Any, NamedTuple, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from ledger.errors import Fault, Invalid, NotYet, RolledBack

MAX_POSITION = 2**62
POSITION = re.compile(r"(?:(?P<epoch>[0-9a-f]{16}):)?(?P<position>[0-9]{1,19})", re.ASCII)
IN_AN_EPOCH = r"^[0-9a-f]{16}:[0-9]{1,18}$"


class Position(int):
    """A position of the log; and the epoch in which the reader was told of it, where they name it: ``EPOCH:N``."""

    epoch: str | None

    def __new__(cls, position: int, epoch: str | None = None) -> Self:
        self = super().__new__(cls, position)
        self.epoch = epoch
        return self

    @classmethod
    def read(cls, given: object) -> Self:
        found = POSITION.fullmatch(str(given))
        if found is None or int(found["position"]) > MAX_POSITION:
            raise ValueError("this is no position such as 42, or EPOCH:42 with the Ledger-Epoch in which it was told")
        return cls(int(found["position"]), found["epoch"])

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        plain = core_schema.int_schema(ge=0, le=MAX_POSITION)
        told = core_schema.union_schema([plain, core_schema.str_schema(pattern=IN_AN_EPOCH)])
        number = core_schema.plain_serializer_function_ser_schema(int)
        return core_schema.no_info_plain_validator_function(
            cls.read, json_schema_input_schema=told, serialization=number
        )


class Basis(NamedTuple):
    """What an answer rests on: the entries up to ``known_at``, and the state of the world on ``valid_at``.

    It is not ``final`` where a time was asked for, and an entry that was recorded by then may still become visible.
    ``checkpoint``: size and root of a signed tree that holds all of these entries, once there is one.
    """

    known_at: int
    known_at_time: datetime | None
    valid_at: date
    final: bool = True
    checkpoint: dict[str, Any] | None = None


class Watermarks(NamedTuple):
    """How the ledger stands: first the log, then the projections (None where there are none yet): how many entries each
    shows, when the last of those that the states show was recorded, and how often any was built anew.

    ``last_id`` and ``last_at`` tell the last entry from any other that may come to stand in its place. ``goes_on`` is whether the log
    still holds the entry that the question named. ``epochs`` are those that a server knows which only reads, such as a
    standby: it may be behind another. ``erasures`` is raised whenever names of persons go: what was shown before is void.
    ``checkpoint`` is the last one that was signed: its size, its root in base64, and how many witnesses have cosigned it.
    """

    size: int
    last_id: str | None
    last_at: datetime | None
    epoch: str
    goes_on: bool
    epochs: list[str] | None
    server: datetime
    erasures: int
    checkpoint: dict[str, Any] | None = None
    positions: dict[str, int] | None = None
    recorded_at: datetime | None = None
    built: int | None = None

    @property
    def reads_only(self) -> bool:
        return self.epochs is not None

    @property
    def ground(self) -> tuple[object, ...]:
        """What an answer rests on that is pinned to a position and a day."""
        return self.built, self.epoch, self.server, self.erasures

    def covering(self, position: int) -> dict[str, Any] | None:
        """The checkpoint, if its tree holds the entries up to a position."""
        at = self.checkpoint
        return {"size": at["size"], "root": at["root"]} if at and at["size"] >= position else None

    def projected(self, names: Collection[str]) -> int | None:
        """How many entries all of these projections show; None where one is not built yet."""
        known = self.positions or {}
        return min([known[name] for name in names]) if known.keys() >= set(names) else None


@dataclass(frozen=True)
class Asked:
    """What a reader asked for: the basis (``None`` is now), and a position that must have been projected.

    ``name`` is that of the parameter which ``known_at`` was given by. ``final`` is what the first page of a sequence said.
    """

    known_at: int | datetime | None = None
    valid_at: date | None = None
    min_position: int = 0
    name: str = "known_at"
    final: bool = True

    @property
    def pinned(self) -> bool:
        """Whether the answer is the same however the ledger grows, and whatever the day."""
        return isinstance(self.known_at, int) and self.valid_at is not None

    @property
    def positions(self) -> Iterator[tuple[str, int]]:
        """Each that is asked for, by the name of its parameter."""
        yield "min_position", self.min_position
        if isinstance(self.known_at, int):
            yield self.name, self.known_at


class Behind(NotYet):
    """What is asked for may come: it is there once the log has ``size`` entries, of which ``position`` are projected."""

    def __init__(
        self, detail: str, watermarks: Watermarks, size: float = 0, position: int = 0, names: Collection[str] = ()
    ) -> None:
        super().__init__(f"{detail}: ask again")
        self.epoch, self.size, self.position, self.names = watermarks.epoch, size, position, names

    def is_over(self, later: Watermarks) -> bool:
        """Whether it is worth asking again: what was asked for has come, or will not."""
        return later.epoch != self.epoch or (
            later.size >= self.size and (not self.names or (later.projected(self.names) or 0) >= self.position)
        )


class Unsigned(Behind):
    """An entry that no signed tree holds yet."""

    def __init__(self, watermarks: Watermarks, position: int) -> None:
        super().__init__(f"entry {position} is not in a signed tree yet", watermarks, position=position)

    def is_over(self, later: Watermarks) -> bool:
        return later.epoch != self.epoch or later.covering(self.position) is not None


def check_recorded(asked: Asked, watermarks: Watermarks, after: int = 0) -> None:
    """Whether the log holds what is asked for. Raises Invalid, RolledBack; Behind where another server may hold it.

    ``after`` is where a reader goes on: it may lie beyond the end, unless they were told of it in this epoch.
    """
    for name, position in asked.positions:
        check_position(name, position, watermarks)
    if isinstance(after, Position) and after.epoch:
        check_position("after", after, watermarks)


def check_position(name: str, position: int, watermarks: Watermarks) -> None:
    """As ``check_recorded``, for one position."""
    epoch = position.epoch if isinstance(position, Position) else None
    if epoch not in (None, watermarks.epoch):
        if watermarks.reads_only and epoch not in (watermarks.epochs or ()):
            raise Behind(f"this server has not heard of epoch {epoch} yet", watermarks, size=inf)
        raise RolledBack(watermarks.epoch, name, f"{name} is of epoch {epoch}")
    if position > watermarks.size:
        has = f"{name} is {position}, and the ledger has {watermarks.size} entries"
        if watermarks.reads_only:
            raise Behind(f"{has} here", watermarks, size=position)
        if epoch:  # nobody has seen it go, or this would be another epoch
            has += "; if it told of that position, it has lost entries since: its operator runs `ledger restored`"
        code = "future_position" if name in ("min_position", "after") else "future_known_at"
        raise Invalid(has, [Fault(name, has, code)])


def check_projected(asked: Asked, names: Collection[str], watermarks: Watermarks) -> None:
    """As ``check_recorded``, and whether these projections show it. Raises NotYet, too."""
    check_recorded(asked, watermarks)
    check_seen(max(position for _, position in asked.positions), names, watermarks)


def check_seen(wanted: int, names: Collection[str], watermarks: Watermarks) -> int:
    """How many entries these projections show; a position is wanted. Raises NotYet, Behind."""
    seen = watermarks.projected(names)
    if seen is None:
        raise NotYet("the projections are not built yet: is the follower running?")
    if wanted > seen:
        raise Behind(f"the projections have seen {seen} entries, not yet {wanted}", watermarks, 0, wanted, names)
    return seen
