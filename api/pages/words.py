"""The ledger's codes, types, statuses and fields in words, and to which family of shapes and colours a status belongs. Pure."""

import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple

from ledger.vocabulary.codes import AnomalyCode
from ledger.vocabulary.fact import SLUG, Fact, Subject
from ledger.vocabulary.registry import FACTS

REF = re.compile(Subject.pattern(), re.ASCII)
REFS = re.compile(rf'"((?:{Subject.kinds}):{SLUG})"', re.ASCII)
"""Each reference in a JSON text."""
REFERS = re.compile(r"#/\$defs/(\w+)")
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
SAID_OTHERWISE = {"partiallyMet": "partly met", "partially_met": "partly met", "of": "belongs to", "due": "due"}


class Look(NamedTuple):
    """How a status is shown, beside its word: a family, which has its colour, and a shape."""

    family: str
    shape: str


FAMILIES = {
    Look("planned", "○"): "reported identified proposed scheduled planned mentioned negotiating named made revised",
    Look("active", "●"): "active in_force bound",
    Look("active", "◐"): "adopted signed signatory provisional finalising",
    Look("paused", "◧"): "suspended postponed",
    Look("done", "■"): "met held closed expired superseded succeeded fulfilled",
    Look("done", "◑"): "partiallyMet",
    Look("ended", "✕"): "cancelled terminated notMet abandoned withdrawn dissolved retracted",
    Look("plain", "·"): "registered",
}
LOOKS = {status: look for look, statuses in FAMILIES.items() for status in statuses.split()}
PLAIN = Look("plain", "·")


def look(status: str | None) -> Look:
    return LOOKS.get(status or "", PLAIN)


@lru_cache(2_000)
def words(code: str | None) -> str:
    """A code of the vocabulary in words: ``in_force`` is in force, ``partiallyMet`` partly met."""
    if code is None:
        return "not known"
    return SAID_OTHERWISE.get(code) or CAMEL.sub(" ", code).replace("_", " ").lower()


@lru_cache(1_000)
def act_words(type_: str) -> str:
    """What a fact of a type says was done, such as ``Entered into force``."""
    return words(type_.partition(".")[2]).capitalize()


def described(type_: str) -> str:
    """What a fact of a type says, in the vocabulary's own sentence."""
    return sentence(FACTS[type_]).replace("``", "") if type_ in FACTS else ""


def sentence(fact: type[Fact]) -> str:
    """The same, with its codes between backticks."""
    return (fact.__doc__ or "").split("\n\n")[0].strip()


class Fields(NamedTuple):
    """The names of fields that hold dates, and of those that hold codes the codes that they may hold, in any fact."""

    dates: frozenset[str]
    codes: Mapping[str, frozenset[str]]


@cache
def fields() -> Fields:
    """Read off the schemas of the facts."""
    dates, codes = set[str](), {"status": set(LOOKS), "to_status": set(LOOKS), "code": set[str](AnomalyCode)}
    for fact in FACTS.values():
        schema = fact.model_json_schema()
        shapes = schema.get("$defs", {})
        for name, shape in _properties([schema, *shapes.values()]):
            said = str(shape)
            if "'edtf'" in said:
                dates.add(name)
            if found := {
                *_codes(shape),
                *(code for ref in REFERS.findall(said) for code in shapes[ref].get("enum", ())),
            }:
                codes.setdefault(name, set()).update(found)
    return Fields(frozenset(dates), {name: frozenset(found) for name, found in codes.items()})


def _codes(shape: Any) -> Iterator[str]:
    """Those that a schema names itself, at any depth."""
    if isinstance(shape, Mapping):
        yield from shape.get("enum", ())
        for part in shape.values():
            yield from _codes(part)
    elif isinstance(shape, list):
        for part in shape:
            yield from _codes(part)


def _properties(schemas: list[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for schema in schemas:
        yield from schema.get("properties", {}).items()
