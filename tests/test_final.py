"""An answer as of a moment is final, or says that it is not: an entry that was recorded by then may still become visible."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from ledger.database.connection import LedgerLocation
from ledger.database.embedded import Embedded
from tests.examples import INDIA, INDUS_X, THX, USA, event
from tests.service import Service
from tests.standby import wait_until

pytest_plugins = ["tests.service"]

SLOWLY = """
    create function dawdle() returns trigger language plpgsql as 'begin perform pg_advisory_xact_lock(4711); return null; end';
    create constraint trigger slow after insert on entries deferrable initially deferred for each row execute function dawdle()"""
WAITS = "select count(*) from pg_locks where locktype = 'advisory' and objid = 4711 and not granted"
PATHS = (
    "/v1/parties/usa", "/v1/parties", "/v1/parties/usa/timeline", "/v1/parties/usa/history", "/v1/due", "/v1/initiatives/indus-x",
)  # fmt: skip


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def basis_of(service: Service, path: str, **params: Any) -> tuple[int, bool]:
    response = service.get(path, **params)
    assert response.status_code == 200, response.text
    basis = response.json()["basis"]
    return basis["known_at"], basis["final"]


def test_what_is_final_is_answered_alike_for_ever(service: Service, server: Embedded) -> None:
    """While a commit is under way, a question as of a moment after the entry was recorded is answered without it, and not as
    final; once a later entry is there, it is answered with it, as final, and never otherwise again."""
    # given
    service.given(THX, USA, INDUS_X)
    # when
    with LedgerLocation(server.owner_dsn, service.location.schema).connect() as owner, ThreadPoolExecutor(1) as thread:
        owner.execute(SLOWLY)
        owner.execute("select pg_advisory_lock(4711)")
        slow = thread.submit(service.post, INDIA)
        wait_until(lambda: owner.execute(WAITS).fetchone() == (1,))  # it is recorded, and not committed yet
        moment = now()
        meanwhile = {path: basis_of(service, path, known_at=moment) for path in PATHS}
        owner.execute("select pg_advisory_unlock(4711)")
        assert slow.result().status_code == 201
    while service.follower.step():
        pass
    # then
    assert set(meanwhile.values()) == {(3, False)}
    tags = {path: service.get(path, known_at=moment).headers["etag"] for path in PATHS}
    assert {basis_of(service, path, known_at=moment) for path in PATHS} == {(4, False)}
    service.given(event("party.described", "party:usa", short_name="US"))
    for path in PATHS:
        assert basis_of(service, path, known_at=moment) == (4, True)
        assert service.get(path, {"If-None-Match": tags[path]}, known_at=moment).status_code == 200


def test_positions_are_always_final(service: Service) -> None:
    """So is an answer as of now, which names its position; and a moment before all else, once there is an entry."""
    assert basis_of(service, "/v1/parties", known_at="2000-01-01T00:00:00Z") == (0, False)
    service.given(THX, USA, INDUS_X)
    for path in PATHS:
        for known_at in (2, 3, None):
            if known_at != 2 or path != "/v1/initiatives/indus-x":
                assert basis_of(service, path, **{"known_at": known_at} if known_at else {})[1] is True
    assert basis_of(service, "/v1/parties", known_at="2000-01-01T00:00:00Z") == (0, True)


def test_both_ends_of_a_diff_say_whether_they_are_final(service: Service) -> None:
    """Each end has a basis of its own."""
    service.given(THX, USA)
    service.given(event("party.described", "party:usa", short_name="US"))
    told = service.get("/v1/parties/usa/diff", **{"from": 1, "to": now()}).json()
    assert (told["from"]["final"], told["to"]["final"]) == (True, False)
    assert service.get("/v1/parties/usa/diff?from=1").json()["to"]["final"] is True


@pytest.mark.parametrize("more", [False, True])
def test_all_pages_of_a_list_share_one_basis(service: Service, more: bool) -> None:
    """A page after the first says what the first one said."""
    service.given(THX, USA, INDIA)
    moment = now()
    if more:
        service.given(INDUS_X)
    first = service.get("/v1/parties", limit=1, known_at=moment).json()
    second = service.get("/v1/parties", limit=1, cursor=first["next"]).json()
    assert first["basis"] == second["basis"]
    assert first["basis"]["final"] is more
