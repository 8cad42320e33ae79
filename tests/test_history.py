"""The history of a stream: valid order, whatever the order of recording; and what was known when."""

import json
import random
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

import projections.segments as segments_
from ledger.errors import Refused
from ledger.fold import History, counts_from
from ledger.recorded import Opening, Recorded
from ledger.vocabulary.codes import AnomalyCode
from ledger.vocabulary.correction import Correction
from ledger.vocabulary.dates import PartialDate
from ledger.vocabulary.fact import Fact, Subject
from ledger.vocabulary.kinds.participation import PARTICIPATION
from ledger.vocabulary.registry import FACTS, KINDS
from ledger.vocabulary.state import MAIN
from projections.changes import Fold
from projections.deltas import is_apart, whole
from projections.projection import FOREVER
from projections.registry import PROJECTIONS
from projections.runner import tables_of
from projections.segments import document, kind_of, segments
from tests.examples import event
from tests.minimal import (
    MINIMAL,
    NEEDED,
    OPENERS,
    SUBJECTS,
    TODAY,
    Stream,
    entry_id,
    fact_of,
    given,
    opener,
    world_types,
)

SLOW = settings(deadline=None, max_examples=60)
BEFORE = date(2010, 1, 1)


def recorded(facts: Sequence[Fact], first: int = 1) -> list[Recorded]:
    return [Recorded(position, entry_id(position), TODAY, fact) for position, fact in enumerate(facts, first)]


def history(kind: str, entries: Sequence[Recorded]) -> History:
    built = History(KINDS[kind])
    for entry in entries:
        built.record(entry, {})
    return built


def told(built: History) -> dict[str, list[Any]]:
    """The states of every lane over valid time, without what only the order of recording decides.

    Of two values that conflict, which one is current; in a list, which of two facts of one day comes first; and of two
    entries that are odd together, which one shows it.
    """
    said = {one.position: f"{one.fact.type} {one.fact!r}" for one in built.recorded.values()}
    return {
        lane: [
            (
                one.valid_from,
                one.valid_to,
                one.overdue,
                _settled(json.loads(document(kind_of(built.kind, lane), one)), said),
            )
            for one in segments(kind_of(built.kind, lane), steps)
        ]
        for lane, steps in sorted(built.lanes.items())
        if segments(kind_of(built.kind, lane), steps)
    }


def _settled(shown: dict[str, Any], said: dict[int, str]) -> dict[str, Any]:
    for path, both in shown["alternatives"].items():
        name, _, rest = path.partition("/")
        if name in ("dates", "effective"):
            _unsettled_day(shown, *rest.partition("/")[::2])
        elif rest:
            shown[name] = [one for one in shown[name] if any(key not in one.values() for key in rest.split("/"))]
        else:
            shown.pop(name)
            shown["provenance"].pop(name)
            for former in ("former_names", "previous_starts"):  # but for which of them is current
                shown[former] = [one for one in shown.get(former, ()) if one not in [side["value"] for side in both]]
                shown["provenance"].pop(former, None)
    if shown["status"] == "mentioned":  # parties' facts of one day can have opened it
        shown["provenance"].pop("status")
    shown["alternatives"] = {
        path: sorted({_text(_plain(one["value"])) for one in both}) for path, both in shown["alternatives"].items()
    }
    shown["provenance"].pop("effective", None)  # it keeps who told of an effect that is shown no more
    shown["anomalies"] = sorted({one["code"] for one in shown["anomalies"]})
    shown["provenance"] = {
        name: sorted({said[position] for position in known}) for name, known in shown["provenance"].items()
    }
    plain: dict[str, Any] = _plain(shown)
    return plain


DATED = {
    "signed": ("signatures", ["occurred"]),
    "consented": ("consents", ["occurred", "effective"]),
    "consent_withdrawn": ("consents", ["withdrawn"]),
    "succeeded": ("succeeded_by", ["occurred"]),
    "superseded": ("superseded_by", ["occurred"]),
    "party_left": ("parties", ["left"]),
}
"""The lists in which days of acts are shown too."""


def _unsettled_day(shown: dict[str, Any], act: str, each: str) -> None:
    shown["dates"].pop(act, None)
    for about in ("unknown", "provenance"):  # of a day that is shown, or that follows from others
        shown[about].pop(f"dates/{act}", None)
    shown.pop("effective", None)
    name, days = DATED.get(act, ("", []))
    for one in shown.get(name) or ():
        if not each or each in one.values():
            one.update(dict.fromkeys(days, "one of them"))


def _plain(value: Any) -> Any:
    """Without order and positions, each date as its last day."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if name != "position"}
    if isinstance(value, list):
        return sorted([_plain(one) for one in value], key=_text)
    if isinstance(value, str) and value[:2] == "20":
        return str(PartialDate(value).latest)
    return value


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@st.composite
def partial(draw: st.DrawFn) -> str:
    """A date with a last day, before everything was recorded."""
    day = (BEFORE + timedelta(days=draw(st.integers(0, 1_200)))).isoformat()
    return draw(st.sampled_from([day, day, day[:7], day[:4], day + "~", f"../{day}"]))


@st.composite
def near(draw: st.DrawFn) -> str:
    """A date among few, so that facts meet on a day, and other dates leave room for it."""
    year, month, day = (
        draw(st.integers(2010, 2013)),
        draw(st.sampled_from(["03", "12"])),
        draw(st.sampled_from([1, 31])),
    )
    full = f"{year}-{month}-{day:02}"
    return draw(
        st.sampled_from(
            [full, full, full, full[:7], full[:4], full + "~", f"{full}/{year}-12-31", f"../{full}", f"{full}/.."]
        )
    )


_USA, _IND = {"party": "party:usa"}, {"party": "party:ind"}

VARIED: dict[str, list[dict[str, Any]]] = {
    "agreement.consented": [
        {"party": party, "method": method}
        for party in ("party:ind", "party:usa")
        for method in ("accession", "approval", "provisional_application_notice")
    ]
    + [{"party": "party:ind", "method": "accession", "deposited_with": one} for one in ("A depositary", "Another")],
    "agreement.signed": [
        {"signatories": [{"party": "party:usa"}]},
        {"signatories": [{"party": "party:usa", "office": "A minister"}], "places": ["A hall"]},
        {"signatories": [{"party": "party:usa", "office": "An envoy"}], "places": ["A house"]},
        {"signatories": [{"party": "party:usa", "mode": "definitive"}], "places": ["A hall"]},
        {"signatories": [{"party": "party:ind"}, {"party": "party:usa"}]},
        {"signatories": []},
    ],
    "agreement.entered_into_force": [{}, {"party": "party:ind"}, {"party": "party:usa"}],
    "agreement.party_withdrew": [{"party": "party:ind"}, {"party": "party:usa"}],
    "agreement.suspended": [{}, {"ground": "breach"}, {"party": "party:ind"}],
    "agreement.terminated": [{"ground": "consent"}, {"ground": "breach"}],
    "agreement.superseded": [{"by": "agreement:other"}, {"by": "agreement:new"}],
    "agreement.amended": [{"text": "Article 3"}, {"by": "agreement:other"}],
    "party.registered": [{"name": one, "kind": "state"} for one in ("A", "B")],
    "party.described": [{}, {"name": "A"}, {"name": "C"}],
    "party.renamed": [{"name": one} for one in ("A", "B", "C", "D")],
    "party.succeeded": [
        {"by": by, "mode": mode} for by in ("party:acme", "party:west") for mode in ("split", "merger", "split")
    ],
    "initiative.reported": [
        NEEDED["initiative.reported"] | {"parties": [{"party": "party:usa", "role": role}]}
        for role in ("lead", "funder")
    ],
    "initiative.party_joined": [
        {"party": party, "role": role, **more}
        for party in ("party:ind", "party:usa")
        for role, more in (("lead", {}), ("funder", {}), ("lead", {"on_behalf_of": "party:acme"}))
    ]
    + [{"party": "party:usa", "role": "lead", "on_behalf_of": "party:west"}],
    "initiative.party_left": [{"party": party} for party in ("party:ind", "party:usa")],
    "initiative.closed": [{"reason": "Done"}, {"reason": "Over"}],
    "initiative.commitment_made": [
        {"commitment": "steel", "strength": one, **more}
        for one in ("pledge", "firm")
        for more in ({}, {"amount": "8"}, {"amount": "9"})
    ],
    "initiative.commitment_revised": [
        {"commitment": "steel", **more}
        for more in ({}, {"text": "More"}, {"amount": "7"}, {"amount": "8", "text": "So"})
    ],
    "initiative.objective_stated": [{"text": "To cross"}, {"text": "To trade"}],
    "initiative.described": [{"objective": "To cross"}, {"objective": "To trade"}],
    "meeting.cancelled": [{"reason": "Illness"}, {"reason": "Rain"}],
    "meeting.held": [{"title": "Talks"}]
    + [{"title": "Talks", "participants": those} for those in ([_USA], [_IND, _USA], [_USA, _IND])],
    "meeting.described": [{}, {"participants": [_USA]}, {"participants": [_IND]}],
    "meeting.attendance_recorded": [{"participants": those} for those in ([_USA, _IND], [_IND], [_USA])],
    "meeting.rescheduled": [
        {"start": start, **more}
        for start in ("2024-05-01", "2024-06-01")
        for more in ({}, {"previous_start": "2024-04-01"})
    ],
    "milestone.partially_met": [{"share": one} for one in (0.5, 0.75)],
}
"""What facts of some types say, one way or another; the others always say the same."""

DATED_BY = [("occurred",)] * 8 + [("effective",), ("occurred", "effective"), ("occurred", "effective"), ()]
"""Which days facts give: most when they happened, some when they took effect, and a few none."""

ALL_KINDS = ["initiative", "agreement", "agreement", "agreement", "meeting", "milestone", "party", "source"]


@st.composite
def dated_facts(draw: st.DrawFn, sizes: tuple[int, int] = (2, 9)) -> tuple[str, list[Fact]]:
    """Dated facts of one stream as sources tell them: cycles, acts told twice, on one day or another, and after the end."""
    kind = draw(st.sampled_from(ALL_KINDS))
    turns = [fact.type for fact in KINDS[kind].lifecycle] * 2
    if kind == "agreement":
        turns += [fact.type for fact in PARTICIPATION.lifecycle] * 2
    types = draw(st.lists(st.sampled_from(sorted(world_types(kind)) + turns), min_size=sizes[0], max_size=sizes[1]))
    facts = []
    for type_ in [*types, opener(f"{kind}.described")["type"]]:
        dated = draw(st.sampled_from(DATED_BY))
        told = MINIMAL[type_] | {
            "data": draw(st.sampled_from(VARIED.get(type_, [NEEDED[type_]]))),
            "sources": [{"source": f"source:{one}"} for one in draw(st.sampled_from(["a", "b", "c", "ab"]))],
            **{day: draw(near()) if day in dated else None for day in ("occurred", "effective")},
        }
        facts.append(fact_of(told))
    return kind, facts


@given_any(dated_facts(), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=400)
def test_order_of_recording_does_not_matter(case: tuple[str, list[Fact]], dice: random.Random) -> None:
    """Dated facts add up to the same states on every day, in whatever order they were recorded."""
    kind, facts = case
    shuffled = dice.sample(facts, len(facts))
    assert told(history(kind, recorded(facts))) == told(history(kind, recorded(shuffled)))


def test_an_end_that_is_recorded_late_bears_on_what_parties_did_after_it() -> None:
    """Though it is the last that the agreement itself has to show, a party's later act is odd from now on."""
    # given
    adopted, consented, superseded = (
        fact_of(MINIMAL[f"agreement.{act}"] | {"occurred": day})
        for act, day in (("adopted", "2010-01-01"), ("consented", "2010-01-03"), ("superseded", "2010-01-02"))
    )
    # when
    built = history("agreement", recorded([adopted, consented, superseded]))
    # then
    assert AnomalyCode.after_end in [one.code for one in built.anomalies(3)]


@given_any(dated_facts())
@settings(deadline=None, max_examples=150)
def test_one_more_fact_is_as_if_it_had_been_there(case: tuple[str, list[Fact]]) -> None:
    """Folding from a fact's place gives what folding all in valid order gives, anomalies and provenance included."""
    kind, facts = case
    as_they_came = history(kind, recorded(facts))
    in_valid_order = history(kind, [as_they_came.recorded[live.position] for live in as_they_came.lives])
    assert shown(as_they_came) == shown(in_valid_order)


def test_a_duplicate_that_is_struck_takes_its_flag_along() -> None:
    """Also where what it flagged counts from an earlier day, as it was recorded before the correction."""
    # given
    stream = given(
        MINIMAL["meeting.proposed"] | {"occurred": "2009"}, MINIMAL["meeting.confirmed"] | {"occurred": "2010"}
    )
    ahead = MINIMAL["meeting.confirmed"] | {"occurred": "2030-01-01"}
    replacement = {name: ahead[name] for name in ("type", "occurred", "sources", "data")}
    corrected = MINIMAL["entry.superseded"]["data"] | {"target": 102, "replacement": replacement}
    stream.append(ahead, TODAY + timedelta(1))
    stream.append({"type": "entry.superseded", "sources": [], "data": corrected}, TODAY + timedelta(2))
    assert AnomalyCode.duplicate_suspect in [one.code for one in stream.history.anomalies(103)]
    # when
    voided = MINIMAL["entry.voided"]["data"] | {"target": 104}
    stream.append({"type": "entry.voided", "sources": [], "data": voided}, TODAY + timedelta(3))
    # then
    assert [one.code for one in stream.history.anomalies(103)] == [AnomalyCode.future_act]


@st.composite
def logs(draw: st.DrawFn, *kinds: str) -> list[Recorded]:
    """A stream with corrections, as admission lets it come about; undated facts, and facts of each day, included."""
    kind = draw(st.sampled_from(kinds or ("initiative", "agreement", "agreement", "meeting", "milestone")))
    stream = given(opener(f"{kind}.described", "2010"))
    types = [*world_types(kind), *(["entry.voided", "entry.superseded", "entry.disputed", "entry.annotated"] * 3)]
    for number in range(draw(st.integers(1, 12))):
        type_ = draw(st.sampled_from(types))
        on = BEFORE + timedelta(days=1_300 + number)
        occurred = draw(st.none() | partial())
        body: dict[str, Any] = {"type": type_, "sources": MINIMAL[type_]["sources"], "data": dict(NEEDED[type_])}
        if type_.startswith("entry."):
            body["data"]["target"] = draw(st.sampled_from(sorted(stream.history.recorded)))
        else:
            body["occurred"] = occurred
        if type_ == "entry.superseded":
            instead = draw(st.sampled_from([one for one in world_types(kind) if one != "agreement.signed"]))
            body["data"]["replacement"] = {
                "type": instead, "occurred": occurred, "sources": MINIMAL["milestone.met"]["sources"],
                "data": NEEDED[instead],
            }  # fmt: skip
        try:
            stream.append(body, on)
        except Refused:
            continue
    return list(stream.history.recorded.values())


def shown(built: History) -> dict[tuple[str, date], Any]:
    return {
        (lane, one.valid_from): document(kind_of(built.kind, lane), one)
        for lane, steps in built.lanes.items()
        for one in segments(kind_of(built.kind, lane), steps)
    }


@given_any(logs(), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=100)
def test_entries_taken_in_at_once_are_as_if_one_after_the_other(entries: list[Recorded], dice: random.Random) -> None:
    """However a stream is loaded, its states, anomalies and facts that count are the same."""
    kind = entries[0].fact.type.partition(".")[0]
    first = dice.randrange(len(entries) + 1)
    one_by_one = history(Stream(SUBJECTS[kind]).subject.kind, entries)
    loaded = history(Stream(SUBJECTS[kind]).subject.kind, entries[:first])
    loaded.load(entries[first:], {})
    assert shown(loaded) == shown(one_by_one)
    assert (loaded.lives, loaded.struck, loaded.version) == (one_by_one.lives, one_by_one.struck, one_by_one.version)
    for entry in entries:
        assert loaded.anomalies(entry.position) == one_by_one.anomalies(entry.position)


@given_any(logs(), st.randoms(use_true_random=False), st.sampled_from([0, 1, 3, 16]))
@settings(deadline=None, max_examples=150)
def test_known_at(entries: list[Recorded], dice: random.Random, few: int) -> None:
    """What the rows say was known at an entry is what the entries up to it add up to, and no row says it twice: of lanes that are
    long, whose documents are put together, as of others.
    """
    subject = SUBJECTS[entries[0].fact.type.partition(".")[0]]
    stream = Stream(subject)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(segments_, "FEW", few)
        tables = rows_written(stream.subject, entries, dice)
        for number, entry in enumerate(entries, 1):
            known = history(stream.subject.kind, entries[:number])
            believed = {
                name: [row[:-2] for row in rows if row[-2] <= entry.position < row[-1]] for name, rows in tables.items()
            }
            assert documents_of(believed) == shown(known)
            assert len(believed["states"]) == len(shown(known))
            lives = [row[1:5] for row in believed["timeline"] if row[0] == stream.subject]
            assert sorted(lives) == [[live.day, live.rank, live.root, live.position] for live in known.lives]
            assert {name: sorted(map(repr, rows)) for name, rows in believed.items()} == at_once(
                stream.subject, entries[:number]
            )
    rows = [row for rows in tables.values() for row in rows]
    assert all(row[-2] < row[-1] for row in rows)


def rows_written(subject: Subject, entries: Sequence[Recorded], dice: random.Random) -> dict[str, list[list[Any]]]:
    """The rows of every table, as batches of entries write and end them."""
    fold, tables = Fold(PROJECTIONS), {table.name: list[list[Any]]() for table in tables_of(PROJECTIONS)}
    for number, entry in enumerate(entries):
        fold.take(subject, entry, {})
        if number == len(entries) - 1 or dice.random() < 0.5:
            for changes in fold.take_changes():
                key = [changes.table.names.index(name) for name in changes.table.key]
                for row in tables[changes.table.name]:
                    if row[-1] == FOREVER:
                        row[-1] = changes.closed.get(tuple([row[at] for at in key]), FOREVER)
                tables[changes.table.name] += changes.written
    return tables


def documents_of(believed: dict[str, list[list[Any]]]) -> dict[tuple[str, date], Any]:
    """The documents that rows show, of which some are put together: by lane and day."""
    found = {}
    deltas = sorted(believed["deltas"], key=lambda row: row[1:5])
    for row in believed["states"]:
        lane, day, doc = row[2], row[3], row[-1]
        if is_apart(doc.decode()):
            doc = whole(doc.decode(), [one[-1] for one in deltas if one[1] == lane and one[2] <= day]).encode()
        found[lane, day] = doc
    return found


def at_once(subject: Subject, entries: Sequence[Recorded]) -> dict[str, list[str]]:
    """The rows that hold once all of these are folded, and nothing was written on the way."""
    fold, runs = Fold(PROJECTIONS), {}
    for entry in entries:
        fold.take(subject, entry, {})
    for changes in fold.take_changes():
        runs[changes.table.name] = sorted(repr(row[:-2]) for row in changes.written if row[-1] == FOREVER)
    return runs


@given_any(logs())
@SLOW
def test_copies_go_their_own_way(entries: list[Recorded]) -> None:
    """What is recorded in a copy leaves the original as it was, and the other way round."""
    kind = entries[0].fact.type.partition(".")[0]
    original = history(kind, entries[:-1])
    before = (original.version, shown(original), list(original.lives), dict(original.struck))
    alike = (dict(original.alike.alone), dict(original.alike.groups))
    twin = original.copy()
    twin.record(entries[-1], {})
    assert before == (original.version, shown(original), original.lives, original.struck)
    assert alike == (original.alike.alone, original.alike.groups)
    assert entries[-1].position not in original.recorded
    assert twin.version == original.version + 1
    assert shown(twin) == shown(history(kind, entries))


# type, occurred, effective, recorded on -> the day it counts from
COUNTS: list[tuple[str, str | None, str | None, str]] = [
    ("agreement.signed", "2024-09-10", None, "2024-09-10"),
    ("agreement.signed", "2024-09", None, "2024-09-30"),
    ("agreement.signed", "2024", None, "2024-12-31"),
    ("agreement.signed", "2024-09?", None, "2024-09-30"),
    ("agreement.signed", "2024-09-10T23:30:00-05:00", None, "2024-09-10"),
    ("agreement.signed", "2024-09-09/2024-09-12", None, "2024-09-12"),
    ("agreement.signed", "../2024-06", None, "2024-06-30"),
    ("agreement.signed", None, None, "2025-06-01"),
    ("agreement.signed", "2024-09/..", None, "2025-06-01"),
    ("agreement.signed", "2024-09/", None, "2025-06-01"),
    ("agreement.signed", "../..", None, "2025-06-01"),
    ("agreement.signed", "2025-06", None, "2025-06-01"),
    ("agreement.signed", "2026-01-01", None, "2025-06-01"),
    ("agreement.signed", "2024-09-10", "2024-10-01", "2024-10-01"),
    ("agreement.signed", "2024-09-10", "2024-01-01", "2024-01-01"),
    ("agreement.signed", "2024-09-10", "2030", "2030-12-31"),
    ("agreement.signed", None, "2030-01-01", "2030-01-01"),
    ("agreement.signed", "2024-09-10", "2024/..", "2025-06-01"),
    ("agreement.described", None, None, "0001-01-01"),
    ("agreement.described", "2024-09", None, "2024-09-30"),
    ("agreement.described", None, "2030-01-01", "2030-01-01"),
    ("initiative.described", None, None, "0001-01-01"),
    ("meeting.described", None, None, "0001-01-01"),
    ("milestone.described", None, None, "0001-01-01"),
    ("party.described", None, None, "0001-01-01"),
    ("party.registered", None, None, "0001-01-01"),
    ("party.renamed", None, None, "2025-06-01"),
    ("source.registered", None, None, "0001-01-01"),
    ("source.described", None, None, "0001-01-01"),
    ("source.retracted", None, None, "2025-06-01"),
    ("initiative.reported", None, None, "2025-06-01"),
    ("agreement.mentioned", None, None, "2025-06-01"),
    ("milestone.reported", None, None, "2025-06-01"),
    ("meeting.held", None, None, "2025-06-01"),
]


@pytest.mark.parametrize(("type_", "occurred", "effective", "day"), COUNTS)
def test_counts_from(type_: str, occurred: str | None, effective: str | None, day: str) -> None:
    """A fact counts from the latest day that its effect, else its date, allows; else from when it was recorded."""
    fact = fact_of(MINIMAL[type_] | {"occurred": occurred, "effective": effective})
    assert counts_from(fact, TODAY) == date.fromisoformat(day)


def test_what_holds_at_all_times() -> None:
    """Only what describes holds at all times when undated: registrations, descriptions, the minutes of a meeting."""
    undated = {type_ for type_ in FACTS if counts_from(fact_of(MINIMAL[type_] | {"occurred": None}), TODAY) == date.min}
    kinds = ("source", "party", "initiative", "agreement", "meeting", "milestone")
    minutes = {
        f"meeting.{one}" for one in ("attendance_recorded", "topic_discussed", "statement_made", "outcome_recorded")
    }
    assert undated == {"party.registered", "source.registered", *(f"{kind}.described" for kind in kinds), *minutes}


@given_any(partial(), st.none() | partial(), st.dates(date(2000, 1, 1), date(2030, 1, 1)))
@SLOW
def test_no_act_counts_from_a_later_day_than_its_record(occurred: str, effective: str | None, on: date) -> None:
    """An act never counts from a day after its record, unless it says that its effect begins then."""
    fact = fact_of(MINIMAL["agreement.signed"] | {"occurred": occurred, "effective": effective})
    day = counts_from(fact, on)
    latest = PartialDate(effective or occurred).latest
    assert latest is not None
    assert day == (latest if effective else min(latest, on))


def test_same_day_in_lifecycle_order() -> None:
    """Facts of one day follow the lifecycle, in whatever order they were recorded."""
    day = "2020-05-05"
    backwards = given(
        event("agreement.terminated", "agreement:pact", day, ground="consent"),
        event("agreement.entered_into_force", "agreement:pact", day),
        event("agreement.signed", "agreement:pact", day, signatories=[{"party": "party:usa"}]),
        event("agreement.mentioned", "agreement:pact", day, title="A pact"),
    )
    assert [live.fact.short_type for live in backwards.history.lives] == [
        "mentioned", "signed", "entered_into_force", "terminated",
    ]  # fmt: skip
    assert backwards.status(day) == "terminated"
    assert backwards.codes(day) == []
    assert backwards.status("2020-05-04") is None


def test_same_day_and_act_in_order_of_recording() -> None:
    """Two facts of one type and day stand in the order in which they were recorded."""
    stated = [
        event("initiative.objective_stated", "initiative:bridge", day, text=text)
        for day, text in [("2020-05", "first"), ("2020-05-31", "second"), ("2020-04", "earlier")]
    ]
    stream = given(MINIMAL["initiative.reported"] | {"occurred": "2020"}, *stated)
    assert [one["text"] for one in stream.at("2021-01-01").fields["objectives"]] == ["earlier", "first", "second"]


def test_effect_may_lie_ahead() -> None:
    """What takes effect later changes nothing until then, and is no act ahead of its time."""
    stream = given(MINIMAL["agreement.mentioned"])
    flagged = stream.append(
        event("agreement.entered_into_force", "agreement:pact", "2025-05-01", effective="2026-01-01")
    )
    assert flagged == []
    assert stream.status("2025-12-31") == "mentioned"
    assert stream.status("2026-01-01") == "in_force"
    assert stream.at("2026-01-01").fields["effective"] == {"entered_into_force": "2026-01-01"}


def test_effect_may_lie_back() -> None:
    """What takes effect retroactively holds from then on."""
    stream = given(MINIMAL["agreement.mentioned"] | {"occurred": "2019"})
    stream.append(event("agreement.entered_into_force", "agreement:pact", "2025-05-01", effective="2020-01-01"))
    assert stream.status("2019-12-31") == "mentioned"
    assert stream.status("2020-01-01") == "in_force"


def test_first_date_of_an_act_is_kept() -> None:
    """A later signature leaves the day on which the agreement was signed as it was."""
    stream = given(
        event("agreement.signed", "agreement:pact", "2020-01-01", signatories=[{"party": "party:usa"}]),
        event("agreement.signed", "agreement:pact", "2021-01-01", signatories=[{"party": "party:ind"}]),
    )
    assert stream.at("2022-01-01").fields["dates"] == {"signed": "2020-01-01"}
    assert stream.at("2022-01-01", "party:ind").fields["dates"] == {"signed": "2021-01-01"}


def test_signature_after_entry_into_force() -> None:
    """A fact never moves the status backwards: a signature after entry into force is added, and flagged."""
    stream = given(
        event("agreement.signed", "agreement:pact", "2020-01-01", signatories=[{"party": "party:usa"}]),
        event("agreement.entered_into_force", "agreement:pact", "2020-06-01"),
    )
    flagged = stream.append(
        event("agreement.signed", "agreement:pact", "2021-01-01", signatories=[{"party": "party:ind"}])
    )
    assert [anomaly.code for anomaly in flagged] == ["date_order"]
    assert stream.status("2021-01-01") == "in_force"
    assert stream.status("2021-01-01", "party:ind") == "signatory"
    assert stream.codes("2020-12-31") == []


RANKS = {
    "initiative": ["reported", "identified", "active", "finalising", "closed"],
    "agreement": ["mentioned", "negotiating", "adopted", "signed", "provisional", "in_force", "terminated"],
    "meeting": ["proposed", "scheduled", "held"],
    "milestone": ["reported", "scheduled", "met"],
}
TURNS = {
    "initiative.resumed", "initiative.reopened", "agreement.resumed", "agreement.revived", "milestone.reopened",
    "agreement.provisional_application_ended",
}  # fmt: skip
"""What leads back by its meaning."""


def _statuses(built: History) -> Iterator[tuple[str, str, str]]:
    steps = built.lanes[""]
    for before, after in pairwise(steps):
        if before.state.status and after.state.status:
            yield before.state.status, after.state.now.fact.type, after.state.status


@given_any(dated_facts((3, 10)))
@settings(deadline=None, max_examples=150)
def test_status_never_goes_back(case: tuple[str, list[Fact]]) -> None:
    """No fact leads to an earlier status of its lane, but those that mean to: resumed, reopened, revived."""
    kind, facts = case
    order = RANKS.get(kind, [])
    for before, type_, after in _statuses(history(kind, recorded(facts))):
        if before in order and after in order and type_ not in TURNS:
            assert order.index(before) <= order.index(after), f"{type_} led from {before} to {after}"


def test_held_stays_held() -> None:
    """A meeting that took place is not cancelled or put off by a later report: the report is flagged."""
    for type_ in ("meeting.cancelled", "meeting.postponed", "meeting.proposed", "meeting.confirmed"):
        stream = given(event("meeting.held", "meeting:talks", "2024-05-01", title="Talks"))
        flagged = stream.append(MINIMAL[type_] | {"occurred": "2024-06-01"})
        assert stream.status() == "held"
        assert [anomaly.code for anomaly in flagged] == ["date_order"]


def test_revived_talks_are_talks() -> None:
    """Talks that were abandoned and came back to life are talks, and no agreement in force."""
    stream = given(
        event("agreement.negotiation_opened", "agreement:pact", "2020"),
        event("agreement.negotiation_abandoned", "agreement:pact", "2021"),
        event("agreement.revived", "agreement:pact", "2022", reason="A new government"),
    )
    assert stream.status("2021-12-31") == "abandoned"
    assert stream.status("2022-12-31") == "negotiating"


def test_provisional_application() -> None:
    """An agreement that all apply provisionally is provisional until it is in force; one party's doing is its own."""
    signed = event("agreement.signed", "agreement:pact", "2020-01-01", signatories=[{"party": "party:usa"}])
    one = given(signed, event("agreement.provisionally_applied", "agreement:pact", "2020-02-01", party="party:usa"))
    assert one.status("2020-02-01") == "signed"
    assert one.at("2020-02-01", "party:usa").fields["provisionally_applied"] is True
    stream = given(signed, event("agreement.provisionally_applied", "agreement:pact", "2020-02-01"))
    assert stream.status("2020-01-31") == "signed"
    assert stream.status("2020-02-01") == "provisional"
    ended = event("agreement.provisional_application_ended", "agreement:pact", "2020-03-01")
    stream.append(event("agreement.entered_into_force", "agreement:pact", "2020-04-01"))
    assert stream.status("2020-04-01") == "in_force"
    stream.append(ended)
    assert stream.status("2020-03-15") != "provisional"


def test_two_lanes() -> None:
    """What binds a party says nothing of the instrument: entry into force is never a count of consents."""
    parties = ["party:usa", "party:ind"]
    stream = given(
        event("agreement.signed", "agreement:pact", "2020-01-01", signatories=[{"party": one} for one in parties])
    )
    for number, party in enumerate([*parties, "party:acme"], 2):
        stream.append(
            event("agreement.consented", "agreement:pact", f"2020-0{number}-01", party=party, method="ratification")
        )
    assert stream.status("2020-12-31") == "signed"
    assert [stream.status("2020-12-31", one) for one in parties] == ["bound", "bound"]
    assert [stream.status("2020-02-28", one) for one in parties] == ["bound", "signatory"]
    assert stream.status("2020-12-31", "party:acme") == "bound", "bound without signature is normal"
    assert stream.codes("2020-12-31", "party:acme") == []
    stream.append(event("agreement.entered_into_force", "agreement:pact", "2021-01-01"))
    assert stream.status("2021-12-31") == "in_force"
    assert stream.status("2021-12-31", "party:usa") == "bound"
    stream.append(event("agreement.entered_into_force", "agreement:pact", "2021-02-01", party="party:usa"))
    stream.append(event("agreement.party_withdrew", "agreement:pact", "2022-01-01", party="party:usa"))
    assert stream.status("2021-12-31", "party:usa") == "in_force"
    assert stream.status("2022-01-01", "party:usa") == "withdrawn"
    assert stream.status("2022-01-01") == "in_force"
    assert stream.status("2022-01-01", "party:ind") == "bound"


def test_opened_by_a_party() -> None:
    """An agreement first known by one party's act is mentioned, and nothing more is said of it."""
    for type_ in ("agreement.consented", "agreement.entered_into_force", "agreement.provisionally_applied"):
        stream = given(event(type_, "agreement:pact", "2020-01-01", **{"party": "party:ind", **NEEDED[type_]}))
        assert stream.status("2020-01-01") == "mentioned"
        assert stream.status("2020-01-01", "party:ind") is not None
        assert stream.status("2020-01-01", "party:usa") is None


def test_two_dates_of_one_signature() -> None:
    """Where sources date one party's signature differently, both dates are kept and the difference is flagged."""
    signed = event("agreement.signed", "agreement:pact", "2020-01-01", signatories=[{"party": "party:usa"}])
    stream = given(signed, signed | {"occurred": "2020-01-03", "sources": [{"source": "source:doc"}]})
    for lane in ("", "party:usa"):
        state = stream.at("2021-01-01", lane)
        assert [one["value"] for one in state.alternatives["dates/signed"]] == ["2020-01-01", "2020-01-03"]
        assert "source_conflict" in stream.codes("2021-01-01", lane)
    assert state.fields["dates"] == {"signed": "2020-01-03"}


def _described(day: str, **fields: Any) -> dict[str, Any]:
    return event("agreement.described", "agreement:pact", day, **fields)


def test_sources_disagree() -> None:
    """Two values for one day coexist: the later recorded is current, both are listed, the state is flagged."""
    stream = given(MINIMAL["agreement.mentioned"] | {"occurred": "2019"})
    stream.append(_described("2020-01-01", subject_matter="Rivers", ambit="regional"))
    flagged = stream.append(_described("2020-01-01", subject_matter="Lakes", ambit="regional"))
    assert [anomaly.code for anomaly in flagged] == ["source_conflict"]
    state = stream.at("2020-01-01")
    assert state.fields["subject_matter"] == "Lakes"
    assert state.alternatives == {
        "subject_matter": ({"value": "Rivers", "position": 102}, {"value": "Lakes", "position": 103})
    }
    assert state.provenance["subject_matter"] == (102, 103)
    assert state.provenance["ambit"] == (102, 103), "where they agree both say so"
    assert stream.codes("2019-12-31") == []


def test_later_recorded_is_current_whatever_its_rank() -> None:
    """On one day the later recorded value is current, even where its fact comes first in the lifecycle."""
    stream = given(_described("2020-01-01", title="Recorded second") | {"type": "agreement.mentioned"})
    early = event("agreement.mentioned", "agreement:pact", "2020-01-01", title="Recorded last")
    late = event("agreement.described", "agreement:pact", "2020-01-01", title="Recorded between")
    stream.append(late)
    stream.append(early)
    assert stream.at("2020-01-01").fields["title"] == "Recorded last"


def test_a_later_day_ends_the_conflict() -> None:
    """A value of a later day is no party to an earlier conflict: the old alternatives go with the old value."""
    stream = given(MINIMAL["agreement.mentioned"] | {"occurred": "2019"})
    for day, value in [("2020-01-01", "A"), ("2020-01-01", "B"), ("2021-01-01", "C")]:
        stream.append(_described(day, subject_matter=value))
    assert stream.at("2020-06-01").alternatives.keys() == {"subject_matter"}
    assert stream.at("2021-01-01").fields["subject_matter"] == "C"
    assert stream.at("2021-01-01").alternatives == {}


def test_each_conflict_is_of_its_day() -> None:
    """A second conflict is between the values of its own day, and its latest recorded value is current."""
    stream = given(MINIMAL["agreement.mentioned"] | {"occurred": "2019"})
    for day, value in [("2021-01-01", "C"), ("2021-01-01", "D"), ("2020-01-01", "A"), ("2020-01-01", "B")]:
        stream.append(_described(day, subject_matter=value))
    assert stream.at("2020-06-01").fields["subject_matter"] == "B"
    state = stream.at("2021-01-01")
    assert state.fields["subject_matter"] == "D"
    assert [one["value"] for one in state.alternatives["subject_matter"]] == ["C", "D"]


def test_parties_leave_and_return() -> None:
    """A party that left and joined again takes part again."""
    stream = given(
        event("initiative.launched", "initiative:bridge", "2020", name="A bridge", kind="other"),
        event("initiative.party_joined", "initiative:bridge", "2021", party="party:usa", role="lead"),
        event("initiative.party_joined", "initiative:bridge", "2021", party="party:ind", role="funder"),
        event("initiative.party_left", "initiative:bridge", "2022", party="party:usa"),
        event("initiative.party_joined", "initiative:bridge", "2023", party="party:usa", role="observer"),
    )
    assert stream.at("2022-12-31").fields["parties"][0] == {"party": "party:usa", "role": "lead", "left": "2022"}
    assert stream.at("2023-12-31").fields["parties"] == [
        {"party": "party:usa", "role": "observer"},
        {"party": "party:ind", "role": "funder"},
    ]


def test_claims_change_no_status() -> None:
    """A claim is kept with how it was made, and changes no status whatever it says."""
    stream = given(MINIMAL["initiative.reported"] | {"occurred": "2020"})
    claim = event(
        "initiative.claim_recorded", "initiative:bridge", "2021", modality="author_claim", text="It is closed"
    )
    stream.append(claim)
    assert stream.status("2022-01-01") == "reported"
    assert stream.at("2022-01-01").fields["claims"] == [
        {"text": "It is closed", "modality": "author_claim", "position": 102}
    ]


def test_reported_is_not_met() -> None:
    """A source that speaks of a milestone has not said that it was reached."""
    stream = given(MINIMAL["milestone.reported"], MINIMAL["milestone.evidence_added"])
    assert stream.status() == "reported"


def test_commitments_are_kept_by_name() -> None:
    """A commitment is made, revised and fulfilled under its name; another one stays as it is."""

    def commitment(act: str, day: str, name: str, **more: Any) -> dict[str, Any]:
        return event(f"initiative.commitment_{act}", "initiative:bridge", day, commitment=name, **more)

    stream = given(
        MINIMAL["initiative.reported"] | {"occurred": "2019"},
        commitment("made", "2020", "steel", strength="pledge", amount="5", **{"from": "party:usa"}),
        commitment("made", "2020", "stone", strength="firm"),
        commitment("revised", "2021", "steel", amount="7"),
        commitment("fulfilled", "2022", "steel"),
    )
    steel = {"commitment": "steel", "strength": "pledge", "from": "party:usa"}
    stone = {"commitment": "stone", "strength": "firm", "status": "made"}
    for day, expected in [
        ("2020-12-31", steel | {"amount": "5", "status": "made"}),
        ("2021-12-31", steel | {"amount": "7", "status": "revised"}),
        ("2022-12-31", steel | {"amount": "7", "status": "fulfilled"}),
    ]:
        assert stream.at(day).fields["commitments"] == [expected, stone]


def test_entries_by_position_and_id() -> None:
    """A history knows its entries by position and by id, and knows none that it does not have."""
    facts = [fact_of(MINIMAL["initiative.objective_stated"] | {"occurred": f"20{n}"}) for n in (13, 11, 12)]
    built = history("initiative", recorded(facts, 101))
    assert [live.position for live in built.lives] == [102, 103, 101]
    for position in (101, 102, 103):
        found = built.find(position)
        assert found is not None
        assert found.position == position
        assert built.find(entry_id(position)) == found
    assert built.find(100) is None
    assert built.find(entry_id(100)) is None


def test_openings_of_others() -> None:
    """A stream that was opened later does not answer for a reference made before."""
    fact = fact_of(MINIMAL["initiative.related"])
    at = {subject: Opening(5) for subject in fact.mentions}
    early, late = History(KINDS["initiative"]), History(KINDS["initiative"])
    early.record(Recorded(4, entry_id(4), TODAY, fact), at)
    late.record(Recorded(6, entry_id(6), TODAY, fact), at)
    assert {anomaly.code.value for anomaly in early.anomalies_of[4]} == {"dangling_reference"}
    assert not late.anomalies_of


def test_corrections_are_no_facts_of_the_world() -> None:
    """A correction is an entry of the stream's version, and never one of its live facts."""
    stream = given(MINIMAL["initiative.reported"], MINIMAL["entry.annotated"])
    assert stream.history.version == 2
    assert [isinstance(live.fact, Correction) for live in stream.history.lives] == [False]


LIFECYCLE = {AnomalyCode.date_order, AnomalyCode.missing_predecessor, AnomalyCode.after_end}


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_kind_expects_is_flagged_by_no_lifecycle(kind: str, subtests: pytest.Subtests) -> None:
    """After every step of the lifecycle: what is expected at the status it led to is not flagged for it, and what
    is not expected is, unless it tells again of an act that is known, or concerns the part of a party alone."""
    facts = {fact: MINIMAL[fact.type] for fact in KINDS[kind].facts}
    for step in (None, *(fact for fact in facts if fact in KINDS[kind].lifecycle)):
        for fact in facts:
            with subtests.test(after=step and step.type, then=fact.type):
                _check_expected(kind, [OPENERS[kind], *([facts[step]] if step else [])], fact)


def _check_expected(kind: str, before: list[dict[str, Any]], fact: type[Fact]) -> None:
    stream = Stream(SUBJECTS[kind])
    for number, one in enumerate(before):
        stream.append(one | {"occurred": f"2020-01-{number + 1:02}"})
    status = stream.history.lanes[MAIN][-1].state.status
    stream.append(MINIMAL[fact.type] | {"occurred": "2021"})
    [*_, last] = stream.history.lanes[MAIN]
    flagged = {one.code for one in last.state.anomalies if one.position == stream.position} & LIFECYCLE
    expected = KINDS[kind].expects(fact, status)
    again = any(one["type"] == fact.type for one in before)
    apart = KINDS[kind].lanes(fact_of(MINIMAL[fact.type]))[0] != MAIN
    assert not (expected and flagged), (status, flagged)
    assert expected or flagged or again or apart, status
