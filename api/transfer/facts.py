"""The facts that the rows of a table hold: each as an event, with the ids that tell it from others."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from api.transfer.event_files import Report
from api.transfer.mapping import FactMapping, TableMapping
from api.transfer.rows import Rows, TableRow
from api.transfer.values import date_of, items_of, value_of
from ledger.errors import Invalid

ROWS = UUID("5d0c8b1e-64d7-5b0a-9a59-0f1f5ab0a6c3")
Event = dict[str, Any]
"""An event as it is posted."""


class RowFact(NamedTuple):
    """A fact of a row. ``correlation`` is the same however the row reads; ``id`` is that of the fact as it reads now."""

    number: int
    correlation: str
    id: str
    event: Event


def facts_of(mapping: TableMapping, rows: Rows, report: Report) -> Iterator[RowFact]:
    """The facts of all rows. A row that cannot be mapped gives none, and the report says what is wrong with it."""
    for number, cells in rows:
        try:
            facts = _facts(mapping, TableRow(cells, mapping.unknown))
        except Invalid as error:
            report.refuse(number, str(error))
            continue
        yield from (RowFact(number, correlation, make_id(correlation, event), event) for correlation, event in facts)


def make_id(correlation: str, content: Any) -> str:
    """The same id for the same content."""
    return str(uuid5(ROWS, correlation + json.dumps(content, sort_keys=True)))


def _facts(mapping: TableMapping, row: TableRow) -> list[tuple[str, Event]]:
    """The events of a row, each with its correlation. Raises Invalid with all that is wrong."""
    facts: list[tuple[str, Event]] = []
    faults: dict[str, None] = {}
    for name, fact in mapping.facts.items():
        try:
            items = [row.with_item(text) for text in items_of(fact.for_each, row)] if fact.for_each else [row]
            if all(row.text(column) is not None for column in fact.when):
                facts += [(_correlation(mapping, name, fact, one), _event(mapping, fact, one)) for one in items]
        except Invalid as error:
            faults[str(error)] = None
    if faults:
        raise Invalid("; ".join(faults))
    return facts


def _correlation(mapping: TableMapping, name: str, fact: FactMapping, row: TableRow) -> str:
    """The same for every event that an import makes of one fact of the mapping for one key."""
    columns = mapping.key if fact.key is None else fact.key
    key: list[Any] = sorted(row.cells.items()) if columns is None else [row.text(column) for column in columns]
    if None in key:
        raise Invalid(f"a column of the key ({', '.join(columns or ())}) is unknown")
    item = [row.cells["item"]] if fact.for_each else []
    return f"import:{mapping.name}:{uuid5(ROWS, json.dumps([mapping.name, name, key, item]))}"


def _event(mapping: TableMapping, fact: FactMapping, row: TableRow) -> Event:
    event = {name: value_of(getattr(fact, name), row) for name in ("type", "subject", "modality", "note", "data")}
    event |= {name: date_of(getattr(fact, name), row, mapping.dates) for name in ("occurred", "effective")}
    event["sources"] = value_of(mapping.sources if fact.sources is None else fact.sources, row)
    if event["subject"] is None:
        raise Invalid(f"a column of the subject {fact.subject!r} is unknown")
    return {name: value for name, value in event.items() if value is not None}
