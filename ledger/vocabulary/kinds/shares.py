"""What follows for an agreement from the parts of its parties: where nothing states it of the whole, and what is in dispute. Pure."""

from collections.abc import Iterable
from datetime import date

from ledger.vocabulary.fields import Share
from ledger.vocabulary.kind import Derived
from ledger.vocabulary.state import State

NOT_YET = frozenset({"mentioned", "negotiating", "abandoned", "adopted", "signed", "provisional"})
"""Where an agreement stands of which nothing says that it has been in force as a whole."""

PARTIES = frozenset({"signatory", "bound", "in_force"})
"""Where a party stands that has a part in an agreement."""


def derived(state: State) -> dict[str, Derived]:
    """Who takes part, since which first consent, and for how many it is in force while nothing says so of the instrument."""
    shares = {lane: share for lane, share in state.shares.items() if share.status in PARTIES}
    consents = [one for one in shares.values() if one.consented and one.status != "signatory"]
    in_force = [one for one in shares.values() if one.status == "in_force"]
    found = {}
    if shares:
        found["parties"] = Derived(tuple(shares), _told_by(shares.values()))
    if consents:
        first = min(consents, key=lambda one: (_last_day(one), one.consented)).consented
        told_by = {position for one in consents if one.consented == first for position in one.consents}
        found["dates/consented"] = Derived(first, tuple(sorted(told_by)))
    if in_force and state.status in NOT_YET:
        found["in_force_for"] = Derived(len(in_force), _told_by(in_force))
    return found


def _told_by(shares: Iterable[Share]) -> tuple[int, ...]:
    return tuple(sorted({position for one in shares for position in one.told_by}))


def _last_day(share: Share) -> date:
    return (share.consented and share.consented.latest) or date.max


def share_of(party: State) -> Share:
    """What the whole keeps of a party's part."""
    told_by, consents = party.provenance.get("status", ()), party.provenance.get("consents", ())
    return Share(party.status or "", told_by, party.fields.get("dates", {}).get("consented"), consents)


def list_disputed_days(main: State, party: State) -> None:
    """What sources say differently of the days of a party's signature and consents, of which the method is left out."""
    for path, said in party.alternatives.items():
        field, _, act = path.partition("/")
        if act == "signed" or (field, act[:10]) == ("dates", "consented/"):
            main.list_sides(f"{field}/{act[:10].rstrip('/')}", said)
