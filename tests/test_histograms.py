"""The years of a list, as bars in the order of time: each leads to a list of just as many as it says."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest

from ledger.database.embedded import Embedded
from ledger.vocabulary.registry import KINDS
from tests import ledgers
from tests.examples import THX, USA, event
from tests.service import Service
from tests.test_page_sizes import LARGEST
from tests.test_pages import page

pytest_plugins = ["tests.service"]
YEARS = re.compile(r'<ol class="years">(.*?)</ol>', re.DOTALL)
BAR = re.compile(
    r'<li>(?:<a href="([^"]+)">|<b>)([\d,]+)<span class="hidden"> in </span>.*?d="M0 48V(\d+)h24V48"/></svg>(\d+)</',
    re.DOTALL,
)
ROW = '<th scope="row" data-label="Name">'
BESIDE = ("start", "due", "published")
"""What a list is sorted by where nothing is dated."""
NARROWED: list[dict[str, Any]] = [
    {},
    {"valid_at": "2024-09-01"},
    {"known_at": 110},
    {"party": "party:usa"},
    {"year": 2024},
]


@pytest.fixture(scope="module")
def seeded(server: Embedded) -> Iterator[Service]:
    with ledgers.seeded(server, "histograms") as service:
        yield service


def bars(service: Service, path: str, **narrowed: Any) -> list[tuple[str, int, int, int]]:
    """Of each bar to where it leads (nowhere, where it is the year that is shown), its count, height and year."""
    found = BAR.findall("".join(YEARS.findall(page(service, path, limit=1_000, **narrowed))))
    return [(unescape(to), int(count.replace(",", "")), 48 - int(top), int(year)) for to, count, top, year in found]


@pytest.mark.parametrize("narrowed", NARROWED, ids=str)
def test_every_bar_leads_to_a_list_of_as_many_as_it_says(seeded: Service, narrowed: dict[str, Any]) -> None:
    """Of every kind, narrowed, at both clocks: rows, and what the list says of itself; the file of the list has as many, too."""
    followed = 0
    for kind in KINDS.values():
        for to, count, _, year in bars(seeded, f"/{kind.plural}", **narrowed):
            assert (to == "") == (narrowed.get("year") == year)
            html = page(seeded, to) if to else page(seeded, f"/{kind.plural}", limit=1_000, **narrowed)
            assert html.count(ROW) == count, to
            assert f"<p>{count:,} in all" in html, to
            assert f"{year}</b>" in html
            path = unescape(re.findall(r'href="([^"]+\.jsonl[^"]*)"', html)[-1])
            assert len(seeded.get(path).text.splitlines()) == count, path
            followed += 1
    assert followed > 1


def test_a_page_that_counts_by_words_leads_to_files(seeded: Service) -> None:
    """Where words are counted at a link, as in a large ledger: what is asked of a page alone is not asked of the file of the list."""
    html = page(seeded, "/meetings", facets="true", limit=2, status="held")
    files = {unescape(one) for one in re.findall(r'href="(/meetings\.[a-z]+[^"]*)"', html)}
    assert len(files) >= 4
    assert {seeded.get(one).status_code for one in files} == {200}
    assert {one.partition("?")[2] for one in files} == {"status=held"}


def test_bars_stand_in_the_order_of_time_and_are_as_high_as_they_count(seeded: Service) -> None:
    """The highest has the most, and none that has any is without height; with all that have no date they are the whole list."""
    for kind in KINDS.values():
        found = bars(seeded, f"/{kind.plural}")
        assert [year for _, _, _, year in found] == sorted({year for _, _, _, year in found})
        most = max([count for _, count, _, _ in found], default=0)
        assert [height for _, _, height, _ in found] == [max(1, round(48 * count / most)) for _, count, _, _ in found]
        every = seeded.get(f"/v1/{kind.plural}", limit=1_000).json()["items"]
        undated = [one for one in every if not ({*one["dates"].values()} | {one.get(name) for name in BESIDE}) - {None}]
        assert sum(count for _, count, _, _ in found) + len(undated) == len(every)


def test_of_very_many_years_the_last_are_drawn(service: Service) -> None:
    """Sixty of them, on a page that stays small with both clocks in each link; and the way to what is earlier."""
    years = range(1900, 1900 + 120)
    told = {"title": "An exchange", "instrument_type": "arrangement", "signatories": [{"party": "party:usa"}]}
    service.given(THX, USA, *(event("agreement.signed", f"agreement:a{n}", f"{n}-05-01", **told) for n in years))
    at = {"known_at": 122, "valid_at": "2025-01-01"}
    assert [year for _, _, _, year in bars(service, "/agreements", **at)] == [*years][-60:]
    html = page(service, "/agreements", **at)
    assert len(html.encode()) <= LARGEST
    narrowed = page(service, "/agreements", **at, year=2015)
    earlier = unescape(re.findall(r'what is earlier <a href="([^"]+)"', narrowed)[0])
    assert "year=" not in earlier
    assert "1 May 1900" in page(service, earlier).partition("<tbody>")[2].partition("</tr>")[0]


@pytest.mark.parametrize("year", ["0", "10000", "-1", "2024-05", "x", "9" * 30])
def test_what_is_no_year_is_refused(seeded: Service, year: str) -> None:
    """Where a list is asked for by it, and not where it is looked up."""
    assert seeded.get("/v1/meetings", year=year).status_code == 422
    assert seeded.get("/v1/meetings", year="9999").json()["items"] == []
