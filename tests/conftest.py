"""A real Postgres for every test that needs one: the embedded server, started once, and a ledger of its own for each."""

import gc
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from fastapi.dependencies import models as dependencies

from ledger.database.connection import Connection, LedgerLocation, Pool
from ledger.database.embedded import Embedded
from ledger.database.migrations import migrate
from ledger.service import Ledger
from ledger.writing.decision import Actor, Answer
from ledger.writing.draft import read_body
from projections.runner import Follower

CLERK = Actor("api_key", "clerk")
_numbers = count(1)


def pytest_collection_finish() -> None:
    """What has been imported until now stays until the end: no look for garbage goes through it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """PostgreSQL 18 from the wheel, on a socket of its own; no power cut is tried here, so it does not wait for the disk."""
    running = Embedded(tmp_path_factory.mktemp("data"), "ledger")
    _write_through(running, "off")
    yield running
    running.stop()


def _write_through(server: Embedded, value: str) -> None:
    """Whether the server waits for the disk: ``on`` or ``off``, from when this returns."""
    with Connection.connect(server.owner_dsn, autocommit=True) as owner:
        owner.execute(f"alter system set fsync = {value}".encode())
        owner.execute("select pg_reload_conf()")
    until = monotonic() + 30
    while monotonic() < until:
        with Connection.connect(server.owner_dsn, autocommit=True) as owner:
            if owner.execute("show fsync").fetchone() == (value,):
                return
    raise TimeoutError(f"fsync is not {value}")


@pytest.fixture(scope="module")
def durable(server: Embedded) -> Iterator[None]:
    """The server waits for the disk, as `ledger doctor` asks of it."""
    _write_through(server, "on")
    yield
    _write_through(server, "off")


@pytest.fixture(autouse=True)
def _applications_go() -> Iterator[None]:
    """FastAPI remembers thousands of functions, and with them every application that a test made: each look for garbage would go
    through all of them."""
    yield
    for one in vars(dependencies).values():
        if hasattr(one, "cache_clear"):
            one.cache_clear()


@pytest.fixture
def new_location(server: Embedded) -> Callable[[], LedgerLocation]:
    """Makes a new, empty ledger at each call: a schema of its own on the shared server."""

    def make() -> LedgerLocation:
        new = LedgerLocation(server.location.dsn, f"t{next(_numbers)}")
        migrate(server.owner_dsn, new)
        return new

    return make


@pytest.fixture
def location(new_location: Callable[[], LedgerLocation]) -> LedgerLocation:
    """A new, empty ledger."""
    return new_location()


@pytest.fixture
def pool(location: LedgerLocation) -> Iterator[Pool]:
    with location.pool(4) as opened:
        yield opened


@pytest.fixture
def ledger(location: LedgerLocation, pool: Pool) -> Iterator[Ledger]:
    with Ledger(location, pool) as opened:
        yield opened


@pytest.fixture
def follower(location: LedgerLocation) -> Iterator[Follower]:
    """A follower that moves when it is told to: ``follower.step()``."""
    with location.connect() as connection:
        opened = Follower(connection)
        opened.create()
        yield opened


@pytest.fixture
def reader(location: LedgerLocation) -> Iterator[Connection]:
    """A connection of the service's role that looks at the tables."""
    with location.connect() as connection:
        yield connection


@pytest.fixture
def given(ledger: Ledger) -> Callable[..., list[Answer]]:
    """``given(event, event, …)`` records events, each a dict as it is posted, in one request."""

    def record(*events: dict[str, Any]) -> list[Answer]:
        return ledger.append(read_body({"events": list(events)}), CLERK)

    return record


@pytest.fixture(scope="session")
def shared() -> Path:
    """Other people's test data, which lies beside the project and is never part of it."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared test data is not on this machine")
    return folder
