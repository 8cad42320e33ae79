"""What changed between two answers about the same thing, and which of the entries between them are responsible. Pure.

*Between* two positions are the entries recorded after the earlier one and up to the later one: corrections are among them,
what they strike may not be. *Between* two days are the facts that count from a day after the earlier one and up to the later
one, as known at the position of both answers; a replacement counts from its own day.

Responsible for a change are those entries between that set the new value, as its provenance says, and the corrections between
that struck an entry which had set the old one. Where that does not tell, because an entry changed what others mean, it is the
entries at which the field came to read otherwise on the way. So each change has at least one, and none from outside. One
exception: what becomes overdue because a day has passed rests on the entry that set the due date.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from itertools import pairwise
from typing import Any, NamedTuple

SHOWN_APART = frozenset({"derived", "provenance", "unknown", "version"})
"""Parts of a document that follow from the others."""

FOLLOWS_FROM = {"overdue": ("due", "status")}
"""What no entry sets by itself, and the fields that it follows from."""

Document = Mapping[str, Any]
"""A state as it is shown, without its basis; an empty one where nothing is known."""

EntryOf = Callable[[Any], int]


class Change(NamedTuple):
    """A field of a stream's state that reads otherwise. ``None`` is a field, or a whole stream, that is not there."""

    subject: str
    field: str
    old: Any
    new: Any
    entries: tuple[int, ...] = ()


class Between(NamedTuple):
    """What lies between two points: for each stream its entries there; and by each entry that was struck, what struck it.

    ``days_pass`` is whether the points are two days.
    """

    entries: Mapping[str, Collection[int]]
    struck: Mapping[int, int] = {}
    days_pass: bool = False


class Support(NamedTuple):
    """The entries that a field rested on, or a part of it, and those that it rests on now."""

    before: Set[int]
    after: Set[int]


class Step(NamedTuple):
    """A point on the way from one answer to the other: the entries that lead to it, and how the state reads there."""

    entries: Sequence[int]
    document: Document


def changes(before: Mapping[str, Document], after: Mapping[str, Document]) -> list[Change]:
    """The changes between two sets of documents, each by its subject, in the order of subject and field."""
    return [
        change
        for subject in sorted(before.keys() | after.keys())
        for change in _fields(subject, before.get(subject, {}), after.get(subject, {}))
    ]


def _fields(subject: str, old: Document, new: Document) -> Iterator[Change]:
    for name in sorted((old.keys() | new.keys()) - SHOWN_APART):
        if not reads_same(name, old, new):
            yield Change(subject, name, old.get(name), new.get(name))


def reads_same(name: str, old: Document, new: Document) -> bool:
    """Whether a field says the same in two documents."""
    return bool(_told(name, old) == _told(name, new))


def _told(name: str, doc: Document) -> Any:
    """What a field says. A flag that is down says nothing unless an entry took it down."""
    value = doc.get(name)
    return None if value is False and name not in doc.get("provenance", {}) else said(value)


def said(value: Any) -> Any:
    """What a value says: ``None`` where that is nothing, as of null and of what is empty, alone and among others."""
    if isinstance(value, Mapping):
        value = {name: told for name, part in value.items() if (told := said(part)) is not None}
    elif isinstance(value, list | tuple):
        value = [said(one) for one in value]
    return None if value in (None, "", [], {}) else value


def supports(change: Change, old: Document, new: Document) -> list[Support]:
    """What a change has to be explained by: the entries behind each part of the field that reads otherwise."""
    match change.field:
        case "anomalies":
            return _items(old, new, change.field, lambda one: one["position"])
        case "disputes" | "disputed":
            return _items(old, new, "disputes", lambda one: one)
        case "alternatives":
            return _parts(change, old, new, lambda one: one["position"])
        case "unverified":
            return _parts(change, old, new, lambda one: one)
    names = FOLLOWS_FROM.get(change.field, (change.field,))
    return [Support(_credited(old, names), _credited(new, names))]


def _items(old: Document, new: Document, name: str, entry_of: EntryOf) -> list[Support]:
    """A list whose items name their entry: each that went, and each that came."""
    before, after = old.get(name, ()), new.get(name, ())
    went = [Support({entry_of(one)}, set()) for one in before if one not in after]
    return went + [Support(set(), {entry_of(one)}) for one in after if one not in before]


def _parts(change: Change, old: Document, new: Document, entry_of: EntryOf) -> list[Support]:
    """What is told of other fields, in lists whose items name their entry: with the entries that such a field rests on."""
    was, now = change.old or {}, change.new or {}
    return [
        Support(
            _credited(old, [name]) | {entry_of(one) for one in was.get(name, ())},
            _credited(new, [name]) | {entry_of(one) for one in now.get(name, ())},
        )
        for name in sorted(was.keys() | now.keys())
        if was.get(name) != now.get(name)
    ]


def gone(found: Iterable[Support]) -> set[int]:
    """The entries that something rested on and no longer does: they may have been struck."""
    return {one for support in found for one in support.before - support.after}


def explained(change: Change, old: Document, new: Document, between: Between) -> Change:
    """The change with the entries between that the provenance of both documents leads to; none where it does not tell."""
    here = between.entries[stream_of(change.subject)]
    found = [_set_or_struck(support, here, between.struck) for support in supports(change, old, new)]
    if change.field == "overdue" and between.days_pass and not any(found):
        found = [_credited(new, ("due",))]
    return change._replace(entries=tuple(sorted(set().union(*found))) if all(found) else ())


def stepped(change: Change, old: Document, steps: Sequence[Step]) -> Change:
    """The change with the entries at which its field came to read otherwise, on the way from the old document."""
    found: set[int] = set()
    for before, after in pairwise([Step((), old), *steps]):
        if not _stays(change, before.document, after.document):
            found.update(after.entries)
    return change._replace(entries=tuple(sorted(found)))


def stream_of(subject: str) -> str:
    """Of what a change names: a stream, or a stream and a party that has a part in it."""
    return subject.partition(" ")[0]


def _stays(change: Change, before: Document, after: Document) -> bool:
    """Whether something is disputed moves with its disputes; and what is unverified with what these fields rest on."""
    if change.field != "unverified":
        return reads_same("disputes" if change.field == "disputed" else change.field, before, after)
    fields = {*(change.old or ()), *(change.new or ())}
    return all(_credited(before, [name]) == _credited(after, [name]) for name in fields)


def _set_or_struck(support: Support, here: Collection[int], struck: Mapping[int, int]) -> set[int]:
    """Of what a field rests on, the entries that lie between; and what struck those that it no longer rests on."""
    found = {one for one in support.after if one in here}
    for one in support.before - support.after:
        while one in struck:  # what took its place may have been struck in turn
            one = struck[one]
            found.add(one)
    return found


def _credited(doc: Document, names: Collection[str]) -> set[int]:
    """The entries that some fields of a document rest on."""
    return {position for name in names for position in doc.get("provenance", {}).get(name, ())}
