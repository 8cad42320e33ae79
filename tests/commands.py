"""The command line, run as its users run it: as a process of its own, or in this one.

PYTEST_DONT_REWRITE: the modules that register these fixtures also import from here.
"""

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from api.cli.main import main
from ledger.database.connection import LedgerLocation

LEDGER = Path(sys.executable).with_name("ledger")
Run = subprocess.CompletedProcess[str]
Command = Callable[..., Run]


def environment(location: LedgerLocation | None = None, **settings: str) -> dict[str, str]:
    """The settings of a ledger, and none that the tests themselves run with."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LEDGER_", "COLUMNS", "FORCE_"))}
    there = {"LEDGER_DSN": location.dsn, "LEDGER_SCHEMA": location.schema} if location else {}
    return kept | there | settings


def run(location: LedgerLocation, *arguments: object, stdin: str = "", code: int = 0, **settings: str) -> Run:
    """What a process of its own says."""
    done = subprocess.run(
        [LEDGER, *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=100,
        env=environment(location, **settings),
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def on_a_terminal(location: LedgerLocation, *arguments: object, code: int = 0, columns: int = 120) -> str:
    """What a command shows on a terminal."""
    master, slave = pty.openpty()
    shown: list[bytes] = []

    def watch() -> None:
        try:
            while text := os.read(master, 65_536):
                shown.append(text)
        except OSError:  # the other end is closed
            return

    watcher = Thread(target=watch)
    watcher.start()
    settings = environment(location, TERM="xterm", COLUMNS=str(columns))
    done = subprocess.run(
        [LEDGER, *map(str, arguments)], stdin=slave, stdout=slave, stderr=slave, env=settings, timeout=100
    )
    os.close(slave)
    watcher.join()
    os.close(master)
    assert done.returncode == code, b"".join(shown)
    return b"".join(shown).decode()


@pytest.fixture
def command(location: LedgerLocation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """``command("show", "party:usa")`` does what `ledger show party:usa` does on a new, empty ledger, in this process."""
    monkeypatch.setattr("signal.signal", lambda *_: None)

    def run_here(*arguments: object, stdin: str = "", code: int | None = 0, **settings: str) -> Run:
        for name, value in environment(location, **settings).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["ledger", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        ended_with = int(ended.value.code or 0)
        assert code in (None, ended_with), said.err
        return Run(list(map(str, arguments)), ended_with, said.out, said.err)

    return run_here


def rows(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.stdout.splitlines()]


def lines_of(path: Path, *events: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in events))
    return path
