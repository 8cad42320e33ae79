"""The schemas of what the vocabulary tells, made of the facts and the kinds themselves: for each type of fact the event that is
appended and the entry that is recorded, for each kind of stream its state."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import cache
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from ledger.vocabulary.correction import Correction
from ledger.vocabulary.fact import COMMON, Fact, Part, Subject
from ledger.vocabulary.kind import Items, Kind
from ledger.vocabulary.kinds.participation import PARTICIPATION
from ledger.vocabulary.registry import FACTS, KINDS

Schema = dict[str, Any]
PREFIX = "#/components/schemas/"
NULL = {"type": "null"}


def ref(name: str) -> Schema:
    return {"$ref": PREFIX + name}


class View(NamedTuple):
    """Where a schema is read: how persons stand there (by name, where none is given), and how the names of parts with persons begin."""

    prefix: str
    person: Schema | None


SEALED = ref("Sealed")
APPENDED, RECORDED, SHOWN = View("", None), View("Recorded", SEALED), View("Shown", ref("PersonShape"))


def name_of(word: str) -> str:
    """The name of a schema: AgreementSigned of agreement.signed."""
    return "".join(one[:1].upper() + one[1:] for one in word.replace(".", "_").split("_"))


def vocabulary_schemas(envelope: Schema, entry: Schema, state: Schema, page: Schema) -> dict[str, Schema]:
    """All of them by name, given what is common to all events, all entries, all states and all lists of them."""
    envelope, entry, state, page = (_seen(one, APPENDED) for one in (envelope, entry, state, page))
    made = _parts() | {"OtherEntry": entry}
    for fact, name in TYPES.items():
        made |= {f"{name}Data": _own(fact), name: _event(fact, f"{name}Data", envelope)}
        made |= {f"{name}Recorded": _recorded(fact), f"{name}Entry": _entry(fact, f"{name}Recorded", entry)}
    for kind in KINDS.values():
        made |= {state_name(kind): _state(kind, state), page_name(kind): _page(kind, page)}
    made |= {whole_name(kind): _whole(kind, made[state_name(kind)], page) for kind in KINDS.values()}
    made |= {state_name(PARTICIPATION): _participation(state), "Envelope": _one_of(TYPES.values())}
    made["State"] = {"anyOf": [ref(state_name(kind)) for kind in KINDS.values()]}
    made["Event"] = {"anyOf": [*(ref(f"{name}Entry") for name in TYPES.values()), ref("OtherEntry")]}
    return made


def state_name(kind: Kind) -> str:
    return f"{name_of(kind.name)}State"


def whole_name(kind: Kind) -> str:
    return f"Whole{name_of(kind.name)}"


def page_name(kind: Kind) -> str:
    return f"{name_of(kind.name)}Page"


def _one_of(names: Iterable[str]) -> Schema:
    mapping = {type_: PREFIX + name for type_, name in zip(FACTS, names, strict=True)}
    return {
        "oneOf": [{"$ref": one} for one in mapping.values()],
        "discriminator": {"propertyName": "type", "mapping": mapping},
    }


TYPES = {one: name_of(type_) for type_, one in FACTS.items()}
"""The names of the schemas of each type."""


@cache
def _schema(part: type[Part]) -> Schema:
    return part.model_json_schema(ref_template=f"{PREFIX}{{model}}")


PARTS: Schema = {name: one for fact in FACTS.values() for name, one in _schema(fact).get("$defs", {}).items()}


def _parts() -> dict[str, Schema]:
    """The parts and codes that facts are made of; those with persons in them as they are appended, recorded and shown."""
    found = {name: _seen(one, APPENDED) for name, one in PARTS.items()}
    return found | {
        view.prefix + name: _seen(PARTS[name], view)
        for view in (RECORDED, SHOWN)
        for name in PARTS
        if _is_personal(name)
    }


def _is_personal(name: str) -> bool:
    return name in PARTS and _has_persons(PARTS[name])


def _has_persons(schema: Any) -> bool:
    inside = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    return schema == SEALED or any(map(_has_persons, inside))


def _seen(schema: Any, view: View) -> Any:
    """A schema of the vocabulary, with persons as they are in this view."""
    if isinstance(schema, list):
        return [_seen(one, view) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if SEALED in (branches := schema.get("anyOf", ())):
        kept = [one for one in branches if one in (NULL, view.person or branches[0])]
        return {"anyOf": kept if view.person in (None, SEALED) else [view.person, *kept]}
    if _is_personal(name := str(schema.get("$ref", "")).removeprefix(PREFIX)):
        return ref(view.prefix + name)
    return {name: _seen(one, view) for name, one in schema.items() if not _is_left_out(name, one, view)}


def _is_left_out(name: str, value: Any, view: View) -> bool:
    """Generated clients would take a title for the name of a class; and what is not there in an answer has no default."""
    is_field = isinstance(value, dict)
    return not is_field and (name == "title" or (name == "default" and view is not APPENDED))


def _object(properties: Mapping[str, Any], required: Iterable[str], **more: Any) -> Schema:
    needed = [name for name in required if name in properties]
    return {"type": "object", "properties": dict(properties)} | ({"required": needed} if needed else {}) | more


def _own(fact: type[Fact]) -> Schema:
    """What stands in ``data`` of an event that is appended."""
    schema = _schema(fact)
    own = {name: _seen(one, APPENDED) for name, one in schema["properties"].items() if name not in COMMON}
    return _object(own, schema.get("required", ()), additionalProperties=False)


def _event(fact: type[Fact], data: str, envelope: Schema) -> Schema:
    """An event as it is appended."""
    schema, all_of = _schema(fact), envelope["properties"]
    own = {"type": {"type": "string", "const": fact.type}, "data": ref(data), "subject": _subject(fact)}
    common = {name: one for name, one in schema["properties"].items() if name in COMMON}
    needed = {"type", "subject", *schema.get("required", ())} | ({"data"} if _schema_needs(fact) else set())
    return _object(all_of | common | own, sorted(needed), description=fact.__doc__, additionalProperties=False)


def _schema_needs(fact: type[Fact]) -> bool:
    return bool(set(_schema(fact).get("required", ())) - COMMON)


def _subject(fact: type[Fact]) -> Schema:
    """The streams that it may stand in."""
    kinds = Subject.kinds if issubclass(fact, Correction) else fact.prefix[:-1]
    return {"type": "string", "pattern": Subject.pattern().replace(Subject.kinds, kinds)}


def _recorded(fact: type[Fact]) -> Schema:
    """What stands in ``data`` of an entry, in each version that was ever recorded."""
    shapes = [_seen(_schema(shape), RECORDED) for shape in fact.schemas.values()]
    for one in shapes:
        one.pop("$defs", None)
    return shapes[0] if len(shapes) == 1 else {"anyOf": shapes}


def _entry(fact: type[Fact], data: str, entry: Schema) -> Schema:
    """An entry as it is recorded."""
    told = deepcopy(entry)
    told["properties"] |= {"type": {"type": "string", "const": fact.type}, "data": ref(data)}
    return told | {"description": fact.__doc__}


def _state(kind: Kind, state: Schema) -> Schema:
    """A state of a kind, or of a party's part in an agreement, with what is common to all."""
    properties = state["properties"] | {"status": {"type": "string", "enum": [*kind.statuses]}}
    properties |= {name: _field(kind, name) for name in kind.also}
    properties |= {name: {"type": "array", "items": _item(told)} for name, told in kind.lists.items()}
    properties |= {name: _seen(TypeAdapter(sort).json_schema(), SHOWN) for name, sort in kind.shows.items()}
    for name in kind.fields:
        properties[name] = _or_null(properties.get(name) or _field(kind, name))
    required = [*state["required"], *kind.fields]
    if kind.overdue_from:
        properties, required = properties | {"overdue": {"type": "boolean"}}, [*required, "overdue"]
    return _object(properties, required)


def _participation(state: Schema) -> Schema:
    """The part of a party in an agreement, which has no name of its own."""
    told = _state(PARTICIPATION, state)
    properties = {name: one for name, one in told["properties"].items() if name not in ("subject", "id")}
    properties |= {name: {"type": "string"} for name in ("agreement", "party")}
    return _object(properties, ["agreement", "party", *told["required"]])


def _whole(kind: Kind, state: Schema, page: Schema) -> Schema:
    """A state with all that belongs to it."""
    sorts = {one: PARTICIPATION if one == PARTICIPATION.name else KINDS[one] for one in kind.related}
    related = {one.plural: {"type": "array", "items": ref(state_name(one))} for one in sorts.values()}
    further = {
        plural: {"type": "string", "format": "uri-reference"} for plural in related if plural != PARTICIPATION.plural
    }
    more = {"more": _object(further, [])} if further else {}
    properties = state["properties"] | related | more | {"basis": page["properties"]["basis"]}
    return _object(properties, [*state["required"], *related, "basis"])


def _page(kind: Kind, page: Schema) -> Schema:
    return page | {"properties": page["properties"] | {"items": {"type": "array", "items": ref(state_name(kind))}}}


def _field(kind: Kind, name: str) -> Schema:
    """A field as the first of the facts has it that has one of this name."""
    facts = (fact for fact in kind.facts if fact not in kind.list_of)
    return next(_seen(found[name], SHOWN) for fact in facts if name in (found := _schema(fact)["properties"]))


def _item(told: Items) -> Schema:
    properties: Schema = {}
    for one in reversed(told.of):
        properties |= {name: _seen(of, SHOWN) for name, of in _schema(one)["properties"].items() if name not in COMMON}
    needed = set.intersection(*(set(_schema(one).get("required", ())) - COMMON for one in told.of))
    properties |= {name: _seen(TypeAdapter(sort).json_schema(), SHOWN) for name, sort in told.beside.items()}
    return _object(properties, [name for name in properties if name in needed])


def _or_null(schema: Schema) -> Schema:
    branches = schema.get("anyOf", [schema])
    return schema if {"type": "null"} in branches else {"anyOf": [*branches, {"type": "null"}]}
