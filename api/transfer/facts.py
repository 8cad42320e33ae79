"""The facts that the rows of a table hold: each as an event, with the ids that tell it from others."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from api.transfer import ids
from api.transfer.csv_tables import Row
from api.transfer.forms import as_key, normal
from api.transfer.mapping import ITEM, Cell, FactMapping, TableMapping, columns_of
from api.transfer.report import CellFault, Remark, Report
from api.transfer.rows import Rows, TableRow
from api.transfer.values import date_of, items_of, value_of, with_columns

ROWS = UUID("5d0c8b1e-64d7-5b0a-9a59-0f1f5ab0a6c3")
Event = dict[str, Any]
"""An event as it is posted."""


Key = tuple[str | tuple[str, str], ...]
"""What tells a row apart: the cells of its key, or all of its cells with their columns, in the form to compare."""


class RowFact(NamedTuple):
    """A fact of a row, by the name that the mapping gives it.

    ``correlation`` is the same however the row reads. ``said`` is the same for what says the same, wherever it is cited
    from; ``id`` is that of the fact as it reads now, with those citations that do not depend on which row tells it.
    """

    name: str
    correlation: str
    said: bytes
    id: str
    event: Event


class RowFacts(NamedTuple):
    """What a row tells. ``key`` is what tells it apart; ``ids`` are those that were made, and of which names."""

    lines: range
    key: Key
    facts: list[RowFact]
    ids: dict[tuple[str, tuple[str, ...]], None]


def facts_of(mapping: TableMapping, rows: Rows, secret: UUID, report: Report) -> Iterator[RowFacts]:
    """The facts of all rows. A row that cannot be mapped gives none, and the report says what is wrong with it.

    ``secret`` is the ledger's: ids that are made of names of persons are made of it, too.
    """
    for row in rows:
        faults: dict[Remark, None] = {}
        facts = _row_facts(mapping, row, secret, faults)
        if faults:
            report.leave_unread(row.lines, list(faults))
        elif facts:
            yield facts


def _row_facts(mapping: TableMapping, given: Row, secret: UUID, faults: dict[Remark, None]) -> RowFacts | None:
    """What a row tells; what is wrong with it is put with the faults."""
    try:
        row = with_columns(TableRow(given.cells, mapping, secret))
        key = _key(mapping.key, row)
    except CellFault as error:
        faults[error.remark] = None
        return None
    facts: list[RowFact] = []
    for name, fact in mapping.facts.items():
        try:
            facts += _facts(name, fact, row)
        except CellFault as error:
            faults[error.remark] = None
    return RowFacts(given.lines, key, facts, row.ids)


def _facts(name: str, fact: FactMapping, row: TableRow) -> list[RowFact]:
    """What one fact of the mapping comes to in a row: one for each item, if it is ``for_each``. Raises CellFault."""
    known = {column for column in (*fact.when, *fact.when_any) if row.text(column) is not None}
    if not known.issuperset(fact.when) or (fact.when_any and not known.intersection(fact.when_any)):
        return []
    return _facts_of_items(name, fact, fact.for_each, row) if fact.for_each else [_fact(name, fact, row)]


def _facts_of_items(name: str, fact: FactMapping, each: Cell, row: TableRow) -> list[RowFact]:
    """One fact for each item: an item that is told twice is one. Raises CellFault where it is told in two ways."""
    told: dict[str, tuple[str, RowFact]] = {}
    for text in items_of(each, row):
        one = _fact(name, fact, row.with_item(text, each.column))
        other, first = told.setdefault(one.correlation, (text, one))
        if first.said != one.said:
            raise CellFault(
                row.origin(each.column), f"{other!r} and {text!r} are one item, and {name} reads otherwise for each"
            )
    return [one for _, one in told.values()]


def _fact(name: str, fact: FactMapping, row: TableRow) -> RowFact:
    correlation = _correlation(name, fact, row)
    event = _event(fact, row)
    uncited = normal({field: value for field, value in event.items() if field != "sources"})
    cited = normal({"sources": value} if (value := _own_citations(fact, row)) else {})
    secret = row.secret if ids.names_a_person(event) else None
    return RowFact(name, correlation, digest(uncited), make_id(correlation, uncited | cited, secret), event)


def digest(content: Any) -> bytes:
    """The same for the same content, and short: an import holds one for each fact."""
    return blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def make_id(correlation: str, content: Any, secret: UUID | None = None) -> str:
    """The same id for the same content; with the ledger's ``secret``, where that names a person."""
    return ids.make(ROWS, correlation + json.dumps(content, sort_keys=True), secret)


def _correlation(name: str, fact: FactMapping, row: TableRow) -> str:
    """The same for every event that an import makes of one fact of the mapping for one key."""
    mapping = row.mapping
    key = _key(mapping.key if fact.key is None else fact.key, row)
    item = [as_key(row.item)] if row.item is not None else []
    secret = row.secret if _is_told_apart_by_persons(fact, mapping) else None
    return f"import:{mapping.name}:{ids.make(ROWS, json.dumps([mapping.name, name, key, item]), secret)}"


def _is_told_apart_by_persons(fact: FactMapping, mapping: TableMapping) -> bool:
    """Whether a column that tells rows or items apart is one from which persons are read."""
    if fact.for_each and ITEM in _person_columns(fact.data):
        return True
    named = set().union(*map(_person_columns_of, mapping.facts.values()))
    key = mapping.key if fact.key is None else fact.key
    return bool(named) if key is None else not mapping.origins_of(named).isdisjoint(mapping.origins_of(key))


def _person_columns_of(fact: FactMapping) -> set[str]:
    named, each = _person_columns(fact.data), fact.for_each
    return named - {ITEM} | ({each.column} if each and ITEM in named else set())


def _person_columns(spec: Any) -> set[str]:
    """The columns from which persons are read: ``item`` is one, where it is not that of a cell in it."""
    if isinstance(spec, Cell):
        named = _person_columns(spec.each)
        return named - {ITEM} | ({spec.column} if ITEM in named else set())
    if isinstance(spec, dict):
        parts = [columns_of(one) if name in ids.PERSONS else _person_columns(one) for name, one in spec.items()]
        return set().union(*parts)
    return set().union(*map(_person_columns, spec)) if isinstance(spec, (list, tuple)) else set()


def _key(columns: Sequence[str] | None, row: TableRow) -> Key:
    """What tells rows apart. Raises CellFault."""
    if columns is None:
        return tuple(sorted((column, as_key(text)) for column, text in row.cells.items()))
    return tuple(as_key(_known(column, row)) for column in columns)


def _known(column: str, row: TableRow) -> str:
    text = row.text(column)
    if text is None:
        raise CellFault(row.origin(column), "it is unknown, and is part of the key")
    return text


def _event(fact: FactMapping, row: TableRow) -> Event:
    event = {name: value_of(getattr(fact, name), row) for name in ("type", "subject", "modality", "note", "data")}
    event |= {name: date_of(getattr(fact, name), row) for name in ("occurred", "effective")}
    event["sources"] = value_of(_citations(fact, row.mapping), row)
    if event["subject"] is None:
        columns = ", ".join(sorted(map(row.origin, columns_of(fact.subject))))
        raise CellFault(columns, f"it is unknown, and the subject {fact.subject!r} is made of it")
    return {name: value for name, value in event.items() if value is not None}


def _citations(fact: FactMapping, mapping: TableMapping) -> list[Any]:
    return mapping.sources if fact.sources is None else fact.sources


def _own_citations(fact: FactMapping, row: TableRow) -> Any:
    """The citations that are the same whichever row tells the fact, and however its key is written."""
    citations, key = _citations(fact, row.mapping), row.mapping.key
    if fact.key is not None:
        key = fact.key
        citations = [one for one in citations if columns_of(one) <= {*key, ITEM}]
    return value_of(citations, replace(row, as_keys=frozenset(key or ())))


def column_of(fact: FactMapping, mapping: TableMapping, pointer: str) -> str:
    """The columns that the field of an event comes from, by its pointer."""
    spec: Any = dict(fact) | {"sources": _citations(fact, mapping)}
    for part in pointer.removeprefix("/data/replacement").split("/")[1:]:
        if isinstance(spec, dict):
            spec = spec.get(part, spec)
        elif isinstance(spec, list) and part.isdecimal() and int(part) < len(spec):
            spec = spec[int(part)]
    columns = columns_of(spec)
    items = {fact.for_each.column} if fact.for_each and ITEM in columns else set()
    return ", ".join(sorted(mapping.origins_of(columns - {ITEM} | items)))
