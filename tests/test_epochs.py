"""From one rollback of the ledger to the next: every answer tells the epoch, and what was said in another is void."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from httpx2 import Response

from ledger.database.connection import LedgerLocation
from ledger.database.embedded import Embedded
from ledger.service import Ledger
from ledger.writing.draft import read_body
from projections.follow import catch_up
from tests.backup import Backup
from tests.conftest import CLERK
from tests.examples import INDIA, INDUS_X, THX, USA, event
from tests.service import ADMIN, Service, pointers_of, problem_of, running

pytest_plugins = ["tests.service"]

EPOCH = re.compile(r"[0-9a-f]{16}")
SPACE = event("initiative.reported", "initiative:space", name="Space", kind="dialogue")
PANEL = event("meeting.held", "meeting:panel", "2024-09-10", title="Panel", initiatives=["initiative:indus-x"])
LOST = (INDIA, PANEL, event("initiative.activated", "initiative:indus-x", "2024-01-01"))
INSTEAD = (
    event("party.registered", "party:ind", sources=[], name="Another India", kind="state", country="IN"),
    event("meeting.held", "meeting:panel", "2023-01-01", title="Another panel", initiatives=["initiative:indus-x"]),
    event("initiative.activated", "initiative:indus-x", "2023-01-01"),
    SPACE,
)
STATE = "/v1/initiatives/indus-x"
READS = [
    STATE, f"{STATE}?known_at=6&valid_at=2025-01-01", "/v1/initiatives", "/v1/parties?limit=1", f"{STATE}/timeline",
    f"{STATE}/history", f"{STATE}/diff?from=1", "/v1/events", "/v1/events?after=3&limit=1", "/v1/events/5",
    "/v1/meetings/panel", "/v1/meetings?known_at=6&valid_at=2025-01-01",
]  # fmt: skip


@pytest.fixture
def seeded(service: Service) -> Service:
    """Three entries that will last, and the service has seen them."""
    service.given(THX, USA, INDUS_X)
    return service


@pytest.fixture
def rolled_back(server: Embedded, seeded: Service) -> Callable[..., None]:
    """The ledger goes back to its first three entries; others may be recorded after them, by another process."""
    backup = Backup(server, seeded.location)

    def go_back(*instead: dict[str, Any]) -> None:
        backup.restore()
        if instead:
            with seeded.location.pool(2) as pool, Ledger(seeded.location, pool) as ledger:
                ledger.append(read_body({"events": list(instead)}), CLERK)
            catch_up(seeded.location)

    return go_back


@contextmanager
def another(service: Service) -> Iterator[Service]:
    """Another process of the same service, which has seen nothing yet."""
    with running(service.location) as opened:
        yield opened


def epoch_of(response: Response) -> str:
    epoch = response.headers["ledger-epoch"]
    assert EPOCH.fullmatch(epoch)
    return str(epoch)


def rolled_back_problem(response: Response, pointer: str, status: int = 409) -> dict[str, Any]:
    problem = problem_of(response, status)
    assert (problem["rule"], problem["current_epoch"]) == ("rolled_back", epoch_of(response))
    assert [(one["pointer"], one["code"]) for one in problem["errors"]] == [(pointer, "rolled_back")]
    return problem


def test_every_answer_tells_the_epoch(seeded: Service) -> None:
    """Reads, also as 304, as HEAD and given again; problems of reads; appends; and health: all of one epoch."""
    seeded.given(*LOST)
    epoch = seeded.get("/v1/health").json()["epoch"]["epoch"]
    for path in READS:
        for _ in range(2):
            assert epoch_of(seeded.get(path)) == epoch
        assert epoch_of(seeded.get(path, {"If-None-Match": "*"})) == epoch
        assert epoch_of(seeded.client.head(path)) == epoch
        assert epoch in seeded.get(path).headers["etag"]
    for path in ("/v1/initiatives/nobody", "/v1/initiatives?known_at=99", "/v1/initiatives?limit=x"):
        assert epoch_of(seeded.get(path)) == epoch
    assert epoch_of(seeded.post(SPACE)) == epoch
    assert epoch_of(seeded.post(SPACE | {"expected_version": 7})) == epoch
    assert epoch_of(seeded.get("/v1/health")) == epoch


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [("GET", "/nope", {}, 404), ("PUT", "/v1/events", {}, 405), ("GET", "/v1/events", {"Authorization": "odd"}, 401),
     ("POST", "/v1/events", {}, 401), ("POST", "/v1/events", ADMIN, 415), ("GET", "/v1/ready", {}, 200),
     ("POST", "/v1/events", ADMIN | {"Content-Type": "application/json", "Content-Length": "9999999"}, 413),
     ("GET", "/metrics", {}, 200), ("GET", "/v1/event-types", {}, 200), ("GET", "/v1/ready?x=1", {}, 422),
     ("GET", "/", {}, 200), ("GET", "/docs", {}, 307), ("GET", "/api", {}, 200), ("GET", "/problems/invalid", {}, 200)],
)  # fmt: skip
def test_what_rests_on_no_entry_tells_the_epoch_too(
    location: LedgerLocation, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """Whatever is asked, and be it the first thing that a process is asked."""
    with running(location) as service:
        response = service.client.request(method, path, headers=headers)
        assert response.status_code == status
        assert epoch_of(response) == service.get("/v1/health").json()["epoch"]["epoch"]


def test_a_position_may_name_its_epoch(seeded: Service) -> None:
    """``EPOCH:N`` reads as N does while the epoch stays, wherever a position is told: all of them are given out so."""
    seeded.given(*LOST)
    epoch = epoch_of(seeded.get(STATE))
    for path, by_number in (
        (f"{STATE}?min_position={{}}", 6), (f"{STATE}?known_at={{}}", 4), ("/v1/events?after={}", 2),
        (f"{STATE}/diff?from={{}}", 3), (f"{STATE}/diff?from=1&to={{}}", 5), ("/v1/events/2?known_at={}", 3),
    ):  # fmt: skip
        told, plain = seeded.get(path.format(f"{epoch}:{by_number}")), seeded.get(path.format(by_number))
        assert (told.status_code, told.content) == (200, plain.content), path
    for odd in (f"{epoch}:", f":{epoch}", f"{epoch[1:]}:1", f"{epoch.upper()}x:1", f"{epoch}:-1", f"{epoch}:1:1"):
        assert problem_of(seeded.get(STATE, min_position=odd), 422)["errors"][0]["pointer"] == "min_position"


def test_a_position_beyond_the_end_is_refused_at_once(seeded: Service) -> None:
    """Whether or not it names this epoch, there is no such entry, and nothing was rolled back that anybody has seen."""
    epoch = epoch_of(seeded.get(STATE))
    for path in (STATE, "/v1/initiatives", f"{STATE}/timeline", f"{STATE}/history", "/v1/events", "/v1/events/1"):
        for position in ("4", f"{epoch}:4"):
            [fault] = problem_of(seeded.get(path, min_position=position), 422)["errors"]
            assert (fault["pointer"], fault["code"]) == ("min_position", "future_position")
            assert "3 entries" in fault["detail"]
            assert "rolled back" not in fault["detail"]
            [fault] = problem_of(seeded.get(path, known_at=position), 422)["errors"]
            assert (fault["pointer"], fault["code"]) == ("known_at", "future_known_at")
    assert pointers_of(seeded.get("/v1/events", after=f"{epoch}:4")) == ["after"]
    assert pointers_of(seeded.get(f"{STATE}/diff", **{"from": f"{epoch}:4"})) == ["from"]
    assert seeded.get("/v1/events", after=4).json()["events"] == []


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("instead", [(), INSTEAD[:1], INSTEAD], ids=["gone", "fewer", "others"])
def test_a_reader_notices_that_the_ledger_was_rolled_back(
    seeded: Service, rolled_back: Callable[..., None], path: str, instead: tuple[dict[str, Any], ...]
) -> None:
    """The very next answer is of another epoch and of the ledger as it is now, whatever was kept or is known; also where
    others were recorded in the place of what is gone."""
    # given
    seeded.given(*LOST)
    before = seeded.get(path)
    assert before.status_code == 200
    # when
    rolled_back(*instead)
    after = seeded.get(path, {"If-None-Match": before.headers["etag"], "Request-Id": "a"})
    # then
    assert epoch_of(after) != epoch_of(before)
    with another(seeded) as fresh:
        now = fresh.get(path, {"Request-Id": "a"})
    assert (after.status_code, after.content, epoch_of(after)) == (now.status_code, now.content, epoch_of(now))
    said = seeded.get("/v1/health").json()["epoch"]
    assert (said["epoch"], said["count"], said["size"]) == (epoch_of(after), 2, 3 + len(instead))
    assert said["reason"].startswith("entry 6, recorded at 20")


def test_what_was_told_before_a_rollback_is_void(seeded: Service, rolled_back: Callable[..., None]) -> None:
    """Positions, cursors and places in the log of another epoch: 409, which says what to do; no ETag of it is known."""
    # given
    seeded.given(*LOST)
    log, parties = (seeded.get(path, limit=1) for path in ("/v1/events", "/v1/parties"))
    epoch = epoch_of(log)
    # when
    rolled_back(*INSTEAD)
    # then
    problem = rolled_back_problem(seeded.get(STATE, min_position=f"{epoch}:6"), "min_position")
    assert (problem["type"], problem["title"]) == ("/problems/rolled-back", "The ledger was rolled back")
    assert "read again from the start" in problem["detail"]
    assert "read from the start" in seeded.get(problem["type"]).text
    rolled_back_problem(seeded.get(STATE, known_at=f"{epoch}:2"), "known_at")
    rolled_back_problem(seeded.get(f"{STATE}/diff", **{"from": f"{epoch}:2"}), "from")
    rolled_back_problem(seeded.get("/v1/parties", limit=1, cursor=parties.json()["next"]), "cursor")
    rolled_back_problem(seeded.get("/v1/events", after=log.json()["next"]), "after")
    link = log.headers["link"]
    rolled_back_problem(seeded.client.get(link[1 : link.index(">")]), "after")
    assert seeded.get(STATE, min_position=7).status_code == 200


def test_if_match_of_another_epoch_is_a_failed_precondition(seeded: Service, rolled_back: Callable[..., None]) -> None:
    """What a writer saw before the rollback is no ground to record on, though the stream may have that version again; a
    bare version says nothing of an epoch, nor does an ETag of before there were any."""
    # given
    seeded.given(*LOST)
    tag = seeded.get(STATE).headers["etag"]
    assert tag.startswith('W/"v2-')
    # when
    rolled_back(*INSTEAD)
    # then
    told = event("initiative.objective_stated", "initiative:indus-x", "2024-01-02", text="T")
    rolled_back_problem(seeded.post(told, If_Match=tag), "If-Match", 412)
    with another(seeded) as fresh:
        assert fresh.post(told, If_Match='"v2"').status_code == 201
        assert fresh.post(told, If_Match='W/"v3-0123456789abcdef01234567"').status_code == 201
        assert fresh.post(told, If_Match=seeded.get(STATE).headers["etag"]).status_code == 412


def test_an_append_is_answered_in_the_epoch_that_it_finds(seeded: Service, rolled_back: Callable[..., None]) -> None:
    """Who comes to write notices a rollback as who reads does."""
    seeded.given(*LOST)
    before = epoch_of(seeded.get(STATE))
    rolled_back()
    refused = seeded.client.post("/v1/events", json={}, headers=ADMIN)
    assert problem_of(refused, 422)
    assert epoch_of(refused) != before
    assert epoch_of(seeded.get(STATE)) == epoch_of(refused)


def test_processes_agree_on_the_epoch(seeded: Service, rolled_back: Callable[..., None]) -> None:
    """Each of several that have seen what is gone notices it, and together they begin one epoch."""
    with another(seeded) as second:
        seeded.given(*LOST)
        before = {epoch_of(one.get(STATE)) for one in (seeded, second)}
        rolled_back(*INSTEAD)
        after = {epoch_of(one.get(STATE)) for one in (seeded, second, seeded)}
        assert len(before) == len(after) == 1
        assert before != after
        assert second.get("/v1/health").json()["epoch"]["count"] == 2


def test_a_rollback_beyond_a_rollback_is_noticed(seeded: Service, rolled_back: Callable[..., None]) -> None:
    """A backup of before an epoch began does not bring the epoch before it back."""
    # given
    seeded.given(*LOST)
    first = epoch_of(seeded.get(STATE))
    rolled_back()
    second = epoch_of(seeded.get(STATE))
    # when
    rolled_back(*LOST)
    # then
    third = epoch_of(seeded.get(STATE))
    assert len({first, second, third}) == 3
    assert seeded.get("/v1/health").json()["epoch"]["reason"].startswith(("entry 3", "epoch"))


def test_a_ledger_that_grows_keeps_its_epoch(seeded: Service, location: LedgerLocation) -> None:
    """Appends, rebuilds and new processes change nothing."""
    epoch = epoch_of(seeded.get(STATE))
    for one in LOST:
        seeded.given(one)
        assert epoch_of(seeded.get(STATE)) == epoch
    with another(seeded) as fresh:
        assert epoch_of(fresh.get(STATE)) == epoch
    assert seeded.get("/v1/health").json()["epoch"]["count"] == 1


def test_a_process_knows_what_it_has_recorded_itself(
    seeded: Service, server: Embedded, rolled_back: Callable[..., None]
) -> None:
    """Where what it has answered 201 for is gone before it looked at the log again, its next read says so."""
    answer = seeded.post(INDIA)
    epoch, position = epoch_of(answer), answer.json()["position"]
    rolled_back(SPACE)
    rolled_back_problem(seeded.get(STATE, min_position=f"{epoch}:{position}"), "min_position")
