"""HTTP: the service as it is served, beside the same server software with constants in the place of the ledger."""

import http.client
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from random import Random
from time import monotonic, sleep

from benchmarks import constant
from benchmarks.filled import generated, subjects
from benchmarks.measure import Bench, Figure, Unmeasured, alternate, compare
from benchmarks.processes import LEDGER, running
from benchmarks.service import claim, ledger_of_tens
from benchmarks.sockets import free_port
from ledger.database.connection import Connection, LedgerLocation
from ledger.vocabulary.fact import Subject
from projections.basis import Asked
from projections.follow import catch_up
from projections.queries import Queries
from projections.runner import projected

CONNECTIONS = 32
KEY = "the-key-of-the-benchmark"
UNIT = "requests/s"
START_S = 30.0
PATIENCE_S = 300.0
SUBJECTS = 1_000
PLURALS = {"initiative": "initiatives", "agreement": "agreements", "meeting": "meetings", "milestone": "milestones"}
STATUSES = {
    "agreement": ("signed", "in_force", "terminated"),
    "initiative": ("active", "suspended", "closed"),
    "meeting": ("held", "scheduled"),
    "milestone": ("met", "partiallyMet", "scheduled"),
}
CONSTANT_SERVER = (sys.executable, "-m", "benchmarks.constant")


class Client:
    """Asks one thing after the other: to look before measuring."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        given = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **headers}
        connection.request(method, path, body, given)
        return connection.getresponse()

    def get(self, path: str) -> tuple[bytes, str]:
        """Body and ETag. Raises Unmeasured for anything but 200."""
        response = self.ask("GET", path)
        body = response.read()
        if response.status != 200:
            raise Unmeasured(f"GET {path} is answered with {response.status}: {body[:200]!r}")
        return body, response.headers.get("ETag", "")

    def wait(self, path: str = "/api") -> None:
        """Until the server answers at all."""
        deadline = monotonic() + START_S
        while True:
            try:
                self.ask("GET", path)
                return
            except OSError:
                if monotonic() > deadline:
                    raise Unmeasured("the server does not answer") from None
                sleep(0.1)


def served(bench: Bench, stack: ExitStack, location: LedgerLocation, *command: str) -> int:
    """Start a server until the stack is left; returns its port."""
    port = free_port()
    log = bench.folder / f"server-{port}.log"
    stack.enter_context(running(location, command, log, LEDGER_PORT=str(port), LEDGER_ADMIN_KEY=KEY))
    Client(port).wait()
    return port


def get(path: str, *headers: str) -> str:
    return _request(f"GET {path} HTTP/1.1", *headers)


def post(path: str, body: str) -> str:
    return _request(f"POST {path} HTTP/1.1", "Content-Type: application/json", f"Content-Length: {len(body)}") + body


def _request(*lines: str) -> str:
    return "\r\n".join((*lines, "Host: 127.0.0.1", f"Authorization: Bearer {KEY}", "", ""))


class Load:
    """The same requests, again and again, from a process of its own."""

    def __init__(self, bench: Bench, port: int, name: str, requests: Iterable[str], expected: int) -> None:
        self.port, self.expected, self.seconds = port, str(expected), 0.6 if bench.quick else 2.0
        self.file = bench.folder / f"{name}.json"
        self.file.write_text(json.dumps(list(requests)))

    def __call__(self) -> float:
        """Requests answered a second. Raises Unmeasured where one is answered otherwise than expected."""
        command = [sys.executable, "-m", "benchmarks.load", str(self.port), str(CONNECTIONS), str(self.seconds)]
        done = subprocess.run([*command, str(self.file)], capture_output=True, text=True)
        if done.returncode:
            raise Unmeasured(f"the load generator failed: {done.stderr.strip()[-200:]}")
        told = json.loads(done.stdout)
        if told["statuses"].keys() != {self.expected}:
            raise Unmeasured(f"not every request was answered with {self.expected}: {told['statuses']}")
        return float(told["rate"])


# --- appending


def append(bench: Bench) -> Iterator[Figure]:
    """Appends of one event to streams of ten, with the follower running, as it does in use.

    Service and follower have most streams in memory by then; what it costs before that is said too.
    """
    location, streams = ledger_of_tens(bench, "append")
    catch_up(location)
    bench.level()
    requests = [post("/v1/events", json.dumps(claim(subject, at))) for at, subject in enumerate(streams)]
    Random(0).shuffle(requests)
    with ExitStack() as stack:
        stack.enter_context(running(location, (*LEDGER, "follow"), bench.folder / "follow.log"))
        ours = served(bench, stack, location, *LEDGER, "serve")
        constants = served(bench, stack, location, *CONSTANT_SERVER, "ledger")
        _check_constant(Client(constants), streams[0])
        appended = Load(bench, ours, "append", requests, 201)
        answered = Load(bench, constants, "append-constant", requests, 201)
        contenders = {"ours": lambda: _when_followed(location, appended)}
        contenders["the constant"] = lambda: _when_followed(location, answered)
        fresh = alternate(contenders, 1)
        for _ in range(bench.scale(5, 2)):
            contenders["ours"]()
        measured = alternate(contenders, bench.scale(5, 2))
    against = "against the same route with the ledger a constant"
    yield compare(f"HTTP append, {CONNECTIONS} connections, {against}", measured, "ours", "the constant", UNIT, 0.5)
    name = f"HTTP append to streams that are in nobody's memory, {CONNECTIONS} connections, {against}"
    yield compare(name, fresh, "ours", "the constant", UNIT, None)


def _when_followed(location: LedgerLocation, load: Load) -> float:
    """What the follower still has to do after one run shall not slow down the next."""
    deadline = monotonic() + PATIENCE_S
    with location.connect() as connection:
        while is_behind(connection):
            if monotonic() > deadline:
                raise Unmeasured("the follower does not come to the end")
            sleep(0.1)
    return load()


def is_behind(connection: Connection) -> bool:
    """Whether there is anything that the projections do not show."""
    row = connection.execute("select size from head").fetchone()
    return row is None or projected(connection) < row[0]


def _check_constant(client: Client, subject: str) -> None:
    told = json.loads(client.ask("POST", "/v1/events", json.dumps(claim(subject, 0)).encode()).read())
    if told.get("position") != constant.POSITION:
        raise Unmeasured("the server that should answer constants has appended")


# --- reading


def read(bench: Bench) -> Iterator[Figure]:
    """Reads spread over many streams, each against a constant of the same bytes, and the past against the present."""
    location = generated(bench, bench.scale(100_000, 10_000))
    folder = bench.folder / "constants"
    folder.mkdir()
    (folder / "304").touch()
    with ExitStack() as stack:
        ours = served(bench, stack, location, *LEDGER, "serve")
        asked = _questions(bench, location, Client(ours))
        for name, paths in asked.items():
            _keep_typical(folder / name, [body for body, _ in map(Client(ours).get, paths[:101])])
        constants = served(bench, stack, location, *CONSTANT_SERVER, "bytes", str(folder))
        requests = {name: [get(path) for path in paths] for name, paths in asked.items()}
        requests["304"] = _known(Client(ours), asked["state"])
        contenders: dict[str, Callable[[], float]] = {}
        for name, some in requests.items():
            contenders[name] = Load(bench, ours, name, some, 304 if name == "304" else 200)
            contenders[f"{name} constant"] = Load(
                bench, constants, f"{name}-constant", [get(f"/{name}")], 304 if name == "304" else 200
            )
        measured = alternate(contenders, bench.scale(5, 2))
    at_least = {"state": 0.8}
    for name in requests:
        title = f"HTTP {TITLES[name]}, {CONNECTIONS} connections, against a FastAPI route of the same constant bytes"
        yield compare(title, measured, name, f"{name} constant", UNIT, at_least.get(name))
    yield compare("HTTP past state, against current state", measured, "past", "state", UNIT, 0.8)


TITLES = {
    "state": "current state",
    "past": "past state",
    "list": "filtered list page",
    "initiative": "whole initiative",
    "304": "304 of a current state",
}


def _keep_typical(file: Path, bodies: list[bytes]) -> None:
    file.write_bytes(sorted(bodies, key=len)[len(bodies) // 2])


def _questions(bench: Bench, location: LedgerLocation, client: Client) -> dict[str, list[str]]:
    """Paths to ask for, by what they ask."""
    some = subjects(bench, location, "'agreement', 'meeting', 'milestone'")[:SUBJECTS]
    initiatives = subjects(bench, location, "'initiative'")[:SUBJECTS]
    return {
        "state": [path_of(subject) for subject, _ in some],
        "past": list(_past(bench, location, some)),
        "list": list(_lists()),
        "initiative": [path_of(subject) for subject, _ in initiatives],
    }


def path_of(subject: str) -> str:
    kind, _, name = subject.partition(":")
    return f"/v1/{PLURALS[kind]}/{name}"


def _past(bench: Bench, location: LedgerLocation, some: list[tuple[str, int]]) -> Iterator[str]:
    """The same streams, each at a position and on a day of its own, where something was known of it."""
    with location.pool(1) as pool:
        for subject, asked in past_bases(bench, location, Queries(pool), some):
            yield f"{path_of(subject)}?known_at={asked.known_at}&valid_at={asked.valid_at}"


def past_bases(
    bench: Bench, location: LedgerLocation, reads: Queries, some: Iterable[tuple[str, int]]
) -> Iterator[tuple[str, Asked]]:
    random, size = Random(0), int(bench.owner(f"select size from {location.schema}.head")[0][0])
    for subject, first in some:
        for _ in range(20):
            day = date(2026, 1, 1) - timedelta(days=int(random.random() ** 2 * 14_000))
            asked = Asked(random.randint(first, size), day)
            if reads.find(Subject(subject), asked)[0] is not None:
                yield subject, asked
                break


def _lists() -> Iterator[str]:
    for kind, statuses in STATUSES.items():
        for status in statuses:
            for party in range(10):
                yield f"/v1/{PLURALS[kind]}?status={status}" + (f"&party=party:p{party}" if party else "")


def _known(client: Client, paths: list[str]) -> list[str]:
    """What a reader asks who has the answer already."""
    return [get(path, f"If-None-Match: {client.get(path)[1]}") for path in paths]
