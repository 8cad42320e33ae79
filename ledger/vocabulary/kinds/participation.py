"""The part of each party in an agreement: whether it signed, is bound, applies it, gave notice, withdrew.

Each party has a lane of its own beside the instrument's, and can go through all of it again: who withdrew may come back.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ledger.vocabulary.acts import Account, Saying, together
from ledger.vocabulary.codes import ConsentMethod
from ledger.vocabulary.fact import Fact
from ledger.vocabulary.kind import Kind, transition
from ledger.vocabulary.kinds.agreement import (
    AGREEMENT,
    SIGNED,
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
            state.before_end = state.before_end or PARTICIPATION.statuses[0]
            state.tell("provisionally_applied", True)
        case Consented():
            state.tell_item("consents", "method", (fact.short_type, fact.method), days=("occurred", "effective"))
        case Signed():
            _sign(state, fact, lane)
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
    if "withdrawal_notified" in state.fields and not isinstance(fact, WithdrawalNotified) and _is_over(state):
        _end_notice(state, fact)


NOTICE = ConsentMethod.provisional_application_notice
"""No consent, though treaty collections list it among them: the party applies the agreement provisionally."""


def _sign(state: State, fact: Signed, lane: str) -> None:
    """A party signs once, whoever tells of it: what one source leaves open another fills."""
    told = state.acts.get(SIGNED)
    if state.is_apart:
        return
    if not told:  # it stands in history alone
        for one in _signatures(fact, lane):
            state.add("signatures", one | {"occurred": fact.occurred})
        return
    kept, known = [*state.fields.get("signatures", ())], [_signatures(one.fact, lane) for one in told]
    if state.same_act:
        del kept[len(kept) - (1 if _is_one(known[:-1]) else len(_matched(known[:-1]))) :]
    occurred, _ = state.days(SIGNED)
    signed = _told_of_one(state, lane, told, known) if _is_one(known) else _told_of_several(state, lane, told, known)
    state.put("signatures", kept + [one | {"occurred": occurred} for one in signed])


Signatures = list[dict[str, Any]]


def _signatures(fact: Fact, lane: str) -> Signatures:
    """Those in the name of one party. A person is sealed anew in each entry, so nobody can say whether two are one."""
    assert isinstance(fact, Signed)
    those: Signatures = []
    for one in fact.signatories:
        if one.party == lane and (signature := one.model_dump(exclude_none=True)) not in those:
            those.append(signature)
    return those


def _is_one(known: Sequence[Signatures]) -> bool:
    """Whether nobody names several that signed for the party."""
    return all(len(those) == 1 for those in known)


def _told_of_one(state: State, lane: str, told: Sequence[Account], known: Sequence[Signatures]) -> Signatures:
    sayings = [Saying(those[0], one.position) for one, those in zip(told, known, strict=True)]
    office = state.weigh(f"signatures/{lane}", [Saying(_impersonal(said), position) for said, position in sayings])
    return [together(sayings) | office]


def _told_of_several(state: State, lane: str, told: Sequence[Account], known: Sequence[Signatures]) -> Signatures:
    """Then who of them held which office is not in dispute."""
    state.weigh(f"signatures/{lane}", [Saying({}, one.position) for one in told])
    return _matched(known)


def _impersonal(signature: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in signature.items() if name != "person"}


def _matched(told: Sequence[Signatures]) -> Signatures:
    """The signatures of one party, of all that tell of them: each with those of other sources that say nothing else."""
    matched: Signatures = []
    for those in sorted(told, key=lambda those: (-len(those), sorted(map(_key, those)))):
        free = [*range(len(matched))]
        for mine in sorted(those, key=_key):
            at = next((i for i in free if _agree(mine, matched[i])), None)
            if at is None:
                matched.append(mine)
            else:
                free.remove(at)
                matched[at] = mine | matched[at]
    return matched


def _key(signature: Mapping[str, Any]) -> tuple[int, str]:
    """Whoever says most comes first."""
    said = _impersonal(signature)
    return -len(said), str(sorted(said.items()))


def _agree(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(other.get(name, value) == value for name, value in _impersonal(one).items())


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


def _end_notice(state: State, fact: Fact) -> None:
    """It runs no more, as all say that tell of its end on that day."""
    if state.fields["withdrawal_notified"]:
        state.set("withdrawal_notified", False)
    elif state.today.get("withdrawal_notified") is type(fact):
        state.note("withdrawal_notified")


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
