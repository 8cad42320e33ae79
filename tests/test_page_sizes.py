"""How large pages are: every page of the seed, with every link on it that leads to another page."""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import urlsplit

import pytest

from ledger.database.connection import LedgerLocation
from ledger.database.embedded import Embedded
from ledger.database.migrations import migrate
from ledger.vocabulary.fact import Subject
from tests import large, ledgers
from tests.service import ADMIN_KEY, Service, running
from tests.test_pages import HTML, WHOLE, links, of, page
from tests.test_signing_in import session

LARGEST, LARGEST_STYLE, LARGEST_SCRIPT = 60_000, 20_000, 10_000
LONGEST = "/sources/pentagon-meeting-article?known_at=131&valid_at=2026-01-01"
"""With both clocks in each of its links."""
FORM = "/append/agreement.signed?subject=agreement:sosa"


@pytest.fixture(scope="module")
def seeded(server: Embedded) -> Iterator[Service]:
    with ledgers.seeded(server, "page_sizes") as service:
        yield service


def test_every_page_of_the_seed_is_small(seeded: Service) -> None:
    """HTML <= 60 kB: all pages that links lead to from the dashboard on, but for those of one entry each, of which some; the address
    of each once, whatever its query."""
    seen, found = dict[str, int](), [*WHOLE, "/vocabulary", "/glossary", LONGEST]
    while found:
        address = found.pop()
        path = urlsplit(address).path
        if path in seen or re.fullmatch(
            r"/(v1|log|static|api|sign-in).*|.*\.(json|jsonl|csv|ics|atom|svg)|/entries/\d*[1-9]", path
        ):
            continue
        response = seeded.get(address, HTML)
        seen[path] = len(response.content)
        found += sorted(links(response.text)) if response.status_code == 200 else []
    assert {
        "/initiatives/f414/why/claims",
        "/sources/pentagon-meeting-article",
        "/entries/100",
        "/vocabulary",
    } <= seen.keys()
    assert {path: size for path, size in seen.items() if size > LARGEST} == {}


def test_forms_are_small(seeded: Service) -> None:
    """The form of every fact, and the page on which one is chosen."""
    headers = session(seeded, ADMIN_KEY) | HTML
    chosen = seeded.get("/append", headers)
    forms = [one for one in links(chosen.text) if one.startswith("/append/")]
    assert len(forms) > 50
    sizes = {path: len(seeded.get(path, headers).content) for path in (*forms, FORM, "/append")}
    assert {path: size for path, size in sizes.items() if size > LARGEST} == {}


def test_style_and_script_are_small(seeded: Service) -> None:
    """CSS <= 20 kB, script <= 10 kB, all of it."""
    html = seeded.get("/initiatives/indus-x", HTML).text
    sizes = {one.rpartition(".")[2]: len(seeded.get(one).content) for one in links(html) if one.startswith("/static/")}
    assert sizes["css"] <= LARGEST_STYLE
    assert sizes["js"] <= LARGEST_SCRIPT
    assert len(sizes) == 2


def test_the_whole_ledger_is_compared_a_few_subjects_at_a_time(seeded: Service) -> None:
    """The link at the end leads on: every subject that was touched is shown once, by name."""
    shown, address = list[str](), "/diff?from=1"
    while address:
        html = seeded.get(address, HTML).text
        shown += re.findall(r'<h2><a href="/([^"]+)">', html)
        address = unescape("".join(re.findall(r'rel="next" href="([^"]+)"', html)))
    with seeded.location.connect() as connection:
        rows = connection.execute("select distinct stream from entries where position > 1 order by stream").fetchall()
    assert shown == [of(Subject(name)).removeprefix("/") for (name,) in rows]


@pytest.fixture(scope="module")
def large_ledger(server: Embedded) -> Iterator[Service]:
    location = LedgerLocation(server.location.dsn, "large")
    migrate(server.owner_dsn, location)
    events = [*large.large()]
    with running(location) as service:
        for start in range(0, len(events), 25):
            assert service.post(*events[start : start + 25]).status_code == 201
        while service.follower.step():
            pass
        yield service


def test_pages_of_large_subjects_are_small(large_ledger: Service) -> None:
    """HTML <= 60 kB of whatever there is, for all pages of a subject; and each says how much it leaves out, and leads to it."""
    parts = ("", "/history", "/why", "/diff?from=1", "/why/status", "/why/dates", "/why/statements")
    pages = {at + part: large_ledger.get(at + part, HTML) for at in large.LARGE for part in parts}
    sizes = {path: len(one.content) for path, one in pages.items()}
    assert {path: size for path, size in sizes.items() if size > LARGEST} == {}
    said = {path: unescape(re.sub(r"\s+", " ", one.text)) for path, one in pages.items()}
    assert "the 961 facts before these" in said["/parties/usa"]
    assert f"{large.STATEMENTS - 25:,} earlier, not shown" in said["/meetings/summit"]
    assert (
        f'href="/milestones?ref=initiative%3Aprogramme&sort=-date">All {large.MILESTONES:,}<'
        in said["/initiatives/programme"]
    )
    assert "Milestone number 2999" in said["/initiatives/programme"]
    assert "before these <a" in said["/sources/thx"]
    for path in large.LARGE:
        assert f'href="{path}/timeline.csv"' in said[path]


def test_all_parties_to_a_large_agreement_are_paged_through(large_ledger: Service) -> None:
    """By their names, each once; and the whole history of a meeting, the newest entry first."""
    shown, address = list[str](), "/agreements/convention"
    while address:
        table = large_ledger.get(address, HTML).text.partition("What each party has done")[2]
        shown += re.findall(r'data-label="Party"><a href="/parties/([^"]+)">', table)
        address = unescape("".join(re.findall(r'rel="next" href="([^"#]+)', table)))
    assert shown == sorted(f"p{n}" for n in range(large.PARTIES))
    found, address = list[int](), "/meetings/summit/history"
    while address:
        html = page(large_ledger, address)
        found += map(int, re.findall(r'<li id="entry-(\d+)"', html))
        address = unescape("".join(re.findall(r'rel="next" href="([^"]+)"', html)))
    assert found == sorted(found, reverse=True)
    assert len(found) == len({*found}) == large.STATEMENTS + 1
