"""What is accepted, what is accepted and flagged, and what is refused by which rule."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

from ledger.errors import Refused
from ledger.recorded import Opening
from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.registry import FACTS
from tests.examples import SOURCES, event
from tests.minimal import FULL, MINIMAL, NEEDED, PERSON, SUBJECTS, TODAY, Stream, given, opener, own, world_types

# VOCABULARY.md lists these, and says with dots that there are more of their sort.
OPENERS = {
    "source.registered", "party.registered", "initiative.reported", "initiative.launched", "agreement.mentioned",
    "agreement.negotiation_opened", "agreement.adopted", "agreement.signed", "agreement.consented",
    "agreement.provisionally_applied", "agreement.entered_into_force", "meeting.proposed", "meeting.scheduled",
    "milestone.reported", "milestone.scheduled", "meeting.held", "milestone.met", "agreement.terminated",
}  # fmt: skip
MORE_OPENERS = {"agreement.expired", "milestone.partially_met", "milestone.not_met"}

# What leads to each end, on an open stream.
ENDS = {
    "source": {"retracted": ["source.retracted"]},
    "party": {"succeeded": ["party.succeeded"], "dissolved": ["party.dissolved"]},
    "initiative": {
        "closed": ["initiative.launched", "initiative.closed"],
        "cancelled": ["initiative.launched", "initiative.cancelled"],
    },
    "agreement": {
        "abandoned": ["agreement.negotiation_opened", "agreement.negotiation_abandoned"],
        "terminated": ["agreement.entered_into_force", "agreement.terminated"],
        "expired": ["agreement.entered_into_force", "agreement.expired"],
        "superseded": ["agreement.entered_into_force", "agreement.superseded"],
    },
    "meeting": {"cancelled": ["meeting.scheduled", "meeting.cancelled"]},
    "milestone": {
        "met": ["milestone.scheduled", "milestone.met"],
        "notMet": ["milestone.scheduled", "milestone.not_met"],
        "withdrawn": ["milestone.scheduled", "milestone.withdrawn"],
    },
}
EVERY_END = [(kind, status, type_) for kind, ends in ENDS.items() for status in ends for type_ in world_types(kind)]
"""Each fact of a kind with each of its ends."""
AFTER_THE_END = {
    "source.described", "party.restored", "party.described", "initiative.reported", "initiative.reopened",
    "initiative.related", "initiative.described", "agreement.mentioned", "agreement.revived", "agreement.related",
    "agreement.described", "meeting.reinstated", "meeting.described", "milestone.reported", "milestone.reopened",
    "milestone.evidence_added", "milestone.described",
}  # fmt: skip
"""What has its place after the end: what reopens, relates, describes, and a mere mention."""

ENDS_AGAIN = {"meeting.held"}
"""What is odd after the end, and leads on all the same: a meeting that was called off took place."""
BORN_BY_REGISTRATION = {"source", "party"}


def snapshot(stream: Stream) -> Any:
    built = stream.history
    return (
        built.version, list(built.lives), {lane: list(steps) for lane, steps in built.lanes.items()},
        dict(built.recorded), dict(built.struck), dict(built.anomalies_of),
        dict(built.alike.alone), dict(built.alike.groups), stream.position,
    )  # fmt: skip


def refused(stream: Stream, event_: dict[str, Any]) -> str:
    """The rule by which an event is refused; and nothing has changed."""
    before = snapshot(stream)
    with pytest.raises(Refused) as error:
        stream.append(event_)
    assert snapshot(stream) == before
    assert error.value.subject == stream.subject
    assert str(error.value)
    return error.value.rule


def flagged(stream: Stream, event_: dict[str, Any]) -> list[str]:
    """What the answer to an append is flagged with; where the fact counts, the state is flagged with it too."""
    anomalies = stream.append(event_)
    kept = {
        anomaly
        for steps in stream.history.lanes.values()
        if steps
        for anomaly in steps[-1].state.anomalies
        if anomaly.position == stream.position
    }
    assert {(a.code, a.detail) for a in anomalies} == {(a.code, a.detail) for a in kept}
    return [anomaly.code.value for anomaly in anomalies]


def ended(kind: str, status: str) -> Stream:
    facts = [MINIMAL[type_] | {"occurred": f"201{n}"} for n, type_ in enumerate(ENDS[kind][status])]
    stream = given(opener(f"{kind}.described"), *facts)
    assert stream.status("2020-01-01") == status
    return stream


def test_opens(subtests: pytest.Subtests) -> None:
    """A stream may start with a fact that makes its subject known."""
    for type_ in sorted(OPENERS):
        with subtests.test(type_):
            stream = given(MINIMAL[type_])
            assert stream.history.version == 1
            assert stream.status() is not None


def test_does_not_open(subtests: pytest.Subtests) -> None:
    """A typo in a subject must not make a stream: what presupposes its subject is refused where nothing is known."""
    for type_ in sorted(set(FACTS) - OPENERS - MORE_OPENERS):
        with subtests.test(type_):
            rule = "unknown_target" if type_.startswith("entry.") else "cannot_open"
            assert refused(Stream(MINIMAL[type_]["subject"]), MINIMAL[type_]) == rule


def test_what_is_struck_opens_nothing() -> None:
    """A stream whose opening fact was voided is as good as not opened, and can be opened again."""
    stream = given(MINIMAL["initiative.reported"], MINIMAL["entry.voided"])
    assert stream.status() is None
    assert refused(stream, MINIMAL["initiative.activated"]) == "cannot_open"
    assert flagged(stream, MINIMAL["initiative.launched"]) == []
    assert stream.status() == "active"


@pytest.mark.parametrize("type_", ["agreement.signed", "party.registered", "milestone.met"])
def test_facts_of_another_kind(type_: str) -> None:
    """A fact stands in a stream of its own kind, and in no other."""
    stream = given(MINIMAL["initiative.reported"])
    assert refused(stream, MINIMAL[type_] | {"subject": stream.subject}) == "wrong_kind"
    assert refused(Stream("meeting:talks"), MINIMAL[type_] | {"subject": "meeting:talks"}) == "wrong_kind"


def test_after_the_end(subtests: pytest.Subtests) -> None:
    """What comes after a terminal state is recorded, flagged, and moves no status; only what reopens does."""
    for kind, status, type_ in EVERY_END:
        with subtests.test(type_, after=status):
            # given
            stream = ended(kind, status)
            # when
            codes = flagged(stream, MINIMAL[type_] | {"occurred": "2024", "sources": [{"source": "source:doc"}]})
            # then
            after = stream.status("2025-01-01")
            if type_ in AFTER_THE_END:
                assert "after_end" not in codes
                assert (after == status) == (not type_.endswith(("reopened", "revived", "reinstated", "restored")))
            elif type_ in ENDS_AGAIN:
                assert (after, codes) == ("held", ["missing_predecessor"])
            else:
                assert after == status
                odd = {"after_end", "source_conflict", "repeated_act"}
                assert odd & set(codes) or type_.endswith(".registered"), codes


def test_corrections_after_the_end(subtests: pytest.Subtests) -> None:
    """What is recorded of a stream that ended can be corrected as before."""
    for kind, ends in ENDS.items():
        for status in ends:
            stream = ended(kind, status)
            for type_ in ("entry.annotated", "entry.disputed", "entry.dispute_resolved", "entry.voided"):
                with subtests.test(type_, after=f"{kind} {status}"):
                    flagged(stream, MINIMAL[type_] | {"subject": stream.subject})


def test_before_the_end(subtests: pytest.Subtests) -> None:
    """What is dated before the end is let in after it: the past can always be told more fully."""
    for kind, status, type_ in EVERY_END:
        with subtests.test(type_, after=status):
            stream = ended(kind, status)
            early = MINIMAL[type_] | {"occurred": "2005-05-05"}
            version = stream.history.version
            stream.append(early)
            assert stream.history.version == version + 1


def test_party_facts_after_the_end() -> None:
    """The end of the instrument is the end of what a party can do in it."""
    stream = ended("agreement", "terminated")
    reserved = MINIMAL["agreement.reserved"]
    assert flagged(stream, reserved | {"occurred": "2024"}) == ["after_end"]
    assert flagged(stream, reserved | {"occurred": "2005"}) == []
    assert stream.at("2006-01-01", "party:ind").fields["reservations"][0]["party"] == "party:ind"


def test_a_party_that_withdrew_may_come_back() -> None:
    """A party's withdrawal ends nothing for good: it can consent again."""
    stream = given(
        MINIMAL["agreement.consented"] | {"occurred": "2010"},
        MINIMAL["agreement.party_withdrew"] | {"occurred": "2012"},
    )
    assert stream.status("2013-01-01", "party:ind") == "withdrawn"
    assert flagged(stream, MINIMAL["agreement.consented"] | {"occurred": "2014"}) == []
    assert stream.status("2015-01-01", "party:ind") == "bound"


def test_backdated_end() -> None:
    """An end that comes to lie before what was recorded is let in; what lies behind it is flagged, and so is the end."""
    stream = given(MINIMAL["initiative.launched"] | {"occurred": "2010"}, MINIMAL["initiative.suspended"])
    assert flagged(stream, MINIMAL["initiative.closed"] | {"occurred": "2020"}) == ["after_end", "date_order"]
    assert stream.status("2020-12-30") == "active"
    assert stream.status() == "closed"
    assert [(one.code, one.position) for one in stream.at("2025-01-01").anomalies] == [
        ("after_end", 103),
        ("date_order", 103),
    ]
    assert stream.codes("2021-01-01") == []


@pytest.mark.parametrize("kind", ["initiative", "milestone", "agreement"])
def test_what_ended_goes_on(kind: str) -> None:
    """After it is reopened or revived, a stream takes facts as before; only from that day on."""
    stream = ended(kind, next(iter(ENDS[kind])) if kind != "agreement" else "terminated")
    back = f"{kind}.revived" if kind == "agreement" else f"{kind}.reopened"
    next_fact = {
        "initiative": "initiative.objective_stated", "milestone": "milestone.rescheduled", "agreement": "agreement.amended"
    }[kind]  # fmt: skip
    stream.append(MINIMAL[back] | {"occurred": "2020-05-05"})
    assert "after_end" in flagged(stream, MINIMAL[next_fact] | {"occurred": "2019"})
    assert flagged(stream, MINIMAL[next_fact] | {"occurred": "2021"}) == []


@pytest.mark.parametrize("day", ["2020-05-05", None])
def test_the_day_it_goes_on(day: str | None) -> None:
    """What happens on the very day of a reopening is let in: a new date is often set by the act that reopens."""
    stream = ended("milestone", "met")
    stream.append(event("milestone.reopened", "milestone:roof", day, reason="It leaks"))
    assert flagged(stream, event("milestone.rescheduled", "milestone:roof", day, due="2026")) == []
    assert stream.at("2025-06-01").fields["due"] == "2026"
    assert stream.status() == "scheduled"


def test_met_again_after_reopening() -> None:
    """A one-time act may come again once it was undone."""
    stream = ended("milestone", "met")
    stream.append(MINIMAL["milestone.reopened"] | {"occurred": "2015"})
    assert stream.status("2016-01-01") == "scheduled"
    assert flagged(stream, MINIMAL["milestone.met"] | {"occurred": "2016"}) == []
    assert stream.status("2017-01-01") == "met"


def test_nothing_odd() -> None:
    """A plain history is flagged with nothing."""
    stream = Stream("agreement:pact")
    for n, short in enumerate(["mentioned", "negotiation_opened", "adopted", "signed", "entered_into_force"]):
        assert flagged(stream, MINIMAL[f"agreement.{short}"] | {"occurred": f"201{n}"}) == []


def test_date_order() -> None:
    """An act dated after what it precedes is accepted, flagged, and leaves the status."""
    stream = given(MINIMAL["initiative.launched"] | {"occurred": "2010"})
    assert flagged(stream, MINIMAL["initiative.planned"] | {"occurred": "2012"}) == ["date_order"]
    assert stream.status("2013-01-01") == "active"
    assert stream.codes("2011-01-01") == []
    assert stream.codes("2013-01-01") == ["date_order"]


@pytest.mark.parametrize(
    ("before", "type_"),
    [
        ("agreement.signed", "agreement.terminated"),
        ("agreement.mentioned", "agreement.expired"),
        ("agreement.signed", "agreement.suspended"),
        ("agreement.signed", "agreement.resumed"),
        ("initiative.reported", "initiative.suspended"),
        ("initiative.reported", "initiative.closed"),
        ("initiative.reported", "initiative.finalising"),
        ("initiative.reported", "initiative.resumed"),
    ],
)
def test_missing_predecessor(before: str, type_: str) -> None:
    """An act whose predecessor nobody recorded is accepted and flagged; with its predecessor it is not."""
    stream = given(MINIMAL[before] | {"occurred": "2010"})
    assert flagged(stream, MINIMAL[type_] | {"occurred": "2012"}) == ["missing_predecessor"]
    between = {"agreement": "agreement.entered_into_force", "initiative": "initiative.launched"}[type_.split(".")[0]]
    stream.append(MINIMAL[between] | {"occurred": "2011"})
    if not type_.endswith("resumed"):
        assert stream.codes("2013-01-01") == []


def test_ended_before_it_is_known() -> None:
    """Terminated without a known entry into force: accepted as the first fact, and flagged."""
    for type_ in ("agreement.terminated", "agreement.expired"):
        assert flagged(Stream("agreement:pact"), MINIMAL[type_]) == ["missing_predecessor"]


def test_dangling_reference(subtests: pytest.Subtests) -> None:
    """Each reference to what nothing is known of is flagged by name, the source included; none is refused."""
    for type_ in (type_ for type_ in FULL if not type_.startswith("entry.")):
        with subtests.test(type_):
            stream = given(opener(type_))
            if type_ in ("source.registered", "party.registered"):
                stream = Stream(MINIMAL[type_]["subject"])
            stream.openings = {Subject("party:usa"): Opening(1), stream.subject: Opening(100)}
            anomalies = stream.append(FULL[type_])
            dangling = {one.detail.rpartition(" ")[2] for one in anomalies if one.code.value == "dangling_reference"}
            assert dangling == _named(FULL[type_]) - {"party:usa"}


def _named(value: Any) -> set[str]:
    """Every subject that stands in an event beside its own."""
    if isinstance(value, dict):
        return set().union(*(_named(one) for name, one in value.items() if name != "subject"))
    if isinstance(value, list):
        return set().union(*(_named(one) for one in value))
    return {value} if isinstance(value, str) and value.partition(":")[0] in SUBJECTS and ":" in value else set()


def test_dangling_reference_of_a_correction() -> None:
    """A correction that cites a source nobody registered is flagged too, in its answer."""
    for type_ in ("entry.voided", "entry.annotated", "entry.disputed"):
        stream = given(MINIMAL["initiative.reported"])
        anomalies = stream.append(MINIMAL[type_] | {"sources": [{"source": "source:nowhere"}]})
        assert [anomaly.code for anomaly in anomalies] == ["dangling_reference"]


def test_dangling_reference_of_a_replacement() -> None:
    """What a replacement refers to is looked up as for any fact."""
    stream = given(MINIMAL["initiative.reported"])
    correction = MINIMAL["entry.superseded"]["data"]
    replacement = correction["replacement"] | {"sources": [{"source": "source:nowhere"}]}
    superseded = event("entry.superseded", "initiative:bridge", **correction | {"replacement": replacement})
    assert flagged(stream, superseded) == ["dangling_reference"]


def test_future_act() -> None:
    """An act that had not come when it was recorded is flagged, and counts from its record; a plan is no act."""
    stream = given(MINIMAL["initiative.reported"] | {"occurred": "2010"})
    assert flagged(stream, MINIMAL["initiative.launched"] | {"occurred": "2025-06-02"}) == ["future_act"]
    assert stream.status("2025-06-01") == "active"
    scheduled = event("milestone.scheduled", "milestone:roof", "2025-05-01", due="2030")
    assert flagged(Stream("milestone:roof"), scheduled) == []
    for today in ("2025-06-01", "2025-06", "2025", "2025-06-01/2025-07", "../2030"):
        held = event("meeting.held", "meeting:talks", today, title="Talks")
        assert flagged(Stream("meeting:talks"), held) == [], "part of it had come"


@given_any(st.dates(date(2025, 1, 1), date(2026, 1, 1)))
@settings(deadline=None, max_examples=30)
def test_future_is_after_the_record(day: date) -> None:
    """An act is of the future exactly if its day is after the day of its record."""
    codes = flagged(Stream("meeting:talks"), event("meeting.held", "meeting:talks", day.isoformat(), title="Talks"))
    assert (codes == ["future_act"]) == (day > TODAY)


@pytest.mark.parametrize(
    ("published", "occurred", "odd"),
    [
        ("2024-09-10", "2024-09-11", True),
        ("2024-09-10", "2024-09-10", False),
        ("2024-09-10", "2024-09", False),
        ("2024-09", "2024-09-30", False),
        ("2024-09", "2024-10-01", True),
        ("2024", "2024-12", False),
        ("../2024", "2025", True),
        ("2024/..", "2025", False),
        (None, "2025", False),
        ("2024", None, False),
    ],
)
def test_outside_source_date(published: str | None, occurred: str | None, odd: bool) -> None:
    """A source cannot report what happened after it was published; where the dates leave room, it can."""
    stream = given(MINIMAL["initiative.reported"] | {"occurred": "2020"})
    stream.openings[Subject("source:paper")] = Opening(50, PartialDate(published) if published else None)
    cited = [*SOURCES, {"source": "source:paper"}]
    launched = event("initiative.launched", "initiative:bridge", occurred, name="A bridge", kind="other", sources=cited)
    assert flagged(stream, launched) == (["outside_source_date"] if odd else [])


def test_duplicate_suspect() -> None:
    """The same said of the same day again by one source is flagged; another source, word or day makes it no duplicate."""
    stated = event("initiative.objective_stated", "initiative:bridge", "2020", text="To cross the river")
    stream = given(MINIMAL["initiative.reported"] | {"occurred": "2010"}, stated)
    assert flagged(stream, stated | {"data": {"text": "To cross the lake"}}) == []
    assert flagged(stream, stated | {"occurred": "2021"}) == []
    assert flagged(stream, stated | {"sources": [{"source": "source:doc"}]}) == []
    assert flagged(stream, stated | {"note": "So too here"}) == ["duplicate_suspect"]
    assert stream.codes("2020-12-31") == ["duplicate_suspect"]


def test_duplicate_with_a_person() -> None:
    """A duplicate is one even where it names a person, whose commitment differs from entry to entry."""
    speaker = {"party": "party:usa", "person": PERSON}
    statement = event("meeting.statement_made", "meeting:talks", "2020", act="praised", speakers=[speaker])
    stream = given(MINIMAL["meeting.held"] | {"occurred": "2010"}, statement)
    assert flagged(stream, statement | {"data": statement["data"] | {"act": "announced"}}) == []
    assert flagged(stream, statement) == ["duplicate_suspect"]


def test_a_duplicate_that_was_struck() -> None:
    """What was voided has no duplicates."""
    stated = event("initiative.objective_stated", "initiative:bridge", "2020", text="To cross the river")
    stream = given(MINIMAL["initiative.reported"] | {"occurred": "2010"}, stated, stated)
    assert stream.codes("2021-01-01") == ["duplicate_suspect"]
    stream.append(event("entry.voided", "initiative:bridge", target=102, reason_code="duplicate", reason="Twice"))
    assert stream.codes("2021-01-01") == []


def test_source_conflict_without_persons() -> None:
    """Two descriptions that give a field the same value are no conflict, one that gives another is."""
    stream = given(MINIMAL["party.registered"] | {"occurred": "2010"})
    described = event("party.described", "party:lab", "2020", country="IN")
    assert flagged(stream, described) == []
    assert flagged(stream, described | {"data": {"country": "IN", "short_name": "Lab"}}) == []
    assert flagged(stream, described | {"data": {"country": "US"}}) == ["source_conflict"]


@given_any(st.lists(st.tuples(st.sampled_from(sorted(world_types("agreement"))), st.integers(2000, 2020)), max_size=12))
@settings(deadline=None, max_examples=80)
def test_refusals_change_nothing(acts: list[tuple[str, int]]) -> None:
    """Whatever is tried, it is accepted at the next version or refused with nothing changed; no order breaks it."""
    stream = Stream("agreement:pact")
    for type_, year in acts:
        before, version = snapshot(stream), stream.history.version
        rule = None
        try:
            stream.append(MINIMAL[type_] | {"occurred": str(year)})
        except Refused as error:
            rule = error.rule
        assert rule in {None, "cannot_open"}
        assert stream.history.version == version + (rule is None)
        assert (snapshot(stream) == before) == (rule is not None)


def test_admitted_and_stored_are_one() -> None:
    """What is decided on the fact as posted holds for the fact as it is read back from its line."""
    for type_, example in FULL.items():
        if type_.startswith("entry."):
            continue
        stream = Stream(example["subject"])
        if type_ not in ("source.registered", "party.registered"):
            stream.append(opener(type_))
        flagged(stream, example)
        assert NEEDED[type_].keys() <= own(stream.history.recorded[stream.position].fact).keys()
