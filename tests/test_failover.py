"""A follower goes on with whatever server there is, and its rows are what that server's entries add up to."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from ledger.draft import read_body
from ledger.errors import Unavailable
from ledger.postgres import Place
from ledger.service import Ledger
from ledger.settings import Timeouts
from projections.follow import Follower, read_progress
from tests.conftest import CLERK
from tests.examples import THX, USA, event
from tests.standby import Address, Server, wait_until
from tests.test_follow import catch_up, following, rows

pytest_plugins = ["tests.standby"]


def record(place: Place, *events: dict[str, Any]) -> None:
    with place.pool(1) as pool, Ledger(place, pool) as ledger:
        ledger.append(read_body({"events": list(events)}), CLERK)


def renamed(*names: str) -> Iterator[dict[str, Any]]:
    return (event("party.renamed", "party:usa", f"20{number:02}", name=name) for number, name in enumerate(names))


def shows(place: Place) -> int:
    """How far the rows are; 0 while nobody can be asked."""
    try:
        with place.connect() as connection:
            progress = read_progress(connection)
    except Unavailable:
        return 0
    return progress.position if progress else 0


def anew(place: Place) -> Any:
    with place.connect("pg_temp") as connection:
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
    place = address.place()
    record(place, THX, USA)
    with following(place):
        wait_until(lambda: shows(place) == 2)
        other = prepare(primary)
        record(place, *renamed("Lost", "Lost too", "Lost as well"))
        wait_until(lambda: shows(place) == 5)
        address.point_to(replace_by(primary, other))
        record(place, *renamed("One", "Two", "Three", "Four"))
        wait_until(lambda: shows(place) == 6)
    with place.connect() as connection:
        assert rows(connection) == anew(place)
        assert "Lost" not in str(rows(connection))


def test_a_follower_outlives_a_server_that_stands_still(primary: Server, caplog: pytest.LogCaptureFixture) -> None:
    """A server that is there and says nothing is waited for no longer than an answer may take, again and again."""
    place = replace(primary.place(), timeouts=Timeouts(statement_s=0.3))
    record(place, THX)
    with following(place):
        wait_until(lambda: shows(place) == 1)
        primary.freeze()
        wait_until(lambda: "the database does not answer" in caplog.text)
        primary.thaw()
        record(place, USA)
        wait_until(lambda: shows(place) == 2)
