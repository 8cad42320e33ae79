"""`ledger verify` with a key that sees names: each is the one that was committed to, or an entry tells that it was erased."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.http.auth import Role
from ledger.database.connection import Connection
from projections.tree.keys import LogKeys
from tests.commands import Command, rows
from tests.examples import INDUS_X, THX, USA
from tests.lying import Lie, lying
from tests.service import ADMIN_KEY, Service, listening
from tests.signing import Sign, exported, tamper
from tests.test_erasure import erase
from tests.test_names import OTHER, POINTER, TALKS, key_of

pytest_plugins = ["tests.commands", "tests.service", "tests.signing"]

Verify = Callable[..., Any]
THIS = f"where pointer = '{POINTER}'"
LOSE = f"insert into lost_disclosures (entry_id, pointer) select entry_id, pointer from disclosures {THIS}"


@pytest.fixture
def peopled(service: Service, sign: Sign) -> Service:
    """A signed ledger that tells of a meeting of two persons at position 4."""
    service.given(THX, USA, INDUS_X, TALKS)
    sign().round()
    return service


@pytest.fixture
def address(peopled: Service) -> Iterator[str]:
    """Where the service listens."""
    with listening(peopled) as (host, port):
        yield f"http://{host}:{port}"


@pytest.fixture
def verify(address: str, command: Command, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verify:
    """``ledger verify`` of the service, with an API key or none."""

    def run(api_key: str = "", *more: object, code: int = 0, where: object = "", at: str = address) -> Any:
        given = [f"--log-key={one.verifier}" for one in LogKeys.read(key).keys]
        settings = {"XDG_STATE_HOME": str(tmp_path / "state")} | ({"LEDGER_KEY": api_key} if api_key else {})
        monkeypatch.delenv("LEDGER_KEY", raising=False)  # of the run before
        places = [where, f"--service={at}"] if where else [at]
        return command("verify", *places, *given, *more, code=code, **settings)

    return run


def key_text(service: Service, role: Role) -> str:
    return key_of(service.location, role)["Authorization"].removeprefix("Bearer ")


def test_names_are_verified_by_who_may_see_them(peopled: Service, verify: Verify, sign: Sign, tmp_path: Path) -> None:
    """With an auditor's or an admin's key; for others they are withheld; what is erased is told to everybody by the log itself."""
    reader, auditor = (key_text(peopled, role) for role in (Role.reader, Role.auditor))
    for one in (ADMIN_KEY, auditor):
        assert "2 verified, 0 withheld, 0 erased, 0 lost, 0 missing, 0 mismatching" in verify(one).stderr
    for one in ("", reader):
        assert "0 verified, 2 withheld, 0 erased" in verify(one).stderr
    assert erase(peopled).status_code == 201
    while peopled.follower.step():
        pass
    assert "1 verified, 0 withheld, 1 erased, 0 lost, 0 missing" in verify(auditor).stderr  # not signed yet
    sign().round()
    assert "1 verified, 0 withheld, 1 erased, 0 lost, 0 missing" in verify(auditor, "--semantic").stderr
    assert "0 verified, 1 withheld, 1 erased" in verify(reader).stderr
    tiles = exported(peopled.location, tmp_path / "tiles")
    assert "1 verified, 0 withheld, 1 erased" in verify(auditor, where=tiles).stderr


@pytest.mark.parametrize(
    ("how", "counted", "named"),
    [
        ([f"update disclosures set value = 'Somebody else' {THIS}"], "1 verified, 0 withheld, 0 erased, 0 lost, 0 missing, 1 mismatching", "not the one that it commits to"),
        ([f"update disclosures set salt = decode(repeat('00', 32), 'hex') {THIS}"], "1 mismatching", "not the one that it commits to"),
        ([f"delete from disclosures {THIS}"], "1 verified, 0 withheld, 0 erased, 0 lost, 1 missing", "no entry tells that it was erased"),
        ([f"update disclosures set pointer = '/data/title' {THIS}"], "1 missing", "where the entry names nobody"),
        (["delete from disclosures"], "2 missing", "is gone"),
    ],
)  # fmt: skip
def test_a_name_that_is_not_what_it_was_is_an_alarm(
    how: list[str], counted: str, named: str, verify: Verify, superuser: Connection
) -> None:
    """Exit code 3, and the position of the entry; whoever may not see names is not told, as everything is withheld."""
    tamper(superuser, *how)
    done = verify(ADMIN_KEY, code=3)
    assert counted in done.stderr
    assert {one["position"] for one in rows(done)} == {4}
    assert named in done.stdout
    assert OTHER not in done.stdout + done.stderr
    assert "2 withheld" in verify().stderr


def test_what_went_with_a_database_is_lost_not_missing(verify: Verify, superuser: Connection) -> None:
    """As the service tells it: who verifies is shown the count."""
    tamper(superuser, LOSE, f"delete from disclosures {THIS}")
    assert "1 verified, 0 withheld, 0 erased, 1 lost, 0 missing" in verify(ADMIN_KEY).stderr


def test_an_erased_name_that_came_back_is_an_alarm(
    peopled: Service, verify: Verify, superuser: Connection, sign: Sign
) -> None:
    """As with a backup that was put back under a running service, with its table of erasures."""
    superuser.execute(f"create temp table held as select * from disclosures {THIS}".encode())
    assert erase(peopled).status_code == 201
    sign().round()
    tamper(superuser, "insert into disclosures select * from held", "delete from erasures")
    done = verify(ADMIN_KEY, code=3)
    assert rows(done) == [
        {"position": 4, "finding": f"the name at {POINTER} is kept, and entry 5 tells that it was erased: run `ledger restored`"}
    ]  # fmt: skip


def persons_told(**otherwise: Any) -> Lie:
    """Nothing opens a commitment any more, and a history tells this of each person."""

    def lie(path: str, document: Any) -> None:
        if "disclose" in path:
            document["disclosures"] = {}
        for item in document.get("items", ()) if "/history" in path else ():
            for one in item.get("persons", ()):
                one.update(otherwise)

    return lie


@pytest.mark.parametrize(
    "otherwise",
    [{"erased": {"position": "x"}}, {"erased": [1]}, {"erased": None}, {"erased": {"position": None}}, {"pointer": {}, "erased": 1}],
)  # fmt: skip
def test_what_is_told_of_a_missing_name_has_a_shape(otherwise: Any, address: str, verify: Verify) -> None:
    """What has another is no answer of a ledger: one sentence, exit code 4, and no traceback."""
    with lying(address, persons_told(**otherwise)) as at:
        done = verify(ADMIN_KEY, code=4, at=at)
    assert "/history is no answer of a ledger" in done.stderr
    assert "Traceback" not in done.stderr


def test_whoever_sees_one_name_sees_all(peopled: Service, address: str, verify: Verify, sign: Sign) -> None:
    """A service that refuses this or that name to a key that sees others withholds what it should show: that is told."""
    peopled.given(TALKS | {"id": "00000000-0000-4000-8000-000000000009", "subject": "meeting:more-talks"})
    sign().round()

    def lie(path: str, document: Any) -> int | None:
        return 403 if path.startswith("/v1/events/5?disclose") else None

    with lying(address, lie) as at:
        assert "/v1/events/5?disclose=true answers 403" in verify(ADMIN_KEY, code=4, at=at).stderr


def test_a_copy_alone_holds_no_names(peopled: Service, command: Command, key: Path, tmp_path: Path) -> None:
    """So nothing is said of them."""
    tiles = exported(peopled.location, tmp_path / "tiles")
    given = [f"--log-key={one.verifier}" for one in LogKeys.read(key).keys]
    told = command("verify", tiles, *given, XDG_STATE_HOME=str(tmp_path / "state"), LEDGER_KEY=ADMIN_KEY)
    assert "names" not in told.stderr
