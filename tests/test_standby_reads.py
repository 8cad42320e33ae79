"""Reads from a server that only reads: what it has not seen yet may have been acknowledged by another."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from typing import NamedTuple

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from api.app import build
from api.http import dependencies as app_state
from ledger.settings import Settings
from tests.examples import INDUS_X, THX, USA
from tests.service import Service, problem_of, running
from tests.standby import Address, Server

pytest_plugins = ["tests.standby"]

READS = Settings(public_reads=True)

STATE = "/v1/initiatives/indus-x"


class Pair(NamedTuple):
    """The service on the primary, and a client of the one on a standby that has stopped replaying after two entries."""

    primary: Service
    client: TestClient
    standby: Server

    def get(self, path: str, **params: str | int) -> Response:
        return self.client.get(path, params=params or None)


@pytest.fixture
def pair(primary: Server) -> Iterator[Pair]:
    with running(primary.location()) as service:
        service.given(THX, INDUS_X)
        behind = primary.standby("two")
        behind.pause()
        service.given(USA)
        with TestClient(build(READS, behind.location()), raise_server_exceptions=False) as client:
            yield Pair(service, client, behind)


def test_what_a_standby_has_not_seen_is_not_yet_there(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A position, or an epoch, that the primary has told of: 503 after a while and when to ask again, and never a
    refusal; once it is replayed, it is there. A position that no server has told of is refused by a primary alone."""
    # given
    monkeypatch.setattr(app_state, "WAIT_S", 0.2)
    epoch = pair.primary.get(STATE).headers["ledger-epoch"]
    assert pair.get(STATE, min_position=f"{epoch}:2").status_code == 200
    # then
    for asked in (
        {"min_position": 3},
        {"known_at": 3},
        {"min_position": f"{epoch}:3"},
        {"min_position": "0" * 16 + ":1"},
    ):
        for path in (STATE, "/v1/initiatives", "/v1/events", "/v1/events/1", f"{STATE}/history"):
            response = pair.get(path, **asked)
            assert problem_of(response, 503)["type"] == "/problems/not-yet"
            assert response.headers["retry-after"]
            assert response.headers["ledger-epoch"] == epoch
    # when
    monkeypatch.setattr(app_state, "WAIT_S", 20)
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(pair.get, path, min_position=3) for path in ("/v1/parties/usa", "/v1/events")]
        sleep(0.5)
        assert not any(one.done() for one in waiting)
        pair.standby.resume()
        # then
        assert [(one.result().status_code, one.result().headers["ledger-position"]) for one in waiting] == [
            (200, "3")
        ] * 2


def test_a_standby_says_that_it_reads_and_does_not_append(pair: Pair) -> None:
    """Ready for reads, not for appends, and not for both; an append is 503."""
    told = pair.get("/v1/ready")
    assert (told.status_code, told.json()["ready"]) == (503, False)
    assert told.json()["reads"] == {"ok": True}
    assert "only reads" in told.json()["appends"]["why"]
    assert pair.get("/v1/ready", **{"for": "reads"}).status_code == 200
    assert pair.get("/v1/ready", **{"for": "appends"}).status_code == 503


def test_a_standby_that_leads_without_the_last_entries_begins_an_epoch(primary: Server) -> None:
    """While it follows, what it lacks is no rollback to those who have seen it; once it leads without it, it is."""
    # given
    address = Address(primary)
    with running(primary.location()) as service, TestClient(build(READS, address.location())) as client:
        service.given(THX, INDUS_X)
        behind = primary.standby("two")
        behind.leave()
        service.given(USA)
        seen = client.get(STATE)
        assert seen.headers["ledger-position"] == "3"
        # when
        address.point_to(behind)
        primary.tells("select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'ledger'")
        # then
        lagging = client.get(STATE)
        assert lagging.headers["ledger-position"] == "2"
        assert lagging.headers["ledger-epoch"] == seen.headers["ledger-epoch"]
        # when
        behind.promote()
        # then
        leading = client.get(STATE, headers={"If-None-Match": seen.headers["etag"]})
        assert leading.status_code == 200
        assert leading.headers["ledger-epoch"] != seen.headers["ledger-epoch"]
        told = client.get(STATE, params={"min_position": f"{seen.headers['ledger-epoch']}:3"})
        assert problem_of(told, 409)["rule"] == "rolled_back"
        assert client.get(STATE, params={"min_position": 3}).status_code == 422
