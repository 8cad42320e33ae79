"""Memory follows bytes, and not how many entries there are: those of large agreements take more."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import date
from itertools import islice
from typing import Any

import pytest

from ledger.database.connection import Connection, LedgerLocation
from ledger.fold import History
from ledger.history_cache import HistoryCache, size_of
from ledger.recorded import Recorded
from ledger.service import Ledger
from ledger.vocabulary.fact import Subject
from ledger.writing.draft import read_body, read_draft
from projections import rebuild as rebuild_module
from projections import runner
from projections.rebuild import rebuild
from projections.runner import Follower
from tests.conftest import CLERK
from tests.generator import Generator
from tests.test_follow import catch_up, rows
from tests.test_rebuild import rows_anew

BEFORE = 290
"""So many events of the generator come before the first of an agreement: its sources and parties."""


def told(subject: str, count: int) -> list[dict[str, Any]]:
    """Events of one large agreement: of odd number in the order of the days, of even number in none."""
    return [*islice((one for one in Generator().treaties(1_500) if one["subject"] == subject), count)]


def folded(subject: str, count: int) -> History:
    history = History.of(subject)
    facts = (read_draft(one).fact for one in told(subject, count))
    history.load([Recorded(at, str(at), date(2026, 1, 1), fact) for at, fact in enumerate(facts, 1)], {})
    return history


@pytest.fixture
def traced() -> Iterator[None]:
    gc.collect()
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("subject", "count"),
    [("agreement:convention-1", 100), ("agreement:convention-1", 571), ("agreement:convention-2", 571)],
)
def test_what_a_history_takes_is_known(traced: None, subject: str, count: int) -> None:
    """Of small and of large agreements it is known by half how much memory they take."""
    before = tracemalloc.get_traced_memory()[0]
    history = folded(subject, count)
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] - before
    assert taken / 2 < size_of(history) < taken * 2


def test_of_large_agreements_fewer_are_kept() -> None:
    """A cache lets go of the histories unused for longest by how much memory the others take."""
    small, large = folded("agreement:convention-1", 50), folded("agreement:convention-1", 571)
    cache = HistoryCache(2 * size_of(large) + size_of(small))
    names = [Subject(f"agreement:{name}") for name in "abcd"]
    for name, history in zip(names, (large, small, large, large), strict=True):
        cache.keep(name, history)
    cache.trim()
    assert [name in cache for name in names] == [False, True, True, True]


def test_rows_that_wait_to_be_written_are_bounded_and_the_same(
    ledger: Ledger, follower: Follower, location: LedgerLocation, reader: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries that change many rows are followed, and built anew, in more writes; the rows are the same."""
    # given
    setup = list(Generator().treaties(BEFORE))
    ledger.append(read_body({"events": setup + told("agreement:convention-2", 60)}), CLERK)
    ledger.append(read_body({"events": told("agreement:convention-1", 60)}), CLERK)
    written: list[int] = []
    monkeypatch.setattr(Follower, "_write", _noting(Follower._write, written))
    # when
    for module in (runner, rebuild_module):
        monkeypatch.setattr(module, "MOST_BYTES", 50_000)
    catch_up(follower)
    followed, most = rows(reader), max(written)
    rebuild(location)
    rebuilt = rows(reader)
    # then
    assert max(most, *written) < 150_000 < sum(written)
    monkeypatch.undo()
    assert rows_anew(location) == followed == rebuilt


def _noting(write: Callable[..., None], written: list[int]) -> Callable[..., None]:
    """As ``write``, and notes how many bytes of documents each call is given."""

    def noting(self: Follower, changes: Any) -> None:
        written.append(sum(len(value) for row in changes.written for value in row if isinstance(value, bytes)))
        write(self, changes)

    return noting
