"""Whoever asked first, and how: the next reader hears what a service that keeps nothing would say."""

import random
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response

from ledger.database.connection import LedgerLocation
from tests.examples import INDUS_X, THX, USA, event
from tests.service import ADMIN, Service, running
from tests.signing import signed_once

PANEL = event("meeting.held", "meeting:panel", "2024-09-10", title="Panel", initiatives=["initiative:indus-x"],
              participants=[{"person": "A. Canary"}])  # fmt: skip
PATHS = [
    "/v1/initiatives/indus-x", "/v1/initiatives", "/v1/meetings/panel", "/v1/meetings/panel?known_at=4&valid_at=2025-01-01",
    "/v1/initiatives/indus-x/history", "/v1/initiatives/indus-x/timeline", "/v1/initiatives/indus-x/diff?from=3&to=4&valid_at=2031-01-01",
    "/v1/events", "/v1/events/4", "/initiatives/indus-x", "/meetings", "/entries/3", "/audit", "/vocabulary",
    "/log/tile/entries/000.p/4", "/log/tile/0/000.p/4", "/log/checkpoint",
]  # fmt: skip
HEADERS = [
    {"Accept-Encoding": coding} | known | accept | key | host
    for coding in ("identity", "gzip", "zstd")
    for known in ({}, {"If-None-Match": "*"}, {"If-None-Match": '"another"'})
    for accept in ({}, {"Accept": "text/html"})
    for key in ({}, ADMIN)
    for host in ({}, {"Host": "elsewhere.example", "X-Forwarded-Proto": "https"})
]


@pytest.fixture
def two(location: LedgerLocation, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Service, Service]]:
    """A service that keeps answers, and one that does not, of one ledger."""
    with running(location) as keeping, running(location) as forgetful:
        keeping.given(THX, USA, INDUS_X, PANEL)
        monkeypatch.setattr(forgetful.client.app.app_state.cache, "keep", lambda *_: None)  # type: ignore[attr-defined]
        yield keeping, forgetful


def told(response: Response) -> tuple[int, dict[str, str], bytes]:
    headers = {name: value for name, value in response.headers.items() if name not in ("request-id", "date")}
    return response.status_code, headers, response.content


def test_it_makes_no_difference_who_asked_first(two: tuple[Service, Service], tmp_path: Path) -> None:
    """For any two of these requests, one after the other: status, headers and body of the second."""
    keeping, forgetful = two
    signed_once(keeping.location, tmp_path)
    drawn = random.Random(0)

    def ask(service: Service, path: str, headers: dict[str, Any]) -> Response:
        return service.client.get(path, headers={"Request-Id": "the-same"} | headers)

    for path, _ in product(PATHS, range(15)):
        first, later = drawn.choices(HEADERS, k=2)
        keeping.client.app.app_state.cache.answers.clear()  # type: ignore[attr-defined]
        ask(keeping, path, first)
        heard, meant = ask(keeping, path, later), ask(forgetful, path, later)
        assert told(heard) == told(meant), (path, first, later)
        assert "elsewhere.example" not in heard.text


def test_a_diff_of_two_points_says_the_same_whatever_was_signed_since(
    two: tuple[Service, Service], tmp_path: Path
) -> None:
    """Its ETag is of what it says: a checkpoint that has come since is news of the log, not of the diff."""
    keeping, _forgetful = two
    path = "/v1/initiatives/indus-x/diff?from=3&to=4&valid_at=2031-01-01"
    before = keeping.get(path)
    signed_once(keeping.location, tmp_path)
    assert keeping.get(path).json()["to"]["checkpoint"] != before.json()["to"]["checkpoint"]
    after = [one.get(path) for one in two]
    assert {one.headers["etag"] for one in (before, *after)} == {before.headers["etag"]}
    assert {one.json()["changes"] == before.json()["changes"] for one in after} == {True}
