"""HTTP: appending, the log, the states with their lists, timelines and histories, and what holds for every answer."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import jsonschema_rs
import psycopg
import pytest
from httpx2 import Response

from api.http import dependencies as app_state
from api.http import problems
from api.http.documents import plural_of
from ledger import errors
from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded
from ledger.database.migrations import migrate
from ledger.vocabulary.codes import Area
from ledger.vocabulary.registry import FACTS, KINDS
from projections.follow import follow
from projections.rebuild import rebuild
from tests.examples import INDIA, INDUS_X, SOURCES, THX, USA, event
from tests.minimal import MINIMAL
from tests.proxy import wired
from tests.service import ADMIN, Service, pointers_of, problem_of, running

pytest_plugins = ["tests.service"]

NDJSON = "application/x-ndjson"
SPACE = event("initiative.reported", "initiative:space", name="Space challenge", kind="challenge", areas=["space"])
PANEL = event("meeting.held", "meeting:panel", "2024-09-10", title="Panel", initiatives=["initiative:indus-x"])


# --- appending


def test_append_answers_with_positions_versions_and_anomalies(service: Service) -> None:
    """What was recorded is told: where it stands, its version, and what is odd about it."""
    response = service.post(INDUS_X)
    assert response.status_code == 201
    assert response.headers["ledger-position"] == "1"
    assert response.headers["location"] == "/v1/events/1"
    told = response.json()
    assert told["position"] == 1
    [one] = told["events"]
    assert (one["position"], one["version"], one["subject"]) == (1, 1, "initiative:indus-x")
    assert [anomaly["code"] for anomaly in one["anomalies"]] == ["dangling_reference"]
    assert service.get(response.headers["location"]).json()["id"] == one["id"]


def test_append_all_or_none(service: Service) -> None:
    """One event that is refused keeps out the whole request."""
    problem = problem_of(service.post(THX, event("initiative.resumed", "initiative:nobody")), 409)
    assert problem["rule"] == "cannot_open"
    assert service.size() == 0
    response = service.post(THX, USA, INDIA)
    assert [one["position"] for one in response.json()["events"]] == [1, 2, 3]
    assert response.headers["ledger-position"] == "3"


def test_the_recorded_authid_is_the_name_of_the_key(service: Service) -> None:
    """Who recorded is known from the key, and a body that claims to know better is refused."""
    service.given(THX)
    assert service.get("/v1/events/1").json()["authid"] == "admin"
    assert pointers_of(service.post(USA | {"authid": "somebody"})) == ["/authid"]


def test_the_same_id_answers_as_the_first_time(service: Service) -> None:
    """Sending again changes nothing; the same id with other content is refused."""
    given = THX | {"id": str(uuid4())}
    first = service.post(given)
    service.post(USA)
    again = service.post(given)
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["ledger-position"] == "1"
    problem = problem_of(service.post(INDIA | {"id": given["id"]}), 422)
    assert problem["type"] == "/problems/id-reused"
    assert service.size() == 2


def test_the_same_idempotency_key_answers_as_the_first_time(service: Service) -> None:
    """A writer who cannot make ids sends a key; it is theirs alone, and stands for one request."""
    first = service.post(THX, USA, Idempotency_Key='"k 1"')
    again = service.post(THX, USA, Idempotency_Key='"k 1"')
    assert (first.status_code, again.status_code, again.json()) == (201, 200, first.json())
    for other in ([INDIA], [THX], [THX, USA, INDIA]):
        problem = problem_of(service.post(*other, Idempotency_Key='"k 1"'), 422)
        assert problem["type"] == "/problems/id-reused"
        assert problem["detail"] == "the Idempotency-Key 'k 1' stands for something else that was recorded"
        assert [one["pointer"] for one in problem["errors"]] == ["Idempotency-Key"]
    assert service.post(INDIA, Idempotency_Key='"k 2"').status_code == 201
    assert service.size() == 3


def test_idempotency_keys_are_structured_strings(service: Service, shared: Path) -> None:
    """Every sound string of the structured-field test suite is a key, up to 255 characters; the others are refused."""
    cases = json.loads((shared / "structured-fields/string.json").read_text())
    for number, case in enumerate(cases):
        [raw, *more] = case["raw"]
        key = case["expected"][0] if "expected" in case else ""
        subject = f"source:s{number}"
        sent = [*ADMIN.items(), *(("Idempotency-Key", one.encode("latin-1")) for one in (raw, *more))]
        body = event("source.registered", subject, sources=[], title="T", kind="dataset")
        headers = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in sent]
        response = service.client.post("/v1/events", json=body, headers=headers)
        bare = not raw.startswith('"') and raw.isascii() and " " not in raw
        if (1 <= len(key) <= 255 and not more) or bare:
            assert response.status_code == 201, case["name"]
        else:
            assert pointers_of(response) == ["Idempotency-Key"], case["name"]


def test_a_stale_version_is_refused(service: Service) -> None:
    """A writer may say which version it saw, in the body or with If-Match and the state's own ETag."""
    service.given(THX, INDUS_X)
    tag = service.get("/v1/initiatives/indus-x").headers["etag"]
    launched = event("initiative.launched", "initiative:indus-x", "2023-06", name="INDUS-X", kind="ecosystem")
    assert service.post(launched, If_Match=tag).status_code == 201

    stale = problem_of(service.post(launched | {"expected_version": 1}), 409)
    assert (stale["type"], stale["current_version"]) == ("/problems/stale-version", 2)
    for seen in (tag, '"v1"', 'W/"v1"'):
        missed = problem_of(service.post(launched, If_Match=seen), 412)
        assert (missed["type"], missed["current_version"]) == ("/problems/precondition-failed", 2)
    assert pointers_of(service.post(USA, INDIA, If_Match='"v0"')) == ["If-Match"]
    assert pointers_of(service.post(USA, If_Match="*")) == ["If-Match"]
    assert service.post(USA, If_Match='"v0"').status_code == 201
    assert service.post(INDIA | {"expected_version": 0}).status_code == 201
    assert service.size() == 5


def test_who_opens_a_stream_may_say_that_it_must_be_new(service: Service) -> None:
    """``If-None-Match: *`` records where there is no such stream, and is 412 where there is; a tag there is refused."""
    assert service.post(THX, If_None_Match="*").status_code == 201
    missed = problem_of(service.post(THX | {"note": "Again."}, If_None_Match="*"), 412)
    assert (missed["type"], missed["current_version"]) == ("/problems/precondition-failed", 1)
    for odd in ('"v1"', ""):
        assert pointers_of(service.post(USA, If_None_Match=odd)) == ["If-None-Match"]
    assert pointers_of(service.post(USA, INDIA, If_None_Match="*")) == ["If-None-Match"]
    assert service.size() == 1


def test_a_request_does_not_contradict_itself(service: Service) -> None:
    """Versions that differ are refused by the header's name, and so is a key beside an id: none of them is ignored."""
    service.given(THX, INDUS_X)
    told = event("initiative.activated", "initiative:indus-x", "2023-06-21") | {"expected_version": 1}
    assert pointers_of(service.post(told, If_Match='"v0"')) == ["If-Match"]
    assert pointers_of(service.post(told, If_None_Match="*")) == ["If-None-Match"]
    assert pointers_of(service.post(USA, If_Match='"v1"', If_None_Match="*")) == ["If-Match"]
    known = USA | {"id": "01990000-0000-7000-8000-00000000000a"}
    for sent in ([known], [INDIA, known]):
        assert pointers_of(service.post(*sent, Idempotency_Key='"k"')) == ["Idempotency-Key"]
    assert service.size() == 2
    assert service.post(told, If_Match='"v1"').status_code == 201
    assert service.post(USA | {"expected_version": 0}, If_Match='"v0"', If_None_Match="*").status_code == 201


def test_many_writers_at_once(service: Service) -> None:
    """32 clients at once each get an answer, and the positions have no gap."""

    def post(number: int) -> Response:
        return service.post(event("party.registered", f"party:p{number}", sources=[], name="P", kind="company"))

    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(post, range(96)))
    assert {answer.status_code for answer in answers} == {201}
    assert sorted(answer.json()["position"] for answer in answers) == list(range(1, 97))


# --- the log


def test_the_log_shows_the_same_bytes_everywhere(service: Service) -> None:
    """An entry is one line: in the JSON log, as NDJSON, by position and by id."""
    recorded = service.given(THX, USA, INDUS_X)
    lines = service.get("/v1/events", {"Accept": NDJSON})
    assert lines.headers["content-type"].startswith(NDJSON)
    assert lines.headers["vary"] == "Accept, Accept-Encoding"
    entries = lines.text.splitlines()
    assert service.get("/v1/events").text == f'{{"events":[{",".join(entries)}],"next":null}}'
    for one, line in zip(recorded, entries, strict=True):
        for which in (one["position"], one["id"]):
            alone = service.get(f"/v1/events/{which}")
            assert (alone.text, alone.headers["content-type"]) == (line, "application/cloudevents+json")


@pytest.mark.parametrize(
    ("accept", "lines"),
    [(NDJSON, True), ("Application/X-NDJSON; q=0.5", True), (f"text/html, {NDJSON};q=0.01, */*", False),
     (f"application/json;q=0.5, {NDJSON}", True), (f"application/json;q=0, {NDJSON};q=0.01", True),
     (f"{NDJSON};q=0", False), (f"{NDJSON} ; q=0.000, application/json", False), ("*/*", False), ("", False)],
)  # fmt: skip
def test_lines_are_given_to_who_accepts_them(service: Service, accept: str, lines: bool) -> None:
    """In any case and at any weight but none, which rules them out; and so again when they are given from memory."""
    service.given(THX)
    for _ in range(2):
        assert (service.get("/v1/events", {"Accept": accept}).headers["content-type"] == NDJSON) == lines


def test_the_log_is_narrowed(service: Service) -> None:
    """By type, by subject, from a position on, up to what was known; and nothing else is shown."""
    service.given(THX, USA, INDIA, INDUS_X)

    def positions(**params: Any) -> list[int]:
        return [int(one["sequence"]) for one in service.get("/v1/events", **params).json()["events"]]

    assert positions(type="party.registered") == [2, 3]
    assert positions(subject="party:ind") == [3]
    assert positions(after=2) == [3, 4]
    assert positions(known_at=2) == [1, 2]
    assert positions(type="party.registered", subject="party:usa", known_at=4, after=1) == [2]
    assert positions(type="party.dissolved") == []
    assert positions(known_at="2000-01-01T00:00:00Z") == []


def test_the_log_comes_in_pages(service: Service) -> None:
    """``next`` and ``Link`` lead through the whole log, also as NDJSON, and the last page says that it is the last."""
    service.given(THX, USA, INDIA, INDUS_X)
    page = service.get("/v1/events", limit=2, known_at=4)
    assert page.json()["next"] == f"{page.headers['ledger-epoch']}:2"
    link = page.headers["link"]
    assert link.startswith("</v1/events?")
    assert link.endswith('>; rel="next"')
    service.given(SPACE)
    last = service.client.get(link[1 : link.index(">")], headers={"Accept": NDJSON})
    assert [json.loads(line)["subject"] for line in last.text.splitlines()] == ["party:ind", "initiative:indus-x"]
    assert "link" not in last.headers


def test_an_entry_tells_what_corrected_it(service: Service) -> None:
    """``Link`` names corrections; as known before they were recorded there are none, and later entries are unknown."""
    service.given(THX, USA, INDUS_X)
    replacement = {"type": "initiative.reported", "sources": SOURCES, "data": {"name": "INDUS-X", "kind": "challenge"}}
    better: dict[str, Any] = {
        "target": 3,
        "replacement": replacement,
        "reason_code": "misread_source",
        "reason": "Read again",
    }
    struck: dict[str, Any] = {"target": 2, "reason_code": "test_entry", "reason": "A try"}
    service.given(event("entry.superseded", "initiative:indus-x", sources=[], **better))
    service.given(event("entry.voided", "party:usa", sources=[], **struck))
    assert service.get("/v1/events/3").headers["link"] == '</v1/events/4>; rel="successor-version"'
    assert service.get("/v1/events/2").headers["link"] == '</v1/events/5>; rel="related"'
    assert "link" not in service.get("/v1/events/1").headers
    then = service.get("/v1/events/2", known_at=4)
    assert (then.headers["ledger-position"], "link" in then.headers) == ("4", False)
    problem_of(service.get("/v1/events/5", known_at=4), 404)
    problem_of(service.get(f"/v1/events/{service.get('/v1/events/5').json()['id']}", known_at=4), 404)
    for unknown in ("6", str(uuid4())):
        problem_of(service.get(f"/v1/events/{unknown}"), 404)
    for none in ("0", "-1", "9" * 30, "five"):
        assert problem_of(service.get(f"/v1/events/{none}"), 422)["errors"][0]["pointer"] == "which"


def test_disclose_opens_the_commitments_of_an_entry(service: Service) -> None:
    """A person's name is in no line; with ``disclose`` comes what opens the commitment, and nobody else's."""
    service.given(event("meeting.held", "meeting:m", "2024", title="M", participants=[{"person": "A. Canary"}]), THX)
    line = service.get("/v1/events/1")
    assert "Canary" not in line.text
    opened = service.get("/v1/events/1", ADMIN, disclose=True).json()
    assert opened.items() >= line.json().items()
    [(pointer, one)] = opened["disclosures"].items()
    assert (pointer, one["value"]) == ("/data/participants/0/person", "A. Canary")
    assert service.get("/v1/events/2", ADMIN, disclose=True).json()["disclosures"] == {}


# --- the states


@pytest.fixture
def seeded(service: Service) -> Service:
    """One stream of every kind, and a stray one of each."""
    types = ("source.registered", "party.registered", "initiative.reported", "agreement.signed", "meeting.held",
             "milestone.reported")  # fmt: skip
    for type_ in types:
        given = MINIMAL[type_]
        service.given(given, given | {"subject": f"{given['subject'].partition(':')[0]}:stray"})
    return service


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_read_alike(seeded: Service, kind: str) -> None:
    """List, state, timeline and history of each kind, all at a basis that the answer repeats."""
    type_ = next(type_ for type_ in MINIMAL if MINIMAL[type_]["subject"].startswith(f"{kind}:"))
    subject = MINIMAL[type_]["subject"]
    path = f"/v1/{plural_of(kind)}"
    basis = {"known_at": 12, "valid_at": "2025-01-01"}

    ids = [one["id"] for one in seeded.get(path, **basis).json()["items"]]
    assert ids == sorted([subject.partition(":")[2], "stray"])
    state = seeded.get(f"{path}/stray", **basis).json()
    assert (state["subject"], state["id"], state["version"]) == (f"{kind}:stray", "stray", 1)
    assert state.keys() >= {"status", "anomalies", "disputed", "provenance", "unknown", "alternatives"}
    for answer in (state, *(seeded.get(f"{path}/stray/{part}", **basis).json() for part in ("timeline", "history"))):
        assert (answer["basis"]["known_at"], answer["basis"]["valid_at"]) == (12, "2025-01-01")
        assert answer["basis"]["known_at_time"]
    for part in ("timeline", "history"):
        own = [one["event"]["subject"] for one in seeded.get(f"{path}/stray/{part}", **basis).json()["items"]]
        assert own == [f"{kind}:stray"] or kind in ("source", "party", "initiative")
        problem_of(seeded.get(f"{path}/nobody/{part}"), 404)
    problem_of(seeded.get(f"{path}/nobody"), 404)


def test_a_state_holds_what_belongs_to_it(service: Service) -> None:
    """One request tells the whole state of a programme, and leaves out what is another's."""
    goal = event("milestone.scheduled", "milestone:goal", title="Goal", due="2024-12", of=["initiative:indus-x"])
    pact = event("agreement.mentioned", "agreement:mou", title="MoU", initiatives=["initiative:indus-x"])
    stray = event("meeting.held", "meeting:stray", "2024-09-10", title="Stray", initiatives=["initiative:space"])
    service.given(THX, INDUS_X, SPACE, PANEL, goal, pact, stray)
    state = service.get("/v1/initiatives/indus-x").json()
    assert [one["id"] for one in state["meetings"]] == ["panel"]
    assert [one["id"] for one in state["milestones"]] == ["goal"]
    assert [one["id"] for one in state["agreements"]] == ["mou"]
    assert state["initiatives"] == []


def test_two_clocks(service: Service) -> None:
    """What was so on a day, and what was known at a position or a time, in states, lists, timelines and histories."""
    service.given(THX, INDUS_X)
    service.given(event("initiative.activated", "initiative:indus-x", "2024-03-01"))
    service.given(event("initiative.suspended", "initiative:indus-x", "2024-06-01", reason="Review"))
    recorded = [service.get(f"/v1/events/{n}").json()["recordedtime"] for n in range(1, 5)]

    def status(**basis: Any) -> list[str]:
        state = service.get("/v1/initiatives/indus-x", **basis).json()["status"]
        [listed] = service.get("/v1/initiatives", **basis).json()["items"]
        return [state, listed["status"]]

    assert status() == ["suspended"] * 2
    assert status(valid_at="2024-04-01") == ["active"] * 2
    assert status(known_at=3) == ["active"] * 2
    assert status(known_at=recorded[2]) == ["active"] * 2
    assert service.get("/v1/initiatives/indus-x", known_at=recorded[2]).json()["basis"]["known_at"] == 3
    problem_of(service.get("/v1/initiatives/indus-x", known_at=1), 404)
    problem_of(service.get("/v1/initiatives/indus-x", known_at="2000-01-01T00:00:00Z"), 404)
    assert service.get("/v1/initiatives", known_at=0).json()["items"] == []

    def facts(part: str, **basis: Any) -> list[str]:
        items = service.get(f"/v1/initiatives/indus-x/{part}", **basis).json()["items"]
        return [one["event"]["type"].partition(".")[2] for one in items]

    assert facts("timeline") == ["activated", "suspended", "reported"]
    assert facts("timeline", valid_at="2024-04-01") == ["activated"]
    assert facts("timeline", known_at=3) == ["activated", "reported"]
    assert facts("history") == ["reported", "activated", "suspended"]
    assert facts("history", known_at=3) == ["reported", "activated"]
    for edge in ("0001-01-01", "9999-12-31"):
        assert service.get("/v1/initiatives", valid_at=edge).status_code == 200


def test_history_shows_struck_entries_with_the_reason(service: Service) -> None:
    """A voided entry stays readable, with what struck it, who, when and why; the others are not struck."""
    service.given(THX, INDUS_X, event("initiative.activated", "initiative:indus-x", "2024-03-01"))
    why: dict[str, Any] = {"target": 3, "reason_code": "misread_source", "reason": "Not said there"}
    service.given(event("entry.voided", "initiative:indus-x", sources=[], **why))
    items = service.get("/v1/initiatives/indus-x/history").json()["items"]
    assert [one["struck"] for one in items] == [False, True, False]
    [by] = items[1]["corrections"]
    assert by.items() >= {"position": 4, "type": "entry.voided", "authid": "admin", "reason": "Not said there"}.items()
    assert service.get("/v1/initiatives/indus-x").json()["status"] == "reported"


FILTERS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("initiatives", {"status": "active"}, ["indus-x"]),
    ("initiatives", {"kind": "challenge"}, ["space"]),
    ("initiatives", {"area": "space"}, ["space"]),
    ("initiatives", {"party": "party:usa"}, ["indus-x"]),
    ("initiatives", {"text": "INDUS"}, ["indus-x"]),
    ("initiatives", {"text": "%"}, []),
    ("initiatives", {"kind": "challenge", "status": "active"}, []),
    ("agreements", {"party": "party:usa"}, ["pact"]),
    ("meetings", {"ref": "initiative:indus-x"}, ["panel"]),
    ("milestones", {"due_before": "2024-12-31"}, ["first"]),
    ("milestones", {"overdue": True, "valid_at": "2025-01-15"}, ["first"]),
    ("milestones", {"overdue": False, "valid_at": "2025-01-15"}, ["open", "second"]),
    ("milestones", {"sort": "due"}, ["first", "second", "open"]),
    ("milestones", {"sort": "-due"}, ["second", "first", "open"]),
    ("milestones", {"sort": "-id"}, ["second", "open", "first"]),
]


@pytest.fixture
def lists(service: Service) -> Service:
    joined = event("initiative.party_joined", "initiative:indus-x", "2024", party="party:usa", role="lead")
    service.given(
        THX, USA, INDUS_X, SPACE, PANEL, joined, event("initiative.activated", "initiative:indus-x", "2024-03-01"),
        event("agreement.signed", "agreement:pact", "2024", title="Pact", signatories=[{"party": "party:usa"}]),
        event("agreement.mentioned", "agreement:stray", title="Stray"),
        event("meeting.held", "meeting:stray", "2024", title="Stray"),
        event("milestone.scheduled", "milestone:first", "2024-01", title="First", due="2024-11"),
        event("milestone.scheduled", "milestone:second", "2024-01", title="Second", due="2025-06"),
        event("milestone.reported", "milestone:open", "2024-01", title="No date"),
    )  # fmt: skip
    return service


def test_lists_are_narrowed_and_sorted(lists: Service) -> None:
    """Each filter keeps what fits and leaves the rest out; pages of one item come in the same order."""
    for kind, params, expected in FILTERS:
        found = [one["id"] for one in lists.get(f"/v1/{kind}", **params).json()["items"]]
        assert found == expected, (kind, params)
        assert [one["id"] for one in _pages(lists, f"/v1/{kind}", limit=1, **params)] == expected, (kind, params)


def _pages(service: Service, path: str, **params: Any) -> Iterator[dict[str, Any]]:
    """Every item, page by page, by the links."""
    response = service.get(path, **params)
    while True:
        assert response.status_code == 200, response.text
        yield from response.json()["items"]
        if response.json()["next"] is None:
            assert "link" not in response.headers
            return
        link = response.headers["link"]
        assert link.endswith('>; rel="next"')
        response = service.client.get(link[1 : link.index(">")])


def test_pages_are_pinned_to_one_known_at(service: Service) -> None:
    """What is recorded between two pages is on neither; a new list shows it."""
    parties = [event("party.registered", f"party:p{n}", sources=[], name=f"P{n}", kind="company") for n in range(4)]
    service.given(*parties)
    first = service.get("/v1/parties", limit=2).json()
    renamed = event("party.renamed", "party:p3", "2024", name="Renamed", sources=SOURCES)
    service.given(THX, event("party.registered", "party:p2a", sources=[], name="New", kind="company"), renamed)
    second = service.get("/v1/parties", limit=2, cursor=first["next"]).json()
    assert [one["name"] for one in first["items"] + second["items"]] == ["P0", "P1", "P2", "P3"]
    assert first["basis"] == second["basis"]
    assert second["next"] is None
    assert [one["name"] for one in service.get("/v1/parties").json()["items"]] == ["P0", "P1", "P2", "New", "Renamed"]


def test_timelines_come_in_pages(service: Service) -> None:
    """A long timeline is read in pages, each fact once and in order."""
    acts = [
        event("initiative.objective_stated", "initiative:indus-x", f"2024-01-{n:02d}", text="T") for n in range(1, 8)
    ]
    service.given(THX, INDUS_X, *acts)
    days = [one["day"] for one in _pages(service, "/v1/initiatives/indus-x/timeline", limit=3)]
    assert len(days) == 8
    assert all(one <= other for one, other in pairwise(days))


def test_what_has_no_date_has_no_day_in_a_timeline(service: Service) -> None:
    """What holds at all times, as it describes and gives no date, comes first with the day null, page by page too; a date before
    year 1 is one, and what only has no date of its own counts from the day on which it was recorded.
    """
    pact = "agreement:pact"
    wrong = event("agreement.described", pact, None, id="01990000-0000-7000-8000-0000000000aa", title="A part")
    service.given(
        THX,
        event("agreement.adopted", pact, "-0044-03-15", title="A pact"),
        event("agreement.signed", pact, None),
        wrong,
    )
    instead = {"type": "agreement.described", "sources": [{"source": "source:thx"}], "data": {"title": "The pact"}}
    service.given(
        event("entry.superseded", pact, None, target=wrong["id"], replacement=instead,
              reason_code="misread_source", reason="It is whole")
    )  # fmt: skip
    items = list(_pages(service, "/v1/agreements/pact/timeline", limit=1))
    assert [(one["day"], one["event"]["type"]) for one in items] == [
        ("0001-01-01", "agreement.adopted"), (None, "entry.superseded"),
        (items[2]["event"]["recordedtime"][:10], "agreement.signed"),
    ]  # fmt: skip
    rows = service.get("/agreements/pact/timeline.csv").text.splitlines()
    assert [row.partition(",")[0] for row in rows[1:]] == [one["day"] or "" for one in items]


def test_what_is_in_force_for_some_is_found(service: Service) -> None:
    """An agreement that is in force for parties, while nothing says so of the whole, tells for how many, and is listed by that, on
    any day and as known at any position.
    """
    # given
    pact, parties = "agreement:pact", ("party:usa", "party:ind")
    service.given(THX, USA, INDIA, event("agreement.mentioned", pact, "2019", title="A pact"))
    service.given(*(event("agreement.consented", pact, "2020-01-01", party=one, method="accession") for one in parties))
    service.given(event("agreement.entered_into_force", pact, "2021-01-01", party="party:usa"))
    # when
    state = service.get("/v1/agreements/pact").json()
    # then
    assert (state["status"], state["in_force_for"], state["parties"]) == ("mentioned", 1, [*parties])
    assert state["derived"] == ["parties", "dates/consented", "in_force_for"]
    assert state["provenance"]["in_force_for"] == [7]

    def found(number: int, **basis: Any) -> list[str]:
        answer = service.get("/v1/agreements", in_force_for=number, **basis).json()
        return [one["id"] for one in answer["items"]]

    assert (found(1), found(2), found(1, valid_at="2020-06-01"), found(1, known_at=6)) == (["pact"], [], [], [])
    changed = service.get("/v1/agreements/pact/diff", **{"from": 6, "to": 7}).json()["changes"]
    assert {one["field"]: one["entries"] for one in changed if one["subject"] == pact} == {"in_force_for": [7]}
    service.given(event("agreement.entered_into_force", pact, "2022-01-01"))
    assert (found(1), found(1, valid_at="2021-06-01")) == ([], ["pact"])
    for wrong in ("0", "some"):
        problem_of(service.get("/v1/agreements", in_force_for=wrong), 422)


def test_min_position_waits_for_the_projections(service: Service) -> None:
    """Who has appended reads what they wrote, as soon as the follower has seen it."""
    service.given(THX)
    position = service.post(INDUS_X).json()["position"]
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(service.get, "/v1/initiatives/indus-x", min_position=position)
        service.follower.step()
        response = asked.result()
    assert response.status_code == 200
    assert int(response.headers["ledger-position"]) >= position


def test_min_position_gives_up_where_nobody_follows(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the follower does not run, the answer is 503 and when to ask again; other reads go on."""
    service.given(THX)
    service.post(INDUS_X)
    monkeypatch.setattr(app_state, "WAIT_S", 0.1)
    for path in ("/v1/initiatives", "/v1/initiatives/indus-x/history", "/v1/sources/thx", "/v1/sources/thx/timeline"):
        response = service.get(path, min_position=2)
        assert problem_of(response, 503)["type"] == "/problems/not-yet"
        assert int(response.headers["retry-after"]) >= 1
    assert service.get("/v1/events", min_position=2).status_code == 200
    assert service.get("/v1/sources/thx", min_position=1).headers["ledger-position"] == "1"


# --- what holds for every read

READS = [
    "/v1/initiatives/indus-x", "/v1/initiatives", "/v1/initiatives?limit=1", "/v1/initiatives/indus-x/timeline",
    "/v1/initiatives/indus-x/timeline?limit=1", "/v1/initiatives/indus-x/history", "/v1/events", "/v1/events?limit=1",
    "/v1/events/2",
]  # fmt: skip


def test_what_the_reader_has_already_is_not_sent_again(service: Service) -> None:
    """Every read has an ETag; If-None-Match, alone or in a list, gets 304 and the position; what changed is sent."""
    service.given(THX, INDUS_X, PANEL, SPACE)
    tags = {}
    for path in READS:
        first = service.get(path)
        tags[path] = first.headers["etag"]
        assert first.headers["ledger-position"] == "4"
        for known in (tags[path], f'"x", {tags[path]}', "*", tags[path].removeprefix("W/")):
            again = service.get(path, {"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b""), path
            assert (again.headers["etag"], again.headers["ledger-position"]) == (tags[path], "4")
        assert service.get(path, {"If-None-Match": 'W/"other"'}).status_code == 200
    struck: dict[str, Any] = {"target": 2, "text": "Read again"}
    service.given(event("initiative.activated", "initiative:indus-x", "2024-03-01"))
    service.given(event("entry.annotated", "initiative:indus-x", sources=[], **struck))
    for path in READS:
        expected = 304 if path == "/v1/events?limit=1" else 200
        assert service.get(path, {"If-None-Match": tags[path]}).status_code == expected, path


def test_an_etag_holds_while_nothing_is_recorded_about_it(service: Service) -> None:
    """The ledger may grow elsewhere: the answer says the same, and is not sent again."""
    service.given(THX, INDUS_X, PANEL)
    paths = [path for path in READS if path.startswith("/v1/initiatives/indus-x") and "limit" not in path]
    tags = {path: service.get(path).headers["etag"] for path in paths}
    service.given(SPACE)
    for path in paths:
        again = service.get(path, {"If-None-Match": tags[path]})
        assert (again.status_code, again.headers["ledger-position"]) == (304, "4"), path


def test_head_is_get_without_a_body(service: Service) -> None:
    """HEAD answers with the headers of GET."""
    service.given(THX, INDUS_X)
    for path in ("/v1/initiatives/indus-x", "/v1/events", "/v1/events/1", "/v1/health", "/v1/openapi.json", "/api"):
        got, head = service.get(path), service.client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == got.headers["content-length"]
        assert head.headers["content-type"] == got.headers["content-type"]
    assert service.client.head("/v1/parties/nobody").status_code == 404


def test_other_methods_and_paths_are_problems(service: Service) -> None:
    """405 says in Allow what there is; a path that is not there is a 404; both are problem documents."""
    for method, path, allowed in (
        ("DELETE", "/v1/events", "GET, HEAD, OPTIONS, POST"),
        ("PUT", "/v1/events/1", "GET, HEAD, OPTIONS"),
        ("PATCH", "/v1/initiatives/indus-x", "GET, HEAD, OPTIONS"),
        ("POST", "/v1/health", "GET, HEAD, OPTIONS"),
        ("GET", "/v1/erasures", "OPTIONS, POST"),
    ):
        response = service.client.request(method, path)
        assert problem_of(response, 405)["type"] == "/problems/method-not-allowed"
        assert response.headers["allow"] == allowed
    for path in ("/v1", "/v2/events", "/v1/events/", "/v1/initiatives/indus-x/other", "/problems/none"):
        problem_of(service.get(path), 404)


def test_every_problem_type_leads_to_a_page(service: Service) -> None:
    """The ``type`` of a problem is the address of a page that says what to do."""
    for response in (service.get("/nope"), service.post({}), service.client.post("/v1/events")):
        page = service.get(response.json()["type"])
        assert page.status_code == 200
        assert response.json()["title"] in page.text


def test_a_request_has_an_id(service: Service) -> None:
    """The caller's own is repeated where it is sound; else one is made; problems name it."""
    assert service.get("/v1/health", {"Request-Id": "a-1.b_2"}).headers["request-id"] == "a-1.b_2"
    for odd in ("x" * 65, "a b", "ü", "", "a\tb"):
        made = service.client.get("/nope", headers=[(b"Request-Id", odd.encode("latin-1"))])
        assert made.headers["request-id"] not in ("", odd)
        problem_of(made, 404)


def test_a_failure_tells_nothing_but_its_id(
    service: Service, reader: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """What nobody foresaw is a problem document with the id that the log has; its words are not shown."""
    reader.execute("alter table states rename column doc to secret")
    response = service.get("/v1/initiatives/indus-x")
    problem = problem_of(response, 500)
    assert "doc" not in response.text
    assert "UndefinedColumn" not in response.text
    assert f"request {problem['request_id']} failed: UndefinedColumn" in caplog.text
    assert service.get("/v1/health").status_code == 200


# --- types, projections


def test_event_types_tell_their_schema(service: Service) -> None:
    """Every type is listed with its JSON Schema, which takes what can be appended and refuses what cannot."""
    items = service.get("/v1/event-types").json()["items"]
    assert {one["type"] for one in items} == set(FACTS)
    for one in items:
        response = service.get(one["dataschema"])
        assert response.headers["content-type"] == "application/schema+json"
        assert response.json() == service.get(f"/v1/event-types/{one['type']}").json()
        schema = jsonschema_rs.validator_for(response.json())
        sent = MINIMAL[one["type"]]
        assert schema.is_valid({"sources": SOURCES, **sent["data"]}), one["type"]
        assert not schema.is_valid({"sources": SOURCES, **sent["data"], "invented": 1}), one["type"]
    areas = service.get("/v1/event-types/initiative.reported").json()["$defs"]["Area"]["enum"]
    assert areas == [area.value for area in Area]
    for unknown in ("party.invented", "party.registered/2"):
        problem_of(service.get(f"/v1/event-types/{unknown}"), 404)


def test_before_the_first_follower_reads_are_not_yet_there(service: Service) -> None:
    """Without projections a read is 503; the log is there, and health says degraded."""
    service.post(THX)
    with service.location.connect() as connection:
        connection.execute("drop table projections, states, timeline")
    assert problem_of(service.get("/v1/initiatives"), 503)["type"] == "/problems/not-yet"
    assert service.get("/v1/events").status_code == 200
    assert service.get("/v1/health").json()["status"] == "degraded"
    assert service.get("/metrics").status_code == 200


def test_reads_go_on_while_a_rebuild_swaps_the_tables(service: Service) -> None:
    """Whoever reads during a rebuild gets the same answers as before and after."""
    service.given(THX, USA, INDIA, INDUS_X, PANEL)
    paths = ("/v1/initiatives/indus-x", "/v1/parties", "/v1/initiatives/indus-x/timeline", "/v1/health")
    expected = {path: service.get(path).json() for path in paths}
    done = Event()
    wrong: list[Response] = []

    def read_on() -> None:
        while not done.is_set():
            for path in paths:
                if (response := service.get(path)).json() != expected[path]:
                    wrong.append(response)

    readers = [Thread(target=read_on) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(6):
            rebuild(service.location)
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert [(one.status_code, one.text) for one in wrong] == []


def test_a_lost_database_is_503_and_comes_back(service: Service) -> None:
    """While the database is away, every answer is 503 with Retry-After, also where only the key is looked up."""
    service.given(THX, INDUS_X)
    with wired(service.location) as (wire, location), running(location, public_reads=False) as away:
        app_state = away.client.app.app_state  # type: ignore[attr-defined]
        app_state.reads.pool.timeout = 0.3  # a test need not wait as long as a reader may
        assert away.get("/v1/initiatives", ADMIN).status_code == 200
        wire.close()
        for path in ("/v1/initiatives", "/v1/events", "/v1/health", "/v1/ready", "/metrics"):
            response = away.get(path, ADMIN)
            assert problem_of(response, 503)["type"] == "/problems/unavailable"
            assert response.headers["retry-after"]
            assert response.headers["ledger-epoch"]
        assert problem_of(away.post(USA), 503)["type"] == "/problems/unavailable"
        assert away.get("/v1/event-types").status_code == 200
        assert str(location.dsn).partition("host=")[2].split()[0] not in response.text
    assert service.size() == 2


def test_a_database_that_is_being_put_back_is_503_and_comes_back(
    service: Service, location: LedgerLocation, server: Embedded
) -> None:
    """While a dump is read in, tables are not there, or nobody may read them yet: that is no fault of who asks, nor of the service."""
    service.given(THX, INDUS_X)
    paths = (
        "/v1/initiatives",
        "/v1/events",
        "/v1/initiatives/indus-x",
        "/v1/parties?text=x",
        "/v1/due",
        "/entries",
        "/",
    )
    with psycopg.connect(server.owner_dsn, autocommit=True) as owner, location.connect() as reader:
        [[role]] = reader.execute("select current_user").fetchall()
        owner.execute(f"set search_path to {location.schema}")
        for away, back in (
            ("alter table head rename to head_away", "alter table head_away rename to head"),
            ("alter table entries rename to entries_away", "alter table entries_away rename to entries"),
            (
                f"alter schema {location.projections} rename to away",
                f"alter schema away rename to {location.projections}",
            ),
            (f"revoke all on head from {role}", "select"),
        ):
            owner.execute(away)
            told = [service.get(path) for path in paths]
            told.append(service.post(USA))
            owner.execute(back)
            migrate(server.owner_dsn, location)  # gives the role its rights again
            assert {one.status_code for one in told} <= {200, 201, 503}, (
                away,
                [(one.status_code, one.text) for one in told],
            )
            assert 503 in {one.status_code for one in told}
    assert {service.get(path).status_code for path in paths} == {200}
    assert service.post(INDIA).status_code == 201


def test_a_body_is_sent_as_it_is(service: Service) -> None:
    """A body that is declared as packed is not read as if it were not."""
    packed = {"Content-Encoding": "gzip"} | ADMIN
    assert "gzip" in problem_of(service.client.post("/v1/events", json=THX, headers=packed), 415)["detail"]
    assert (
        service.client.post("/v1/events", json=THX, headers={"Content-Encoding": "identity"} | ADMIN).status_code == 201
    )


def test_every_error_is_some_problem() -> None:
    """Each sort of error has a row of its own in the table of problems, and a page."""
    kinds = [errors.LedgerError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    assert {kind for kind in kinds if kind.__module__ == "ledger.errors"} <= problems.SORTS.keys()
    assert {problem.slug for problem in problems.SORTS.values()} <= problems.ALL.keys()


def test_a_follower_brings_reads_up_to_date(service: Service) -> None:
    """With the follower beside it, each append is readable by its position at once."""
    stop = Event()
    thread = Thread(target=follow, args=(service.location, stop))
    thread.start()
    try:
        for number in range(5):
            body = event("party.registered", f"party:p{number}", sources=[], name="P", kind="company")
            position = service.post(body).json()["position"]
            assert service.get(f"/v1/parties/p{number}", min_position=position).status_code == 200
    finally:
        stop.set()
        thread.join()


def test_known_at_now_is_the_whole_ledger(service: Service) -> None:
    """A time that has just passed shows all that was recorded before it."""
    service.given(THX, INDUS_X)
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    assert service.get("/v1/initiatives", known_at=now).json()["basis"]["known_at"] == 2


# --- what changed


def test_the_changes_between_two_positions_name_the_entries_responsible(service: Service) -> None:
    """Fields that read otherwise, old and new, for the initiative and all that belongs to it."""
    # given
    service.given(THX, USA, INDIA, INDUS_X)
    service.given(event("initiative.activated", "initiative:indus-x", "2023-06-21"))
    held = event("meeting.held", "meeting:m", "2024-02-01", title="M", initiatives=["initiative:indus-x"])
    service.given(held, event("meeting.held", "meeting:stray", "2024-02-01", title="Another"))
    # when
    answer = service.get("/v1/initiatives/indus-x/diff?from=4&to=7").json()
    # then
    found = {(one["subject"], one["field"]): (one["old"], one["new"], one["entries"]) for one in answer["changes"]}
    assert found["initiative:indus-x", "status"] == ("reported", "active", [5])
    assert found["meeting:m", "status"] == (None, "held", [6])
    assert {subject for subject, _ in found} == {"initiative:indus-x", "meeting:m"}
    assert (answer["from"]["known_at"], answer["to"]["known_at"]) == (4, 7)
    assert service.get("/v1/initiatives/indus-x/diff?from=7").json()["changes"] == []


def test_the_changes_between_two_days_are_told_as_known_at_one_position(service: Service) -> None:
    """Two days of the world, at one position of the ledger; before it was known, everything is new."""
    # given
    service.given(
        THX, USA, INDIA, event("initiative.launched", "initiative:x", "2020-01-01", name="X", kind="dialogue")
    )
    service.given(event("initiative.closed", "initiative:x", "2022-01-01", reason="Done."))
    # when
    path = "/v1/initiatives/x/diff?from=2021-01-01&to=2023-01-01"
    statuses = [
        [(one["old"], one["new"]) for one in service.get(at).json()["changes"] if one["field"] == "status"]
        for at in (path, f"{path}&known_at=4", "/v1/initiatives/x/diff?from=2019-01-01&to=2021-01-01")
    ]
    # then
    assert statuses == [[("active", "closed")], [], [(None, "active")]]


TO_COME = event("meeting.scheduled", "meeting:m", "2024-01-01", title="M")
HELD = event("meeting.held", "meeting:m", "2024-02-01", title="M", initiatives=["initiative:indus-x"])


@pytest.mark.parametrize(
    ("known", "then", "fields"),
    [((INDUS_X, TO_COME), HELD, {"status", "initiatives", "dates"}), ((HELD,), INDUS_X, set())],
)
def test_what_was_known_for_long_is_not_new_where_it_belongs_now(
    service: Service, known: tuple[dict[str, Any], ...], then: dict[str, Any], fields: set[str]
) -> None:
    """Of a meeting that joins what it belongs to, or was there before it, a diff tells what changed in it, both ways."""
    # given
    first = service.given(THX, *known)[-1]["position"]
    last = service.given(then)[-1]["position"]
    # then
    for ends in ({"from": first, "to": last}, {"from": last, "to": first}):
        changes = service.get("/v1/initiatives/indus-x/diff", **ends).json()["changes"]
        assert {one["field"] for one in changes if one["subject"] == "meeting:m"} == fields


@pytest.mark.parametrize(
    "query",
    ["", "from=2021-01-01&to=4", "from=4&to=2021-01-01", "from=x", "from=99999", "from=1&to=2&known_at=3",
     "from=2021-01-01&valid_at=2024-01-01"],
)  # fmt: skip
def test_a_diff_needs_two_ends_of_one_clock(service: Service, query: str) -> None:
    """What is not two days or two positions is refused, and so is a third."""
    service.given(THX, USA, INDIA, INDUS_X)
    assert problem_of(service.get(f"/v1/initiatives/indus-x/diff?{query}"), 422)["errors"]


def test_nothing_is_known_on_either_side_of_a_diff(service: Service) -> None:
    """A stream that is not there has no changes, and is not found."""
    service.given(THX)
    problem_of(service.get("/v1/initiatives/unheard-of/diff?from=0"), 404)


def test_a_mistyped_code_is_no_empty_list(service: Service) -> None:
    """A status, kind or area that a list cannot have is refused with those that it can; it would read as if there were none."""
    for path in ("agreements?status=inforce", "meetings?kind=foo", "initiatives?area=foo", "parties?status=met"):
        problem = problem_of(service.get(f"/v1/{path}"), 422)
        assert problem["errors"][0]["pointer"] == path.partition("?")[2].partition("=")[0]
    assert "in_force" in problem_of(service.get("/v1/agreements?status=inforce"), 422)["detail"]
    for kind in KINDS.values():
        for status in kind.statuses:
            assert service.get(f"/v1/{kind.plural}?status={status}").status_code == 200
        for category in kind.categories:
            assert service.get(f"/v1/{kind.plural}?kind={category}").status_code == 200
