"""Who sees the names of persons: keys of the role auditor or admin, and everybody where names are public."""

import json
from typing import Any

import pytest

from api.http.auth import Role, create_key
from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded
from tests.commands import Command, rows
from tests.examples import INDUS_X, THX, USA, event
from tests.service import ADMIN, Service, problem_of, running

pytest_plugins = ["tests.commands", "tests.service"]

NAME = "B. Canary"
OTHER = "C. Canary"
TALKS = event(
    "meeting.held", "meeting:talks", "2024-09-10", title="Talks", initiatives=["initiative:indus-x"],
    participants=[{"party": "party:usa", "person": NAME, "office": "Envoy"}, {"person": OTHER}],
)  # fmt: skip
PINNED = "known_at=4&valid_at=2025-01-01"
PATHS = (
    "/v1/meetings/talks",
    f"/v1/meetings/talks?{PINNED}",
    "/v1/meetings",
    "/v1/initiatives/indus-x",
    "/v1/meetings/talks/timeline",
    "/v1/meetings/talks/history",
    "/v1/meetings/talks/diff?from=1",
    "/v1/initiatives/indus-x/timeline",
)
"""Each read that shows a person."""
POINTER = "/data/participants/0/person"
Headers = dict[str, str]


@pytest.fixture
def peopled(service: Service) -> Service:
    """A ledger that everybody may read, and that tells of a meeting of two persons at position 4."""
    service.given(THX, USA, INDUS_X, TALKS)
    return service


def key_of(location: LedgerLocation, role: Role) -> Headers:
    with location.connect() as connection:
        return {"Authorization": f"Bearer {create_key(connection, f'a-{role.name}', role)}"}


def persons(value: Any) -> list[dict[str, Any]]:
    """Each person in an answer."""
    if isinstance(value, dict) and "commitment" in value and "pointer" in value:
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [person for one in inside for person in persons(one)]


@pytest.mark.parametrize("path", PATHS)
def test_names_are_for_auditors_and_admins(peopled: Service, path: str) -> None:
    """Without a key and with a reader's, an answer says that a name is withheld, and tells party and office; with an auditor's
    or an admin's it tells the name."""
    reader, auditor = (key_of(peopled.location, role) for role in (Role.reader, Role.auditor))
    for headers in ({}, reader):
        answer = peopled.get(path, headers)
        assert "Canary" not in answer.text
        assert all(one["withheld"] is True for one in persons(answer.json()))
        assert len(persons(answer.json())) >= 2
    for headers in (auditor, ADMIN):
        found = persons(peopled.get(path, headers).json())
        assert {one["name"] for one in found} == {NAME, OTHER}
        assert not any("withheld" in one for one in found)
    [first, _] = peopled.get("/v1/meetings/talks").json()["participants"]
    assert (first["party"], first["office"]) == ("party:usa", "Envoy")


@pytest.mark.parametrize("path", PATHS)
def test_names_are_for_everybody_where_they_are_public(location: LedgerLocation, path: str) -> None:
    """With LEDGER_PUBLIC_NAMES, whoever may read sees them, and an answer is the same for all; salts stay an auditor's."""
    with running(location, public_names=True) as service:
        service.given(THX, USA, INDUS_X, TALKS)
        mine, theirs = service.get(path), service.get(path, ADMIN)
        assert {one["name"] for one in persons(mine.json())} == {NAME, OTHER}
        assert (mine.text, mine.headers["etag"]) == (theirs.text, theirs.headers["etag"])
        assert mine.headers["cache-control"] == "no-cache"
        problem_of(service.get("/v1/events/4?disclose=true"), 401)
    with running(location, public_names=True, public_reads=False) as closed:
        problem_of(closed.get(path), 401)


@pytest.mark.parametrize("path", PATHS)
def test_no_answer_with_names_is_given_to_who_may_not_see_them(peopled: Service, path: str) -> None:
    """Whoever asked before, and however often: answers that are kept are kept apart, and so are their ETags. What depends on
    the key is for no shared cache."""
    with_names, without = peopled.get(path, ADMIN), peopled.get(path)
    for _ in range(2):
        assert "Canary" in peopled.get(path, ADMIN).text
        assert "Canary" not in peopled.get(path).text
    assert with_names.headers["etag"] != without.headers["etag"]
    assert {one.headers["cache-control"] for one in (with_names, without)} == {"private, no-cache"}
    for headers, first, other in (({}, without, with_names), (ADMIN, with_names, without)):
        assert peopled.get(path, headers | {"If-None-Match": first.headers["etag"]}).status_code == 304
        assert peopled.get(path, headers | {"If-None-Match": other.headers["etag"]}).status_code == 200


def test_an_answer_that_names_nobody_is_the_same_for_all(peopled: Service) -> None:
    """Where no person is shown, nothing depends on the key."""
    for path in ("/v1/parties/usa", "/v1/parties", "/v1/events", "/v1/events/4", "/v1/due"):
        mine, theirs = peopled.get(path), peopled.get(path, ADMIN)
        assert (mine.text, mine.headers["etag"]) == (theirs.text, theirs.headers["etag"])
        assert mine.headers["cache-control"] == "no-cache"
        assert "Canary" not in theirs.text


def test_nobody_is_found_by_a_name(peopled: Service) -> None:
    """A text finds no person, whoever asks: so nobody learns by asking who is named."""
    for headers in ({}, ADMIN):
        assert peopled.get("/v1/meetings", headers, text="talks").json()["items"]
        for text in ("Canary", NAME, "b. can"):
            assert peopled.get("/v1/meetings", headers, text=text).json()["items"] == []


def test_names_stand_in_no_row(peopled: Service, reader: Connection) -> None:
    """Neither a row nor a line holds a name; and one that a row of an older version holds is shown to nobody."""
    docs = reader.execute("select doc from states").fetchall()
    assert "Canary" not in str(docs)
    assert POINTER in str(docs)
    reader.execute(
        """update states set doc = replace(doc, '"pointer":"/data/participants/0/person"',
                                           '"pointer":"/data/participants/0/person","name":"D. \\"Canary"')"""
    )
    assert "D. " in str(reader.execute("select doc from states").fetchall())
    for path in PATHS:
        assert "Canary" not in peopled.get(path).text
        assert "D. " not in peopled.get(path, ADMIN).text


def test_what_looks_like_a_person_is_none(service: Service) -> None:
    """A text with a commitment in it is a text, and a commitment of steel is one of steel."""
    text = json.dumps({"commitment": "A" * 43, "entry": "0" * 36, "pointer": "/data/x", "name": "D. Canary"})
    service.given(
        THX, USA, INDUS_X,
        event("initiative.described", "initiative:indus-x", objective=text),
        event("initiative.commitment_made", "initiative:indus-x", commitment="steel", strength="pledge"),
    )  # fmt: skip
    answer = service.get("/v1/initiatives/indus-x")
    assert answer.json()["objective"] == text
    assert answer.json()["commitments"][0]["commitment"] == "steel"
    assert answer.headers["cache-control"] == "no-cache"


def test_a_name_that_is_gone_is_told_to_be_missing(peopled: Service, server: Embedded) -> None:
    """Where nothing tells why a name is gone, who may see names is told that it is missing."""
    with LedgerLocation(server.owner_dsn, peopled.location.schema).connect() as owner:
        owner.execute("delete from disclosures where pointer = %s", [POINTER])
    told = persons(peopled.get("/v1/meetings/talks?min_position=1", ADMIN).json())
    assert [(one.get("name"), one.get("missing")) for one in told] == [(None, True), (OTHER, None)]


def test_a_dry_run_shows_the_names_that_it_was_given(peopled: Service) -> None:
    """What would be is shown with the names of the events themselves, and with those that are there."""
    more = event("meeting.attendance_recorded", "meeting:talks", "2024-09-10", participants=[{"person": "D. Canary"}])
    answer = peopled.client.post("/v1/events?dry_run=true", json=more, headers=ADMIN)
    [touched] = answer.json()["states"]
    assert [one["name"] for one in persons(touched["before"])] == [NAME, OTHER]
    assert [one["name"] for one in persons(touched["after"])] == [NAME, OTHER, "D. Canary"]


def test_the_command_line_shows_names(peopled: Service, command: Command) -> None:
    """Who works on the database itself sees what it holds: in a state, and in what an entry changed."""
    assert NAME in command("show", "meeting:talks").stdout
    assert NAME in json.dumps(rows(command("replay", "--subject", "meeting:talks")))
    assert "Canary" not in command("export").stdout
