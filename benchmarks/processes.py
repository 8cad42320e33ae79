"""The ledger's own commands, each in a process of its own, on the server that everything is measured on."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM
from time import perf_counter
from typing import IO, NamedTuple

from benchmarks import peak
from benchmarks.measure import Unmeasured
from ledger.database.connection import LedgerLocation

LEDGER = (str(Path(sys.executable).with_name("ledger")),)
STOP_S = 20
TOLD_TO_GO = 128 + SIGTERM
"""How a command ends that was told to."""


class Run(NamedTuple):
    """What a command took: wall time, peak memory and processor time of its processes (those of Postgres not included)."""

    seconds: float
    peak_mb: float
    cpu_s: float


def environment(location: LedgerLocation, **more: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
    return {**own, "LEDGER_DSN": location.dsn, "LEDGER_SCHEMA": location.schema, **more}


class Weighed:
    """A command of the ledger's whose time and memory are taken."""

    def __init__(
        self, location: LedgerLocation, folder: Path, *arguments: str, out: IO[bytes] | int = subprocess.DEVNULL
    ) -> None:
        self.arguments, self.report, self.log = arguments, folder / "peak", folder / "command.log"
        self.started = perf_counter()
        command = [sys.executable, peak.__file__, str(self.report), *LEDGER, *arguments]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=environment(location), stdout=out, stderr=log)

    def wait(self, *ends: int) -> Run:
        """To its end. Raises Unmeasured if it failed: with anything but 0, or one of ``ends``."""
        code = self.process.wait()
        if code not in (0, *ends):
            said = self.log.read_text().strip()[-200:]
            raise Unmeasured(f"ledger {' '.join(self.arguments)} failed with {code}: {said}")
        peak_kib, cpu_s = map(float, self.report.read_text().split())
        return Run(perf_counter() - self.started, peak_kib / 1024, cpu_s)

    def stop(self) -> Run:
        self.process.terminate()
        return self.wait(TOLD_TO_GO)


@contextmanager
def running(location: LedgerLocation, command: Sequence[str], log: Path, **env: str) -> Iterator[None]:
    """A command that goes on for as long as the block."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment(location, **env), stdout=out, stderr=out)
    try:
        yield
    finally:
        process.terminate()
        process.wait(STOP_S)
