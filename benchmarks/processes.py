"""The ledger's own commands, each in a process of its own, on the server that everything is measured on."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import IO, NamedTuple

from benchmarks.measure import Unmeasured
from ledger.postgres import Place

LEDGER = (str(Path(sys.executable).with_name("ledger")),)
STOP_S = 20


class Run(NamedTuple):
    """What a command took: wall time, and the peak memory of its process (that of Postgres not included)."""

    seconds: float
    peak_mb: float


def environment(place: Place, **more: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
    return {**own, "LEDGER_DSN": place.dsn, "LEDGER_SCHEMA": place.schema, **more}


def run(place: Place, *arguments: str, out: IO[bytes] | int = subprocess.DEVNULL) -> Run:
    """Run a command of the ledger's to its end."""
    started = perf_counter()
    command = [*LEDGER, *arguments]
    process = subprocess.Popen(command, env=environment(place), stdout=out, stderr=subprocess.DEVNULL)
    return _ended(process, started, f"ledger {' '.join(arguments)}")


def _ended(process: "subprocess.Popen[bytes]", started: float, what: str) -> Run:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise Unmeasured(f"{what} failed with {process.returncode}")
    return Run(perf_counter() - started, usage.ru_maxrss / 1024)


class Running:
    """A command that goes on until it is stopped."""

    def __init__(self, place: Place, *command: str, log: Path, **env: str) -> None:
        self.started, self.what, self.log = perf_counter(), " ".join(command), log
        with log.open("wb") as out:
            self.process = subprocess.Popen(command, env=environment(place, **env), stdout=out, stderr=out)

    def stop(self) -> Run:
        self.process.terminate()
        return _ended(self.process, self.started, self.what)


@contextmanager
def running(place: Place, command: Sequence[str], log: Path, **env: str) -> Iterator[Running]:
    process = Running(place, *command, log=log, **env)
    try:
        yield process
    finally:
        if process.process.returncode is None:
            process.process.terminate()
            process.process.wait(STOP_S)
