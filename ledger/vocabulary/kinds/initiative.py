"""Initiatives: programmes, co-productions, exercise series, challenges, whole partnerships."""

from typing import Any, Literal

from pydantic import Field

from ledger.vocabulary.acts import Act, Saying
from ledger.vocabulary.codes import AnomalyCode, Area, InitiativeKind, InitiativeRelation, Modality, Role, Strength
from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.fact import (
    Amount,
    CurrencyCode,
    Fact,
    InitiativeRef,
    Name,
    Part,
    PartyRef,
    Slug,
    Subject,
    Text,
)
from ledger.vocabulary.kind import Kind, items, transition
from ledger.vocabulary.state import State


class PartyRole(Part):
    """Who takes part in an initiative, and as what."""

    party: PartyRef
    role: Role


class _Descriptive(Fact):
    name: Name | None = None
    kind: InitiativeKind | None = None
    short_name: Name | None = None
    areas: tuple[Area, ...] = Field(default=(), max_length=30)
    other_areas: tuple[Name, ...] = Field(default=(), max_length=30)
    objective: Text | None = None
    parent: InitiativeRef | None = None
    parties: tuple[PartyRole, ...] = Field(default=(), max_length=500)


class Reported(_Descriptive, type="initiative.reported", opens=True):
    """A source says that the initiative exists; not since when, nor how far it is."""

    name: Name
    kind: InitiativeKind


class Planned(Fact, type="initiative.planned"):
    """Its start, and perhaps its end, have been set."""

    start: PartialDate | None = None
    end: PartialDate | None = None


class Launched(_Descriptive, type="initiative.launched", opens=True):
    """It was launched, and is active from then on."""

    name: Name
    kind: InitiativeKind


class Activated(Fact, type="initiative.activated"):
    """It is under way."""


class PartyJoined(Fact, type="initiative.party_joined"):
    """A party takes part from now on."""

    party: PartyRef
    role: Role
    on_behalf_of: PartyRef | None = None


class PartyLeft(Fact, type="initiative.party_left"):
    """A party no longer takes part."""

    party: PartyRef


class _Commitment(Fact):
    commitment: Slug
    strength: Strength | None = None
    from_: PartyRef | None = Field(default=None, alias="from")
    to: PartyRef | None = None
    amount: Amount | None = None
    currency: CurrencyCode | None = None
    quantity: Amount | None = None
    unit: Name | None = None
    due: PartialDate | None = None
    text: Text | None = None


class CommitmentMade(_Commitment, type="initiative.commitment_made"):
    """Somebody committed to something within it; ``commitment`` names it from then on."""

    strength: Strength


class CommitmentRevised(_Commitment, type="initiative.commitment_revised"):
    """A commitment was changed: the fields given replace the earlier ones."""


class CommitmentPartlyFulfilled(
    Fact, type="initiative.commitment_partly_fulfilled", needs=("amount", "quantity", "text")
):
    """A part of a commitment was kept: how much. The rest is still to be kept."""

    commitment: Slug
    amount: Amount | None = None
    currency: CurrencyCode | None = None
    quantity: Amount | None = None
    unit: Name | None = None
    text: Text | None = None


class CommitmentFulfilled(Fact, type="initiative.commitment_fulfilled"):
    """A commitment was kept."""

    commitment: Slug


class CommitmentWithdrawn(Fact, type="initiative.commitment_withdrawn"):
    """A commitment was taken back."""

    commitment: Slug


class ObjectiveStated(Fact, type="initiative.objective_stated"):
    """Somebody said what it is for."""

    text: Text


class ClaimRecorded(Fact, type="initiative.claim_recorded"):
    """A source claims something of it. A claim never changes a status."""

    text: Text


class Related(Fact, type="initiative.related", outlasts=True):
    """It stands in a relation to another initiative."""

    other: InitiativeRef
    relation: InitiativeRelation


class Suspended(Fact, type="initiative.suspended"):
    """It rests."""

    reason: Text


class Resumed(Fact, type="initiative.resumed"):
    """It goes on after a rest."""


class Finalising(Fact, type="initiative.finalising"):
    """The work is done; accounts and reports are being closed."""


class Closed(Fact, type="initiative.closed"):
    """It ended as it was meant to, or by decision after it had begun."""

    reason: Text


class Cancelled(Fact, type="initiative.cancelled"):
    """It was given up."""

    reason: Text


class Reopened(Fact, type="initiative.reopened", outlasts=True):
    """It is active again after its end."""

    reason: Text


class Described(_Descriptive, type="initiative.described", describes=True, outlasts=True):
    """More is known of it."""


def evolve(state: State, fact: Fact, lane: str) -> None:
    INITIATIVE.advance(state, fact)
    match fact:
        case ObjectiveStated() | ClaimRecorded():
            said = {"text": fact.text, "modality": fact.modality, "position": state.now.position}
            state.add(INITIATIVE.list_of[type(fact)], said)
        case Reported() | Launched() | Described():
            told = fact.own
            for party in told.pop("parties", ()):
                _name_role(state, party)
            state.describe(told)
        case Planned():
            for name, value in fact.own.items():
                state.tell(name, value)
        case PartyJoined():
            _join(state, fact)
        case PartyLeft():
            _leave(state, fact)
        case CommitmentMade() | CommitmentRevised() | CommitmentFulfilled() | CommitmentWithdrawn():
            _commit(state, fact)
        case CommitmentPartlyFulfilled():
            state.add("fulfilments", {**fact.own, "occurred": fact.occurred})
        case Related():
            state.include("relations", fact.own)
        case Suspended() | Closed() | Cancelled() | Reopened():
            state.tell("reason", fact.reason)


def _leaving(party: Subject) -> Act:
    return "party_left", party


def _join(state: State, fact: PartyJoined) -> None:
    """A party may take part in several roles. What it was until it left is over once it joins again."""
    leaving = _leaving(fact.party)
    if state.acts.get(leaving):
        state.end_dispute(leaving)
        state.forget(lambda one: one == leaving)
    told = state.told_today((fact.short_type, (fact.party, fact.role)))
    items = _parties(state)
    back = [i for i, one in enumerate(items) if one["party"] == fact.party and "left" in one]
    at = back[0] if back else len(items)
    others = [one for i, one in enumerate(items) if i not in back]
    sayings = [Saying(one.fact.own, one.position) for one in told]
    role = state.weigh(f"parties/{fact.party}/{fact.role}", sayings, ends_older=True)
    _take_role(state, others, at, role)


def _name_role(state: State, told: dict[str, Any]) -> None:
    """A party has a role, as a description says. Where it has left, it is not back by that."""
    items = _parties(state)
    left = next((one["left"] for one in items if one["party"] == told["party"] and "left" in one), None)
    _take_role(state, items, len(items), {**told, "left": left} if left else told)


def _parties(state: State) -> list[dict[str, Any]]:
    return [*state.fields.get("parties", ())]


def _take_role(state: State, items: list[dict[str, Any]], at: int, told: dict[str, Any]) -> None:
    """Party and role tell one item from another; one of which no role was known gets it. A new one stands at ``at``."""
    mine = [i for i, one in enumerate(items) if one["party"] == told["party"]]
    same = next((i for i in mine if items[i].get("role") in (told["role"], None)), None)
    if same is None:
        items.insert(at, told)
    else:
        items[same] = items[same] | told
    state.put("parties", items)


def _leave(state: State, fact: PartyLeft) -> None:
    """A party leaves once, in all its roles, until it joins again."""
    act = _leaving(fact.party)
    if told := state.acts.get(act):
        state.tell_again(act, told, is_shown=False)
    else:
        state.enter(act)
    if not state.is_apart:
        occurred, _ = state.days(act)
        items, left = _parties(state), {"left": occurred or "undated"}
        if all(one["party"] != fact.party for one in items):
            items.append({"party": fact.party})
        state.put("parties", [one | left if one["party"] == fact.party else one for one in items])


def _commit(state: State, fact: CommitmentMade | CommitmentRevised | CommitmentFulfilled | CommitmentWithdrawn) -> None:
    """A commitment is kept or taken back once, and then over until it is made again."""
    act = (fact.short_type, fact.commitment)
    known: dict[str, Any] = next(
        (one for one in state.fields.get("commitments", ()) if one["commitment"] == fact.commitment), {}
    )
    over = known.get("status") in ("fulfilled", "withdrawn")
    if over and isinstance(fact, CommitmentMade) and _is_later(state, fact):
        known, over = _renew(state, fact.commitment), False
    told = state.acts.get(act, ()) if not isinstance(fact, CommitmentRevised) else ()
    if told:
        state.tell_again(act, told, is_shown=False)
    elif over and not isinstance(fact, CommitmentMade):
        state.is_apart = True
        detail = f"{state.told} comes after the commitment {fact.commitment} was {known['status']}"
        state.flag(AnomalyCode.after_end, detail, state.provenance["commitments"])
    else:
        state.enter(act)
    if not state.is_apart:
        status = known["status"] if told or over else fact.short_type.removeprefix("commitment_")
        _put_commitment(state, known | _news(state, act) | {"status": status})


def _is_later(state: State, fact: CommitmentMade) -> bool:
    """Whether a commitment that is over is made again: its day leaves no room for the making of the one that ended."""
    made = fact.occurred or fact.effective
    ends = [
        one.fact.occurred or one.fact.effective
        for type_ in (CommitmentFulfilled, CommitmentWithdrawn)
        for one in state.acts.get((type_.short_type, fact.commitment), ())
    ]
    last = max((one.bounds.latest for one in ends if one and one.bounds.latest), default=None)
    return bool(made and made.bounds.earliest and last and made.bounds.earliest > last)


def _renew(state: State, commitment: str) -> dict[str, Any]:
    """It is made again: what was told of the earlier one is over, and no longer in dispute."""
    for act in [one for one in state.acts if one[1] == commitment]:
        state.end_dispute(act)
    state.settle(f"commitments/{commitment}")
    state.forget(lambda one: one[1] == commitment)
    return {}


def _put_commitment(state: State, told: dict[str, Any]) -> None:
    items = [*state.fields.get("commitments", ())]
    at = next((i for i, one in enumerate(items) if one["commitment"] == told["commitment"]), len(items))
    items[at : at + 1] = [told]
    state.put("commitments", items)


def _news(state: State, step: Act) -> dict[str, Any]:
    """What the accounts of one step say of a commitment, ``live`` the last of them; what was revised since stays so."""
    told, revisions = [*state.acts[step]], state.acts.get((CommitmentRevised.short_type, step[1]), ())
    if isinstance(state.now.fact, CommitmentRevised):
        told, revisions = [one for one in told if one.day == state.now.day], ()
    revised = {name for one in revisions if one.day >= told[0].day for name in one.fact.own} - {"commitment"}
    sayings = [
        Saying({name: value for name, value in one.fact.own.items() if name not in revised}, one.position)
        for one in told
    ]
    return state.weigh(f"commitments/{step[1]}", sayings, ends_older=True)


INITIATIVE = Kind(
    name="initiative",
    plural="initiatives",
    related=("initiative", "agreement", "meeting", "milestone"),
    facts=(
        Reported, Planned, Launched, Activated, PartyJoined, PartyLeft, CommitmentMade, CommitmentRevised,
        CommitmentPartlyFulfilled, CommitmentFulfilled, CommitmentWithdrawn, ObjectiveStated, ClaimRecorded, Related, Suspended, Resumed,
        Finalising, Closed, Cancelled, Reopened, Described,
    ),
    # IATI ActivityStatus 2.03: 1 identified, 2 active, 3 finalising, 4 closed, 5 cancelled, 6 suspended
    statuses=("reported", "identified", "active", "suspended", "finalising", "closed", "cancelled"),
    ended=frozenset({"closed", "cancelled"}),
    lifecycle={
        Planned: transition("identified"),
        Launched: transition("active", "reported identified active", once=True),
        Activated: transition("active", "reported identified active", once=True),
        Suspended: transition("suspended", "active finalising", once=True),
        Resumed: transition("active", "suspended", once=True, back=True),
        Finalising: transition("finalising", "active", once=True),
        Closed: transition("closed", "active suspended finalising", once=True),
        Cancelled: transition("cancelled", once=True),
        Reopened: transition("active", "closed cancelled", once=True, back=True),
    },
    fields=("name", "short_name", "kind", "areas", "objective", "parent", "parties"),
    also=("other_areas", "start", "end", "reason"),
    lists={
        "parties": items(PartyJoined, PartyLeft, left=PartialDate | Literal["undated"]),
        "commitments": items(
            CommitmentMade, CommitmentRevised, CommitmentFulfilled, CommitmentWithdrawn,
            status=Literal["made", "revised", "fulfilled", "withdrawn"],
        ),
        "fulfilments": items(CommitmentPartlyFulfilled, occurred=PartialDate | None),
        "objectives": items(ObjectiveStated, modality=Modality, position=int),
        "claims": items(ClaimRecorded, modality=Modality, position=int),
        "relations": items(Related),
    },
    evolve=evolve,
)  # fmt: skip
