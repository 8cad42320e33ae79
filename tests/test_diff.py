"""What changed between two answers, and which of the entries between are responsible."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import given as given_any
from hypothesis import strategies as st

from ledger.database.connection import LedgerLocation
from ledger.database.embedded import Embedded
from ledger.database.migrations import migrate
from projections.diff import Between, Change, Step, changes, explained, stepped
from tests.differences import LAST_DAY, Log, changes_of, check_days, check_positions
from tests.examples import INDIA, INDUS_X, SOURCES, THX, USA, event
from tests.generator import Generator
from tests.minimal import NEEDED, opener, world_types
from tests.service import ADMIN, Service, running
from tests.test_history import partial

pytest_plugins = ["tests.service"]

WHY: dict[str, Any] = {"reason_code": "misread_source", "reason": "Read again."}
INDUS_X_ID = "initiative:indus-x"


def doc(provenance: dict[str, list[int]], **fields: Any) -> dict[str, Any]:
    return {**fields, "version": len(provenance), "unknown": {}, "provenance": provenance}


# --- what changed


def test_a_changed_field_is_told() -> None:
    """Old and new value; what stayed is not told."""
    # given
    before = {"initiative:a": doc({"status": [1], "name": [1]}, status="reported", name="A")}
    after = {"initiative:a": doc({"status": [4], "name": [1]}, status="active", name="A")}
    # then
    assert changes(before, after) == [Change("initiative:a", "status", "reported", "active")]


def test_equal_answers_have_no_changes() -> None:
    """Nothing is told of two answers that say the same, whatever the version of the stream."""
    one = {"initiative:a": doc({"name": [1]}, name="A")}
    assert changes(one, {"initiative:a": {**one["initiative:a"], "version": 9}}) == []


@pytest.mark.parametrize(
    ("old", "new"), [(False, True), (0.25, 0.5), (3, 4), ("a", "b"), (["a"], ["b"]), ({}, {"a": 1}), (None, 0),
                     (None, False), ({"a": 1}, {"a": 1, "b": False}), ([{"a": 1}], [{"a": 1}, {}])],
)  # fmt: skip
def test_a_field_may_hold_any_value(old: Any, new: Any) -> None:
    """Whatever an entry says of a field, zero and no included, its change is told, and that it came and went."""
    # given
    before = {"milestone:m": doc({} if old is None else {"share": [3]}, share=old)}
    after = {"milestone:m": doc({"share": [5]}, share=new)}
    # then
    assert changes(before, after) == [Change("milestone:m", "share", old, new)]
    assert changes({}, after) == [Change("milestone:m", "share", None, new)]
    assert changes(after, {}) == [Change("milestone:m", "share", new, None)]


def test_what_says_nothing_is_no_change() -> None:
    """Null, empty and a flag that is down say the same: nothing, alone and among others."""
    # given
    nothing = {"alternatives": {}, "anomalies": [], "dates": {"held": None}, "disputed": False, "overdue": None}
    # then
    assert changes({}, {"meeting:m": doc({"title": [1]}, title="M", **nothing)}) == [
        Change("meeting:m", "title", None, "M")
    ]
    assert changes({"meeting:m": doc({}, **nothing)}, {"meeting:m": doc({}, overdue=False)}) == []
    listed = {"meeting:m": doc({"topics": [1]}, topics=[{"topic": "space", "about": None}])}
    assert changes(listed, {"meeting:m": doc({"topics": [1]}, topics=[{"topic": "space"}])}) == []


# --- who is responsible: by what provenance tells


def responsible(old: dict[str, Any], new: dict[str, Any], between: Between) -> dict[str, tuple[int, ...]]:
    found = changes({"meeting:m": old}, {"meeting:m": new})
    return {change.field: explained(change, old, new, between).entries for change in found}


def positions(start: int, end: int, struck: dict[int, int] | None = None) -> Between:
    return Between({"meeting:m": range(start + 1, end + 1)}, struck or {})


def test_a_list_that_grew_names_the_new_entry_alone() -> None:
    """Of several entries that made a list, the new ones are responsible for its growth."""
    before, after = doc({"topics": [2]}, topics=["space"]), doc({"topics": [2, 7]}, topics=["space", "cyber"])
    assert responsible(before, after, positions(4, 9)) == {"topics": (7,)}


def test_what_was_struck_names_the_correction() -> None:
    """A value that went, or is another's now, rests on what struck the entry that had set it, and not on that entry."""
    before, after = doc({"status": [3]}, status="held"), doc({"status": [1]}, status="proposed")
    assert responsible(before, after, positions(4, 9, {3: 8})) == {"status": (8,)}
    assert responsible(before, {}, positions(4, 9, {3: 8})) == {"status": (8,)}


def test_what_took_the_place_of_an_entry_may_be_struck_in_turn() -> None:
    """Then both corrections are responsible."""
    before = doc({"status": [3]}, status="held")
    assert responsible(before, {}, positions(4, 9, {3: 6, 6: 8})) == {"status": (6, 8)}


def test_an_anomaly_and_another_account_name_their_own_entries() -> None:
    """They say themselves which entry shows them. Of those, the ones that were there before are not responsible."""
    # given
    odd, others = {"code": "date_order", "position": 9}, {"title": [{"value": "A", "position": 2}]}
    more = {"title": [*others["title"], {"value": "B", "position": 7}]}
    before, after = doc({}, anomalies=[], alternatives=others), doc({}, anomalies=[odd], alternatives=more)
    # then
    assert responsible(before, after, positions(4, 9)) == {"alternatives": (7,), "anomalies": (9,)}


def test_the_way_is_looked_at_where_provenance_does_not_tell_all() -> None:
    """An anomaly of an entry from before is explained by none of what provenance leads to: then by where it came up."""
    # given
    before = doc({}, anomalies=[])
    after = doc({}, anomalies=[{"code": "missing_predecessor", "position": 3}, {"code": "date_order", "position": 7}])
    # then
    assert responsible(before, after, positions(4, 9)) == {"anomalies": ()}
    [change] = changes({"meeting:m": before}, {"meeting:m": after})
    way = [Step((5,), before), Step((6,), doc({}, anomalies=after["anomalies"][:1])), Step((7,), after)]
    assert stepped(change, before, way).entries == (6, 7)


# --- who is responsible, as it is asked for


@pytest.fixture
def seeded(service: Service) -> Service:
    service.given(THX, USA, INDIA, INDUS_X)
    return service


def between(told: Service, subject: str, start: Any, end: Any) -> dict[tuple[str, str], tuple[Any, Any, list[int]]]:
    found = changes_of(told, subject, start, end) or []
    return {(one["subject"], one["field"]): (one["old"], one["new"], one["entries"]) for one in found}


def position_of(told: Service, body: dict[str, Any]) -> int:
    return int(told.given(body)[0]["position"])


def test_after_a_void_the_void_is_responsible(seeded: Service) -> None:
    """The struck entry lies before: it is the correction that made the change. So where a whole stream goes."""
    # given
    held = event("meeting.held", "meeting:m", "2024-02-01", title="M", initiatives=[INDUS_X_ID])
    first = position_of(seeded, held)
    second = position_of(seeded, event("initiative.activated", INDUS_X_ID, "2023-06-21"))
    # when
    for target, subject in ((second, INDUS_X_ID), (first, "meeting:m")):
        seeded.given(event("entry.voided", subject, sources=[], target=target, **WHY))
    # then
    found = between(seeded, INDUS_X_ID, second, second + 2)
    assert found[INDUS_X_ID, "status"] == ("active", "reported", [second + 1])
    assert found["meeting:m", "status"] == ("held", None, [second + 2])
    assert {tuple(entries) for _, _, entries in found.values()} == {(second + 1,), (second + 2,)}


def test_after_a_supersede_it_is_responsible_for_what_came_and_for_what_went(seeded: Service) -> None:
    """What the replacement says is set by the correction; what it no longer says was struck by it."""
    # given
    held = position_of(seeded, event("meeting.held", "meeting:m", "2024-02-01", title="M", place="Delhi"))
    replacement: dict[str, Any] = {
        "type": "meeting.held",
        "occurred": "2024-02-03",
        "sources": SOURCES,
        "data": {"title": "M"},
    }
    # when
    by = position_of(
        seeded, event("entry.superseded", "meeting:m", sources=[], target=held, replacement=replacement, **WHY)
    )
    # then
    found = between(seeded, "meeting:m", held, by)
    assert found == {
        ("meeting:m", "dates"): ({"held": "2024-02-01"}, {"held": "2024-02-03"}, [by]),
        ("meeting:m", "place"): ("Delhi", None, [by]),
    }
    assert between(seeded, "meeting:m", "2024-02-02", "2024-02-04")["meeting:m", "status"] == (None, "held", [by])


def test_what_was_struck_later_is_no_part_of_it(seeded: Service) -> None:
    """What took the place of an entry is struck in turn, after the later of both points: no diff up to that one names it."""
    # given
    held = position_of(seeded, event("meeting.held", "meeting:m", "2024-02-01", title="M", place="Delhi"))
    instead = {"type": "meeting.held", "occurred": "2024-02-01", "sources": SOURCES, "data": {"title": "M"}}
    why: dict[str, Any] = {"sources": [], "replacement": instead, **WHY}
    first = position_of(seeded, event("entry.superseded", "meeting:m", target=held, **why))
    # when
    second = position_of(seeded, event("entry.voided", "meeting:m", sources=[], target=first, **WHY))
    # then
    assert between(seeded, "meeting:m", held, first) == {("meeting:m", "place"): ("Delhi", None, [first])}
    assert between(seeded, "meeting:m", held, second)["meeting:m", "place"] == ("Delhi", None, [first, second])


def test_a_dispute_and_its_resolution_are_responsible_for_what_is_disputed(seeded: Service) -> None:
    """Between positions these corrections are; between days it is the fact that they are about."""
    # given
    active = position_of(seeded, event("initiative.activated", INDUS_X_ID, "2023-06-21"))
    by = position_of(seeded, event("entry.disputed", INDUS_X_ID, sources=[], target=active, by="X", ground="Y"))
    days = between(seeded, INDUS_X_ID, "2023-06-20", "2023-06-22")
    # when
    ruling: dict[str, Any] = {"target": active, "outcome": "rejected"}
    resolved = position_of(seeded, event("entry.dispute_resolved", INDUS_X_ID, sources=[], **ruling))
    # then
    for field in ("disputed", "disputes"):
        assert between(seeded, INDUS_X_ID, active, by)[INDUS_X_ID, field][2] == [by]
        assert between(seeded, INDUS_X_ID, by, resolved)[INDUS_X_ID, field][2] == [resolved]
        assert days[INDUS_X_ID, field][2] == [active]


def test_what_an_entry_makes_others_mean_is_its_doing(service: Service) -> None:
    """A milestone that is reopened is again what it was. That a part of it was reached is struck: so it was scheduled."""
    # given
    acts = [event("milestone.scheduled", "milestone:m", "2020-01-01", title="M", due="2030")]
    acts.append(event("milestone.partially_met", "milestone:m", "2021-01-01", share=0.5))
    acts.append(event("milestone.withdrawn", "milestone:m", "2022-01-01", reason="R"))
    acts.append(event("milestone.reopened", "milestone:m", "2023-01-01", reason="R"))
    _, target, _, last = (one["position"] for one in service.given(*acts))
    # when
    void = position_of(service, event("entry.voided", "milestone:m", sources=[], target=target, **WHY))
    # then
    found = between(service, "milestone:m", last, void)
    assert found["milestone:m", "status"] == ("partiallyMet", "scheduled", [void])
    assert found["milestone:m", "share"] == (0.5, None, [void])


def test_what_becomes_overdue_rests_on_what_set_its_date(service: Service) -> None:
    """Where only days have passed, it is the entry that set the due date, though it counts from before; else an entry
    between the two points."""
    # given
    service.given(THX, event("milestone.scheduled", "milestone:m", "2024-01-01", title="M", due="2024-06-01"))
    later = position_of(service, event("milestone.rescheduled", "milestone:m", "2024-03-01", due="2024-09-01"))
    met = position_of(service, event("milestone.met", "milestone:m", "2025-01-01"))

    def overdue(start: Any, end: Any) -> Any:
        return between(service, "milestone:m", start, end).get(("milestone:m", "overdue"))

    # then
    assert overdue("2024-04-01", "2024-10-01") == (False, True, [later])
    assert overdue("2024-10-01", "2025-02-01") == (True, False, [met])
    assert overdue("2024-04-01", "2024-08-01") is None
    path = "/v1/milestones/m/diff?from=2&to=3&valid_at=2024-08-01"
    assert {one["field"]: one["entries"] for one in service.get(path).json()["changes"]}["overdue"] == [later]


def test_what_takes_a_source_back_or_gives_it_back_is_responsible_for_what_is_unverified(service: Service) -> None:
    """It is an entry of the source's own stream; so is the one that strikes it."""
    # given
    service.given(THX)
    held = position_of(service, event("meeting.held", "meeting:m", "2024-02-01", title="M"))
    # when
    back = position_of(service, event("source.retracted", "source:thx", sources=[], reason="Made up."))
    void = position_of(service, event("entry.voided", "source:thx", sources=[], target=back, **WHY))
    # then
    assert between(service, "meeting:m", held, back)["meeting:m", "unverified"][2] == [back]
    assert between(service, "meeting:m", back, void)["meeting:m", "unverified"][2] == [void]
    assert between(service, "meeting:m", held, void) == {}


def test_it_takes_a_fixed_number_of_round_trips(seeded: Service, asked: list[Any]) -> None:
    """However much was recorded between two points, of however many streams, as many questions are put as of one."""

    def questions(start: Any, end: Any) -> int:
        asked.clear()
        assert changes_of(seeded, INDUS_X_ID, start, end)
        return len(asked)

    meetings = [
        event("meeting.held", f"meeting:m{n}", "2024-02-01", title="M", initiatives=[INDUS_X_ID]) for n in range(80)
    ]
    first = seeded.given(*meetings[:2])[-1]["position"]
    seeded.given(event("entry.disputed", "meeting:m0", sources=[], target=first - 1, by="X", ground="Y"))
    last = position_of(seeded, event("entry.dispute_resolved", "meeting:m0", sources=[], target=first - 1, outcome="rejected"))  # fmt: skip
    few = {questions(0, last), questions(last - 1, last), questions("2020-01-01", LAST_DAY)}
    for meeting in meetings[2:]:
        seeded.given(meeting)
    many = {questions(0, seeded.size()), questions(last - 1, seeded.size()), questions("2020-01-01", LAST_DAY)}
    assert max(many) <= max(few) <= 20


# --- whatever was recorded


@pytest.fixture(scope="module")
def ledger(server: Embedded) -> Iterator[Service]:
    """One ledger for all examples, each on streams of its own."""
    location = LedgerLocation(server.location.dsn, "any_changes")
    migrate(server.owner_dsn, location)
    with running(location) as service:
        service.given(*list(Generator().events(40)))
        yield service


_numbers = count(1)
Acts = tuple[str, list[tuple[str, str | None, bool, int]]]


@st.composite
def acts(draw: st.DrawFn) -> Acts:
    """What happens to a stream: acts, dated or not, told by a source of its own or by others; corrections of any of them;
    that the source is taken back, and given back."""
    kind = draw(st.sampled_from(["initiative", "agreement", "agreement", "meeting", "milestone", "milestone"]))
    corrections = ["entry.voided", "entry.superseded", "entry.disputed", "entry.dispute_resolved"]
    types = st.sampled_from([*world_types(kind), *corrections * 3, "source.retracted", "source.voided"])
    act = st.tuples(types, st.none() | partial(), st.booleans(), st.integers(0, 20))
    return kind, draw(st.lists(act, min_size=2, max_size=9))


def record(told: Service, kind: str, happens: list[tuple[str, str | None, bool, int]]) -> tuple[str, int]:
    """Record as much of it as is admitted; returns the stream, and the last position before it."""
    number, start = next(_numbers), told.size()
    subject, source = f"{kind}:any-{number}", f"source:any-{number}"
    told.given(event("source.registered", source, sources=[], title="S", kind="dataset"))
    known = {subject: [position_of(told, opener(f"{kind}.described", "2010") | {"subject": subject})], source: [0]}
    for type_, occurred, own, which in happens:
        stream = source if type_.startswith("source.") else subject
        type_ = "entry.voided" if type_ == "source.voided" else type_
        cited = [{"source": source if own else "source:report-001"}]
        data = dict(NEEDED[type_])
        if type_.startswith("entry."):
            data["target"] = known[stream][which % len(known[stream])]
            cited, occurred = [], None
        if type_ == "entry.superseded":
            instead = [*world_types(kind)][which % len([*world_types(kind)])]
            day = (date(2011, 1, 1) + timedelta(days=which)).isoformat()
            data["replacement"] = {"type": instead, "occurred": day, "sources": [{"source": source}], "data": NEEDED[instead]}  # fmt: skip
        body = event(type_, stream, occurred, sources=cited, **data)
        response = told.client.post("/v1/events", json=body, headers=ADMIN)
        assert response.status_code in (201, 409, 422), response.text
        if response.status_code == 201:
            known[stream].append(response.json()["position"])
    while told.follower.step():
        pass
    return subject, start


@given_any(acts())
@settings(
    deadline=None,
    max_examples=12,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_every_change_is_explained_by_what_lies_between(ledger: Service, happens: Acts) -> None:
    """Of any stream, with any corrections, between any two positions and any two days: a diff tells each field that reads
    otherwise and none else, each with entries that lie between the two points, and without which it would not read so."""
    subject, start = record(ledger, *happens)
    log = Log(ledger)
    positions = [start, *range(start + 1, log.size + 1)]
    for one, other in [*pairwise(positions), *((start, end) for end in positions[2:]), *((one, log.size) for one in positions[1:-2])]:  # fmt: skip
        check_positions(log, subject, one, other)
    days = log.days(subject)
    for first, last in [*pairwise(days), *((day, days[-1]) for day in days[:-2])]:
        check_days(log, subject, first, last)
