"""Events from NDJSON or CSV files: one draft a line, each with its line number."""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TextIO
from uuid import UUID

from pydantic_core import from_json, to_json

from api.transfer import ids
from api.transfer.csv_tables import check_columns, csv_rows, find_delimiter
from api.transfer.files import opened_text
from api.transfer.report import About, Outcome, Remark, Report
from ledger.errors import Fault, Invalid
from ledger.vocabulary.fact import Fact, Person, found
from ledger.vocabulary.registry import FACTS
from ledger.writing.draft import Draft, Envelope, parse_json, read_draft

LINES = UUID("3f1d8f2c-1f0e-5d2a-8d0a-6a3f6f0d9b11")
NUMBER = re.compile(r"\d{1,4}", re.ASCII)
STRUCTURED = re.compile(r"[\[{]|(?:0|[1-9]\d{0,17})\Z", re.ASCII)
"""What may be more than a text: JSON, or a whole number."""

MOST_PARTS = 20
EXPORTED = '{"sequence":'


class RawEvent(NamedTuple):
    """An event as a file gives it, a text of JSON or the cells of a row by column, and the lines that it stands on."""

    lines: range
    value: Any


@dataclass(frozen=True)
class Line:
    """One event of a file. The same line has the same id, so a file can be imported twice.

    ``outcome`` is what it comes to when it is recorded; ``column`` says where in a table a field comes from, by its pointer.
    """

    number: int
    draft: Draft
    outcome: Outcome = Outcome.recorded
    column: Callable[[str], str] = lambda _: ""

    @property
    def about(self) -> About:
        return About(self.number, self.draft.subject, self.draft.fact.type)


def parse_toml(body: bytes) -> Any:
    """The event of a TOML file, or its ``events``; a date without quotes is one. Raises Invalid, saying where it cannot be read."""
    try:
        return from_json(to_json(tomllib.loads(body.decode())))
    except (ValueError, RecursionError) as error:
        detail = f"the file is no TOML: {error}"
        raise Invalid(detail, [Fault("", detail, "toml")]) from None


def read_lines(path: Path, report: Report) -> Iterator[RawEvent]:
    """Each event of a file: NDJSON, or by its ending CSV. Raises Invalid."""
    with opened_text(path) as file:
        yield from _csv_rows(file, report) if path.suffix.lower() == ".csv" else _json_lines(file)


def read_drafts(events: Iterable[RawEvent], secret: UUID, report: Report) -> Iterator[Line]:
    """The events that can be read; what is wrong with the others goes into the report. ``secret`` is the ledger's."""
    for lines, given in events:
        try:
            value = parse_json(given) if isinstance(given, str) else _from_row(given)
            draft = read_draft(value)
            yield Line(lines[0], draft if draft.id else draft._replace(id=_id(draft, value, secret)))
        except Invalid as error:
            report.leave_unread(lines, [Remark("", str(error))])


def _id(draft: Draft, value: Any, secret: UUID) -> str:
    return ids.make(LINES, to_json(value).decode(), secret if found(Person, draft.fact.own) else None)


def _json_lines(file: TextIO) -> Iterator[RawEvent]:
    for number, line in enumerate(file, start=1):
        if line.startswith(EXPORTED):
            raise Invalid(
                f"line {number} is an entry as `ledger export` writes it, and has its position and time: an import is of "
                "events that are yet to be recorded. To move a ledger, dump its database and restore it (pg_dump)"
            )
        if line.strip():
            yield RawEvent(range(number, number + 1), line)


def _csv_rows(file: TextIO, report: Report) -> Iterator[RawEvent]:
    return map(RawEvent._make, csv_rows(file, find_delimiter(file, {"type"}), _header, report))


def _header(names: list[str]) -> list[str]:
    """The columns, each of which is a field of events. Raises Invalid."""
    if "type" not in names:
        raise Invalid(
            "the table has no column 'type': name its columns as the fields of an event, or say what they mean in a file "
            "for --mapping (see docs/importing.md)"
        )
    check_columns(names, names, ", and each is a field of events")
    if deep := next((name for name in names if name.count(".") >= MOST_PARTS), None):
        raise Invalid(f"the column '{deep[:40]}…' has more than {MOST_PARTS} parts: no field of an event lies so deep")
    return names


def _from_row(row: Mapping[str, str]) -> dict[str, Any]:
    """The event of a row. A column is a field, or with dots a field within one: ``data.title``, ``sources.0.source``.

    Raises Invalid for columns that cannot both be.
    """
    event: dict[str, Any] = {}
    for column, cell in row.items():
        path = column.split(".")
        if cell.strip() and not _put(event, path, _value(row, path, cell)):
            raise Invalid(f"the column {column!r} does not go with the others")
    listed: dict[str, Any] = _listed(event)
    return listed


def _value(row: Mapping[str, str], path: Sequence[str], cell: str) -> Any:
    """The cell as its field needs it: JSON for a list or an object, a whole number for a position, else the text that it is."""
    if not STRUCTURED.match(cell):
        return cell
    type_ = row["type"]
    if path[:2] == ["data", "replacement"] and len(path) > 2:  # an event within the event
        type_, path = row.get("data.replacement.type", ""), path[2:]
    fields = tuple(path[1:] if path[0] == "data" else path)
    holds = sorts_of(FACTS.get(type_, Fact), fields)
    if cell.isdecimal():
        return int(cell) if "integer" in holds else cell
    return parse_json(cell) if holds & {"array", "object"} and "string" not in holds else cell


def _put(event: dict[str, Any], path: list[str], value: Any) -> bool:
    """Set a field. False where its path is taken: a field is a text or holds fields, not both."""
    *outer, last = path
    for name in outer:
        event = event.setdefault(name, {})
        if not isinstance(event, dict):
            return False
    return event.setdefault(last, value) is value


def _listed(value: Any) -> Any:
    """Fields whose names are numbers are the items of a list, in the order of the numbers."""
    if not isinstance(value, dict):
        return value
    fields = {name: _listed(one) for name, one in value.items()}
    if not fields or not all(map(NUMBER.fullmatch, fields)):
        return fields
    return [fields[name] for name in sorted(fields, key=int)]


@lru_cache(maxsize=10_000)
def sorts_of(fact: type[Fact], path: tuple[str, ...]) -> frozenset[str]:
    """The sorts of JSON values that a field of a fact may be, by its path; none, where there is no such field."""
    schemas = [_schema(fact)]
    for part in path:
        inner = [_inside(one, part) for one in _branches(fact, schemas)]
        schemas = [one for one in inner if one is not None]
    return frozenset(one["type"] for one in _branches(fact, schemas) if "type" in one)


@lru_cache
def _schema(fact: type[Fact]) -> dict[str, Any]:
    """Of an event's own fields beside those of its fact."""
    own, outside = fact.model_json_schema(), Envelope.model_json_schema()
    return own | {part: outside.get(part, {}) | own.get(part, {}) for part in ("properties", "$defs")}


def _branches(fact: type[Fact], schemas: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The schemas without those that only name others: these in their place."""
    found = list(schemas)
    for one in found:  # it grows meanwhile
        found += one.get("anyOf", [])
        if "$ref" in one:
            found.append(_schema(fact)["$defs"][one["$ref"].rpartition("/")[2]])
    return found


def _inside(schema: dict[str, Any], part: str) -> dict[str, Any] | None:
    inner: dict[str, Any] | None = (
        schema.get("items") if NUMBER.fullmatch(part) else schema.get("properties", {}).get(part)
    )
    return inner
