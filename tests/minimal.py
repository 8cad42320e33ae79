"""The smallest and the fullest event of every type, and a stream in memory to put them on: no database."""

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

from ledger.fold import History
from ledger.log.commitments import Disclosure
from ledger.log.entry import Entry, make_entry, read_line
from ledger.recorded import UNRECORDED, Opening, Recorded
from ledger.vocabulary.fact import COMMON, Fact, Subject
from ledger.vocabulary.fields import Anomaly
from ledger.vocabulary.registry import FACTS
from ledger.vocabulary.state import MAIN, State
from ledger.writing.admission import admit
from ledger.writing.draft import read_draft
from projections.segments import Segment, document, kind_of, segments
from tests.examples import event

TODAY = date(2025, 6, 1)
SALT = bytes(range(32))
FIRST = 101
DIGEST = "0123456789abcdef" * 4
COMMITMENT = "A" * 43

KNOWN = (
    "source:thx", "source:doc", "party:usa", "party:ind", "party:acme", "initiative:parent", "initiative:other",
    "agreement:other", "agreement:framework", "meeting:earlier", "milestone:first",
)  # fmt: skip
"""Streams that every test's world has opened before: what refers to them does not dangle."""

SUBJECTS = {
    "source": "source:sheet",
    "party": "party:lab",
    "initiative": "initiative:bridge",
    "agreement": "agreement:pact",
    "meeting": "meeting:talks",
    "milestone": "milestone:roof",
    "entry": "initiative:bridge",
}


def entry_id(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012d}"


# What a type needs beside the common fields, by hand from VOCABULARY.md.
NEEDED: dict[str, dict[str, Any]] = {
    "source.registered": {"title": "A sheet", "kind": "dataset"},
    "source.described": {},
    "source.retracted": {"reason": "The publisher took it back"},
    "party.registered": {"name": "A laboratory", "kind": "academic"},
    "party.described": {},
    "party.renamed": {"name": "Another laboratory"},
    "party.succeeded": {"by": "party:acme", "mode": "merger"},
    "party.dissolved": {},
    "party.restored": {},
    "initiative.reported": {"name": "A bridge", "kind": "co_production"},
    "initiative.planned": {},
    "initiative.launched": {"name": "A bridge", "kind": "co_production"},
    "initiative.activated": {},
    "initiative.party_joined": {"party": "party:usa", "role": "lead"},
    "initiative.party_left": {"party": "party:usa"},
    "initiative.commitment_made": {"commitment": "steel", "strength": "pledge"},
    "initiative.commitment_revised": {"commitment": "steel"},
    "initiative.commitment_partly_fulfilled": {"commitment": "steel", "quantity": "4"},
    "initiative.commitment_fulfilled": {"commitment": "steel"},
    "initiative.commitment_withdrawn": {"commitment": "steel"},
    "initiative.objective_stated": {"text": "To cross the river"},
    "initiative.claim_recorded": {"text": "It is said to be nearly done"},
    "initiative.related": {"other": "initiative:other", "relation": "sibling"},
    "initiative.suspended": {"reason": "High water"},
    "initiative.resumed": {},
    "initiative.finalising": {},
    "initiative.closed": {"reason": "It stands"},
    "initiative.cancelled": {"reason": "No money"},
    "initiative.reopened": {"reason": "Repairs"},
    "initiative.described": {},
    "agreement.mentioned": {"title": "A pact"},
    "agreement.negotiation_opened": {},
    "agreement.negotiation_concluded": {},
    "agreement.negotiation_abandoned": {},
    "agreement.adopted": {},
    "agreement.signed": {"signatories": [{"party": "party:usa"}]},
    "agreement.signature_withdrawn": {"party": "party:usa"},
    "agreement.provisionally_applied": {},
    "agreement.consented": {"party": "party:ind", "method": "ratification"},
    "agreement.consent_withdrawn": {"party": "party:ind"},
    "agreement.provisional_application_ended": {},
    "agreement.entered_into_force": {},
    "agreement.reserved": {"party": "party:ind", "text": "Article 5 does not apply"},
    "agreement.reservation_withdrawn": {"party": "party:ind"},
    "agreement.objected": {"party": "party:usa"},
    "agreement.declared": {"party": "party:ind", "text": "Article 2 means rivers"},
    "agreement.amended": {"text": "Article 3 reads anew"},
    "agreement.supplemented": {},
    "agreement.extended": {},
    "agreement.renewed": {},
    "agreement.upgraded": {"by": "agreement:other"},
    "agreement.suspended": {},
    "agreement.resumed": {},
    "agreement.withdrawal_notified": {"party": "party:ind"},
    "agreement.withdrawal_revoked": {"party": "party:ind"},
    "agreement.party_withdrew": {"party": "party:ind"},
    "agreement.registered": {"registry": "UNTS", "number": "I-12345"},
    "agreement.related": {"other": "agreement:other", "relation": "implements"},
    "agreement.terminated": {"ground": "consent"},
    "agreement.expired": {},
    "agreement.superseded": {"by": "agreement:other"},
    "agreement.revived": {"reason": "Both sides wish it"},
    "agreement.described": {},
    "meeting.proposed": {"title": "Talks"},
    "meeting.scheduled": {"title": "Talks"},
    "meeting.confirmed": {},
    "meeting.rescheduled": {"start": "2024-05-02"},
    "meeting.postponed": {"reason": "Illness"},
    "meeting.moved_online": {},
    "meeting.cancelled": {"reason": "No quorum"},
    "meeting.reinstated": {},
    "meeting.held": {"title": "Talks"},
    "meeting.attendance_recorded": {"participants": [{"party": "party:ind"}]},
    "meeting.topic_discussed": {"topic": "logistics"},
    "meeting.statement_made": {"act": "praised"},
    "meeting.outcome_recorded": {"kind": "agreement", "ref": "agreement:other"},
    "meeting.described": {},
    "milestone.reported": {"title": "The roof"},
    "milestone.scheduled": {"due": "2024-12"},
    "milestone.rescheduled": {"due": "2025-03"},
    "milestone.partially_met": {"share": 0.5},
    "milestone.met": {},
    "milestone.not_met": {"reviewed_on": "2025-01-15"},
    "milestone.reopened": {"reason": "It leaks"},
    "milestone.withdrawn": {"reason": "No longer wanted"},
    "milestone.evidence_added": {"source": "source:doc"},
    "milestone.described": {},
    "entry.voided": {"target": FIRST, "reason_code": "test_entry", "reason": "A rehearsal"},
    "entry.superseded": {
        "target": FIRST,
        "replacement": {
            "type": "initiative.reported",
            "sources": [{"source": "source:doc"}],
            "data": {"name": "The bridge", "kind": "co_production"},
        },
        "reason_code": "transcription_error",
        "reason": "The article was missing",
    },
    "entry.annotated": {"target": FIRST, "text": "See the plan"},
    "entry.disputed": {"target": FIRST, "by": "source:doc", "ground": "It says otherwise"},
    "entry.dispute_resolved": {"target": FIRST, "outcome": "rejected"},
    "entry.value_erased": {"target": FIRST, "pointer": "/data/participants/0/person", "ground": "consent_withdrawn"},
    "entry.log_begun": {
        "target": FIRST,
        "origin": "ledger.example/second",
        "before": "ledger.example/first",
        "size": FIRST,
        "root": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "reason": "A backup was put back",
    },
}

PERSON = "A. Canary"
ADDRESS = "https://ledger.example.org"
_SOMEBODY = {"party": "party:usa", "person": PERSON, "office": "Keeper of keys"}
_SHEET = {
    "title": "A sheet", "description": "One page", "kind": "dataset", "publisher": "A press", "author": PERSON,
    "url": "https://example.org/sheet?a=1", "published": "2024-09", "retrieved": "2024-10-01", "language": "en-GB",
    "media_type": "text/html", "sha256": DIGEST,
}  # fmt: skip
_LAB = {
    "name": "A laboratory", "kind": "academic", "short_name": "Lab", "country": "IN", "parent": "party:acme",
    "identifiers": [{"scheme": "ror", "id": "00x"}],
}  # fmt: skip
_BRIDGE = {
    "name": "A bridge", "kind": "co_production", "short_name": "Bridge", "areas": ["logistics", "other"], "other_areas": ["Bridges"],
    "objective": "To cross the river", "parent": "initiative:parent",
    "parties": [{"party": "party:ind", "role": "funder"}],
}  # fmt: skip
_PACT = {
    "title": "A pact", "description": "On the river", "instrument_type": "memorandum_of_understanding",
    "binding": "unknown", "ambit": "bilateral", "publicity": "public", "parties": ["party:usa", "party:ind"],
    "initiatives": ["initiative:other"], "subject_matter": "The river",
    "term": {"length": 60, "unit": "month", "renewal": "automatic"},
}  # fmt: skip
_TALKS = {
    "title": "Talks", "description": "On the river", "kind": "bilateral", "start": "2024-05-01", "end": "2024-05-02",
    "place": "A hall", "mode": "in_person", "organisers": ["party:usa"],
    "invitees": [_SOMEBODY | {"role": "REQ-PARTICIPANT", "partstat": "NEEDS-ACTION"}], "participants": [_SOMEBODY],
    "parent": "meeting:earlier", "initiatives": ["initiative:other"], "agreements": ["agreement:other"],
}  # fmt: skip
_ROOF = {"title": "The roof", "type": "delivery", "of": ["initiative:other"], "description": "On the house"}
_STEEL = {
    "commitment": "steel", "strength": "firm", "from": "party:usa", "to": "party:ind", "amount": "1000000.50",
    "currency": "USD", "quantity": "12", "unit": "t", "due": "2026", "text": "Twelve tonnes",
}  # fmt: skip

# What a type may say beside that.
MORE: dict[str, dict[str, Any]] = {
    "source.registered": _SHEET,
    "source.described": _SHEET,
    "party.registered": _LAB,
    "party.described": _LAB,
    "party.restored": {"reason": "It left the union"},
    "initiative.reported": _BRIDGE,
    "initiative.launched": _BRIDGE,
    "initiative.described": _BRIDGE,
    "initiative.planned": {"start": "2024", "end": "2030"},
    "initiative.party_joined": {"on_behalf_of": "party:acme"},
    "initiative.commitment_made": _STEEL,
    "initiative.commitment_revised": _STEEL,
    "initiative.commitment_partly_fulfilled": {
        "amount": "300000", "currency": "USD", "quantity": "4", "unit": "t", "text": "Four tonnes",
    },
    "agreement.mentioned": _PACT,
    "agreement.negotiation_opened": _PACT,
    "agreement.adopted": _PACT | {"forum": "An assembly", "place": "A hall"},
    "agreement.signed": _PACT
    | {"signatories": [_SOMEBODY | {"on_behalf_of": "party:acme", "mode": "ad_referendum"}], "places": ["A hall"]},
    "agreement.provisionally_applied": {"party": "party:ind"},
    "agreement.consented": {"deposited_with": "A depositary"},
    "agreement.provisional_application_ended": {"party": "party:ind"},
    "agreement.entered_into_force": {"party": "party:ind"},
    "agreement.objected": {"target": "party:ind", "text": "To article 5"},
    "agreement.amended": {"by": "agreement:other", "rationale": "A new bank"},
    "agreement.supplemented": {"by": "agreement:other", "text": "An annex"},
    "agreement.extended": {"new_end": "2030"},
    "agreement.renewed": {"new_end": "2035"},
    "agreement.suspended": {"party": "party:ind", "ground": "breach"},
    "agreement.resumed": {"party": "party:ind"},
    "agreement.described": _PACT,
    "meeting.proposed": _TALKS,
    "meeting.scheduled": _TALKS,
    "meeting.rescheduled": {"previous_start": "2024-05-01"},
    "meeting.reinstated": {"reason": "Both sides wish it", "start": "2024-06-12"},
    "meeting.held": _TALKS,
    "meeting.attendance_recorded": {"participants": [_SOMEBODY]},
    "meeting.topic_discussed": {"label": "Roads", "about": "initiative:other", "verb": "reviewed", "emphasis": "strong"},
    "meeting.statement_made": {"speakers": [_SOMEBODY], "about": "agreement:other", "text": "Well done"},
    "meeting.described": _TALKS,
    "milestone.reported": _ROOF,
    "milestone.scheduled": _ROOF | {"due_after": "2024-06"},
    "milestone.rescheduled": {"reason": "Rain"},
    "milestone.partially_met": {"text": "The beams"},
    "milestone.described": _ROOF,
    "entry.superseded": {
        "replacement": {
            "type": "initiative.reported", "occurred": "2024-09", "effective": "2024-10", "modality": "inferred",
            "sources": [{"source": "source:doc"}], "note": "From the plan",
            "data": {"name": "The bridge", "kind": "co_production"},
        },
    },
}  # fmt: skip


def _post(type_: str, data: dict[str, Any]) -> dict[str, Any]:
    return event(type_, subject_of(type_), "2024-09-10", **data)


def subject_of(type_: str) -> str:
    """The stream of the examples of a type; a name is erased where there are persons."""
    return SUBJECTS["meeting" if type_ == "entry.value_erased" else type_.partition(".")[0]]


MINIMAL = {type_: _post(type_, data) for type_, data in NEEDED.items()}
"""An event of every type, as it is posted, with nothing that could be left out but its date and source."""

FULL = {type_: _post(type_, data | MORE.get(type_, {})) for type_, data in NEEDED.items()}
"""An event of every type that gives each of its own fields."""

OPENERS = {
    "source": MINIMAL["source.registered"],
    "party": MINIMAL["party.registered"],
    "initiative": MINIMAL["initiative.reported"],
    "agreement": MINIMAL["agreement.mentioned"],
    "meeting": MINIMAL["meeting.proposed"],
    "milestone": MINIMAL["milestone.reported"],
}


def opener(type_: str, occurred: str = "2000-01-01") -> dict[str, Any]:
    """An event that opens the stream to which MINIMAL and FULL put an event of this type."""
    first = MINIMAL["meeting.held"] | {"data": {"title": "Talks", "participants": [{"person": PERSON}]}}
    found = first if type_ == "entry.value_erased" else OPENERS[subject_of(type_).partition(":")[0]]
    return found | {"occurred": occurred}


def fact_of(event: dict[str, Any]) -> Fact:
    return read_draft(event).fact


def own(fact: Fact) -> dict[str, Any]:
    """The fact's own fields that are given, as they are posted."""
    given: dict[str, Any] = json.loads(fact.model_dump_json(exclude=COMMON, exclude_none=True))
    return {name: value for name, value in given.items() if value != []}


def make(event: dict[str, Any], number: int = 1, version: int = 1) -> Entry:
    """The entry of an event, with an id and salts that are always the same."""
    draft = read_draft(event)
    return make_entry(
        draft.fact, entry_id=draft.id or entry_id(number), subject=draft.subject, version=version,
        source="/ledgers/test", address=ADDRESS, authtype="api_key", authid="clerk", salt_for=lambda _: SALT,
        correlationid=draft.correlationid, causationid=draft.causationid,
    )  # fmt: skip


def stamp(rest: bytes, position: int, on: date = TODAY) -> bytes:
    """The full line, as the database makes it."""
    return b'{"sequence":"%020d","recordedtime":"%sT12:00:00.123456Z",' % (position, str(on).encode()) + rest[1:]


class Stream:
    """One stream in memory. It admits as the service does, and keeps what is read back from the stored line."""

    def __init__(self, subject: str) -> None:
        self.subject = Subject(subject)
        self.history = History.of(subject)
        self.position = FIRST - 1
        self.openings = {Subject(known): Opening(number) for number, known in enumerate(KNOWN, 1)}
        self.disclosures: dict[str, tuple[Disclosure, ...]] = {}

    def append(self, event: dict[str, Any], on: date = TODAY) -> list[Anomaly]:
        """What the answer is flagged with. Raises Refused, and then nothing has changed."""
        draft = read_draft({"subject": self.subject} | event)
        position = self.position + 1
        made = make(event | {"subject": self.subject}, position, self.history.version + 1)
        openings = {self.subject: Opening(position)} | self.openings
        anomalies = admit(self.history.copy(), Recorded(UNRECORDED, made.id, on, draft.fact), openings, self.subject)
        self.history = self.history.copy()
        self.history.record(read_line(stamp(made.line(), position, on)).recorded(), openings)
        self.openings, self.position = openings, position
        self.disclosures[made.id] = made.disclosures
        return anomalies

    def segments(self, lane: str = MAIN) -> list[Segment]:
        return segments(kind_of(self.history.kind, lane), self.history.lanes.get(lane, []))

    def at(self, day: str, lane: str = MAIN) -> State:
        """The state that holds on a day."""
        return self._at(day, lane).state

    def shown(self, day: str = "2025-06-01", lane: str = MAIN) -> dict[str, Any]:
        """The document that shows the state of a day."""
        shown: dict[str, Any] = json.loads(document(kind_of(self.history.kind, lane), self._at(day, lane)))
        return shown

    def status(self, day: str = "2025-06-01", lane: str = MAIN) -> str | None:
        return next((one.state.status for one in self.segments(lane) if _holds(one, day)), None)

    def codes(self, day: str = "2025-06-01", lane: str = MAIN) -> list[str]:
        return [anomaly.code.value for anomaly in self.at(day, lane).anomalies]

    def _at(self, day: str, lane: str) -> Segment:
        return next(one for one in self.segments(lane) if _holds(one, day))


def _holds(segment: Segment, day: str) -> bool:
    return segment.valid_from <= date.fromisoformat(day) < segment.valid_to


def given(*events: dict[str, Any], on: date = TODAY) -> Stream:
    """A stream in which these events, all of one subject, have been recorded on one day."""
    stream = Stream(events[0]["subject"])
    for one in events:
        stream.append(one, on)
    return stream


def world_types(kind: str) -> Iterator[str]:
    return (type_ for type_ in FACTS if type_.startswith(f"{kind}."))
