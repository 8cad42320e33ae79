"""What an auditor can check: the whole log against its rules, and the rows against the log."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, LiteralString

import psutil
import pytest

from ledger.database.connection import Connection, LedgerLocation
from ledger.fold import History
from ledger.log.entry import read_line
from ledger.service import Ledger
from ledger.writing.decision import Actor
from ledger.writing.draft import read_body
from projections import audit as audit_module
from projections import runner, streams_audit
from projections.audit import audit
from projections.rebuild import rebuild
from projections.replay import story
from projections.runner import Follower
from tests.commands import Command, rows
from tests.examples import INDIA, INDUS_X, THX, USA, event
from tests.generator import Generator
from tests.test_follow import _wait_until, catch_up
from tests.unreadable import spoil, spoilt_in_turn, tamper

pytest_plugins = ["tests.commands", "tests.unreadable"]

CLERK = Actor("api_key", "clerk")
Given = Callable[..., object]


@pytest.fixture
def told(given: Given, follower: Follower) -> None:
    """A small log with a correction, and its rows."""
    given(THX, USA, INDIA, INDUS_X)
    given(event("initiative.activated", "initiative:indus-x", "2023-06-21"))
    given(
        event(
            "entry.voided", "initiative:indus-x", sources=[], target=5, reason_code="wrong_date", reason="It was July."
        )
    )
    given(event("agreement.signed", "agreement:a", "2024", title="A", signatories=[{"party": "party:usa"}]))
    follower.step()


def findings(location: LedgerLocation) -> list[tuple[int, str]]:
    return [(one.position, one.what) for one in audit(location)]


def test_a_sound_ledger_has_no_findings(told: None, location: LedgerLocation) -> None:
    """Nothing is found where nothing is wrong."""
    assert findings(location) == []


def test_generated_events_have_no_findings(ledger: Ledger, follower: Follower, location: LedgerLocation) -> None:
    """Neither is it over hundreds of streams, read in small batches and followed in large ones."""
    # given
    ledger.append(read_body({"events": list(Generator().events(800))}), CLERK)
    # when
    while follower.step():
        pass
    # then
    assert findings(location) == []


# --- several processes

ENTRIES = 600
WITH_A_HELPER = """
import sys
from time import sleep
from ledger.database.connection import LedgerLocation
from projections import audit

audit.LONG = 100
list(audit.audit(LedgerLocation(*sys.argv[1:]), lambda position: sleep(100), workers=2))
"""


@pytest.fixture
def long(ledger: Ledger, follower: Follower, owner: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that passes for a long one, and its rows; something is wrong in each of its parts."""
    ledger.append(read_body({"events": list(Generator().events(ENTRIES))}), CLERK)
    catch_up(follower)
    monkeypatch.setattr(audit_module, "LONG", 100)
    for position in range(1, ENTRIES, 20):
        spoil(owner, "data that does not fit", position)
    tamper(owner, "update entries set version = 99 where position % 70 = 5")
    tamper(owner, "update entries set recorded_at = recorded_at - interval '1 day' where position % 90 = 7")
    tamper(owner, "update states set status = 'closed' where known_from % 10 = 3")
    tamper(owner, "delete from timeline where position % 10 = 4")


def helpers() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if _is_helper(one)]


def _is_helper(one: psutil.Process) -> bool:
    return one.status() != psutil.STATUS_ZOMBIE and "projections.audit" in one.cmdline()


def test_several_processes_find_the_same(long: None, location: LedgerLocation) -> None:
    """With other processes to help, an audit finds the same, in the same order, and leaves none of them behind."""
    # given
    alone, seen = list(audit(location, workers=1)), set[int]()
    assert len(alone) > 60
    # when
    found = list(audit(location, lambda position: seen.update(one.pid for one in helpers()), workers=3))
    # then
    assert found == alone
    assert len(seen) == 2
    assert helpers() == []


@pytest.mark.parametrize("after", [1, 2, 5], ids=lambda after: f"after {after} answers")
def test_a_helper_that_is_killed_is_done_without(
    after: int, long: None, location: LedgerLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a helper leaves undone as it is killed, in the middle of a part or after it, another does: nothing is lost, and nothing
    told twice."""
    # given
    alone, killed = list(audit(location, workers=1)), list[int]()
    answers = list[Any]()

    def kill(answer: str) -> Any:
        answers.append(json.loads(answer))
        if len(answers) == after:
            _kill(killed)
        return answers[-1]

    monkeypatch.setattr("projections.audit.json", SimpleNamespace(loads=kill, dumps=json.dumps))
    # when
    found = list(audit(location, lambda position: _wait_until(lambda: len(answers) >= after), workers=2))
    # then
    assert found == alone
    assert killed


def _kill(killed: list[int]) -> None:
    for one in helpers():
        one.kill()
        killed.append(one.pid)


def test_helpers_end_with_the_audit(long: None, location: LedgerLocation) -> None:
    """Where the audit itself is killed, its helpers end, too."""
    command = [sys.executable, "-c", WITH_A_HELPER, location.dsn, location.schema]
    with subprocess.Popen(command, cwd=Path(__file__).parents[1], stderr=subprocess.PIPE, text=True) as running:
        _wait_until(lambda: any(map(_is_helper, psutil.Process(running.pid).children())))
        [helper] = psutil.Process(running.pid).children()
        running.kill()
        _wait_until(lambda: not helper.is_running())
        assert running.communicate()[1] == ""


def test_each_entry_is_read_and_folded_once(
    ledger: Ledger, follower: Follower, location: LedgerLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much there is to check, an audit reads no line and folds no entry a second time."""
    # given
    ledger.append(read_body({"events": list(Generator().events(200))}), CLERK)
    catch_up(follower)
    counted: list[str] = []

    def count(where: Any, name: str) -> None:
        usual = getattr(where, name)

        def counting(*given: Any) -> Any:
            counted.append(name)
            return usual(*given)

        monkeypatch.setattr(where, name, counting)

    for where, name in ((streams_audit, "read_line"), (runner, "read_line"), (History, "record"), (History, "load")):
        count(where, name)
    # then
    assert list(audit(location)) == []
    assert sorted(counted) == ["read_line"] * 200 + ["record"] * 200


# --- what is found


@pytest.mark.parametrize("subject", ["", "a:before-all", "~", "\U0010ffff"])
def test_rows_of_no_stream_are_found(told: None, location: LedgerLocation, owner: Connection, subject: str) -> None:
    """Also where their name comes before or after those of all streams."""
    tamper(
        owner,
        "insert into timeline select about, day, rank, root, 70, %s, known_from, known_to from timeline where position = 2",
        subject,
    )
    assert [what for _, what in findings(location)] == [
        f"the live row of {subject} in timeline (party:usa 70) is not in the other: run `ledger rebuild`"
    ]


@pytest.mark.parametrize(
    ("harm", "position", "said"),
    [
        ("update entries set position = 70 where position = 7", 70, "positions 7 to 69 are missing"),
        ("update entries set recorded_at = recorded_at - interval '1 day' where position = 3", 3, "recorded before"),
        ("update entries set type = 'party.dissolved' where position = 2", 2, "do not say the same"),
        ("update entries set version = 9 where position = 5", 5, "to 9"),
        (
            "update entries set body = replace(body::text, '\"target\":5', '\"target\":4')::json where position = 6",
            6,
            "",
        ),
        (
            "update entries set body = replace(body::text, 'ecosystem', 'nonsense')::json where position = 4",
            4,
            "schema",
        ),
        ("update head set size = 9", 0, "head of the log"),
        ("update states set status = 'closed' where subject = 'initiative:indus-x'", 4, "the live row"),
        ("delete from states where subject = 'party:usa'", 2, "the rebuilt row"),
        ("delete from timeline where position = 3", 3, "the rebuilt row of party:ind in timeline"),
        (
            "update statuses set status = 'closed' where subject = 'initiative:indus-x'",
            4,
            "the live row of initiative:indus-x in statuses",
        ),
    ],
)
def test_what_was_altered_is_found_with_its_position(
    told: None, location: LedgerLocation, owner: Connection, harm: LiteralString, position: int, said: str
) -> None:
    """Whatever is altered behind the ledger's back is named, with the position where it shows."""
    # given
    assert findings(location) == []
    # when
    tamper(owner, harm)
    # then
    assert any(position == at and said in what for at, what in findings(location)), findings(location)


def test_what_cannot_be_read_is_found_and_hides_nothing(
    told: None, location: LedgerLocation, owner: Connection
) -> None:
    """Whatever stands where a line should, it is named with its position; what corrects it is not blamed for it."""
    for kind, _ in spoilt_in_turn(owner, 5):
        found = findings(location)
        assert {position for position, _ in found} == {5}, (kind, found)
        assert found[0][1].startswith(("its line", "it does not fit")), (kind, found)
    assert findings(location) == []


def test_everything_that_cannot_be_read_is_found(told: None, location: LedgerLocation, owner: Connection) -> None:
    """Of several such entries all are named, and so is whatever else is wrong, in their streams and in others."""
    # given
    for position, kind in (
        (1, "nothing"),
        (2, "no subject"),
        (3, "data that does not fit"),
        (4, "a fact of another kind"),
    ):
        spoil(owner, kind, position)
    tamper(owner, "update entries set version = 9 where position = 6")
    tamper(owner, "update states set status = 'closed' where subject = 'agreement:a'")
    # when
    found = findings(location)
    # then
    assert {position for position, _ in found} == {1, 2, 3, 4, 6, 7}
    assert (6, "initiative:indus-x goes from version 2 to 9") in found
    assert any(position == 7 and "agreement:a" in what for position, what in found)
    for position in (1, 2, 3, 4):
        assert any(at == position and "it cannot be projected" in what for at, what in found)


def test_an_entry_of_which_the_projections_stop_is_found(
    told: None, given: Given, follower: Follower, location: LedgerLocation, owner: Connection
) -> None:
    """What was spoilt before it was projected stops the projections, and is found with what else was spoilt."""
    # given
    given(event("party.renamed", "party:usa", "2024", name="U"), event("party.renamed", "party:ind", "2024", name="I"))
    for position in (8, 9):
        spoil(owner, "no type", position)
    # when
    follower.step()
    # then
    assert {position for position, _ in findings(location)} == {8, 9}
    assert "it stops the projection states" in str(findings(location))


def test_an_audit_is_in_nobodys_way(
    told: None, given: Given, follower: Follower, location: LedgerLocation, owner: Connection
) -> None:
    """While it goes on, it holds no table, and nothing that the database would clean up; what is recorded, projected and rebuilt
    meanwhile is none of its findings."""

    def go_on(position: int) -> None:
        given(
            event("initiative.activated", "initiative:indus-x", "2023-07-01"),
            event("party.dissolved", "party:ind", "2024"),
        )
        follower.step()
        rebuild(location)
        held = "select pid from pg_stat_activity where pid <> pg_backend_pid() and coalesce(backend_xmin, backend_xid) is not null"
        assert owner.execute(held).fetchall() == []

    assert list(audit(location, go_on)) == []


def test_rows_of_another_version_are_not_compared(told: None, location: LedgerLocation, owner: Connection) -> None:
    """Rows that an older version made, and that cannot be made anew, are a finding themselves."""
    tamper(owner, "update projections set version = 3 where name = 'states'")
    [(position, what)] = findings(location)
    assert position == 0
    assert "of version 3" in what


@pytest.mark.parametrize(
    ("ahead_s", "tolerance_s", "expected"),
    [(-60, 5, set()), (3, 5, set()), (60, 5, {7}), (60, 900, set()), (10**9, 5, {7})],
)
def test_a_time_ahead_of_the_clock_is_found(
    told: None, command: Command, owner: Connection, ahead_s: int, tolerance_s: int, expected: set[int]
) -> None:
    """An entry that the server's clock has not come to is named; what LEDGER_CLOCK_TOLERANCE allows is let pass."""
    # when
    tamper(owner, "update entries set recorded_at = clock_timestamp() + make_interval(secs => %s)", ahead_s)
    tamper(owner, "update entries set recorded_at = clock_timestamp() - interval '1 day' where position < 7")
    # then
    found = rows(command("audit", code=3, LEDGER_CLOCK_TOLERANCE=str(tolerance_s)))
    assert {one["position"] for one in found if "ahead" in one["finding"]} == expected


@pytest.mark.parametrize("time", ["infinity", "-infinity", "4713-01-01 BC"])
def test_a_time_beyond_all_is_found(told: None, location: LedgerLocation, owner: Connection, time: str) -> None:
    """Times that no clock shows do not stop the audit."""
    tamper(owner, "update entries set recorded_at = %s where position = 7", time)
    assert any(position == 7 for position, _ in findings(location))


def test_an_audit_changes_nothing(told: None, location: LedgerLocation, reader: Connection) -> None:
    """The auditor leaves no table and no row behind."""
    # given
    tables = reader.execute("select table_schema, table_name from information_schema.tables order by 1, 2").fetchall()
    rows = reader.execute("select count(*) from states").fetchone()
    # when
    findings(location)
    # then
    after = reader.execute("select table_schema, table_name from information_schema.tables order by 1, 2").fetchall()
    assert (after, reader.execute("select count(*) from states").fetchone()) == (tables, rows)


def test_the_story_tells_what_each_entry_changed(told: None, reader: Connection) -> None:
    """Entry by entry, with the status and the fields that it set, and what a correction took back."""
    # given
    lines = [read_line(body) for (body,) in reader.execute("select body::text from entries order by position")]
    # when
    told_of = list(story((entry, entry.recorded()) for entry in lines))
    # then
    statuses = [[(one.subject, one.old, one.new) for one in step.changes if one.field == "status"] for step in told_of]
    assert statuses[3:] == [
        [("initiative:indus-x", None, "reported")],
        [("initiative:indus-x", "reported", "active")],
        [("initiative:indus-x", "active", "reported")],
        [("agreement:a", None, "signed"), ("agreement:a party:usa", None, "signatory")],
    ]
