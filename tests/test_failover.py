"""Followers and writers go on with whatever server there is, on what that server's entries add up to, and no more."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, LiteralString
from uuid import uuid4

import pytest

from ledger.database.connection import LedgerLocation
from ledger.errors import Unavailable
from ledger.log.epoch import epochs
from ledger.service import Ledger
from ledger.settings import Timeouts
from ledger.writing.decision import Answer
from ledger.writing.draft import read_body
from projections.audit import audit
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


# --- writers


def open_on(stack: ExitStack, location: LedgerLocation, patience_s: float = 10) -> Ledger:
    pool = stack.enter_context(location.pool(2))
    return stack.enter_context(Ledger(location, pool, patience_s=patience_s))


def append(ledger: Ledger, *events: dict[str, Any]) -> list[Answer]:
    return ledger.append(read_body({"events": list(events)}), CLERK)


@pytest.mark.parametrize("services", [1, 2])
@pytest.mark.parametrize(
    ("prepare", "replace_by"),
    [
        pytest.param(behind, promoted, id="a standby that lacks the last entries is promoted"),
        pytest.param(before, restored, id="a backup is restored"),
    ],
)
def test_a_service_goes_on_after_entries_were_lost(
    prepare: Callable[[Server], Server], replace_by: Callable[[Server, Server], Server], services: int, primary: Server
) -> None:
    """Services that ran all the while leave no gap, decide on what is there, and answer what the projection shows."""
    address = Address(primary)
    location = address.location()
    with ExitStack() as stack:
        ledgers = [open_on(stack, location) for _ in range(services)]
        append(ledgers[0], THX, USA)
        other = prepare(primary)
        for number, one in enumerate(renamed("Lost", "Lost too", "Lost as well")):
            append(ledgers[number % services], one)
        lost = THX | {"subject": "source:lost", "id": str(uuid4())}
        append(ledgers[0], lost)
        address.point_to(replace_by(primary, other))
        answers = [append(ledgers[number % services], one) for number, one in enumerate(renamed("One", "Two"))]
        answers.append(append(ledgers[-1], lost))
    assert [(one.position, one.version, one.repeated) for (one,) in answers] == [
        (3, 2, False),
        (4, 3, False),
        (5, 1, False),
    ]
    with location.connect() as connection:
        follower = Follower(connection)
        follower.create()
        catch_up(follower)
        assert rows(connection) == anew(location)
        assert list(audit(location)) == []
        shown = {
            one["position"]
            for (doc,) in connection.execute("select doc from states")
            for one in json.loads(doc)["anomalies"]
        }
        assert shown == {one.position for (one,) in answers if one.anomalies}
        assert len(epochs(connection)) == 2


def size_of(location: LedgerLocation) -> int:
    with location.connect() as connection:
        [size] = connection.execute("select count(*) from entries").fetchone() or (0,)
        return int(size)


@pytest.mark.parametrize("end", ["pg_terminate_backend", "pg_cancel_backend"])
def test_nothing_is_acknowledged_that_the_standby_has_not(end: LiteralString, primary: Server) -> None:
    """Where the wait for a synchronous standby is ended by force, the outcome is not known; and who sends the same again,
    to this process or another, waits for the standby too, though the row can be seen."""
    location = primary.location()
    named = USA | {"id": str(uuid4())}
    with ExitStack() as stack:
        ledgers = [open_on(stack, location, patience_s=3) for _ in range(2)]
        append(ledgers[0], THX)
        standby = primary.standby("one")
        primary.configure(synchronous_standby_names="one")
        standby.freeze()
        outcome = ledgers[0].submit(read_body(named), CLERK)
        waits = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'"
        wait_until(lambda: primary.tells(waits) == 1)
        with primary.owner() as owner:
            owner.execute("select " + end + "(pid) from pg_stat_activity where wait_event = 'SyncRep'")
        for ledger in (None, *ledgers):
            with pytest.raises(Unavailable, match=r"not known|in time"):
                ledger.append(read_body(named), CLERK) if ledger else outcome.result(20)
        assert size_of(location) == 2
        standby.thaw()
        [answer] = append(ledgers[1], named)
        assert (answer.position, answer.repeated) == (2, True)
        assert size_of(standby.location()) == 2
