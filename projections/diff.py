"""What changed between two answers about the same thing: fields, old and new values, and the entries responsible. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

SHOWN_APART = frozenset({"provenance", "unknown", "version"})
"""Parts of a document that follow from the others."""


class Change(NamedTuple):
    """A field of a stream's state that reads otherwise. ``None`` is a field, or a whole stream, that is not there."""

    subject: str
    field: str
    old: Any
    new: Any
    entries: tuple[int, ...]


def changes(before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]) -> list[Change]:
    """The changes between two sets of documents, each by its subject, in the order of subject and field."""
    return [
        change
        for subject in sorted(before.keys() | after.keys())
        for change in _fields(subject, before.get(subject, {}), after.get(subject, {}))
    ]


def _fields(subject: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for name in sorted((old.keys() | new.keys()) - SHOWN_APART):
        if said(old.get(name)) != said(new.get(name)):
            yield Change(subject, name, old.get(name), new.get(name), _responsible(name, old, new))


def said(value: Any) -> Any:
    """What a value says: ``None`` where that is nothing, as of null, of a flag that is down, and of what is empty."""
    if isinstance(value, Mapping):
        value = {name: told for name, part in value.items() if (told := said(part)) is not None}
    return None if value is False or value in (None, "", [], {}) else value


def _responsible(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[int, ...]:
    """The entries that set the new value and not the old one; where a value went, those that had set it."""
    before, after = (set(_credited(doc).get(name, ())) for doc in (old, new))
    flagged = _newly_flagged(old, new) if name == "anomalies" else set()
    return tuple(sorted((after - before) | flagged or before - after or after))


def _credited(doc: Mapping[str, Any]) -> dict[str, Sequence[int]]:
    """The entries that set each field. Disputes and other accounts name theirs themselves."""
    disputes = doc.get("disputes", ())
    others = [one["position"] for accounts in doc.get("alternatives", {}).values() for one in accounts]
    return {**doc.get("provenance", {}), "disputes": disputes, "disputed": disputes, "alternatives": others}


def _newly_flagged(old: Mapping[str, Any], new: Mapping[str, Any]) -> set[int]:
    """The entries that show an anomaly which was not there before."""
    known = old.get("anomalies") or ()
    return {one["position"] for one in new.get("anomalies") or () if one not in known}
