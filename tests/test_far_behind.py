"""A follower that is far behind builds the projections anew, beside the rows that are there, and goes on from them."""

from collections.abc import Callable
from itertools import islice
from threading import Event
from typing import Any

import pytest

from ledger.database.connection import Connection, LedgerLocation
from ledger.service import Ledger
from ledger.writing.draft import read_body
from projections import follow as follow_module
from projections import rebuild as rebuild_module
from projections.follow import catch_up, follow
from projections.rebuild import begun
from projections.runner import Follower, projected, read_progress
from tests.conftest import CLERK
from tests.generator import Generator
from tests.test_follow import POISON, _wait_until, following, rows
from tests.test_follow import catch_up as follow_all
from tests.test_rebuild import rows_anew, run

ENTRIES = 600
SHORT = 100
SLOW = """
import sys
from threading import Event
from ledger.database.connection import LedgerLocation
from projections import follow, rebuild

def said(location, look, **given):
    rebuild_all(location, lambda position: (print(position, flush=True), look(position)), **given)

follow.LONG = rebuild.LONG = 100
rebuild.BATCH = 2
rebuild_all, follow.rebuild = follow.rebuild, said
follow.follow(LedgerLocation(*sys.argv[1:]), Event())
"""


@pytest.fixture
def record(ledger: Ledger) -> Callable[[int], None]:
    """``record(count)`` adds as many of the generated events."""
    events = Generator().events(3 * ENTRIES)

    def add(count: int) -> None:
        ledger.append(read_body({"events": [*islice(events, count)]}), CLERK)

    return add


@pytest.fixture(autouse=True)
def as_if_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if some hundred entries were many."""
    monkeypatch.setattr(follow_module, "LONG", SHORT)
    monkeypatch.setattr(rebuild_module, "LONG", SHORT)
    monkeypatch.setattr(rebuild_module, "BATCH", 50)


def built(connection: Connection) -> set[tuple[int, int]]:
    """How far the projections are, and how often each was built anew."""
    return {(one.position, one.built) for one in read_progress(connection).values()}


def test_from_nothing_a_long_log_is_built_and_not_followed(
    record: Callable[[int], None], location: LedgerLocation, reader: Connection
) -> None:
    """From nothing to the end of a long log a follower comes as a rebuild does, with the same rows; then it follows."""
    record(ENTRIES)
    with following(location, 1):
        record(1)
        _wait_until(lambda: projected(reader) == ENTRIES + 1)
        assert built(reader) == {(ENTRIES + 1, 1)}
        record(SHORT - 1)
        _wait_until(lambda: projected(reader) == ENTRIES + SHORT)
    assert built(reader) == {(ENTRIES + SHORT, 1)}
    assert rows(reader) == rows_anew(location)


@pytest.mark.parametrize(("shown", "more", "times"), [(0, SHORT - 1, 0), (0, SHORT, 1), (200, 199, 0), (200, 200, 1)])
def test_far_is_many_entries_and_more_than_are_shown(
    record: Callable[[int], None], location: LedgerLocation, follower: Follower, reader: Connection,
    shown: int, more: int, times: int,
) -> None:  # fmt: skip
    """It builds anew what lacks many entries, and no fewer than it shows: else to follow is less work."""
    if shown:
        record(shown)
        follow_all(follower)
    record(more)
    catch_up(location)
    assert built(reader) == {(shown + more, times)}
    assert rows(reader) == rows_anew(location)


def test_a_follower_that_is_killed_far_behind_changes_nothing_and_is_gone_on_with(
    record: Callable[[int], None], location: LedgerLocation, follower: Follower, reader: Connection
) -> None:
    """Until all is there readers see the old rows; who comes after a follower that was killed goes on where it was."""
    record(SHORT)
    follow_all(follower)
    before = rows(reader)
    record(ENTRIES)
    with run(SLOW, location) as victim:
        assert victim.stdout is not None
        while int(victim.stdout.readline()) < ENTRIES // 3:
            pass
        assert rows(reader) == before
        victim.kill()
    assert rows(reader) == before
    assert begun(location) >= ENTRIES // 3
    catch_up(location)
    assert built(reader) == {(SHORT + ENTRIES, 1)}
    assert rows(reader) == rows_anew(location)


def test_a_follower_that_is_told_to_stop_far_behind_stops(
    record: Callable[[int], None], location: LedgerLocation, reader: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not first build all of it; what it has built is gone on with."""
    record(ENTRIES)
    stop, whole = Event(), rebuild_module.rebuild

    def told_to_stop(where: LedgerLocation, look: Callable[[int], None], **given: Any) -> None:
        def then(position: int) -> None:
            stop.set()
            look(position)

        whole(where, then, **given)

    monkeypatch.setattr(follow_module, "rebuild", told_to_stop)
    follow(location, stop)
    assert built(reader) == {(0, 0)}
    assert begun(location) > 0


def test_an_entry_that_cannot_be_projected_is_come_to_from_far_behind(
    record: Callable[[int], None], ledger: Ledger, location: LedgerLocation, reader: Connection
) -> None:
    """The projections show all before it, and name it; the follower lives on, and builds nothing anew for it."""
    record(ENTRIES)
    ledger.recorder.insert_events([POISON["an unknown type"]])
    record(ENTRIES)
    for _ in range(2):
        catch_up(location)
        assert {(one.position, one.error_position) for one in read_progress(reader).values()} == {
            (ENTRIES, ENTRIES + 1)
        }
    assert rows(reader)[0] == [one for one in rows_anew(location)[0] if one[4] <= ENTRIES]
