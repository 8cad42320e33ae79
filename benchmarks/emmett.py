"""Emmett, in a process of Node's, on the same server."""

import json
import subprocess
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from benchmarks.lines import TYPICAL, TYPICAL_BYTES
from benchmarks.measure import Bench, Unmeasured
from benchmarks.peers import HERE, NODE_PEERS

POOL = 32
"""Connections. From 10 to 64 of them it measured alike on two cores."""

PATIENCE_S = 60


class Appends:
    """Appends to streams of their own, in a database of its own, as it makes its tables where it likes."""

    def __init__(self, bench: Bench) -> None:
        self.host = str(conninfo_to_dict(bench.server.owner_dsn)["host"])
        bench.owner("drop database if exists bench_emmett")
        bench.owner("create database bench_emmett template template0 encoding 'UTF8' locale 'C'")

    def run(self, callers: int, size: int, seconds: int) -> float:
        """Events a second."""
        if not (NODE_PEERS / "@event-driven-io").exists():
            raise Unmeasured("@event-driven-io/emmett-postgresql is not installed")
        command = ["node", str(HERE / "emmett.mjs"), json.dumps(self._given(callers, size, seconds))]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, cwd=HERE)
        if done.returncode:
            raise Unmeasured(f"Emmett: {done.stderr.strip()[-200:]}")
        return float(done.stdout)

    def _given(self, callers: int, size: int, seconds: int) -> dict[str, Any]:
        connection = {"host": self.host, "user": "postgres", "database": "bench_emmett"}
        url = f"postgresql://postgres@/bench_emmett?host={self.host}"
        told = json.loads(TYPICAL.state)
        told["padding"] = "x" * max(TYPICAL_BYTES - len(TYPICAL.state) - len(',"padding":""'), 0)
        return {
            "connection": connection, "url": url, "callers": callers, "size": size, "seconds": seconds, "pool": POOL,
            "type": TYPICAL.topic, "data": told,
        }  # fmt: skip
