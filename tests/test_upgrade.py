"""A ledger that the version before made is migrated, and goes on: nothing recorded is touched, and nothing is lost."""

import gzip
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from itertools import count
from typing import Any

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from api.cli.demo import load_seed
from api.transfer.import_export import unload
from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded
from ledger.database.migrations import check_schema, migrate, migrations
from ledger.errors import Misconfigured
from ledger.log.commitments import commitment
from ledger.log.epoch import epochs
from ledger.service import Ledger
from ledger.writing.draft import read_body
from projections.audit import audit
from projections.follow import catch_up
from projections.rebuild import rebuild
from projections.runner import projected, read_progress
from projections.states.projection import States
from tests.commands import run
from tests.examples import event
from tests.fixtures.before_epochs import (
    AUDITORS_KEY,
    CLERK,
    DIGEST,
    DUMP,
    IDEMPOTENCY_KEY,
    KEYED,
    LATER,
    SCHEMA,
    SEEDED,
)
from tests.servers import Home
from tests.service import Service, running
from tests.test_follow import _wait_until, following, rows

SIZE = SEEDED + len(LATER) + 1
NEW = [
    event("party.registered", "party:new", sources=[], name="New", kind="company"),
    event("initiative.activated", "initiative:typo", sources=[{"source": "source:minutes"}]),
    event("entry.dispute_resolved", "milestone:half", sources=[], target=139, outcome="rejected"),
]
LAST_DAY = "9999-12-30"
_numbers = count(1)


@pytest.fixture
def before(server: Embedded) -> Iterator[Home]:
    """The ledger as the version before left it, under names of its own."""
    name = f"before_{next(_numbers)}"
    location = LedgerLocation(make_conninfo(server.location.dsn, user=f"{name}_service"), name)
    home = Home(location, server.owner_dsn)
    with home.owner() as owner:
        owner.execute(sql.SQL("create role {} login").format(sql.Identifier(f"{name}_service")))
        owner.execute(dump().replace(SCHEMA, name).encode())
    yield home
    with home.owner() as owner:
        for schema in (location.schema, location.projections, location.rebuild):
            owner.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))


@pytest.fixture
def location(before: Home) -> LedgerLocation:
    """The same, migrated."""
    migrate(before.owner_dsn, before.location)
    return before.location


def dump() -> str:
    return gzip.decompress(DUMP.read_bytes()).decode()


def entries(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute("""
        select position, stream, version, type, entry_id, recorded_at, body::text
          from entries
         order by position""").fetchall()


def findings(location: LedgerLocation) -> list[tuple[int, str]]:
    return [(one.position, one.what) for one in audit(location)]


def test_a_ledger_of_the_version_before_is_not_served(before: Home) -> None:
    """The service does not start on it until it is migrated, and says what to do; `ledger migrate` does it, once."""
    with before.location.connect() as connection, pytest.raises(Misconfigured, match="run `ledger migrate`"):
        check_schema(connection, before.location)
    newer = [name for number, name, _ in migrations() if number > 2]
    done = run(before.location, "migrate", LEDGER_OWNER_DSN=before.owner_dsn)
    assert done.stderr == "".join(f"ran {name}\n" for name in newer)
    assert migrate(before.owner_dsn, before.location) == []
    with before.location.connect() as connection:
        check_schema(connection, before.location)
        assert [(one.size, bool(one.reason)) for one in epochs(connection)] == [(SIZE, True)]


def test_every_line_keeps_its_bytes_and_its_position(before: Home) -> None:
    """No column of any entry changes, and the export is byte for byte the one that the version before wrote."""
    with before.owner() as owner:
        # given
        recorded = entries(owner)
        names = owner.execute("select * from disclosures order by entry_id, pointer").fetchall()
        assert [one[0] for one in recorded] == list(range(1, SIZE + 1))
        # when
        migrate(before.owner_dsn, before.location)
        # then
        assert entries(owner) == recorded
        assert owner.execute("select * from disclosures order by entry_id, pointer").fetchall() == names
    export = BytesIO()
    with before.location.connect() as connection:
        assert unload(connection, export, 0) == SIZE
    assert f"{DIGEST}{sha256(export.getvalue()).hexdigest()}" == dump().partition("\n")[0]


def test_what_was_sent_before_is_answered_as_repeated(location: LedgerLocation) -> None:
    """The same ids, and the same idempotency key, get the first positions; nothing is recorded."""
    assert load_seed(location, "partnerships") == 0
    with location.pool(2) as pool, Ledger(location, pool) as ledger:
        again = [*(ledger.append(read_body(one), CLERK)[0] for one in LATER)]
        again += ledger.append(read_body(KEYED), CLERK, IDEMPOTENCY_KEY)
    assert [(one.position, one.repeated) for one in again] == [(at, True) for at in range(SEEDED + 1, SIZE + 1)]
    with location.connect() as connection:
        assert len(entries(connection)) == SIZE


@pytest.fixture
def service(location: LedgerLocation) -> Iterator[Service]:
    catch_up(location)
    with running(location, public_reads=False) as opened:
        yield opened


def test_the_service_goes_on_with_it(service: Service) -> None:
    """Keys open what they opened, states are there, appends go on from the last position, and the past stays as it was."""
    # given
    key = {"Authorization": f"Bearer {AUDITORS_KEY}"}
    past = {"known_at": SIZE, "valid_at": LAST_DAY}
    paths = ("/v1/initiatives/typo", "/v1/milestones/half", "/v1/meetings/follow-up", "/v1/initiatives/indus-x")
    was = {path: service.get(path, key, **past).json() for path in paths}
    assert was["/v1/milestones/half"]["disputed"]
    assert was["/v1/initiatives/typo"]["name"] == "Typo"
    assert was["/v1/meetings/follow-up"]["participants"][0]["person"]["name"] == "B. Canary"
    assert service.get("/v1/parties/mistake", key).status_code == 404
    # when
    recorded = service.given(*NEW)
    # then
    assert [(one["position"], one["version"]) for one in recorded] == [(SIZE + 1, 1), (SIZE + 2, 3), (SIZE + 3, 4)]
    assert recorded[0]["anomalies"] == []
    assert service.get("/v1/initiatives/typo", key).json()["status"] == "active"
    assert {path: service.get(path, key, **past).json() for path in paths} == was
    assert findings(service.location) == []


def test_what_opens_its_commitments_opens_them_still(service: Service) -> None:
    """Names of persons, and the salts beside them, are those that the lines of the version before commit to."""
    told = service.get("/v1/events/133", {"Authorization": f"Bearer {AUDITORS_KEY}"}, disclose=True).json()
    sealed = told["data"]["participants"][0]["person"]["commitment"]
    with service.location.connect() as connection:
        row = connection.execute(
            "select pointer, salt, value from disclosures where entry_id = %s", [told["id"]]
        ).fetchone()
    assert row
    pointer, salt, name = row
    assert (commitment(salt, told["id"], pointer, name), name) == (sealed, "B. Canary")
    assert told["disclosures"][pointer]["value"] == name


def test_the_follower_goes_on_with_its_rows(location: LedgerLocation) -> None:
    """Rows of the version before are followed on, or built anew where they have to be; they are those of a rebuild."""
    with location.connect() as reader, location.pool(2) as pool, Ledger(location, pool) as ledger:
        # when
        with following(location):
            ledger.append(read_body({"events": NEW}), CLERK)
            _wait_until(lambda: projected(reader) == SIZE + len(NEW))
        live = rows(reader)
        # then
        assert findings(location) == []
        rebuild(location)
        assert rows(reader) == live


def test_rows_of_an_older_version_are_built_anew_by_themselves(before: Home, location: LedgerLocation) -> None:
    """Whatever an older version made of the entries, what is there once a follower ran is what this version makes."""
    with before.owner() as owner, location.connect() as reader:
        # given
        catch_up(location)
        right = rows(reader)
        owner.execute(sql.SQL("set search_path to {}").format(sql.Identifier(location.projections)))
        owner.execute("update states set status = 'otherwise', doc = '{}'")
        owner.execute("delete from timeline where position > 100")
        owner.execute("update projections set version = version - 1 where name in ('states', 'timeline')")
        # when
        with following(location):
            _wait_until(lambda: read_progress(reader)["states"][:3] == ("states", States.version, SIZE))
        # then
        assert rows(reader) == right
        assert findings(location) == []
