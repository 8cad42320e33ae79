"""The command line beside a service: the same questions get the same answers as on the database, and admins need no database."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.commands import Command, Run, on_a_terminal
from tests.examples import THX, USA, event
from tests.service import ADMIN_KEY, Service, listening
from tests.test_log_keys import run_bare

pytest_plugins = ["tests.commands", "tests.service"]

Remote = Callable[..., Run]
TALKS = event(
    "meeting.held", "meeting:talks", "2024-05-02", title="Talks on steel", participants=[{"person": "A. Canary"}]
)
MILESTONES = [
    event("milestone.scheduled", f"milestone:m{n}", "2019", title=f"Part {n}", due=f"20{n:02}") for n in range(20, 32)
]
QUESTIONS: list[list[str | int]] = [
    ["show", "meeting:talks"], ["show", "meeting:talks", "--known-at", 4, "--valid-at", "2024-05-01"],
    ["show", "meeting:talk"], ["show", "meeting:zz"], ["show", "meeting:talks", "--known-at", 99],
    ["show", "talks"], ["show", "meeting:talks", "--valid-at", "2024"], ["show", "meeting:talks", "--known-at", "never"],
    ["history", "meeting:talks"], ["history", "meeting:talks", "--known-at", 3], ["history", "meeting:zz"],
    ["diff", "meeting:talks", 3, 99], ["diff", "meeting:talks", 3], ["diff", "meeting:talks", "2024-05-01", "2024-06-01"],
    ["diff", "meeting:talks", "2024-05-01", 3], ["diff", "meeting:zz", 1], ["diff", "meeting:talks", "then"],
    ["list", "milestones"], ["list", "milestone", "--overdue", "--sort", "-due", "--valid-at", "2025-01-01"],
    ["list", "milestones", "--not-overdue", "--limit", 3, "--valid-at", "2025-01-01"], ["list", "milestones", "--known-at", 8],
    ["list", "milestones", "--due-before", "2025-01-01"], ["list", "meetings", "--status", "hold"], ["list", "metings"],
    ["list", "parties", "--kind", "state", "--text", "united"], ["list", "parties", "--sort", "due"], ["list", "parties", "--sort", "nam"], ["list", "meetings", "--sort", "-date"], ["list", "parties", "--sort", "name"],
    ["list", "sources", "--sort", "recorded"], ["list", "parties", "--area", "space"], ["list", "meetings", "--overdue"],
    ["list", "initiatives", "--area", "spce"], ["list", "agreements"],
    ["list", "meetings", "--ref", "party:usa"], ["list", "meetings", "--known-at", 99],
    ["search", "steel"], ["search", "part", "2"], ["search", "nothing"], ["export"], ["export", "--after", 5],
    ["export", "--after", 99],
]  # fmt: skip
"""Commands, some of which are refused."""


@pytest.fixture
def served(service: Service) -> Iterator[tuple[Service, str]]:
    """A ledger, and the address of its service."""
    service.given(THX, USA, TALKS, event("meeting.described", "meeting:talks", description="In a hall"), *MILESTONES)
    with listening(service) as (host, port):
        yield service, f"http://{host}:{port}"


@pytest.mark.parametrize("page", [1_000, 5])
def test_the_answers_are_the_same(
    served: tuple[Service, str], command: Command, subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    """Output, remarks and exit code of every reading command, from the database and from the service, in any pages."""
    monkeypatch.setattr("api.cli.reading.MAX_PAGE", page)
    monkeypatch.setattr("api.cli.remote.PAGE", page)
    for words in QUESTIONS:
        with subtests.test(" ".join(map(str, words))):
            local = command(*words, code=None)
            remote = command(*words, "--url", served[1], code=None, LEDGER_KEY=ADMIN_KEY)
            assert (remote.returncode, remote.stdout, remote.stderr) == (local.returncode, local.stdout, local.stderr)
            assert (local.returncode == 0) == bool(local.stdout) or "0 found" in local.stderr


def test_no_database_is_needed(served: tuple[Service, str], tmp_path: Path) -> None:
    """With an address and a key in the environment: what is recorded has the key's name; a repetition changes nothing."""
    service, address = served
    there = {"LEDGER_URL": address, "LEDGER_KEY": ADMIN_KEY, "LEDGER_DSN": "host=/nowhere"}
    file = tmp_path / "event.json"
    file.write_text(
        json.dumps(
            event("milestone.described", "milestone:m20", sources=[{"source": "source:no"}], title="First")
            | {"id": "01990000-0000-7000-8000-00000000000a"}
        )
    )
    for _ in range(2):
        told = run_bare(there, "append", str(file))
        row = json.loads(told.splitlines()[0])
        assert row["anomalies"] == [{"code": "dangling_reference", "detail": "nothing is known of source:no"}]
        assert "event 1, milestone:m20: flagged, dangling_reference: nothing is known of source:no" in told
    service.given(THX)
    [*_, last] = map(json.loads, run_bare(there, "history", "milestone:m20").splitlines())
    assert (last["type"], last["by"]) == ("milestone.described", "admin")
    assert "by the name of the key" in run_bare(there | {"COLUMNS": "300"}, "append", str(file), "--as", "me", code=2)


def test_what_asks_no_service_begins_no_ledger_beside_it(tmp_path: Path) -> None:
    """An import, or an erasure, where the environment names a service and no database, is refused, and nothing is made."""
    there = {"LEDGER_URL": "https://ledger.example.org", "LEDGER_DATA": str(tmp_path / "data")}
    file = tmp_path / "events.ndjson"
    file.write_text(json.dumps(THX))
    for words in (["import", str(file)], ["erase", "4", "/data/chair", "--ground", "court_order"]):
        assert "this command asks no service" in run_bare(there, *words, code=4)
    assert not (tmp_path / "data").exists()


class NoLedger(BaseHTTPRequestHandler):
    """A web server that has no such page, but some others, and keeps no log."""

    def do_GET(self) -> None:
        if "usa" in self.path:
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *_: object) -> None:
        pass


def test_what_the_service_refuses_is_refused(served: tuple[Service, str], command: Command) -> None:
    """With the exit code of its sort, and one line; the key is never an argument."""
    _, address = served

    def at(*words: str, code: int, url: str = address, **settings: str) -> str:
        told = command(*words, "--url", url, stdin=json.dumps(USA), code=code, **settings).stderr
        assert told.count("\n") == 1
        return told

    assert "LEDGER_KEY" in at("append", "-", code=1)
    assert "LEDGER_KEY" in at("append", "-", code=1, LEDGER_KEY="pl_wrong")
    assert "cannot be read: connection refused" in at("show", "party:usa", code=4, url="http://127.0.0.1:1")
    assert "is not known: look before" in at("append", "-", code=4, url="http://127.0.0.1:1")
    assert "GET /nowhere/v1/parties/usa: Not Found" in at("show", "party:usa", code=1, url=f"{address}/nowhere")
    with ThreadingHTTPServer(("127.0.0.1", 0), NoLedger) as other:
        Thread(target=other.serve_forever).start()
        told = [at(*words, code=4, url=f"http://127.0.0.1:{other.server_port}")
                for words in (("show", "party:usa"), ("show", "party:india"), ("search", "talks"), ("list", "meetings"))]  # fmt: skip
        other.shutdown()
    assert all("not as a ledger does" in one for one in told)
    assert "--key" not in command("append", "--help").stdout


def test_people_see_a_table(served: tuple[Service, str]) -> None:
    """On a terminal a list is a table whose names are whole, with a count and the clocks below it."""
    shown = on_a_terminal(
        served[0].location, "list", "milestones", "--limit", 2, "--known-at", 16, "--valid-at", "2025-01-01"
    )
    assert "milestone:m20" in shown
    assert "Part 21" in shown
    assert "2 found at entry 16 on 2025-01-01" in shown
