"""The doctor: what is wrong with the place, before it does harm."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from psycopg.conninfo import make_conninfo

from api.cli.doctor import Diagnosis, examine
from ledger.database.connection import LedgerLocation
from ledger.log.epoch import current, renew
from ledger.settings import Timeouts
from tests.standby import wait_until
from tests.test_follow import following

pytestmark = pytest.mark.usefixtures("durable")
TOLERANCE_S = 5


def found(location: LedgerLocation, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> dict[str, Diagnosis]:
    with location.connect() as connection:
        return {one.check: one for one in examine(connection, location, TOLERANCE_S, clock)}


def test_a_sound_place_is_found_sound(location: LedgerLocation) -> None:
    """Where nothing is wrong, nothing but the projections, which nobody has built yet or follows, is remarked on."""
    wrong = {name for name, one in found(location).items() if one.verdict != "ok"}
    assert wrong <= {"projections", "follower", "data_checksums"}


def test_that_no_process_follows_is_told(location: LedgerLocation) -> None:
    """Also where one did before; while one does, that is said."""
    assert found(location)["follower"].verdict == "warn"
    with following(location):
        wait_until(lambda: found(location)["follower"] == Diagnosis("ok", "follower", "a process follows"))
    assert found(location)["follower"].finding.startswith("no process follows")


@pytest.mark.parametrize(("ahead_s", "verdict"), [(-60, "warn"), (-3, "ok"), (0, "ok"), (3, "ok"), (60, "warn")])
def test_clocks_that_are_apart_are_told_of(location: LedgerLocation, ahead_s: int, verdict: str) -> None:
    """Where the server's clock and ours differ by more than is tolerated, that is said, whichever is ahead."""
    told = found(location, lambda: datetime.now(UTC) + timedelta(seconds=ahead_s))["clocks"]
    assert told.verdict == verdict
    assert abs(float(told.finding.split()[0]) - abs(ahead_s)) < 1


def test_an_entry_of_the_future_is_told_of(location: LedgerLocation) -> None:
    """Where the last entry was recorded at a time that is yet to come, a clock was wrong, and that is said."""
    assert "last entry" not in found(location)
    with location.connect() as connection:
        connection.execute("update head set recorded_at = clock_timestamp() + interval '4 seconds'")
    assert "last entry" not in found(location), "it is tolerated"
    with location.connect() as connection:
        connection.execute("update head set recorded_at = '2999-01-01T00:00:00Z'")
    told = found(location)["last entry"]
    assert told.verdict == "warn"
    assert "2999-01-01 00:00:00 UTC" in told.finding


@pytest.mark.parametrize("name", ["lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"])
def test_a_limit_that_is_off_is_told_of(location: LedgerLocation, name: str) -> None:
    """Whether the connection string or the settings took a limit away, the doctor says which one."""
    asked = LedgerLocation(make_conninfo(location.dsn, options=f"-c {name}=0"), location.schema)
    off = {check for check, one in found(asked).items() if one.verdict == "warn" and one.finding.startswith("off")}
    assert off == {name}
    assert found(replace(location, timeouts=Timeouts(0, 0, 0)))[name].verdict == "warn"


def test_the_epoch_is_told(location: LedgerLocation) -> None:
    """Since when, since which position, and why the present epoch goes."""
    with location.connect() as connection:
        assert "the ledger began to count epochs" in found(location)["epoch"].finding
        renew(connection, current(connection), "a failover lost entries")
        told = found(location)["epoch"]
        assert told.verdict == "ok"
        assert told.finding.startswith(current(connection))
    assert "position 0: a failover lost entries" in told.finding
