"""How many pages of the database a read looks at, as the database itself counts them: it tells a walk from a descent, whatever the machine.

PYTEST_DONT_REWRITE: the modules that count also import from here.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ledger.database.connection import LedgerLocation, Pool
from ledger.service import Ledger
from ledger.writing.draft import read_body
from projections.queries import Queries
from projections.rebuild import rebuild
from tests.conftest import CLERK

PAGES = """
select sum(pg_stat_get_blocks_fetched(pg_class.oid))::bigint
  from pg_class
  join pg_namespace on pg_namespace.oid = relnamespace
 where nspname in (%s, %s)
"""
BATCH = 100


@contextmanager
def counting(location: LedgerLocation) -> Iterator[tuple[Queries, Callable[[Callable[[], Any]], int]]]:
    """Questions to a ledger over one connection, and what counts the pages of the ledger that one of them looks at."""
    with location.pool(1) as pool:

        def pages_of(read: Callable[[], Any]) -> int:
            before = _counted(pool, location)
            read()
            return _counted(pool, location) - before

        yield Queries(pool), pages_of


def _counted(pool: Pool, location: LedgerLocation) -> int:
    with pool.connection() as connection:
        connection.execute("select pg_stat_force_next_flush()")
        [(counted,)] = connection.execute(PAGES, [location.schema, location.projections], prepare=False).fetchall()
    return int(counted)


def recorded(location: LedgerLocation, events: Iterable[dict[str, Any]], *, rebuilt: bool = True) -> None:
    """Record events, and project them; or leave that to a follower."""
    told = list(events)
    with location.pool(1) as pool, Ledger(location, pool) as ledger:
        for start in range(0, len(told), BATCH):
            ledger.append(read_body({"events": told[start : start + BATCH]}), CLERK)
    if rebuilt:
        rebuild(location)
