"""The part of each party in an agreement: whether it signed, is bound, applies it, gave notice, withdrew.

Each party has a lane of its own beside the instrument's, and can go through all of it again: who withdrew may come back.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal

from ledger.vocabulary.acts import OCCURRED, Account, Act, Saying, agreed, current, standing
from ledger.vocabulary.codes import ConsentMethod
from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.fact import Fact
from ledger.vocabulary.kind import Kind, items, transition
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
    Signatory,
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
            _withdraw_consent(state, fact)
        case Suspended() | Resumed():
            state.tell("suspended", isinstance(fact, Suspended))
        case ProvisionallyApplied() | ProvisionalApplicationEnded():
            state.tell("provisionally_applied", isinstance(fact, ProvisionallyApplied))
        case Reserved() | Objected() | Declared() | ReservationWithdrawn():
            state.add(PARTICIPATION.list_of[type(fact)], {**fact.own, "occurred": fact.occurred})
        case WithdrawalNotified():
            state.tell("withdrawal_notified", _runs(state, fact))
        case WithdrawalRevoked():
            _revoke_notice(state)
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
    kept = [*state.fields.get("signatures", ())]
    if state.same_act:
        del kept[len(kept) - len(_shown(told[:-1], lane)) :]
    state.weigh_accounts(f"signatures/{lane}", told, _sayings(told, lane))
    state.put("signatures", kept + _shown(told, lane))


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


def _sayings(told: Sequence[Account], lane: str) -> list[Saying]:
    """What is held against each other. Where somebody names several, who of them held which office is not in dispute."""
    known = [_signatures(one.fact, lane) for one in told]
    if _is_one(known):
        return [Saying(_impersonal(those[0]), one.position, those[0]) for one, those in zip(told, known, strict=True)]
    return [Saying({}, one.position, {"signatures": those}) for one, those in zip(told, known, strict=True)]


def _shown(told: Sequence[Account], lane: str) -> Signatures:
    """The signatures of one party, of all that is told of its signing."""
    known = [_signatures(one.fact, lane) for one in standing(told)]
    those = [_of_one([one for [one] in known])] if _is_one(known) else _matched(known)
    return [one | {"occurred": current(told, OCCURRED)} for one in those]


def _of_one(known: Signatures) -> dict[str, Any]:
    """One signature, of all that agree with who was recorded last. The person is the one of whom most else is said."""
    whole = agreed(map(_impersonal, known))
    persons = [one for one in known if "person" in one and _agree(one, whole)]
    return whole | ({"person": max(persons, key=len)["person"]} if persons else {})


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


def _withdraw_consent(state: State, fact: ConsentWithdrawn) -> None:
    """The last consent is one that was taken back."""
    consents = state.fields.get("consents")
    if not consents or state.is_apart:
        return
    told = _told_of_withdrawal(state, (fact.short_type, consents[-1]["method"]))
    if not state.is_apart:
        last = {**consents[-1], "withdrawn": current(told, OCCURRED) or "undated"}
        state.fields["consents"] = [*consents[:-1], last]
        state.note("consents")


def _told_of_withdrawal(state: State, of: Act) -> tuple[Account, ...]:
    """All that is told of it, after the agreement's end, too; days in dispute stay as long as the consent is listed."""
    if told := state.acts.get((of[0], None)):
        state.list_days(of, told)
    elif known := state.acts.get(of):
        state.tell_again(of, known, is_shown=False)
    else:
        state.enter(of)
    return told or state.acts[of]


def _runs(state: State, fact: WithdrawalNotified) -> bool:
    """Whether a notice is of the present membership, and was not revoked before it took effect."""
    given, day = fact.occurred and fact.occurred.earliest, state.now.day
    if state.status == "withdrawn":
        return False
    runs = state.fresh_from is None or (given or day) > state.fresh_from
    takes_effect = (fact.effective and fact.effective.earliest) or day
    if state.revoked_until and takes_effect <= state.revoked_until and (given is None or not runs):
        state.revoked_until, runs = day, False
    elif runs:
        state.revoked_until = None
    return runs


def _revoke_notice(state: State) -> None:
    """The notice that runs, or else the next one that was given before: of which that is not known, the next to take effect."""
    if not state.fields.get("withdrawal_notified") and state.today.get("withdrawal_notified") is not WithdrawalRevoked:
        state.revoked_until = date.max
    state.fresh_from = state.now.day
    state.tell("withdrawal_notified", False)


def _end_notice(state: State, fact: Fact) -> None:
    """It runs no more, as all say that tell of its end on that day."""
    if state.fields["withdrawal_notified"]:
        state.set("withdrawal_notified", False)
    elif state.today.get("withdrawal_notified") is type(fact):
        state.note("withdrawal_notified")


def _is_over(state: State) -> bool:
    """Whether the membership that a notice was given of is over: the party withdrew, or is a member again."""
    return state.status == "withdrawn" or state.fresh_from == state.now.day


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
    lists={
        "signatures": items(Signatory, occurred=PartialDate | None),
        "consents": items(
            Consented,
            occurred=PartialDate | None,
            effective=PartialDate | None,
            withdrawn=PartialDate | Literal["undated"],
        ),
        "reservations": items(Reserved, occurred=PartialDate | None),
        "reservations_withdrawn": items(ReservationWithdrawn, occurred=PartialDate | None),
        "objections": items(Objected, occurred=PartialDate | None),
        "declarations": items(Declared, occurred=PartialDate | None),
    },
    shows={"suspended": bool, "provisionally_applied": bool, "withdrawal_notified": bool},
    evolve=evolve,
    cycle_ends=frozenset({"withdrawn"}),
)
