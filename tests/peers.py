"""Software that others wrote, for transparency logs and webhooks, in an environment of its own outside the project: some of it needs a newer Python.

PYTEST_DONT_REWRITE: the modules that register these fixtures also import from here.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

PINNED = ("aics-tlog==0.2.1", "aics-witness==0.1.0", "pymerkle==7.0.0", "sigstore==4.5.1", "standardwebhooks==1.1.0")
OLDEST = (3, 12)
NAMES = ("python3.14", "python3.13", "python3.12", "python3")
MOST_S = 60.0
"""As long as their environment may take to be made, which it is once."""


class NoPeers(Exception):
    """Why the peers cannot be had on this machine."""


@pytest.fixture(scope="session")
def peers() -> Path:
    """A Python that has the peers. Skips where the machine has no newer Python, or no network to get them by."""
    try:
        return python_with_peers()
    except NoPeers as error:
        pytest.skip(str(error))


def python_with_peers(pinned: Sequence[str] = PINNED) -> Path:
    """A Python that has these packages. Raises NoPeers."""
    base = newer_python()
    if base is None:
        raise NoPeers(f"the peers need Python {'.'.join(map(str, OLDEST))} or later, which this machine does not have")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "partnership-ledger"
    folder = cache / f"peers-{sha256(' '.join((base, *pinned)).encode()).hexdigest()[:12]}"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / "peers.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "ready").exists():
                make(base, folder, pinned)
    except OSError as error:
        raise NoPeers(f"the peers' environment cannot be made: {error}") from None
    return folder / "bin" / "python"


def newer_python() -> str | None:
    """The path of a Python that is new enough; None where there is none."""
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    there = [path for path in sorted(versions.glob("3.*/bin/python3"), reverse=True) if path.exists()]
    for candidate in (sys.executable, *filter(None, map(shutil.which, NAMES)), *map(str, there)):
        asked = "import sys; print(sys.version_info >= (3, 12), sys.executable, sep='\\n')"
        done = subprocess.run([candidate, "-c", asked], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.startswith("True\n"):
            return done.stdout.splitlines()[1]
    return None


def make(base: str, folder: Path, pinned: Sequence[str]) -> None:
    """Make the environment. Raises NoPeers."""
    deadline = monotonic() + MOST_S
    shutil.rmtree(folder, ignore_errors=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in ([base, "-m", "venv", str(folder)], [*pip, "--retries", "0", "--timeout", "10", *pinned]):
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=max(deadline - monotonic(), 1)
            )
        except subprocess.TimeoutExpired:
            raise NoPeers(f"the peers' environment was not made within {MOST_S:g} s") from None
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise NoPeers(f"the peers' environment cannot be made: {last}")
    (folder / "ready").touch()


def told_by(peers: Path, script: str, given: Any) -> Any:
    """What a script of the peers makes of something: JSON in, JSON out."""
    done = subprocess.run(
        [peers, "-I", "-c", script], input=json.dumps(given), capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ran_by(peers: Path, *arguments: object) -> str:
    """What a command of the peers says."""
    done = subprocess.run(
        [peers, "-I", "-m", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
