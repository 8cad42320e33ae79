"""On a standby, and wherever else nothing can be changed, what reads goes on, and what would write says why it does not."""

import json
from collections.abc import Iterator

import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr
from starlette.testclient import TestClient

from api.app import build
from api.http.auth import Role, create_key
from ledger.database.connection import LedgerLocation
from ledger.database.embedded import Embedded
from ledger.database.migrations import migrate
from ledger.service import Ledger
from ledger.settings import Settings
from ledger.writing.draft import read_body
from projections.follow import catch_up
from tests import commands
from tests.commands import Command, rows
from tests.conftest import CLERK
from tests.examples import INDIA, THX, USA, event
from tests.service import ADMIN, ADMIN_KEY
from tests.standby import Server, family

command = commands.command
NEW = event("party.registered", "party:new", sources=[], name="New", kind="company")
READ_ONLY = "ledger: the server is read-only (a standby?): "


@pytest.fixture(scope="module")
def primary(server: Embedded) -> Iterator[Server]:
    """A primary with three entries, all projected but the last, and one key. (The session's server has unpacked the binaries.)"""
    with family() as one:
        migrate(one.owner_dsn, one.location())
        with (
            one.location().pool(2) as pool,
            Ledger(one.location(), pool) as ledger,
            one.location().connect() as connection,
        ):
            ledger.append(read_body({"events": [THX, USA]}), CLERK)
            catch_up(one.location())
            ledger.append(read_body(INDIA), CLERK)
            create_key(connection, "admin", Role.admin, ADMIN_KEY)
        yield one


@pytest.fixture(scope="module")
def standby(primary: Server) -> Server:
    return primary.standby("one")


@pytest.fixture(params=["a standby", "a server that was told so"])
def location(request: pytest.FixtureRequest, standby: Server, primary: Server) -> LedgerLocation:
    """The ledger where it cannot be changed."""
    told = make_conninfo(primary.location().dsn, options="-c default_transaction_read_only=on")
    return standby.location() if request.param == "a standby" else LedgerLocation(told, "ledger")


def test_what_reads_goes_on(command: Command) -> None:
    """State, history, log and story are told as far as they are projected, and nothing is projected."""
    assert json.loads(command("show", "party:usa").stdout)["name"] == "United States"
    assert [one["position"] for one in rows(command("history", "source:thx"))] == [1]
    assert len(rows(command("replay"))) == len(rows(command("export"))) == 3
    assert {(one["head"], one["projected"]) for one in rows(command("status"))} == {(3, 2)}
    assert [one["name"] for one in rows(command("keys", "list"))] == ["admin"]
    found = {one["check"]: (one["verdict"], one["finding"]) for one in rows(command("doctor"))}
    assert found["changes"][0] == "warn"
    assert "read-only" in found["changes"][1]
    assert not [name for name, (verdict, _) in found.items() if verdict == "fail"]


def test_an_audit_says_what_it_did_not_look_at(command: Command) -> None:
    """The log is checked; the rows are not, and one sentence says why."""
    said = command("audit").stderr.splitlines()
    assert said[-2].startswith("the rows were not compared with the log, ")
    assert said[-1] == "nothing found: the log keeps its rules"


@pytest.mark.parametrize(
    "arguments",
    [["follow"], ["rebuild"], ["append", "-"], ["import", "-"], ["keys", "create", "bob"], ["keys", "revoke", "admin"],
     ["migrate"], ["restored"]],
    ids=lambda arguments: arguments[0],
)  # fmt: skip
def test_what_would_write_says_why_it_does_not(arguments: list[str], command: Command) -> None:
    """One sentence and exit 1, before anything else is done."""
    told = command(*arguments, stdin=json.dumps(NEW), code=4).stderr
    assert told.startswith(READ_ONLY)
    assert told.count("\n") == 1


def test_a_dry_run_needs_no_primary(command: Command) -> None:
    """What an import would do can be asked where it cannot be done."""
    dry = command("import", "-", "--dry-run", stdin=json.dumps(NEW))
    assert "appended 1, repeated 0, refused 0; nothing was recorded: a dry run" in dry.stderr


@pytest.mark.parametrize("key", [ADMIN_KEY, "a-key-that-nobody-has-yet"])
def test_the_service_answers_who_reads(key: str, location: LedgerLocation, caplog: pytest.LogCaptureFixture) -> None:
    """The service starts with an admin key or without, answers reads, refuses to record, and warns where the key is none."""
    settings = Settings(admin_key=SecretStr(key), public_reads=True)
    with TestClient(build(settings, location)) as client:
        assert client.get("/v1/parties/usa").json()["name"] == "United States"
        known = key == ADMIN_KEY
        assert client.get("/v1/parties/usa", headers={"Authorization": f"Bearer {key}"}).status_code == (
            200 if known else 401
        )
        assert client.post("/v1/events", json=NEW, headers=ADMIN).status_code == 503
    assert ("the admin key is none here" in caplog.text) is not known
    assert key not in caplog.text
