"""An entry that cannot be read: it is given as it is stored, and who must read it is told so; nothing fails."""

import json
from contextlib import suppress
from typing import Any

import pytest

from ledger.database.connection import Connection
from tests.commands import Command, rows
from tests.examples import INDIA, INDUS_X, SOURCES, THX, USA, event
from tests.service import ADMIN, Service, problem_of
from tests.unreadable import spoil, spoilt_in_turn

pytest_plugins = ["tests.commands", "tests.service", "tests.unreadable"]
pytestmark = pytest.mark.usefixtures("durable")

UNREADABLE = "/problems/unreadable"
NDJSON = {"Accept": "application/x-ndjson"}
SPOILT = 5
"""The entry that says that the initiative became active; the next one disputes it, and a source was retracted."""


@pytest.fixture
def told(service: Service) -> Service:
    service.given(THX, USA, INDIA, INDUS_X)
    service.given(event("initiative.activated", "initiative:indus-x", "2023-06-21"))
    doubt: dict[str, Any] = {"target": SPOILT, "by": "source:thx", "ground": "It was July."}
    service.given(event("entry.disputed", "initiative:indus-x", sources=SOURCES, **doubt))
    service.given(event("source.retracted", "source:thx", "2024-01-01", sources=[], reason="It was made up"))
    service.given(event("meeting.held", "meeting:m", "2024", title="M", initiatives=["initiative:indus-x"]))
    return service


def reads(which: int) -> list[str]:
    """Whatever may come upon an entry of the initiative."""
    about = [
        "",
        "/history",
        "/timeline",
        "/diff?from=1&to=8",
        "/history?known_at=5",
        "?known_at=4",
        "/timeline?limit=1",
    ]
    alone = [f"/v1/events/{which}", f"/v1/events/{which}?disclose=true", "/v1/events", "/v1/events?type=meeting.held"]
    lists = [
        "/v1/initiatives",
        "/v1/meetings?ref=initiative:indus-x",
        "/v1/sources",
        "/v1/health",
        "/v1/ready",
        "/metrics",
    ]
    return [f"/v1/initiatives/indus-x{one}" for one in about] + alone + lists


def anew(path: str, number: int) -> str:
    """The same question as it has not been asked before: an answer that was given would be given again."""
    return path + ("&" if "?" in path else "?") + "&" * number


def test_no_read_fails_on_it(told: Service, owner: Connection) -> None:
    """Each route answers, or tells of the entry in a problem document; what is about others is answered as ever."""
    # given
    others = ["/v1/parties/usa/history", "/v1/meetings/m/history", "/v1/sources/thx", "/v1/parties/usa/timeline"]
    before = {path: told.get(path).json() for path in others}
    # when
    for number, (kind, spoilt) in enumerate(spoilt_in_turn(owner, SPOILT)):
        # then
        assert told.get(anew(f"/v1/events/{SPOILT}", number)).text == spoilt
        assert spoilt in told.get(anew("/v1/events", number), NDJSON).text.splitlines()
        assert spoilt in told.get(anew("/v1/events", number)).text
        for path in reads(SPOILT):
            response = told.get(anew(path, number), ADMIN)
            assert response.status_code == 200 or problem_of(response, 503)["type"] == UNREADABLE, (path, kind)
            if response.headers["content-type"].endswith("json"):
                with suppress(RecursionError):
                    json.loads(response.text)
        assert {path: told.get(anew(path, number)).json() for path in others} == before, kind


def test_who_must_read_it_is_told_that_it_cannot_be_read(told: Service, owner: Connection) -> None:
    """History, timeline and what opens its commitments need the line itself: 503 says what to do."""
    kinds = ["an empty list", "no subject", "a sequence that is no number"]
    for number, _ in enumerate(spoilt_in_turn(owner, SPOILT, kinds)):
        for path in (
            "/v1/initiatives/indus-x/history",
            "/v1/initiatives/indus-x/timeline",
            "/v1/events/5?disclose=true",
        ):
            problem = problem_of(told.get(anew(path, number), ADMIN), 503)
            assert problem["type"] == UNREADABLE
            assert problem["detail"].startswith("this is no entry of a ledger: ")
    assert "ledger audit" in told.get(UNREADABLE).text


def test_no_command_fails_on_it(told: Service, owner: Connection, command: Command) -> None:
    """The export is byte for byte, and an audit names it, with exit 3; other commands tell what is about others."""
    for kind, spoilt in spoilt_in_turn(owner, SPOILT):
        assert spoilt in command("export").stdout.splitlines(), kind
        assert {one["position"] for one in rows(command("audit", code=3))} == {SPOILT}, kind
        command("history", "party:usa")
    spoil(owner, "nothing", SPOILT)
    for told_of in (["show", "initiative:indus-x"], ["status"], ["doctor"], ["show", "meeting:m"]):
        command(*told_of)


ENVELOPED = ["a type of the future", "a fact of another kind"]


@pytest.mark.parametrize("kind", ["an empty list", "no subject", *ENVELOPED])
def test_a_command_that_must_read_it_ends_with_4(told: Service, owner: Connection, command: Command, kind: str) -> None:
    """A replay tells all that comes before it, then one line; so does a rebuild, and a history where it can tell none."""
    spoil(owner, kind, SPOILT)
    replayed = command("replay", code=4)
    assert replayed.stdout.count("\n") == SPOILT - 1
    assert replayed.stderr.startswith("ledger: ")
    assert replayed.stderr.count("\n") == 1
    assert "entry 5 cannot be projected" in command("rebuild", code=4).stderr
    entries = 3 if kind in ENVELOPED else 0
    assert len(rows(command("history", "initiative:indus-x", code=0 if entries else 4))) == entries


def test_an_audit_goes_on_where_no_rebuild_can(told: Service, owner: Connection, command: Command) -> None:
    """Rows of an older version that cannot be built anew do not keep the auditor from the log: exit 3, not 4."""
    spoil(owner, "nothing", SPOILT)
    owner.execute("update projections set version = version - 1")
    assert {one["position"] for one in rows(command("audit", code=3))} == {0, SPOILT}
