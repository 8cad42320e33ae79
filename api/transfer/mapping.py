"""The file that says how a table is read: which facts the columns of a row hold (docs/importing.md)."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from api.transfer.dates import check_formats
from api.transfer.event_files import readable
from ledger.errors import Invalid
from ledger.vocabulary.codes import CorrectionReason
from ledger.vocabulary.fact import COMMON, Slug, Text
from ledger.vocabulary.registry import FACTS

PLACEHOLDER = re.compile(r"\{(slug\()?([^{}|]+?)(?(1)\))(?:\|([^{}]*))?\}")
"""A place in a template: whether it is ``slug(…)``, the column, and the text where the cell is unknown."""


def _spec(value: Any) -> Any:
    """A value of the mapping, with its cells read."""
    if isinstance(value, dict) and "column" in value:
        return Cell.model_validate(value)
    if isinstance(value, dict):
        return {name: _spec(one) for name, one in value.items()}
    return [_spec(one) for one in value] if isinstance(value, list) else value


Words = Annotated[tuple[str, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]
Formats = Annotated[Words, AfterValidator(check_formats)]
Value = Annotated[Any, AfterValidator(_spec)]
"""What becomes of a row: a template (``"party:{slug(Party)}"``), a cell, or a list or table of such."""


class MappingPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cell(MappingPart):
    """A column's text: split into items; read as a date, or looked up in ``values``, else in ``other``; then shaped.

    ``each`` and ``other`` are values in which ``{item}`` is the text. An unknown cell gives nothing.
    """

    column: str
    split: Annotated[str, Field(min_length=1)] | None = None
    date: Formats = ()
    values: dict[str, Value] | None = None
    other: Value = None
    each: Value = "{item}"


class FactMapping(MappingPart):
    """One fact of a row: given where no column of ``when`` is unknown; with ``for_each``, once for each item."""

    type: str
    subject: str
    when: Words = ()
    for_each: Cell | None = None
    key: Words | None = None
    occurred: str | Cell | None = None
    effective: str | Cell | None = None
    modality: str | None = None
    note: str | None = None
    sources: list[Value] | None = None
    data: dict[str, Value] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_of_the_vocabulary(self) -> Self:
        if self.type not in FACTS:
            raise ValueError(f"{self.type!r} is no type of event")
        if strange := sorted(self.data.keys() - (FACTS[self.type].model_fields.keys() - COMMON)):
            raise ValueError(f"{self.type} has no field {strange[0]!r}")
        return self


class TableMapping(MappingPart):
    """How a table is read. ``name`` and the names of the facts go into the ids, so they must not change."""

    name: Slug
    facts: Annotated[dict[str, FactMapping], Field(min_length=1)]
    key: Words | None = None
    dates: Formats = ("YYYY-MM-DD",)
    unknown: Words = ("", "n/a", "-", "–", "—")  # noqa: RUF001
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    sources: list[Value] = Field(default_factory=list)
    reason_code: CorrectionReason = CorrectionReason.source_corrected
    reason: Text = "The row reads otherwise than it did."

    def columns(self) -> set[str]:
        """Every column that the mapping names."""
        named = _columns([self.sources, [dict(fact) for fact in self.facts.values()]])
        keys = [self.key or (), *(words for fact in self.facts.values() for words in (fact.key or (), fact.when))]
        return named.union(*keys) - {"item"}


def _columns(spec: Any) -> set[str]:
    if isinstance(spec, str):
        return {placeholder[2] for placeholder in PLACEHOLDER.finditer(spec)}
    inner = dict(spec).values() if isinstance(spec, (dict, Cell)) else spec if isinstance(spec, (list, tuple)) else ()
    own = {spec.column} if isinstance(spec, Cell) else set()
    return own.union(*map(_columns, inner))


def read_mapping(path: Path) -> TableMapping:
    """The mapping that a TOML file holds. Raises Invalid, naming the file and the key."""
    try:
        with readable(path):
            return TableMapping.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise Invalid(f"{path}: {key}: {first['msg'].removeprefix('Value error, ')}") from None
    except ValueError as error:  # no TOML
        raise Invalid(f"{path} cannot be read: {error}") from None
