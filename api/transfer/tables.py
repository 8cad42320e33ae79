"""Tables of other people's making: a mapping says which facts the columns of a row tell (docs/importing.md).

Ids come from the mapping's name, the key columns and what is said. The same row again therefore changes nothing, and a
row that reads otherwise than it did under the same key corrects what it gave then; the log tells, by ``correlationid``.
What counts is how a row of the table that was imported last reads, and of several under one key the last of them.
"""

import csv
import json
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Self, TextIO
from uuid import UUID, uuid5

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import to_json

from api.transfer.event_files import Line, Report, read_drafts
from ledger.errors import Invalid
from ledger.log.entry import read_line
from ledger.vocabulary.codes import CorrectionReason
from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.fact import COMMON, Slug, Text
from ledger.vocabulary.registry import FACTS
from ledger.writing.draft import parse_json

ROWS = UUID("5d0c8b1e-64d7-5b0a-9a59-0f1f5ab0a6c3")
PLACEHOLDER = re.compile(r"\{(slug\()?([^{}|]+?)(?(1)\))(?:\|([^{}]*))?\}")
TOKEN = re.compile(r"YYYY|Mon|MM?|DD?")
WORD = re.compile(r"([A-Za-z]{3,})\.?")
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
"""Written out: the library's are in the language of the machine."""


def _readable(formats: tuple[str, ...]) -> tuple[str, ...]:
    """Refuses unknown formats, and pairs such as DD/MM and MM/DD: which of the two is meant, a cell does not say."""
    for one in formats:
        tokens = "".join(sorted(token[0] for token in TOKEN.findall(one)))
        if one != "EDTF" and (tokens not in ("Y", "MY", "DMY") or re.search("[A-Za-z%]", TOKEN.sub("", one))):
            raise ValueError(f"{one!r} is no format, such as DD/MM/YYYY, MM/DD/YYYY, D Mon YYYY, YYYY-MM-DD or EDTF")
    shapes = {re.sub("MM?(?!o)|DD?", "#", one) for one in formats}
    if len(shapes) < len(formats):
        raise ValueError(f"of {' and '.join(formats)}, two read the same text")
    return formats


def _spec(value: Any) -> Any:
    """A value of the mapping, with its cells read."""
    if isinstance(value, dict) and "column" in value:
        return Cell.model_validate(value)
    if isinstance(value, dict):
        return {name: _spec(one) for name, one in value.items()}
    return [_spec(one) for one in value] if isinstance(value, list) else value


Words = Annotated[tuple[str, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]
Formats = Annotated[Words, AfterValidator(_readable)]
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
    """How a table is read. ``name`` and the names of the facts go into the ids: they stay as they are."""

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
        """Every column that is named anywhere in it."""
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
        return TableMapping.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise Invalid(f"{path}: {key}: {first['msg'].removeprefix('Value error, ')}") from None
    except ValueError as error:  # no TOML, or no UTF-8
        raise Invalid(f"{path} cannot be read: {error}") from None


def read_table(mapping: TableMapping, path: Path, report: Report) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells by column: of JSON lines (.jsonl, .ndjson), of tabs (.tsv), else of CSV with a header.

    Fields within fields get dotted names. A line that is no row goes into the report. Raises Invalid.
    """
    ending = path.suffix.lower()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if ending in (".jsonl", ".ndjson"):
                yield from _json_rows(file, report)
            else:
                delimiter = mapping.delimiter or ("\t" if ending == ".tsv" else ",")
                yield from _csv_rows(csv.reader(file, delimiter=delimiter, strict=True), mapping, report)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Invalid(f"{path} cannot be read: {getattr(error, 'strerror', error)}") from None


def _csv_rows(rows: Any, mapping: TableMapping, report: Report) -> Iterator[tuple[int, dict[str, str]]]:
    header = [name.strip() for name in next(rows, [])]
    for column in sorted(mapping.columns()):
        if header.count(column) != 1:
            raise Invalid(f"the table has {header.count(column) or 'no'} columns {column!r}, which the mapping names")
    for row in rows:
        if any(cell.strip() for cell in row[len(header) :]):
            report.refuse(rows.line_num, "the row has more cells than the table has columns")
        elif any(cell.strip() for cell in row):
            yield rows.line_num, dict(zip(header, row, strict=False))


def _json_rows(file: TextIO, report: Report) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows that leave out what is unknown: so a column that none of them has is no fault."""
    for number, line in enumerate(file, start=1):
        try:
            row = parse_json(line) if line.strip() else {}
        except Invalid as error:
            report.refuse(number, str(error))
            continue
        if not isinstance(row, dict):
            report.refuse(number, "the line is no JSON object")
        elif row:
            yield number, dict(_flat(row))


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, (dict, list)):
        for inner, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _flat(one, f"{name}.{inner}" if name else str(inner))
    else:
        yield name, "" if value is None else value if isinstance(value, str) else to_json(value).decode()


@dataclass(frozen=True)
class TableRow:
    """The cells of a row, by column."""

    cells: dict[str, str]
    unknown: Sequence[str]

    def text(self, column: str) -> str | None:
        """None where it is unknown."""
        text = self.cells.get(column, "").strip()
        return None if text.casefold() in self.unknown else text

    def with_item(self, text: str) -> "TableRow":
        return replace(self, cells=self.cells | {"item": text})


def _value(spec: Any, row: TableRow) -> Any:
    """What a value of the mapping comes to in a row; None where that is unknown. Raises Invalid, naming the column."""
    if isinstance(spec, Cell):
        items = [value for text in _items(spec, row) if (value := _item(spec, row.with_item(text), text)) is not None]
        return (items or None) if spec.split else next(iter(items), None)
    if isinstance(spec, list):
        return [value for one in spec if (value := _value(one, row)) is not None] or None
    if isinstance(spec, dict):
        return {name: value for name, one in spec.items() if (value := _value(one, row)) is not None} or None
    return _fill(spec, row) if isinstance(spec, str) else spec


def _items(cell: Cell, row: TableRow) -> list[str]:
    text = row.text(cell.column)
    parts = [] if text is None else [part.strip() for part in text.split(cell.split)] if cell.split else [text]
    return [part for part in parts if part.casefold() not in row.unknown]


def _item(cell: Cell, row: TableRow, text: str) -> Any:
    if cell.date:
        return _value(cell.each, row.with_item(_date(text, cell.date, cell.column)))
    if cell.values is None:
        return _value(cell.each, row)
    found = _value(cell.values.get(text, cell.other), row)
    if found is None:
        raise Invalid(f"column {cell.column!r}: {text!r} is none of the values of the mapping")
    return _value(cell.each, row.with_item(found)) if isinstance(found, str) else found


def _fill(template: str, row: TableRow) -> str | None:
    """The template with its places filled; None where one is unknown and has no ``|default``."""
    filled = {placeholder[0]: _replaced(placeholder, row) for placeholder in PLACEHOLDER.finditer(template)}
    return (
        None if None in filled.values() else PLACEHOLDER.sub(lambda placeholder: filled[placeholder[0]] or "", template)
    )


def _replaced(placeholder: re.Match[str], row: TableRow) -> str | None:
    text = row.text(placeholder[2])
    return placeholder[3] if text is None else _slug(text, placeholder[2]) if placeholder[1] else text


def _slug(text: str, column: str) -> str:
    """A long text keeps its beginning, and a digest of the whole tells it from others that begin alike."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = "-".join(re.findall("[a-z0-9]+", plain))
    if not slug:
        raise Invalid(f"column {column!r}: {text!r} has no letter from a to z to make an id of")
    return slug if len(slug) <= 100 else f"{slug[:91]}-{sha256(text.encode()).hexdigest()[:8]}"


def _day(spec: str | Cell | None, row: TableRow, formats: Sequence[str]) -> Any:
    """A date: a cell that reads one, a template in the mapping's formats, or a constant as EDTF."""
    value = _value(spec, row)
    if not isinstance(spec, str) or value is None or not (placeholder := PLACEHOLDER.search(spec)):
        return value
    return _date(value, formats, placeholder[2])


def _date(text: str, formats: Sequence[str], column: str) -> str:
    for one in formats:
        try:
            return str(PartialDate(text)) if one == "EDTF" else _iso(text, one)
        except ValueError:
            continue
    raise Invalid(f"column {column!r}: {text!r} is no date as {' or '.join(formats)}")


def _iso(text: str, format_: str) -> str:
    """Year, month and day, as far as the format has them. Raises ValueError."""
    if "Mon" in format_:
        text = WORD.sub(lambda word: _month(word[1].lower()), text)
    pattern = TOKEN.sub(lambda token: {"Y": "%Y", "M": "%m", "D": "%d"}[token[0][0]], format_)
    found = datetime.strptime(text, pattern).date().isoformat()
    return found[: 10 if "D" in format_ else 7 if "M" in format_ else 4]


def _month(word: str) -> str:
    return next((str(number) for number, name in enumerate(MONTHS, start=1) if name.startswith(word)), word)


Rows = Iterable[tuple[int, dict[str, str]]]
"""Line number, and cells by column."""

Event = dict[str, Any]
"""An event as it is posted."""

Last = dict[str, str]
"""How a table reads: the ids of what it tells, by ``correlationid``; of several rows under one key that is the last."""


@dataclass
class Imported:
    """What imports with a mapping made: the ids of all of it, and by ``correlationid`` what counts, with its subject."""

    ids: set[str] = field(default_factory=set)
    counting: dict[str, dict[str, str]] = field(default_factory=dict)

    def copy(self) -> "Imported":
        return Imported(self.ids.copy(), {key: those.copy() for key, those in self.counting.items()})

    def take_in(self, entry_id: str, type_: str, subject: str, correlation: str, target: object) -> None:
        counting = self.counting.setdefault(correlation, {})
        counting.pop(str(target), None)
        if type_ != "entry.voided":
            counting[entry_id] = subject
        self.ids.add(entry_id)


def mark(mapping: TableMapping) -> str:
    """What every line holds that an import with a mapping of this name made."""
    return f'"correlationid":"import:{mapping.name}:'


def imported(mapping: TableMapping, lines: Iterable[str]) -> Imported:
    """What the lines of a log tell of earlier imports with a mapping of this name."""
    found, sign = Imported(), mark(mapping)
    for line in lines:
        if sign in line:
            entry = read_line(line)
            found.take_in(
                entry.id, entry.type, entry.originator_id, entry.correlationid or "", entry.data.get("target")
            )
    return found


def read_mapped(mapping: TableMapping, path: Path, earlier: Imported, last: Last, report: Report) -> Iterator[Line]:
    """The events of a table, ready to be appended; what is wrong with the rest goes into the report. Raises Invalid."""
    events = rows_to_events(mapping, read_table(mapping, path, report), report, earlier, last)
    return read_drafts(((number, to_json(event).decode()) for number, event in events), report)


def last_told(mapping: TableMapping, rows: Rows) -> Last:
    return {correlation: reading for _, correlation, reading, _ in _told(mapping, rows, Report())}


def rows_to_events(
    mapping: TableMapping, rows: Rows, report: Report, earlier: Imported | None = None, last: Last | None = None
) -> Iterator[tuple[int, Event]]:
    """Line number and event of what it takes for all that the rows tell to count, and nothing told in its place before.

    A row that cannot be mapped gives nothing, and its line goes into the report with what is wrong.
    """
    past = earlier.copy() if earlier else Imported()
    recorded = past.ids.copy()
    for number, correlation, reading, told in _told(mapping, rows, report):
        is_last = (last or {}).get(correlation, reading) == reading
        events = _post(mapping, past, correlation, reading, told) if is_last else []
        for event in events:
            target = event.get("data", {}).get("target")
            past.take_in(event["id"], event["type"], event["subject"], correlation, target)
            yield number, event
        report.repeated += reading in recorded and not events
        recorded.discard(reading)  # what many rows tell alike is one repetition


def _told(mapping: TableMapping, rows: Rows, report: Report) -> Iterator[tuple[int, str, str, Event]]:
    """Line number, correlation, id and event of each fact that the rows tell."""
    for number, cells in rows:
        try:
            facts = _facts(mapping, TableRow(cells, mapping.unknown))
        except Invalid as error:
            report.refuse(number, str(error))
            continue
        yield from ((number, correlation, _id(correlation, told), told) for correlation, told in facts)


def _facts(mapping: TableMapping, row: TableRow) -> list[tuple[str, Event]]:
    """The facts that a row tells, each with its correlation. Raises Invalid with all that is wrong."""
    facts: list[tuple[str, Event]] = []
    faults: dict[str, None] = {}
    for name, fact in mapping.facts.items():
        try:
            items = [row.with_item(text) for text in _items(fact.for_each, row)] if fact.for_each else [row]
            if all(row.text(column) is not None for column in fact.when):
                facts += [(_correlation(mapping, name, fact, one), _tell(mapping, fact, one)) for one in items]
        except Invalid as error:
            faults[str(error)] = None
    if faults:
        raise Invalid("; ".join(faults))
    return facts


def _correlation(mapping: TableMapping, name: str, fact: FactMapping, row: TableRow) -> str:
    """The same for all that is ever made of one fact of the mapping for one key."""
    columns = mapping.key if fact.key is None else fact.key
    key: list[Any] = sorted(row.cells.items()) if columns is None else [row.text(column) for column in columns]
    if None in key:
        raise Invalid(f"a column of the key ({', '.join(columns or ())}) is unknown")
    item = [row.cells["item"]] if fact.for_each else []
    return f"import:{mapping.name}:{uuid5(ROWS, json.dumps([mapping.name, name, key, item]))}"


def _tell(mapping: TableMapping, fact: FactMapping, row: TableRow) -> Event:
    told = {name: _value(getattr(fact, name), row) for name in ("type", "subject", "modality", "note", "data")}
    told |= {name: _day(getattr(fact, name), row, mapping.dates) for name in ("occurred", "effective")}
    told["sources"] = _value(mapping.sources if fact.sources is None else fact.sources, row)
    if told["subject"] is None:
        raise Invalid(f"a column of the subject {fact.subject!r} is unknown")
    return {name: value for name, value in told.items() if value is not None}


def _id(correlation: str, content: Any) -> str:
    return str(uuid5(ROWS, correlation + json.dumps(content, sort_keys=True)))


def _post(mapping: TableMapping, past: Imported, correlation: str, new_id: str, told: Event) -> list[Event]:
    """What makes the fact count, and nothing else that was told in its place."""
    counting, latest = past.counting.get(correlation, {}), ""
    while new_id in past.ids:  # it was told before: if something else was since, it comes back under another id
        latest, new_id = new_id, _id(correlation, new_id)
    stale = [one for one in counting if one != latest]
    new = [] if latest in counting else [told]
    if new and stale and counting[stale[-1]] == told["subject"]:
        instead = {"data": {}} | {name: value for name, value in told.items() if name != "subject"}
        new = [_correction(mapping, "entry.superseded", told["subject"], target=stale.pop(), replacement=instead)]
    gone = [_correction(mapping, "entry.voided", counting[one], target=one) | {"id": _id(one, new_id)} for one in stale]
    return [{"id": new_id, "correlationid": correlation, **event} for event in (*gone, *new)]


def _correction(mapping: TableMapping, type_: str, subject: str, **data: Any) -> Event:
    why = {"reason_code": mapping.reason_code, "reason": mapping.reason}
    return {"type": type_, "subject": subject, "data": data | why}
