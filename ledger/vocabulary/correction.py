"""Corrections: what is wrong with the record, not with the world. They stand in the stream of the entry they correct."""

from typing import Annotated, Any, Self

from pydantic import Field, GetCoreSchemaHandler, StringConstraints, ValidationError, ValidationInfo, model_validator
from pydantic_core import CoreSchema, ErrorDetails, InitErrorDetails, PydanticCustomError, core_schema

from ledger.vocabulary.codes import CorrectionReason, DisputeOutcome, ErasureGround, Modality
from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.fact import COMMON, STORED, Citation, Fact, Name, Part, SourceRef, Text, fault_at
from ledger.vocabulary.kinds import agreement, initiative, meeting, milestone, party, source

WORLD: dict[str, type[Fact]] = {
    fact.type: fact
    for kind in (
        source.SOURCE,
        party.PARTY,
        initiative.INITIATIVE,
        agreement.AGREEMENT,
        meeting.MEETING,
        milestone.MILESTONE,
    )
    for fact in kind.facts
}

EntryId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$")]
FactType = Annotated[str, StringConstraints(pattern=r"^[a-z]+\.[a-z_]+$")]
Position = Annotated[int, Field(ge=1, le=2**63 - 1, strict=True)]


class _WhichEntry:
    """What is neither position nor id is told as that: most often it looks like neither."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        said = "this is neither the position of an entry, such as 17, nor its id, a UUID in small letters"
        return core_schema.union_schema(
            [handler.generate_schema(Position), handler.generate_schema(EntryId)],
            custom_error_type="no_entry",
            custom_error_message=said,
        )


Target = Annotated[Position | EntryId, _WhichEntry()]
"""The entry that is meant: its position in the log, or its id."""


PersonPointer = Annotated[str, StringConstraints(max_length=500, pattern=r"^/data(/[A-Za-z0-9_-]+)+$")]
"""Where a person stands in an entry: a JSON pointer, such as /data/participants/0/person."""


Origin = Annotated[str, StringConstraints(pattern=r"^[^\s+]{1,200}$")]
"""The name of a log (c2sp.org/tlog-checkpoint), such as ledger.example.org/partnerships."""

Root = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]
"""The root of a tree, 32 bytes in base64, as checkpoints have it."""


class Replacement(Part):
    """A fact as it is appended, without id and subject, that takes the place of another.

    The ledger adds the ``dataschema`` of its data, where that is not version 1.
    """

    type: FactType
    dataschema: str | None = None
    occurred: PartialDate | None = None
    effective: PartialDate | None = None
    modality: Modality = Modality.stated
    sources: tuple[Citation, ...] = Field(default=(), max_length=100)
    note: Text | None = None
    data: dict[str, Any]

    @model_validator(mode="wrap")
    @classmethod
    def _is_a_fact(cls, value: Any, handler: Any, info: ValidationInfo) -> Self:
        read: Self = handler(value)
        read._check_fields(info.context)
        try:
            fact = read._current(info.context)
        except ValidationError as error:
            raise _in_a_replacement(error) from None
        told = {name: getattr(fact, name) for name in COMMON}
        written = fact.dataschema if len(fact.schemas) > 1 else None
        return read.model_copy(update=told | {"data": fact.own, "dataschema": written})

    def _check_fields(self, context: Any) -> None:
        """Raises ValidationError, at the field."""
        if self.type not in WORLD:
            raise fault_at(("type",), f"{self.type!r} is no type of fact that could stand in an entry's place")
        if clash := sorted(COMMON & self.data.keys()):
            raise fault_at(("data", clash[0]), f"{clash[0]} stands beside data, not in it", "misplaced")
        if self.dataschema and context != STORED:
            raise fault_at(("dataschema",), "dataschema is for the ledger to say: leave it out")

    def _current(self, context: Any) -> Fact:
        """The fact as it was given, or as it was stored in a version of its time."""
        sort, data = WORLD[self.type], self.model_dump(include=COMMON) | self.data
        if context == STORED:
            data = sort.as_current(data, self.dataschema or next(iter(sort.schemas)))
        return sort.model_validate(data, context=context)

    def fact(self) -> Fact:
        return self._current(STORED)


def _in_a_replacement(error: ValidationError) -> ValidationError:
    """The same faults, where the fact's fields stand in a replacement: its own in ``data``."""
    return ValidationError.from_exception_data("", [_placed(one) for one in error.errors()])


def _placed(error: ErrorDetails) -> InitErrorDetails:
    loc = error["loc"] if error["loc"] and error["loc"][0] in COMMON else ("data", *error["loc"])
    said = PydanticCustomError(error["type"], "{said}", {**error.get("ctx", {}), "said": error["msg"]})
    return {"type": said, "loc": loc, "input": error["input"]}


class Correction(Fact):
    """``target`` is an earlier entry of the same stream. Sources may be missing: the mistake can be our own."""

    sources: tuple[Citation, ...] = Field(default=(), max_length=100)
    target: Target


class Voided(Correction, type="entry.voided"):
    """The entry is struck: it stays readable, and counts for nothing."""

    reason_code: CorrectionReason
    reason: Text


class Superseded(Correction, type="entry.superseded"):
    """Another fact takes the entry's place, in valid order too."""

    replacement: Replacement
    reason_code: CorrectionReason
    reason: Text


class Remarked(Correction, type="entry.annotated"):
    """A remark on the entry."""

    text: Text


class Disputed(Correction, type="entry.disputed"):
    """Somebody holds that the entry is wrong; it counts, and is shown as disputed."""

    by: SourceRef | Name
    ground: Text


class DisputeResolved(Correction, type="entry.dispute_resolved"):
    """The dispute on the entry is over."""

    outcome: DisputeOutcome


class ValueErased(Correction, type="entry.value_erased"):
    """The name of a person that the entry has at ``pointer`` is erased, with what opens its commitment. Nothing else changes."""

    pointer: PersonPointer
    ground: ErasureGround


class LogBegun(Correction, type="entry.log_begun", by_ledger=True):
    """The ledger goes on as another log, ``origin``, as it is no more what ``before`` has signed. Nothing else changes.

    `ledger log resume` records it, and nobody else.

    ``size`` and ``root`` are those of the last checkpoint of the log before whose entries this one has, too; ``target`` is the last of
    them, or the first entry where there are none.
    """

    origin: Origin
    before: Origin
    size: Annotated[int, Field(ge=0, le=2**63 - 1, strict=True)]
    root: Root
    reason: Text


CORRECTIONS: tuple[type[Correction], ...] = (
    Voided,
    Superseded,
    Remarked,
    Disputed,
    DisputeResolved,
    ValueErased,
    LogBegun,
)
STRIKING = frozenset({Voided.type, Superseded.type})
"""The types of those that strike an entry: what it says itself counts for nothing any more."""
