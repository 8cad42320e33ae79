"""Erasing a name: an entry tells that it was done and on what ground, the name goes with it, and nothing brings it back."""

from collections.abc import Iterator
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pytest
from httpx2 import Response

from api.http.auth import Role
from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded
from ledger.log.entry import read_line
from tests.commands import Command, rows
from tests.examples import INDUS_X, THX, USA, event
from tests.service import ADMIN, Service, pointers_of, problem_of, running, said
from tests.test_names import NAME, OTHER, PATHS, POINTER, TALKS, key_of, persons

pytest_plugins = ["tests.commands", "tests.service"]

TALKS_ID = str(uuid4())
ERASED = {"position": 5, "ground": "consent_withdrawn"}


@pytest.fixture
def peopled(service: Service) -> Service:
    """A ledger that everybody may read, and that tells of a meeting of two persons at position 4."""
    service.given(THX, USA, INDUS_X, TALKS | {"id": TALKS_ID})
    return service


@pytest.fixture
def owner(server: Embedded, location: LedgerLocation) -> Iterator[Connection]:
    with LedgerLocation(server.owner_dsn, location.schema).connect() as connection:
        yield connection


def erase(service: Service, headers: dict[str, str] = ADMIN, **body: Any) -> Response:
    """Erase the first name of the meeting, unless it is said otherwise."""
    what = {"entry": 4, "pointer": POINTER, "ground": "consent_withdrawn"} | body
    return service.client.post("/v1/erasures", json=what, headers=headers)


def held(connection: Connection) -> list[str]:
    return [name for (name,) in connection.execute("select value from disclosures order by value")]


# --- what it does


@pytest.mark.parametrize("path", PATHS)
def test_an_erased_name_is_shown_to_nobody(peopled: Service, path: str) -> None:
    """From the answer on, with no follower at work: now and as of then, every reader is told the ground and the entry that tells
    so, and who else was named stays named. Answers that were kept are void, and so are their ETags."""
    # given
    tags = {who: peopled.get(path, headers).headers["etag"] for who, headers in (("all", {}), ("admin", ADMIN))}
    # when
    answer = erase(peopled)
    # then
    assert (answer.status_code, answer.json()["position"], answer.json()["events"][0]["anomalies"]) == (201, 5, [])
    for headers, tag, other in (({}, tags["all"], {"withheld": True}), (ADMIN, tags["admin"], {"name": OTHER})):
        again = peopled.get(path, headers | {"If-None-Match": tag})
        assert again.status_code == 200
        assert NAME not in again.text
        for person in persons(again.json()):
            told = {name: one for name, one in person.items() if name not in ("commitment", "entry", "pointer")}
            assert told == ({"erased": ERASED} if person["pointer"] == POINTER else other)


def test_the_entry_stays_as_it_is(peopled: Service, reader: Connection) -> None:
    """Its bytes and commitment stay, and what told the name is gone; the erasure is an entry of the same stream, by whom it was,
    without the name."""
    before = peopled.get("/v1/events/4").content
    erase(peopled)
    assert peopled.get("/v1/events/4").content == before
    assert held(reader) == [OTHER]
    opened = peopled.get("/v1/events/4?disclose=true", ADMIN).json()["disclosures"]
    assert [one["value"] for one in opened.values()] == [OTHER]
    told = read_line(peopled.get("/v1/events/5").text)
    assert (told.type, told.originator_id, told.originator_version) == ("entry.value_erased", "meeting:talks", 2)
    assert {"target": TALKS_ID, "pointer": POINTER, "ground": "consent_withdrawn"}.items() <= told.data.items()
    assert told.authid == "admin"
    assert 'rel="related"' in peopled.get("/v1/events/4").headers["link"]
    peopled.follower.step()
    [of_talks, _] = peopled.get("/v1/meetings/talks/history").json()["items"]
    assert [(one["type"], one["pointer"], one["ground"]) for one in of_talks["corrections"]] == [
        ("entry.value_erased", POINTER, "consent_withdrawn")
    ]


def test_every_process_forgets_it_at_once(peopled: Service) -> None:
    """Another process of the service, which has the answer in its memory, gives it no more."""
    with running(peopled.location) as other:
        assert all(NAME in other.get(path, ADMIN).text for path in PATHS)
        erase(peopled)
        assert not any(NAME in other.get(path, ADMIN).text for path in PATHS)
        cache = other.client.app.app_state.cache  # type: ignore[attr-defined]
        assert not any(NAME.encode() in said(kept.response) for kept in cache.answers.values())


def test_a_name_in_a_replacement_is_erased_like_any(peopled: Service, reader: Connection) -> None:
    """The entry that corrects another may name persons of its own; the struck one still does. Each is erased by itself."""
    instead = {
        "type": "meeting.held",
        "sources": TALKS["sources"],
        "data": {"title": "T", "participants": [{"person": NAME}]},
    }
    peopled.given(
        event("entry.superseded", "meeting:talks", target=4, reason_code="wrong_party", reason="R", replacement=instead)
    )
    assert held(reader) == [NAME, NAME, OTHER]
    assert erase(peopled, entry=5, pointer="/data/replacement/data/participants/0/person").status_code == 201
    assert erase(peopled, entry=TALKS_ID).status_code == 201
    assert held(reader) == [OTHER]
    assert persons(peopled.get("/v1/meetings/talks", ADMIN).json())[0]["erased"]["position"] == 6


# --- what is refused


def test_only_admins_erase(peopled: Service, reader: Connection) -> None:
    """Without a key it is 401, with a reader's or an auditor's 403, and the name stays."""
    problem_of(erase(peopled, {}), 401)
    for role in (Role.reader, Role.auditor):
        problem_of(erase(peopled, key_of(peopled.location, role)), 403)
    assert held(reader) == [NAME, OTHER]


@pytest.mark.parametrize(
    ("body", "status", "rule"),
    [
        ({"pointer": "/data/participants/2/person"}, 409, "nothing_to_erase"),
        ({"pointer": "/data/participants/0"}, 409, "nothing_to_erase"),
        ({"pointer": "/data/title"}, 409, "nothing_to_erase"),
        ({"entry": 2}, 409, "nothing_to_erase"),
        ({"entry": 99}, 404, None),
        ({"entry": str(uuid4())}, 404, None),
    ],
)
def test_what_names_nobody_is_not_erased(peopled: Service, body: dict[str, Any], status: int, rule: str | None) -> None:
    """The refusal says where the entry does name persons; nothing is recorded."""
    told = problem_of(erase(peopled, **body), status)
    assert told.get("rule") == rule
    assert rule is None or body.get("entry") or POINTER in told["detail"]
    assert peopled.size() == 4


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"entry": 0}, "/entry"), ({"entry": "four"}, "/entry"), ({"entry": None}, "/entry"), ({"pointer": ""}, "/pointer"),
        ({"pointer": "/note"}, "/pointer"), ({"pointer": 3}, "/pointer"), ({"ground": "because"}, "/ground"),
        ({"ground": None}, "/ground"), ({"id": "x"}, "/id"), ({"name": NAME}, "/name"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(peopled: Service, body: dict[str, Any], pointer: str) -> None:
    """Each fault is pointed at where it stands, and a name that was sent is not repeated."""
    answer = erase(peopled, **body)
    assert all(one.startswith(pointer) for one in pointers_of(answer))
    assert NAME not in answer.text


def test_a_name_is_erased_once(peopled: Service) -> None:
    """A second erasure is refused, and names the first; the same sent again, by its id or key, is answered as the first time."""
    mine = str(uuid4())
    assert erase(peopled, id=mine).status_code == 201
    assert erase(peopled, id=mine).json()["position"] == 5
    assert erase(peopled, id=mine).status_code == 200
    told = problem_of(erase(peopled), 409)
    assert (told["rule"], "entry 5" in told["detail"]) == ("already_erased", True)
    keyed = ADMIN | {"Idempotency-Key": "other"}
    second = "/data/participants/1/person"
    assert [erase(peopled, keyed, pointer=second).status_code for _ in range(2)] == [201, 200]


# --- what does not bring it back


def test_what_is_sent_again_brings_no_name_back(peopled: Service, reader: Connection) -> None:
    """The same id with another name is refused as long as the name is held; after the erasure the same event changes nothing, and
    nobody can tell any more which name it was; but all else must be as it was."""
    other = TALKS["data"] | {
        "participants": [{"party": "party:usa", "person": OTHER, "office": "Envoy"}, {"person": OTHER}]
    }
    assert problem_of(peopled.post(TALKS | {"id": TALKS_ID, "data": other}), 422)["rule"] == "id_reused"
    erase(peopled)
    again = peopled.post(TALKS | {"id": TALKS_ID})
    assert (again.status_code, again.json()["position"]) == (200, 4)
    assert problem_of(peopled.post(TALKS | {"id": TALKS_ID, "occurred": "2023"}), 422)["rule"] == "id_reused"
    assert held(reader) == [OTHER]


def test_what_is_recorded_and_erased_at_once_is_never_held(peopled: Service, reader: Connection) -> None:
    """Of one request that names somebody and erases the name, the database keeps none."""
    mine = str(uuid4())
    told = event("meeting.attendance_recorded", "meeting:talks", "2024-09-10", participants=[{"person": "D. Canary"}])
    gone = event(
        "entry.value_erased", "meeting:talks", sources=[], target=mine, pointer=POINTER, ground="recorded_in_error"
    )
    peopled.given(told | {"id": mine}, gone)
    assert held(reader) == [NAME, OTHER]
    assert persons(peopled.get("/v1/meetings/talks", ADMIN).json())[-1]["erased"]["ground"] == "recorded_in_error"


def test_the_service_takes_no_name_away_without_an_entry(
    peopled: Service, reader: Connection, owner: Connection
) -> None:
    """Its role may neither delete a name nor tell of an erasure that the log does not tell of; and what is erased cannot be
    put back, not even by the owner."""
    for statement in ("delete from disclosures", "update disclosures set value = ''", "delete from erasures",
                      "insert into erasures select entry_id, pointer, 4, 'other' from disclosures"):  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute(statement)
    erase(peopled)
    for connection in (reader, owner):
        connection.execute("insert into disclosures values (%s, %s, '', %s)", [TALKS_ID, POINTER, NAME])
    assert held(reader) == [OTHER]


@pytest.mark.parametrize("how", ["the service starts", "another epoch begins"])
def test_a_backup_of_the_names_brings_none_back(
    peopled: Service, owner: Connection, command: Command, how: str
) -> None:
    """Where an old copy of the names was put back past every trigger, what the log tells to be erased is erased again, and
    answers made meanwhile are void."""
    # given
    owner.execute("create temporary table backup as table disclosures")
    erase(peopled)
    with owner.transaction():
        owner.execute("alter table disclosures disable trigger user")
        owner.execute("alter table erasures disable trigger user")
        owner.execute("delete from disclosures")
        owner.execute("delete from erasures")
        owner.execute("insert into disclosures select * from backup")
        owner.execute("alter table disclosures enable always trigger erased_names_stay_away")
    assert held(owner) == [NAME, OTHER]
    shown = peopled.get("/v1/meetings/talks", ADMIN)
    # when
    if how == "the service starts":
        with running(peopled.location) as other:
            other.get("/v1/health")
    else:
        command("restored")
    # then
    assert held(owner) == [OTHER]
    again = peopled.get("/v1/meetings/talks", ADMIN | {"If-None-Match": shown.headers["etag"]})
    assert (again.status_code, NAME in again.text) == (200, False)
    assert erase(peopled).status_code == 409


# --- the command line


def test_what_is_held_of_a_person_is_told_and_erased(peopled: Service, command: Command, reader: Connection) -> None:
    """`ledger person` finds a name whatever its case, accents and form of Unicode, by all the words that are given; what it
    shows is what `ledger erase` takes."""
    peopled.given(
        event("meeting.held", "meeting:more", "2024", title="M", participants=[{"person": "Böğa Canaríe-Ün"}])
    )
    found = rows(command("person", "canary b"))
    assert [(one["position"], one["subject"], one["type"], one["pointer"], one["name"]) for one in found] == [
        (4, "meeting:talks", "meeting.held", POINTER, NAME)
    ]
    for name in ("BOGA canarie UN", "bo\u0308g\u0306a CANARI\u0301E-un", "un-boga"):
        assert [one["position"] for one in rows(command("person", name))] == [5]
    assert "has the words 'canary bo'" in command("person", "canary bo", code=1).stderr
    for wordless in ("...", ""):
        assert "no word" in command("person", wordless, code=2).stderr
    told = rows(command("erase", found[0]["position"], found[0]["pointer"], "--ground", "article_17"))
    assert [one["position"] for one in told] == [6]
    assert held(reader) == ["Böğa Canaríe-Ün", OTHER]
    assert "was erased by entry 6" in command("erase", 4, POINTER, "--ground", "article_17", code=1).stderr
    command("erase", 4, POINTER, "--ground", "because", code=2)
    command("erase", 77, POINTER, "--ground", "other", code=1)


# --- the audit


def audited(command: Command, code: int = 0) -> tuple[str, list[tuple[int, str]]]:
    """What an audit counts of names, and what it finds."""
    done = command("audit", code=code)
    [counted] = [line for line in done.stderr.splitlines() if line.startswith("names of persons: ")]
    return counted.removeprefix("names of persons: "), [(one["position"], one["finding"]) for one in rows(done)]


def test_an_audit_tells_of_every_name(peopled: Service, command: Command) -> None:
    """How many names fit what the log commits to, and how many were erased as it tells."""
    assert audited(command) == ("2 verified, 0 erased, 0 lost, 0 missing, 0 mismatching", [])
    erase(peopled)
    assert audited(command) == ("1 verified, 1 erased, 0 lost, 0 missing, 0 mismatching", [])


@pytest.mark.parametrize(
    ("harm", "counted", "position", "said"),
    [
        ("delete from disclosures where pointer like '%/1/%'", "0 verified, 1 erased, 0 lost, 1 missing, 0 mismatching", 4, "is gone"),
        ("update disclosures set value = 'D. Canary'", "0 verified, 1 erased, 0 lost, 0 missing, 1 mismatching", 4, "commits to"),
        ("update disclosures set salt = '\\x00'", "0 verified, 1 erased, 0 lost, 0 missing, 1 mismatching", 4, "commits to"),
        ("insert into disclosures values ((select entry_id from entries where position = 2), '/data/name', '', 'x')",
         "1 verified, 1 erased, 0 lost, 0 missing, 0 mismatching", 2, "names nobody"),
        ("insert into erasures select entry_id, pointer, 4, 'other' from disclosures",
         "1 verified, 1 erased, 0 lost, 0 missing, 0 mismatching", 4, "no entry tells so"),
        ("with gone as (delete from disclosures returning *) insert into erasures select entry_id, pointer, 5, 'other' from gone",
         "0 verified, 1 erased, 0 lost, 1 missing, 0 mismatching", 4, "is gone"),
    ],
)  # fmt: skip
def test_an_audit_finds_what_was_done_to_names(
    peopled: Service, command: Command, owner: Connection, harm: LiteralString, counted: str, position: int, said: str
) -> None:
    """By the database's superuser, past all rights: taken away without an entry that tells so, replaced, put where nobody is
    named, or noted as erased. The log is what counts, not what is noted beside it."""
    erase(peopled)
    owner.execute(harm)
    told, findings = audited(command, code=3)
    assert told == counted
    assert [one for one in findings if one[0] == position and said in one[1]]


def test_an_audit_finds_a_name_that_came_back(peopled: Service, command: Command, owner: Connection) -> None:
    """What was erased and is held all the same is a finding, which says what to do; and that helps."""
    owner.execute("create temporary table backup as table disclosures")
    erase(peopled)
    owner.execute("alter table disclosures disable trigger user")
    owner.execute("insert into disclosures select * from backup where pointer = %s", [POINTER])
    owner.execute("alter table disclosures enable always trigger erased_names_stay_away")
    assert NAME not in peopled.get("/v1/meetings/talks", ADMIN).text
    _, [(position, said)] = audited(command, code=3)
    assert (position, "entry 5 tells" in said, "`ledger restored`" in said) == (4, True, True)
    command("restored")
    assert audited(command)[1] == []
