"""Both clocks on every read, at the speed of a current one: lists, counts, what is unverified, and plans that hold."""

import json
import random
import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given as given_any
from hypothesis import settings
from psycopg import sql

from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded
from ledger.database.migrations import migrate
from ledger.recorded import Recorded
from ledger.service import Ledger
from ledger.vocabulary.fact import Subject
from ledger.writing.decision_cache import SQL as SERVICE
from ledger.writing.draft import read_body
from projections.changes import Fold
from projections.feed import ALL, conditions
from projections.feed import SQL as FEED
from projections.listing import SQL, Filters, list_query
from projections.queries import RELATED, STATE
from projections.rebuild import rebuild
from projections.registry import PROJECTIONS
from tests.conftest import CLERK
from tests.examples import INDIA, INDUS_X, THX, USA, event
from tests.generator import Generator
from tests.minimal import SUBJECTS
from tests.service import Service, problem_of
from tests.test_history import logs

pytest_plugins = ["tests.service"]

OTHER = event("source.registered", "source:other", sources=[], title="Another", kind="news_article")
ON_OTHER = [{"source": "source:other"}]


# --- what was known, against a reference that is slow and obvious


class Fact(NamedTuple):
    """A fact as the reference sees it."""

    day: date
    rank: int
    root: int
    position: int
    type: str


LEADS_TO = {
    "planned": "identified", "launched": "active", "activated": "active", "suspended": "suspended",
    "resumed": "active", "finalising": "finalising", "closed": "closed", "cancelled": "cancelled", "reopened": "active",
}  # fmt: skip
STATUSES = ["reported", "identified", "active", "suspended", "finalising", "closed", "cancelled"]
LIFECYCLE = [
    "reported", "planned", "launched", "activated", "party_joined", "party_left", "commitment_made",
    "commitment_revised", "commitment_partly_fulfilled", "commitment_fulfilled", "commitment_withdrawn", "objective_stated", "claim_recorded",
    "related", "suspended", "resumed", "finalising", "closed", "cancelled", "reopened", "described",
]  # fmt: skip


def facts_known(entries: Sequence[Recorded]) -> list[Fact]:
    """The facts that entries of an initiative leave standing, in the order in which they count."""
    watermarks: dict[int, Fact] = {}
    roots: dict[int, int] = {}
    for entry in entries:
        fact: Any = entry.fact
        target = roots.get(getattr(fact, "target", 0), 0)
        if not fact.type.startswith("entry."):
            roots[entry.position] = entry.position
            watermarks[entry.position] = _fact(fact, entry.recorded_on, entry.position, entry.position)
        elif fact.type == "entry.voided":
            del watermarks[target]
        elif fact.type == "entry.superseded":
            roots[entry.position] = target
            new = fact.replacement.fact()
            on = entry.recorded_on if new.occurred else next(e for e in entries if e.position == target).recorded_on
            watermarks[target] = _fact(new, on, target, entry.position)
    return sorted(watermarks.values())


def _fact(fact: Any, recorded_on: date, root: int, position: int) -> Fact:
    name = fact.type.removeprefix("initiative.")
    if fact.effective:
        day = fact.effective.latest or recorded_on
    elif fact.occurred:
        day = min(fact.occurred.latest or recorded_on, recorded_on)
    else:
        day = date.min if name == "described" else recorded_on
    return Fact(day, LIFECYCLE.index(name), root, position, name)


def status_on(facts: Sequence[Fact], day: date) -> str | None:
    """The status that facts lead to by a day: never backwards, but where something resumes or is reopened."""
    status: str | None = None
    for fact in facts:
        leads = LEADS_TO.get(fact.type)
        if fact.day > day or (status is None and fact.type == "described"):
            continue
        if status is None:
            status = leads or "reported"
        elif status in ("closed", "cancelled"):
            status = "active" if fact.type == "reopened" else status
        elif leads and (
            STATUSES.index(leads) >= STATUSES.index(status) or (fact.type, status) == ("resumed", "suspended")
        ):
            status = leads
    return status


def believed(rows: list[list[Any]], known_at: int, valid_at: date) -> str | None:
    """The status that the rows of a stream show, at a basis."""
    known = [row for row in rows if row[2] == "" and row[-2] <= known_at < row[-1] and row[3] <= valid_at]
    return max(known, key=lambda row: row[3])[4] if known else None


def last_begun(rows: list[list[Any]], known_at: int) -> date:
    """The last day on which a state begins that was known at a position."""
    return max([row[3] for row in rows if row[2] == "" and row[-2] <= known_at < row[-1]], default=date.min)


def bound(rows: list[list[Any]], known_at: int) -> date:
    """The day on which the last row begins that was opened by then."""
    opened = [(row[-2], row[3]) for row in rows if row[2] == "" and row[-2] <= known_at]
    return max(opened)[1] if opened else date.min


def had(statuses: list[list[Any]], known_at: int, valid_at: date) -> list[str]:
    """The statuses that a stream had at a basis: there is one at most."""
    return [row[1] for row in statuses if row[3] <= valid_at < row[4] and row[-2] <= known_at < row[-1]]


@given_any(logs("initiative"))
@settings(deadline=None, max_examples=150)
def test_as_known_at_every_position(entries: list[Recorded]) -> None:
    """At every position R and on every day V, the rows show what the entries up to R add up to, and nothing later."""
    # given
    fold = Fold(PROJECTIONS)
    for entry in entries:
        fold.take(Subject(SUBJECTS["initiative"]), entry, {})
    written = {changes.table.name: changes.written for changes in fold.take_changes()}
    rows, timeline, statuses = written["states"], written["timeline"], written["statuses"]
    # when
    for number, entry in enumerate(entries, 1):
        facts = facts_known(entries[:number])
        # then
        for day in {fact.day for fact in facts} | {
            fact.day - timedelta(days=1) for fact in facts if fact.day > date.min
        }:
            assert believed(rows, entry.position, day) == status_on(facts, day)
            assert had(statuses, entry.position, day) == [status for status in [status_on(facts, day)] if status]
        assert last_begun(rows, entry.position) <= bound(rows, entry.position)
        lives = sorted(tuple(row[1:5]) for row in timeline if row[0] == row[5] and row[6] <= entry.position < row[7])
        assert lives == [fact[:4] for fact in facts]
    assert all(row[-2] < row[-1] for row in rows)
    assert all(row[3] < row[4] and row[-2] < row[-1] for row in statuses)


# --- lists


def test_a_list_at_a_basis_is_what_its_members_read_as_there(service: Service) -> None:
    """At any position and on any day, a list holds each stream as it reads by itself, and its count is its length."""
    # given
    dice = random.Random(7)
    _tell(service, 400)
    paths = ("initiatives", "agreements", "meetings", "milestones", "parties", "sources")
    for known_at, day in ((60, "2010-01-01"), (200, "1999-06-01"), (330, "2020-01-01"), (400, "2026-01-01")):
        at = {"known_at": known_at, "valid_at": day}
        for path in paths:
            # when
            listed = service.get(f"/v1/{path}", limit=1000, count="true", **at).json()
            # then
            assert listed["count"] == len(listed["items"])
            everybody = service.get(f"/v1/{path}", limit=1000).json()["items"]
            for one in dice.sample(everybody, min(8, len(everybody))):
                alone = service.get(f"/v1/{path}/{one['id']}", **at)
                listing = [item for item in listed["items"] if item["id"] == one["id"]]
                assert [_own(item) for item in listing] == ([_own(alone.json())] if alone.status_code == 200 else [])


@pytest.mark.parametrize("sort", ["id", "-id", "due"])
def test_a_list_by_status_is_the_part_of_the_whole_list_that_has_it(service: Service, sort: str) -> None:
    """At any position and on any day, past days with many a later turn among them, and however the list is sorted."""
    # given
    _tell(service, 400)
    for known_at, day in ((60, "2010-01-01"), (200, "1999-06-01"), (330, "2020-01-01"), (400, "2026-01-01")):
        for path in ("initiatives", "agreements", "meetings", "milestones") if sort != "due" else ("milestones",):
            at = {"known_at": known_at, "valid_at": day, "sort": sort, "limit": 1000}
            everybody = service.get(f"/v1/{path}", **at).json()["items"]
            for status in {one["status"] for one in everybody}:
                # when
                listed = service.get(f"/v1/{path}", status=status, count="true", **at).json()
                # then
                assert listed["items"] == [one for one in everybody if one["status"] == status]
                assert listed["count"] == len(listed["items"])


def _own(state: dict[str, Any]) -> dict[str, Any]:
    apart = {"basis", "initiatives", "agreements", "meetings", "milestones", "participation"}
    return {name: value for name, value in state.items() if name not in apart or name in state.get("provenance", ())}


def _tell(service: Service, count: int) -> None:
    events = list(Generator().events(count))
    for start in range(0, count, 100):
        service.given(*events[start : start + 100])


FILTERS: list[tuple[str, dict[str, Any]]] = [
    ("initiatives", {"status": "active"}),
    ("initiatives", {"area": "cyber"}),
    ("agreements", {"party": "party:p40"}),
    ("agreements", {"text": "agreement 1"}),
    ("milestones", {"sort": "due"}),
    ("milestones", {"overdue": "true", "sort": "-due"}),
    ("meetings", {"sort": "-id"}),
]


@pytest.mark.parametrize(("path", "asked"), FILTERS)
def test_pages_at_a_past_basis_do_not_move(service: Service, path: str, asked: dict[str, Any]) -> None:
    """Filters, sorts, counts and pages answer at a past basis as they answered then, whatever came after."""
    # given
    events = list(Generator().events(600))
    for start in range(0, 300, 100):
        service.given(*events[start : start + 100])
    at = {"known_at": 300, "valid_at": "2015-01-01"}
    then = list(_pages(service, path, {**asked, **at, "limit": 1}))
    # when
    for start in range(300, 600, 100):
        service.given(*events[start : start + 100])
    # then
    assert list(_pages(service, path, {**asked, **at, "limit": 1})) == then
    assert len(then) > 1
    now = service.get(f"/v1/{path}", count="true", **asked).json()
    assert now["basis"]["known_at"] == 600


def _pages(service: Service, path: str, params: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    page = service.get(f"/v1/{path}", count="true", **params).json()
    while True:
        yield page["items"], page["count"], page["basis"]
        if page["next"] is None:
            return
        page = service.get(f"/v1/{path}", count="true", cursor=page["next"], **params).json()


# --- retracted sources


def test_what_rests_on_a_retracted_source_alone_reads_as_unverified(service: Service) -> None:
    """The fields it set are named with the entry that took the source back, wherever the state is shown; as known
    before, nothing was wrong with them."""
    # given
    service.given(THX, OTHER, INDUS_X, event("initiative.launched", "initiative:indus-x", "2023-06-21", name="INDUS-X",
                                             kind="ecosystem", sources=ON_OTHER))  # fmt: skip
    assert service.get("/v1/initiatives/indus-x").json()["unverified"] == {}
    # when
    service.given(event("source.retracted", "source:other", "2024-01-01", sources=[], reason="It was made up."))
    # then
    told = service.get("/v1/initiatives/indus-x").json()
    assert told["unverified"] == {"dates": [5], "status": [5]}
    assert service.get("/v1/initiatives").json()["items"][0]["unverified"] == told["unverified"]
    assert service.get("/v1/initiatives/indus-x", known_at=4).json()["unverified"] == {}
    for path in ("history", "timeline"):
        items = service.get(f"/v1/initiatives/indus-x/{path}").json()["items"]
        assert {one["event"]["type"]: one["unverified"] for one in items} == {
            "initiative.reported": False, "initiative.launched": True,
        }  # fmt: skip
    [change] = service.get("/v1/initiatives/indus-x/diff", **{"from": 4}).json()["changes"]
    assert (change["field"], change["entries"]) == ("unverified", [5])


def test_a_second_source_keeps_a_fact_verified(service: Service) -> None:
    """Only where every source that a fact cites was taken back is it unverified; and a retraction can be in error."""
    # given
    both = [{"source": "source:thx"}, {"source": "source:other"}]
    service.given(THX, OTHER, event("meeting.held", "meeting:m", "2024-09-10", title="Panel", sources=both))
    # when
    service.given(event("source.retracted", "source:other", sources=[], reason="It was made up."))
    # then
    assert service.get("/v1/meetings/m").json()["unverified"] == {}
    # when
    [second] = service.given(event("source.retracted", "source:thx", sources=[], reason="So was this."))
    # then
    assert service.get("/v1/meetings/m").json()["unverified"]["status"] == [4, 5]
    # when
    why = {"target": second["position"], "reason_code": "misread_source", "reason": "It stands."}
    service.given(event("entry.voided", "source:thx", sources=[], **why))
    # then
    assert service.get("/v1/meetings/m").json()["unverified"] == {}
    assert "status" in service.get("/v1/meetings/m", known_at=5).json()["unverified"]


def test_a_replacement_rests_on_its_own_sources(service: Service) -> None:
    """Where a fact was superseded, it is the sources of the replacement that count."""
    # given
    service.given(THX, OTHER, event("meeting.held", "meeting:m", title="Panel", sources=ON_OTHER))
    service.given(event("source.retracted", "source:other", sources=[], reason="It was made up."))
    assert "status" in service.get("/v1/meetings/m").json()["unverified"]
    # when
    instead = {"type": "meeting.held", "sources": [{"source": "source:thx"}], "data": {"title": "Panel"}}
    why = {"reason_code": "better_source", "reason": "The other was taken back."}
    service.given(event("entry.superseded", "meeting:m", sources=[], target=3, replacement=instead, **why))
    # then
    assert service.get("/v1/meetings/m").json()["unverified"] == {}


def test_a_retraction_costs_those_who_cite_the_source(service: Service, asked: list[Any]) -> None:
    """Where a retracted source is not cited, nothing more is asked of the database than before: of a state, a list, a timeline."""
    service.given(THX, OTHER, INDUS_X, event("meeting.held", "meeting:m", title="Panel", sources=ON_OTHER))

    def put(*paths: str) -> int:
        service.get("/v1/parties")  # whoever comes first asks what was touched
        asked.clear()
        for path in paths:
            assert service.get(path, valid_at="2027-01-01").status_code == 200
        return len(asked)

    others = ("/v1/initiatives/indus-x", "/v1/initiatives", "/v1/initiatives/indus-x/timeline")
    before = put(*others), put("/v1/meetings/m")
    service.given(event("source.retracted", "source:other", sources=[], reason="It was made up."))
    assert (put(*others), put("/v1/meetings/m")) == (before[0], before[1] + 1)


def test_the_etag_tells_of_a_retraction(service: Service) -> None:
    """A reader who holds the state as verified is not told that nothing changed."""
    service.given(THX, USA, INDIA, INDUS_X)
    tag = service.get("/v1/initiatives/indus-x").headers["etag"]
    service.given(event("source.retracted", "source:thx", sources=[], reason="It was made up."))
    assert service.get("/v1/initiatives/indus-x", {"If-None-Match": tag}).status_code == 200
    assert problem_of(service.get("/v1/initiatives/indus-y"), 404)["type"] == "/problems/not-found"


# --- plans


@pytest.fixture(scope="module")
def filled(server: Embedded) -> Iterator[Connection]:
    """A connection to a ledger of 5,000 generated events, projected."""
    location = LedgerLocation(server.location.dsn, "plans")
    migrate(server.owner_dsn, location)
    events = list(Generator().events(5_000))
    with location.pool(2) as pool, Ledger(location, pool) as ledger:
        for start in range(0, len(events), 500):
            ledger.append(read_body({"events": events[start : start + 500]}), CLERK)
    rebuild(location)
    with location.connect() as connection:
        yield connection


def plan(connection: Connection, query: str, **given: Any) -> dict[str, Any]:
    """The plan that a prepared statement settles for, whatever it is asked."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)", query)))
    numbered = re.sub(r"%\((\w+)\)[sb]", lambda found: f"${names.index(found[1]) + 1}", query).replace("%%", "%")
    values = sql.SQL(", ").join(sql.Literal(given[name]) for name in names)
    connection.execute(f"prepare asked as {numbered}".encode())
    connection.execute("set plan_cache_mode = force_generic_plan")
    row = connection.execute(sql.SQL("explain (format json) execute asked({})").format(values)).fetchone()
    connection.execute("deallocate asked")
    assert row is not None
    found: dict[str, Any] = row[0][0]["Plan"]
    return found


def plan_nodes(connection: Connection, query: str, **given: Any) -> list[dict[str, Any]]:
    return list(_nodes(plan(connection, query, **given)))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", ()):
        yield from _nodes(inner)


NOW = {"known_at": 5_000, "valid_at": date(2026, 1, 1)}
PAST = {"known_at": 1_000, "valid_at": date(1999, 1, 1)}


@pytest.mark.parametrize("at", [NOW, PAST], ids=["now", "then"])
def test_a_single_state_is_one_descent_of_an_index(filled: Connection, at: dict[str, Any]) -> None:
    """Both clocks are conditions of the index, so of a long history only the row that holds is read."""
    nodes = plan_nodes(filled, STATE, subject="initiative:programme-3", **at)
    bound, scan = sorted(
        [node for node in nodes if node.get("Relation Name") == "states"], key=lambda node: str(node["Index Name"])
    )
    assert (bound["Node Type"], bound["Index Name"]) == ("Index Only Scan", "states_known")
    assert scan["Node Type"].startswith("Index Scan")
    assert scan["Index Name"] == "states_lane"
    assert all(clock in scan["Index Cond"] for clock in ("valid_from", "known_from", "known_to"))
    assert "Filter" not in scan


@pytest.mark.parametrize("at", [NOW, PAST], ids=["now", "then"])
@pytest.mark.parametrize("filters", [Filters(), Filters(area="x")])
def test_a_list_walks_streams_and_not_their_histories(filled: Connection, at: dict[str, Any], filters: Filters) -> None:
    """For each stream of the kind, one descent of the index; nothing is sorted, so a page ends where it is full."""
    query, given = list_query("list", "initiative", filters)
    nodes = plan_nodes(filled, query, limit=51, **given, **at)
    assert not {node["Node Type"] for node in nodes} & {"Seq Scan", "Sort", "Hash Join", "Merge Join"}
    assert {node.get("Index Name") for node in nodes} >= {"states_lane", "entries_opening"}
    [held] = [node for node in nodes if node.get("Index Name") == "states_lane"]
    assert all(clock in held["Index Cond"] for clock in ("valid_from", "known_from", "known_to"))


@pytest.mark.parametrize("filters", [Filters(status="active"), Filters(status="active", area="jet_engines")])
def test_a_list_by_status_visits_those_that_had_it(filled: Connection, filters: Filters) -> None:
    """They are found in an index each way and merged as they come, so a page ends where it is full."""
    # given
    query, given = list_query("list", "initiative", filters)
    # when
    limit = plan(filled, query, limit=51, **given, **NOW)
    # then
    nodes = list(_nodes(limit))
    read = [node["Index Name"] for node in nodes if node["Node Type"] == "Index Only Scan"]
    assert [name for name in read if name.startswith("statuses")] == [
        "statuses_open",
        "statuses_open",
        "statuses_closed",
    ]
    assert "duration_log16" in next(node for node in nodes if node.get("Index Name") == "statuses_closed")["Index Cond"]
    assert not {node["Node Type"] for node in nodes} & {"Seq Scan", "Hash Join", "Merge Join"}
    [merged] = [node for node in nodes if node["Node Type"] == "Merge Append"]
    sorts = [node for node in nodes if node["Node Type"] == "Sort"]
    assert sorts == [node for node in _nodes(merged) if node["Node Type"] == "Sort"]


@pytest.mark.parametrize("name", ["timeline", "history", "log", "related", "unverified", "retracted", "recorded_at"])
def test_no_read_scans_a_whole_table(filled: Connection, name: str) -> None:
    """Every other read finds what it needs by an index, however long the log is."""
    wanted, _ = conditions(ALL)
    queries = {
        "log": FEED["log"].format(wanted=wanted, direction="asc"), "related": RELATED,
        "timeline": SQL["timeline"].format(conditions=SQL["timeline_after"]),
    }  # fmt: skip
    query = queries.get(name, SQL.get(name, ""))
    given = {
        "subject": "initiative:programme-3", "kinds": ["agreement", "meeting"], "positions": [1, 2], "position": 7, "upto": 10**6,
        "retracted": ["source:report-001"], "limit": 50, "after": 100, "type": None,
        "after_day": date(1999, 1, 1), "after_rank": 0, "after_root": 0, "most": 101, **NOW,
    }  # fmt: skip
    scanned = [node["Relation Name"] for node in plan_nodes(filled, query, **given) if node["Node Type"] == "Seq Scan"]
    assert scanned == []


def test_a_writer_reads_streams_by_their_index(filled: Connection) -> None:
    """What a decision rests on is found stream by stream, in a new ledger too, of which the planner knows nothing."""
    filled.execute("reset plan_cache_mode")
    for name, given in (("load", {"streams": ["initiative:programme-3"] * 60, "versions": [2] * 60}),
                        ("openings", {"streams": [f"initiative:programme-{n}" for n in range(60)]})):  # fmt: skip
        assert "Seq Scan" not in {node["Node Type"] for node in plan_nodes(filled, SERVICE[name], **given)}


def test_both_answers_are_reproducible(service: Service) -> None:
    """What was undated as known then and is dated as known now reads so for ever, byte for byte."""
    held = event("meeting.held", "meeting:m", title="Panel")
    service.given(THX, held)
    then = service.get("/v1/meetings/m", known_at=2, valid_at="2027-01-01").content
    why = {"reason_code": "better_source", "reason": "Another source dates it."}
    dated = {"type": "meeting.held", "occurred": "2024-09-25", "sources": ON_OTHER, "data": {"title": "Panel"}}
    service.given(OTHER, event("entry.superseded", "meeting:m", sources=[], target=2, replacement=dated, **why))
    assert service.get("/v1/meetings/m", known_at=2, valid_at="2027-01-01").content == then
    assert json.loads(then)["dates"] == {"held": None}
    assert service.get("/v1/meetings/m").json()["dates"] == {"held": "2024-09-25"}
