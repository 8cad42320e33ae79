"""The part of each party in an agreement: whether it signed, is bound, applies it, gave notice, withdrew.

Each party has a lane of its own beside the instrument's, and can go through all of it again: who withdrew may come back.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ledger.vocabulary.codes import ConsentMethod
from ledger.vocabulary.fact import Fact
from ledger.vocabulary.kind import Kind, transition
from ledger.vocabulary.kinds.agreement import (
    AGREEMENT,
    Consented,
    ConsentWithdrawn,
    Declared,
    EnteredIntoForce,
    Objected,
    PartyWithdrew,
    ProvisionalApplicationEnded,
    ProvisionallyApplied,
    ReservationWithdrawn,
    Reserved,
    Resumed,
    SignatureWithdrawn,
    Signed,
    Suspended,
    WithdrawalNotified,
    WithdrawalRevoked,
)
from ledger.vocabulary.state import State


def evolve(state: State, fact: Fact, lane: str) -> None:
    """What a fact does to a party's part."""
    is_notice = isinstance(fact, Consented) and fact.method is NOTICE
    PARTICIPATION.advance(state, fact, is_act=not is_notice)
    match fact:
        case Consented() if is_notice:
            state.tell("provisionally_applied", True)
        case Consented():
            _consent(state, fact)
        case Signed():
            for signatory in fact.signatories:
                if signatory.party == lane:
                    state.add("signatures", signatory.model_dump(exclude_none=True) | {"occurred": fact.occurred})
        case ConsentWithdrawn():
            _withdraw_consent(state)
        case Suspended() | Resumed():
            state.tell("suspended", isinstance(fact, Suspended))
        case ProvisionallyApplied() | ProvisionalApplicationEnded():
            state.tell("provisionally_applied", isinstance(fact, ProvisionallyApplied))
        case Reserved() | Objected() | Declared() | ReservationWithdrawn():
            state.add(_ACTS[type(fact)], {**fact.own, "occurred": fact.occurred})
        case WithdrawalNotified():
            state.tell("withdrawal_notified", _runs(state, fact))
        case WithdrawalRevoked():
            state.fresh_from = state.now.day
            state.tell("withdrawal_notified", False)
    if state.fields.get("withdrawal_notified") and not isinstance(fact, WithdrawalNotified) and _is_over(state):
        state.set("withdrawal_notified", False)


NOTICE = ConsentMethod.provisional_application_notice
"""No consent, though treaty collections list it among them: the party applies the agreement provisionally."""


def _consent(state: State, fact: Consented) -> None:
    """Method, depositary and day of one consent stay together; the last one in valid order is current."""
    if state.is_apart:
        return
    occurred, effective = state.days(("consented", fact.method))
    days = {"occurred": occurred, "effective": effective}
    consents = list(state.fields.get("consents", ()))
    if state.same_act:
        at = max(i for i, one in enumerate(consents) if one["method"] == fact.method)
        is_last = state.now.position > max(state.same_act)
        consents[at] = ({**consents[at], **fact.own} if is_last else {**fact.own, **consents[at]}) | days
    else:
        consents.insert(_place(state, consents, fact.method), fact.own | days)
    state.fields["consents"] = consents
    state.note("consents")


def _place(state: State, consents: Sequence[Mapping[str, Any]], method: ConsentMethod) -> int:
    """Consents of one day stand in the order of their methods, whichever was recorded first."""
    state.today[f"consents/{method}"] = Consented
    at = len(consents)
    while at and f"consents/{consents[at - 1]['method']}" in state.today and consents[at - 1]["method"] > method:
        at -= 1
    return at


def _withdraw_consent(state: State) -> None:
    """The last consent is one that was taken back."""
    consents = state.fields.get("consents")
    if consents and not state.is_apart:
        occurred, _ = state.days(("consent_withdrawn", None))
        state.fields["consents"] = [*consents[:-1], {**consents[-1], "withdrawn": occurred or "undated"}]
        state.note("consents")


def _runs(state: State, fact: WithdrawalNotified) -> bool:
    """Whether a notice is of the present membership, and was not revoked before it took effect."""
    given = fact.occurred.earliest if fact.occurred and fact.occurred.earliest else state.now.day
    return state.status != "withdrawn" and (state.fresh_from is None or given > state.fresh_from)


def _is_over(state: State) -> bool:
    """Whether the membership that a notice was given of is over: the party withdrew, or is a member again."""
    return state.status == "withdrawn" or state.fresh_from == state.now.day


_ACTS: dict[type[Fact], str] = {
    Reserved: "reservations",
    ReservationWithdrawn: "reservations_withdrawn",
    Objected: "objections",
    Declared: "declarations",
}


PARTICIPATION = Kind(
    name="participation",
    plural="participation",
    facts=AGREEMENT.facts,
    statuses=("named", "signatory", "bound", "in_force", "withdrawn"),
    ended=frozenset(),
    lifecycle={
        Signed: transition("signatory", "named signatory withdrawn", once=True, back=True),
        SignatureWithdrawn: transition("named", "signatory", once=True, back=True),
        Consented: transition("bound", "named signatory bound withdrawn", once=True, each="method", back=True),
        ConsentWithdrawn: transition("signatory", "bound", once=True, back=True, restores=True),
        EnteredIntoForce: transition("in_force", "named signatory bound in_force withdrawn", once=True, back=True),
        PartyWithdrew: transition("withdrawn", "bound in_force", once=True),
    },
    fields=(),
    evolve=evolve,
    cycle_ends=frozenset({"withdrawn"}),
)
