"""What `make bench` runs: the commands a user runs, on generated events, each in a process of its own.

Times depend on the machine and its mood: they are printed, never asserted.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from tests.generator import Generator

EVENTS = int(os.environ.get("EVENTS", "10000"))
LEDGER = Path(sys.executable).with_name("ledger")


class Run(NamedTuple):
    """What one command took: wall time, and the peak memory of its process (that of Postgres not included)."""

    command: str
    seconds: float
    peak_mb: float


def run(*command: str, data: Path) -> Run:
    """Run a command of ours to its end."""
    started = monotonic()
    env = {**os.environ, "LEDGER_DATA": str(data)}
    process = subprocess.Popen([LEDGER, *command], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"ledger {' '.join(command)} failed with {status}")
    return Run(command[0], monotonic() - started, usage.ru_maxrss / 1024)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        data.chmod(0o755)
        events = data / "events.ndjson"
        events.write_text("".join(json.dumps(event) + "\n" for event in Generator().events(EVENTS)))
        run("status", data=data / "ledger")  # the first start makes the server
        idle = run("status", data=data / "ledger")
        runs = [run(*command, data=data / "ledger") for command in (["import", str(events)], ["rebuild"], ["export"])]
    table = Table("command", "events", "seconds", "events/s", "peak MB", title=f"{EVENTS:,} generated events")
    for one in runs:
        net = max(one.seconds - idle.seconds, 0.001)  # starting the interpreter and the server is no work on events
        rate = f"{EVENTS / net:,.0f}" if net > idle.seconds / 10 else "too short to tell"
        table.add_row(one.command, f"{EVENTS:,}", f"{net:.1f}", rate, f"{one.peak_mb:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
