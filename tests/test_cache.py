"""Answers that are given again: the same to the byte, only while they are true, only to who may read, within a bound."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count, takewhile
from typing import Any

import pytest
from httpx2 import Response

from api.http.auth import Role, create_key, revoke_key
from api.http.lookup import CoalescedLookup, LookedUp
from api.http.response_cache import OVERHEAD_BYTES, Cache, CachedResponse, Question
from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded
from ledger.errors import Denied
from projections.basis import Watermarks
from projections.queries import LAST_DAY
from tests.examples import INDIA, INDUS_X, THX, USA, event
from tests.service import ADMIN, Service, problem_of, running, said
from tests.test_follow import _wait_until
from tests.unreadable import tamper

pytest_plugins = ["tests.service", "tests.unreadable"]

NDJSON = {"Accept": "application/x-ndjson"}
PANEL = event("meeting.held", "meeting:panel", "2024-09-10", title="Panel", initiatives=["initiative:indus-x"],
              participants=[{"person": "A. Canary"}])  # fmt: skip
PATHS = [
    "/v1/initiatives/indus-x", "/v1/initiatives", "/v1/parties?limit=1", "/v1/parties?sort=-id&count=true",
    "/v1/initiatives?status=reported", "/v1/initiatives/indus-x/timeline", "/v1/initiatives/indus-x/timeline?limit=1",
    "/v1/initiatives/indus-x/history", "/v1/initiatives/indus-x/diff?from=1", "/v1/events", "/v1/events?limit=2",
    "/v1/events/2", "/v1/meetings/panel", "/v1/meetings/panel?known_at=5&valid_at=2025-01-01",
]  # fmt: skip
HEADERS = [{}, NDJSON, {"If-None-Match": "*"}, {"If-None-Match": '"other"'}]


def party(number: int) -> dict[str, Any]:
    return event("party.registered", f"party:p{number}", sources=[], name="P", kind="company")


@pytest.fixture
def seeded(service: Service) -> Service:
    service.given(THX, USA, INDIA, INDUS_X, PANEL)
    return service


@pytest.fixture
def emptied(owner: Connection) -> Callable[[], None]:
    """From the call on, the database no longer has what answers were made of: who gives the same has it in memory."""

    def empty() -> None:
        owner.execute("delete from states")
        owner.execute("delete from statuses")
        owner.execute("delete from timeline")
        tamper(owner, "update entries set body = '{}'::json where position < (select max(position) from entries)")

    return empty


def looked_up(response: Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    """All that a response says, but for the request's own id; in which order it has its headers says nothing."""
    told = sorted(one for one in response.headers.items() if one[0] != "request-id")
    return response.status_code, response.content, told


def test_an_answer_given_again_is_the_same_to_the_byte(
    seeded: Service, emptied: Callable[[], None], subtests: pytest.Subtests
) -> None:
    """Status, headers and body of every read, as GET, as HEAD and as 304; and the request has an id of its own."""
    # given
    asked = [(path, headers) for path in PATHS for headers in HEADERS]
    firsts = [(seeded.get(path, headers), seeded.client.head(path, headers=headers)) for path, headers in asked]
    # when
    emptied()
    # then
    for (path, headers), (first, head) in zip(asked, firsts, strict=True):
        with subtests.test(path, headers=headers):
            again = seeded.get(path, headers | {"Request-Id": "again"})
            assert looked_up(again) == looked_up(first)
            assert looked_up(seeded.client.head(path, headers=headers)) == looked_up(head)
            assert again.headers["request-id"] == "again"
            assert first.status_code == (304 if headers.get("If-None-Match") == "*" else 200)
            assert head.content == b""
    with running(seeded.location) as fresh:
        for path in PATHS:
            assert looked_up(fresh.get(path)) != looked_up(seeded.get(path)), "nobody could have read it again"


def test_answers_stay_true_while_the_ledger_grows(seeded: Service) -> None:
    """Every answer, kept or not, says what was known at its position, with nothing older or newer in it."""

    def write() -> None:
        for number in range(25):
            seeded.given(party(number), event("entry.annotated", "meeting:panel", sources=[], target=5, text="A note"))

    paths = [path for path in PATHS if "known_at" not in path and "diff" not in path]
    # given
    with running(seeded.location) as fresh, ThreadPoolExecutor(1) as thread:
        writing = thread.submit(write)
        # when
        for never_asked_before in takewhile(lambda _: not writing.done(), count()):
            for path in paths:
                answer = seeded.get(path)
                position = answer.headers["ledger-position"]
                pin = f"known_at={position}&min_position={position}" + "&" * never_asked_before
                pinned = fresh.get(f"{path}{'&' if '?' in path else '?'}{pin}")
                # then
                assert (answer.text, answer.headers["etag"]) == (pinned.text, pinned.headers["etag"]), path
        writing.result()


def test_what_is_projected_shows_in_the_very_next_answer(seeded: Service) -> None:
    """No answer is older than what the projections showed when it was asked for."""
    for number in range(30):
        [recorded] = seeded.given(party(number))
        for path in ("/v1/parties?limit=500", "/v1/events?limit=500", "/v1/initiatives/indus-x"):
            assert seeded.get(path).headers["ledger-position"] == str(recorded["position"])
    assert len(seeded.get("/v1/parties?limit=500").json()["items"]) == 32


def test_what_is_pinned_outlives_the_growth_of_the_ledger(seeded: Service, emptied: Callable[[], None]) -> None:
    """The past stays in memory while the ledger grows; the present of what grows does not."""
    # given
    past = "/v1/meetings/panel?known_at=5&valid_at=2025-01-01"
    first = seeded.get(past)
    seeded.get("/v1/meetings/panel")
    # when
    seeded.given(event("entry.annotated", "meeting:panel", sources=[], target=5, text="A note"))
    emptied()
    # then
    assert looked_up(seeded.get(past)) == looked_up(first)
    problem_of(seeded.get("/v1/meetings/panel"), 404)


def test_a_name_that_was_erased_is_in_no_answer(seeded: Service) -> None:
    """Once it is gone, no answer that was kept holds the name, not even one of the past; and none with it is kept."""
    # given
    paths = ["/v1/meetings/panel", "/v1/meetings/panel?known_at=5&valid_at=2025-01-01", "/v1/initiatives/indus-x"]
    paths.append("/v1/events/5?disclose=true")
    assert all("Canary" in seeded.get(path, ADMIN).text for path in paths)
    # when
    seeded.post(
        event(
            "entry.value_erased",
            "meeting:panel",
            sources=[],
            target=5,
            pointer="/data/participants/0/person",
            ground="other",
        )
    )
    # then
    assert not any("Canary" in seeded.get(path, ADMIN).text for path in paths)
    cache = seeded.client.app.app_state.cache  # type: ignore[attr-defined]
    assert not any(b"Canary" in said(kept.response) for kept in cache.answers.values())


def test_an_answer_is_given_again_only_to_who_may_read(location: LedgerLocation, emptied: Callable[[], None]) -> None:
    """Without a key, with a wrong one, and with one that was revoked a moment ago, there is none."""
    with running(location, public_reads=False) as closed, location.connect() as connection:
        # given
        closed.given(THX, INDUS_X)
        alice = {"Authorization": f"Bearer {create_key(connection, 'alice', Role.reader)}"}
        path = "/v1/initiatives/indus-x"
        first = closed.get(path, ADMIN)
        emptied()
        assert looked_up(closed.get(path, alice)) == looked_up(first)
        # when
        revoke_key(connection, "alice")
        # then
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}, alice):
            problem_of(closed.get(path, headers), 401)
        assert looked_up(closed.get(path, ADMIN)) == looked_up(first)


def test_a_terminated_connection_is_no_failure(seeded: Service, server: Embedded) -> None:
    """Where the server has hung up, the question is asked again on another connection: kept, to be read, and appended."""
    seeded.get("/v1/meetings/panel")
    for number in range(2):
        with LedgerLocation(server.owner_dsn, seeded.location.schema).connect() as owner:
            owner.execute(
                "select pg_terminate_backend(pid, 10000) from pg_stat_activity where application_name = 'ledger' and pid <> %s"
                " and pid <> pg_backend_pid()",  # which waits until they are gone
                [seeded.follower.connection.info.backend_pid],
            )
        assert seeded.get("/v1/meetings/panel").status_code == 200
        assert seeded.get("/v1/parties", limit=number + 1).status_code == 200
        assert seeded.post(party(number)).status_code == 201


# --- what holds, and how much


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WATERMARKS = Watermarks(size=9, last_id="9", last_at=NOON, epoch="e1", goes_on=True, epochs=None, server=NOON, erasures=0,
                    positions={"states": 8}, recorded_at=NOON, built=77)  # fmt: skip


def cached(body: bytes = b"{}", *, pinned: bool = False) -> CachedResponse:
    return CachedResponse(WATERMARKS, TODAY, pinned, 'W/"tag"', [], body, 5)


TODAY = LAST_DAY


@pytest.mark.parametrize(
    ("moved", "present", "past"),
    [
        (LookedUp({}, WATERMARKS, TODAY), True, True),
        (LookedUp({}, WATERMARKS._replace(size=10), TODAY), False, True),
        (LookedUp({}, WATERMARKS._replace(positions={"states": 9}), TODAY), False, True),
        (LookedUp({}, WATERMARKS, TODAY + timedelta(days=1)), False, True),
        (LookedUp({}, WATERMARKS._replace(recorded_at=NOON + timedelta(seconds=1)), TODAY), False, True),
        (LookedUp({}, WATERMARKS._replace(built=78), TODAY), False, False),
        (LookedUp({}, WATERMARKS._replace(built=None, positions=None), TODAY), False, False),
        (LookedUp({}, WATERMARKS._replace(epoch="e2"), TODAY), False, False),
        (LookedUp({}, WATERMARKS._replace(erasures=1), TODAY), False, False),
        (LookedUp({}, WATERMARKS._replace(server=NOON + timedelta(days=1)), TODAY), False, False),
    ],
)
def test_an_answer_holds_until_what_it_rests_on_moves(moved: LookedUp, present: bool, past: bool) -> None:
    """The present: until the log, the projections, their tables or the day move. The past: until the tables, the epoch or
    the server do."""
    assert (cached().is_fresh(moved), cached(pinned=True).is_fresh(moved)) == (present, past)


def question(query: str) -> Question:
    return Question("/v1/parties", query.encode(), False, None)


def test_the_cache_keeps_within_its_bound() -> None:
    """What was not asked for the longest goes first; what is far too large is not kept; the same twice counts once."""
    cache = Cache(3 * (OVERHEAD_BYTES + 120))

    def is_kept(name: str) -> bool:
        return bool(cache.kept(question(name), sees_names=False))

    for name in ("a", "b", "a", "c", "c"):
        cache.keep(question(name), cached(b"x" * 100))
    assert is_kept("a")
    cache.keep(question("d"), cached(b"x" * 100))
    assert [name for name in "abcd" if cache.holds(question(name))] == ["a", "c", "d"]
    cache.keep(question("e"), cached(b"x" * 2**21))
    assert not is_kept("e")
    cache.keep(question("f"), cached(b"x" * (2 * OVERHEAD_BYTES)))
    assert [name for name in "abcdef" if is_kept(name)] == ["f"]


def test_what_was_asked_counts(seeded: Service) -> None:
    """Each spelling of one question is kept by itself, and is counted with its length."""
    cache = seeded.client.app.app_state.cache  # type: ignore[attr-defined]
    for number in range(3):
        before = cache.answers.currsize
        assert seeded.get(f"/v1/initiatives/indus-x?{'&' * (5_000 + number)}").status_code == 200
        assert cache.answers.currsize - before > 5_000


# --- the porter


def test_who_waits_together_is_answered_together(location: LedgerLocation, reader: Connection) -> None:
    """Many at once, each with a key of their own, are one question; each learns of their own key."""
    keys = [create_key(reader, f"k{number}", Role.reader) for number in range(20)]

    async def ask() -> list[LookedUp]:
        async with CoalescedLookup(location, watermarks=True) as porter:
            return await asyncio.gather(*(porter.look_up(f"Bearer {key}") for key in [*keys, "wrong"]))

    for answer in asyncio.run(ask()):
        assert {holder.name for holder in answer.holders.values()} == {f"k{number}" for number in range(20)}


def test_nobody_is_answered_from_before_they_came(location: LedgerLocation, reader: Connection) -> None:
    """Who comes while a question is under way, or is gone before the answer, does not change what others are told."""
    key = create_key(reader, "alice", Role.reader)

    async def ask() -> list[LookedUp]:
        async with CoalescedLookup(location, watermarks=False) as porter:
            await porter.look_up(None)
            before = _answered(reader)
            first, gone = (
                asyncio.create_task(porter.look_up(f"Bearer {key}")),
                asyncio.create_task(porter.look_up(None)),
            )
            for _ in range(3):
                await asyncio.sleep(0)  # they come, and the question is sent
            _wait_until(lambda: _answered(reader) != before)  # and nobody here has heard the answer yet
            gone.cancel()
            revoke_key(reader, "alice")
            second = await porter.look_up(f"Bearer {key}")
            with pytest.raises(Denied):
                await porter.look_up("Basic YTpi")
            return [await first, second]

    first, second = asyncio.run(ask())
    assert [holder.name for holder in first.holders.values()] == ["alice"]
    assert second.holders == {}


def _answered(reader: Connection) -> Any:
    """Which questions after keys the server has answered: for each connection, when the last one came."""
    return reader.execute("""
        select array_agg(query_start order by pid) from pg_stat_activity
         where state = 'idle' and pid <> pg_backend_pid() and query like '%held.*%'""").fetchone()
