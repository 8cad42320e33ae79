"""The README's tour is run, and its output is real."""

import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

import pytest

PROJECT = Path(__file__).parents[1]
KEY = "the-key-of-the-tour"
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


class Said(NamedTuple):
    """A command of the tour, and what the README says that it prints."""

    command: str
    output: str


def tour() -> list[Said]:
    """Every command of the README's console blocks, with the lines up to the next one."""
    found = []
    for block in BLOCK.findall((PROJECT / "README.md").read_text()):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            if "<<'JSON'" in command:
                document, _, output = output.partition("JSON\n")
                command = f"{command}\n{document}JSON"
            found.append(Said(command, output.strip()))
    return found


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The demo, as `make demo` starts it, with the seed loaded and projected."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    ledger = Path(sys.executable).with_name("ledger")
    data = tmp_path_factory.mktemp("tour")
    settings = {"LEDGER_DATA": str(data / "ledger-data"), "LEDGER_PORT": str(number), "LEDGER_ADMIN_KEY": KEY}
    # for the commands of the tour, which use the demo's server, and have verified no other ledger on this machine
    own = {"LEDGER_DATA": settings["LEDGER_DATA"], "XDG_STATE_HOME": str(data / "state")}
    with (
        pytest.MonkeyPatch.context() as patch,
        subprocess.Popen([ledger, "demo"], env={**os.environ, **settings}, stderr=subprocess.DEVNULL) as demo,
    ):
        for name, value in own.items():
            patch.setenv(name, value)
        _wait_until_projected(number)
        yield number
        demo.terminate()
        demo.wait(30)


def _wait_until_projected(port: int) -> None:
    deadline = monotonic() + 60
    while monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/health") as answer:
                if b'"status":"ok"' in answer.read():
                    return
        except (urllib.error.URLError, OSError):
            sleep(0.1)
    pytest.fail("the demo did not come up")


@pytest.mark.skipif(shutil.which("curl") is None, reason="the tour uses curl")
def test_the_tour_prints_what_the_readme_says(port: int, tmp_path: Path) -> None:
    """Each command, in order, prints what stands below it; an ellipsis stands for what was left out."""
    # given
    steps = tour()
    assert len(steps) > 10
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    for said in steps:
        # when
        command = said.command.replace("localhost:8000", f"127.0.0.1:{port}")
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        # then
        pattern = re.escape(said.output).replace("…", ".*")
        assert re.fullmatch(pattern, done.stdout.strip(), re.DOTALL), f"{command}\nprinted\n{done.stdout}"


def test_the_readme_names_every_setting() -> None:
    """Each setting of the service stands in the README's table, and nothing else does."""
    # given
    from ledger.settings import Settings

    fields = {f"LEDGER_{name.rstrip('_').upper()}" for name in Settings.model_fields}
    # when
    table = (PROJECT / "README.md").read_text().partition("## Settings")[2].partition("##")[0]
    # then
    assert set(re.findall(r"LEDGER_[A-Z_]+", table)) == fields
