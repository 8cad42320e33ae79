"""Tampering, as the database's superuser with the triggers off: what an audit of the database alone finds, what it cannot, and what
a copy that is kept elsewhere finds."""

from pathlib import Path
from typing import NamedTuple

import pytest

from api.transfer.tiles import export_tiles
from ledger.database.connection import Connection
from projections.tree.keys import LogKeys
from tests.commands import Command, rows
from tests.examples import INDUS_X, THX, USA, event
from tests.service import Service
from tests.signing import Sign, tamper
from tests.test_names import TALKS

pytest_plugins = ["tests.commands", "tests.service", "tests.signing"]


def line(where: int, old: str, new: str) -> str:
    """Put one text for another in an entry's line."""
    return f"update entries set body = replace(body::text, $${old}$$, $${new}$$)::json where position = {where}"


class Tampering(NamedTuple):
    """What is done to the database; the position that an audit of it alone names; and the one that a copy names (0: the end)."""

    how: list[str]
    alone: int | None
    with_copy: int | None


CITED = {"sources": [{"source": "source:thx", "locator": "p. 4", "url": "https://news.example/a"}]}
KINDS = {
    "authid": Tampering([line(4, '"authid":"', '"authid":"x')], 4, 4),
    "authtype": Tampering([line(4, '"authtype":"api_key"', '"authtype":"system"')], 4, 4),
    "recorded time, with its column": Tampering([
        "update entries set recorded_at = recorded_at - interval '1 microsecond' where position = 4",
        """update entries set body = replace(body::text, substring(body::text from '"recordedtime":"[^"]+"'), '"recordedtime":"'
           || to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"')::json where position = 4""",
    ], 4, 4),
    "locator": Tampering([line(5, "p. 4", "p. 5")], 5, 5),
    "address": Tampering([line(5, "news.example/a", "news.example/b")], 5, 5),
    "CloudEvents source": Tampering([line(4, '"source":"/ledgers/', '"source":"/ledger/')], 4, 4),
    "a member more": Tampering([line(4, '"specversion"', '"more":1,"specversion"')], 4, 4),
    "white space": Tampering([line(4, ',"id":', ', "id":')], 4, 4),
    "one byte of a title": Tampering([line(4, "Talks", "talks")], 4, 4),
    "two facts exchanged": Tampering([line(6, "Claim 0", "Claim X"), line(7, "Claim 1", "Claim 0"), line(6, "Claim X", "Claim 1")], 6, 6),
    "two entries swapped": Tampering([
        "create temp table held as select position, body from entries where position in (6, 7)",
        "update entries set body = held.body from held where held.position = 13 - entries.position", "drop table held",
    ], 6, 6),
    "one deleted, and the numbers closed up": Tampering([
        "delete from entries where position = 6",
        "update entries set position = position - 1, version = version - 1, body = replace(body::text, "
        "lpad(position::text, 20, '0'), lpad((position - 1)::text, 20, '0'))::json where position = 7",
        *[f"update entries set position = {at - 1}, body = replace(body::text, lpad('{at}', 20, '0'), lpad('{at - 1}', 20, '0'))::json"
          f" where position = {at}" for at in range(8, 16)],
        "update head set size = 14",
    ], 6, 6),
    "the end cut off, with head": Tampering([
        "delete from entries where position > 12", "update head set size = 12",
    ], 0, 0),
    "the end cut off, with head and checkpoints": Tampering([
        "delete from entries where position > 12", "update head set size = 12", "delete from checkpoints where size > 3",
        "update tree set size = 0", "truncate tiles",
    ], None, 0),
    "a forged last entry": Tampering([line(15, "Claim 9", "Claim 8")], 15, 15),
    "a title, and all that is derived from it": Tampering([
        line(4, "Talks", "talks"), "update tree set size = 0", "truncate tiles",
    ], 15, 4),
    "a title, and the checkpoints too": Tampering([
        line(4, "Talks", "talks"), "update tree set size = 0", "truncate tiles", "delete from checkpoints",
    ], None, 4),
    "a checkpoint": Tampering(["update checkpoints set root = sha256('x') where size = 15"], 15, None),
    "a name put for another": Tampering(["update disclosures set value = 'D. Other' where value = 'B. Canary'"], 4, 4),
    "a name taken away": Tampering(["delete from disclosures where value = 'B. Canary'"], 4, 4),
}  # fmt: skip
"""Each kind by its name."""


@pytest.fixture
def signed(service: Service, sign: Sign) -> Service:
    """Fifteen entries, in trees of 3 and 15."""
    service.given(THX, USA, INDUS_X)
    sign().round()
    claims = [event("initiative.claim_recorded", "initiative:indus-x", text=f"Claim {one}") for one in range(10)]
    service.given(TALKS, event("initiative.claim_recorded", "initiative:indus-x", text="Cited") | CITED, *claims)
    sign().round()
    return service


@pytest.fixture
def tiles(signed: Service, tmp_path: Path) -> Path:
    with signed.location.pool(1) as pool:
        export_tiles(pool, tmp_path / "tiles", lambda done: None)
    return tmp_path / "tiles"


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_found(
    kind: str, signed: Service, tiles: Path, superuser: Connection, command: Command, key: Path, tmp_path: Path
) -> None:
    """At once, and after a rebuild that makes all rows agree with what was altered; by its position, and no rebuild is advised."""
    given = [f"--log-key={one.verifier}" for one in LogKeys.read(key).keys]
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    assert command("audit", "--against", tiles, *given, **state).stdout == ""
    tamper(superuser, *KINDS[kind].how)
    for again in (False, True):
        if again:
            command("rebuild", code=None)
        for against, position in (([], KINDS[kind].alone), (["--against", tiles, *given], KINDS[kind].with_copy)):
            told = command("audit", *against, code=None, **state)
            found = [one["position"] for one in rows(told)]
            if position is None:
                assert again is False or not found or kind == "a checkpoint", found
            else:
                assert told.returncode == 3
                assert position in found
                assert "run `ledger rebuild`" not in told.stdout or "name" in kind


def test_an_audit_says_what_it_rests_on(service: Service, command: Command, sign: Sign) -> None:
    """Nothing, before anything was signed; the database's own checkpoints, which say nothing against their owner."""
    service.given(THX)
    assert "nothing is signed" in command("audit").stderr
    sign().round()
    assert "the first 1 entries were compared with this database's own checkpoints" in command("audit").stderr
