"""What the values of a mapping come to in a row: templates filled, cells split, looked up and read as dates."""

import re
import unicodedata
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from api.transfer.dates import read_date
from api.transfer.mapping import PLACEHOLDER, Cell
from api.transfer.rows import TableRow
from ledger.errors import Invalid


def value_of(spec: Any, row: TableRow) -> Any:
    """What a value of the mapping comes to in a row; None where that is unknown. Raises Invalid, naming the column."""
    if isinstance(spec, Cell):
        items = [value for text in items_of(spec, row) if (value := _item(spec, row.with_item(text), text)) is not None]
        return (items or None) if spec.split else next(iter(items), None)
    if isinstance(spec, list):
        return [value for one in spec if (value := value_of(one, row)) is not None] or None
    if isinstance(spec, dict):
        return {name: value for name, one in spec.items() if (value := value_of(one, row)) is not None} or None
    return _fill(spec, row) if isinstance(spec, str) else spec


def items_of(cell: Cell, row: TableRow) -> list[str]:
    """The texts that a cell holds, without those that are unknown."""
    text = row.text(cell.column)
    parts = [] if text is None else [part.strip() for part in text.split(cell.split)] if cell.split else [text]
    return [part for part in parts if part.casefold() not in row.unknown]


def _item(cell: Cell, row: TableRow, text: str) -> Any:
    if cell.date:
        return value_of(cell.each, row.with_item(read_date(text, cell.date, cell.column)))
    if cell.values is None:
        return value_of(cell.each, row)
    found = value_of(cell.values.get(text, cell.other), row)
    if found is None:
        raise Invalid(f"column {cell.column!r}: {text!r} is none of the values of the mapping")
    return value_of(cell.each, row.with_item(found)) if isinstance(found, str) else found


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
    """The text as an id. Of a long one it is the beginning and a digest, as others may begin alike."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = "-".join(re.findall("[a-z0-9]+", plain))
    if not slug:
        raise Invalid(f"column {column!r}: {text!r} has no letter from a to z to make an id of")
    return slug if len(slug) <= 100 else f"{slug[:91]}-{sha256(text.encode()).hexdigest()[:8]}"


def date_of(spec: str | Cell | None, row: TableRow, formats: Sequence[str]) -> Any:
    """A date: a cell that reads one, a template in the mapping's formats, or a constant as EDTF."""
    value = value_of(spec, row)
    if not isinstance(spec, str) or value is None or not (placeholder := PLACEHOLDER.search(spec)):
        return value
    return read_date(value, formats, placeholder[2])
