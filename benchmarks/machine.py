"""Where it was measured, and whether durability was on."""

import os
import platform
from pathlib import Path
from statistics import median
from time import perf_counter

import psutil

from benchmarks.measure import Bench, console

DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
SETTINGS = ("shared_buffers", "max_connections", "wal_sync_method", "max_wal_size", "server_version")
BLOCK = bytes(8192)


def describe(bench: Bench) -> None:
    """Print the machine and the server's settings. Raises SystemExit where durability is off."""
    said = {name: str(bench.owner(f"show {name}")[0][0]) for name in (*DURABLE, *SETTINGS)}
    memory = psutil.virtual_memory().total / 2**30
    console.print(f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, Python {platform.python_version()}")
    console.print(", ".join(f"{name} = {value}" for name, value in said.items()))
    console.print(f"one fdatasync of 8 KiB takes {_sync_ms(bench.folder / 'sync'):.2f} ms here")
    if off := [name for name in DURABLE if said[name] != "on"]:
        raise SystemExit(f"{', '.join(off)} is off: what is measured so says nothing")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _sync_ms(path: Path) -> float:
    """How long the disk takes: what it costs at least to be told that something is durable."""
    times = []
    with path.open("wb", buffering=0) as file:
        for _ in range(50):
            started = perf_counter()
            file.write(BLOCK)
            os.fdatasync(file.fileno())
            times.append((perf_counter() - started) * 1000)
    return median(times)
