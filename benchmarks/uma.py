"""UmaDB: its own server, from its wheel, and its Python client."""

import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

from benchmarks.lines import TYPICAL, TYPICAL_BYTES
from benchmarks.measure import Unmeasured
from benchmarks.peers import PYTHON_PEERS, load, python_environment
from benchmarks.sockets import free_port

START_S = 10.0


class Server:
    """Runs for as long as the block; where it cannot, whoever appends is told why."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        self.client: Any = None
        self.why = ""

    def __enter__(self) -> "Server":
        try:
            self._start()
        except (Unmeasured, OSError) as error:
            self.why = str(error)
        return self

    def _start(self) -> None:
        umadb, port = load("umadb"), free_port()
        self.folder.mkdir()
        command = [sys.executable, str(PYTHON_PEERS / "bin" / "umadb"), "--listen", f"127.0.0.1:{port}"]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--db-path", str(self.folder / "events.db")],
                stdout=log,
                stderr=log,
                env=python_environment(),
            )
        deadline = monotonic() + START_S
        while self.client is None:
            try:
                self.client = umadb.Client(f"http://127.0.0.1:{port}")
                self.client.head()
            except Exception as error:
                self.client = None
                if monotonic() > deadline or self.process.poll() is not None:
                    raise Unmeasured(f"UmaDB does not start: {error}") from None
                sleep(0.1)

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)

    def append(self, events: list[Any]) -> None:
        self._connected().append(events)

    def append_checked(self, events: list[Any]) -> None:
        """Only where nothing is tagged with the stream yet: what a version that is unique in its stream promises."""
        umadb = load("umadb")
        stream = umadb.Query([umadb.QueryItem(tags=events[0].tags)])
        self._connected().append(events, umadb.AppendCondition(stream))

    def _connected(self) -> Any:
        if self.client is None:
            raise Unmeasured(self.why)
        return self.client


def batches(count: int, size: int) -> list[list[Any]]:
    """Events of the same bytes, each tagged with a stream of its own."""
    umadb, data = load("umadb"), TYPICAL.state.ljust(TYPICAL_BYTES)
    return [
        [umadb.Event(TYPICAL.topic, data, [f"agreement:{uuid4()}"], uuid4()) for _ in range(size)] for _ in range(count)
    ]
