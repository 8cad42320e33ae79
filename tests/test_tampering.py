"""Tampering, as the database's superuser with the triggers off: what an audit of the database alone finds, what it cannot, and what
a copy, or only a checkpoint, that is kept elsewhere finds."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from ledger.database.connection import Connection
from ledger.database.embedded import Embedded
from projections.tree.keys import Anchor, LogKeys
from tests.backup import Backup
from tests.commands import Command, rows
from tests.examples import INDUS_X, THX, USA, event
from tests.service import Service
from tests.signing import Sign, claims, tamper
from tests.test_names import TALKS

pytest_plugins = ["tests.commands", "tests.service", "tests.signing"]


def line(where: int, old: str, new: str) -> str:
    """Put one text for another in an entry's line."""
    return f"update entries set body = replace(body::text, $${old}$$, $${new}$$)::json where position = {where}"


FORGED = "01990000-0000-7000-8000-0000000000ff"
OTHERS = "had signed another tree for its first 15 entries"


class Tampering(NamedTuple):
    """What is done to the database; the position that an audit of it alone names (0: the end; None: it finds nothing, once all that
    is derived was rebuilt); the one that it names with a copy of the log; and what `ledger verify` says of an export that it holds
    against a checkpoint from before (None: nothing).

    ``signed_anew``: the operator lies, too, and signs what was made of it with the log's own key.
    """

    how: list[str]
    alone: int | None
    with_copy: int | None
    with_checkpoint: str | None = OTHERS
    signed_anew: bool = False


CITED = {"sources": [{"source": "source:thx", "locator": "p. 4", "url": "https://news.example/a"}]}
ANEW = ["update tree set size = 0", "truncate tiles", "delete from checkpoints"]
FOUND_ALONE = {
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
    ], 6, 6, "entry 6: its line says that it is another"),
    "one deleted, and the numbers closed up": Tampering([
        "delete from entries where position = 6",
        "update entries set position = position - 1, version = version - 1, body = replace(body::text, "
        "lpad(position::text, 20, '0'), lpad((position - 1)::text, 20, '0'))::json where position = 7",
        *[f"update entries set position = {at - 1}, body = replace(body::text, lpad('{at}', 20, '0'), lpad('{at - 1}', 20, '0'))::json"
          f" where position = {at}" for at in range(8, 16)],
        "update head set size = 14",
    ], 6, 6, "there are 14 entries, and 15 were signed"),
    "the end cut off, with head": Tampering([
        "delete from entries where position > 12", "update head set size = 12",
    ], 0, 0, "there are 12 entries, and 15 were signed"),
    "a forged last entry": Tampering([line(15, "Claim 9", "Claim 8")], 15, 15),
    "a title, and all that is derived from it": Tampering([line(4, "Talks", "talks"), *ANEW[:2]], 15, 4),
    "a checkpoint's note": Tampering(
        ["update checkpoints set note = replace(note, e'\\n15\\n', e'\\n14\\n') where size = 15"], 15, 15, None
    ),
    "a checkpoint": Tampering(["update checkpoints set root = sha256('x') where size = 15"], 15, 15, None),
    "a name put for another": Tampering(["update disclosures set value = 'D. Other' where value = 'B. Canary'"], 4, 4, None),
    "a name taken away": Tampering(["delete from disclosures where value = 'B. Canary'"], 4, 4, None),
}  # fmt: skip
"""By whoever audits the database, with the checkpoints that lie in it."""

FOUND_ELSEWHERE = {
    "the end cut off, with head and checkpoints": Tampering([
        "delete from entries where position > 12", "update head set size = 12", "delete from checkpoints where size > 3", *ANEW[:2],
    ], None, 0, "there are 12 entries, and 15 were signed"),
    "a title, and the checkpoints too": Tampering([line(4, "Talks", "talks"), *ANEW], None, 4),
    "a title, and the checkpoints signed anew": Tampering([line(4, "Talks", "talks"), *ANEW], None, 4, signed_anew=True),
    "authid, and the checkpoints signed anew": Tampering([line(4, '"authid":"', '"authid":"x'), *ANEW], None, 4, signed_anew=True),
}  # fmt: skip
"""Only by whoever keeps a copy, or a checkpoint: the checkpoints table was edited, too."""

FOUND_BY_NOBODY = {
    "an entry more at the end": Tampering([
        "insert into entries (position, stream, version, type, entry_id, recorded_at, body) select 16, stream, version + 1, type, "
        f"'{FORGED}', recorded_at, replace(replace(replace(body::text, lpad('15', 20, '0'), lpad('16', 20, '0')), entry_id::text, "
        f"'{FORGED}'), '\"streamversion\":' || version, '\"streamversion\":' || version + 1)::json from entries where position = 15",
        "update head set size = 16",
    ], None, None, None),
    "an admin's key": Tampering([
        "insert into api_keys (name, key_sha256, role) values ('stranger', sha256('stranger'), 'admin')",
    ], None, None, None),
}  # fmt: skip
"""No signature says that an entry is true, or who may add one: docs/trust.md tells of it."""

KINDS = FOUND_ALONE | FOUND_ELSEWHERE | FOUND_BY_NOBODY
"""Each kind by its name."""


@pytest.fixture
def early(service: Service, sign: Sign, server: Embedded) -> Backup:
    """A backup of three entries, which are signed."""
    service.given(THX, USA, INDUS_X)
    sign().round()
    return Backup(server, service.location)


@pytest.fixture
def signed(service: Service, sign: Sign, early: Backup) -> Service:
    """Fifteen entries, in trees of 3 and 15."""
    service.given(TALKS, event("initiative.claim_recorded", "initiative:indus-x", text="Cited") | CITED, *claims(10))
    sign().round()
    return service


@dataclass(frozen=True)
class Auditor:
    """Who has the log's public keys and, from before anything was altered, a copy of the log with its last checkpoint."""

    command: Command
    tiles: Path
    given: list[str]
    state: dict[str, str]

    def finds(self, what: Tampering, *, rebuilt: bool) -> None:
        """Each audit, and the verification of an export, find what they are said to find; and no rebuild is advised."""
        self._audits(what.alone, [], rebuilt=rebuilt)
        self._audits(what.with_copy, ["--against", self.tiles, *self.given], rebuilt=rebuilt)
        export = self.tiles.with_name("export.ndjson")
        export.write_text(self.command("export").stdout)
        code = 3 if what.with_checkpoint else 0
        told = self.command(
            "verify", export, "--checkpoint", self.tiles / "checkpoint", *self.given, code=code, **self.state
        )
        assert (what.with_checkpoint or "the first 15 entries are those that were signed") in told.stderr

    def _audits(self, position: int | None, more: list[object], *, rebuilt: bool) -> None:
        told = self.command("audit", *more, code=None, **self.state)
        found = [one["position"] for one in rows(told)]
        if position is None:
            assert not rebuilt or not found, found
        else:
            assert told.returncode == 3
            assert position in found
            assert "run `ledger rebuild`" not in told.stdout


@pytest.fixture
def auditor(tiles: Path, command: Command, key: Path, tmp_path: Path) -> Auditor:
    given = [f"--log-key={one.verifier}" for one in LogKeys.read(key).keys]
    one = Auditor(command, tiles, given, {"XDG_STATE_HOME": str(tmp_path / "state")})
    assert command("audit", "--against", one.tiles, *given, **one.state).stdout == ""
    return one


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_found(
    kind: str, auditor: Auditor, superuser: Connection, command: Command, sign: Sign, key: Path
) -> None:
    """At once, and after a rebuild that makes all rows agree with what was altered; by its position, and no rebuild is advised."""
    tamper(superuser, *KINDS[kind].how)
    if KINDS[kind].signed_anew:
        Anchor(key).path.unlink()
        sign().round()
    auditor.finds(KINDS[kind], rebuilt=False)
    command("rebuild", code=None)
    auditor.finds(KINDS[kind], rebuilt=True)


def test_an_old_backup_is_found(auditor: Auditor, early: Backup) -> None:
    """By whoever keeps a copy, or a checkpoint, and by nobody else: it fits itself."""
    early.restore()
    auditor.finds(Tampering([], None, 0, "there are 3 entries, and 15 were signed"), rebuilt=True)


def test_a_key_that_was_put_in_is_listed_and_named(signed: Service, superuser: Connection, command: Command) -> None:
    """No proof tells it from one that was made: it is listed, and what it records bears its name."""
    tamper(superuser, *KINDS["an admin's key"].how)
    assert "stranger" in {one["name"] for one in rows(command("keys", "list"))}
    claim = event("initiative.claim_recorded", "initiative:indus-x", text="Strange")
    posted = signed.client.post("/v1/events", json=claim, headers={"Authorization": "Bearer stranger"})
    assert posted.status_code == 201, posted.text
    assert signed.get("/v1/events/16").json()["authid"] == "stranger"
    assert command("audit").stdout == ""


def test_an_audit_says_what_it_rests_on(service: Service, command: Command, sign: Sign) -> None:
    """Nothing, before anything was signed; the database's own checkpoints, which say nothing against their owner."""
    service.given(THX)
    assert "nothing is signed" in command("audit").stderr
    sign().round()
    assert "the first 1 entries were compared with this database's own checkpoints" in command("audit").stderr
