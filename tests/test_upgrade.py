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

from api.demo import load_seed
from api.transfer import unload
from ledger.disclosure import commitment
from ledger.draft import read_body
from ledger.epoch import epochs
from ledger.errors import Misconfigured
from ledger.postgres import Connection, Embedded, Place, check_schema, migrate, migrations
from ledger.service import Ledger
from projections.audit import audit
from projections.follow import VERSION, catch_up, read_progress, rebuild
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
    place = Place(make_conninfo(server.place.dsn, user=f"{name}_service"), name)
    home = Home(place, server.owner_dsn)
    with home.owner() as owner:
        owner.execute(sql.SQL("create role {} login").format(sql.Identifier(f"{name}_service")))
        owner.execute(dump().replace(SCHEMA, name).encode())
    yield home
    with home.owner() as owner:
        for schema in (place.schema, place.projections, place.rebuild):
            owner.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))


@pytest.fixture
def place(before: Home) -> Place:
    """The same, migrated."""
    migrate(before.owner_dsn, before.place)
    return before.place


def dump() -> str:
    return gzip.decompress(DUMP.read_bytes()).decode()


def entries(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute("""
        select position, stream, version, type, entry_id, recorded_at, body::text
          from entries
         order by position""").fetchall()


def findings(place: Place) -> list[tuple[int, str]]:
    return [(one.position, one.what) for one in audit(place)]


def test_a_ledger_of_the_version_before_is_not_served(before: Home) -> None:
    """The service does not start on it until it is migrated, and says what to do; `ledger migrate` does it, once."""
    with before.place.connect() as connection, pytest.raises(Misconfigured, match="run `ledger migrate`"):
        check_schema(connection, before.place)
    newer = [name for number, name, _ in migrations() if number > 2]
    done = run(before.place, "migrate", LEDGER_OWNER_DSN=before.owner_dsn)
    assert done.stderr == "".join(f"ran {name}\n" for name in newer)
    assert migrate(before.owner_dsn, before.place) == []
    with before.place.connect() as connection:
        check_schema(connection, before.place)
        assert [(one.size, bool(one.reason)) for one in epochs(connection)] == [(SIZE, True)]


def test_every_line_keeps_its_bytes_and_its_position(before: Home) -> None:
    """No column of any entry changes, and the export is byte for byte the one that the version before wrote."""
    with before.owner() as owner:
        # given
        recorded = entries(owner)
        names = owner.execute("select * from disclosures order by entry_id, pointer").fetchall()
        assert [one[0] for one in recorded] == list(range(1, SIZE + 1))
        # when
        migrate(before.owner_dsn, before.place)
        # then
        assert entries(owner) == recorded
        assert owner.execute("select * from disclosures order by entry_id, pointer").fetchall() == names
    export = BytesIO()
    with before.place.connect() as connection:
        assert unload(connection, export, 0) == SIZE
    assert f"{DIGEST}{sha256(export.getvalue()).hexdigest()}" == dump().partition("\n")[0]


def test_what_was_sent_before_is_answered_as_repeated(place: Place) -> None:
    """The same ids, and the same idempotency key, get the first positions; nothing is recorded."""
    assert load_seed(place, "partnerships") == 0
    with place.pool(2) as pool, Ledger(place, pool) as ledger:
        again = [*(ledger.append(read_body(one), CLERK)[0] for one in LATER)]
        again += ledger.append(read_body(KEYED), CLERK, IDEMPOTENCY_KEY)
    assert [(one.position, one.repeated) for one in again] == [(at, True) for at in range(SEEDED + 1, SIZE + 1)]
    with place.connect() as connection:
        assert len(entries(connection)) == SIZE


@pytest.fixture
def service(place: Place) -> Iterator[Service]:
    catch_up(place)
    with running(place, public_reads=False) as opened:
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
    assert findings(service.place) == []


def test_what_opens_its_commitments_opens_them_still(service: Service) -> None:
    """Names of persons, and the salts beside them, are those that the lines of the version before commit to."""
    told = service.get("/v1/events/133", {"Authorization": f"Bearer {AUDITORS_KEY}"}, disclose=True).json()
    sealed = told["data"]["participants"][0]["person"]["commitment"]
    with service.place.connect() as connection:
        row = connection.execute(
            "select pointer, salt, value from disclosures where entry_id = %s", [told["id"]]
        ).fetchone()
    assert row
    pointer, salt, name = row
    assert (commitment(salt, told["id"], pointer, name), name) == (sealed, "B. Canary")
    assert told["disclosures"][pointer]["value"] == name


def test_the_follower_goes_on_with_its_rows(place: Place) -> None:
    """Rows of the version before are followed on, or built anew where they have to be; they are those of a rebuild."""
    with place.connect() as reader, place.pool(2) as pool, Ledger(place, pool) as ledger:
        # when
        with following(place):
            ledger.append(read_body({"events": NEW}), CLERK)
            _wait_until(lambda: read_progress(reader) == (VERSION, SIZE + len(NEW), None, None))
        live = rows(reader)
        # then
        assert findings(place) == []
        rebuild(place)
        assert rows(reader) == live


def test_rows_of_an_older_version_are_built_anew_by_themselves(before: Home, place: Place) -> None:
    """Whatever an older version made of the entries, what is there once a follower ran is what this version makes."""
    with before.owner() as owner, place.connect() as reader:
        # given
        catch_up(place)
        right = rows(reader)
        owner.execute(sql.SQL("set search_path to {}").format(sql.Identifier(place.projections)))
        owner.execute("update states set status = 'otherwise', doc = '{}'")
        owner.execute("delete from timeline where position > 100")
        owner.execute("update progress set version = %s", [VERSION - 1])
        # when
        with following(place):
            _wait_until(lambda: read_progress(reader) == (VERSION, SIZE, None, None))
        # then
        assert rows(reader) == right
        assert findings(place) == []
