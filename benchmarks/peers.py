"""What the ledger is compared with: put into folders of their own, which are not kept under version control."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.measure import Unmeasured, console

HERE = Path(__file__).parent
PYTHON_PEERS = HERE / ".peers"
NODE_PEERS = HERE / "node_modules"


def install() -> None:
    """Install what is missing. Whatever cannot be installed is found missing by who needs it."""
    wanted = (HERE / "peers.txt").read_text()
    done = PYTHON_PEERS / "installed.txt"
    if not done.exists() or done.read_text() != wanted:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
        if _succeeds([*pip, "--target", str(PYTHON_PEERS), "-r", str(HERE / "peers.txt")]):
            done.write_text(wanted)
    if not (NODE_PEERS / "@event-driven-io").exists():
        _succeeds(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"])
    if str(PYTHON_PEERS) not in sys.path:
        sys.path.append(str(PYTHON_PEERS))  # last: what the ledger itself uses stays as it is


def _succeeds(command: list[str]) -> bool:
    console.print(f"[dim]{' '.join(command)}[/dim]")
    try:
        return subprocess.run(command, cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def load(module: str) -> Any:
    """A module of a peer. Raises Unmeasured where it could not be installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Unmeasured(f"{module} is not installed: {error}") from None


def python_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PYTHON_PEERS)}
