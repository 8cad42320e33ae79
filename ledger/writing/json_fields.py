"""Where a body of JSON says one field twice: which of the two is meant nobody can know (RFC 8259, section 4)."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

Pair = tuple[str, Any]


class Fields(list[Pair]):
    """The fields of an object as they stand in the text, each with its value."""


def repeated_fields(text: str) -> list[str]:
    """A JSON pointer to each field that its object has more than once. ``text`` is JSON, and not nested deep."""
    return list(_repeated(json.loads(text, object_pairs_hook=Fields, parse_int=str, parse_float=str), ""))


def _repeated(value: Any, at: str) -> Iterator[str]:
    known = set()
    for name, inner in _inside(value):
        pointer = f"{at}/{escaped(name)}"
        if name in known:
            yield pointer
        known.add(name)
        yield from _repeated(inner, pointer)


def _inside(value: Any) -> Sequence[Pair]:
    if isinstance(value, Fields):
        return value
    return [(str(number), one) for number, one in enumerate(value)] if isinstance(value, list) else ()


def escaped(name: str) -> str:
    """A field's name as it stands in a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
