"""Parties: states, their bodies and forces, companies, universities, and whoever else takes part."""

from pydantic import Field

from ledger.vocabulary.codes import PartyKind, SuccessionMode
from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.fact import Citation, Country, Fact, Name, Part, PartyRef, Text
from ledger.vocabulary.kind import Kind, items, transition
from ledger.vocabulary.state import State


class Identifier(Part):
    scheme: Name
    id: Name


class _Descriptive(Fact):
    kind: PartyKind | None = None
    name: Name | None = None
    short_name: Name | None = None
    country: Country | None = None
    parent: PartyRef | None = None
    identifiers: tuple[Identifier, ...] = Field(default=(), max_length=50)


class Registered(_Descriptive, type="party.registered", opens=True, describes=True):
    """A party is made known to the ledger."""

    sources: tuple[Citation, ...] = Field(default=(), max_length=100)
    kind: PartyKind
    name: Name


class Described(_Descriptive, type="party.described", describes=True, outlasts=True):
    """More is known of the party."""


class Renamed(Fact, type="party.renamed"):
    """The party took another name."""

    name: Name


class Succeeded(Fact, type="party.succeeded"):
    """Another party took its place; where several did, each in a fact of its own."""

    by: PartyRef
    mode: SuccessionMode


class Dissolved(Fact, type="party.dissolved"):
    """The party ceased to exist."""


class Restored(Fact, type="party.restored", outlasts=True):
    """The party exists again, as a state does that left a union."""

    reason: Text | None = None


def evolve(state: State, fact: Fact, lane: str) -> None:
    PARTY.advance(state, fact)
    match fact:
        case Registered() | Described():
            state.describe(fact.own)
            state.show_former("name", "former_names")
        case Renamed():
            state.replace("name", fact.name, "former_names")
        case Succeeded():
            state.tell_item("succeeded_by", "by", (fact.short_type, fact.by))
        case Restored() if fact.reason:
            state.tell("reason", fact.reason)


PARTY = Kind(
    name="party",
    plural="parties",
    facts=(Registered, Renamed, Succeeded, Dissolved, Restored, Described),
    statuses=("registered", "succeeded", "dissolved"),
    ended=frozenset({"succeeded", "dissolved"}),
    lifecycle={
        Registered: transition("registered"),
        Succeeded: transition("succeeded", once=True, each="by", joint=True),
        Dissolved: transition("dissolved", once=True),
        Restored: transition("registered", "succeeded dissolved", once=True, back=True),
    },
    fields=("name", "short_name", "kind", "country", "parent"),
    also=("identifiers", "reason"),
    lists={"succeeded_by": items(Succeeded, occurred=PartialDate | None)},
    shows={"former_names": list[Name]},
    evolve=evolve,
)
