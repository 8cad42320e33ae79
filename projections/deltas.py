"""The documents of a long lane, in parts: what is short stands in each row, and what each fact did to the lists stands beside. Pure.

A change of a list is told from its end, where lists grow, and one of a list that is sorted by what came and went: so a fact of an
earlier day that is recorded late changes nothing of what is told of later ones.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import orjson

LONG_TEXT = 200
"""In characters: longer texts are kept apart as lists are."""
NAMES = frozenset({"name", "short_name", "title", "publisher"})
"""These stand in each row, however long, as labels are made of them there."""
MAPS = ("provenance", "alternatives")
"""The fields that have a list for each of many names."""
COUNTS = frozenset({"in_force_for"})
"""These grow with lists."""
APART = "apart"
"""What a row that lacks its lists ends with."""

Parts = dict[str, Any]
"""The lists, long texts and counts of a document: each by its field; those of a map by field and name, and under its field the names."""

Changes = dict[str, Any]
"""By field: a list has what was added, and where that is not the end how many went, and before how many of the last; a sorted one
what was added and what went; a count by how much it grew; a text itself; nothing for what is there no more."""


def taken_apart(document: Mapping[str, Any]) -> tuple[dict[str, Any], Parts]:
    """The document without its lists, and these."""
    core: dict[str, Any] = {}
    parts: Parts = {}
    for name, value in document.items():
        if name in MAPS:
            core[name], parts[name] = {}, (*value,)
            for key, those in value.items():
                parts[f"{name}/{key}"] = those
        elif isinstance(value, (list, tuple)):
            core[name], parts[name] = [], value
        elif isinstance(value, str) and len(value) > LONG_TEXT and name not in NAMES:
            core[name], parts[name] = "", value
        elif name in COUNTS:
            core[name], parts[name] = 0, value
        elif name == "unknown":  # follows from the other fields
            core[name] = {}
        else:
            core[name] = value
    core[APART] = True
    return core, parts


def changes(before: Parts, now: Parts, are_sorted: Container[str]) -> Changes:
    """What leads from one to the other."""
    told: Changes = dict.fromkeys(sorted(before.keys() - now.keys()))
    for path, new in now.items():
        old = before.get(path, ())
        if new is not old and new != old:
            change = _change(old, new, is_sorted=path in are_sorted)
            if change is not None:
                told[path] = change
    return told


def _change(old: Any, new: Any, *, is_sorted: bool) -> Any:
    if isinstance(new, str):
        return new
    if isinstance(new, int):
        return new - (old or 0)
    if is_sorted:
        came, went = sorted({*new} - {*old}), sorted({*old} - {*new})
        return {"came": came} | ({"went": went} if went else {}) if came or went else None
    return _spliced([*old], [*new])


def _spliced(old: Sequence[Any], new: Sequence[Any]) -> list[Any] | None:
    """What was added; and where that is not the end, how many went, and before how many of the last."""
    if new[: len(old)] == old:
        return [new[len(old) :]] if len(new) > len(old) else None
    kept = _alike(old, new)
    most = min(len(old), len(new)) - kept
    last = min(_alike(old[::-1], new[::-1]), most)
    return [new[kept : len(new) - last], len(old) - kept - last, last]


def _alike(one: Sequence[Any], other: Sequence[Any]) -> int:
    """With how many of the same both begin."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def apply(parts: Parts, told: Mapping[str, Any]) -> None:
    """Take the next changes in."""
    for path, change in told.items():
        if change is None:
            del parts[path]
        elif isinstance(change, str):
            parts[path] = change
        elif isinstance(change, int):
            parts[path] = parts.get(path, 0) + change
        elif isinstance(change, dict):
            parts[path] = sorted({*parts.get(path, ()), *change["came"]} - {*change.get("went", ())})
        else:
            added, gone, last = (*change, 0, 0)[:3]
            those = parts.setdefault(path, [])
            end = len(those) - last
            those[end - gone : end] = added


def is_apart(document: str) -> bool:
    return document.endswith(f',"{APART}":true}}')


def whole(document: str, told: Iterable[str]) -> str:
    """The document of a row that lacks its lists, of all changes up to it, in valid order."""
    parts: Parts = {}
    for change in told:
        apply(parts, orjson.loads(change))
    return put_together(document, parts)


def put_together(document: str, parts: Parts) -> str:
    core = orjson.loads(document)
    del core[APART]
    for name in core:
        if name in MAPS:
            core[name] = {key: parts.get(f"{name}/{key}", []) for key in parts.get(name, ())}
        elif name in parts:
            core[name] = parts[name]
    core["unknown"] = unknown(core)
    return orjson.dumps(core).decode()


def unknown(fields: Mapping[str, Any]) -> dict[str, str]:
    """Why a value is null: no entry states it, or the act is recorded without its date."""
    missing = {}
    for name, value in fields.items():
        if value is None:
            missing[name] = "not_stated"
    for act, day in fields["dates"].items():
        if day is None:
            missing[f"dates/{act}"] = "undated"
    return missing
