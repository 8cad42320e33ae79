"""What comes in beside the body: query parameters, with their limits."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from hashlib import blake2b
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    create_model,
)

from api.http.times import Day, End, Moment, Time
from ledger.errors import Fault, Invalid, did_you_mean
from ledger.vocabulary.codes import Area
from ledger.vocabulary.fact import PRINTABLE, PartyRef, Subject
from ledger.vocabulary.kind import Kind
from ledger.vocabulary.kinds.agreement import AGREEMENT
from ledger.vocabulary.registry import FACTS, KINDS
from projections.basis import MAX_POSITION, Asked, Basis, Position
from projections.feed import Chosen, Wanted
from projections.listing import SORTS, Filters
from projections.queries import LAST_DAY

MAX_PAGE = 1_000


Count = Annotated[int, Field(ge=0, le=MAX_POSITION)]
Code = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,49}$")]
Ref = Annotated[str, Field(pattern=Subject.pattern())]
Search = Annotated[str, Field(min_length=1, max_length=200, pattern=rf"^{PRINTABLE}*$")]
Limit = Annotated[int, Field(ge=1, le=MAX_PAGE)]
Stored = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""A text as the database may hold it."""


def shaped(pattern: str, what: str) -> Any:
    """A text of a form of its own, as a type: what is of another is told to be no ``what``."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise ValueError(f"this is no {what}")
        return text

    return Annotated[str, AfterValidator(check)]


def one_of(codes: Iterable[str], whose: str, where: str = "", what: str = "code") -> Any:
    """One of some words, as a type. A mistyped one would find nothing, and read as if there were nothing; so it is refused with
    the nearest, and with all of them, or ``where`` they are listed."""
    words = tuple(codes)

    def check(value: str) -> str:
        if value not in words:
            listed = where or f"they have {', '.join(words)}"
            raise ValueError(f"{value!r} is no such {what} of {whose}: {listed}{did_you_mean(value, words)}")
        return value

    return Annotated[Literal[words], BeforeValidator(check)]


FactType: Any = one_of(FACTS, "events", "/v1/event-types lists their types")
KindName: Any = one_of(KINDS, "subjects", what="kind")


class AtBasis(BaseModel):
    """When: ``known_at`` is a position or a time of the ledger, ``valid_at`` a day of the world. Both are now by default."""

    known_at: Moment | None = None
    valid_at: Day | None = None
    min_position: Position = Position(0)

    def asked(self, name: str = "known_at") -> Asked:
        return _at(Asked(self.known_at, self.valid_at, self.min_position, name))


def _at(asked: Asked) -> Asked:
    if isinstance(asked.known_at, datetime) and asked.known_at > datetime.now(UTC):
        detail = f"{asked.name} lies ahead: nothing is known at {asked.known_at} yet"
        raise Invalid(detail, [Fault(asked.name, detail, "future_known_at")])
    return asked


class Paged(AtBasis):
    limit: Limit = 50
    cursor: Annotated[str, Field(max_length=1_000)] | None = None


class DiffQuery(AtBasis):
    """Between what: two positions or times of the ledger, or two days of the world; ``to`` is now by default."""

    from_: Annotated[End, Field(alias="from")]
    to: End | None = None

    def sides(self) -> tuple[Asked, Asked]:
        """The two bases. Raises Invalid where one end is a day and the other a position or time, or a basis is told twice."""
        if self.to is not None and _is_day(self.from_) != _is_day(self.to):
            detail = "the ends are a day of the world and a position or time of the ledger: give two of one clock"
            raise Invalid(detail, [Fault("to", detail, "two_clocks")])
        clock = "valid_at" if _is_day(self.from_) else "known_at"
        if getattr(self, clock) is not None:
            detail = f"the two ends say {clock} here: leave it out"
            raise Invalid(detail, [Fault(clock, detail, "two_clocks")])
        return self._side("from", self.from_), self._side("to", self.to)

    def _side(self, name: str, end: Any) -> Asked:
        if _is_day(self.from_):
            return replace(self.asked(), valid_at=end)
        return _at(replace(self.asked(), known_at=end, name=name))


def _is_day(value: object) -> bool:
    return isinstance(value, date) and not isinstance(value, datetime)


def _is_no_due(sort: str) -> str:
    if sort in ("due", "-due"):
        raise ValueError(
            "nothing in this list has a due: /v1/milestones is sorted by it, and /v1/due holds all that is due"
        )
    return sort


class Narrowed(AtBasis):
    """How a list is narrowed and sorted: by ``id``, ``name``, ``date`` (the last that a state tells) or ``recorded`` (when the last entry
    was), with ``-`` before it downwards.

    ``text`` finds streams with words that begin with all of its words, in the id,
    names, title, description and objective, or in one note; accents, capitals and forms of Unicode make no difference. ``year`` finds
    those whose date, by which a list is sorted, lies in it.
    """

    status: Code | None = None
    kind: Code | None = None
    party: Annotated[str, Field(pattern=PartyRef.pattern())] | None = None
    ref: Ref | None = None
    text: Search | None = None
    year: Annotated[int, Field(ge=1, le=date.max.year)] | None = None
    sort: str = "id"

    def filters(self) -> Filters:
        area: str | None = getattr(self, "area", None)  # not all have one
        return Filters(self.status, self.kind, area, self.party, self.ref, self.text, year=self.year)

    def fingerprint(self) -> str:
        return repr((self.filters(), self.sort))


class MilestonesNarrowed(Narrowed):
    """Milestones alone have a ``due`` of their own: what else is due is at ``/v1/due``."""

    due_before: Day | None = None
    overdue: bool | None = None

    def filters(self) -> Filters:
        return replace(super().filters(), due_before=self.due_before, overdue=self.overdue)


class AgreementsNarrowed(Narrowed):
    """``in_force_for`` finds agreements of which nothing says that they are in force as a whole, and which are so for at least
    as many parties.
    """

    in_force_for: Annotated[int, Field(ge=1, le=MAX_POSITION)] | None = None

    def filters(self) -> Filters:
        return replace(super().filters(), in_force_for=self.in_force_for)


class ListQuery(Narrowed, Paged):
    """A page of a list. A cursor carries its basis, and goes with the same filters; ``count`` asks how many there are in all, and
    ``facets`` how many with each status, kind, area, party and year."""

    count: bool = False
    facets: bool = False


def _orders(kind: Kind) -> Any:
    """The orders that a list of a kind may have."""
    if kind.overdue_from:
        return one_of(SORTS, kind.plural, what="order")
    orders = one_of([one for one in SORTS if not one.endswith("due")], kind.plural, what="order")
    return Annotated[orders, BeforeValidator(_is_no_due)]


def _narrowed(kind: Kind) -> type[Narrowed]:
    """How the list of a kind is narrowed: with its own statuses and codes."""
    base = MilestonesNarrowed if kind.overdue_from else AgreementsNarrowed if kind is AGREEMENT else Narrowed
    words = {"status": kind.statuses, "kind": kind.categories} | ({"area": [*Area]} if kind.has_areas else {})
    narrowed: dict[str, Any] = {name: (one_of(codes, kind.plural) | None, None) for name, codes in words.items()}
    narrowed["sort"] = (_orders(kind), "id")
    return cast("type[Narrowed]", create_model(base.__name__, __base__=base, **narrowed))


NARROWED: dict[str, type[Narrowed]] = {kind.name: _narrowed(kind) for kind in KINDS.values()}
"""How the list of each kind is narrowed."""
LIST_QUERIES: dict[str, type[ListQuery]] = {
    name: cast("type[ListQuery]", create_model("ListQuery", __base__=(narrowed, ListQuery)))
    for name, narrowed in NARROWED.items()
}
"""How a page of it is asked for."""


class DueNarrowed(AtBasis):
    """``due_before`` leaves out what is due on that day or later."""

    due_before: Day | None = None


class DueQuery(DueNarrowed, Paged):
    """A page of what is due."""


class EntriesNarrowed(BaseModel):
    """Which entries: of one type, one subject, one kind of subject, by one author (as ``authid`` has it)."""

    type: FactType | None = None
    subject: Ref | None = None
    kind: KindName | None = None
    author: Annotated[str, Field(min_length=1, max_length=200, pattern=rf"^{PRINTABLE}*$")] | None = None

    def wanted(self) -> Wanted:
        return Wanted(*((one,) if one else () for one in (self.type, self.subject, self.kind, self.author)))


class LogNarrowed(EntriesNarrowed, AtBasis):
    """``from`` and ``to`` are times of recording, both included. ``known_at`` ends the log there; ``valid_at`` changes nothing, as
    an entry is recorded whatever the day."""

    after: Position = Position(0)
    from_: Annotated[Time | None, Field(alias="from")] = None
    to: Time | None = None

    def chosen(self) -> Chosen:
        return Chosen(self.after, since=self.from_, until=self.to, wanted=self.wanted())


class LogQuery(LogNarrowed):
    """A page of the log."""

    limit: Limit = 100


class CheckpointsQuery(BaseModel):
    """Of trees with more entries than ``after``."""

    after: Count = 0
    limit: Limit = 100


class ProofQuery(BaseModel):
    """``size``: the tree of which checkpoint; by default the last one."""

    size: Annotated[Count, Field(ge=1)] | None = None


class ConsistencyQuery(BaseModel):
    """Two checkpoints, by their sizes."""

    from_: Annotated[Count, Field(alias="from", ge=1)]
    to: Annotated[Count, Field(ge=1)]


class AppendQuery(BaseModel):
    """``dry_run`` answers as if the events were recorded, and records nothing."""

    dry_run: bool = False


class EventQuery(AtBasis):
    """``known_at`` leaves out what was recorded later: corrections, or the entry itself."""

    disclose: bool = False


class Cursor(BaseModel):
    """Where the next page starts, and the basis that all pages of the sequence share."""

    model_config = ConfigDict(extra="forbid")

    epoch: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    known_at: Count
    valid_at: date
    final: bool = True
    of: Annotated[str, Field(max_length=600)]
    after: tuple[Any, ...]

    def encode(self) -> str:
        return urlsafe_b64encode(self.model_dump_json().encode()).rstrip(b"=").decode()


def next_cursor(epoch: str, basis: Basis, of: str, after: tuple[Any, ...] | None) -> str | None:
    if after is None:
        return None
    place = Cursor(
        epoch=epoch, known_at=basis.known_at, valid_at=basis.valid_at, final=basis.final, of=_short(of), after=after
    )
    return place.encode()


def resume(query: Paged, of: str, shape: TypeAdapter[Any]) -> tuple[Asked, Any]:
    """The basis and the place that a page starts from. Raises Invalid for a cursor that is not of this list."""
    if query.cursor is None:
        return query.asked(), None
    try:
        padded = query.cursor + "=" * (-len(query.cursor) % 4)
        cursor = Cursor.model_validate_json(urlsafe_b64decode(padded.encode("ascii")))
        after = shape.validate_python(cursor.after)
    except (ValueError, ValidationError):
        raise _bad_cursor("the cursor is none of ours: take it from the page before, as it is") from None
    if cursor.of != _short(of):
        raise _bad_cursor("the cursor belongs to a list with other filters: start that list anew")
    known_at = Position(cursor.known_at, cursor.epoch)
    _check_clocks(query, cursor)
    return Asked(known_at, cursor.valid_at, query.min_position, "cursor", cursor.final), after


def _check_clocks(query: Paged, cursor: Cursor) -> None:
    """A cursor carries its basis: another position or day beside it would not be what is answered; a time is that of its first page.

    Raises Invalid.
    """
    known_at = query.known_at if isinstance(query.known_at, int) else None
    for name, given, carried in (
        ("known_at", known_at, cursor.known_at),
        ("valid_at", query.valid_at and min(query.valid_at, LAST_DAY), cursor.valid_at),
    ):
        if given not in (None, carried):
            detail = f"the cursor goes on at {name}={carried}: leave {name} out, or start the list anew"
            raise Invalid(f"{name}: {detail}", [Fault(name, detail, "bad_cursor")])


def _bad_cursor(detail: str) -> Invalid:
    return Invalid(detail, [Fault("cursor", detail, "bad_cursor")])


def _short(of: str) -> str:
    return blake2b(of.encode(), digest_size=9).hexdigest()
