"""What operators are told: how far the projections are, whether appends wait and on whom, the epoch, the clock."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from time import monotonic, sleep

import pytest
from psycopg import sql

from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded
from ledger.writing.writer import Backlog
from projections.registry import PROJECTIONS
from tests.examples import THX, USA
from tests.service import Service, pointers_of, problem_of, running
from tests.standby import Server, wait_until
from tests.test_follow import following

pytest_plugins = ["tests.service", "tests.standby"]


@contextmanager
def owning(server: Embedded, location: LedgerLocation) -> Iterator[Connection]:
    """A connection that may do anything, in one transaction."""
    options = f"-c search_path={location.schema}"
    with Connection.connect(server.owner_dsn, options=options, application_name="maintenance") as owner:
        yield owner


def put_last_entry(server: Embedded, location: LedgerLocation, ahead: str) -> None:
    with owning(server, location) as owner:
        owner.execute("update head set recorded_at = clock_timestamp() + %s::interval", [ahead])


def writer_tells(service: Service, told: Backlog) -> None:
    """What the writer says of the appends that wait; nothing but this is asked of it."""
    ledger = service.client.app.app_state.ledger  # type: ignore[attr-defined]
    ledger.waiting = lambda: told


def test_health_tells_how_far_the_projections_are(service: Service) -> None:
    """ok at the head, behind before it, and stopped, with the entry that stops them, as 503."""
    assert service.get("/v1/health").json()["status"] == "ok"
    service.post(THX, USA)
    behind = service.get("/v1/health")
    lags = {one["name"]: one["lag"] for one in behind.json()["projections"]}
    assert (behind.status_code, behind.json()["status"]) == (200, "behind")
    assert lags == {one.name: 2 for one in PROJECTIONS}
    service.follower.step()
    with service.location.connect() as connection:
        connection.execute("update projections set error = 'KeyError', error_position = 3")
    stopped = service.get("/v1/health")
    assert (stopped.status_code, stopped.json()["status"]) == (503, "stopped")
    assert {(one["error"], one["error_position"]) for one in stopped.json()["projections"]} == {("KeyError", 3)}
    metrics = service.get("/metrics").text
    assert "ledger_head_position 2.0" in metrics
    assert 'ledger_projection_position{projection="states"} 2.0' in metrics
    assert 'ledger_projection_stopped{projection="states"} 1.0' in metrics


def test_health_tells_that_nobody_follows(service: Service) -> None:
    """degraded, with what to do, where there are entries and nobody has projected one; in an empty ledger nothing is wrong."""
    with service.location.connect() as connection:
        connection.execute("drop table projections, states, statuses, timeline, search, due, flags")
    assert service.get("/v1/health").json()["status"] == "ok"
    service.post(THX)
    told = service.get("/v1/health")
    assert (told.status_code, told.json()["status"], told.json()["projections"][0]["lag"]) == (200, "degraded", 1)
    assert told.json()["why"].endswith("run `ledger follow`")
    service.follower.create()
    service.follower.step()
    assert (service.get("/v1/health").json()["status"], service.get("/v1/health").json()["why"]) == ("ok", None)


def test_health_tells_that_no_process_follows_any_more(service: Service) -> None:
    """behind, since when, and what to do. While a process follows, nothing is to be done, and ``why`` is null."""
    service.given(THX)
    service.post(USA)
    told = service.get("/v1/health").json()
    assert (told["status"], told["followed"]) == ("behind", False)
    assert told["why"].startswith("no process follows")
    recorded = service.get("/v1/events/2").json()["recordedtime"]
    assert datetime.fromisoformat(told["behind_since"]) == datetime.fromisoformat(recorded)
    with following(service.location):
        wait_until(lambda: service.get("/v1/health").json()["status"] == "ok")
        told = service.get("/v1/health").json()
    assert (told["followed"], told["why"], told["behind_since"]) == (True, None, None)
    assert service.get("/v1/health").json()["followed"] is False


def test_health_tells_that_appends_wait_since_when_and_on_whom(server: Embedded, service: Service) -> None:
    """While somebody holds the head of the log no append is answered; health is, and names who it is."""
    # given
    assert service.get("/v1/health").json()["appends"] == {
        "waiting": 0, "since_s": None, "event": None, "on": [],
    }  # fmt: skip
    with owning(server, service.location) as owner, ThreadPoolExecutor(1) as thread:
        owner.execute("update head set size = size")
        append = thread.submit(service.post, THX)
        # when
        while not (told := service.get("/v1/health")).json()["appends"]["on"]:
            sleep(0.02)
        appends = told.json()["appends"]
        # then
        holder = {"pid": owner.info.backend_pid, "application": "maintenance"}
        assert (told.status_code, appends["waiting"], appends["event"], appends["on"]) == (
            200,
            1,
            "transactionid",
            [holder],
        )
        assert appends["since_s"] > 0
        metrics = service.get("/metrics").text
        assert "ledger_appends_waiting 1.0" in metrics
        assert "ledger_append_oldest_wait_seconds 0.0\n" not in metrics
        assert not append.done()
        owner.rollback()
        assert append.result().status_code == 201
    while service.get("/v1/health").json()["appends"]["waiting"]:  # the writer answers, and then puts it away
        sleep(0.02)


def test_health_tells_the_epoch(service: Service) -> None:
    """Which it is, since when and why, how many entries there were, and how many epochs there have been."""
    told = service.get("/v1/health")
    epoch = told.json()["epoch"]
    assert (epoch["epoch"], epoch["size"], epoch["count"]) == (told.headers["ledger-epoch"], 0, 1)
    assert epoch["reason"]
    assert epoch["began_at"]
    assert "ledger_epochs 1.0" in service.get("/metrics").text


def test_health_tells_that_the_last_entry_lies_ahead_of_the_clock(server: Embedded, service: Service) -> None:
    """A clock that had jumped, or a server whose clock is behind another's: what is recorded next lies ahead, too.

    As far as LEDGER_CLOCK_TOLERANCE it may.
    """
    service.given(THX)
    for ahead in ("4 seconds", "-1 hour"):
        put_last_entry(server, service.location, ahead)
        told = service.get("/v1/health")
        assert (told.json()["status"], told.json()["clock"]) == ("ok", None)
        assert service.get("/v1/ready").status_code == 200
    put_last_entry(server, service.location, "1 hour")
    assert "ahead of the database's clock" in ready(service, "appends", "reads")
    told = service.get("/v1/health")
    assert (told.status_code, told.json()["status"]) == (200, "clock")
    assert 3_500 < told.json()["clock"]["ahead_s"] <= 3_600
    assert "ledger_clock_ahead_seconds 3" in service.get("/metrics").text


# --- ready


def test_whoever_watches_is_answered_while_the_database_stands_still(primary: Server) -> None:
    """A server that is there and says nothing: each probe says so, with 503; none waits longer than 3 s."""
    with running(primary.location()) as service:
        service.given(THX)
        primary.freeze()
        try:
            for path in ("/v1/ready", "/v1/ready", "/metrics", "/v1/health"):
                asked = monotonic()
                told = service.get(path)
                assert (told.status_code, monotonic() - asked < 3) == (503, True), path
                assert "database" in problem_of(told, 503)["detail"], path
        finally:
            primary.thaw()
        wait_until(lambda: service.get("/v1/ready").status_code == 200)


def test_ready_is_whether_reads_and_appends_would_be_answered(service: Service) -> None:
    """Both on a sound ledger; either may be asked for alone, and nothing else."""
    for what in ({}, {"for": "reads"}, {"for": "appends"}):
        told = service.get("/v1/ready", **what)
        assert (told.status_code, told.headers["cache-control"]) == (200, "no-store")
        assert told.json() == {"ready": True, "reads": {"ok": True}, "appends": {"ok": True}}
    assert pointers_of(service.get("/v1/ready", **{"for": "x"})) == ["for"]


def ready(service: Service, ill: str, well: str) -> str:
    """Why one of the two would not be answered, while the other would."""
    for what in ({}, {"for": ill}):
        assert (service.get("/v1/ready", **what).status_code) == 503
    told = service.get("/v1/ready", **{"for": well})
    assert (told.status_code, told.json()["ready"], told.json()[well]) == (200, True, {"ok": True})
    assert told.json()[ill]["ok"] is False
    return str(told.json()[ill]["why"])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("drop table projections, states, timeline", "not built yet"),
        ("update projections set error = 'KeyError', error_position = 3", "entry 3 stops"),
        ("update projections set version = version - 1", "of version"),
        ("update projections set version = version + 1", "of version"),
    ],
)
def test_ready_tells_why_reads_would_not_be_answered(service: Service, change: str, why: str) -> None:
    """Where the projections are not built, are another version's, or are stopped by an entry."""
    with service.location.connect() as connection:
        connection.execute(change.encode())
    assert why in ready(service, "reads", "appends")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("delete from migrations where number > 1", "the schema is behind"),
        ("alter table entries disable trigger entries_are_never_changed", "trigger"),
        ("grant update on entries to {service}", "could change entries"),
    ],
)
def test_ready_tells_why_appends_would_not_be_answered(
    server: Embedded, service: Service, change: str, why: str
) -> None:
    """Where the schema is not as this version needs it, or no longer keeps what is recorded."""
    with owning(server, service.location) as owner:
        owner.execute(sql.SQL(change).format(service=sql.Identifier("ledger_service")))
    assert why in ready(service, "appends", "reads")


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (Backlog(0, None, None, False), "the writer has stopped"),
        (Backlog(3, 7.0, None, True), "3 appends wait, one for 7 s"),
    ],
)
def test_ready_tells_that_the_writer_is_not_well(service: Service, told: Backlog, why: str) -> None:
    """Where nobody writes, or an append has waited for so long that the next would, too; a short wait is none."""
    writer_tells(service, Backlog(1, 0.5, None, True))
    assert service.get("/v1/ready").status_code == 200
    writer_tells(service, told)
    assert why in ready(service, "appends", "reads")
