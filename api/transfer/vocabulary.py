"""The vocabulary as a document for people, and templates of events to fill in: both are made of the facts themselves. Pure."""

from collections.abc import Iterable, Iterator
from functools import cache
from inspect import cleandoc
from textwrap import wrap
from typing import Any, NamedTuple

from ledger.vocabulary.areas import AREA_STANDARDS
from ledger.vocabulary.correction import CORRECTIONS
from ledger.vocabulary.fact import COMMON, Fact
from ledger.vocabulary.kind import Kind
from ledger.vocabulary.registry import FACTS, KINDS
from ledger.vocabulary.wording import FORMS

Schema = dict[str, Any]
DATES = {"edtf": "date such as 2024-09-25, 2024-09, 2024 or 2024-09-25/2024-09-27", "date": "day such as 2024-09-25"}
OBJECT = "fields of their own"
FOR_THE_LEDGER = "dataschema"
"""A field that the ledger fills in."""
STANDARDS: dict[str, dict[Any, str]] = {"Area": AREA_STANDARDS}
"""Where single codes of a list are taken from."""
LARGEST = 10**9
"""A bound above this is the storage's, and told to nobody."""
SAID = {
    "occurred": "when it happened",
    "effective": "from when it holds, which may lie ahead",
    "modality": "how the source supports it",
    "sources": "where it is said",
    "note": "a remark",
}
"""What the fields mean that all facts have."""
WIDTH = 100
TEXT, LIST, NUMBER = '""', '[""]', "0"
"""What is to be filled in."""
INTRO = """\
# The vocabulary

Everything that can be recorded, as the ledger's code tells it: `ledger vocabulary` writes this page, and a test keeps it so.
An event is one fact of one stream, such as `initiative:indus-x`. `ledger new TYPE` writes one to fill in, `ledger append` records it.

Beside `type` and `subject` every fact has these fields; its own stand in `data`. Required ones are marked.
"""


class Field(NamedTuple):
    """A field of a fact or a part: what it holds, in words; ``many`` of them in a list; the codes it is one of; a part's own fields.

    ``unless`` are the fields of which one has to be given where it is left out.
    """

    name: str
    required: bool
    many: bool
    forms: tuple[str, ...]
    codes: tuple[str, ...] = ()
    code_list: str = ""
    part: str = ""
    fields: "tuple[Field, ...]" = ()
    unless: tuple[str, ...] = ()

    @property
    def needed(self) -> str:
        """Whether it has to be given."""
        if self.required:
            return "required"
        return f"needed, unless {' or '.join(self.unless)} is given" if self.unless else ""

    @property
    def is_table(self) -> bool:
        return bool(self.fields) or OBJECT in self.forms

    @property
    def told(self) -> str:
        """What it holds, without the codes."""
        what = " or ".join(self.forms) if self.forms else f"a code of {self.code_list}" if self.codes else self.part
        return f"list: {what}" if self.many else what


@cache
def fields_of(fact: type[Fact]) -> tuple[Field, ...]:
    """Those that all facts have, too."""
    schema = fact.model_json_schema()
    return tuple(one._replace(unless=fact.unless(one.name)) for one in _fields(schema, schema["$defs"]))


def _fields(schema: Schema, defs: Schema) -> tuple[Field, ...]:
    required = schema.get("required", ())
    return tuple(
        _field(name, one, defs, name in required)
        for name, one in schema["properties"].items()
        if name != FOR_THE_LEDGER
    )


def _field(name: str, schema: Schema, defs: Schema, required: bool) -> Field:
    branches = _branches(schema)
    many = any(one.get("type") == "array" for one in branches)
    found = [inner for one in branches for inner in (_branches(one["items"]) if many else [one])]
    forms = tuple(dict.fromkeys(_form(name, one) for one in found if "$ref" not in one))
    for reference in (one["$ref"].rpartition("/")[2] for one in found if "$ref" in one):
        shape = defs[reference]
        if "enum" in shape:
            return Field(name, required, many, forms, tuple(shape["enum"]), reference)
        return Field(name, required, many, forms, part=reference, fields=_fields(shape, defs))
    return Field(name, required, many, forms)


def _branches(schema: Schema) -> list[Schema]:
    """What it may be, but for nothing, and for what the ledger makes of a person."""
    those = schema.get("anyOf", [schema])
    return [one for one in those if one.get("type") != "null" and not one.get("$ref", "").endswith("/Sealed")]


def _form(name: str, schema: Schema) -> str:
    """In words."""
    if name == "person":
        return "name of a person, which is kept apart and can be erased"
    if schema.get("format") in DATES:
        return DATES[schema["format"]]
    if "const" in schema:
        return f"{schema['const']!r}"
    if schema.get("type") in ("integer", "number"):
        bounds = [
            f"{word} {schema[key]:,}"
            for word, key in (("from", "minimum"), ("to", "maximum"))
            if schema.get(key, LARGEST) < LARGEST
        ]
        return " ".join([{"integer": "whole number", "number": "number"}[schema["type"]], *bounds])
    words = FORMS.get(
        schema.get("pattern", ""),
        {"object": OBJECT, "boolean": "true or false"}.get(schema["type"], "text"),
    )
    return "text" if words.startswith("text") else words


# --- the document


def document() -> str:
    """The whole vocabulary, in Markdown."""
    return "\n".join(_document())


def section(name: str) -> str:
    """The part of it that tells of a type of event, or of a kind of stream. Raises KeyError."""
    lines = _kind(KINDS[name]) if name in KINDS else _fact(FACTS[name])
    facts = KINDS[name].facts if name in KINDS else (FACTS[name],)
    return "\n".join([*lines, *_used(facts)])


def _document() -> Iterator[str]:
    yield INTRO
    yield from _table(fields_of(Fact))
    for kind in KINDS.values():
        yield from _kind(kind)
    yield "## Corrections\n\nWhat is wrong with the record, not with the world. They stand in the stream of the entry that they correct.\n"
    for fact in CORRECTIONS:
        yield from _fact(fact)
    yield from _used(tuple(FACTS.values()))


def _kind(kind: Kind) -> Iterator[str]:
    yield f"## {kind.plural.capitalize()}\n"
    yield f"Streams `{kind.name}:its-name`. Statuses: {', '.join(f'`{one}`' for one in kind.statuses)}.\n"
    for fact in kind.facts:
        yield from _fact(fact)


def _fact(fact: type[Fact]) -> Iterator[str]:
    yield f"### {fact.type}\n"
    yield f"{cleandoc(fact.__doc__ or '')}{step_of(fact)}\n"
    if own := [one for one in fields_of(fact) if one.name not in COMMON]:
        yield from _table(own)


def step_of(fact: type[Fact]) -> str:
    """What it does to the status of its stream."""
    kind = KINDS.get(fact.type.partition(".")[0])
    rule = kind.lifecycle.get(fact) if kind else None
    after = f", after {' or '.join(f'`{one}`' for one in sorted(rule.after))}" if rule and rule.after else ""
    leads = f" It leads to `{rule.to}`{after}." if rule else ""
    return f"{leads}{' It may be the first that is known.' if fact.opens else ''}"


def _table(fields: Iterable[Field]) -> Iterator[str]:
    yield "| field | | |\n|---|---|---|"
    for one in fields:
        said = f"{SAID[one.name]}: " if one.name in SAID else ""
        yield f"| `{one.name}` | {one.needed} | {said}{one.told} |"
    yield ""


class Used(NamedTuple):
    """The parts and the code lists that the fields of some facts are made of, by name; ``told`` says what each is."""

    parts: dict[str, Field]
    lists: dict[str, Field]
    told: dict[str, str]


def used_by(facts: Iterable[type[Fact]]) -> Used:
    used = Used({}, {}, {})
    for fact in facts:
        defs = fact.model_json_schema()["$defs"]
        used.told.update({name: cleandoc(one.get("description", "")) for name, one in defs.items()})
        for one in _all(fields_of(fact)):
            used.parts.update({one.part: one} if one.part else {})
            used.lists.update({one.code_list: one} if one.code_list else {})
    return Used(dict(sorted(used.parts.items())), dict(sorted(used.lists.items())), used.told)


def _used(facts: tuple[type[Fact], ...]) -> Iterator[str]:
    parts, lists, told = used_by(facts)
    yield "## Parts\n"
    for name, one in parts.items():
        yield f"### {name}\n\n{told[name]}\n"
        yield from _table(one.fields)
    yield "## Codes\n"
    for name, one in lists.items():
        yield f"### {name}\n"
        yield from [f"{told[name]}\n"] if told[name] else []
        yield f"{', '.join(f'`{code}`' for code in one.codes)}\n"
        yield from [f"- `{code}`: {said}" for code, said in STANDARDS.get(name, {}).items()] + [""] * (
            name in STANDARDS
        )


def _all(fields: Iterable[Field]) -> Iterator[Field]:
    for one in fields:
        yield one
        yield from _all(one.fields)


# --- templates


def template(fact: type[Fact]) -> str:
    """An event of a type in TOML, to be filled in: what is required stands there empty, the rest behind a #."""
    kind = fact.type.partition(".")[0]
    common = [one for one in fields_of(fact) if one.name in COMMON]
    own = tuple(one for one in fields_of(fact) if one.name not in COMMON)
    lines = [
        *_comment(f"{fact.type}: {cleandoc(fact.__doc__ or '')}"),
        *_comment("Fill in what is empty, take the # away before what else is known, then: ledger append FILE.toml"),
        f'type = "{fact.type}"',
        f'subject = "{kind if kind in KINDS else "initiative"}:"',
        *_block("", tuple(common), required=True),
        "\n[data]",
        *_block("data", own, required=True),
    ]
    return "\n".join(lines) + "\n"


def _block(table: str, fields: tuple[Field, ...], *, required: bool) -> Iterator[str]:
    """The fields of a table, first the plain ones, then those that are tables of their own."""
    for one in [one for one in fields if not one.is_table]:
        said = f"{SAID[one.name]}: " if one.name in SAID else ""
        choices = f": {', '.join(one.codes)}" if one.codes else ""
        needed = f"; {one.needed}" if one.unless else ""
        yield from _comment(f"{said}{one.told}{choices}{needed}")
        empty = LIST if one.many else NUMBER if one.forms and one.forms[0].startswith("whole number") else TEXT
        yield f"{'' if required and one.required else '#'}{one.name} = {empty}"
    for one in [one for one in fields if one.is_table]:
        path, is_there = f"{table}.{one.name}".lstrip("."), required and one.required
        yield ""
        yield from _comment(f"{SAID[one.name]}" if one.name in SAID else one.told)
        yield f"{'' if is_there else '#'}{f'[[{path}]]' if one.many else f'[{path}]'}"
        yield from _block(path, one.fields, required=is_there)


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in wrap(text, WIDTH)]
