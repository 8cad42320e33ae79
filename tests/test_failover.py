"""A follower goes on with whatever server there is, and its rows are what that server's entries add up to."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from ledger.database.connection import LedgerLocation
from ledger.errors import Unavailable
from ledger.service import Ledger
from ledger.settings import Timeouts
from ledger.writing.draft import read_body
from projections.runner import Follower, projected
from tests.conftest import CLERK
from tests.examples import THX, USA, event
from tests.standby import Address, Server, wait_until
from tests.test_follow import catch_up, following, rows

pytest_plugins = ["tests.standby"]


def record(location: LedgerLocation, *events: dict[str, Any]) -> None:
    with location.pool(1) as pool, Ledger(location, pool) as ledger:
        ledger.append(read_body({"events": list(events)}), CLERK)


def renamed(*names: str) -> Iterator[dict[str, Any]]:
    return (event("party.renamed", "party:usa", f"20{number:02}", name=name) for number, name in enumerate(names))


def shows(location: LedgerLocation) -> int:
    """How far the rows are; 0 while nobody can be asked."""
    try:
        with location.connect() as connection:
            return projected(connection)
    except Unavailable:
        return 0


def anew(location: LedgerLocation) -> Any:
    with location.connect("pg_temp") as connection:
        builder = Follower(connection)
        builder.create()
        catch_up(builder)
        return rows(connection)


def promoted(primary: Server, standby: Server) -> Server:
    primary.kill()
    standby.promote()
    return standby


def restored(primary: Server, copy: Server) -> Server:
    primary.kill()
    copy.start()
    return copy


def behind(primary: Server) -> Server:
    standby = primary.standby("one")
    standby.leave()
    return standby


def before(primary: Server) -> Server:
    return primary.copy("restored")


@pytest.mark.parametrize(
    ("prepare", "replace_by"),
    [
        pytest.param(behind, promoted, id="a standby that lacks the last entries is promoted"),
        pytest.param(before, restored, id="a backup is restored"),
    ],
)
def test_a_follower_goes_on_after_entries_were_lost(
    prepare: Callable[[Server], Server], replace_by: Callable[[Server, Server], Server], primary: Server
) -> None:
    """Where others come to stand in the place of the last entries, the rows are those of the entries that there are."""
    address = Address(primary)
    location = address.location()
    record(location, THX, USA)
    with following(location):
        wait_until(lambda: shows(location) == 2)
        other = prepare(primary)
        record(location, *renamed("Lost", "Lost too", "Lost as well"))
        wait_until(lambda: shows(location) == 5)
        address.point_to(replace_by(primary, other))
        record(location, *renamed("One", "Two", "Three", "Four"))
        wait_until(lambda: shows(location) == 6)
    with location.connect() as connection:
        assert rows(connection) == anew(location)
        assert "Lost" not in str(rows(connection))


def test_a_follower_outlives_a_server_that_stands_still(primary: Server, caplog: pytest.LogCaptureFixture) -> None:
    """A server that is there and says nothing is waited for no longer than an answer may take, again and again."""
    location = replace(primary.location(), timeouts=Timeouts(statement_s=0.3))
    record(location, THX)
    with following(location):
        wait_until(lambda: shows(location) == 1)
        primary.freeze()
        wait_until(lambda: "the database does not answer" in caplog.text)
        primary.thaw()
        record(location, USA)
        wait_until(lambda: shows(location) == 2)
