"""The file that says how a table is read: which facts the columns of a row hold (docs/importing.md)."""

import re
import tomllib
from collections.abc import Iterable
from datetime import date, time
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from api.transfer.dates import Years, check_formats
from api.transfer.files import readable
from ledger.errors import Invalid, did_you_mean
from ledger.vocabulary.codes import CorrectionReason
from ledger.vocabulary.fact import Slug, Text
from ledger.vocabulary.registry import FACTS
from ledger.vocabulary.wording import faults_of, in_words

PLACEHOLDER = re.compile(r"\{(slug\()?([^{}|]+?)(?(1)\))(?:\|([^{}]*))?\}")
"""A place in a template: whether it is ``slug(…)``, the column, and the text where the cell is unknown."""

ITEM = "item"
"""Where a cell or a fact has items, the name under which the one at hand is read like a column."""

WHOLE_NUMBERS = range(-(2**63), 2**63)


def _template(text: str) -> str:
    """A template whose braces all enclose a column."""
    unclosed = re.search("[{}]", PLACEHOLDER.sub("", text))
    if unclosed or any(place[2].startswith("slug(") for place in PLACEHOLDER.finditer(text)):
        raise ValueError(
            f"{text!r} has a brace or bracket that is not closed: a place is {{Column}} or {{slug(Column)}}"
        )
    return text


def _spec(value: Any) -> Any:
    """A value of the mapping, with its cells read and its templates checked."""
    if isinstance(value, dict) and "column" in value:
        return Cell.model_validate(value)
    if isinstance(value, dict):
        return {name: _spec(one) for name, one in value.items()}
    if isinstance(value, str):
        return _template(value)
    return [_spec(one) for one in value] if isinstance(value, list) else _constant(value)


def _constant(value: Any) -> Any:
    """A value that goes into a fact as it is. Raises ValueError for what TOML has and a fact has not."""
    is_long = isinstance(value, int) and value not in WHOLE_NUMBERS
    if is_long or isinstance(value, (date, time)) or (isinstance(value, float) and not isfinite(value)):
        raise ValueError(
            'dates, and numbers of more than 64 bits, are texts in a fact: write it in quotes, as "2024-09"'
        )
    return value


def _day(value: Any) -> Any:
    spec = _spec(value)
    is_day = spec is None or isinstance(spec, (str, Cell))
    if not is_day:
        raise ValueError('a date is a text, such as "2024-09" or "{Signed}", or a cell, such as { column = "Signed" }')
    return spec


def _encoding(name: str) -> str:
    try:
        "a".encode(name)
    except LookupError:
        raise ValueError(f"{name!r} is no encoding of text, such as utf-8, cp1252 or utf-16") from None
    return name


def _pattern(text: str) -> str:
    try:
        named = re.compile(text).groupindex
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None
    if not named:
        raise ValueError(f"{text!r} names no group: write what is to be split off as (?P<name>…)")
    return text


def _delimiter(text: str) -> str:
    if len(text) != 1 or text in '"\r\n':
        raise ValueError("one character, and no quote or line break")
    return text


def _in_order(years: Years) -> Years:
    if years[0] > years[1]:
        raise ValueError("the first year comes after the last")
    return years


Words = Annotated[tuple[str, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]
Formats = Annotated[Words, Field(min_length=1), AfterValidator(check_formats)]
Template = Annotated[str, AfterValidator(_template)]
Value = Annotated[Any, AfterValidator(_spec)]
"""What becomes of a row: a template (``"party:{slug(Party)}"``), a cell, or a list or table of such."""

NO_ITEM = (
    "{item} stands where there is no item: only in each, other and values of a cell, and in a fact that is for_each"
)


class MappingPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(MappingPart):
    """A column made of the first of others that is known: split by a pattern, cut to a length, or as it is.

    Column X split by a pattern gives X.NAME for each named group; cut, it gives X, and X.rest with what is left.
    """

    first_of: Annotated[Words, Field(alias="from", min_length=1)]
    pattern: Annotated[str, AfterValidator(_pattern)] | None = None
    cut: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _does_one_thing(self) -> Self:
        if self.pattern and self.cut:
            raise ValueError("a column has a pattern or a cut: make another column of this one's parts")
        return self

    def names(self, name: str) -> list[str]:
        """The columns that it gives, where it is called ``name``."""
        if self.pattern:
            return [f"{name}.{group}" for group in re.compile(self.pattern).groupindex]
        return [name, f"{name}.rest"] if self.cut else [name]


class Cell(MappingPart):
    """A column's text: split into items; read as a date, or looked up in ``values``, else in ``other``; then shaped.

    ``each`` and ``other`` are values in which ``{item}`` is the text. An unknown cell gives ``default``, else nothing.
    """

    column: str
    split: Annotated[str, Field(min_length=1)] | None = None
    date: Formats = ()
    values: dict[str, Value] | None = None
    any_case: bool = False
    other: Value = None
    default: Value = None
    each: Value = "{item}"

    @model_validator(mode="after")
    def _does_what_it_says(self) -> Self:
        if self.date and self.values is not None:
            raise ValueError(
                "a cell is read as a date or looked up in values: make two cells of it, or write dates only"
            )
        if self.values is None and (self.any_case or self.other is not None):
            raise ValueError("any_case and other are for a cell that is looked up in values, and it has none")
        looked_up = [*(self.values or {}).values(), self.other or ""]
        if self.each != "{item}" and not all(isinstance(one, (str, Cell)) for one in looked_up):
            raise ValueError("each shapes a text, and not all of the values are texts: shape them where they stand")
        if self.split and self.default is not None and not _is_list(self.default):
            raise ValueError('a cell that is split gives a list, and so does its default: default = ["…"]')
        return self

    @model_validator(mode="after")
    def _is_unambiguous(self) -> Self:
        words = [word.casefold() for word in self.values or ()]
        if self.any_case and len(set(words)) < len(words):
            raise ValueError("two of the values differ in case alone: without any_case they are told apart")
        return self


Day = Annotated[str | Cell | None, BeforeValidator(_day)]
"""A template that is read in the formats of the mapping, a constant in EDTF, or a cell."""


def _is_list(spec: Any) -> bool:
    return bool(spec.split) if isinstance(spec, Cell) else isinstance(spec, list)


def _gives_texts(spec: Any) -> bool:
    """Whether a value of the mapping can be nothing but a text, or a list of texts."""
    if isinstance(spec, Cell):
        return all(map(_gives_texts, (*(spec.values or {}).values(), spec.other, spec.default, spec.each)))
    return all(map(_gives_texts, spec)) if isinstance(spec, list) else spec is None or isinstance(spec, str)


class FactMapping(MappingPart):
    """One fact of a row: given where all columns of ``when`` are known, and one of ``when_any``, if there are such.

    With ``for_each`` it is given once for each item.
    """

    type: str
    subject: Template
    when: Words = ()
    when_any: Words = ()
    for_each: Cell | None = None
    key: Words | None = None
    occurred: Day = None
    effective: Day = None
    modality: Template | None = None
    note: Template | None = None
    sources: list[Value] | None = None
    data: dict[str, Value] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_of_the_vocabulary(self) -> Self:
        if self.type not in FACTS:
            raise ValueError(f"{self.type!r} is no type of event")
        if strange := sorted(self.data.keys() - {field for _, field, _ in FACTS[self.type].own_fields}):
            raise ValueError(f"{self.type} has no field {strange[0]!r}")
        return self

    @model_validator(mode="after")
    def _has_items(self) -> Self:
        if self.for_each and not _gives_texts(self.for_each):
            raise ValueError("the items of for_each are texts, and what it makes of the cell is not")
        if ITEM in columns_of(self.for_each).union(self.when, self.when_any):
            raise ValueError(
                "{item} is an item of for_each, which is not there yet in for_each itself, when and when_any"
            )
        if not self.for_each and ITEM in columns_of(dict(self)).union(self.key or ()):
            raise ValueError(NO_ITEM)
        return self


class Corrections(MappingPart):
    """That a row which reads otherwise than in an earlier import corrects what was recorded, and why."""

    reason_code: CorrectionReason
    reason: Text


def _caseless(words: tuple[str, ...]) -> tuple[str, ...]:
    """As cells are compared with them: in whatever letters."""
    return tuple(word.casefold() for word in words)


class TableMapping(MappingPart):
    """How a table is read. ``name`` and the names of the facts go into the ids, so they must not change."""

    name: Slug
    facts: Annotated[dict[str, FactMapping], Field(min_length=1)]
    key: Words | None = None
    columns: dict[str, Column] = Field(default_factory=dict)
    dates: Formats = ("YYYY-MM-DD",)
    years: Annotated[Years, AfterValidator(_in_order)] | None = None
    unknown: Annotated[Words, AfterValidator(_caseless)] = ("", "n/a", "-", "–", "—")  # noqa: RUF001
    delimiter: Annotated[str, AfterValidator(_delimiter)] | None = None
    encoding: Annotated[str, AfterValidator(_encoding)] | None = None
    sources: list[Value] = Field(default_factory=list)
    corrections: Corrections | None = None

    @model_validator(mode="after")
    def _has_items(self) -> Self:
        made = [name for called, column in self.columns.items() for name in (*column.names(called), *column.first_of)]
        if ITEM in {*made, *(self.key or ())}:
            raise ValueError("item is no name of a column, nor part of a key: {item} is an item of a cell")
        if ITEM in columns_of(self.sources) and not all(
            one.for_each or one.sources is not None for one in self.facts.values()
        ):
            raise ValueError(NO_ITEM)
        return self

    def table_columns(self) -> set[str]:
        """Every column that the table must have."""
        made, needed = set[str](), set[str]()
        for name, column in self.columns.items():
            needed |= set(column.first_of) - made
            made.update(column.names(name))
        return needed | (self._named() - made)

    def origins_of(self, columns: Iterable[str]) -> set[str]:
        """The columns of the table that columns come from."""
        made = {made: column for name, column in self.columns.items() for made in column.names(name)}
        return set().union(*(made[one].first_of if one in made else (one,) for one in columns))

    def subject_is_key(self, name: str) -> bool:
        """Whether the subject of a fact is made of its key, so that no other key can give a fact of its type to it."""
        fact = self.facts[name]
        key, made_of = self.key if fact.key is None else fact.key, columns_of(fact.subject)
        twins = [one for one in self.facts.values() if (one.type, one.subject) == (fact.type, fact.subject)]
        if key is None or (fact.for_each and ITEM not in made_of) or len(twins) > 1:
            return False
        return self.origins_of(made_of - {ITEM}) >= self.origins_of(key)

    def _named(self) -> set[str]:
        named = columns_of([self.sources, [dict(fact) for fact in self.facts.values()]])
        each = [words for fact in self.facts.values() for words in (fact.key or (), fact.when, fact.when_any)]
        return named.union(self.key or (), *each) - {ITEM}


def columns_of(spec: Any) -> set[str]:
    """The columns that a value of the mapping is made of: ``item`` is one, where it is not that of a cell in it."""
    if isinstance(spec, str):
        return {placeholder[2] for placeholder in PLACEHOLDER.finditer(spec)}
    if isinstance(spec, Cell):
        return {spec.column} | columns_of(spec.default) | columns_of([spec.values, spec.other, spec.each]) - {ITEM}
    inner = spec.values() if isinstance(spec, dict) else spec if isinstance(spec, (list, tuple)) else ()
    return set().union(*map(columns_of, inner))


def read_mapping(path: Path) -> TableMapping:
    """The mapping that a TOML file holds. Raises Invalid, naming the file and the key."""
    try:
        with readable(path):
            return TableMapping.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except ValidationError as error:
        key, said, _ = faults_of(error.errors(), lambda one: ".".join(map(str, one["loc"])), _in_words)[0]
        raise Invalid(f"{path}: {key or 'the mapping'}: {said}") from None
    except UnicodeDecodeError:
        raise Invalid(f"{path} cannot be read: it is no text in UTF-8, and a mapping is TOML") from None
    except RecursionError:
        raise Invalid(f"{path} cannot be read: what it holds is nested too deeply") from None
    except ValueError as error:  # no TOML
        raise Invalid(f"{path} cannot be read: {error}") from None


PARTS = (TableMapping, FactMapping, Cell, Column, Corrections)
KEYS = {field.alias or name for part in PARTS for name, field in part.model_fields.items()}
A_TABLE = 'this is a table, such as { column = "Title" }'
OF_MAPPINGS = {
    "model_type": A_TABLE,
    "dict_type": A_TABLE,
    "string_type": "this is a text: write it in quotes",
    "too_short": "name at least one",
}


def _in_words(error: ErrorDetails) -> str:
    """As for whatever is read; in the terms of TOML, and with the key that was meant."""
    if error["type"] == "extra_forbidden":
        return (
            f"there is no such key{did_you_mean(str(error['loc'][-1]), KEYS)}; docs/importing.md has those of a mapping"
        )
    return OF_MAPPINGS.get(error["type"]) or in_words(error)
