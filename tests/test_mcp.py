"""The ledger as a tool of assistants: the SDK's own client asks the real command, and is told what the API tells."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.shared.exceptions import MCPError

import seeds
from api.http.auth import Role, create_key
from ledger.database.connection import LedgerLocation
from ledger.database.embedded import Embedded
from ledger.database.migrations import migrate
from ledger.vocabulary.registry import KINDS
from tests.assistants import Assistant, assistant, text_of
from tests.commands import LEDGER, environment, run
from tests.examples import THX, USA
from tests.service import Service, listening, running
from tests.signing import signed_once
from tests.test_remote import NoLedger

pytest_plugins = ["tests.commands", "tests.service"]

CLOCKS: list[dict[str, Any]] = [
    {},
    {"known_at": 70, "valid_at": "2024-03-01"},
    {"known_at": "2020-01-01T00:00:00Z"},
    {"valid_at": "2023-01-31"},
]
"""Now, an earlier position and day, before there was a ledger, and a day."""
ENDS: list[dict[str, Any]] = [
    {"from": 20},
    {"from": 20, "to": 90, "valid_at": "2024-03-01"},
    {"from": "2023-01-31", "known_at": 100},
]
TOOLS = ["search", "state", "list", "history", "diff", "entry", "due", "overdue"]


@pytest.fixture(scope="module")
def service(server: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service on the seed, signed, whose readers see no names of persons."""
    location = LedgerLocation(server.location.dsn, "mcp")
    migrate(server.owner_dsn, location)
    with running(location) as opened:
        for file in seeds.FILES:
            opened.given(*seeds.events(file))
        signed_once(location, tmp_path_factory.mktemp("log"))
        yield opened


@pytest.fixture(scope="module")
def asking(service: Service) -> Iterator[Assistant]:
    """Somebody who asks the database itself."""
    with assistant(environment(service.location)) as opened:
        yield opened


@pytest.fixture(scope="module")
def subjects(service: Service) -> list[str]:
    """Every stream of the seed, by its path."""
    lists = {kind.plural: service.get(f"/v1/{kind.plural}", limit=1000).json()["items"] for kind in KINDS.values()}
    return [f"{plural}/{one['id']}" for plural, items in lists.items() for one in items]


def subject_of(path: str) -> str:
    plural, _, slug = path.partition("/")
    return f"{next(name for name, kind in KINDS.items() if kind.plural == plural)}:{slug}"


def is_the_same(
    asking: Assistant, service: Service, tool: str, arguments: dict[str, Any], path: str, **query: Any
) -> bool:
    """The tool's answer holds the bytes of the API's, both clocks, and the page; or it is the same problem. Whether it is an answer."""
    told, api = asking.call(tool, arguments), service.get(f"/v1/{path}", **query)
    if told.is_error:
        assert _without_id(told.structured_content) == _without_id(api.json())
        return False
    assert text_of(told).endswith(f',"answer":{api.text}}}'), text_of(told)
    basis = api.json().get("basis") or api.json()["to"]
    found = told.structured_content
    assert (found["known_at"], found["valid_at"]) == (basis["known_at"], basis["valid_at"])
    link = urlsplit(found["permalink"])
    pinned = parse_qs(link.query)
    for clock in ("known_at", "valid_at"):
        assert pinned.get(clock, [str(found[clock])]) == [str(found[clock])]
        assert clock in pinned or {"from", "to"} <= pinned.keys()
    assert link.path == f"/{path}"
    return True


def _without_id(problem: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in problem.items() if name != "request_id"}


def page_of(service: Service, told: dict[str, Any]) -> str:
    """The page that an answer leads to."""
    link = urlsplit(told["permalink"])
    page = service.get(f"{link.path}?{link.query}", {"Accept": "text/html"})
    assert page.status_code == 200, told["permalink"]
    return page.text


# --- answers


def test_the_tools_say_what_they_take_and_that_they_only_read(asking: Assistant, subtests: pytest.Subtests) -> None:
    """Each tool, and each of its arguments, is described; its schema is sound, and takes what the API takes."""
    tools = asking.tools().tools
    assert [tool.name for tool in tools] == TOOLS
    for tool in tools:
        with subtests.test(tool.name):
            jsonschema_rs.meta.validate(tool.input_schema)
            assert tool.description
            assert all(one["description"] for one in tool.input_schema["properties"].values())
            assert tool.annotations is not None
            assert (tool.annotations.read_only_hint, tool.annotations.open_world_hint) == (True, False)
    takes = {tool.name: jsonschema_rs.validator_for(tool.input_schema).is_valid for tool in tools}
    assert takes["state"]({"subject": "initiative:indus-x", "known_at": 3, "valid_at": "2024-01-01"})
    assert not takes["state"]({"known_at": 3})
    assert not takes["state"]({"subject": "initiative:indus-x", "min_position": 3})
    for plural, status in (("meetings", "held"), ("milestones", "notMet"), ("agreements", "in_force")):
        assert takes["list"]({"of": plural, "status": status})
    assert not takes["list"]({"of": "meetings", "status": "hold"})


def test_states_and_histories_are_the_api_s(
    asking: Assistant, service: Service, subjects: list[str], subtests: pytest.Subtests
) -> None:
    """Of every stream of the seed, now and at one of several positions and days: the API's bytes, or its problem where nothing is known."""
    assert len(subjects) > 50
    answered = 0
    for path, then in zip(subjects, cycle(CLOCKS[1:]), strict=False):
        with subtests.test(path):
            for clocks in (CLOCKS[0], then):
                arguments = {"subject": subject_of(path)} | clocks
                answered += is_the_same(asking, service, "state", arguments, path, **clocks)
                answered += is_the_same(asking, service, "history", arguments, f"{path}/history", **clocks)
    assert len(subjects) * 2 < answered < len(subjects) * 4


def test_diffs_are_the_api_s(
    asking: Assistant, service: Service, subjects: list[str], subtests: pytest.Subtests
) -> None:
    """Of every stream of the seed, between positions or between days; or the API's problem, where nothing was known of it."""
    answered = 0
    for path, ends in zip(subjects, cycle(ENDS), strict=False):
        with subtests.test(path):
            answered += is_the_same(
                asking, service, "diff", {"subject": subject_of(path)} | ends, f"{path}/diff", **ends
            )
    assert len(subjects) * 2 / 3 < answered < len(subjects)


def test_lists_are_the_api_s(asking: Assistant, service: Service, subtests: pytest.Subtests) -> None:
    """Every list, page by page, and what is due: with the same filters and clocks."""
    narrowed = [
        ("milestones", {"overdue": True, "sort": "-due"}),
        ("agreements", {"status": "in_force", "count": True}),
        ("meetings", {"fields": "id,title,dates", "facets": True, "sort": "-date"}),
    ]
    for plural, filters in [(kind.plural, {}) for kind in KINDS.values()] + narrowed:
        with subtests.test(plural, filters=filters):
            for clocks in CLOCKS:
                query: dict[str, Any] = {**filters, **clocks, "limit": 7}
                while query.get("cursor", "first"):
                    assert is_the_same(asking, service, "list", {"of": plural} | query, plural, **query)
                    query["cursor"] = service.get(f"/v1/{plural}", **query).json()["next"]
    for clocks in ({}, {"valid_at": "2024-03-01"}, {"known_at": 70, "valid_at": "2023-06-01", "limit": 2}):
        assert is_the_same(asking, service, "due", clocks, "due", **clocks)
    day = {"valid_at": "2026-06-01", "known_at": 100}
    assert is_the_same(asking, service, "overdue", day, "due", **day, due_before="2026-06-01")


def test_what_is_overdue_is_so_today(asking: Assistant) -> None:
    """Without a day it is what was due before today: all of it is overdue, and it is all of what is due that is so."""
    overdue, due = asking.told("overdue")["answer"]["items"], asking.told("due", limit=1000)["answer"]["items"]
    assert overdue == [one for one in due if one["overdue"]] != []


def test_entries_are_the_api_s_with_their_proof(asking: Assistant, service: Service, subtests: pytest.Subtests) -> None:
    """Each entry of the seed, by position or id, byte for byte, with what corrects it and the proof that the API gives."""
    corrected = 0
    for position in range(1, service.size() + 1):
        with subtests.test(position=position):
            told = asking.call("entry", {"entry": position})
            entry, proof = service.get(f"/v1/events/{position}"), service.get(f"/v1/events/{position}/proof")
            assert f'"answer":{{"entry":{entry.text},' in text_of(told)
            answer = told.structured_content["answer"]
            assert answer["proof"] == proof.text
            links = [f'</v1/events/{one["position"]}>; rel="{one["rel"]}"' for one in answer["corrections"]]
            assert ", ".join(links) == entry.headers.get("Link", "")
            corrected += bool(links)
            assert told.structured_content["known_at"] == service.size()
    assert corrected
    by_id = asking.told("entry", entry=service.get("/v1/events/9").json()["id"], known_at=70)
    assert (by_id["known_at"], by_id["answer"]["entry"]) == (70, service.get("/v1/events/9").json())


def test_a_search_is_the_lists_that_have_something(asking: Assistant, service: Service) -> None:
    """Words find what each list's own filter finds, at one basis; what has nothing is left out."""
    for text, clocks in (("india", {}), ("india", CLOCKS[1]), ("nothing of the sort", {})):
        told = asking.told("search", text=text, limit=3, **clocks)
        pinned = {"known_at": told["known_at"], "valid_at": told["valid_at"], "text": text, "limit": 3}
        pages = {kind.plural: service.get(f"/v1/{kind.plural}", **pinned).json() for kind in KINDS.values()}
        assert told["answer"] == {plural: page for plural, page in pages.items() if page["items"]}
        assert bool(told["answer"]) == (text != "nothing of the sort")
    more = asking.told("search", text="india", limit=1)
    cursor = more["answer"]["parties"]["next"]
    assert asking.told("list", of="parties", text="india", limit=1, cursor=cursor)["answer"]["items"]


def test_every_answer_leads_to_its_page(asking: Assistant, service: Service) -> None:
    """The permalink of each tool is a page that shows the same position and day, though the ledger goes on."""
    clocks = {"known_at": 120, "valid_at": "2024-06-01"}
    about = {"subject": "initiative:indus-x"}
    for tool, arguments in (
        ("search", {"text": "indus"} | clocks), ("state", about | clocks), ("list", {"of": "meetings", "limit": 2} | clocks),
        ("history", about | clocks), ("diff", about | {"from": 40, "to": 120, "valid_at": "2024-06-01"}),
        ("entry", {"entry": 40} | clocks), ("due", clocks), ("overdue", clocks), ("state", about | clocks | {"fields": "name"}),
        ("list", {"of": "meetings", "fields": "title"} | clocks),
    ):  # fmt: skip
        told = asking.told(tool, **arguments)
        assert told["permalink"].startswith("http://127.0.0.1:8000/")
        assert (told["known_at"], told["valid_at"]) == (120, "2024-06-01")
        page = page_of(service, told)
        assert "1 June 2024" in page
        assert "entry 120" in page or tool == "diff"
    page_of(service, asking.told("diff", **about, **{"from": "2023-01-31"}))


def test_what_was_just_recorded_is_answered(location: LedgerLocation) -> None:
    """Where no follower runs, the projections are brought up to date before each answer."""
    with (
        running(location) as service,
        assistant(environment(location, LEDGER_ADDRESS="https://ledger.example.org/a")) as asking,
    ):
        assert asking.problem("state", subject="party:usa")["status"] == 404
        assert service.post(THX, USA).status_code == 201
        told = asking.told("state", subject="party:usa")
        assert told["answer"]["id"] == "usa"
        assert told["permalink"].startswith("https://ledger.example.org/a/parties/usa?")
        proof = asking.told("entry", entry=1)["answer"]["proof"]
        assert (proof["type"], proof["status"]) == ("/problems/not-found", 404)


def test_permalinks_lead_to_the_port_where_no_address_is_set(service: Service) -> None:
    """As `ledger serve` with these settings would be reached."""
    with assistant(environment(service.location, LEDGER_PORT="8123")) as asking:
        assert asking.told("state", subject="party:usa")["permalink"].startswith("http://127.0.0.1:8123/parties/usa?")


# --- what is wrong


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("state", {}, "subject: it is needed"),
    ("state", {"subject": None}, "subject: it is needed"),
    ("state", {"subject": "initative:indus-x"}, "did you mean initiative?"),
    ("state", {"subject": "indus-x"}, "it begins with source:"),
    ("state", {"subject": "party:../../events"}, "an id has small letters"),
    ("state", {"subject": {"kind": "party"}}, "is no subject"),
    ("history", {"subject": "party:usa", "known_at": 10**6}, "known_at"),
    ("history", {"subject": "party:usa", "known_at": "2999-01-01T00:00:00Z"}, "known_at lies ahead"),
    ("state", {"subject": "party:usa", "valid_at": "2024-02-30"}, "there is no day 2024-02-30"),
    ("state", {"subject": "party:usa", "valid_at": "x" * 2_001}, "more than 2,000 characters"),
    ("diff", {"subject": "party:usa"}, "from: it is needed"),
    ("diff", {"subject": "party:usa", "from": "2024-01-01", "to": 7}, "two of one clock"),
    ("list", {"of": "meetngs"}, "did you mean meetings?"),
    ("list", {"of": "meetings", "status": "hold"}, "did you mean held?"),
    ("list", {"of": "meetings", "overdue": True}, "it is one of /v1/milestones"),
    ("list", {"of": "meetings", "limit": 1_001}, "the most is 1,000"),
    ("list", {"of": "meetings", "cursor": "bm8"}, "the cursor is none of ours"),
    ("due", {"limt": 3}, "did you mean limit?"),
    ("due", {"limit": [1]}, "this is no whole number"),
    ("entry", {"entry": 3, "disclose": True}, "there is no such parameter"),
    ("entry", {"entry": "stream"}, "give the position of an entry"),
    ("entry", {"entry": "1/proof"}, "give the position of an entry"),
    ("entry", {"entry": 0}, "give the position of an entry"),
    ("search", {"text": ""}, "1 or more characters are needed"),
    ("overdue", {"valid_at": "soon"}, "this is no date"),
]  # fmt: skip


def test_what_is_wrong_is_told(asking: Assistant, subtests: pytest.Subtests) -> None:
    """A problem document says which argument is wrong, and how; the session goes on."""
    for tool, arguments, words in WRONG:
        with subtests.test(tool, **{name: str(value)[:50] for name, value in arguments.items()}):
            told = asking.problem(tool, **arguments)
            assert words in told["detail"]
            assert told["status"] == 422
            assert {one["pointer"] for one in told["errors"]} & (
                {"from", "to", "subject", "of", "limt", "disclose"} | arguments.keys()
            )
    assert asking.problem("state", subject="party:zz")["status"] == 404
    with pytest.raises(MCPError, match="did you mean state"):
        asking.call("sate", {})
    assert asking.told("state", subject="party:usa")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = [
    "subject",
    "known_at",
    "valid_at",
    "from",
    "to",
    "of",
    "entry",
    "text",
    "limit",
    "cursor",
    "status",
    "sort",
    "disclose",
]
LIKELY = st.sampled_from(["party:usa", "meetings", "2024-01-01", "1", 3, True, "EPOCH:1", "india"])


@settings(max_examples=60, deadline=None)
@given(
    tool=st.sampled_from(TOOLS),
    arguments=st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), LIKELY | VALUES, max_size=4),
)
def test_whatever_comes_is_answered(asking: Assistant, tool: str, arguments: dict[str, Any]) -> None:
    """Any arguments get an answer, or a problem that the sender can mend: nothing fails."""
    told = asking.call(tool, arguments)
    assert told.structured_content.get("status", 200) in (200, 404, 409, 422) or not told.is_error


HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}


@contextmanager
def started(service: Service) -> Iterator[subprocess.Popen[bytes]]:
    """The command by itself, to which lines are written as they are."""
    with subprocess.Popen(
        [LEDGER, "mcp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(service.location)
    ) as process:  # fmt: skip
        yield process


def _put(process: subprocess.Popen[bytes], line: bytes) -> None:
    assert process.stdin
    process.stdin.write(line + b"\n")
    process.stdin.flush()


def _told(process: subprocess.Popen[bytes], number: int, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """What a message is answered with."""
    _put(process, _message(number, method, params))
    assert process.stdout
    told: dict[str, Any] = json.loads(process.stdout.readline())
    return told


def test_what_is_no_message_is_passed_over(service: Service) -> None:
    """Lines that are none, or are longer than any message, end nothing, and nothing but messages is written."""
    with started(service) as process:
        for line in (b"nonsense", b"\xff\xfe", b"[]", b"{}", b'"' + b"x" * 3_000_000):
            _put(process, line)
        assert _told(process, 1, "initialize", HELLO)["id"] == 1
        told = _told(
            process, 2, "tools/call", {"name": "state", "arguments": {"x" * 900_000: 1, "subject": "y" * 100_000}}
        )
        assert (told["id"], told["result"]["isError"]) == (2, True)
        assert len(json.dumps(told)) < 2_000
        assert b"Traceback" not in process.communicate(timeout=100)[1]
        assert process.returncode == 0


def test_each_call_is_logged_without_what_was_asked(service: Service) -> None:
    """On the standard error: which tool, what became of it and how long that took; no argument, no name, and nothing of other messages."""
    calls: list[tuple[str, dict[str, Any]]] = [
        ("state", {"subject": "party:usa"}), ("state", {"subject": "party:secret-name"}), ("search", {"text": "Hicks"}),
    ]  # fmt: skip
    with started(service) as process:
        asked = [("tools/call", {"name": name, "arguments": given}) for name, given in calls]
        for number, (method, params) in enumerate([("initialize", HELLO), *asked]):
            assert _told(process, number, method, params)["id"] == number
        said = process.communicate(timeout=100)[1].decode().splitlines()
    logged = [re.fullmatch(r"INFO ledger\.mcp: tool (\w+) (answered|declined) in \d+ ms", line) for line in said]
    assert [one and one.groups() for one in logged] == [
        ("state", "answered"), ("state", "declined"), ("search", "answered"),
    ]  # fmt: skip


def _message(number: int, method: str, params: dict[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_it(service: Service, number: signal.Signals, code: int) -> None:
    """In order and with the signal's exit code, while it waits for a message that does not come."""
    with started(service) as process:
        assert _told(process, 1, "ping", {})["id"] == 1
        process.send_signal(number)
        assert (process.wait(100), process.stderr and process.stderr.read()) == (code, b"")


# --- whom it asks, and who may see


@pytest.fixture(scope="module")
def keys(service: Service) -> dict[Role, str]:
    with service.location.connect() as connection:
        return {role: create_key(connection, role.name, role) for role in (Role.reader, Role.auditor)}


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("state", {"subject": "party:usa"}),
    ("search", {"text": "a"}),
    ("entry", {"entry": 1}),
    ("due", {}),
]


def test_a_closed_service_is_asked_with_a_key(service: Service, keys: dict[Role, str], subjects: list[str]) -> None:
    """Without one, or with a wrong one, there is the API's problem and nothing else; with one, what the API tells its holder."""
    with running(service.location, public_reads=False) as closed, listening(closed) as (host, port):
        there = {"LEDGER_URL": f"http://{host}:{port}", "LEDGER_DSN": "host=/nowhere"}
        without: tuple[dict[str, str], ...] = ({}, {"LEDGER_KEY": "pl_wrong"})
        for key in without:
            with assistant(environment(None, **there, **key)) as asking:
                for tool, arguments in REFUSED:
                    problem = asking.problem(tool, **arguments)
                    assert (problem["type"], problem["status"]) == ("/problems/unauthorised", 401)
        for role, names_are_withheld in ((Role.reader, True), (Role.auditor, False)):
            holder, answers = {"Authorization": f"Bearer {keys[role]}"}, ""
            with assistant(environment(None, **there, LEDGER_KEY=keys[role])) as asking:
                for path in subjects:
                    told = asking.call("history", {"subject": subject_of(path)})
                    answers += text_of(told)
                    assert text_of(told).endswith(f'"answer":{closed.get(f"/v1/{path}/history", holder).text}}}')
                assert asking.told("due")["permalink"].startswith(f"http://{host}:{port}/due?")
                assert asking.problem("list", of="meetings", status="hold")["errors"][0]["pointer"] == "status"
            assert ("withheld" in answers) == names_are_withheld


def test_names_on_the_database_are_for_who_may_see_them(
    service: Service, keys: dict[Role, str], subjects: list[str]
) -> None:
    """Whoever has the database reads without a key; names are for an auditor's, or for all where the settings say so."""

    def histories(**more: str) -> str:
        with assistant(environment(service.location, **more)) as asking:
            return "".join(text_of(asking.call("history", {"subject": subject_of(one)})) for one in subjects)

    assert "withheld" in histories()
    assert "withheld" in histories(LEDGER_KEY=keys[Role.reader])
    assert "withheld" not in histories(LEDGER_KEY=keys[Role.auditor])
    assert "withheld" not in histories(LEDGER_PUBLIC_NAMES="1")
    with assistant(environment(service.location, LEDGER_KEY="pl_wrong")) as asking:
        assert asking.problem("due")["status"] == 401


def test_a_service_that_does_not_answer_is_told_of() -> None:
    """As a problem, at each question, since it may come back: where nobody listens, and where somebody else does."""
    with assistant(environment(None), "--url", "http://127.0.0.1:1") as asking:
        told = asking.problem("due")
        assert (told["status"], "connection refused" in told["detail"]) == (503, True)
    with ThreadingHTTPServer(("127.0.0.1", 0), NoLedger) as other:
        Thread(target=other.serve_forever).start()
        with assistant(environment(None), "--url", f"http://127.0.0.1:{other.server_port}") as asking:
            assert "not as a ledger does" in asking.problem("due")["detail"]
        other.shutdown()


# --- the command


WITHOUT = """
import sys
sys.modules["mcp"] = None
from api.__main__ import main
main()
"""


def test_the_extra_is_asked_for(location: LedgerLocation) -> None:
    """Where it is not installed, the command says what to install."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, "mcp"], capture_output=True, text=True, env=environment(location), timeout=100
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (4, "")
    assert "pip install 'partnership-ledger[mcp]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_is_misconfigured_is_said_at_once(location: LedgerLocation, tmp_path: Path) -> None:
    """Before any message: no ledger, no address of a service."""
    assert "give the address of a service" in run(location, "mcp", "--url", "somewhere", code=2).stderr
    done = subprocess.run(
        [LEDGER, "mcp"], input=b"", capture_output=True, timeout=100, env=environment(None, LEDGER_DATA=str(tmp_path / "none"))
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (4, b"", 1)
