"""Corrections are about the record, not about the world: what may be corrected, how often, and what then counts."""

from datetime import date
from itertools import product
from typing import Any

import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

from ledger.errors import Refused
from ledger.fold import History
from tests.examples import event
from tests.minimal import FULL, MINIMAL, PERSON, SUBJECTS, Stream, entry_id, given, opener, own, world_types
from tests.test_admission import flagged, refused

BRIDGE = "initiative:bridge"
REPORTED = MINIMAL["initiative.reported"] | {"occurred": "2010"}
LAUNCHED = MINIMAL["initiative.launched"] | {"occurred": "2012"}


def voided(target: int | str, subject: str = BRIDGE, **more: Any) -> dict[str, Any]:
    return event("entry.voided", subject, target=target, reason_code="test_entry", reason="A rehearsal", **more)


def superseded(target: int | str, instead: dict[str, Any], subject: str = BRIDGE, **more: Any) -> dict[str, Any]:
    """Another event, as it is posted, takes the target's place."""
    replacement = {name: value for name, value in instead.items() if name not in ("id", "subject")}
    correction: dict[str, Any] = {
        "target": target,
        "reason_code": "better_source",
        "reason": "It was wrong",
        "replacement": replacement,
    }
    return event("entry.superseded", subject, **correction, **more)


def other(type_: str, target: int | str) -> dict[str, Any]:
    return MINIMAL[type_] | {"data": MINIMAL[type_]["data"] | {"target": target}}


def lives(stream: Stream) -> list[tuple[str, int]]:
    return [(live.fact.short_type, live.position) for live in stream.history.lives]


def test_void() -> None:
    """A voided entry counts for nothing and stays readable; all others count as before."""
    stream = given(REPORTED, LAUNCHED, MINIMAL["initiative.objective_stated"] | {"occurred": "2013"})
    assert flagged(stream, voided(102)) == []
    assert lives(stream) == [("reported", 101), ("objective_stated", 103)]
    assert stream.status() == "reported"
    assert stream.at("2014-01-01").fields["objectives"]
    found = stream.history.find(102)
    assert found is not None
    assert found.fact.short_type == "launched"
    assert stream.history.struck == {102: 104}


def test_supersede() -> None:
    """The replacement takes the entry's place, with its own date; provenance names the entry that says so now."""
    stream = given(REPORTED, LAUNCHED)
    assert flagged(stream, superseded(102, LAUNCHED | {"occurred": "2015"})) == []
    assert stream.status("2014-01-01") == "reported"
    assert stream.status("2016-01-01") == "active"
    assert lives(stream) == [("reported", 101), ("launched", 103)]
    assert stream.at("2016-01-01").provenance["kind"] == (103,)
    assert stream.at("2016-01-01").fields["dates"]["launched"] == "2015"


def test_replacement_has_the_place_of_its_target() -> None:
    """Among facts of one day the replacement stands where its target stood, not where it was recorded."""
    stated = [event("initiative.objective_stated", BRIDGE, "2012", text=text) for text in ("first", "second", "third")]
    stream = given(REPORTED, *stated)
    stream.append(superseded(103, stated[1] | {"data": {"text": "the second, rightly"}}))
    texts = [one["text"] for one in stream.at("2013-01-01").fields["objectives"]]
    assert texts == ["first", "the second, rightly", "third"]


def test_undated_replacement_counts_from_the_first_record() -> None:
    """An undated replacement of an undated fact counts from the day on which its target was recorded."""
    stream = given(REPORTED)
    undated = {name: value for name, value in LAUNCHED.items() if name != "occurred"}
    stream.append(undated, date(2020, 1, 1))
    stream.append(superseded(102, undated | {"note": "So it says"}), date(2024, 1, 1))
    assert stream.status("2019-12-31") == "reported"
    assert stream.status("2020-01-01") == "active"


def test_replacement_of_a_plan_that_came_true() -> None:
    """What was announced and is corrected once it happened counts from when it happened, not from the announcement."""
    stream = given(REPORTED)
    announced = LAUNCHED | {"occurred": "2024-12-31"}
    assert [anomaly.code for anomaly in stream.append(announced, date(2024, 6, 1))] == ["future_act"]
    assert stream.append(superseded(102, LAUNCHED | {"occurred": "2024-08-20"}), date(2024, 9, 10)) == []
    assert stream.status("2024-08-19") == "reported"
    assert stream.status("2024-08-20") == "active"


def test_target_is_in_this_stream_and_earlier(subtests: pytest.Subtests) -> None:
    """A correction of what is not in its stream, or not yet, is refused; so is one of itself."""
    types = ("entry.voided", "entry.superseded", "entry.annotated", "entry.disputed")
    targets: tuple[int | str, ...] = (100, 103, 7, entry_id(100), entry_id(103))
    for type_, target in product(types, targets):
        with subtests.test(f"{type_} of {target}"):
            stream = given(REPORTED, LAUNCHED)
            assert refused(stream, other(type_, target) | {"id": entry_id(103)}) == "unknown_target"
            assert flagged(stream, other(type_, 102)) == []


def test_one_strike_each(subtests: pytest.Subtests) -> None:
    """An entry is voided or superseded once; the second attempt is told which entry was the first, and what to do."""
    strikes = ("entry.voided", "entry.superseded")
    for first, second, by_id in product(strikes, strikes, (False, True)):
        with subtests.test(f"{first}, {second}", by_id=by_id):
            stream = given(REPORTED, LAUNCHED, other(first, 102), other("entry.annotated", 102))
            advice = "correct that one" if first == "entry.superseded" else "record the fact again"
            with pytest.raises(Refused, match=f"entry 103: {advice}") as error:
                stream.append(other(second, entry_id(102) if by_id else 102))
            assert error.value.rule == "already_corrected"
            assert refused(stream, other(second, 102)) == "already_corrected"
            stream.append(other(second, 101))
            assert stream.history.struck == {102: 103, 101: 105}


def test_one_strike_within_a_request() -> None:
    """Of two corrections of one entry decided together, the second sees the first."""
    stream = given(REPORTED, LAUNCHED)
    stream.append(voided(entry_id(102)))
    assert refused(stream, voided(102)) == "already_corrected"
    assert refused(stream, voided(entry_id(102))) == "already_corrected"


def test_chain() -> None:
    """A chain is corrected at its head, as often as need be; its place stays that of the first entry."""
    stream = given(REPORTED, LAUNCHED)
    for number, year in enumerate(["2013", "2014", "2015"], 102):
        assert flagged(stream, superseded(number, LAUNCHED | {"occurred": year})) == []
    assert lives(stream) == [("reported", 101), ("launched", 105)]
    assert stream.history.lives[1].root == 102
    assert stream.history.struck == {102: 103, 103: 104, 104: 105}
    for old in (102, 103, 104):
        assert refused(stream, superseded(old, LAUNCHED)) == "already_corrected"
    assert [stream.status(f"{year}-12-31") for year in (2014, 2015)] == ["reported", "active"]


@pytest.mark.parametrize("correction", ["voided", "superseded", "annotated", "disputed", "dispute_resolved"])
def test_corrections_stand(correction: str) -> None:
    """A correction can be neither voided nor superseded, but for the head of a chain, which is the fact that counts."""
    stream = given(REPORTED, LAUNCHED)
    if correction == "dispute_resolved":
        stream.append(other("entry.disputed", 102))
    stream.append(other(f"entry.{correction}", 102))
    if correction == "superseded":
        assert flagged(stream, superseded(stream.position, LAUNCHED)) == []
        assert flagged(stream, voided(stream.position)) == []
        assert lives(stream) == [("reported", 101)]
    else:
        assert refused(stream, voided(stream.position)) == "correction_stands"
        assert refused(stream, superseded(stream.position, LAUNCHED)) == "correction_stands"


def test_recorded_again() -> None:
    """What was voided by mistake is recorded again, and counts as if it had never been struck."""
    stream = given(REPORTED, LAUNCHED, voided(102))
    assert flagged(stream, LAUNCHED) == []
    assert stream.status() == "active"
    assert lives(stream) == [("reported", 101), ("launched", 104)]


def test_replacements_stay_in_their_kind() -> None:
    """A fact of another kind takes no place in the stream."""
    stream = given(REPORTED, LAUNCHED)
    assert refused(stream, superseded(102, MINIMAL["agreement.signed"])) == "wrong_kind"
    assert refused(stream, superseded(102, MINIMAL["party.described"])) == "wrong_kind"


def test_replacements_open_where_they_must() -> None:
    """The fact that opens a stream is not replaced by one that cannot; another opening fact, or a second, will do."""
    stream = given(REPORTED)
    assert refused(stream, superseded(101, MINIMAL["initiative.described"])) == "cannot_open"
    assert flagged(stream, superseded(101, LAUNCHED)) == []
    assert stream.status() == "active"
    both = given(REPORTED, LAUNCHED)
    assert flagged(both, superseded(101, MINIMAL["initiative.described"])) == []


def test_replacements_repeat_no_act() -> None:
    """A replacement that would be the same one-time act a second time is flagged, as the act itself would be."""
    stream = given(REPORTED, LAUNCHED, MINIMAL["initiative.objective_stated"] | {"occurred": "2013"})
    assert flagged(stream, superseded(103, LAUNCHED | {"occurred": "2014"})) == ["repeated_act"]
    assert flagged(stream, superseded(102, LAUNCHED | {"occurred": "2014"})) == ["duplicate_suspect"]


def test_void_of_what_reopened() -> None:
    """A mistaken reopening can be voided though facts followed it; they are flagged, and the end stands."""
    stream = given(
        REPORTED,
        LAUNCHED,
        MINIMAL["initiative.closed"] | {"occurred": "2014"},
        MINIMAL["initiative.reopened"] | {"occurred": "2015"},
        MINIMAL["initiative.objective_stated"] | {"occurred": "2016"},
    )
    assert stream.status("2017-01-01") == "active"
    stream.append(voided(104))
    assert stream.status("2017-01-01") == "closed"
    assert stream.codes("2017-01-01") == ["after_end"]


def test_disputes() -> None:
    """A disputed entry counts and is shown as disputed from its day on, until all is resolved; others are not."""
    stream = given(REPORTED, LAUNCHED)
    stream.append(other("entry.disputed", 102))
    stream.append(other("entry.disputed", 102))
    assert stream.status() == "active"
    assert stream.shown("2013-01-01")["disputed"] is True
    assert stream.shown("2013-01-01")["disputes"] == [103, 104]
    assert stream.shown("2011-01-01")["disputed"] is False
    assert refused(stream, other("entry.dispute_resolved", 101)) == "no_open_dispute"
    stream.append(other("entry.dispute_resolved", entry_id(102)))
    assert stream.shown("2013-01-01")["disputed"] is False
    assert refused(stream, other("entry.dispute_resolved", 102)) == "no_open_dispute"


def test_remarks() -> None:
    """A remark changes nothing but the version."""
    stream = given(REPORTED, LAUNCHED)
    before = stream.shown()
    stream.append(other("entry.annotated", 102))
    assert stream.shown() == before
    assert stream.history.version == 3


def test_corrections_after_the_end() -> None:
    """The end of a stream ends no correction of its record."""
    stream = given(REPORTED, LAUNCHED, MINIMAL["initiative.closed"] | {"occurred": "2014"})
    assert flagged(stream, superseded(102, LAUNCHED | {"occurred": "2011"})) == []
    assert flagged(stream, voided(103)) == []
    assert stream.status() == "active"
    assert flagged(stream, MINIMAL["initiative.suspended"] | {"occurred": "2016"}) == []


def test_every_fact_can_take_a_place(subtests: pytest.Subtests) -> None:
    """Any fact can be the replacement of one of its kind, and reads back from the line as it was given."""
    for type_ in (type_ for type_ in FULL if not type_.startswith("entry.")):
        with subtests.test(type_):
            kind = type_.partition(".")[0]
            subject = SUBJECTS[kind]
            for example in (MINIMAL[type_], FULL[type_]):
                stream = given(opener(type_), MINIMAL[f"{kind}.described"])
                if type_ in ("source.registered", "party.registered"):
                    stream.append(superseded(101, example, subject))
                else:
                    stream.append(superseded(102, example, subject))
                live = next(live for live in stream.history.lives if live.position == 103)
                assert live.fact.type == type_
                given_names = set(example["data"])
                assert set(own(live.fact)) == given_names
                again = given(opener(type_)) if "registered" not in type_ or kind == "agreement" else Stream(subject)
                again.append(example)
                assert set(own(again.history.lives[-1].fact)) == given_names


def test_persons_in_a_replacement() -> None:
    """A replacement keeps persons out of the line as any fact does."""
    held = event("meeting.held", "meeting:talks", "2020", title="Talks", participants=[{"person": PERSON}])
    stream = given(MINIMAL["meeting.proposed"] | {"occurred": "2019"}, MINIMAL["meeting.held"])
    stream.append(superseded(102, held, "meeting:talks"))
    [participant] = stream.at("2021-01-01").fields["participants"]
    assert participant["person"].keys() == {"commitment", "entry", "pointer"}
    [disclosure] = stream.disclosures[entry_id(103)]
    assert disclosure.value == PERSON
    assert disclosure.pointer == "/data/replacement/data/participants/0/person" == participant["person"]["pointer"]


ACTS = sorted(set(world_types("initiative")) - {"initiative.reported"})


@given_any(st.lists(st.tuples(st.sampled_from(ACTS), st.integers(2011, 2024)), max_size=6), st.data())
@settings(deadline=None, max_examples=60)
def test_void_is_as_if_never_recorded(acts: list[tuple[str, int]], data: st.DataObject) -> None:
    """After a void the states are those of a history in which the entry never stood."""
    stream = given(REPORTED)
    for type_, year in acts:
        try:
            stream.append(MINIMAL[type_] | {"occurred": str(year)})
        except Refused:
            continue
    target = data.draw(st.sampled_from(sorted(stream.history.recorded)))
    stream.append(voided(target))
    without = History.of(BRIDGE)
    for position, entry in stream.history.recorded.items():
        if position not in (target, stream.position):
            without.record(entry, stream.openings)
    shown = [(one.valid_from, one.valid_to, one.state) for one in stream.segments()]
    stream.history = without
    assert shown == [(one.valid_from, one.valid_to, one.state) for one in stream.segments()]


@given_any(st.sampled_from(ACTS), st.integers(2011, 2024), st.integers(2011, 2024))
@settings(deadline=None, max_examples=60)
def test_supersede_is_as_if_recorded_so(type_: str, wrong: int, right: int) -> None:
    """After a correction the statuses are those of a history that had the replacement from the first."""
    wrongly, rightly = given(REPORTED), given(REPORTED)
    wrongly.append(MINIMAL[type_] | {"occurred": str(wrong)})
    wrongly.append(superseded(102, MINIMAL[type_] | {"occurred": str(right)}))
    rightly.append(MINIMAL[type_] | {"occurred": str(right)})
    assert [(one.valid_from, one.state.status, one.state.fields.keys()) for one in wrongly.segments()] == [
        (one.valid_from, one.state.status, one.state.fields.keys()) for one in rightly.segments()
    ]
