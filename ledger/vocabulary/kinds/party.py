"""Parties: states, their bodies and forces, companies, universities, and whoever else takes part."""

from pydantic import Field

from ledger.vocabulary.codes import PartyKind, SuccessionMode
from ledger.vocabulary.fact import Citation, Country, Fact, Identifier, Name, PartyRef
from ledger.vocabulary.state import Kind, State, transition


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
    """Another party took its place."""

    by: PartyRef
    mode: SuccessionMode


class Dissolved(Fact, type="party.dissolved"):
    """The party ceased to exist."""


def evolve(state: State, fact: Fact, lane: str) -> None:
    PARTY.advance(state, fact)
    match fact:
        case Registered() | Described():
            state.describe(fact.own)
        case Renamed():
            state.add("former_names", state.fields.get("name"))
            state.set("name", fact.name)
        case Succeeded():
            state.set("succeeded_by", fact.own)


PARTY = Kind(
    name="party",
    plural="parties",
    facts=(Registered, Renamed, Succeeded, Dissolved, Described),
    statuses=("registered", "succeeded", "dissolved"),
    ended=frozenset({"succeeded", "dissolved"}),
    lifecycle={
        Registered: transition("registered", once=True),
        Succeeded: transition("succeeded", once=True),
        Dissolved: transition("dissolved", once=True),
    },
    fields=("name", "short_name", "kind", "country", "parent"),
    evolve=evolve,
)
