"""Where a fault is: a JSON pointer to the very field, alone, in a list, and in what takes an entry's place."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import Invalid
from ledger.vocabulary.correction import WORLD
from ledger.writing.draft import parse_json, read_body
from tests.examples import SOURCES, THX, event
from tests.minimal import FULL, MINIMAL

Place = tuple[str | int, ...]


def pointers(body: Any) -> list[str]:
    """Where a body is wrong; nowhere, if it is read."""
    try:
        read_body(body)
    except Invalid as error:
        return [fault.pointer for fault in error.faults]
    return []


def scalars(value: Any, at: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Each text and number in an event, and its place."""
    if isinstance(value, dict | list):
        for name, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from scalars(one, (*at, name))
    else:
        yield at, value


def changed(value: Any, at: Place, to: Any) -> Any:
    """The event with another value at a place."""
    if not at:
        return to
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = changed(value[at[0]], at[1:], to)
    return copy


def pointer(at: Place) -> str:
    return "".join(f"/{part}" for part in at)


def superseded(told: dict[str, Any]) -> dict[str, Any]:
    """A correction that puts a fact in an entry's place."""
    replacement = {name: value for name, value in told.items() if name not in ("id", "subject", "expected_version")}
    correction: dict[str, Any] = {"target": 1, "reason_code": "wrong_date", "reason": "R", "replacement": replacement}
    return event("entry.superseded", told["subject"], **correction)


def test_a_value_of_another_type_is_pointed_at(subtests: pytest.Subtests) -> None:
    """A boolean or a number for a text, a boolean for a number: refused at that very field, in every type of event, in a list
    of events, and in a replacement."""
    for type_, told in FULL.items():
        with subtests.test(type_):
            for at, value in scalars(told):
                for wrong in (True, 5.5) if isinstance(value, str) else (True, False):
                    bad, place = changed(told, at, wrong), pointer(at)
                    assert {*pointers(bad)} == {place}, (type_, wrong)
                    assert {*pointers({"events": [THX, THX, THX, bad]})} == {f"/events/3{place}"}
                    if type_ in WORLD and at[0] not in ("subject", "id", "type"):
                        assert {*pointers(superseded(bad))} == {f"/data/replacement{place}"}


def test_what_is_missing_is_pointed_at_in_a_replacement_too(subtests: pytest.Subtests) -> None:
    """Whatever a fact lacks or has too much, it is told alike of the fact by itself and of the fact in an entry's place."""
    for type_ in WORLD:
        told = MINIMAL[type_]
        with subtests.test(type_):
            for name in (*told["data"], "sources"):
                bad = told | {"data": {one: told["data"][one] for one in told["data"] if one != name}}
                bad |= {"sources": [] if name == "sources" else SOURCES}
                assert pointers(superseded(bad)) == [f"/data/replacement{place}" for place in pointers(bad)]
            for name in ("colour", "", "a/b", "a~b"):
                escaped = name.replace("~", "~0").replace("/", "~1")
                bad = told | {"data": told["data"] | {name: 1}}
                assert pointers(bad) == [f"/data/{escaped}"]
                assert pointers(superseded(bad)) == [f"/data/replacement/data/{escaped}"]


def test_a_field_without_a_name_is_told_from_the_event_itself() -> None:
    """The pointer "/" leads to a field whose name is empty, and "" to the whole."""
    assert pointers(THX | {"": 1}) == ["/"]
    assert pointers([]) == [""]
    with pytest.raises(Invalid, match=r"^the event itself: this is no JSON object"):
        read_body([])


NAMES = st.text(st.sampled_from('ab/~é\u0301\n"\\ '), max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def objects(value: Any, at: Place = ()) -> Iterator[Place]:
    if isinstance(value, dict | list):
        yield from [at] if isinstance(value, dict) and value else []
        for name, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from objects(one, (*at, name))


def repeating(value: Any, at: Place, name: str) -> str:
    """The JSON text of a value, in which the object at a place says one of its fields twice."""
    if isinstance(value, dict):
        fields = [
            f"{json.dumps(one)}: {repeating(inner, at[1:] if at[:1] == (one,) else (None,), name)}"  # type: ignore[arg-type]
            for one, inner in value.items()
        ]
        return "{" + ", ".join(fields + ([f"{json.dumps(name)}: 1"] if at == () else [])) + "}"
    if isinstance(value, list):
        inner = [
            repeating(one, at[1:] if at[:1] == (number,) else (None,), name)  # type: ignore[arg-type]
            for number, one in enumerate(value)
        ]
        return "[" + ", ".join(inner) + "]"
    return json.dumps(value)


@given(VALUES.filter(lambda value: bool([*objects(value)])), st.data())
@settings(deadline=None, max_examples=100)
def test_a_field_that_is_said_twice_is_pointed_at(value: Any, data: st.DataObject) -> None:
    """Anywhere in a body: JSON that says one field of an object twice is refused at that field, and nothing else is."""
    at = data.draw(st.sampled_from([*objects(value)]))
    inside: Any = value
    for part in at:
        inside = inside[part]
    name = data.draw(st.sampled_from(sorted(inside)))
    with pytest.raises(Invalid) as error:
        parse_json(repeating(value, at, name))
    escaped = [str(part).replace("~", "~0").replace("/", "~1") for part in (*at, name)]
    assert [(fault.pointer, fault.code) for fault in error.value.faults] == [
        (pointer(tuple(escaped)), "repeated_field")
    ]
    assert parse_json(json.dumps(value)) == value


def test_escapes_do_not_hide_a_field_that_is_said_twice() -> None:
    """Fields are compared as they are read, not as they are written; each one is told."""
    with pytest.raises(Invalid) as error:
        parse_json(r'{"events": [{"type": "a", "\u0074ype": "b", "x": 1, "x": 2}, {"data": {"n": 1e400, "n": {}}}]}')
    assert [fault.pointer for fault in error.value.faults] == ["/events/0/type", "/events/0/x", "/events/1/data/n"]


@pytest.mark.parametrize("rest", ["", "]", "[" * 100_000, " 01}", ' "\\ud800"}'])
def test_what_is_no_json_is_that_first_of_all(rest: str) -> None:
    """Where a body repeats a field and then breaks off, or is nested too deep, it is no JSON."""
    with pytest.raises(Invalid) as error:
        parse_json(f'{{"a": 1, "a": {rest}')
    assert error.value.faults[0].code == "json"
