"""What the values of a mapping come to in a row: templates filled, cells split, looked up and read as dates."""

import re
from functools import lru_cache
from typing import Any

from pydantic_core import to_json

from api.transfer.dates import read_date
from api.transfer.forms import slug
from api.transfer.mapping import PLACEHOLDER, Cell, Column
from api.transfer.report import CellFault
from api.transfer.rows import TableRow
from ledger.errors import Invalid


def with_columns(row: TableRow) -> TableRow:
    """The row with the columns that the mapping makes of others, in their order. Raises CellFault."""
    for name, column in row.mapping.columns.items():
        origin = next((one for one in column.first_of if row.text(one) is not None), column.first_of[0])
        unknown: dict[str, str | None] = dict.fromkeys(column.names(name))
        text = row.text(origin)
        parts = {} if text is None else _parts(name, column, text, row.origin(origin))
        row = row.with_made(unknown | parts, origin)
    return row


def _parts(name: str, column: Column, text: str, origin: str) -> dict[str, str | None]:
    if column.pattern:
        if not (found := re.fullmatch(column.pattern, text)):
            raise CellFault(origin, f"{text!r} does not fit the pattern {column.pattern}")
        return {f"{name}.{group}": part and part.strip() for group, part in found.groupdict().items()}
    if column.cut and len(text) > column.cut:
        end = text.rfind(" ", 0, column.cut + 1)
        end = end if end > 0 else column.cut
        return {name: text[:end].strip(), f"{name}.rest": text[end:].strip()}
    return {name: text}


def value_of(spec: Any, row: TableRow) -> Any:
    """What a value of the mapping comes to in a row; None where that is unknown. Raises CellFault."""
    if isinstance(spec, Cell):
        items = [_item(spec, row, text) for text in _texts(spec, row)]
        known = [value for value in items if value is not None]
        if not known:
            return value_of(spec.default, row)
        return list({to_json(one): one for one in known}.values()) if spec.split else known[0]
    if isinstance(spec, list):
        return [value for one in spec if (value := value_of(one, row)) is not None] or None
    if isinstance(spec, dict):
        return {name: value for name, one in spec.items() if (value := value_of(one, row)) is not None} or None
    return _fill(spec, row) if isinstance(spec, str) else spec


def items_of(cell: Cell, row: TableRow) -> list[str]:
    """The texts that a cell gives: one, or one for each of its items, as the mapping reads them. Raises CellFault."""
    found = value_of(cell, row)
    return found if isinstance(found, list) else [] if found is None else [found]


def _texts(cell: Cell, row: TableRow) -> list[str]:
    """The texts that a cell holds, without those that are unknown."""
    text = row.text(cell.column)
    if text is None or not cell.split:
        return [] if text is None else [text]
    parts = [part.strip() for part in text.split(cell.split)]
    return [part for part in parts if part.casefold() not in row.mapping.unknown]


def _item(cell: Cell, row: TableRow, text: str) -> Any:
    """What one text of a cell comes to: read, and shaped by ``each``."""
    row = row.with_item(text, cell.column)
    if cell.date:
        read: Any = read_date(text, cell.date, row.origin(cell.column), row.mapping.years)
    elif cell.values is not None:
        read = _looked_up(cell, row, text)
    else:
        read = text
    return value_of(cell.each, row.with_item(read, cell.column)) if isinstance(read, str) else read


def _looked_up(cell: Cell, row: TableRow, text: str) -> Any:
    values, word = cell.values or {}, text
    if cell.any_case:
        values, word = {word.casefold(): value for word, value in values.items()}, text.casefold()
    if (spec := values.get(word, cell.other)) is None:
        raise CellFault(row.origin(cell.column), f"{text!r} is none of the values of the mapping")
    return value_of(spec, row)


@lru_cache
def _places(template: str) -> tuple[re.Match[str], ...]:
    return tuple(PLACEHOLDER.finditer(template))


def _fill(template: str, row: TableRow) -> str | None:
    """The template with its places filled; None where one is unknown and has no ``|default``."""
    text, end = "", 0
    for place in (places := _places(template)):
        if (filled := _replaced(place, row)) is None:
            return None
        text, end = text + template[end : place.start()] + filled, place.end()
    text += template[end:]
    if named := tuple(row.text(place[2]) or place[3] for place in places if place[1]):
        row.ids[text, named] = None
    return text


def _replaced(place: re.Match[str], row: TableRow) -> str | None:
    text = row.shown(place[2])
    if text is None or not place[1]:
        return place[3] if text is None else text
    try:
        return slug(text)
    except Invalid as error:
        raise CellFault(row.origin(place[2]), str(error)) from None


def date_of(spec: str | Cell | None, row: TableRow) -> Any:
    """A date: a cell or a template in the mapping's formats, unless the cell says how it is read; or a constant as EDTF."""
    if isinstance(spec, Cell) and not spec.date and spec.values is None:
        spec = spec.model_copy(update={"date": row.mapping.dates})
    value = value_of(spec, row)
    if not isinstance(spec, str) or value is None or not (place := PLACEHOLDER.search(spec)):
        return value
    return read_date(value, row.mapping.dates, row.origin(place[2]), row.mapping.years)
