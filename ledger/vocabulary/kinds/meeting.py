"""Meetings: proposed, scheduled, held; what was said there, and what came of it."""

from pydantic import Field

from ledger.vocabulary.codes import Area, MeetingKind, MeetingMode, OutcomeKind, Participation, PartStat
from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.fact import (
    AgreementRef,
    AnyPerson,
    Fact,
    InitiativeRef,
    MeetingRef,
    Name,
    Part,
    Participant,
    PartyRef,
    Subject,
    Text,
)
from ledger.vocabulary.kind import Kind, items, transition
from ledger.vocabulary.state import State


class Invitee(Part):
    """Who is asked to come, as what, and what they answered (RFC 5545 ATTENDEE)."""

    party: PartyRef | None = None
    person: AnyPerson | None = None
    office: Name | None = None
    role: Participation | None = None
    partstat: PartStat | None = None


class _Descriptive(Fact):
    title: Name | None = None
    description: Text | None = None
    kind: MeetingKind | None = None
    start: PartialDate | None = None
    end: PartialDate | None = None
    place: Name | None = None
    mode: MeetingMode | None = None
    organisers: tuple[PartyRef, ...] = Field(default=(), max_length=100)
    invitees: tuple[Invitee, ...] = Field(default=(), max_length=500)
    participants: tuple[Participant, ...] = Field(default=(), max_length=500)
    parent: MeetingRef | None = None
    initiatives: tuple[InitiativeRef, ...] = Field(default=(), max_length=100)
    agreements: tuple[AgreementRef, ...] = Field(default=(), max_length=100)


class Proposed(_Descriptive, type="meeting.proposed", opens=True):
    """Somebody proposed to meet."""

    title: Name


class Scheduled(_Descriptive, type="meeting.scheduled", opens=True):
    """It was put on the calendar."""

    title: Name


class Confirmed(Fact, type="meeting.confirmed"):
    """It will take place as scheduled."""


class Rescheduled(Fact, type="meeting.rescheduled"):
    """It was moved to another time."""

    start: PartialDate
    previous_start: PartialDate | None = None


class Postponed(Fact, type="meeting.postponed"):
    """It was put off, and no new time is known."""

    reason: Text


class MovedOnline(Fact, type="meeting.moved_online"):
    """It will take place online."""


class Cancelled(Fact, type="meeting.cancelled"):
    """It will not take place."""

    reason: Text


class Reinstated(Fact, type="meeting.reinstated", outlasts=True):
    """It is on the calendar again after it was cancelled."""

    reason: Text | None = None
    start: PartialDate | None = None


class Held(_Descriptive, type="meeting.held", opens=True, outlasts=True, needs=("title", "description")):
    """It took place, whatever was said before."""


class AttendanceRecorded(Fact, type="meeting.attendance_recorded", describes=True):
    """Who was there."""

    participants: tuple[Participant, ...] = Field(min_length=1, max_length=500)


class TopicDiscussed(Fact, type="meeting.topic_discussed", describes=True):
    """What was talked about: an area, and the thing it was about."""

    topic: Area
    label: Name | None = None
    about: Subject | None = None
    verb: Name | None = None
    emphasis: Name | None = None


class StatementMade(Fact, type="meeting.statement_made", describes=True):
    """Somebody said something there: praised, emphasised, announced."""

    speakers: tuple[Participant, ...] = Field(default=(), max_length=100)
    act: Name
    about: Subject | None = None
    text: Text | None = None


class OutcomeRecorded(Fact, type="meeting.outcome_recorded", describes=True):
    """Something came of it."""

    kind: OutcomeKind
    ref: Subject


class Described(_Descriptive, type="meeting.described", describes=True, outlasts=True):
    """More is known of it."""


def evolve(state: State, fact: Fact, lane: str) -> None:
    MEETING.advance(state, fact)
    match fact:
        case _Descriptive():
            state.describe(fact.own)
        case AttendanceRecorded():
            for participant in fact.own["participants"]:
                state.include("participants", participant)
        case TopicDiscussed() | StatementMade() | OutcomeRecorded():
            state.add(MEETING.list_of[type(fact)], {**fact.own, "position": state.now.position})
        case Rescheduled():
            state.replace("start", fact.start, "previous_starts", fact.previous_start)
        case MovedOnline():
            state.tell("mode", MeetingMode.online)
        case Postponed() | Cancelled() | Reinstated():
            for name, value in fact.own.items():
                state.tell(name, value)
    state.show_former("start", "previous_starts")


MEETING = Kind(
    name="meeting",
    plural="meetings",
    related=("meeting", "milestone"),
    facts=(
        Proposed, Scheduled, Confirmed, Rescheduled, Postponed, MovedOnline, Cancelled, Reinstated, Held, AttendanceRecorded,
        TopicDiscussed, StatementMade, OutcomeRecorded, Described,
    ),
    # RFC 5545 STATUS: proposed TENTATIVE, scheduled CONFIRMED, cancelled CANCELLED; schema.org: postponed
    statuses=("proposed", "scheduled", "postponed", "cancelled", "held"),
    ended=frozenset({"cancelled"}),
    lifecycle={
        Proposed: transition("proposed"),
        Scheduled: transition("scheduled", "proposed scheduled postponed", back=True),
        Confirmed: transition("scheduled", "proposed scheduled"),
        Rescheduled: transition("scheduled", "proposed scheduled postponed", back=True),
        Postponed: transition("postponed", "proposed scheduled"),
        Cancelled: transition("cancelled", "proposed scheduled postponed", once=True),
        Reinstated: transition("scheduled", "cancelled", once=True, back=True),
        Held: transition("held", "proposed scheduled postponed held", once=True),
    },
    fields=("title", "kind", "start", "end", "place", "organisers", "participants", "initiatives", "agreements"),
    also=("description", "mode", "invitees", "parent", "reason"),
    lists={
        "topics": items(TopicDiscussed, position=int),
        "statements": items(StatementMade, position=int),
        "outcomes": items(OutcomeRecorded, position=int),
    },
    shows={"previous_starts": list[PartialDate]},
    evolve=evolve,
)  # fmt: skip
