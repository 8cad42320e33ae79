"""Files that commands are given: whatever is in them, or is not there, is told in one sentence that names the file."""

import zipfile
from pathlib import Path

import pytest

from tests.commands import Command

pytest_plugins = ["tests.commands"]

COMMANDS: list[list[str]] = [
    ["append", "FILE"],
    ["import", "FILE"],
    ["import", "events", "--mapping", "FILE"],
    ["verify", "FILE"],
    ["verify", "FILE", "--checkpoint", "events"],
    ["verify", "events", "--checkpoint", "FILE"],
    ["verify", ".", "--log-key", "FILE"],
    ["verify", ".", "--policy", "FILE"],
    ["witness", "serve", "--folder", "FILE"],
]
"""Each command that is given a file, once for each of them."""
BY_SETTING = [
    ("LEDGER_LOG_KEY", ["log", "key"]),
    ("LEDGER_LOG_KEY", ["log", "rotate"]),
    ("LEDGER_LOG_KEY", ["log", "recover", "."]),
]
SORTS = ["folder", "binary", "empty", "missing", "huge", "pack.zip"]
NOTHING_WRONG = (["import", "FILE"], "empty")
"""A file of no events has none."""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """One file of each sort."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "huge").write_bytes(b"x" * 5_000_000)
    (tmp_path / "events").write_text('{"sequence":"00000000000000000001"}\n')
    with zipfile.ZipFile(tmp_path / "pack.zip", "w") as pack:
        pack.writestr("verify.py", "print()")
    for name in ("binary", "empty", "huge", "pack.zip"):
        (tmp_path / name).chmod(0o600)
    return tmp_path


@pytest.mark.parametrize("sort", SORTS)
def test_what_a_file_is_not_is_told_by_its_name(
    sort: str, files: Path, command: Command, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """A directory, bytes, nothing, no file, one line without end, a zip: of any command that takes a file, a line that names it,
    and no more of what it holds than fits a line."""
    monkeypatch.chdir(files)
    state = {"XDG_STATE_HOME": str(files / "state"), "COLUMNS": "400"}
    for words in COMMANDS:
        with subtests.test(" ".join(words)):
            given = [sort if word == "FILE" else word for word in words]
            done = command(*given, code=None, **state)
            assert len(done.stderr) < 4_000
            assert not any(odd in done.stderr for odd in ("codec", "\\x00", "Traceback")), done.stderr
            if (words, sort) != NOTHING_WRONG:
                assert done.returncode in (1, 2, 4)
                assert any(named in done.stderr for named in (sort, "line 1:", "events is no checkpoint")), done.stderr
    for name, words in BY_SETTING:
        with subtests.test(f"{name} {' '.join(words)}"):
            told = command(*words, code=4, **state, **{name: str(files / sort)}).stderr
            assert told.startswith("ledger: ")
            assert told.count("\n") == 1
            assert sort in told


def test_what_cannot_be_read_is_refused(files: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is named, with what to do: exit code 1, as for whatever cannot be read."""
    monkeypatch.chdir(files)
    for words, said in (
        (
            ["verify", "pack.zip"],
            "pack.zip is a zip file: an evidence pack is checked by the program in it: unpack it, and run",
        ),
        (["verify", "binary"], "binary is no text"),
        (["verify", "missing"], "missing cannot be read: there is no such file"),
        (["verify", "events", "--checkpoint", "folder"], "folder cannot be read: is a directory"),
        (["append", "binary"], "binary: the body is no JSON"),
        (["append", "empty"], "empty: the body is no JSON"),
        (["import", "events", "--mapping", "binary"], "binary cannot be read: it is no text in UTF-8"),
    ):
        told = command(*words, code=1, COLUMNS="400").stderr
        assert told.startswith(f"ledger: {said}"), told
        assert told.count("\n") == 1
