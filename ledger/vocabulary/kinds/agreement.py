"""Agreements: treaties, memoranda, contracts, joint statements.

Two lanes. The *instrument* is mentioned, negotiated, adopted, signed, in force, ended. Each *party* has a lane of its
own (signatory, bound, in force, withdrawn), because an agreement may have two hundred of them, and because what binds
one of them says nothing of the others: entry into force is a fact, never a count.
"""

from typing import Literal

from pydantic import Field

from ledger.vocabulary.acts import Accounts, Act, conflicts
from ledger.vocabulary.codes import (
    AgreementRelation,
    Ambit,
    Binding,
    ConsentMethod,
    Ground,
    InstrumentType,
    Publicity,
    SignatureMode,
)
from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.fact import AgreementRef, AnyPerson, Fact, InitiativeRef, Months, Name, Part, PartyRef, Text
from ledger.vocabulary.kind import Kind, items, transition
from ledger.vocabulary.kinds.shares import derived, list_disputed_days, share_of
from ledger.vocabulary.state import MAIN, State


class Term(Part):
    """How long it runs, in months, and how it is renewed."""

    length: Months
    unit: Literal["month"] = "month"
    renewal: Name | None = None


class Signatory(Part):
    """Who signed: the party, and the person and office in its name."""

    party: PartyRef
    person: AnyPerson | None = None
    office: Name | None = None
    on_behalf_of: PartyRef | None = None
    mode: SignatureMode | None = None


class _Descriptive(Fact):
    title: Name | None = None
    description: Text | None = None
    instrument_type: InstrumentType | None = None
    binding: Binding | None = None
    ambit: Ambit | None = None
    publicity: Publicity | None = None
    parties: tuple[PartyRef, ...] = Field(default=(), max_length=500)
    initiatives: tuple[InitiativeRef, ...] = Field(default=(), max_length=100)
    subject_matter: Text | None = None
    term: Term | None = None


class _OneParty(Fact):
    party: PartyRef


class _AnyParty(Fact):
    party: PartyRef | None = None


class Mentioned(_Descriptive, type="agreement.mentioned", opens=True, needs=("title", "description")):
    """A source speaks of it; whether it was signed is not said."""


class NegotiationOpened(_Descriptive, type="agreement.negotiation_opened", opens=True):
    """Talks began."""


class NegotiationConcluded(Fact, type="agreement.negotiation_concluded"):
    """The text is agreed."""


class NegotiationAbandoned(Fact, type="agreement.negotiation_abandoned"):
    """Talks were given up."""


class Adopted(_Descriptive, type="agreement.adopted", opens=True):
    """A forum adopted the text."""

    forum: Name | None = None
    place: Name | None = None


class Signed(_Descriptive, type="agreement.signed", opens=True):
    """Parties signed; later signatories sign in a fact of their own. A source may name none of them."""

    signatories: tuple[Signatory, ...] = Field(default=(), max_length=500)
    places: tuple[Name, ...] = Field(default=(), max_length=20)


class Consented(_OneParty, type="agreement.consented", opens=True):
    """A party consented to be bound: ratified, accepted, approved, acceded, succeeded."""

    method: ConsentMethod
    deposited_with: Name | None = None


class SignatureWithdrawn(_OneParty, type="agreement.signature_withdrawn"):
    """A signatory made clear that it does not intend to become a party."""


class ConsentWithdrawn(_OneParty, type="agreement.consent_withdrawn"):
    """A party took its consent back before it was in force for it."""


class ProvisionallyApplied(_AnyParty, type="agreement.provisionally_applied", opens=True):
    """It is applied before it is in force, by all or by one party."""


class ProvisionalApplicationEnded(_AnyParty, type="agreement.provisional_application_ended"):
    """It is no longer applied provisionally."""


class EnteredIntoForce(_AnyParty, type="agreement.entered_into_force", opens=True):
    """It is in force: the instrument, or for one party."""


class Reserved(_OneParty, type="agreement.reserved"):
    """A party excludes or modifies the effect of some provisions for itself."""

    text: Text


class ReservationWithdrawn(_OneParty, type="agreement.reservation_withdrawn"):
    """A party took its reservation back."""


class Objected(_OneParty, type="agreement.objected"):
    """A party objects, for instance to another's reservation."""

    target: PartyRef | None = None
    text: Text | None = None


class Declared(_OneParty, type="agreement.declared"):
    """A party declared how it understands or applies it."""

    text: Text


class Amended(Fact, type="agreement.amended", needs=("by", "text")):
    """Its terms were changed, by another instrument or as the text says."""

    by: AgreementRef | None = None
    text: Text | None = None
    rationale: Text | None = None


class Supplemented(Fact, type="agreement.supplemented"):
    """Another instrument or text was added to it."""

    by: AgreementRef | None = None
    text: Text | None = None


class Extended(Fact, type="agreement.extended"):
    """It runs longer."""

    new_end: PartialDate | None = None


class Renewed(Fact, type="agreement.renewed"):
    """It runs for another term."""

    new_end: PartialDate | None = None


class Upgraded(Fact, type="agreement.upgraded"):
    """A further-reaching instrument was built on it."""

    by: AgreementRef


class Suspended(_AnyParty, type="agreement.suspended"):
    """It rests, for all or for one party."""

    ground: Ground | None = None


class Resumed(_AnyParty, type="agreement.resumed"):
    """It applies again."""


class WithdrawalNotified(_OneParty, type="agreement.withdrawal_notified"):
    """A party gave notice that it will withdraw."""


class WithdrawalRevoked(_OneParty, type="agreement.withdrawal_revoked"):
    """A party took its notice back."""


class PartyWithdrew(_OneParty, type="agreement.party_withdrew"):
    """A party is no longer bound."""


class Registered(Fact, type="agreement.registered"):
    """It stands in a register, such as that of the United Nations Secretariat."""

    registry: Name
    number: Name


class Related(Fact, type="agreement.related", outlasts=True):
    """It stands in a relation to another agreement."""

    other: AgreementRef
    relation: AgreementRelation


class Terminated(Fact, type="agreement.terminated", opens=True):
    """It was ended."""

    ground: Ground


class Expired(Fact, type="agreement.expired", opens=True):
    """It ran out."""


class Superseded(Fact, type="agreement.superseded"):
    """Another instrument took its place."""

    by: AgreementRef


class Revived(Fact, type="agreement.revived", outlasts=True):
    """It, or the talks on it, came back to life."""

    reason: Text


class Described(_Descriptive, type="agreement.described", describes=True, outlasts=True):
    """More is known of it."""


def lanes(fact: Fact) -> tuple[str, ...]:
    """A fact about one party concerns that party alone; signatures, and what makes or ends its part, the instrument too."""
    match fact:
        case Signed():
            return (MAIN, *dict.fromkeys(signatory.party for signatory in fact.signatories))
        case Consented() | ConsentWithdrawn() | SignatureWithdrawn() | PartyWithdrew():
            return (fact.party, MAIN)
        case EnteredIntoForce() if fact.party:
            return (fact.party, MAIN)
        case _OneParty() | _AnyParty() if fact.party:
            return (fact.party,)
        case _:
            return (MAIN,)


def evolve(state: State, fact: Fact, lane: str) -> None:
    """What a fact does to the instrument."""
    if isinstance(fact, Signed) and not fact.signatories:
        _sign_unnamed(state)
    AGREEMENT.advance(state, fact)
    if isinstance(fact, Signed):
        state.date_first(fact.short_type)
    match fact:
        case _Descriptive():
            told = fact.own
            state.describe({k: v for k, v in told.items() if k not in ("signatories", "places", "forum", "place")})
            for name in ("places", "forum", "place"):
                if name in told:
                    state.tell(name, told[name])
        case NegotiationConcluded():
            state.date(fact.short_type, first=True)
        case ProvisionallyApplied() | ProvisionalApplicationEnded():
            state.tell("provisionally_applied", isinstance(fact, ProvisionallyApplied))
        case Extended() | Renewed():
            state.tell("end", fact.new_end)
        case Superseded():
            state.tell_item("superseded_by", "by", (fact.short_type, fact.by))
        case Amended() | Supplemented() | Upgraded() | Related() | Registered():
            state.add(AGREEMENT.list_of[type(fact)], {**fact.own, "occurred": fact.occurred})
        case Terminated() | Suspended():
            state.tell("ground", fact.ground)
        case Revived():
            state.tell("reason", fact.reason)


SIGNED: Act = (Signed.short_type, None)


def _sign_unnamed(state: State) -> None:
    """A signature of whom is not said is one act, whoever tells of it; parties' signatures are told apart by party."""
    if known := state.acts.get(SIGNED):
        state.tell_again(SIGNED, known, is_shown=False)
    elif not state.over:
        state.enter(SIGNED)


def reconcile(main: State, others: list[State]) -> None:
    """The instrument keeps the part of each party. It was signed on the first day on which anybody has signed it, as that is
    told now; and all days that are in dispute of parties' signatures and consents are in dispute of the instrument's.
    """
    parties, before = dict(zip([one for one in main.now.lanes if one != MAIN], others, strict=True)), main.acts
    main.shares = {**main.shares, **{lane: share_of(party) for lane, party in parties.items()}}
    for lane, party in parties.items():
        _know_signature(main, (Signed.short_type, lane), party.acts.get(SIGNED, Accounts()))
        list_disputed_days(main, party)
    if main.acts is not before:
        main.date_first(Signed.short_type)
    _flag_disputed_signatures(main, others)


def _flag_disputed_signatures(main: State, parties: list[State]) -> None:
    """Where the fact at hand gives other days of a party's signature than entries before: one flag for all parties."""
    disputed = dict[str, list[int]]()
    for party in parties:
        if not party.is_apart and len(told := party.acts.get(SIGNED, ())) > 1:
            for name in conflicts(main.account, told):
                disputed.setdefault(name, []).extend([one.position for one in told])
    for name, positions in disputed.items():
        main.flag_conflict(f"{name}/signed", positions)


def _know_signature(main: State, act: Act, told: Accounts) -> None:
    """All that is told of a party's first signature."""
    known = main.acts.get(act)
    if told and told != known and (known is None or known[0].position == told[0].position):
        main.acts = {**main.acts, act: told}


_FACTS: tuple[type[Fact], ...] = (
    Mentioned, NegotiationOpened, NegotiationConcluded, NegotiationAbandoned, Adopted, Signed, SignatureWithdrawn,
    ProvisionallyApplied, Consented, ConsentWithdrawn, ProvisionalApplicationEnded, EnteredIntoForce, Reserved, ReservationWithdrawn, Objected, Declared,
    Amended, Supplemented, Extended, Renewed, Upgraded, Suspended, Resumed, WithdrawalNotified, WithdrawalRevoked,
    PartyWithdrew, Registered, Related, Terminated, Expired, Superseded, Revived, Described,
)  # fmt: skip

AGREEMENT = Kind(
    name="agreement",
    plural="agreements",
    related=("participation", "agreement", "meeting", "milestone"),
    facts=_FACTS,
    statuses=(
        "mentioned", "negotiating", "abandoned", "adopted", "signed", "provisional", "in_force", "suspended",
        "terminated", "expired", "superseded",
    ),
    ended=frozenset({"abandoned", "terminated", "expired", "superseded"}),
    lifecycle={
        NegotiationOpened: transition("negotiating", "mentioned negotiating", once=True),
        NegotiationAbandoned: transition("abandoned", "mentioned negotiating", once=True),
        Adopted: transition("adopted", once=True),
        Signed: transition("signed", joint=True),
        ProvisionallyApplied: transition("provisional", once=True),
        ProvisionalApplicationEnded: transition("signed", "provisional", once=True, back=True),
        EnteredIntoForce: transition("in_force", once=True),
        Suspended: transition("suspended", "in_force", once=True),
        Resumed: transition("in_force", "suspended", once=True, back=True),
        Terminated: transition("terminated", "in_force suspended", once=True),
        Expired: transition("expired", "in_force suspended", once=True),
        Superseded: transition("superseded", "in_force suspended signed", once=True, each="by", joint=True),
        Revived: transition("in_force", "abandoned terminated expired superseded", once=True, back=True, restores=True),
    },
    fields=(
        "title", "instrument_type", "binding", "ambit", "publicity", "parties", "initiatives", "subject_matter",
        "term", "end",
    ),
    also=("description", "forum", "place", "places", "ground", "reason"),
    lists={
        "amendments": items(Amended, occurred=PartialDate | None),
        "supplements": items(Supplemented, occurred=PartialDate | None),
        "upgrades": items(Upgraded, occurred=PartialDate | None),
        "relations": items(Related, occurred=PartialDate | None),
        "registrations": items(Registered, occurred=PartialDate | None),
        "superseded_by": items(Superseded, occurred=PartialDate | None),
    },
    shows={"end": PartialDate | None, "provisionally_applied": bool, "in_force_for": int, "derived": list[str]},
    evolve=evolve,
    lanes=lanes,
    reconcile=reconcile,
    derived=derived,
)  # fmt: skip
