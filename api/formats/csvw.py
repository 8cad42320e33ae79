"""What the columns of a CSV file are: metadata for CSV on the Web (W3C, Metadata Vocabulary for Tabular Data)."""

from collections.abc import Sequence
from typing import Any

from pydantic_core import to_json

from api.formats.columns import Column

MEDIA_TYPE = "application/csvm+json"
SAFE = "A cell that would begin with =, +, -, @, a tab or a line break has an apostrophe before it: spreadsheets take it for text."


def metadata(url: str, columns: Sequence[Column]) -> bytes:
    """The metadata of the file at ``url``, which is relative to the metadata's own address."""
    return to_json({
        "@context": ["http://www.w3.org/ns/csvw", {"@language": "en"}],
        "url": url,
        "dialect": {"encoding": "utf-8", "lineTerminators": ["\r\n"], "header": True, "doubleQuote": True},
        "rdfs:comment": SAFE,
        "tableSchema": {"columns": [_column(one) for one in columns]},
    })  # fmt: skip


def _column(column: Column) -> dict[str, Any]:
    told = {"name": column.name, "titles": column.name, "datatype": column.datatype}
    more = {"separator": column.separator, "dc:description": column.description or None}
    return told | {name: value for name, value in more.items() if value}
