"""What is too long for a page, shortened: of each list the last items, and how many come before them. Pure."""

from collections.abc import Mapping
from typing import Any

MOST = 25
"""So many items of a list are shown."""


def shortened(value: Any, most: int = MOST) -> Any:
    """A JSON value in which ``{"left_out": n, "last": [...]}`` stands for each list of more than ``most`` items."""
    if isinstance(value, Mapping):
        return {name: shortened(one, most) for name, one in value.items()}
    if not isinstance(value, list):
        return value
    last = [shortened(one, most) for one in value[-most:]]
    return {"left_out": len(value) - most, "last": last} if len(value) > most else last


def last_of(document: Mapping[str, Any], *names: str) -> tuple[dict[str, Any], dict[str, int]]:
    """Of these lists of a document the last items; and how many are left out of each."""
    found = {name: document[name] for name in names}
    return {name: one[-MOST:] for name, one in found.items()}, {
        name: max(len(one) - MOST, 0) for name, one in found.items()
    }
