"""From what was filled in to the event, and back. Pure.

What is left empty says nothing, and a row of a list in which nothing is filled in is none. So the pointers of what is wrong in
the event are those of the fields of the form, when it is shown again.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from api.pages.forms.fields import Choice, Date, Field, Fixed, Group, Many, Number, Ref, Section, Shape, Text
from ledger.vocabulary.fact import SLUG

Given = Mapping[str, Sequence[str]]
"""The values of a form, by the names of its fields."""
WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)
DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
NAME = re.compile(SLUG, re.ASCII)
MAX_ROWS = 1_000


def read(sections: Sequence[Section], given: Given) -> dict[str, Any]:
    """The event, as far as the form tells it."""
    event: dict[str, Any] = {}
    for section in sections:
        found = _group(section.fields, section.at, given)
        if section.at:
            event.setdefault(section.at[1:], {}).update(found)
        else:
            event |= found
    return event


def _group(fields: Sequence[Field], at: str, given: Given) -> dict[str, Any]:
    values = {field.name: _value(field.shape, f"{at}/{field.name}", given) for field in fields}
    return {name: value for name, value in values.items() if value is not None}


def _value(shape: Shape, at: str, given: Given) -> Any:
    """None where nothing is filled in."""
    match shape:
        case Fixed(value):
            return value
        case Group(fields, always):
            found = _group(fields, at, given)
            return found if found or always else None
        case Many(Choice()):
            rows = [_text(f"{at}/{row}", given) for row in _rows(at, given)]
            return [one for one in (*given.get(at, ()), *rows) if one] or None
        case Many(item):
            values = [_value(item, f"{at}/{row}", given) for row in _rows(at, given)]
            return [one for one in values if one is not None] or None
        case Text(is_long=True):
            text = _text(at, given).replace("\r\n", "\n")
            return text if text.strip() else None
        case Number(is_whole=is_whole):
            return _number(_text(at, given).strip(), is_whole=is_whole)
        case Ref(kinds, may_differ):
            return _ref(_text(at, given).strip(), kinds, may_differ=may_differ)
        case Text() | Date() | Choice():
            return _text(at, given).strip() or None


def _text(at: str, given: Given) -> str:
    return next(iter(given.get(at, ())), "")


def _rows(at: str, given: Given) -> list[int]:
    """The numbers of the rows that there are."""
    begins = f"{at}/"
    found = {name[len(begins) :].partition("/")[0] for name in given if name.startswith(begins)}
    return sorted(int(one) for one in found if one.isascii() and one.isdigit() and len(one) < 5)[:MAX_ROWS]


def _number(text: str, *, is_whole: bool) -> int | float | str | None:
    """What is no number stays as it is: the ledger says what is wrong with it."""
    if WHOLE.fullmatch(text):
        return int(text)
    return float(text) if DECIMAL.fullmatch(text) and not is_whole else text or None


def _ref(text: str, kinds: Sequence[str], *, may_differ: bool) -> str | None:
    """Of one kind the name alone is understood."""
    bare = len(kinds) == 1 and not may_differ and NAME.fullmatch(text)
    return f"{kinds[0]}:{text}" if bare else text or None


def flat(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Each text in an event with the name of the field that it fills in; codes that are ticked share one."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from flat(one, f"{at}/{name}")
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from flat(one, f"{at}/{number}")
    elif value is not None:
        yield at, str(value)


def by_name(value: Any) -> Any:
    """What an entry says as it would be filled in: each person by name, where that may be shown."""
    if isinstance(value, Mapping):
        if "commitment" in value and "pointer" in value:
            return value.get("name")
        return {name: by_name(one) for name, one in value.items()}
    return [by_name(one) for one in value] if isinstance(value, list | tuple) else value


def is_unnamed(value: Any) -> bool:
    """Whether a person stands in it whose name is not shown."""
    if isinstance(value, Mapping):
        here = "commitment" in value and "pointer" in value and "name" not in value
        return here or any(map(is_unnamed, value.values()))
    return isinstance(value, list) and any(map(is_unnamed, value))


def anchors(sections: Sequence[Section], event: Mapping[str, Any]) -> set[str]:
    """The pointers at which the form shows something."""
    found: set[str] = set()
    for section in sections:
        at = event.get(section.at[1:], {}) if section.at else event
        found |= {
            pointer
            for field in section.fields
            for pointer in _anchors(field.shape, f"{section.at}/{field.name}", at.get(field.name))
        }
    return found


def _anchors(shape: Shape, at: str, value: Any) -> Iterator[str]:
    yield at
    if isinstance(shape, Group):
        for field in shape.fields:
            yield from _anchors(field.shape, f"{at}/{field.name}", (value or {}).get(field.name))
    elif isinstance(shape, Many) and not isinstance(shape.item, Choice):
        for number, one in enumerate(value or [None]):
            yield from _anchors(shape.item, f"{at}/{number}", one)


def nearest(pointer: str, known: set[str]) -> str:
    """Of what the form shows that which holds what a pointer names; nothing where that is the event itself."""
    while pointer and pointer not in known:
        pointer = pointer.rpartition("/")[0]
    return pointer
