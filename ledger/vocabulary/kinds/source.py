"""Sources: the documents in which facts are asserted."""

import re
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints

from ledger.vocabulary.codes import SourceKind
from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.fact import AnyPerson, Citation, Fact, Name, Text, Url
from ledger.vocabulary.kind import Kind, transition
from ledger.vocabulary.state import State

Language = Annotated[str, StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")]
MediaType = Annotated[str, StringConstraints(max_length=200, pattern=r"^[a-z]+/[A-Za-z0-9][A-Za-z0-9.+-]*$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def _is_day(value: object) -> object:
    """Raises ValueError for a number, and for a text of one: pydantic would count seconds from 1970."""
    if isinstance(value, int | float) or (isinstance(value, str) and not DAY.match(value)):
        raise ValueError("this is no day, such as 2024-09-25")
    return value


DAY = re.compile(r"\d{4}-", re.ASCII)


class _Descriptive(Fact):
    sources: tuple[Citation, ...] = Field(default=(), max_length=100)
    title: Name | None = None
    description: Text | None = None
    kind: SourceKind | None = None
    publisher: Name | None = None
    author: AnyPerson | None = None
    url: Url | None = None
    published: PartialDate | None = None
    retrieved: Annotated[date, BeforeValidator(_is_day)] | None = None
    language: Language | None = None
    media_type: MediaType | None = None
    sha256: Sha256 | None = None


class Registered(_Descriptive, type="source.registered", opens=True, describes=True, needs=("title", "description")):
    """A document is made known to the ledger, so that facts can cite it."""

    kind: SourceKind


class Described(_Descriptive, type="source.described", describes=True, outlasts=True):
    """More is known of the document."""


class Retracted(Fact, type="source.retracted"):
    """Its publisher took the document back. Facts that rest on it alone read as unverified."""

    sources: tuple[Citation, ...] = Field(default=(), max_length=100)
    reason: Text


def evolve(state: State, fact: Fact, lane: str) -> None:
    SOURCE.advance(state, fact)
    match fact:
        case Registered() | Described():
            state.describe(fact.own)
        case Retracted():
            state.tell("reason", fact.reason)


SOURCE = Kind(
    name="source",
    plural="sources",
    facts=(Registered, Described, Retracted),
    statuses=("registered", "retracted"),
    ended=frozenset({"retracted"}),
    lifecycle={Registered: transition("registered"), Retracted: transition("retracted", once=True)},
    fields=("title", "kind", "publisher", "author", "url", "published"),
    also=("description", "retrieved", "language", "media_type", "sha256", "reason"),
    evolve=evolve,
)
