"""A type of event may change its shape: what was recorded keeps its bytes, and reads as what it would be today."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import jsonschema_rs
import pytest

from ledger.database.connection import Connection, LedgerLocation
from ledger.log.entry import read_line
from ledger.vocabulary.correction import Superseded
from ledger.vocabulary.fact import COMMON, Fact, schema_of
from ledger.vocabulary.registry import FACTS
from tests.commands import Command, rows
from tests.examples import INDIA, INDUS_X, SOURCES, THX, USA, event
from tests.minimal import SUBJECTS
from tests.service import ADMIN, Service, pointers_of, problem_of, running
from tests.shapes import Shapes, changed, kept_facts, kept_lines, kept_shapes, narrowed, shapes_of, told_by
from tests.unreadable import SPOIL, line_of, tamper
from tests.versions import DATASCHEMA, TYPE, Third, Unversioned, upgrade

pytest_plugins = ["tests.commands", "tests.service", "tests.unreadable"]

TALKS = "meeting:talks"
NAME = "A. Canary"
NDJSON = {"Accept": "application/x-ndjson"}
SPEAKER = {"party": "party:usa", "person": NAME}
HELD = event("meeting.held", TALKS, "2024-09-10", title="Talks")


def id_of(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012d}"


def said(number: int, **data: Any) -> dict[str, Any]:
    return event(TYPE, TALKS, "2024-09-10", id=id_of(number), **data)


def corrected(number: int, target: int, **data: Any) -> dict[str, Any]:
    replacement = {"type": TYPE, "occurred": "2024-09-10", "sources": SOURCES, "data": data}
    why: dict[str, Any] = {"reason_code": "misread_source", "reason": "Read again", "replacement": replacement}
    return event("entry.superseded", TALKS, sources=[], id=id_of(number), target=target, **why)


FIRST: list[dict[str, Any]] = [
    said(6, speakers=[SPEAKER], act="praised", about="initiative:indus-x", text="Well done"),
    said(7, act="noted"),
    corrected(8, 7, speakers=[SPEAKER], act="doubted"),
    said(9, act="agreed"),
]
SECOND: list[dict[str, Any]] = [
    said(10, speakers=[SPEAKER], verb="announced", about="party:usa"),
    corrected(11, 9, verb="disagreed", about="party:ind", remark="In passing"),
]
THIRD: list[dict[str, Any]] = [
    said(12, delegations=[{"speakers": [SPEAKER]}], verb="asked", about=["party:usa", "party:ind"]),
    corrected(13, 10, verb="hinted", about=["party:usa", "party:ind"]),
]


def tell(service: Service, events: list[dict[str, Any]]) -> None:
    """One after the other: a correction names its target by position."""
    for one in events:
        service.given(one)


@pytest.fixture
def old(location: LedgerLocation) -> list[str]:
    """The lines that three versions of the ledger have recorded, one after the other, of which this one knows the last."""
    with running(location) as service:
        tell(service, [THX, USA, INDIA, INDUS_X, HELD, *FIRST])
    with pytest.MonkeyPatch.context() as patch:
        upgrade(patch, 2)
        with running(location) as service:
            tell(service, SECOND)
            return service.get("/v1/events", NDJSON, limit=1_000).text.splitlines()


@pytest.fixture
def newest(old: list[str], location: LedgerLocation, command: Command) -> Iterator[Service]:
    """The service with the type at version 3; its projections are built anew, as after every change of what they show."""
    with pytest.MonkeyPatch.context() as patch:
        upgrade(patch, 3)
        command("rebuild")
        with running(location) as service:
            yield service


def statements(service: Service, **asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.get("/v1/meetings/talks", ADMIN, **asked).json()["statements"]
    return found


def test_every_version_reads_as_the_newest(newest: Service, old: list[str], command: Command) -> None:
    """States, lists, timeline, history, replay and audit read lines and replacements of each version."""
    tell(newest, THIRD)
    told = {one.pop("position"): one for one in statements(newest)}
    names = [one["delegations"][0]["speakers"][0].pop("person") for one in (told[6], told[8], told[12])]
    speakers = {"delegations": [{"speakers": [{"party": "party:usa"}]}]}
    assert told == {
        6: speakers | {"verb": "praised", "about": ["initiative:indus-x"], "text": "Well done"},
        8: speakers | {"verb": "doubted"},
        11: {"verb": "disagreed", "about": ["party:ind"]},
        12: speakers | {"verb": "asked", "about": ["party:usa", "party:ind"]},
        13: {"verb": "hinted", "about": ["party:usa", "party:ind"]},
    }
    assert [(one["name"], one["entry"], one["pointer"]) for one in names] == [
        (NAME, id_of(6), "/data/speakers/0/person"),
        (NAME, id_of(8), "/data/replacement/data/speakers/0/person"),
        (NAME, id_of(12), "/data/delegations/0/speakers/0/person"),
    ]
    replaced = read_line(old[10]).fact()
    assert isinstance(replaced, Superseded)
    assert replaced.replacement.fact().note == "In passing"
    before = statements(newest, known_at=7)
    assert [(one["position"], one["verb"]) for one in before] == [(6, "praised"), (7, "noted")]
    mentions = newest.get("/v1/meetings", ref="initiative:indus-x").json()["items"]
    assert [one["subject"] for one in mentions] == [TALKS]
    assert command("audit").stdout == ""
    assert len(rows(command("replay"))) == 13
    assert len(newest.get("/v1/meetings/talks/timeline").json()["items"]) == 6
    assert [one["struck"] for one in newest.get("/v1/meetings/talks/history").json()["items"]].count(True) == 3
    command("rebuild")
    assert {one.pop("position") for one in statements(newest)} == told.keys()


def test_lines_keep_their_bytes_and_new_ones_have_the_current_version(
    newest: Service, old: list[str], command: Command
) -> None:
    """Nothing recorded is touched; a line names the schema of its data, and a replacement its own beyond version 1."""
    tell(newest, THIRD)
    lines = command("export").stdout.splitlines()
    assert lines[:11] == old
    told = [json.loads(line) for line in lines]
    versions = [schema_of(one["dataschema"]) for one in told if one["type"] == TYPE]
    assert versions == [f"{DATASCHEMA}/{version}" for version in (1, 1, 1, 2, 3)]
    replacements = [one["data"]["replacement"] for one in told if one["type"] == "entry.superseded"]
    assert [one.get("dataschema") for one in replacements] == [None, f"{DATASCHEMA}/2", f"{DATASCHEMA}/3"]
    for one in told:
        schema = newest.get(schema_of(one["dataschema"])).json()
        assert jsonschema_rs.validator_for(schema).is_valid(one["data"]), one["dataschema"]


def test_the_schema_of_each_version_is_served(newest: Service) -> None:
    """What a line's ``dataschema`` names is there for ever; without a version it is the one that appends are held to."""
    served = [newest.get(f"{DATASCHEMA}/{version}").json() for version in (1, 2, 3)]
    assert [{*one["properties"]} - COMMON for one in served] == [
        {"speakers", "act", "about", "text"},
        {"speakers", "verb", "about", "text", "remark"},
        {"delegations", "verb", "about", "text"},
    ]
    assert newest.get(DATASCHEMA).json() == served[2]
    listed = {one["type"]: one["dataschema"] for one in newest.get("/v1/event-types").json()["items"]}
    assert listed[TYPE] == f"{DATASCHEMA}/3"
    assert listed["meeting.held"] == "/v1/event-types/meeting.held/1"
    for version in (0, -1, 4):
        assert "the newest is 3" in problem_of(newest.get(f"{DATASCHEMA}/{version}"), 404)["detail"]


def test_appends_are_held_to_the_current_version(newest: Service) -> None:
    """An older shape is refused with a pointer, also as a replacement, and nobody but the ledger says which one it is."""
    size = newest.size()
    assert "/data/act" in pointers_of(newest.post(said(20, act="noted")))
    assert "/data/replacement/data/act" in pointers_of(newest.post(corrected(21, 6, act="noted")))
    posing = corrected(22, 6, verb="noted")
    for version in (1, 3):
        posing["data"]["replacement"]["dataschema"] = f"{DATASCHEMA}/{version}"
        problem = problem_of(newest.post(posing), 422)
        assert "leave it out" in problem["detail"]
    assert newest.size() == size


def test_what_was_recorded_in_an_older_version_is_repeated_in_the_newest(newest: Service) -> None:
    """Who sends the same again after an upgrade gets the first answer; who says something else under its id, a 422."""
    noted, doubted = said(7, verb="noted"), corrected(11, 9, verb="disagreed", about=["party:ind"])
    doubted["data"]["replacement"]["note"] = "In passing"
    for again, position in ((noted, 7), (doubted, 11)):
        response = newest.post(again)
        assert (response.status_code, response.headers["idempotency-replayed"]) == (200, "true")
        assert response.json()["events"][0]["position"] == position
    problem_of(newest.post(said(7, verb="denied")), 422)
    problem_of(newest.post(said(7, verb="noted", text="Twice")), 422)
    problem_of(newest.post(corrected(11, 9, verb="agreed", about=["party:ind"])), 422)


@pytest.mark.parametrize(("version", "unknown"), [(1, [10, 11, 12, 13]), (2, [12, 13])])
def test_a_newer_version_is_never_guessed(
    newest: Service, location: LedgerLocation, command: Command, version: int, unknown: list[int]
) -> None:
    """An older process names type and version of what it cannot read, gives its bytes, and goes on with all else."""
    tell(newest, THIRD)
    lines = newest.get("/v1/events", NDJSON, limit=1_000).text
    with pytest.MonkeyPatch.context() as patch:
        upgrade(patch, version)
        assert command("export").stdout == lines
        found = [one for one in rows(command("audit", code=3)) if "is of the schema" in one["finding"]]
        assert [one["position"] for one in found] == unknown
        for one in found:
            assert f"{TYPE} is of the schema {DATASCHEMA}/" in one["finding"]
            assert f"the newest that is known here is {DATASCHEMA}/{version}" in one["finding"]
        assert f"entry {unknown[0]} cannot be projected" in command("rebuild", code=4).stderr
        with running(location) as service:
            assert service.get(f"/v1/events/{unknown[0]}").status_code == 200
            problem = problem_of(service.post(event("meeting.cancelled", TALKS, reason="No quorum")), 503)
            assert problem["type"] == "/problems/unreadable"
            assert f"{TYPE} is of the schema {DATASCHEMA}/" in problem["detail"]
            assert service.post(event("party.renamed", "party:usa", name="The States")).status_code == 201


@pytest.mark.parametrize("data", [{"act": 7}, {"verb": "noted"}, {"speakers": "x", "act": "noted"}, {"about": {}}])
def test_an_old_line_that_does_not_fit_its_own_schema_is_unreadable(
    newest: Service, owner: Connection, command: Command, data: dict[str, Any]
) -> None:
    """It is held to the schema that it names before anything is made of it: an audit names it, and no read fails."""
    spoilt = json.loads(line_of(owner, 7))
    spoilt["data"] = {name: value for name, value in spoilt["data"].items() if name in COMMON} | data
    tamper(owner, SPOIL, json.dumps(spoilt), 7)
    assert {one["position"] for one in rows(command("audit", code=3))} == {7}
    for path in ("", "/history", "/timeline", "/diff?from=1&to=8"):
        assert newest.get(f"/v1/meetings/talks{path}", ADMIN).status_code == 200
    assert problem_of(newest.post(said(20, verb="noted")), 503)["type"] == "/problems/unreadable"


# --- golden files


@pytest.mark.parametrize("kind", [*SUBJECTS])
def test_golden_lines_read_as_they_always_did(kind: str) -> None:
    """Each line that was ever written is read as what is kept beside it, in whichever version it was written."""
    lines, facts = kept_lines(kind), kept_facts(kind)
    assert [told_by(line) for line in lines] == facts
    written = {schema_of(json.loads(line)["dataschema"]) for line in lines}
    assert written == {one for type_ in FACTS if type_.startswith(f"{kind}.") for one in FACTS[type_].schemas}


def test_a_changed_shape_is_a_new_version() -> None:
    """What fitted the schema of a version fits it for ever; what may be said besides stands in the golden file, too."""
    shapes = shapes_of(dict(FACTS))
    assert changed(kept_shapes(), shapes) == []
    assert kept_shapes() == shapes, "run `python -m tests.shapes`"


def test_a_new_version_leaves_the_older_ones_as_they_are() -> None:
    """With versions more of a type all kept shapes are there, as they were; changed without one, its fields are missed."""
    shapes = shapes_of({**FACTS, TYPE: Third})
    assert changed(kept_shapes(), shapes) == []
    assert shapes.keys() - kept_shapes().keys() == {f"{DATASCHEMA}/2", f"{DATASCHEMA}/3", "Delegation"}
    found = changed(kept_shapes(), shapes_of({**FACTS, TYPE: Unversioned}))
    assert set(found) == {f"{DATASCHEMA}/1/act", f"{DATASCHEMA}/1/verb"}


SCHEMA: Shapes = {
    "type": "object", "required": ["a"], "additionalProperties": False,
    "properties": {
        "a": {"type": "string", "minLength": 2, "maxLength": 5},
        "b": {"anyOf": [{"enum": ["x", "y"], "type": "string"}, {"type": "null"}], "default": None},
        "c": {"items": {"$ref": "#/$defs/Part"}, "type": "array"},
    },
}  # fmt: skip


def edited(edit: str) -> Shapes:
    new = deepcopy(SCHEMA)
    exec(edit, {"its": new["properties"], "required": new["required"], "branches": new["properties"]["b"]["anyOf"]})
    return new


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        ("", []),
        ("its['d'] = {'type': 'string', 'default': 'x'}", []),
        ("required.clear()", []),
        ("its['a'] |= {'minLength': 1, 'maxLength': 6}", []),
        ("del its['a']['minLength']", []),
        ("branches[0]['enum'].append('z')", []),
        ("branches.append({'type': 'integer'})", []),
        ("its['d'] = {'type': 'string'}; required.append('d')", ["/d"]),
        ("required.append('b')", ["/b"]),
        ("del its['a']", ["/a"]),
        ("its['e'] = its.pop('a')", ["/a"]),
        ("its['a']['minLength'] = 3", ["/a"]),
        ("its['a']['maxLength'] = 4", ["/a"]),
        ("its['a']['pattern'] = '^x'", ["/a"]),
        ("its['a']['type'] = 'integer'", ["/a"]),
        ("branches[0]['enum'].remove('x')", ["/b"]),
        ("branches.pop()", ["/b"]),
        ("its['b']['default'] = 'x'", ["/b"]),
        ("its['c']['items'] = {'$ref': '#/$defs/Other'}", ["/c"]),
        ("its['c']['minItems'] = 1", ["/c"]),
        ("its['b'] = {'items': its['b'], 'type': 'array'}", ["/b"]),
    ],
)
def test_what_is_a_changed_shape(edit: str, found: list[str]) -> None:
    """A field gone, renamed, newly required, of another form, or narrower; not one more that may be left out."""
    assert sorted(set(narrowed(SCHEMA, edited(edit)))) == found


def test_what_is_read_from_the_line_as_it_stands_never_changes() -> None:
    """The database looks for some fields in the stored lines: they have one place and form in all versions of a type."""
    for type_, fact in FACTS.items():
        first, *later = [shape.model_json_schema()["properties"] for shape in fact.schemas.values()]
        fixed = {"occurred", "sources"} | ({"sha256", "published"} if type_.startswith("source.") else set())
        fixed |= first.keys() if type_.startswith("entry.") else set()
        assert [name for name in fixed for one in later if one.get(name) != first.get(name)] == []


def test_an_older_shape_without_its_upcaster_is_no_shape() -> None:
    """A type cannot be declared so that what was recorded of it could not be read."""
    with pytest.raises(TypeError, match="lacks the function upcast"):
        type("Changed", (Fact,), {}, type="party.changed_for_a_test", older=(Fact,))
