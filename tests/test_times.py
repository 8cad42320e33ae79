"""How times, days and positions are written in queries and on the command line, and what is said of those that are not."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from api.http.times import read_day, read_end, read_moment
from projections.basis import Position
from tests.commands import Command
from tests.examples import INDUS_X, THX, event
from tests.service import Service, pointers_of, problem_of

pytest_plugins = ["tests.service", "tests.commands"]

OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
WHOLE = st.datetimes(timezones=OFFSETS)
EXAMPLE = "a time is written as in RFC 3339, such as 2026-06-01T00:00:00Z"
NEARLY = {
    "2026-11-26T21:00:00 00:00": "a space stands where the offset has its sign: in a query + is %2B",
    "2026-11-26T21:00:00.5 02:00": "a space stands where the offset has its sign: in a query + is %2B",
    "2026-11-26": "it is cut short",
    "2026-11": "it is cut short",
    "2026-11-26T": "it is cut short",
    "2026-11-26T21:00": "it is cut short",
    "2026-11-26T21:00Z": "it is cut short",
    "2026-11-26T21:00:00": "it has no offset from UTC: end it with Z, or with one such as +02:00",
    "2026-11-26 21:00:00": "it has no offset from UTC: end it with Z, or with one such as +02:00",
    "2016-12-31T23:59:60Z": "a leap second is on no clock of the ledger: take second 59",
    "2016-12-31T23:59:60": "a leap second is on no clock of the ledger: take second 59",
    "2026-11-26t21:00:00z": "its T and Z are capitals, a fraction has a point, an offset has hours and minutes",
    "2026-11-26T21:00:00,5Z": "its T and Z are capitals, a fraction has a point, an offset has hours and minutes",
    "2026-11-26T21:00:00+02": "its T and Z are capitals, a fraction has a point, an offset has hours and minutes",
    "2026-11-26T24:00:00Z": "no calendar or clock shows it",
    "2026-02-30T21:00:00Z": "no calendar or clock shows it",
    "2026-11-26T21:00:00+24:00": "no calendar or clock shows it",
}


@given_any(WHOLE)
def test_a_time_is_read_as_it_is_written(moment: datetime) -> None:
    """Every time of RFC 3339 is that time; without its offset, and with a space for its +, it is told as just that."""
    assert read_moment(moment.isoformat()) == read_end(moment.isoformat()) == moment
    with pytest.raises(ValueError, match="no offset from UTC"):
        read_moment(moment.isoformat()[:-6])
    with pytest.raises(ValueError, match="in a query \\+ is %2B"):
        read_moment(f"{moment.isoformat()[:-6]} 02:00")


@given_any(st.dates())
def test_a_day_is_read_as_it_is_written(day: date) -> None:
    """Every day of the calendar is that day; a time and part of a day are none."""
    assert read_day(day.isoformat()) == read_end(day.isoformat()) == day
    for other in (f"{day}T00:00:00Z", day.isoformat()[:7], f" {day}"):
        with pytest.raises(ValueError, match="this is no date such as 2026-06-01"):
            read_day(other)


@given_any(st.integers(0, 2**62), st.sampled_from(["", "0123456789abcdef:"]))
def test_a_position_is_read_as_it_is_written(position: int, epoch: str) -> None:
    """A number is a position, and one behind an epoch is one of that epoch."""
    read = read_moment(f"{epoch}{position}")
    assert isinstance(read, Position)
    assert (read, read.epoch) == (position, epoch[:-1] or None)


def test_nearly_a_time_is_told_what_is_wrong(service: Service, command: Command) -> None:
    """Over HTTP and on the command line alike: what is cut short, has a space, no zone or a leap second is told as that, and
    how a time is written; and nothing is said of positions."""
    service.given(THX, INDUS_X)
    for text, why in NEARLY.items():
        told = problem_of(service.get("/v1/initiatives", known_at=text), 422)
        assert told["detail"] == f"known_at: {why}; {EXAMPLE}", text
        assert pointers_of(service.get("/v1/initiatives/indus-x", known_at=text)) == ["known_at"]
        for arguments in (["show", "initiative:indus-x", "--known-at"], ["replay", "--to"]):
            said = " ".join(command(*arguments, text, code=2).stderr.replace("│", "").split())
            assert f"{why}; {EXAMPLE}" in said, text


def test_what_is_no_time_at_all(service: Service, command: Command) -> None:
    """What looks like neither is told how positions and times are written; a day that is none, that it is none."""
    service.given(THX, INDUS_X)
    neither = "this is no position such as 42, or EPOCH:42 with the Ledger-Epoch in which it was told, and no time as in RFC 3339"
    no_day = "there is no day 2024-02-30 in the calendar"
    for name, option, text, why in (
        ("known_at", "--known-at", "yesterday", neither),
        ("known_at", "--known-at", "-1", neither),
        ("valid_at", "--valid-at", "2024-02-30", no_day),
        ("valid_at", "--valid-at", "2024-02-28T00:00:00Z", "this is no date such as 2026-06-01"),
    ):
        assert why in problem_of(service.get("/v1/initiatives", **{name: text}), 422)["detail"]
        said = command("show", "initiative:indus-x", f"{option}={text}", code=2).stderr
        assert why in " ".join(said.replace("│", "").split())
    assert no_day in problem_of(service.get("/v1/initiatives/indus-x/diff?from=2024-02-30"), 422)["detail"]


def test_a_sum_of_offset_and_time_is_one_moment(service: Service) -> None:
    """The same moment in another offset, its + escaped, is the same basis."""
    service.given(THX, INDUS_X)
    moment = datetime.now(UTC)
    there = moment.astimezone(timezone(timedelta(hours=5, minutes=30)))
    for told in (moment.isoformat(), there.isoformat(), moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")):
        assert service.get("/v1/initiatives", known_at=told).json()["basis"]["known_at"] == 2, told


def test_lists_without_a_due_say_which_have_one(service: Service) -> None:
    """Only milestones are narrowed and sorted by their due; all other lists refuse that by the parameter's name, and tell where
    it goes."""
    service.given(THX, event("milestone.scheduled", "milestone:m", title="M", due="2024-11"))
    listed = service.get("/v1/openapi.json").json()["paths"]
    for kind in ("sources", "parties", "initiatives", "agreements", "meetings"):
        for name, value in (("overdue", "true"), ("due_before", "2025-01-01"), ("sort", "due"), ("sort", "-due")):
            told = problem_of(service.get(f"/v1/{kind}", **{name: value}), 422)
            assert [one["pointer"] for one in told["errors"]] == [name]
            assert "/v1/milestones" in told["detail"]
        assert {one["name"] for one in listed[f"/v1/{kind}"]["get"]["parameters"]} & {"overdue", "due_before"} == set()
    for name, value in (("overdue", "true"), ("due_before", "2025-01-01"), ("sort", "due"), ("sort", "-due")):
        assert [one["id"] for one in service.get("/v1/milestones", **{name: value}).json()["items"]] == ["m"]
