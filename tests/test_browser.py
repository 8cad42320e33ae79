"""The pages in a real browser, the system's Chromium, over a real socket: of the whole seed, with a signed tree.

Skipped where there is no Chromium; none is downloaded.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ledger.database.connection import Connection
from ledger.database.embedded import Embedded
from tests.ledgers import seeded
from tests.service import Service, listening
from tests.signing import signed_once, tamper

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
PAGES = ("/", "/initiatives", "/initiatives/indus-x", "/initiatives/f414", "/initiatives/indus-x/history", "/agreements/sosa",
         "/initiatives/f414/why", "/initiatives/f414/why/claims", "/initiatives/f414/diff?from=30&to=131", "/meetings",
         "/milestones", "/board", "/calendar?month=2024-09", "/parties/usa", "/sources/pentagon-meeting-article", "/entries",
         "/entries/112", "/search?q=space", "/anomalies", "/audit", "/replay?entry=104", "/diff?from=120",
         "/vocabulary", "/vocabulary/agreement.signed", "/vocabulary/meeting", "/glossary",
         "/initiatives/indus-x?known_at=60", "/initiatives/indus-x?valid_at=2030-01-01", "/nowhere")  # fmt: skip
"""One of each sort, some of them at another clock."""
VIEWS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 320, "height": 740}},
    "forced colours": {"viewport": {"width": 1280, "height": 900}, "forced_colors": "active"},
    "no script": {"viewport": {"width": 1280, "height": 900}, "java_script_enabled": False},
}


@dataclass(frozen=True)
class Seen:
    """The service with the seed, where it listens, and a browser."""

    service: Service
    base: str
    browser: Browser
    superuser: Connection


@pytest.fixture(scope="module")
def seen(server: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    with seeded(server, "browser") as service:
        signed_once(service.location, tmp_path_factory.mktemp("key"))
        with browsing(service, server) as seen:
            yield seen


@contextmanager
def browsing(service: Service, server: Embedded) -> Iterator[Seen]:
    """A browser beside the service, which listens; and who may change what nobody else may."""
    with (
        listening(service) as (host, port), sync_playwright() as playwright,
        Connection.connect(server.owner_dsn, autocommit=True) as superuser,
    ):  # fmt: skip
        schemas = f"{service.location.schema}, {service.location.projections}"
        superuser.execute(f"set search_path to {schemas}".encode())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield Seen(service, f"http://{host}:{port}", browser, superuser)
        browser.close()


@contextmanager
def view(seen: Seen, **how: Any) -> Iterator[tuple[Page, list[str]]]:
    """A page of its own, and all that it complains of: errors, refusals by the policy, requests to anybody else."""
    context = seen.browser.new_context(**how)
    complaints: list[str] = []
    page = context.new_page()
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda asked: complaints.append(asked.url) if not asked.url.startswith((seen.base, "data:")) else None,
    )
    try:
        yield page, complaints
    finally:
        context.close()


COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
"""What may be otherwise in the dark."""
FAULTS = {"resultTypes": ["violations"]}
"""These are told of in full; of what is as it should be, the browser does not describe every element."""
OPEN = "document.querySelectorAll('details').forEach(one => one.open = true)"


def violations(page: Page, how: str = "light") -> list[tuple[str, str]]:
    """What axe finds hard to use for some: which rule, and the element."""
    found = Axe().run(page, options=FAULTS | (COLOURS if how == "dark" else {})).response["violations"]
    return [(one["id"], one["nodes"][0]["html"][:200]) for one in found]


def sentence(page: Page) -> str:
    return page.inner_text("#clock-sentence")


@pytest.mark.parametrize("how", VIEWS)
def test_no_page_complains_or_scrolls_sideways(seen: Seen, how: str) -> None:
    """In every view: no error in the console, nothing that the policy refuses, no request to anywhere else."""
    with view(seen, **VIEWS[how]) as (page, complaints):
        for path in PAGES:
            response = page.goto(seen.base + path)
            assert response is not None
            known = [one for one in complaints if path == "/nowhere" and "404" in one]
            assert response.status == (404 if path == "/nowhere" else 200), path
            assert [one for one in complaints if one not in known] == [], path
            complaints.clear()
            if VIEWS[how].get("java_script_enabled", True):
                wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert wide <= 0, (path, wide)


@pytest.mark.parametrize("how", ["light", "dark", "narrow"])
def test_no_page_is_hard_to_use_for_some(seen: Seen, how: str) -> None:
    """axe finds no violation: contrast, names, landmarks, headings, tables, targets."""
    with view(seen, **VIEWS[how]) as (page, _):
        for path in PAGES:
            page.goto(seen.base + path)
            page.evaluate(OPEN)
            assert violations(page, how) == [], path


@pytest.mark.parametrize("width", [320, 1280])
def test_each_strip_of_the_dashboard_is_a_link_that_says_what_it_draws(seen: Seen, width: int) -> None:
    """Its name tells the statuses; it is drawn within the page, and leads to the initiative."""
    with view(seen, viewport={"width": width, "height": 900}) as (page, _):
        page.goto(seen.base)
        link = page.get_by_role("link", name=re.compile("^INDUS-X .*active 20"))
        box = link.locator("svg").bounding_box()
        assert box is not None
        assert box["width"] > width / 3
        assert 0 <= box["x"] < box["x"] + box["width"] <= width
        link.click()
        expect(page).to_have_url(f"{seen.base}/initiatives/indus-x")


@pytest.mark.parametrize("script", [True, False])
def test_a_bar_of_the_years_leads_to_the_list_of_its_year(seen: Seen, script: bool) -> None:
    """On a narrow page, with a script and without: bars stay within it, are large enough to be hit, and say what they count."""
    with view(seen, viewport={"width": 320, "height": 900}, java_script_enabled=script) as (page, complaints):
        page.goto(f"{seen.base}/milestones")
        page.locator("details.facets summary").click()
        bars = page.locator(".years a")
        for box in [one.bounding_box() for one in bars.all()]:
            assert box is not None
            assert 0 <= box["x"] < box["x"] + box["width"] <= 320
            assert min(box["width"], box["height"]) >= 24
        name = bars.first.inner_text()
        year, count = name.split()[-1], name.split()[0]
        bars.first.click()
        expect(page).to_have_url(re.compile(f"/milestones\\?year={year}$"))
        assert page.locator("table.list tbody tr").count() == int(count)
        assert complaints == []


def test_the_clock_is_moved_by_keys_alone(seen: Seen) -> None:
    """An arrow moves the range to the entry before: sentence, values, address and what the range says of itself follow; Back
    leads back; and the address opened anew shows the same."""
    with view(seen, **VIEWS["light"]) as (page, _):
        page.goto(f"{seen.base}/initiatives/indus-x")
        page.locator(".clock summary").focus()
        page.keyboard.press("Enter")
        slider = page.locator(".clock input[type=range]")
        slider.focus()
        before = sentence(page)
        with page.expect_response(lambda answer: "known_at=" in answer.url):
            page.keyboard.press("ArrowLeft")
        expect(page.locator("#clock-sentence")).not_to_have_text(before)
        page.wait_for_url("**known_at=*")
        assert "You are viewing the past" in sentence(page)
        assert (slider.get_attribute("aria-valuetext") or "").startswith("entry ")
        address, shown = page.url, page.inner_html("#main")
        page.goto(address)
        assert page.inner_html("#main") == shown
        page.go_back()
        expect(page.locator("#clock-sentence")).not_to_have_text(re.compile("past"))
        assert "known_at" not in page.url


def test_the_clock_is_moved_without_a_script(seen: Seen) -> None:
    """The link to the entry before leads to the same address, and to the same page."""
    with view(seen, **VIEWS["no script"]) as (page, _):
        page.goto(f"{seen.base}/initiatives/indus-x")
        page.click(".clock summary")
        page.click(".stops a:has-text('Earlier')")
        assert "known_at=" in page.url
        assert "You are viewing the past" in sentence(page)


def test_the_clock_plays_on_to_the_last_entry(seen: Seen) -> None:
    """The button goes from entry to entry, says that it does, and stops at the end; the focus on the range stops it, too."""
    with view(seen, **VIEWS["light"]) as (page, complaints):
        page.goto(f"{seen.base}/initiatives/f414")
        page.click(".clock summary")
        slider, play = page.locator(".clock input[type=range]"), page.get_by_role("button", name="Play")
        last = slider.input_value()
        assert play.get_attribute("aria-pressed") == "false"
        slider.focus()
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#clock-sentence")).to_contain_text("1 later entry is not shown")
        play.click()
        expect(play).to_have_attribute("aria-pressed", "true")
        expect(play).to_have_attribute("aria-pressed", "false")
        assert slider.input_value() == last
        expect(page.locator("#clock-sentence")).not_to_contain_text("later")
        play.click()
        expect(play).to_have_attribute("aria-pressed", "true")
        slider.focus()
        expect(play).to_have_attribute("aria-pressed", "false")
        assert complaints == []


def test_an_entry_is_verified_in_the_browser_and_one_that_was_altered_is_not(seen: Seen) -> None:
    """The hash of the entry's own bytes leads to the signed root; after one byte was changed in the database it does not."""
    with view(seen, **VIEWS["light"]) as (page, _):
        page.goto(f"{seen.base}/entries/112")
        page.click("button[data-verify]")
        expect(page.locator("[data-verified]")).to_have_text(re.compile("^✓"))
    tamper(seen.superuser, "update entries set body = replace(body::text, '08-23', '08-24')::json where position = 113")
    try:
        with view(seen, **VIEWS["light"]) as (page, _):
            page.goto(f"{seen.base}/entries/113")
            page.click("button[data-verify]")
            expect(page.locator("[data-verified]")).to_have_text(re.compile("^✕"))
    finally:
        tamper(
            seen.superuser, "update entries set body = replace(body::text, '08-24', '08-23')::json where position = 113"
        )


def test_print_carries_the_clock_and_the_root(seen: Seen, tmp_path: Path) -> None:
    """A printed page says when it was so, as known at which entry, and which signed tree holds it."""
    if shutil.which("pdftotext") is None:
        pytest.skip("there is no pdftotext on this machine")
    with view(seen, **VIEWS["light"]) as (page, _):
        page.goto(f"{seen.base}/agreements/sosa?known_at=131&valid_at=2026-01-01")
        page.emulate_media(media="print")
        page.pdf(path=tmp_path / "page.pdf")
    text = subprocess.run(["pdftotext", tmp_path / "page.pdf", "-"], capture_output=True, text=True, check=True).stdout
    root = seen.service.get("/v1/initiatives/indus-x").json()["basis"]["checkpoint"]["root"]
    assert "true on 1 January 2026" in " ".join(text.split())
    assert root in text.replace("\n", "")


def test_the_keyboard_alone_reaches_everything(seen: Seen) -> None:
    """Every link and field of a page has the focus once, in the order of the page, and shows that it has it."""
    with view(seen, **VIEWS["light"]) as (page, _):
        page.goto(f"{seen.base}/initiatives/f414")
        count = page.locator("a:visible, button:visible, input:visible, summary:visible, select:visible").count()
        reached = set()
        for _ in range(count + 5):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
            style = page.evaluate(
                "document.activeElement === document.body || getComputedStyle(document.activeElement).outlineStyle"
            )
            assert style != "none"
        assert len(reached) >= count * 0.95
