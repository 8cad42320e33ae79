"""The strips of the dashboard: how the status of each active initiative went on, as the ledger says it at both clocks."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from html import unescape
from itertools import groupby
from typing import Any

import pytest

from api.pages.overview import STRIPS
from api.pages.words import words
from ledger.database.embedded import Embedded
from tests import ledgers
from tests.examples import THX, event
from tests.service import Service
from tests.test_page_sizes import LARGEST
from tests.test_pages import page

pytest_plugins = ["tests.service"]
STRIP = re.compile(
    r'<li><a href="([^"]+)"><span>([^<]+)</span> <svg [^>]*role="img" aria-label="([^"]+)">(.*?)</svg></a></li>'
)
BAR = re.compile(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="[\d.]+" class="(\w+)"')


@pytest.fixture(scope="module")
def seeded(server: Embedded) -> Iterator[Service]:
    with ledgers.seeded(server, "strips") as service:
        yield service


def shown(service: Service, **at: Any) -> dict[str, tuple[str, str]]:
    """By the address to which each leads: what is told of it, and what is drawn."""
    return {unescape(to): (told, bars) for to, _, told, bars in STRIP.findall(page(service, "/", **at))}


def act(name: str, number: int, day: str | None = None) -> dict[str, Any]:
    told = {"name": f"Programme {number:02}", "kind": "ecosystem"} if name in ("reported", "launched") else {}
    return event(f"initiative.{name}", f"initiative:i{number:02}", day, **told)


def test_each_active_initiative_of_the_seed_has_a_strip_that_says_what_its_states_say(seeded: Service) -> None:
    """Each status with the year in which it begins, as the API has it from day to day; and the strip leads to the initiative."""
    active = [one["id"] for one in seeded.get("/v1/initiatives", status="active", sort="name").json()["items"]]
    strips = shown(seeded)
    assert [*strips] == [f"/initiatives/{one}" for one in active[:STRIPS]]
    for path, (told, _) in strips.items():
        assert seeded.get(path, {"Accept": "text/html"}).status_code == 200
        begun = sorted({state["valid_from"] for state in _states(seeded, path)})
        statuses = [(_status(seeded, path, day), day) for day in begun]
        turns = [next(those) for _, those in groupby(statuses, lambda one: one[0])]
        said = [words(status) + f" {day[:4]}" * (day > "0001-01-01") for status, day in turns]
        assert told == ", ".join(said), path


def _states(service: Service, path: str) -> list[dict[str, str]]:
    """The first day of each state, as the rows have it."""
    subject = f"initiative:{path.rpartition('/')[2]}"
    query = "select valid_from::text from states where subject = %s and lane = '' and known_to = 9223372036854775807"
    with service.location.connect() as connection:
        return [{"valid_from": day} for (day,) in connection.execute(query, [subject])]


def _status(service: Service, path: str, day: str) -> str:
    return str(service.get(f"/v1{path}", valid_at=day, fields="status").json()["status"])


def test_a_strip_is_that_of_both_clocks(service: Service) -> None:
    """What was not known yet is not drawn; what lies after the day that is looked at is paler; what is no more active has none."""
    service.given(THX, act("reported", 1, "2020-05-01"), act("launched", 1, "2021-03-01"))
    service.given(
        act("suspended", 1, "2022-06-01") | {"data": {"reason": "Elections"}}, act("resumed", 1, "2023-01-01")
    )
    assert shown(service)["/initiatives/i01"][0] == "reported 2020, active 2021, suspended 2022, active 2023"
    assert shown(service, known_at=3)["/initiatives/i01?known_at=3"][0] == "reported 2020, active 2021"
    (told, drawn) = shown(service, valid_at="2021-12-01")["/initiatives/i01?valid_at=2021-12-01"]
    assert told == "reported 2020, active 2021, suspended 2022, active 2023"
    assert [" opacity" in bar for bar in drawn.split("<rect")[1:]] == [False, False, True, True, True]
    assert shown(service, valid_at="2022-12-01") == {}


def test_a_strip_begins_where_its_status_does(service: Service) -> None:
    """However many states came since: what was told of an initiative otherwise is no turn of its status."""
    service.given(THX, act("reported", 1, "2009-05-01"), act("launched", 1, "2010-03-01"))
    told = [
        event(
            "initiative.described",
            "initiative:i01",
            f"{2011 + number // 12}-{number % 12 + 1:02}",
            objective=f"No. {number}",
        )
        for number in range(100)
    ]
    service.given(*told)
    assert shown(service)["/initiatives/i01"][0] == "reported 2009, active 2010"


def test_bars_follow_on_each_other_up_to_today(service: Service) -> None:
    """Each begins where the one before it ends, and they have the lengths of their times; one axis for all."""
    day = date.today()
    service.given(THX)
    for number, years in ((1, 8), (2, 4)):
        begun = [day - timedelta(days=365 * years), day - timedelta(days=365)]
        service.given(act("reported", number, f"{begun[0]}"), act("launched", number, f"{begun[1]}"))
    bars = {path: [*map(_bar, BAR.findall(drawn))] for path, (_, drawn) in shown(service).items()}
    (long, first), (short, second) = bars["/initiatives/i01"], bars["/initiatives/i02"]
    assert first == second
    assert long[0] + long[1] == pytest.approx(first[0], abs=0.2)
    assert (long[1], short[1]) == pytest.approx((7 * first[1], 3 * first[1]), abs=1)


def _bar(one: tuple[str, str, str]) -> tuple[float, float, str]:
    return float(one[0]), float(one[1]), one[2]


def test_there_are_twelve_at_most_and_the_way_to_all(service: Service) -> None:
    """By name; the dashboard stays small, and counts those that it does not draw."""
    service.given(THX, *(act("launched", number, "2021-03-01") for number in range(STRIPS)))
    html = page(service, "/")
    assert (len(STRIP.findall(html)), "that are active</a>" in html) == (STRIPS, False)
    service.given(act("launched", STRIPS, "2021-03-01"))
    html = page(service, "/")
    assert [name for _, name, _, _ in STRIP.findall(html)] == [f"Programme {number:02}" for number in range(STRIPS)]
    assert f'<a href="/initiatives?status=active">All {STRIPS + 1} that are active</a>' in html
    assert len(html.encode()) <= LARGEST


def test_where_nothing_is_active_there_is_no_strip(service: Service) -> None:
    """Nor what introduces them: the page is as it was."""
    service.given(THX, act("reported", 1))
    assert 'class="strips"' not in page(service, "/")
