"""The states of a stream over valid time, and the document that shows one."""

import json
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

from ledger.recorded import Recorded
from ledger.vocabulary.kinds.milestone import MILESTONE
from ledger.vocabulary.registry import KINDS
from ledger.vocabulary.state import MAIN
from projections.deltas import unknown
from projections.segments import END, document, kind_of, segments
from tests.examples import event
from tests.minimal import FULL, MINIMAL, SUBJECTS, given, opener
from tests.test_history import history, logs

BRIDGE = "initiative:bridge"
ROOF = "milestone:roof"


@given_any(logs())
@settings(deadline=None, max_examples=80)
def test_segments_tile_time(entries: list[Recorded]) -> None:
    """The states of a lane follow each other without gap or overlap, none of them empty, and the last has no end."""
    built = history(entries[0].fact.type.partition(".")[0], entries)
    for lane, steps in built.lanes.items():
        parts = segments(kind_of(built.kind, lane), steps)
        assert all(one.valid_from < one.valid_to for one in parts)
        assert all(one.valid_to == two.valid_from for one, two in pairwise(parts))
        assert not parts or parts[-1].valid_to == END
        assert all(one.state.status is not None for one in parts)
        days = {step.state.now.day for step in steps if step.state.status is not None}
        assert {one.valid_from for one in parts} >= days


@given_any(logs())
@settings(deadline=None, max_examples=80)
def test_documents(entries: list[Recorded]) -> None:
    """Every state shows as one JSON object; what it rests on are entries that there are, and that still count."""
    built = history(entries[0].fact.type.partition(".")[0], entries)
    live = {one.position for one in built.lives}
    for lane, steps in built.lanes.items():
        for segment in segments(kind_of(built.kind, lane), steps):
            shown = json.loads(document(kind_of(built.kind, lane), segment))
            assert b"\n" not in document(kind_of(built.kind, lane), segment)
            assert shown["status"] in kind_of(built.kind, lane).statuses
            assert all(set(positions) <= live and positions for positions in shown["provenance"].values())
            assert set(shown["provenance"]) == {"status", *segment.state.fields, *shown.get("derived", ())}
            assert {one["position"] for one in shown["anomalies"]} <= live
            assert set(shown["disputes"]) <= built.recorded.keys()
            assert shown["disputed"] == bool(shown["disputes"])
            for name, value in shown.items():
                assert (value is None) == (shown["unknown"].get(name) == "not_stated")
            told = {one["position"] for both in shown["alternatives"].values() for one in both}
            assert told <= live
            assert ("overdue" in shown) == (built.kind.name == "milestone")


def test_no_state_before_the_opening() -> None:
    """Before the first fact there is nothing, and of an unknown stream there is nothing at all."""
    stream = given(MINIMAL["initiative.reported"])
    assert stream.status("2024-09-09") is None
    assert stream.status("2024-09-10") == "reported"
    assert segments(MILESTONE, []) == []


@pytest.mark.parametrize("effective", ["9999-12-31", "Y20240"])
def test_at_the_edge_of_the_calendar(effective: str) -> None:
    """What takes effect on the calendar's last day, or after it, makes no empty state."""
    stream = given(MINIMAL["initiative.reported"])
    stream.append(
        event("initiative.launched", BRIDGE, "2024-09-11", effective=effective, name="A bridge", kind="other")
    )
    assert all(one.valid_from < one.valid_to for one in stream.segments())
    assert stream.status("9999-12-30") == "reported"


def test_one_state_for_each_day() -> None:
    """Of several facts of a day only what they come to is a state."""
    stream = given(
        event("agreement.mentioned", "agreement:pact", "2020-01-01", title="A pact"),
        event("agreement.signed", "agreement:pact", "2020-01-01", signatories=[{"party": "party:usa"}]),
        event("agreement.entered_into_force", "agreement:pact", "2020-01-01"),
        event("agreement.amended", "agreement:pact", "2020-01-02", text="Article 3 reads anew"),
    )
    assert [(str(one.valid_from), one.state.status) for one in stream.segments()] == [
        ("2020-01-01", "in_force"),
        ("2020-01-02", "in_force"),
    ]


def due(day: str, occurred: str = "2024-01-01") -> dict[str, Any]:
    return event("milestone.scheduled", ROOF, occurred, due=day)


@pytest.mark.parametrize(
    ("text", "first_late_day"),
    [
        ("2024-06-30", "2024-07-01"),
        ("2024-06", "2024-07-01"),
        ("2024", "2025-01-01"),
        ("2024-06?", "2024-07-01"),
        ("2024-06-01/2024-06-15", "2024-06-16"),
        ("../2024-06", "2024-07-01"),
    ],
)
def test_overdue(text: str, first_late_day: str) -> None:
    """A scheduled milestone is overdue from the day after the last that its date allows, without any fact."""
    stream = given(due(text))
    before, after = stream.segments()
    assert str(before.valid_to) == str(after.valid_from) == first_late_day
    assert (before.overdue, after.overdue) == (False, True)
    assert stream.shown(first_late_day)["overdue"] is True
    assert stream.shown(first_late_day)["status"] == "scheduled"
    assert stream.shown("2024-01-01")["overdue"] is False


@pytest.mark.parametrize("text", ["2024/..", "2024/", "../..", "Y20240"])
def test_never_overdue(text: str) -> None:
    """What has no last day is never overdue."""
    assert [one.overdue for one in given(due(text)).segments()] == [False]


def test_overdue_from_the_start() -> None:
    """A milestone scheduled for a day that was over is overdue at once."""
    assert [one.overdue for one in given(due("2023-12-31")).segments()] == [True]
    assert [one.overdue for one in given(due("-0044-03-15")).segments()] == [True]


@pytest.mark.parametrize(
    "type_", ["milestone.met", "milestone.not_met", "milestone.partially_met", "milestone.withdrawn"]
)
def test_overdue_until_it_is_settled(type_: str) -> None:
    """A milestone that is met, or found not to be, or withdrawn is no longer overdue; in time it never was."""
    late = given(due("2024-06"), MINIMAL[type_] | {"occurred": "2024-09-01"})
    assert [(str(one.valid_from), one.overdue) for one in late.segments()] == [
        ("2024-01-01", False), ("2024-07-01", True), ("2024-09-01", False),
    ]  # fmt: skip
    in_time = given(due("2024-06"), MINIMAL[type_] | {"occurred": "2024-06-30"})
    assert [one.overdue for one in in_time.segments()] == [False, False]


def test_overdue_and_put_off() -> None:
    """A new date ends being overdue, until that date is over too."""
    stream = given(due("2024-06"), event("milestone.rescheduled", ROOF, "2024-08-01", due="2024-12"))
    assert [(str(one.valid_from), one.overdue) for one in stream.segments()] == [
        ("2024-01-01", False), ("2024-07-01", True), ("2024-08-01", False), ("2025-01-01", True),
    ]  # fmt: skip


def test_overdue_while_described() -> None:
    """A description in between changes nothing of being overdue."""
    stream = given(due("2024-06"), event("milestone.described", ROOF, "2024-08-01", title="The roof"))
    assert [one.overdue for one in stream.segments()] == [False, True, True]


@given_any(st.dates(date(2020, 1, 1), date(2024, 12, 31)), st.dates(date(2020, 1, 1), date(2024, 12, 31)))
@settings(deadline=None, max_examples=40)
def test_overdue_on_each_day(scheduled: date, last: date) -> None:
    """On any day a milestone is overdue exactly if it is scheduled then and its last day is before that day."""
    stream = given(due(last.isoformat(), scheduled.isoformat()))
    for day in {scheduled, last, last + timedelta(days=1), date(2025, 5, 5)}:
        if day >= scheduled:
            assert stream.shown(day.isoformat())["overdue"] == (last < day)
        else:
            assert stream.status(day.isoformat()) is None


def test_unknown_says_why() -> None:
    """A field is a value, or null with the reason; an act without a date is told from an act that did not happen."""
    signed = event("agreement.signed", "agreement:pact", None, signatories=[{"party": "party:usa"}], title="A pact")
    stream = given(event("agreement.mentioned", "agreement:pact", "2020", ambit="bilateral", title="A pact"), signed)
    shown = stream.shown()
    assert shown["binding"] is None
    assert shown["unknown"]["binding"] == "not_stated"
    assert shown["ambit"] == "bilateral"
    assert "ambit" not in shown["unknown"]
    assert shown["dates"] == {"signed": None}
    assert shown["unknown"]["dates/signed"] == "undated"
    assert "dates/entered_into_force" not in shown["unknown"]


def test_unknown_of_plain_fields() -> None:
    """Only null is unknown: what is false, empty or nought is a value."""
    fields: dict[str, Any] = {
        "a": None,
        "b": False,
        "c": "",
        "d": 0,
        "e": [],
        "dates": {"met": None, "scheduled": "2024"},
    }
    assert unknown(fields) == {"a": "not_stated", "dates/met": "undated"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_shown(kind: str) -> None:
    """A state shows each field of its kind, given or not, and a fully told one shows what it was told."""
    bare = given(opener(f"{kind}.described")).shown()
    assert set(KINDS[kind].fields) <= set(bare)
    assert {"status", "dates", "unknown", "alternatives", "anomalies", "disputed", "disputes", "provenance"} <= set(
        bare
    )
    stream = given(opener(f"{kind}.described"))
    stream.append(FULL[f"{kind}.described"])
    told = FULL[f"{kind}.described"]["data"]
    shown = stream.shown()
    assert {name for name in told if shown.get(name) is None} == set()
    assert all(shown["provenance"][name] for name in told)


def test_provenance_of_dates() -> None:
    """The dates of acts name every entry that gave one of them, not only the last."""
    stream = given(
        event("agreement.signed", "agreement:pact", "2020-01-01", signatories=[{"party": "party:usa"}]),
        event("agreement.amended", "agreement:pact", "2020-05-01", text="Article 3 reads anew"),
        event("agreement.entered_into_force", "agreement:pact", "2020-06-01", effective="2020-07-01"),
    )
    assert stream.shown()["dates"] == {"signed": "2020-01-01", "entered_into_force": "2020-06-01"}
    assert stream.shown()["provenance"]["dates"] == [101, 103]
    assert stream.shown()["provenance"]["effective"] == [103]


def test_kind_of_a_lane() -> None:
    """A party's part in an agreement is shown as what it is, without the instrument's fields."""
    stream = given(MINIMAL["agreement.consented"])
    shown = stream.shown(lane="party:ind")
    assert shown["status"] == "bound"
    assert "title" not in shown
    assert kind_of(KINDS["agreement"], MAIN) is KINDS["agreement"]
    assert stream.shown()["status"] == "mentioned"
    assert stream.subject == SUBJECTS["agreement"]
