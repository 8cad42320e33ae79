"""A type of event whose shape changed twice, as only the tests have it: what was said at a meeting.

Version 2 calls the act a verb and has a remark; version 3 has speakers by delegation, may be about several things, and
has for a remark the note that all facts have.
"""

from dataclasses import replace
from typing import Any

import pytest

from api.http.routes import events
from ledger.vocabulary import correction, registry
from ledger.vocabulary.fact import Fact, Name, Part, Participant, Subject, Text
from ledger.vocabulary.kinds import meeting
from ledger.vocabulary.state import State

TYPE = "meeting.statement_made"
DATASCHEMA = f"/v1/event-types/{TYPE}"


class First(Fact):
    """As the ledger has it today."""

    speakers: tuple[Participant, ...] = ()
    act: Name
    about: Subject | None = None
    text: Text | None = None

    @staticmethod
    def upcast(data: dict[str, Any]) -> dict[str, Any]:
        return {"verb" if name == "act" else name: value for name, value in data.items()}


class _Second(Fact):
    speakers: tuple[Participant, ...] = ()
    verb: Name
    about: Subject | None = None
    text: Text | None = None
    remark: Text | None = None


class Second(_Second):
    """A field has another name."""

    @staticmethod
    def upcast(data: dict[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in data.items() if name not in ("speakers", "about", "remark")}
        speakers, about = data.get("speakers"), data.get("about")
        delegations = [{"speakers": speakers}] if speakers else []
        note = data.get("remark") or data.get("note")
        return kept | {"delegations": delegations, "about": [about] if about else [], "note": note}


class SecondInUse(_Second, type=TYPE, describes=True, older=(First,)):
    """Somebody said something there."""


class Unversioned(_Second, type=TYPE, describes=True):
    """The same change, by somebody who forgot that it is one."""


class Delegation(Part):
    speakers: tuple[Participant, ...]


class Third(Fact, type=TYPE, describes=True, older=(First, Second)):
    """Somebody said something there."""

    delegations: tuple[Delegation, ...] = ()
    verb: Name
    about: tuple[Subject, ...] = ()
    text: Text | None = None


def _evolve(state: State, fact: Fact, lane: str) -> None:
    meeting.evolve(state, fact, lane)
    if isinstance(fact, (SecondInUse, Third)):
        state.add("statements", {**fact.own, "position": state.now.position})


IN_USE: tuple[type[Fact], ...] = (meeting.StatementMade, SecondInUse, Third)


def upgrade(patch: pytest.MonkeyPatch, version: int) -> None:
    """From here on this process knows the type up to this version: as many processes do after an upgrade."""
    known = IN_USE[version - 1]
    facts = tuple(known if fact.type == TYPE else fact for fact in meeting.MEETING.facts)
    for table in (registry.FACTS, correction.WORLD):
        patch.setitem(table, TYPE, known)
    patch.setitem(registry.KINDS, "meeting", replace(meeting.MEETING, facts=facts, evolve=_evolve))
    events._types.cache_clear()
