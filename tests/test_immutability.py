"""Nothing is overwritten: the database itself refuses to change what was recorded."""

import json
from collections.abc import Callable, Iterator
from typing import LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ledger.database.connection import Connection, LedgerLocation
from ledger.database.migrations import check_schema
from ledger.errors import Misconfigured
from ledger.library_recorder import EntryRecorder
from ledger.log.entry import StoredLine
from tests.servers import ROLE, Home

pytest_plugins = ["tests.servers"]

CHANGES: list[LiteralString] = [
    "update entries set body = '{}'",
    "update entries set body = '{}' where false",
    "delete from entries",
    "delete from entries where position = 1",
    "truncate entries cascade",
    "merge into entries using head on true when matched then delete",
    "insert into entries select * from entries on conflict (position) do update set body = '{}'",
]
WAYS_ROUND: list[LiteralString] = [
    "alter table entries disable trigger all",
    "alter table entries disable trigger entries_are_never_changed",
    "alter table entries enable replica trigger entries_are_never_changed",
    "drop trigger entries_are_never_changed on entries",
    "drop function refuse_change() cascade",
    "create or replace function refuse_change() returns trigger language plpgsql as 'begin return null; end'",
    "alter table entries rename to others",
    "alter table entries alter column body type jsonb",
    "drop table entries cascade",
    "create rule quietly as on delete to entries do instead nothing",
    "set session_replication_role = replica",
    "set role postgres",
]


@pytest.fixture
def recorded(home: Home) -> Iterator[Home]:
    """A ledger with one entry; afterwards its bytes are what they were."""
    with home.location.pool(1) as pool:
        recorder = EntryRecorder(home.location, pool)
        state = json.dumps({"specversion": "1.0"}).encode()
        recorder.insert_events([StoredLine("party:usa", 1, "party.registered", state, entry_id=str(uuid4()))])
        recorder.close()
    before = _rows(home)
    yield home
    assert _rows(home) == before


def _rows(home: Home) -> list[tuple[object, ...]]:
    with home.owner() as owner:
        return owner.execute(
            "select position, stream, version, entry_id, recorded_at, body::text from entries"
        ).fetchall()


@pytest.mark.parametrize("change", CHANGES)
def test_the_service_cannot_change_an_entry(change: LiteralString, recorded: Home) -> None:
    """The role that the service runs as may add entries, and never change or remove one."""
    with recorded.location.connect() as service, pytest.raises(psycopg.errors.InsufficientPrivilege):
        service.execute(change)


@pytest.mark.parametrize("way", WAYS_ROUND)
def test_the_service_cannot_take_the_guard_away(way: LiteralString, recorded: Home) -> None:
    """The role that the service runs as can neither take the trigger away nor go round it."""
    location = recorded.location
    with location.connect(location.schema) as service, pytest.raises(psycopg.errors.InsufficientPrivilege):
        service.execute(way)


@pytest.mark.parametrize("role", ["origin", "replica", "local"])
@pytest.mark.parametrize("change", CHANGES)
def test_even_the_owner_is_refused(change: LiteralString, role: str, recorded: Home) -> None:
    """Whoever owns the table is refused by the trigger, whatever the session is set to."""
    with recorded.owner() as owner:
        owner.execute("select set_config('session_replication_role', %s, false)", [role])
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="never changed"):
            owner.execute(change)


def test_the_service_cannot_wind_the_order_back(recorded: Home) -> None:
    """The role that the service runs as cannot remove the row that orders the writers, nor make a second one."""
    with recorded.location.connect() as service:
        for statement in ("delete from head", "truncate head", "insert into head values (false, 0, now())"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                service.execute(statement)


# --- a role that could change entries is not served


def _grant(privilege: LiteralString) -> Callable[[Connection, sql.Identifier, LedgerLocation], None]:
    def grant(owner: Connection, role: sql.Identifier, location: LedgerLocation) -> None:
        owner.execute(sql.SQL("grant {} on entries to {}").format(sql.SQL(privilege), role))

    return grant


def _own_table(owner: Connection, role: sql.Identifier, location: LedgerLocation) -> None:
    owner.execute(sql.SQL("alter table entries owner to {}").format(role))


def _own_schema(owner: Connection, role: sql.Identifier, location: LedgerLocation) -> None:
    owner.execute(sql.SQL("alter schema {} owner to {}").format(sql.Identifier(location.schema), role))


def _join_the_owners(owner: Connection, role: sql.Identifier, location: LedgerLocation) -> None:
    team = sql.Identifier(f"{location.schema}_team")
    owner.execute(sql.SQL("create role {}").format(team))
    owner.execute(sql.SQL("alter table entries owner to {}").format(team))
    owner.execute(sql.SQL("grant {} to {}").format(team, role))


def _superuser(owner: Connection, role: sql.Identifier, location: LedgerLocation) -> None:
    owner.execute(sql.SQL("alter role {} superuser").format(role))


@pytest.mark.parametrize(
    "empower",
    [
        pytest.param(_grant("update"), id="update"),
        pytest.param(_grant("update (body)"), id="update of a column"),
        pytest.param(_grant("delete"), id="delete"),
        pytest.param(_grant("truncate"), id="truncate"),
        pytest.param(_own_table, id="owner of the table"),
        pytest.param(_own_schema, id="owner of the schema, who can drop the table"),
        pytest.param(_join_the_owners, id="member of the owners"),
        pytest.param(_superuser, id="superuser"),
    ],
)
def test_a_role_that_could_change_entries_is_not_served(
    empower: Callable[[Connection, sql.Identifier, LedgerLocation], None], home: Home
) -> None:
    """The service refuses to start under a role that could change entries or take the guard away."""
    name = f"{home.location.schema}_other"
    other = LedgerLocation(make_conninfo(home.location.dsn, user=name), home.location.schema)
    with home.owner() as owner:
        role = sql.Identifier(name)
        owner.execute(sql.SQL("create role {} login in role {}").format(role, sql.Identifier(_service(home.location))))
        with other.connect() as connection:
            check_schema(connection, other)  # as much as the service may is right
        empower(owner, role, other)
    with other.connect() as connection, pytest.raises(Misconfigured, match="could change entries"):
        check_schema(connection, other)


def _service(location: LedgerLocation) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(location.dsn).get("user", ROLE))


@pytest.mark.parametrize(
    "statement",
    [
        "alter table entries disable trigger entries_are_never_changed",
        "drop trigger entries_are_never_changed on entries",
    ],
)
def test_a_ledger_without_its_guard_is_not_served(statement: LiteralString, home: Home) -> None:
    """Where somebody took the trigger away, the service says so and does not start."""
    with home.owner() as owner:
        owner.execute(statement)
    with home.location.connect() as connection, pytest.raises(Misconfigured):
        check_schema(connection, home.location)
