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
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
    _install(HERE / "peers.txt", PYTHON_PEERS, [*pip, "--target", str(PYTHON_PEERS), "-r", str(HERE / "peers.txt")])
    npm = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
    _install(HERE / "package.json", NODE_PEERS, npm)
    if str(PYTHON_PEERS) not in sys.path:
        sys.path.append(str(PYTHON_PEERS))  # last: what the ledger itself uses stays as it is


def _install(wanted: Path, folder: Path, command: list[str]) -> None:
    """Once for each state of the file that says what is wanted."""
    done = folder / "installed"
    if done.exists() and done.read_text() == wanted.read_text():
        return
    if _succeeds(command):
        done.write_text(wanted.read_text())


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
