"""Answers about streams as they stand, while others grow: told again with another basis, and never once they are another."""

from itertools import count
from random import Random
from typing import Any

import pytest
from httpx2 import Response
from psycopg import sql

from api.http import response_cache
from ledger.database.connection import Connection
from ledger.database.embedded import Embedded
from ledger.vocabulary.registry import KINDS
from projections import touched
from tests import generator
from tests.examples import INDIA, INDUS_X, THX, USA, event
from tests.generator import Generator
from tests.service import ADMIN, Service

pytest_plugins = ["tests.service"]

PANEL = event("meeting.held", "meeting:panel", "2024-09-10", title="Panel", initiatives=["initiative:indus-x"],
              participants=[{"person": "A. Canary"}])  # fmt: skip
TALKS = event("meeting.held", "meeting:talks", "2024-09-11", title="Talks")
PATHS = [
    "/v1/initiatives/indus-x", "/v1/initiatives/indus-x?fields=status", "/v1/initiatives/indus-x?fields=basis",
    "/v1/initiatives/indus-x?valid_at=2050-01-01", "/v1/initiatives", "/v1/initiatives?text=indus&facets=true",
    "/v1/meetings?limit=1&count=true", "/v1/meetings/panel", "/v1/meetings/panel/history", "/v1/initiatives/indus-x/timeline",
    "/v1/initiatives/indus-x/timeline?limit=1",
]  # fmt: skip


@pytest.fixture
def seeded(service: Service) -> Service:
    service.given(THX, USA, INDIA, INDUS_X, PANEL, TALKS)
    return service


def party(number: int) -> dict[str, Any]:
    return event("party.registered", f"party:p{number}", sources=[], name="P", kind="company")


ANEW = count(1)


def anew(service: Service, path: str, headers: dict[str, str]) -> Response:
    """The same answer worked out for the first time: nobody has asked in these words."""
    return service.get(f"{path}{'' if '?' in path else '?'}{'&' * next(ANEW)}", headers)


def all_of(answer: Response) -> tuple[int, bytes, dict[str, str]]:
    """All that an answer says, but for the request's own id."""
    body = answer.content.replace(answer.headers["request-id"].encode(), b"")
    return answer.status_code, body, {**answer.headers, "request-id": ""}


@pytest.mark.parametrize("coding", ["identity", "gzip"])
@pytest.mark.parametrize("key", [{}, ADMIN])
def test_what_is_appended_to_others_changes_the_basis_alone(
    seeded: Service, asked: list[Any], subtests: pytest.Subtests, coding: str, key: dict[str, str]
) -> None:
    """It is told again without a question to the database, with the basis that holds by now, as if it were worked out anew."""
    headers = {"Accept-Encoding": coding, **key}
    before = {path: seeded.get(path, headers) for path in PATHS}
    [recorded] = seeded.given(party(1))
    for path in PATHS:
        with subtests.test(path):
            asked.clear()
            answer = seeded.get(path, headers)
            assert asked == []
            assert answer.headers["ledger-position"] == str(recorded["position"])
            assert answer.json()["basis"]["known_at"] == recorded["position"]
            assert all_of(answer) == all_of(anew(seeded, path, headers))
            if "limit" not in path:
                assert answer.headers["etag"] == before[path].headers["etag"]
            known = seeded.get(path, headers | {"If-None-Match": answer.headers["etag"]})
            assert (known.status_code, known.content) == (304, b"")
            assert known.headers["ledger-position"] == str(recorded["position"])
            assert seeded.get(path, headers).content == answer.content


@pytest.mark.parametrize(
    "appended",
    [
        event("initiative.claim_recorded", "initiative:indus-x", "2024-10-01", text="It grows"),
        event("meeting.held", "meeting:more", "2024-10-02", title="More", initiatives=["initiative:indus-x"]),
        event("entry.voided", "meeting:panel", sources=[], target=5, reason_code="test_entry", reason="R"),
        event("source.retracted", "source:thx", sources=[], reason="The publisher took it back"),
        event("entry.value_erased", "meeting:panel", sources=[], target=5, pointer="/data/participants/0/person", ground="other"),
    ],
    ids=lambda one: one["type"],
)  # fmt: skip
def test_what_touches_a_state_shows_in_the_very_next_answer(seeded: Service, appended: dict[str, Any]) -> None:
    """Its own entries, those of what belongs to it or did, a source that is retracted, a name that is erased."""
    paths = [path for path in PATHS if "fields" not in path]
    before = {path: seeded.get(path, ADMIN) for path in paths}
    seeded.given(appended)
    moved = {path for path in paths if seeded.get(path, ADMIN).headers.get("etag") != before[path].headers["etag"]}
    assert "/v1/initiatives/indus-x" in moved
    for path in paths:
        assert all_of(seeded.get(path, ADMIN)) == all_of(anew(seeded, path, ADMIN)), path


def test_what_stands_apart_is_not_told_again(seeded: Service, server: Embedded) -> None:
    """A list of what is late is read from two projections: it says as of which entry both are, and what it left out comes with
    the one that was behind."""
    seeded.given(INDUS_X, event("milestone.scheduled", "milestone:m", title="M", due="2020", of=["initiative:indus-x"]))
    late = "/v1/milestones?overdue=true"
    assert len(seeded.get(late).json()["items"]) == 1
    size = seeded.size()
    with Connection.connect(server.owner_dsn, autocommit=True) as owner:
        progress = sql.SQL("update {}.projections set position = position + %s where name = 'due'").format(
            sql.Identifier(seeded.location.projections)
        )
        owner.execute(progress, [-1])
        assert seeded.get(late).json()["basis"]["known_at"] == size - 1
        assert seeded.get("/v1/milestones?status=scheduled").json()["basis"]["known_at"] == size
        owner.execute(progress, [1])
    assert all_of(seeded.get(late)) == all_of(anew(seeded, late, {}))


def test_where_it_is_not_known_what_was_touched_everybody_is_answered(seeded: Service, server: Embedded) -> None:
    """As beside rows of another version: answers are worked out anew, and none is refused."""
    path = "/v1/parties/usa/history"
    assert seeded.get(path).status_code == 200
    with Connection.connect(server.owner_dsn, autocommit=True) as owner:
        table, other = (sql.Identifier(seeded.location.projections, name) for name in ("refs", "refs_once"))
        owner.execute(sql.SQL("alter table {} rename to refs_once").format(table))
        assert seeded.post(party(9)).status_code == 201
        for asked in (path, "/v1/events", "/v1/health"):
            assert seeded.get(asked).status_code == 200
        owner.execute(sql.SQL("alter table {} rename to refs").format(other))
    while seeded.follower.step():
        pass
    assert all_of(seeded.get(path)) == all_of(anew(seeded, path, {}))


def test_what_is_large_is_not_kept_to_be_told_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small it is once it is compressed: it would be made ready again at each growth, and count for more than there is."""
    service.given(THX, *[party(number) for number in range(40)])
    monkeypatch.setattr(response_cache, "LARGEST_BYTES", 8_000)
    path, headers = "/v1/parties?limit=40", {"Accept-Encoding": "gzip"}
    for number in (50, 51):
        assert service.get(path, headers).status_code == 200
        service.given(INDUS_X | {"subject": f"initiative:i{number}"})
    cache = service.client.app.app_state.cache  # type: ignore[attr-defined]
    kept = [one.response for one in cache.answers.values()]
    assert [one.said for one in kept if len(one.body) < 8_000] == [None] * len(kept) != []


Recorded = tuple[int, dict[str, Any]]


def test_every_answer_is_as_if_it_were_worked_out_anew(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is recorded, corrections of corrections among it: for every subject and list, for those who see names and those
    who do not, what is told again is what is worked out."""
    for name, few in (("SOURCES", 3), ("PARTIES", 8), ("OPEN_STREAMS", 5)):
        monkeypatch.setattr(generator, name, few)
    monkeypatch.setattr(touched, "MOST_ENTRIES", 8)
    random, recorded, told = Random(5), list[Recorded](), Generator().events(10_000)
    for _ in range(250):
        body = next(told) if len(recorded) < 16 or random.random() < 0.6 else _correction(random, recorded)
        if (response := service.post(body)).status_code == 201:
            recorded.append((response.json()["position"], body))
        if random.random() < 0.2:
            continue  # it comes with others
        while service.follower.step():
            pass
        for path in random.choices(_paths(recorded), k=5):
            headers: dict[str, str] = random.choice(({}, ADMIN))
            assert all_of(service.get(path, headers)) == all_of(anew(service, path, headers)), (path, body)
    types = {body["type"] for _, body in recorded}
    assert types >= {"entry.voided", "entry.superseded", "source.retracted"}


def _correction(random: Random, recorded: list[Recorded]) -> dict[str, Any]:
    """Of an entry by chance: struck, replaced by one that refers to another initiative; or a source that is retracted."""
    position, body = random.choice(recorded)
    if body["type"] == "source.registered":
        return event("source.retracted", body["subject"], sources=[], reason="R")
    refers = next((name for name in ("initiatives", "of") if name in body["data"]), None)
    why: dict[str, Any] = {"sources": [], "target": position, "reason_code": "wrong_party", "reason": "R"}
    if refers is None:
        return event("entry.voided", body["subject"], **why)
    others = [body["subject"] for _, body in recorded if body["type"] == "initiative.reported"]
    other = random.choice(["initiative:unheard-of", *others])
    replacement = {"type": body["type"], "sources": body["sources"], "data": body["data"] | {refers: [other]}}
    return event("entry.superseded", body["subject"], **why, replacement=replacement)


def _paths(recorded: list[Recorded]) -> list[str]:
    places = {tuple(body["subject"].split(":")) for _, body in recorded}
    plurals = {kind: KINDS[kind].plural for kind, _ in places}
    parts = ("", "", "", "/history", "/timeline", "/timeline?limit=2")
    ofs = [f"/v1/{plurals[kind]}/{name}{part}" for kind, name in sorted(places) for part in parts]
    lists = ("", "?limit=2", "?sort=-recorded&limit=3", "?party=party:p1", "?text=step&count=true&facets=true")
    due = ["/v1/milestones?overdue=true", "/v1/milestones?sort=due&limit=2"]
    return ofs + due * 10 + [f"/v1/{plural}{query}" for plural in sorted(plurals.values()) for query in lists]
