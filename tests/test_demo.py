"""`ledger demo`: one command brings everything up, one Ctrl-C takes it down, and what dies in between comes back."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import httpx2
import psutil
import pytest

import seeds
from api.app import listen
from ledger.database.connection import Connection
from ledger.database.embedded import Embedded
from ledger.errors import Misconfigured
from ledger.settings import Settings
from tests.examples import event
from tests.service import ADMIN, ADMIN_KEY, half_a_request
from tests.signing import put_back
from tests.standby import wait_until

LEDGER = Path(sys.executable).with_name("ledger")
SEEDED = sum(len(seeds.events(name)) for name in seeds.FILES)
PATIENCE_S = 90
PEOPLED = "/v1/meetings/pentagon-meeting?valid_at=2030-01-01&min_position=131"
CANARY = event("party.registered", "party:canary", sources=[], name="Canary", kind="other")


@dataclass(frozen=True)
class Demo:
    """A demo that runs, and how to reach it."""

    process: subprocess.Popen[str]
    client: httpx2.Client
    data: Path

    def wait_until_up(self) -> dict[str, object]:
        """The health, once every projection is at the head."""
        deadline = monotonic() + PATIENCE_S
        while monotonic() < deadline and self.process.poll() is None:
            try:
                health: dict[str, object] = self.client.get("/v1/health").json()
                if health.get("status") == "ok":
                    return health
            except httpx2.TransportError:
                pass  # it does not listen yet
            sleep(0.1)
        raise AssertionError(f"it did not come up: {self.process.poll()}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Exit code and what it said; as on a terminal, the whole group hears Ctrl-C."""
        os.killpg(self.process.pid, how)
        _, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said


def servers(data: Path) -> list[psutil.Process]:
    """The postmasters of a data directory."""
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "postgres" and str(data / "postgres") in (process.info["cmdline"] or ()):
            found.append(process)
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def settings(data: Path, port: int, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
    return kept | {"LEDGER_DATA": str(data), "LEDGER_PORT": str(port), "LEDGER_ADMIN_KEY": ADMIN_KEY} | more


@contextmanager
def demo(data: Path, prefix: Sequence[str] = (), **more: str) -> Iterator[Demo]:
    port = free_port()
    process = subprocess.Popen(
        [*prefix, LEDGER, "demo"], env=settings(data, port, **more), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        start_new_session=True, cwd="/",
    )  # fmt: skip
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield Demo(process, client, data)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data directory, after which no server is left whatever happened."""
    yield tmp_path / "data"
    for process in servers(tmp_path / "data"):
        process.send_signal(signal.SIGQUIT)
        process.wait(30)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_the_demo_comes_up_and_goes_down_and_keeps_the_data(data: Path, how: signal.Signals) -> None:
    """It seeds once, shows the officials of the seed to everybody, honours its settings, records what admins append; Ctrl-C ends
    all of it, whoever is still sending, and nothing is lost.

    A server that the settings name is not used, and that is said.
    """
    with demo(data) as first:
        assert first.wait_until_up()["head"] == SEEDED
        assert len(servers(data)) == 1
        assert first.client.get("/v1/initiatives/indus-x").json()["subject"] == "initiative:indus-x"
        assert all("name" in one["person"] for one in first.client.get(PEOPLED).json()["participants"])
        assert first.client.post("/v1/events", json=CANARY).status_code == 401
        assert first.client.post("/v1/events", json=CANARY, headers=ADMIN).status_code == 201
        entry = first.client.get("/v1/events/1").json()
        with half_a_request(first.client.base_url.port or 0):
            code, said = first.stop()
        assert (code, servers(data)) == (128 + signal.SIGINT, [])
        assert str(first.client.base_url).rstrip("/") in said
        assert entry["dataschema"].startswith(f"{str(first.client.base_url).rstrip('/')}/")
        assert ADMIN_KEY in said
        assert "Traceback" not in said
        assert "LEDGER_DSN" not in said
    with demo(data, LEDGER_PUBLIC_READS="0", LEDGER_DSN="host=/nowhere") as second:
        assert second.wait_until_up()["head"] == SEEDED + 1
        assert second.client.get("/v1/parties/canary").status_code == 401
        assert second.client.get("/v1/parties/canary", headers=ADMIN).json()["name"] == "Canary"
        code, said = second.stop(how)
        assert (code, servers(data)) == (128 + how, [])
        assert "Traceback" not in said
        assert "LEDGER_DSN is set, and is not used" in said


def test_the_demo_outlives_its_server_and_the_next_one_a_kill(data: Path) -> None:
    """The database may be killed: the service answers again by itself. So may the demo: the next one clears up."""
    with demo(data) as first:
        first.wait_until_up()
        [postmaster] = servers(data)
        postmaster.kill()
        postmaster.wait(30)
        deadline = monotonic() + PATIENCE_S
        while (answer := first.client.post("/v1/events", json=CANARY, headers=ADMIN)).status_code != 201:
            assert answer.status_code == 503
            assert answer.headers["retry-after"]
            assert monotonic() < deadline
            sleep(0.1)
        position = answer.json()["position"]
        assert position == SEEDED + 1
        assert first.wait_until_up()["head"] == position
        assert first.client.get("/v1/parties/canary", params={"min_position": position}).status_code == 200
        first.process.kill()
        first.process.communicate()
        assert len(servers(data)) == 1
    with demo(data) as second:
        assert second.wait_until_up()["head"] == SEEDED + 1
        assert second.stop()[0] == 128 + signal.SIGINT
        assert servers(data) == []


def restore_backup(data: Path, size: int) -> None:
    """The demo's database as a backup has it that was taken at this size."""
    server = Embedded(data, "ledger")
    try:
        with Connection.connect(server.owner_dsn, autocommit=True) as owner:
            owner.execute("set search_path to ledger")
            put_back(owner, size)
    finally:
        server.stop()


def test_a_demo_that_was_put_back_serves_what_is_there_and_says_what_to_do(data: Path, tmp_path: Path) -> None:
    """As `ledger serve` does: it reads, records nothing, and health says why; what it says to do brings everything back."""
    mend = {"LEDGER_LOG_KEY": str(data / "log" / "key")}
    with demo(data) as first:
        first.wait_until_up()
        wait_until(lambda: f"\n{SEEDED}\n" in first.client.get("/log/checkpoint").text)
        first.stop()
    run_on(data, "log", "export", tmp_path / "tiles")
    restore_backup(data, 100)
    with demo(data) as second:
        wait_until(lambda: is_stopped(second))
        assert "131 were signed" in second.client.get("/v1/health").json()["why"]
        assert second.client.get("/v1/events/100").status_code == 200
        assert second.client.post("/v1/events", json=CANARY, headers=ADMIN).status_code == 503
        code, said = second.stop()
        assert (code, "Traceback" in said) == (128 + signal.SIGINT, False)
        assert "ledger log recover TILES" in said
        assert f"LEDGER_LOG_KEY={mend['LEDGER_LOG_KEY']}" in said
    run_on(data, "log", "recover", tmp_path / "tiles", **mend)
    with demo(data) as third:
        assert third.wait_until_up()["head"] == SEEDED
        assert third.client.post("/v1/events", json=CANARY, headers=ADMIN).status_code == 201


def is_stopped(running: Demo) -> bool:
    assert running.process.poll() is None, "it has ended"
    try:
        return bool(running.client.get("/v1/health").json().get("status") == "stopped")
    except httpx2.TransportError:
        return False  # it does not listen yet


def run_on(data: Path, *arguments: object, **more: str) -> None:
    """A command on the demo's data."""
    done = subprocess.run(
        [str(LEDGER), *map(str, arguments)],
        env=settings(data, 0, **more),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr


def test_a_port_that_is_taken_is_one_clear_line(data: Path) -> None:
    """Nothing is started where nothing could be served, and it is told what to set."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [LEDGER, "demo"], env=settings(data, port), capture_output=True, text=True, timeout=PATIENCE_S
        )
    assert done.returncode == 4
    advice = "set LEDGER_PORT to another (0 takes any that is free)"
    assert done.stderr == f"ledger: cannot serve at 127.0.0.1, port {port}: address already in use; {advice}\n"
    assert not data.exists()


def test_small_answers_are_sent_at_once() -> None:
    """No answer waits for the client's acknowledgement of its head."""
    with listen(Settings(port=0)) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


AS_NOBODY = [
    "setpriv", "--reuid=nobody", "--clear-groups", "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",
    "--bounding-set=-all,+dac_read_search",
]  # fmt: skip
"""Somebody who is not root, but may read the interpreter wherever it is installed."""


def test_the_demo_runs_as_anybody() -> None:
    """Who is not root needs no user of its own for the server."""
    if os.geteuid() != 0:
        pytest.skip("the other tests ran as somebody who is not root")
    if not shutil.which("setpriv") or subprocess.run([*AS_NOBODY, LEDGER, "--help"], capture_output=True).returncode:
        pytest.skip("here nobody else can run this Python")
    home = Path(tempfile.mkdtemp(prefix="ledger-"))
    try:
        shutil.chown(home, "nobody")
        with demo(home / "data", AS_NOBODY, HOME=str(home), XDG_RUNTIME_DIR=str(home)) as running:
            assert running.wait_until_up()["head"] == SEEDED
            assert {process.username() for process in servers(home / "data")} == {"nobody"}
            assert running.stop()[0] == 128 + signal.SIGINT
            assert servers(home / "data") == []
    finally:
        shutil.rmtree(home)


@pytest.mark.parametrize("name", ["My Documents", "it's"])
def test_a_path_that_the_embedded_server_cannot_take_is_told_of(name: str, tmp_path: Path) -> None:
    """It is said what is wrong with the path and what to set, before anything is begun there."""
    with pytest.raises(Misconfigured, match="set LEDGER_DATA"):
        Embedded(tmp_path / name, "ledger")
    assert not (tmp_path / name).exists()
