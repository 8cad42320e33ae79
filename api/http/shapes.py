"""The answers, as OpenAPI tells of them. The service sends documents that are built already; tests hold them to this."""

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import models_json_schema

from api.http.vocabulary_shapes import PREFIX, ref, vocabulary_schemas
from ledger.writing.draft import Envelope, Erasure


class Anomaly(BaseModel):
    """Something odd that was accepted."""

    code: str
    detail: str


class AppendedEvent(BaseModel):
    id: str
    position: int
    subject: str
    version: int
    anomalies: list[Anomaly]
    proof: str | None = None


class Appended(BaseModel):
    """What became of each event; ``position`` is the last one's."""

    position: int
    events: list[AppendedEvent]


class Previewed(BaseModel):
    """A stream that an append touches: its state as it is today, null where there is none, and as it would be."""

    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Preview(Appended):
    """What an append would be answered, and what it would change. Nothing was recorded."""

    dry_run: bool
    states: list[Previewed]


class Event(BaseModel):
    """An entry: a CloudEvents 1.0 JSON object. Other attributes of the standard may stand in it."""

    model_config = ConfigDict(extra="allow")

    sequence: str
    recordedtime: datetime
    specversion: str
    id: str
    source: str
    type: str
    subject: str
    streamversion: int
    dataschema: str
    datacontenttype: str
    data: dict[str, Any]


class EventPage(BaseModel):
    """Entries in the order of the log; ``next`` is where to go on after, null at the end."""

    events: list[Event]
    next: str | None


class CheckpointShape(BaseModel):
    """A signed tree: how many entries it holds, and its root (base64)."""

    size: int
    root: str


class BasisShape(BaseModel):
    """What the answer rests on. ``checkpoint`` is a signed tree that holds all of it, once there is one.

    ``final``: the same question will always be answered from the same entries. It is false where ``known_at`` is a time and no
    entry is visible that was recorded later: one that was recorded by then may still come. A position is always final.
    """

    known_at: int
    known_at_time: datetime | None
    valid_at: date
    final: bool
    checkpoint: CheckpointShape | None


class ErasedShape(BaseModel):
    """The entry that tells of an erasure, and the ground."""

    position: int
    ground: str


class PersonShape(BaseModel):
    """A natural person, wherever one stands in a state or a change: the commitment in the log, the entry and the pointer where
    it stands there, and one of the rest.

    ``name``: for keys of the role auditor or admin, and for everybody where names are public. ``withheld``: there may be a
    name, which this reader may not see. ``erased``: it is gone for good, at every ``known_at``. ``lost``: its entry came back from
    tiles, which hold no names. ``missing``: the name is gone, and nothing tells why.
    """

    commitment: str
    entry: str
    pointer: str
    name: str | None = None
    withheld: bool | None = None
    erased: ErasedShape | None = None
    lost: bool | None = None
    missing: bool | None = None


class State(BaseModel):
    """A stream's state. Each kind has fields of its own beside these: ``api.http.vocabulary_shapes`` adds them."""

    subject: str
    id: str
    status: str
    version: int
    unknown: dict[str, str]
    alternatives: dict[str, Any]
    anomalies: list[dict[str, Any]]
    disputed: bool
    disputes: list[int]
    sources: list[str]
    dates: dict[str, str | None]
    effective: dict[str, str] = {}
    provenance: dict[str, list[int]]
    unverified: dict[str, list[int]]


class StatePage(BaseModel):
    items: list[State]
    next: str | None
    count: int | None = None
    facets: dict[str, dict[str, int]] | None = None
    basis: BasisShape


class ParticipationState(BaseModel):
    """What a party has done about an agreement: ``api.http.vocabulary_shapes`` tells of its fields."""


class FlaggedPage(BaseModel):
    items: list[State | ParticipationState]
    next: str | None
    basis: BasisShape


class TimelineItem(BaseModel):
    """A fact, the day that it counts from (null where it has no date and holds at all times), and whom it names."""

    day: date | None
    event: Event
    unverified: bool
    persons: list[PersonShape] = []


class TimelinePage(BaseModel):
    items: list[TimelineItem]
    next: str | None
    basis: BasisShape


class DueShape(BaseModel):
    """A milestone, or a commitment of an initiative, and the last day on which it is not late."""

    subject: str
    commitment: str | None
    due: date
    overdue: bool


class DuePage(BaseModel):
    items: list[DueShape]
    next: str | None
    basis: BasisShape


class ChangeShape(BaseModel):
    """A field that reads otherwise, and the entries between the two points that are responsible for it.

    Between positions these are entries recorded after the earlier one and up to the later one, corrections included; between
    days, facts that count from a day after the earlier one and up to the later one. Responsible are those that set the new
    value, and corrections that struck an entry which had set the old one; else those at which the field came to read
    otherwise. Only what becomes overdue as days pass names the entry that set the due date, which may lie before.
    """

    subject: str
    field: str
    old: Any
    new: Any
    entries: list[int]


class Diff(BaseModel):
    """What changed between two bases; ``from`` and ``to`` are those, as in every answer.

    A value that is null or empty, or a flag that is down without an entry that took it down, says nothing: from one of these
    to another is no change.
    """

    model_config = ConfigDict(extra="allow")

    changes: list[ChangeShape]
    to: BasisShape


class HistoryItem(BaseModel):
    """An entry, whether it was struck, what was recorded about it (by what, by whom, when and why), and whom it names.

    It is unverified where every source that it cites was retracted.
    """

    event: Event
    struck: bool
    unverified: bool
    corrections: list[dict[str, Any]]
    persons: list[PersonShape] = []


class History(BaseModel):
    items: list[HistoryItem]
    basis: BasisShape


class EventType(BaseModel):
    """A type of event: whether it may open a stream, and where its JSON Schema is."""

    type: str
    kind: str
    opens: bool
    description: str
    dataschema: str


class EventTypes(BaseModel):
    items: list[EventType]


class FaultShape(BaseModel):
    pointer: str
    detail: str
    code: str


class ProblemShape(BaseModel):
    """RFC 9457. ``errors`` names each place in the input that is wrong."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    request_id: str | None = None
    rule: str | None = None
    errors: list[FaultShape] = []


def problems(*statuses: int, **examples: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """The problem documents that an operation may answer with; examples by status, as ``e409``."""
    shape = {"schema": ref("ProblemShape")}
    return {
        status: {
            "description": "A problem document",
            "content": {"application/problem+json": shape | {"examples": examples.get(f"e{status}", {})}},
        }
        for status in sorted({*statuses, 401, 422, 503})
    }


def answers(name: str, *errors: int) -> dict[int | str, dict[str, Any]]:
    """How the reference tells of an answer whose schema is known by its name alone."""
    content = {"application/json": {"schema": ref(name)}}
    return {200: {"description": "Successful Response", "content": content}, **problems(*errors)}


def components() -> dict[str, Any]:
    """The schemas of what the framework does not read or write itself: events, entries and states of each sort, the name to
    erase, and problem documents."""
    plain = (Envelope, Event, State, StatePage, Erasure, ProblemShape, PersonShape)
    _, schemas = models_json_schema([(one, "validation") for one in plain], ref_template=f"{PREFIX}{{model}}")
    defined: dict[str, Any] = schemas["$defs"]
    return defined | vocabulary_schemas(*(defined.pop(one.__name__) for one in (Envelope, Event, State, StatePage)))
