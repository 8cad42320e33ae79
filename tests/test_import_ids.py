"""Ids that an import gives: the same for the same, as long as the ledger lives, and none by which a name could be guessed."""

import json
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest

from api.transfer import ids
from api.transfer.corrections import Imported, read_mapped
from api.transfer.csv_tables import Row
from api.transfer.event_files import LINES, RawEvent, read_drafts
from api.transfer.facts import ROWS
from api.transfer.mapping import TableMapping
from api.transfer.report import Report
from ledger.database.connection import Connection, LedgerLocation
from ledger.vocabulary.fact import Part, Person
from ledger.vocabulary.registry import FACTS
from ledger.writing.draft import Draft
from tests.commands import Command, lines_of
from tests.examples import THX, event
from tests.minimal import FULL

pytest_plugins = ["tests.commands"]

NAME, OTHER = "A minister of defence", "An envoy"
PLAIN = event("party.registered", "party:isle", sources=[], name="Isle", kind="state")


def signed(person: str | None) -> dict[str, Any]:
    signatory = {"party": "party:isle"} | ({"person": person} if person else {})
    return event("agreement.signed", "agreement:pact", "2020", title="A pact", signatories=[signatory])


def nameless(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name != "id"}


def drafts_of(told: dict[str, Any], secret: UUID) -> list[Draft]:
    raw = RawEvent(range(1, 2), json.dumps(nameless(told)))
    return [one.draft for one in read_drafts([raw], secret, Report())]


def mapping_of(key: list[str] | None, **signatory: str) -> TableMapping:
    """Signatures, one a row."""
    fact = {
        "type": "agreement.signed", "subject": "agreement:{slug(No)}", "occurred": "{Signed}",
        "data": {"title": "{Title}", "signatories": [{"party": "party:isle"} | signatory]},
    }  # fmt: skip
    more = {} if key is None else {"key": key}
    facts = {"signed": fact}
    return TableMapping.model_validate(
        {"name": "list", "dates": ["YYYY"], "sources": [{"source": "source:list"}], "facts": facts, **more}
    )


def told_by(mapping: TableMapping, secret: UUID, person: str = NAME) -> Draft:
    row = Row(range(2, 3), {"No": "1", "Signed": "2020", "Title": "A pact", "Who": person})
    [line] = read_mapped(mapping, [row], Imported(secret), Report())
    return line.draft


def test_the_ids_of_what_names_nobody_never_change() -> None:
    """They are the same in every ledger and every version: what was imported once is known again."""
    for told, known in (
        (PLAIN, "babc70d0-4932-5696-a82d-d074335f7232"),
        (signed(None), "5458f20f-06df-5cd5-8d1b-c46e4c3fdadf"),
    ):
        assert {one.id for _ in range(2) for one in drafts_of(told, uuid4())} == {known}
    draft = told_by(mapping_of(["No"]), uuid4())
    assert (draft.id, draft.correlationid) == (
        "d5fdec4d-ec2b-5380-8b78-b210b4803cce",
        "import:list:db60e4c8-e8ec-5504-bdb4-d5ce45d7c408",
    )


def test_what_names_a_person_has_an_id_of_this_ledger_alone() -> None:
    """The same again with the same secret, another with another: so nobody can compute which name gives an id."""
    secrets = (uuid4(), uuid4())
    lines = {(secret, name): drafts_of(signed(name), secret)[0].id for secret, name in product(secrets, (NAME, OTHER))}
    assert len(set(lines.values())) == 4
    assert lines[secrets[0], NAME] == drafts_of(signed(NAME), secrets[0])[0].id
    assert str(uuid5(LINES, json.dumps(nameless(signed(NAME)), separators=(",", ":")))) not in lines.values()
    for mapping in (mapping_of(["No"], person="{Who}"), mapping_of(["No", "Who"], person="{Who}")):
        told = {(secret, name): told_by(mapping, secret, name) for secret, name in product(secrets, (NAME, OTHER))}
        assert len({one.id for one in told.values()}) == 4
        assert told[secrets[0], NAME].id == told_by(mapping, secrets[0]).id


@pytest.mark.parametrize("key", [["Who"], ["No", "Who"], None])
def test_a_key_with_a_name_in_it(key: list[str] | None) -> None:
    """What tells rows apart is in the correlationid: where persons are read from it, that is of this ledger alone, too."""
    mapping = mapping_of(key, person="{Who}")
    first, other, again = (told_by(mapping, secret) for secret in (UUID(int=1), UUID(int=2), UUID(int=1)))
    assert first.correlationid == again.correlationid != other.correlationid
    assert told_by(mapping_of(["No"], person="{Who}"), uuid4()).correlationid == (
        told_by(mapping_of(["No"], person="{Who}"), uuid4()).correlationid
    ), "the number of a row is no name"
    assert str(uuid5(ROWS, json.dumps(["list", "signed", [NAME.lower()], []]))) not in str(first.correlationid)


def test_items_that_are_persons() -> None:
    """A fact for each of the names in a cell is told apart by the name."""
    told = {
        "name": "list", "key": ["No"], "dates": ["YYYY"], "sources": [{"source": "source:list"}],
        "facts": {"spoke": {
            "type": "meeting.statement_made", "subject": "meeting:{slug(No)}",
            "for_each": {"column": "Who", "split": ";"},
            "data": {"act": "said", "speakers": [{"party": "party:isle", "person": "{item}"}]},
        }},
    }  # fmt: skip
    mapping, row = TableMapping.model_validate(told), Row(range(2, 3), {"No": "1", "Who": f"{NAME};{OTHER}"})
    those = [
        {one.draft.correlationid for one in read_mapped(mapping, [row], Imported(secret), Report())}
        for secret in (UUID(int=1), UUID(int=1), UUID(int=2))
    ]
    assert len(those[0]) == 2
    assert those[0] == those[1]
    assert those[0].isdisjoint(those[2])


def test_every_field_that_names_a_person_is_known() -> None:
    """Persons stand in fields of these names alone, anywhere in any fact."""
    parts = list[type[Part]](FACTS.values()) + Part.__subclasses__()
    named = {
        name
        for part in parts
        for name, field in part.model_fields.items()
        if Person in (field.annotation, *getattr(field.annotation, "__args__", ()))
    }
    assert named == ids.PERSONS
    assert any(ids.names_a_person(one["data"]) for one in FULL.values())


def test_an_import_after_an_erasure_changes_nothing(
    command: Command, location: LedgerLocation, reader: Connection, tmp_path: Path
) -> None:
    """The same file again is known by its ids, and brings no erased name back."""
    # given
    file = lines_of(tmp_path / "told.ndjson", THX, nameless(PLAIN), nameless(signed(NAME)))
    command("import", file)
    [(entry,)] = reader.execute("select entry_id::text from disclosures").fetchall()
    command("erase", entry, "/data/signatories/0/person", "--ground", "consent_withdrawn")
    # when
    again = command("import", file)
    # then
    assert again.stderr.splitlines()[-1] == "appended 0, repeated 3, refused 0"
    assert reader.execute("select count(*) from disclosures").fetchone() == (0,)
    log = " ".join(body for (body,) in reader.execute("select body::text from entries"))
    [(secret,)] = reader.execute("select import_secret::text from head").fetchall()
    assert secret not in log
    assert NAME not in log
