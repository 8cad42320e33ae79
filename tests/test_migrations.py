"""The schema is made once, by its owner, and what was run is never edited."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ledger import postgres
from ledger.draft import read_body
from ledger.errors import Misconfigured
from ledger.postgres import Embedded, Place, check_schema, migrate, migrations
from ledger.service import Ledger
from tests.conftest import CLERK
from tests.examples import THX, USA
from tests.servers import Home

pytest_plugins = ["tests.servers"]

SECOND = (9_000, "9000_second.sql", "create table second (number integer);")


def _with(*more: tuple[int, str, str]) -> Callable[[], list[tuple[int, str, str]]]:
    files = [*migrations(), *more]
    return lambda: files


def test_running_again_changes_nothing(home: Home) -> None:
    """A ledger that is up to date is left as it is."""
    with home.owner() as owner:
        before = owner.execute("select * from migrations").fetchall()
    assert migrate(home.owner_dsn, home.place) == []
    with home.owner() as owner:
        assert owner.execute("select * from migrations").fetchall() == before


def test_only_what_is_new_is_run(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was added later is run once, after those that had been run."""
    monkeypatch.setattr(postgres, "migrations", _with(SECOND))
    with home.place.connect() as service, pytest.raises(Misconfigured, match="9000_second"):
        check_schema(service, home.place)
    assert migrate(home.owner_dsn, home.place) == ["ran 9000_second.sql"]
    with home.place.connect() as service:
        check_schema(service, home.place)


def test_a_file_that_was_run_and_changed_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that was edited after it had been run is named, and nothing is run."""
    (number, name, text), *others = migrations()
    monkeypatch.setattr(postgres, "migrations", lambda: [(number, name, text + "\n"), *others, SECOND])
    with pytest.raises(Misconfigured, match=name):
        migrate(home.owner_dsn, home.place)
    with home.owner() as owner:
        assert owner.execute("select to_regclass('second')").fetchone() == (None,)


def test_a_migration_that_fails_leaves_nothing(place: Place, server: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one of several files fails, none of them was run, and the ledger works as before."""
    broken = (9_001, "9001_broken.sql", "create table half (number integer); select 1 / 0;")
    monkeypatch.setattr(postgres, "migrations", _with(SECOND, broken))
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(server.owner_dsn, place)
    monkeypatch.undo()
    with place.connect() as service:
        check_schema(service, place)
        assert service.execute("select to_regclass('second'), to_regclass('half')").fetchone() == (None, None)


def test_a_database_without_a_ledger_is_not_served(server: Embedded) -> None:
    """The service says what is missing where no ledger was made, and makes none by itself."""
    with Place(server.place.dsn, "nowhere").connect() as service, pytest.raises(Misconfigured, match="ledger migrate"):
        check_schema(service, Place(server.place.dsn, "nowhere"))


def test_two_ledgers_on_one_server_do_not_see_each_other(place: Place, server: Embedded) -> None:
    """Each schema is a ledger of its own: its own order, its own entries, and the same ids if need be."""
    other = Place(place.dsn, f"{place.schema}_other")
    migrate(server.owner_dsn, other)
    entry_id = str(uuid4())
    for one, event in ((place, THX), (other, USA)):
        with one.pool(2) as pool, Ledger(one, pool) as ledger:
            (answer,) = ledger.append(read_body({**event, "id": entry_id}), CLERK)
            assert (answer.position, answer.version, answer.repeated) == (1, 1, False)
            assert [entry.originator_id for entry in ledger.recorder.select_notifications(None, 10)] == [
                event["subject"]
            ]


@pytest.mark.parametrize("attempt", range(5))
def test_several_processes_may_migrate_at_once(attempt: int, server: Embedded) -> None:
    """Where several start at once on a new server, one makes the ledger and its role, and the others find it made."""
    name = f"at_once_{attempt}"
    place = Place(make_conninfo(server.place.dsn, user=f"{name}_service"), name)
    together = Barrier(4)

    def run(_: int) -> list[str]:
        together.wait(20)
        return migrate(server.owner_dsn, place)

    with ThreadPoolExecutor(4) as threads:
        ran = list(threads.map(run, range(4)))
    assert sorted(len(names) for names in ran) == [0, 0, 0, len(migrations())]
    with place.connect() as service:
        check_schema(service, place)


def test_several_ledgers_may_be_made_at_once_with_one_role(server: Embedded) -> None:
    """Ledgers that are made at once on a new server may share the role that the service runs as."""
    dsn = make_conninfo(server.place.dsn, user="shared_service")
    together = Barrier(4)

    def run(number: int) -> list[str]:
        together.wait(20)
        return migrate(server.owner_dsn, Place(dsn, f"shared_{number}"))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(run, range(4)))


def test_the_owner_need_not_be_a_superuser(home: Home) -> None:
    """A role that may create roles and schemas, as managed databases give, can make a ledger."""
    owner_name = f"{home.place.schema}_owner"
    place = Place(make_conninfo(home.place.dsn, user=f"{owner_name}_service"), f"{home.place.schema}_own")
    with home.owner() as owner:
        owner.execute(sql.SQL("create role {} login createrole").format(sql.Identifier(owner_name)))
        owner.execute(sql.SQL("grant create on database ledger to {}").format(sql.Identifier(owner_name)))
    migrate(make_conninfo(home.owner_dsn, user=owner_name), place)
    with place.connect() as service:
        check_schema(service, place)
