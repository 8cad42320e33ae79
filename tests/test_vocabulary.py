"""The vocabulary as people read it, and the events that they fill in: all of it follows from the facts."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.transfer.vocabulary import document, section, template
from ledger.errors import Invalid
from ledger.vocabulary.registry import FACTS, KINDS
from ledger.writing.draft import read_draft
from tests.commands import Command, rows
from tests.minimal import FULL
from tests.test_tidy import ROOT

pytest_plugins = ["tests.commands"]

BY_THE_LEDGER = {"dataschema"}
PAGE = ROOT / "docs" / "vocabulary.md"


def places(value: Any, path: str = "") -> Iterator[str]:
    """Where an event says something, whichever item of a list it is in."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from places(one, f"{path}/{name}")
    elif isinstance(value, list):
        for one in value:
            yield from places(one, path)
    else:
        yield path


def whole(type_: str) -> dict[str, Any]:
    """The template with all that stands behind a #."""
    return tomllib.loads(re.sub(r"^#(?=[\w\[])", "", template(FACTS[type_]), flags=re.MULTILINE))


def test_the_page_is_what_the_code_says(command: Command) -> None:
    """docs/vocabulary.md is what `ledger vocabulary` writes: each type, field and code is in it."""
    told = command("vocabulary").stdout
    assert PAGE.read_text() == told == document().rstrip("\n") + "\n"
    for type_, fact in FACTS.items():
        assert f"### {type_}\n" in told
        schema = fact.model_json_schema()
        for shape in (schema, *schema["$defs"].values()):
            for name in (
                {*shape.get("properties", ()), *shape.get("enum", ())} - BY_THE_LEDGER - {"commitment", "entry"}
            ):
                assert f"`{name}`" in told, (type_, name)


def test_a_part_of_it_can_be_asked_for(command: Command) -> None:
    """One type, with its parts and codes, or one kind; what is mistyped is told with what may be meant."""
    told = command("vocabulary", "meeting.held").stdout
    assert told.startswith("### meeting.held\n")
    assert all(f"### {name}\n" in told for name in ("Participant", "MeetingKind"))
    assert "### PartyKind" not in told
    assert command("vocabulary", "milestone").stdout.count("\n### milestone.") == len(KINDS["milestone"].facts)
    for words in (["vocabulary", "meeting.hold"], ["new", "meeting.hold"]):
        assert "did you mean meeting.held?" in command(*words, code=2, COLUMNS="300").stderr


@pytest.mark.parametrize("type_", FACTS)
def test_a_template_has_a_place_for_all_that_can_be_said(type_: str) -> None:
    """Of every type; and as it is it cannot be recorded, for its places are empty."""
    said = {one for one in places(FULL[type_]) if not one.startswith("/data/replacement/data/")}
    assert said <= {*places(whole(type_)), *places(tomllib.loads(template(FACTS[type_])))} | {"/id"}
    with pytest.raises(Invalid) as refused:
        read_draft(tomllib.loads(template(FACTS[type_])))
    assert "/subject" in [one.pointer for one in refused.value.faults]
    assert {"/type", "/data"}.isdisjoint([one.pointer for one in refused.value.faults])


def test_a_template_is_filled_in_and_appended(command: Command, tmp_path: Path) -> None:
    """What `ledger new` writes is what `ledger append` reads; a date needs no quotes; what is no TOML is told with its line."""
    text = command("new", "milestone.scheduled").stdout
    for place, value in (
        ('subject = "milestone:', 'subject = "milestone:tour'), ('\nsource = "', '\nsource = "source:notes'),
        ('\ndue = ""', "\ndue = 2026-01-31"), ('\n#title = "', '\ntitle = "The tour'),
    ):  # fmt: skip
        assert text.count(place) == 1
        text = text.replace(place, value)
    file = tmp_path / "event.toml"
    file.write_text(text)
    assert rows(command("append", file, "--as", "a.clerk"))[0]["subject"] == "milestone:tour"
    shown = json.loads(command("show", "milestone:tour").stdout)
    assert (shown["title"], shown["due"]) == ("The tour", "2026-01-31")
    assert rows(command("history", "milestone:tour"))[0]["by"] == "a.clerk"
    file.write_text("type = \n")
    assert "no TOML: Invalid value (at line 1" in command("append", file, code=1).stderr
    assert "a name is of small letters" in command("append", file, "--as", "A Clerk", code=2, COLUMNS="300").stderr


NEEDING = {type_: fact for type_, fact in FACTS.items() if fact.needs}


@pytest.mark.parametrize("type_", NEEDING)
def test_what_is_needed_unless_something_else_is_given_is_said_so(type_: str) -> None:
    """In the vocabulary, in the template, and by the refusal, which names the fields; each of them alone is enough."""
    fact, full = NEEDING[type_], FULL[type_]
    assert f"needed, unless {' or '.join(fact.needs[1:])} is given" in section(type_)
    assert f"needed, unless {' or '.join(fact.needs[1:])} is given" in " ".join(
        template(fact).replace("\n# ", " ").split()
    )
    rest = {name: value for name, value in full["data"].items() if name not in fact.needs}
    with pytest.raises(
        Invalid, match=f"/data/{fact.needs[0]}: at least one of these is needed: {', '.join(fact.needs)}"
    ):
        read_draft(full | {"data": rest})
    for name in fact.needs:
        read_draft(full | {"data": rest | {name: full["data"][name]}})


def test_a_place_for_a_number_is_a_number() -> None:
    """Whoever fills in the template of a correction writes the position where the 0 stands, without quotes."""
    assert tomllib.loads(template(FACTS["entry.voided"]))["data"]["target"] == 0
