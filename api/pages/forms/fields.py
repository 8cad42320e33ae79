"""The form of a fact, made from the fact's own schema. Pure.

A field's name in the form is the JSON pointer of what it fills in, in the event as it is posted to ``/v1/events``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

from api.pages.words import words
from ledger.vocabulary.fact import COMMON, SLUG, Fact
from ledger.vocabulary.registry import FACTS
from ledger.vocabulary.wording import FORMS

FEW = 6
"""Of how many codes all are shown at once."""
LONG = 10_000
LABELS = {"replacement": "What takes its place", "data": "What it says", "url": "Address"}
REF = re.compile(r"\^\((?P<kinds>[a-z|]+)\):")
DATE_HINT = "As the source says it: 2024, 2024-08, 2024-08-22, 2024~ (about), 2024? (uncertain), 2024-09-09/2024-09-10."
HINTS = {
    "occurred": "When it happened. Leave it out where no source says when.",
    "effective": "When it takes effect, where that is another day.",
    "modality": "How the sources support it. What is inferred needs a note.",
    "note": "For readers, such as what it is inferred from. Name no persons here.",
    "locator": "The place in the source, such as a page or paragraph.",
    "url": "The address that it was read at.",
    "person": "By name. It is kept beside the entry, and can be erased.",
    "author": "By name. It is kept beside the entry, and can be erased.",
    "reason": "In a sentence, for whoever reads the log.",
}


@dataclass(frozen=True)
class Text:
    """A line of text, or several. ``pattern`` is as the browser checks it, ``says`` what that is in words."""

    is_long: bool = False
    longest: int | None = None
    pattern: str | None = None
    says: str = ""


@dataclass(frozen=True)
class Date:
    """A partial date; or a day, exactly."""

    is_day: bool = False


@dataclass(frozen=True)
class Number:
    is_whole: bool
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Choice:
    """One of some codes."""

    codes: tuple[str, ...]
    default: str | None = None


@dataclass(frozen=True)
class Ref:
    """The name of a stream of one of these kinds; or any text, where that ``may_differ``."""

    kinds: tuple[str, ...]
    may_differ: bool = False


@dataclass(frozen=True)
class Fixed:
    """What the form itself says."""

    value: str


@dataclass(frozen=True)
class Group:
    """An object. It is there as soon as something of it is filled in, or ``always``."""

    fields: tuple["Field", ...]
    always: bool = False


@dataclass(frozen=True)
class Many:
    """A list: of codes, all of which are shown; or of items, as many as are wanted."""

    item: "Shape"
    least: int = 0


Shape = Text | Date | Number | Choice | Ref | Fixed | Group | Many


@dataclass(frozen=True)
class Field:
    name: str
    shape: Shape
    required: bool = False
    hint: str = ""
    unless: tuple[str, ...] = ()

    @property
    def may_be_left_out(self) -> bool:
        return not self.required and not self.unless

    @property
    def label(self) -> str:
        if self.name == "subject" and isinstance(self.shape, Ref):
            return f"Which {self.shape.kinds[0]}"
        return LABELS.get(self.name) or words(self.name).capitalize()

    @property
    def widget(self) -> str:
        """By which macro of the template it is shown."""
        return widget(self.shape)


class Section(NamedTuple):
    """Some fields of the event, all of which stand at ``at``: in the event itself, or in its data."""

    title: str
    at: str
    fields: tuple[Field, ...]


def widget(shape: Shape) -> str:
    if isinstance(shape, Many) and isinstance(shape.item, Choice):
        return "checks"
    if isinstance(shape, Choice):
        return "radios" if len(shape.codes) <= FEW else "select"
    return type(shape).__name__.lower()


Special = tuple[tuple[str, Shape | None], ...]
"""Own fields of a fact that are filled in otherwise than their schema says, or not at all."""


@cache
def sections_of(type_: str, special: Special = ()) -> tuple[Section, ...]:
    """The form of a fact of a type. A correction says nothing of its subject: that is the stream of the entry it corrects."""
    own, common = _own_and_common(type_, special)
    source = Section("Where does this come from?", "", (common["sources"],))
    if type_.startswith("entry."):
        begin: tuple[Section, ...] = (Section("What is wrong?", "/data", own), source)
    else:
        subject = Field("subject", Ref((type_.partition(".")[0],)), True, _subject_hint(type_))
        begin = (source, Section("What is it about?", "", (subject,)), Section("What happened?", "/data", own))
    return (
        *begin,
        Section("When?", "", (common["occurred"], common["effective"])),
        Section("How is it said?", "", (common["modality"], common["note"])),
    )  # fmt: skip


def _subject_hint(type_: str) -> str:
    kind = type_.partition(".")[0]
    new = " One that is not there yet is opened." if FACTS[type_].opens else ""
    return f"A name such as {kind}:its-name, in small letters, digits and dashes.{new}"


def _own_and_common(type_: str, special: Special = ()) -> tuple[tuple[Field, ...], dict[str, Field]]:
    """Of a fact's fields those of its own, what is required first, and those that every fact has."""
    schema = FACTS[type_].model_json_schema()
    fields = list(_fields(schema, schema.get("$defs", {}), dict(special)))
    own = [_with_unless(FACTS[type_], field) for field in fields if field.name not in COMMON]
    return tuple(sorted(own, key=lambda one: not one.required)), {field.name: field for field in fields}


def _with_unless(fact: type[Fact], field: Field) -> Field:
    """With a hint, where it or another field has to be given."""
    if not (others := fact.unless(field.name)):
        return field
    said = f"Needed, unless {' or '.join(map(words, others))} is given."
    return replace(field, hint=f"{field.hint} {said}".strip(), unless=others)


@cache
def replacement(type_: str) -> Group:
    """The fact that takes an entry's place, as it stands in the data of the correction."""
    own, common = _own_and_common(type_)
    names = ("sources", "occurred", "effective", "modality", "note")
    data = Field("data", Group(own, always=True), required=True)
    return Group((Field("type", Fixed(type_)), common[names[0]], data, *(common[name] for name in names[1:])))


def _fields(
    schema: Mapping[str, Any], shapes: Mapping[str, Any], special: Mapping[str, Shape | None] = {}
) -> Iterator[Field]:
    needed = schema.get("required", ())
    for name, one in schema["properties"].items():
        if shape := special[name] if name in special else _shape(one, shapes):
            yield Field(name, shape, name in needed, _hint(name, shape))


def _hint(name: str, shape: Shape) -> str:
    said = [HINTS.get(name, "")]
    if isinstance(shape, Date) and not shape.is_day:
        said.append(DATE_HINT)
    if isinstance(shape, Text) and shape.says and name not in HINTS:
        said.append(f"A {shape.says}.")
    if isinstance(shape, Ref):
        kinds = " or ".join(shape.kinds)
        said.append(f"The {kinds} by its name in the ledger{', or somebody in words' if shape.may_differ else ''}.")
    return " ".join(one for one in said if one)


def _shape(schema: Mapping[str, Any], shapes: Mapping[str, Any]) -> Shape | None:
    """How what a schema describes is filled in; None where it can be only one thing. Raises TypeError."""
    options = [_resolved(one, shapes) for one in schema.get("anyOf", [schema])]
    options = [one for one in options if one.get("type") != "null" and "commitment" not in one.get("properties", {})]
    first = options[0]
    if len(options) == 1:
        return _plain(first, schema, shapes)
    if found := REF.match(first.get("pattern", "")):
        return Ref(tuple(found["kinds"].split("|")), may_differ=True)
    raise TypeError(f"no form shows {schema}")


def _resolved(schema: Mapping[str, Any], shapes: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = shapes[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found


def _plain(one: Mapping[str, Any], schema: Mapping[str, Any], shapes: Mapping[str, Any]) -> Shape | None:
    match one:
        case {"const": _}:
            return None
        case {"enum": codes}:
            return Choice(tuple(codes), schema.get("default"))
        case {"type": "array", "items": item}:
            inner = _shape(item, shapes)
            assert inner
            return Many(inner, one.get("minItems", 0))
        case {"type": "object", "properties": _}:
            return Group(tuple(_fields(one, shapes)))
        case {"type": "integer" | "number" as sort}:
            return Number(sort == "integer", one.get("minimum"), one.get("maximum"))
        case {"type": "string"}:
            return _text(one)
    raise TypeError(f"no form shows {one}")


def _text(one: Mapping[str, Any]) -> Shape:
    if one.get("format") in ("edtf", "date"):
        return Date(one["format"] == "date")
    pattern: str = one.get("pattern", "")
    if found := REF.match(pattern):
        return Ref(tuple(found["kinds"].split("|")))
    longest = one.get("maxLength")
    says = FORMS.get(pattern, "")
    if not pattern or says.startswith("text "):
        return Text((longest or 0) >= LONG, longest)
    return Text(False, longest, _for_browsers(pattern), says)


def _for_browsers(pattern: str) -> str:
    """A pattern as browsers take it: anchored by itself, and with a dash in a set of characters escaped."""
    return pattern.removeprefix("^").removesuffix("$").replace("-]", r"\-]")


def ref_pattern(kinds: Sequence[str]) -> str:
    """Of one kind the name alone is understood, too."""
    slug = SLUG.replace("-]", r"\-]")
    return rf"({kinds[0]}:)?{slug}" if len(kinds) == 1 else rf"({'|'.join(kinds)}):{slug}"
