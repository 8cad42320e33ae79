"""Milestones: what is to be reached, by when, and whether it was. Reported is not met."""

from datetime import date, timedelta
from typing import Annotated

from pydantic import Field

from ledger.vocabulary.codes import MilestoneType
from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.fact import Fact, Name, Number, SourceRef, Subject, Text
from ledger.vocabulary.kind import Kind, transition
from ledger.vocabulary.state import State

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), Number]


class _Descriptive(Fact):
    title: Name | None = None
    type_: MilestoneType | None = Field(default=None, alias="type")
    of: tuple[Subject, ...] = Field(default=(), max_length=100)
    description: Text | None = None


class Reported(_Descriptive, type="milestone.reported", opens=True):
    """A source speaks of it. That it was reached is not said."""

    title: Name


class Scheduled(_Descriptive, type="milestone.scheduled", opens=True):
    """It is to be reached by ``due``."""

    due: PartialDate
    due_after: PartialDate | None = None


class Rescheduled(Fact, type="milestone.rescheduled"):
    """It is to be reached by another day."""

    due: PartialDate
    reason: Text | None = None


class PartiallyMet(Fact, type="milestone.partially_met", opens=True, needs=("share", "text")):
    """A part of it was reached."""

    share: Share | None = None
    text: Text | None = None


class Met(Fact, type="milestone.met", opens=True):
    """It was reached."""


class NotMet(Fact, type="milestone.not_met", opens=True):
    """On review it was found not to be reached."""

    reviewed_on: PartialDate


class Reopened(Fact, type="milestone.reopened", outlasts=True):
    """It is open again."""

    reason: Text


class Withdrawn(Fact, type="milestone.withdrawn"):
    """It is no longer to be reached."""

    reason: Text


class EvidenceAdded(Fact, type="milestone.evidence_added", outlasts=True):
    """Another source bears on whether it was reached."""

    source: SourceRef


class Described(_Descriptive, type="milestone.described", describes=True, outlasts=True):
    """More is known of it."""


def evolve(state: State, fact: Fact, lane: str) -> None:
    MILESTONE.advance(state, fact)
    match fact:
        case _Descriptive():
            state.describe({name: value for name, value in fact.own.items() if not name.startswith("due")})
    match fact:
        case Scheduled() | Rescheduled() | PartiallyMet() | NotMet() | Reopened() | Withdrawn():
            told = fact.own
            for name in ("due", "due_after", "share", "text", "reviewed_on", "reason"):
                if name in told:
                    state.tell(name, told[name])
        case EvidenceAdded():
            state.include("evidence", fact.source)


def overdue_from(state: State) -> date | None:
    """The day from which a milestone that is still scheduled is overdue: the day after the last that ``due`` allows."""
    due: PartialDate | None = state.fields.get("due")
    last = due.latest if due else None
    if state.status != "scheduled" or last in (None, date.max):
        return None
    return last + timedelta(days=1)


MILESTONE = Kind(
    name="milestone",
    plural="milestones",
    overdue_from=overdue_from,
    facts=(
        Reported, Scheduled, Rescheduled, PartiallyMet, Met, NotMet, Reopened, Withdrawn, EvidenceAdded, Described,
    ),
    # OCDS milestoneStatus, and two: reported, withdrawn
    statuses=("reported", "scheduled", "partiallyMet", "met", "notMet", "withdrawn"),
    ended=frozenset({"met", "notMet", "withdrawn"}),
    lifecycle={
        Scheduled: transition("scheduled"),
        Rescheduled: transition("scheduled", "scheduled"),
        PartiallyMet: transition("partiallyMet"),
        Met: transition("met", once=True),
        NotMet: transition("notMet", once=True),
        Reopened: transition("scheduled", "met notMet withdrawn", once=True, back=True, restores=True),
        Withdrawn: transition("withdrawn", once=True),
    },
    fields=("title", "type", "of", "due"),
    also=("description", "due_after", "share", "text", "reviewed_on", "reason"),
    shows={"evidence": list[SourceRef]},
    evolve=evolve,
)  # fmt: skip
