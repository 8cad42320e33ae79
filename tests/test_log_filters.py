"""The log, narrowed: by type, subject, kind of subject, author and time of recording, as JSON, in files and in feeds."""

import json
import re
from itertools import product
from typing import Any

import pytest
from psycopg.sql import Literal

from api.http.auth import Role, create_key
from ledger.database.connection import Connection, LedgerLocation
from projections.feed import SQL as FEED
from projections.feed import Wanted, conditions
from tests.examples import INDIA, INDUS_X, THX, USA, event
from tests.service import Service, pointers_of, problem_of
from tests.test_pages import links, page, sent

pytest_plugins = ["tests.service", "tests.unreadable"]

NAMED = event("party.described", "party:usa", name="United States of America")


@pytest.fixture
def written(service: Service, location: LedgerLocation) -> Service:
    """Entries 1 to 4 by the admin, 5 and 6 by the clerk; each was recorded at a time of its own."""
    with location.connect() as connection:
        clerk = {"Authorization": f"Bearer {create_key(connection, 'clerk', Role.admin)}"}
    for one in (THX, USA, INDIA, INDUS_X):
        service.given(one)
    for one in (NAMED, event("entry.annotated", "initiative:indus-x", target=4, text="A note")):
        assert service.client.post("/v1/events", json=one, headers=clerk).status_code == 201
    while service.follower.step():
        pass
    return service


def positions(service: Service, **params: Any) -> list[int]:
    """Of all pages, two at a time; the file and the feed have the same."""
    found: list[int] = []
    page = service.get("/v1/events", **params, limit=2)
    while True:
        told = page.json()
        found += [int(one["sequence"]) for one in told["events"]]
        if told["next"] is None:
            break
        page = service.get(page.links["next"]["url"])
    lines = service.get("/entries.jsonl", **params).text.splitlines()
    assert [int(json.loads(line)["sequence"]) for line in lines] == found
    feed = service.get("/entries.atom", **params).text
    assert feed.count("<entry>") == len(found)
    return found


def test_each_filter_finds_its_own(written: Service) -> None:
    """Alone and together; what nothing fits is an empty log."""
    assert positions(written) == [1, 2, 3, 4, 5, 6]
    assert positions(written, author="clerk") == [5, 6]
    assert positions(written, author="nobody") == []
    assert positions(written, kind="party") == [2, 3, 5]
    assert positions(written, kind="party", author="admin") == [2, 3]
    assert positions(written, kind="initiative") == [4, 6]  # a correction stands in the stream that it corrects
    assert positions(written, type="party.registered", kind="party", subject="party:usa") == [2]
    assert positions(written, author="clerk", after=5) == [6]
    assert positions(written, author="admin", known_at=3) == [1, 2, 3]


def test_the_page_of_the_log_takes_every_filter_of_the_api(written: Service) -> None:
    """Alone and together, with as many as there are; its form sends all of them again, and its files have the same."""
    times = [one["recordedtime"] for one in written.get("/v1/events").json()["events"]]
    for given in (
        {"author": "clerk"}, {"kind": "party"}, {"type": "party.registered"}, {"subject": "party:usa"}, {"after": "4"},
        {"from": times[4]}, {"to": times[1]}, {"from": times[1], "to": times[3], "kind": "party"}, {"author": "nobody"},
    ):  # fmt: skip
        html, found = page(written, "/entries", **given), positions(written, **given)
        assert [int(one) for one in re.findall(r'class="entry" href="/entries/(\d+)', html)] == found, given
        assert f"<p>{len(found)} of 6" in html, given
        assert sent(html, "/entries") == given
        [rows] = [one for one in links(html) if one.startswith("/entries.jsonl")]
        assert len(written.get(rows).text.splitlines()) == len(found)


def test_filters_are_those_of_the_stream(written: Service, subtests: pytest.Subtests) -> None:
    """The same words take the same entries, whether they are read or followed."""
    told = written.get("/v1/openapi.json").json()["paths"]
    names = {"type", "subject", "kind", "author"}
    of = {
        path: {one["name"]: one["schema"] for one in told[path]["get"]["parameters"] if one["name"] in names}
        for path in ("/v1/events", "/v1/events/stream", "/entries.{suffix}")
    }
    assert of["/v1/events"].keys() == names
    assert of["/v1/events"] == of["/v1/events/stream"] == of["/entries.{suffix}"]


def test_from_and_to_are_times_of_recording(written: Service) -> None:
    """Both are included, to the microsecond; what lies outside all entries finds all, or none."""
    times = [one["recordedtime"] for one in written.get("/v1/events").json()["events"]]
    for first, last in product(range(6), range(6)):
        expected = [number for number in range(1, 7) if first < number <= last + 1]
        assert positions(written, **{"from": times[first], "to": times[last]}) == expected, (first, last)
    assert positions(written, **{"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z"}) == [1, 2, 3, 4, 5, 6]
    assert positions(written, **{"from": "9999-12-31T23:59:59Z"}) == positions(written, to="0001-01-01T00:00:00Z") == []
    assert positions(written, **{"from": times[1], "author": "clerk", "to": times[4]}) == [5]
    assert positions(written, **{"from": times[1], "after": 3}) == [4, 5, 6]
    file = written.get("/entries.csv", **{"from": times[1], "known_at": 4})
    assert "from=" in file.headers["content-location"]
    assert written.get(file.headers["content-location"]).content == file.content


def test_what_is_no_filter_is_refused(written: Service) -> None:
    """Words that are none, with the one that was meant; times that are none, with why."""
    for path in ("/v1/events", "/entries.csv", "/v1/events/stream"):
        assert "did you mean party?" in problem_of(written.get(path, kind="partys"), 422)["detail"]
        assert "did you mean party.registered?" in problem_of(written.get(path, type="party.register"), 422)["detail"]
        assert pointers_of(written.get(path, author="")) == ["author"]
    for path, name in product(("/v1/events", "/entries.csv"), ("from", "to")):
        for value in ("3", "2026-01-01", "2026-01-01T00:00:00", "x"):
            problem = problem_of(written.get(path, **{name: value}), 422)
            assert [one["pointer"] for one in problem["errors"]] == [name]
            assert "2026-06-01T00:00:00Z" in problem["detail"]


def test_the_page_of_the_log_takes_the_same_filters(written: Service) -> None:
    """A link to the data is a link to the page: at the same address, with the same query."""
    page = written.get("/entries", author="clerk").text
    assert 'href="/entries/5' in page
    assert 'href="/entries/4' not in page


MANY = """
insert into entries (position, stream, version, type, entry_id, recorded_at, body)
select position, stream, 1, type, gen_random_uuid(), now(), json_build_object('authid', author, 'data', repeat('x', 500))
  from generate_series(1, 20000) as position,
       lateral (select position % 5000 = 0 as rare) as found,
       lateral (select case when rare then 'party:p' else 'initiative:i' end || position as stream,
                       case when rare then 'party.renamed' else 'initiative.reported' end as type,
                       case when rare then 'rare' else 'many' end as author) as told
"""


def blocks_read(owner: Connection, wanted: Wanted) -> int:
    """How many blocks of the database a page of the log is made from."""
    told, given = conditions(wanted)
    query = FEED["log"].format(wanted=told, direction="asc")
    for name, value in (given | {"after": 0, "upto": 20_000, "limit": 100}).items():
        query = query.replace(f"%({name})s", Literal(value).as_string(owner))
    [[[plan]]] = owner.execute(f"explain (analyze, buffers, format json) {query}").fetchall()
    return int(plan["Plan"]["Shared Hit Blocks"]) + int(plan["Plan"]["Shared Read Blocks"])


def test_a_page_costs_what_it_shows_and_not_what_it_passes_over(owner: Connection, subtests: pytest.Subtests) -> None:
    """The few entries of an author, a type, a kind or a subject among 20,000 are found without looking at the others."""
    owner.execute("alter table entries disable trigger versions_follow")
    owner.execute(MANY)
    owner.execute("vacuum analyze entries")
    for wanted in (
        Wanted(authors=("rare",)), Wanted(authors=("nobody",)), Wanted(types=("party.renamed",)),
        Wanted(subjects=("party:p5000",)), Wanted(kinds=("party",)), Wanted(kinds=("party",), authors=("many",)), Wanted(),
    ):  # fmt: skip
        with subtests.test(wanted=wanted):
            assert blocks_read(owner, wanted) < 30
    assert blocks_read(owner, Wanted(kinds=("party", "meeting"))) > 500  # what it is without an index
