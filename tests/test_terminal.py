"""What people see on a terminal: texts of the log, of files and of arguments as they were written, whatever they look like."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from api.cli.main import COMMANDS
from ledger.database.connection import LedgerLocation
from ledger.writing.decision import Answer
from tests.commands import lines_of, on_a_terminal
from tests.examples import THX, event

Given = Callable[..., list[Answer]]

pytestmark = pytest.mark.usefixtures("durable")
ODD = "[/b] [bold red]no[/] :memo: party:malta: \N{REGIONAL INDICATOR SYMBOL LETTER M}"
"""Markup of the library that draws on the terminal, closed and open, and names of emojis; one of them is a party's."""
CONTROL = "\x9b31m"
"""An escape sequence, written with the one control character of which it begins."""

SHOWN: dict[str, tuple[list[str], int, str]] = {
    "recording.append": (["append", "EVENTS"], 0, "party:malta"),
    "recording.import_": (["import", "BROKEN"], 1, f"line 1: /data/{ODD}\\x1b[31m: there is no such field"),
    "recording.export": (["export"], 0, ODD),
    "reading.show": (["show", "party:malta"], 0, f'"name": "{ODD}\\x9b31m"'),
    "reading.history": (["history", "party:malta"], 0, f"by entry 3: {ODD}\\x9b31m"),
    "reading.list_": (["list", "parties"], 0, ODD),
    "reading.search": (["search", "memo"], 0, ODD),
    "reading.diff": (["diff", "party:malta", "1"], 0, ODD),
    "reading.replay": (["replay"], 0, f'name: null -> "{ODD}\\x9b31m"'),
    "auditing.audit": (["audit"], 0, f"at 3 entries: {ODD}"),
    "doctor.doctor": (["doctor"], 0, f"and position 3: {ODD}"),
    "database.restored": (["restored", "--reason", ODD], 0, "old"),
    "keys.create": (
        ["keys", "create", f"{ODD}\x1b[31m"],
        1,
        "party:malta: \N{REGIONAL INDICATOR SYMBOL LETTER M}\\x1b[31m'",
    ),
    "keys.list_": (["keys", "list"], 0, "role"),
    "persons.person": (["person", ODD], 1, "no name that is held has the words"),
    "persons.erase": (["erase", "2", ODD, "--ground", "other"], 1, "no pointer to a person"),
    "verify.verify": (["verify", ODD], 1, ODD),
    "evidence.evidence": (["evidence", "party:malta", "-o", ODD], 1, "nothing is signed"),
    "webhooks.add": (["webhooks", "add", "a", ODD], 1, "neither user nor fragment"),
    "webhooks.remove": (["webhooks", "remove", ODD], 1, f"{ODD}"),
    "webhooks.rotate": (["webhooks", "rotate", ODD], 4, "LEDGER_WEBHOOK_KEY"),
    "webhooks.resume": (["webhooks", "resume", ODD], 1, f"{ODD}"),
    "webhooks.test": (["webhooks", "test", ODD], 1, f"{ODD}"),
    "webhooks.list_": (["webhooks", "list"], 0, "name"),
    "keys.revoke": (["keys", "revoke", ODD], 1, f"there is no key for '{ODD}'"),
}
"""A command by its arguments, its exit code, and what it must show. Each is asked of a ledger whose texts are odd."""
NOTHING_OF_THE_LOG = {
    "demo.demo", "serving.serve", "operating.follow", "operating.rebuild", "operating.status", "database.migrate_",
    "log.init", "log.key", "log.rotate", "log.export", "log.recover", "log.resume", "witness.init", "witness.serve",
    "vocabulary.new", "vocabulary.vocabulary", "mcp.mcp",
}  # fmt: skip
"""Commands that print names and numbers of their own alone, or speak a protocol."""


@pytest.fixture
def odd_ledger(given: Given, location: LedgerLocation) -> LedgerLocation:
    """A party whose name is odd, struck for a reason that is, in an epoch that began for one."""
    text = f"{ODD}{CONTROL}"
    named = event("party.registered", "party:malta", name=text, kind="state")
    given(THX, named)
    given(event("entry.voided", "party:malta", sources=[], target=2, reason_code="test_entry", reason=text))
    on_a_terminal(location, "restored", "--reason", ODD)
    given(named | {"occurred": "2024"})
    return location


def test_every_command_shows_texts_as_they_are(
    odd_ledger: LedgerLocation, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    """In tables, documents, stories, remarks and errors of every command: no markup, no emoji, no control character."""
    files = {
        "EVENTS": lines_of(tmp_path / "events.json", event("party.described", "party:malta", short_name=ODD)),
        "BROKEN": lines_of(
            tmp_path / "broken.ndjson", event("party.described", "party:malta") | {"data": {f"{ODD}\x1b[31m": 1}}
        ),
    }
    assert {*SHOWN} | NOTHING_OF_THE_LOG == {*COMMANDS}
    for place, (arguments, code, text) in SHOWN.items():
        with subtests.test(place):
            told = on_a_terminal(odd_ledger, *(files.get(one, one) for one in arguments), code=code, columns=1_000)
            plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told)
            assert text.replace("\\", "") in plain.replace("\\", "").replace("~1", "/")
            assert "\N{MEMO}" not in plain
            assert "\N{REGIONAL INDICATOR SYMBOL LETTER T}" not in plain
            assert place == "recording.export" or not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", plain)
