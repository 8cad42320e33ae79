"""A ledger that an older version made is migrated, and goes on: nothing recorded is touched, and nothing is lost."""

import gzip
import json
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from hashlib import sha256
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, cast

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
from ledger.proofs.notes import Note
from ledger.service import Ledger
from ledger.vocabulary.registry import KINDS
from ledger.writing.draft import read_body
from projections.audit import audit
from projections.follow import catch_up
from projections.rebuild import rebuild
from projections.runner import projected, read_progress
from projections.states.projection import States
from projections.tree.keys import Anchor
from projections.tree.signer import Signer
from tests.commands import run
from tests.examples import event
from tests.fixtures import before_epochs, before_flat_costs
from tests.fixtures.before_epochs import AUDITORS_KEY, CLERK, DIGEST, IDEMPOTENCY_KEY, KEYED, LATER, SEEDED
from tests.fixtures.before_flat_costs import KEYS
from tests.servers import Home
from tests.service import ADMIN, Service, running
from tests.test_follow import _wait_until, following, rows

KEYED_AT = SEEDED + len(LATER) + 1


class Older(NamedTuple):
    """A ledger that an older version has made: its dump, and what stands for its schema there; how many entries it holds, which
    came after those that every such ledger holds, and how many migrations that version had.
    """

    dump: Path
    schema: str
    more: Sequence[dict[str, Any]]
    size: int
    migrations: int

    @property
    def text(self) -> str:
        return gzip.decompress(self.dump.read_bytes()).decode()


OLDER = {
    "before epochs": Older(before_epochs.DUMP, before_epochs.SCHEMA, [], KEYED_AT, 2),
    "before flat costs": Older(
        before_flat_costs.DUMP, before_flat_costs.SCHEMA, before_flat_costs.UNEVEN, before_flat_costs.SIZE,
        before_flat_costs.MIGRATIONS,
    ),
}  # fmt: skip
NEW = [
    event("party.registered", "party:new", sources=[], name="New", kind="company"),
    event("initiative.activated", "initiative:typo", sources=[{"source": "source:minutes"}]),
    event("entry.dispute_resolved", "milestone:half", sources=[], target=139, outcome="rejected"),
]
LAST_DAY = "9999-12-30"
NAMING = ("participants", "author")
EPOCHS = 3
"""The migration that began the first epoch, of ledgers that were there already with the reason for it."""
_numbers = count(1)


@pytest.fixture(params=list(OLDER.values()), ids=list(OLDER))
def older(request: pytest.FixtureRequest) -> Older:
    """Each of the older versions."""
    return cast(Older, request.param)


@pytest.fixture
def before(server: Embedded, older: Older) -> Iterator[Home]:
    """The ledger as the older version left it, under names of its own."""
    name = f"before_{next(_numbers)}"
    location = LedgerLocation(make_conninfo(server.location.dsn, user=f"{name}_service"), name)
    home = Home(location, server.owner_dsn)
    with home.owner() as owner:
        owner.execute(sql.SQL("create role {} login").format(sql.Identifier(f"{name}_service")))
        owner.execute(older.text.replace(older.schema, name).encode())
    yield home
    with home.owner() as owner:
        for schema in (location.schema, location.projections, location.rebuild):
            owner.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))


@pytest.fixture
def location(before: Home) -> LedgerLocation:
    """The same, migrated."""
    migrate(before.owner_dsn, before.location)
    return before.location


def entries(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute("""
        select position, stream, version, type, entry_id, recorded_at, body::text
          from entries
         order by position""").fetchall()


def findings(location: LedgerLocation) -> list[tuple[int, str]]:
    return [(one.position, one.what) for one in audit(location)]


def test_a_ledger_that_lacks_migrations_is_not_served(older: Older, before: Home) -> None:
    """The service does not start on it until it is migrated, and says what to do; `ledger migrate` does it, once."""
    newer = [name for number, name, _ in migrations() if number > older.migrations]
    refused = pytest.raises(Misconfigured, match="run `ledger migrate`") if newer else nullcontext()
    with before.location.connect() as connection, refused:
        check_schema(connection, before.location)
    done = run(before.location, "migrate", LEDGER_OWNER_DSN=before.owner_dsn)
    assert [line for line in done.stderr.splitlines() if line.startswith("ran ")] == [f"ran {name}" for name in newer]
    assert migrate(before.owner_dsn, before.location) == []
    with before.location.connect() as connection:
        check_schema(connection, before.location)
        assert [one.size for one in epochs(connection)] == [KEYED_AT if older.migrations < EPOCHS else 0]


def test_every_line_keeps_its_bytes_and_its_position(older: Older, before: Home) -> None:
    """No column of any entry changes, and the export is byte for byte the one that the older version wrote."""
    with before.owner() as owner:
        # given
        recorded = entries(owner)
        names = owner.execute("select * from disclosures order by entry_id, pointer").fetchall()
        assert [one[0] for one in recorded] == list(range(1, older.size + 1))
        # when
        migrate(before.owner_dsn, before.location)
        # then
        assert entries(owner) == recorded
        assert owner.execute("select * from disclosures order by entry_id, pointer").fetchall() == names
    export = BytesIO()
    with before.location.connect() as connection:
        assert unload(connection, export, 0) == older.size
    assert f"{DIGEST}{sha256(export.getvalue()).hexdigest()}" == older.text.partition("\n")[0]


def test_what_was_sent_before_is_answered_as_repeated(older: Older, location: LedgerLocation) -> None:
    """The same ids, and the same idempotency key, get the first positions; nothing is recorded."""
    assert load_seed(location, "partnerships") == 0
    with location.pool(2) as pool, Ledger(location, pool) as ledger:
        again = [*(ledger.append(read_body(one), CLERK)[0] for one in LATER)]
        again += ledger.append(read_body(KEYED), CLERK, IDEMPOTENCY_KEY)
        again += [ledger.append(read_body(one), CLERK)[0] for one in older.more]
    places = range(SEEDED + 1, KEYED_AT + len(older.more) + 1)
    assert [(one.position, one.repeated) for one in again] == [(at, True) for at in places]
    with location.connect() as connection:
        assert len(entries(connection)) == older.size


@pytest.fixture
def service(location: LedgerLocation) -> Iterator[Service]:
    catch_up(location)
    with running(location, public_reads=False) as opened:
        yield opened


def test_the_service_goes_on_with_it(older: Older, service: Service) -> None:
    """Keys open what they opened, states are there, appends go on from the last position, and the past stays as it was."""
    # given
    key = {"Authorization": f"Bearer {AUDITORS_KEY}"}
    past = {"known_at": older.size, "valid_at": LAST_DAY}
    paths = ("/v1/initiatives/typo", "/v1/milestones/half", "/v1/meetings/follow-up", "/v1/initiatives/indus-x")
    was = {path: service.get(path, key, **past).json() for path in paths}
    assert was["/v1/milestones/half"]["disputed"]
    assert was["/v1/initiatives/typo"]["name"] == "Typo"
    assert was["/v1/meetings/follow-up"]["participants"][0]["person"]["name"] == "B. Canary"
    assert service.get("/v1/parties/mistake", key).status_code == 404
    # when
    recorded = service.given(*NEW)
    # then
    assert [(one["position"], one["version"]) for one in recorded] == [
        (older.size + 1, 1), (older.size + 2, 3), (older.size + 3, 4),
    ]  # fmt: skip
    assert recorded[0]["anomalies"] == []
    assert service.get("/v1/initiatives/typo", key).json()["status"] == "active"
    assert {path: service.get(path, key, **past).json() for path in paths} == was
    assert findings(service.location) == []


def test_what_opens_its_commitments_opens_them_still(service: Service) -> None:
    """Names of persons, and the salts beside them, are those that the lines of the older version commit to."""
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


def test_the_follower_goes_on_with_its_rows(older: Older, location: LedgerLocation) -> None:
    """Rows of the older version are followed on, or built anew where they have to be; they are those of a rebuild."""
    with location.connect() as reader, location.pool(2) as pool, Ledger(location, pool) as ledger:
        # when
        with following(location):
            ledger.append(read_body({"events": NEW}), CLERK)
            _wait_until(lambda: projected(reader) == older.size + len(NEW))
        live = rows(reader)
        # then
        assert findings(location) == []
        rebuild(location)
        assert rows(reader) == live


def test_rows_of_an_older_version_are_built_anew_by_themselves(
    older: Older, before: Home, location: LedgerLocation
) -> None:
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
            _wait_until(lambda: read_progress(reader)["states"][:3] == ("states", States.version, older.size))
        # then
        assert rows(reader) == right
        assert findings(location) == []


signed = pytest.mark.parametrize("older", [OLDER["before flat costs"]], indirect=True)


@signed
def test_states_that_the_older_version_showed_are_shown_still(older: Older, before: Home) -> None:
    """Each state of each stream tells, on the day from which on it held, what its row told, in all fields that name no person."""
    with before.owner() as owner:
        owner.execute(sql.SQL("set search_path to {}").format(sql.Identifier(before.location.projections)))
        shown = owner.execute(
            "select subject, valid_from, doc from states where lane = '' and known_to = 9223372036854775807"
        ).fetchall()
    assert len(shown) > older.size / 2
    migrate(before.owner_dsn, before.location)
    catch_up(before.location)
    with running(before.location, public_reads=False) as service:
        for subject, day, doc in shown:
            told = service.get(page_of(subject), ADMIN, known_at=older.size, valid_at=day.isoformat()).json()
            was = {name: value for name, value in json.loads(doc).items() if name not in NAMING}
            assert {name: told[name] for name in was} == was


def page_of(subject: str) -> str:
    kind, _, name = subject.partition(":")
    return f"/v1/{KINDS[kind].plural}/{name}"


@signed
def test_a_name_that_was_erased_stays_away(older: Older, service: Service) -> None:
    """Also where all rows are built anew: its reader is told on what ground it went."""
    rebuild(service.location)
    [one] = service.get("/v1/meetings/long-talks", ADMIN).json()["participants"]
    assert one["person"]["erased"] == {"position": older.size, "ground": "consent_withdrawn"}
    with service.location.connect() as connection:
        assert connection.execute("select value from disclosures where value like 'C. %'").fetchall() == []


@signed
def test_what_was_signed_is_signed_on(older: Older, location: LedgerLocation, tmp_path: Path) -> None:
    """With the same key and anchor the log is found to be what was signed, and goes on from the older version's last checkpoint."""
    # given
    key = tmp_path / "log-key"
    KEYS.write(key)
    with location.connect(patient=True) as connection, location.pool(2) as pool, Ledger(location, pool) as ledger:
        [(size, note)] = connection.execute("select size, note from checkpoints").fetchall()
        Anchor(key).write(Note.read(note))
        # when
        ledger.append(read_body({"events": NEW}), CLERK)
        signer = Signer(connection, key)
        signer.check()
        checkpoint = signer.round()
        catch_up(location)
        # then
        assert (size, checkpoint and checkpoint.size) == (older.size, older.size + len(NEW))
        assert findings(location) == []
