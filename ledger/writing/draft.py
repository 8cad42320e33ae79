"""What a writer hands in, before the ledger has made an entry of it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from jiter import from_json
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from ledger.errors import MAX_FAULTS, Fault, Invalid, did_you_mean, refuse
from ledger.log.entry import read_line
from ledger.vocabulary.codes import ErasureGround
from ledger.vocabulary.correction import EntryId, PersonPointer, Target, ValueErased
from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.fact import COMMON, Attribute, Citation, Fact, Subject, Text, pattern_of
from ledger.vocabulary.registry import FACTS
from ledger.vocabulary.wording import faults_of
from ledger.writing.json_fields import escaped, repeated_fields

MAX_EVENTS = 1_000


class Envelope(BaseModel):
    """One event as it is appended. ``data`` holds the fact's own fields; the others are common to all facts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: EntryId | None = None
    type: Annotated[str, StringConstraints(max_length=100)]
    subject: Subject
    expected_version: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)] | None = None
    occurred: PartialDate | None = None
    effective: PartialDate | None = None
    modality: Any = None
    sources: tuple[Citation, ...] = Field(default=(), max_length=100)
    note: Text | None = None
    data: dict[str, Any] = Field(default_factory=dict)
    correlationid: Attribute | None = None
    causationid: Attribute | None = None


class Erasure(BaseModel):
    """A name to erase: of which entry (its position or id), at which JSON pointer, and on what ground."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    id: EntryId | None = None
    entry: Target
    pointer: PersonPointer
    ground: ErasureGround

    def draft(self, line: str) -> "Draft":
        """The event that tells so; ``line`` is the entry as it is stored. Raises Unreadable."""
        target = read_line(line)
        return Draft(
            self.id, target.originator_id, ValueErased(target=target.id, pointer=self.pointer, ground=self.ground)
        )


class Draft(NamedTuple):
    """An event that has been read: its fact is valid by itself; whether it may be recorded is not yet decided."""

    id: str | None
    subject: Subject
    fact: Fact
    expected_version: int | None = None
    correlationid: str | None = None
    causationid: str | None = None


def parse_json(body: bytes | str) -> Any:
    """The JSON value that a body holds. Raises Invalid, saying where it stops making sense, or says a field twice."""
    try:
        raw = body.encode() if isinstance(body, str) else body
        return from_json(raw, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        raise _no_json(body, error) from None


def _no_json(body: bytes | str, error: ValueError) -> Invalid:
    """What is malformed is that first of all, wherever else it repeats itself."""
    if str(error).startswith("Detected duplicate key"):
        try:
            text = body.decode() if isinstance(body, bytes) else body
            from_json(text.encode(), allow_inf_nan=False)
        except ValueError as malformed:
            error = malformed
        else:
            detail = "the field stands there more than once: leave out all but one"
            faults = [Fault(pointer, detail, "repeated_field") for pointer in repeated_fields(text)]
            return Invalid(f"{faults[0].pointer}: {detail}", faults[:MAX_FAULTS])
    detail = f"the body is no JSON: {error}"
    return Invalid(detail, [Fault("", detail, "json")])


def read_body(value: Any) -> list[Draft]:
    """The drafts of a request: one event, or ``{"events": [...]}``. Raises Invalid with a pointer for each fault."""
    if not isinstance(value, dict) or "events" not in value:
        return [read_draft(value)]
    events = value["events"]
    if not isinstance(events, list) or not 1 <= len(events) <= MAX_EVENTS or len(value) > 1:
        detail = f"events is a list of 1 to {MAX_EVENTS:,} events, and stands alone"
        raise Invalid(detail, [Fault("/events", detail, "events")])
    return _read_all(events)


def _read_all(events: Sequence[Any]) -> list[Draft]:
    drafts: list[Draft] = []
    faults: list[Fault] = []
    for number, event in enumerate(events):
        try:
            drafts.append(read_draft(event))
        except Invalid as error:
            faults += error.at(f"/events/{number}").faults
    refuse(faults)
    return drafts


def read_erasure(value: Any) -> Erasure:
    """Raises Invalid with a pointer for each fault."""
    try:
        return Erasure.model_validate(value)
    except ValidationError as error:
        raise _invalid(error.errors()) from None


def read_draft(value: Any) -> Draft:
    """One event. Raises Invalid with a pointer for each fault."""
    try:
        envelope = Envelope.model_validate(value)
    except ValidationError as error:
        raise _invalid([_of_its_type(one, value) for one in error.errors()]) from None
    return Draft(
        id=envelope.id,
        subject=envelope.subject,
        fact=_read_fact(envelope, value),
        expected_version=envelope.expected_version,
        correlationid=envelope.correlationid,
        causationid=envelope.causationid,
    )


def _read_fact(envelope: Envelope, value: Mapping[str, Any]) -> Fact:
    if envelope.type not in FACTS:
        detail = f"{envelope.type!r} is no type of event; GET /v1/event-types lists them"
        detail += did_you_mean(envelope.type, FACTS)
        raise Invalid(detail, [Fault("/type", detail, "unknown_type")])
    if clash := sorted(COMMON & envelope.data.keys()):
        detail = f"{clash[0]} stands beside data, not in it"
        raise Invalid(detail, [Fault(f"/data/{clash[0]}", detail, "misplaced")])
    common = {name: value[name] for name in COMMON if value.get(name) is not None}
    try:
        return FACTS[envelope.type].model_validate(common | envelope.data)
    except ValidationError as error:
        raise _invalid(error.errors(), own_prefix="/data") from None


def _of_its_type(error: ErrorDetails, value: Any) -> ErrorDetails:
    """A subject that is none is told of as what the type of the event is of."""
    kind = str(value.get("type")).partition(".")[0] if isinstance(value, dict) else ""
    is_odd = error["loc"] == ("subject",) and error["type"] == "string_pattern_mismatch"
    return {**error, "ctx": {"pattern": pattern_of(kind)}} if is_odd and kind in Subject.kinds.split("|") else error


def _invalid(errors: Sequence[ErrorDetails], own_prefix: str = "") -> Invalid:
    own = [error for error in errors if not _follows(error, errors)]
    faults = faults_of(own, lambda error: _pointer(error, own_prefix))[:MAX_FAULTS]
    return Invalid(f"{faults[0].pointer or 'the event itself'}: {faults[0].detail}", faults)


def _follows(error: ErrorDetails, errors: Sequence[ErrorDetails]) -> bool:
    """A list of which no item can be read is told as too short, too: that is no fault of its own."""
    loc = error["loc"]
    return error["type"] == "too_short" and any(loc == one["loc"][: len(loc)] != one["loc"] for one in errors)


def _pointer(error: ErrorDetails, own_prefix: str) -> str:
    unknown = error["type"] == "extra_forbidden"  # then the last part is a name that the writer chose
    path, last = error["loc"][:-1], error["loc"][-1:]
    parts = [str(part) for part in path if not _is_branch(part)]
    parts += [str(part) for part in last if unknown or not _is_branch(part)]
    inside = own_prefix if (parts and parts[0] not in COMMON) or not parts else ""
    return inside + "".join(f"/{escaped(part)}" for part in parts)


def _is_branch(part: int | str) -> bool:
    return str(part).endswith(_BRANCHES)


_BRANCHES = ("Person", "Sealed", "PartialDate", "constrained-str", "constrained-int", "]", ")")
"""What pydantic puts into a location to say which branch of a union it tried; no part of a pointer."""
