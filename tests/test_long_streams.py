"""Streams of many facts, whose documents are kept apart: what is told of them is what would be of short ones."""

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from projections import runner
from tests.examples import INDUS_X, THX, event
from tests.service import Service

pytest_plugins = ["tests.service"]

FIRST = date(2024, 1, 1)
NUMBER = 40


def claim(day: int) -> dict[str, Any]:
    when = (FIRST + timedelta(days=day)).isoformat()
    return event("initiative.claim_recorded", "initiative:indus-x", when, text=f"Claim {day}")


@pytest.fixture
def long(service: Service) -> Service:
    """An initiative of which something is claimed every day; in no order."""
    service.given(THX, INDUS_X, *[claim(number * 7 % NUMBER) for number in range(NUMBER)])
    return service


def test_each_day_has_its_own_document_and_tag(long: Service) -> None:
    """Who holds what was so on one day is not told that nothing differs on another, though one row tells of both."""
    answers = [
        long.get("/v1/initiatives/indus-x", valid_at=(FIRST + timedelta(days=day)).isoformat()) for day in range(NUMBER)
    ]
    assert [[one["text"] for one in answer.json()["claims"]] for answer in answers] == [
        [f"Claim {day}" for day in range(last + 1)] for last in range(NUMBER)
    ]
    tags = [answer.headers["etag"] for answer in answers]
    assert len({*tags}) == NUMBER
    known = {"If-None-Match": tags[3]}
    assert long.get("/v1/initiatives/indus-x", known, valid_at="2024-01-05").status_code == 200
    assert long.get("/v1/initiatives/indus-x", known, valid_at="2024-01-04").status_code == 304


def test_what_differs_between_days_names_its_entries(long: Service) -> None:
    """Of each change at least one, also where a day adds to a list alone."""
    for first, last in (("2024-01-03", "2024-01-09"), ("2024-01-30", "2024-01-05")):
        changes = long.get("/v1/initiatives/indus-x/diff", **{"from": first, "to": last}).json()["changes"]
        assert changes
        assert all(change["entries"] for change in changes)


def test_every_part_of_a_year_is_found(service: Service) -> None:
    """A meeting with many statements stands in the calendar of the year in which it was, and in no other's."""
    held = event("meeting.held", "meeting:m", "2023-05-04", title="Summit")
    said = [event("meeting.statement_made", "meeting:m", "2023-05-04", act="praised", text=f"T{n}") for n in range(40)]
    service.given(THX, held, *said)
    pages = [service.get("/calendar", {"Accept": "text/html"}, month=month).text for month in ("2023-05", "2022-05")]
    assert ["Summit" in page for page in pages] == [True, False]


def test_slow_entries_are_taken_a_few_at_a_time(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch ends after a while, whatever is left; and a follower knows whether anything is."""
    service.post(THX)
    service.post(INDUS_X)
    for day in range(5):
        service.post(claim(day))
    monkeypatch.setattr(runner, "LONGEST_S", -1.0)
    steps = []
    while done := service.follower.step():
        steps.append((done, service.follower.keeps_up))
    assert steps == [(1, False)] * 6 + [(1, True)]
    assert len(service.get("/v1/initiatives/indus-x").json()["claims"]) == 5


ROWS = """
import sys
from datetime import date
from projections.changes import Fold
from projections.registry import PROJECTIONS
from ledger.recorded import Recorded
from ledger.writing.draft import read_draft
from tests.test_long_streams import settled
fold = Fold(PROJECTIONS)
for number, told in enumerate(settled(), 1):
    draft = read_draft(told)
    fold.take(draft.subject, Recorded(number, f"id-{number}", date(2026, 1, 1), draft.fact), {})
print(sorted(map(repr, (row for rows in fold.take_changes() for row in rows.written))))
"""


def settled() -> list[dict[str, Any]]:
    """A long stream on which two sources differ in several fields, and then agree."""
    first = event("meeting.held", "meeting:m", "2024-01-01", title="Summit")
    topics = [
        event("meeting.topic_discussed", "meeting:m", "2024-01-01", topic="space", label=f"Topic {n}")
        for n in range(20)
    ]
    told = [first, *topics]
    for day, differ in (("2024-02-01", True), ("2024-03-01", False)):
        for source in ("a", "b"):
            data = {name: f"{name} {source if differ else ''}" for name in ("title", "place", "description")}
            start = "2024-01-01" if source == "a" or not differ else "2024-01-02"
            told.append(
                event(
                    "meeting.described", "meeting:m", day, sources=[{"source": f"source:{source}"}], start=start, **data
                )
            )
    return told


def test_rows_are_the_same_in_every_process() -> None:
    """Whatever order a process gives to its sets."""
    made = [
        subprocess.run(
            [sys.executable, "-c", ROWS], env=os.environ | {"PYTHONHASHSEED": str(seed)}, cwd=Path(__file__).parents[1],
            check=True, capture_output=True, text=True,
        ).stdout
        for seed in range(1, 5)
    ]  # fmt: skip
    assert len(made[0]) > 10_000
    assert {*made} == {made[0]}
