"""What changed between two answers."""

from typing import Any

import pytest

from projections.diff import Change, changes


def doc(provenance: dict[str, list[int]], **fields: Any) -> dict[str, Any]:
    return {**fields, "version": len(provenance), "unknown": {}, "provenance": provenance}


def test_a_changed_field_is_told_with_the_entries_that_set_it() -> None:
    """Old value, new value and the entry responsible; what stayed is not told."""
    # given
    before = {"initiative:a": doc({"status": [1], "name": [1]}, status="reported", name="A")}
    after = {"initiative:a": doc({"status": [4], "name": [1]}, status="active", name="A")}
    # then
    assert changes(before, after) == [Change("initiative:a", "status", "reported", "active", (4,))]


def test_equal_answers_have_no_changes() -> None:
    """Nothing is told of two answers that say the same, whatever the version of the stream."""
    one = {"initiative:a": doc({"name": [1]}, name="A")}
    assert changes(one, {"initiative:a": {**one["initiative:a"], "version": 9}}) == []


def test_a_list_that_grew_names_the_new_entry_alone() -> None:
    """Of several entries that made a list, the new ones are responsible for its growth."""
    # given
    before = {"meeting:m": doc({"topics": [2]}, topics=["space"])}
    after = {"meeting:m": doc({"topics": [2, 7]}, topics=["space", "cyber"])}
    # then
    assert changes(before, after) == [Change("meeting:m", "topics", ["space"], ["space", "cyber"], (7,))]


def test_what_appeared_and_what_vanished_is_told() -> None:
    """A stream that is new has every field from nothing; one that was struck loses them."""
    # given
    there = {"milestone:m": doc({"title": [3]}, title="M", overdue=None)}
    # then
    assert changes({}, there) == [Change("milestone:m", "title", None, "M", (3,))]
    assert changes(there, {}) == [Change("milestone:m", "title", "M", None, (3,))]


def test_a_new_anomaly_names_its_own_entry() -> None:
    """An anomaly says itself which entry shows it."""
    # given
    odd = {"code": "date_order", "position": 9, "detail": "x"}
    before, after = {"agreement:a": doc({}, anomalies=[])}, {"agreement:a": doc({}, anomalies=[odd])}
    # then
    assert changes(before, after) == [Change("agreement:a", "anomalies", [], [odd], (9,))]


@pytest.mark.parametrize(
    ("old", "new"), [(False, True), (0.25, 0.5), (3, 4), ("a", "b"), (["a"], ["b"]), ({}, {"a": 1})]
)
def test_a_field_may_hold_any_value(old: Any, new: Any) -> None:
    """Whatever a field holds, true and numbers too, its change is told, and that it came and went."""
    # given
    before = {"milestone:m": doc({"share": [3]}, share=old)}
    after = {"milestone:m": doc({"share": [5]}, share=new)}
    # then
    assert changes(before, after) == [Change("milestone:m", "share", old, new, (5,))]
    assert changes({}, after) == [Change("milestone:m", "share", None, new, (5,))]
    assert changes(after, {}) == [Change("milestone:m", "share", new, None, (5,))]


def test_a_dispute_and_another_account_name_their_own_entries() -> None:
    """Who disputes a fact, and who dates it otherwise, is responsible for what is then shown beside it."""
    # given
    other = {"dates/signed": [{"value": "2024", "position": 2}, {"value": "2025", "position": 7}]}
    before = {"agreement:a": doc({}, disputed=False, disputes=[], alternatives={})}
    after = {"agreement:a": doc({}, disputed=True, disputes=[8], alternatives=other)}
    # then
    assert [(one.field, one.entries) for one in changes(before, after)] == [
        ("alternatives", (2, 7)), ("disputed", (8,)), ("disputes", (8,)),
    ]  # fmt: skip


def test_what_says_nothing_is_no_change() -> None:
    """Null, empty and a flag that is down say the same: nothing, alone and among others."""
    # given
    nothing = {"alternatives": {}, "anomalies": [], "dates": {"held": None}, "disputed": False, "overdue": None}
    # then
    assert changes({}, {"meeting:m": doc({"title": [1]}, title="M", **nothing)}) == [
        Change("meeting:m", "title", None, "M", (1,))
    ]
    assert changes({"meeting:m": doc({}, **nothing)}, {"meeting:m": doc({}, overdue=False)}) == []


def test_zero_is_something() -> None:
    """A number is told, whatever it is."""
    assert changes({}, {"milestone:m": doc({"share": [3]}, share=0)}) == [Change("milestone:m", "share", None, 0, (3,))]
