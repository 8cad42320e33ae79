"""Signing in, recording and correcting in a real browser: with keys alone, without script, in every view."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ledger.database.connection import LedgerLocation
from ledger.database.embedded import Embedded
from ledger.database.migrations import migrate
from tests.examples import INDIA, INDUS_X, THX, USA, event
from tests.minimal import OPENERS
from tests.service import ADMIN_KEY, running
from tests.test_browser import VIEWS, Seen, browsing, pytestmark, view, violations

__all__ = ["pytestmark"]
TALKS = event("meeting.held", "meeting:talks", "2024", title="Talks", participants=[{"person": "A. Canary"}])
PAGES = (
    "/sign-in", "/append", "/append?subject=agreement:pact", "/append/agreement.signed?subject=agreement:pact",
    "/append/initiative.launched", "/append/milestone.partially_met", "/entries/6/correct", "/entries/6/correct/voided",
    "/entries/6/correct/superseded", "/entries/6/correct/value_erased", "/entries/6", "/initiatives/indus-x",
)  # fmt: skip


@pytest.fixture(scope="module")
def seen(server: Embedded) -> Iterator[Seen]:
    location = LedgerLocation(server.location.dsn, "browser_forms")
    migrate(server.owner_dsn, location)
    with running(location) as service:
        service.given(THX, USA, INDIA, INDUS_X, OPENERS["agreement"], TALKS)
        with browsing(service, server) as seen:
            yield seen


@contextmanager
def signed_in(seen: Seen, **how: Any) -> Iterator[tuple[Page, list[str]]]:
    """A page whose reader has signed in as the admin: the cookie is kept, though the service speaks HTTP to this computer."""
    with view(seen, **how) as (page, complaints):
        page.goto(f"{seen.base}/sign-in?next=/append")
        page.fill("#key", ADMIN_KEY)
        page.click("main button")
        page.wait_for_url(f"{seen.base}/append")
        assert [one["name"] for one in page.context.cookies()] == ["__Host-ledger"]
        yield page, complaints


@pytest.mark.parametrize("how", VIEWS)
def test_no_form_complains_or_scrolls_sideways(seen: Seen, how: str) -> None:
    """In every view: no error in the console, nothing that the policy refuses, no pattern that is none, no request elsewhere."""
    with signed_in(seen, **VIEWS[how]) as (page, complaints):
        for path in PAGES:
            response = page.goto(seen.base + path)
            assert response is not None
            assert (response.status, complaints) == (200, []), path
            if VIEWS[how].get("java_script_enabled", True):
                wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert wide <= 0, (path, wide)


@pytest.mark.parametrize("how", ["light", "dark", "narrow"])
def test_no_form_is_hard_to_use_for_some(seen: Seen, how: str) -> None:
    """axe finds no violation, in a form, in one with errors, and in a preview with something unusual."""
    with signed_in(seen, **VIEWS[how]) as (page, _):
        for path in PAGES:
            page.goto(seen.base + path)
            assert violations(page, how) == [], path
        wrong(page, seen)
        assert violations(page, how) == []
        previewed(page, seen)
        assert violations(page, how) == []


def wrong(page: Page, seen: Seen) -> None:
    """Leave the browser at a form that was sent with errors."""
    page.goto(f"{seen.base}/append/agreement.signed?subject=agreement:pact")
    page.fill('[id="/sources/0/source"]', "thx")
    page.fill('[id="/occurred"]', "some day")
    page.locator("form.fill p button").last.click()
    page.wait_for_selector("#summary")


def previewed(page: Page, seen: Seen) -> None:
    """Leave the browser at a preview of what would be flagged."""
    page.goto(f"{seen.base}/append/agreement.signed?subject=agreement:pact")
    page.fill('[id="/sources/0/source"]', "thx")
    page.fill('[id="/occurred"]', "2024-08-22")
    page.fill('[id="/data/signatories/0/party"]', "nobody")
    page.locator("form.fill p button").last.click()
    page.wait_for_selector("#odd")


def test_errors_take_the_focus_and_lead_to_their_fields(seen: Seen) -> None:
    """The summary has the focus, its link leads to the field, and the title says that there is an error."""
    with signed_in(seen, **VIEWS["light"]) as (page, _):
        wrong(page, seen)
        assert page.title().startswith("Error: ")
        assert page.evaluate("document.activeElement.id") == "summary"
        page.click("#summary a")
        expect(page.locator('[id="/occurred"]')).to_be_focused()
        assert page.input_value('[id="/occurred"]') == "some day"


def test_the_browser_asks_for_what_is_required_and_for_ticks(seen: Seen) -> None:
    """Nothing is sent without; Enter in a field previews, and adds no row."""
    with signed_in(seen, **VIEWS["light"]) as (page, _):
        page.goto(f"{seen.base}/append/agreement.signed")
        page.focus('[id="/data/title"]')
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.validity.valueMissing")
        assert "Error" not in page.title()
        page.fill('[id="/sources/0/source"]', "thx")
        page.fill('[id="/subject"]', "pact")
        page.focus('[id="/data/title"]')
        page.keyboard.press("Enter")
        page.wait_for_selector("h1:has-text('Preview')")
        previewed(page, seen)
        page.click("text=Record it for good")
        assert page.evaluate("document.activeElement.validity.valueMissing")


@pytest.mark.parametrize("how", ["light", "no script"])
def test_a_fact_is_recorded_and_corrected(seen: Seen, how: str) -> None:
    """From the page of a subject to the entry, a double click recording once; and from the entry to its correction."""
    with signed_in(seen, **VIEWS[how]) as (page, complaints):
        page.goto(f"{seen.base}/initiatives/indus-x")
        page.click("text=Record a fact")
        page.click("text=Party joined")
        page.fill('[id="/sources/0/source"]', "thx")
        page.fill('[id="/data/party"]', "ind")
        page.select_option('[id="/data/role"]', "lead")
        page.locator("form.fill p button").last.click()
        page.wait_for_selector("h1:has-text('Preview')")
        size = seen.service.size()
        for box in page.query_selector_all("#odd input"):
            box.check()
        page.dblclick("text=Record it for good")
        page.wait_for_url(f"{seen.base}/entries/{size + 1}")
        page.click("text=Correct this entry")
        page.click("text=Voided")
        page.select_option('[id="/data/reason_code"]', "test_entry")
        page.fill('[id="/data/reason"]', "A rehearsal")
        page.locator("form.fill p button").last.click()
        page.click("text=Record it for good")
        page.wait_for_url(f"{seen.base}/entries/{size + 2}")
        assert complaints == []
        assert seen.service.size() == size + 2
        page.click("text=Sign out")
        page.wait_for_url(f"{seen.base}/sign-in")
        assert page.context.cookies() == []


def test_a_form_says_what_is_wrong_while_it_is_filled_in(seen: Seen) -> None:
    """At the field, in an output that is read out, and not where nothing was filled in yet; what is mended is said no more; and the
    form can be sent whatever it says."""
    with signed_in(seen, **VIEWS["light"]) as (page, complaints):
        page.goto(f"{seen.base}/append/agreement.signed?subject=agreement:pact")
        told, occurred = page.locator("[data-checked]"), page.locator('[id="/occurred"]')
        assert told.evaluate("one => one.tagName") == "OUTPUT"
        occurred.fill("some day")
        occurred.blur()
        wrong = page.locator('[id="/occurred.wrong"]')
        expect(wrong).to_contain_text("Error:")
        expect(told).to_contain_text("1 to mend: Occurred")
        expect(told).to_contain_text("still to fill in")
        expect(page.locator(".wrong")).to_have_count(1)
        assert (occurred.get_attribute("aria-describedby") or "").split() == ["/occurred.hint", "/occurred.wrong"]
        assert occurred.get_attribute("aria-invalid") == "true"
        assert violations(page) == []
        occurred.fill("2024-08-22")
        page.fill('[id="/sources/0/source"]', "thx")
        page.fill('[id="/data/signatories/0/party"]', "nobody")
        expect(wrong).to_have_count(0)
        assert (occurred.get_attribute("aria-describedby"), occurred.get_attribute("aria-invalid")) == (
            "/occurred.hint",
            None,
        )
        expect(told).to_contain_text("unusual: nothing is known of party:nobody")
        occurred.fill("some day")
        occurred.blur()
        expect(wrong).to_have_count(1)
        size = seen.service.size()
        page.locator("form.fill p button").last.click()
        page.wait_for_selector("#summary")
        assert seen.service.size() == size
        occurred.fill("2024-08-22")
        expect(page.locator(".wrong")).to_have_count(0)
        assert [one for one in complaints if "422" not in one] == []


def test_a_page_says_how_many_entries_came_since(seen: Seen) -> None:
    """While it is looked at, of its own subject or of all; the link loads them; a page that is pinned says nothing."""
    path = f"{seen.base}/initiatives/indus-x"
    seen.service.given(event("party.described", "party:usa", name="United States"))
    with view(seen, **VIEWS["light"]) as (page, complaints):
        page.goto(path)
        place = page.locator("#live")
        with page.context.expect_page() as opened:
            page.evaluate("open('/')")
        whole = opened.value
        whole.wait_for_load_state()
        note = event("initiative.described", "initiative:indus-x", objective="More is known.")
        seen.service.given(event("party.described", "party:ind", name="India"), note)
        expect(whole.locator("#live")).to_have_text("2 new entries: load them")
        page.bring_to_front()
        expect(place).to_have_text("1 new entry: load it")
        assert violations(page) == []
        place.locator("a").click()
        expect(page.locator("main")).to_contain_text("More is known.")
        expect(page.locator("#live")).to_be_empty()
        pinned = page.goto(f"{path}?known_at=3")
        assert pinned is not None
        expect(page.locator("#live")).to_have_count(0)
        assert complaints == []


def test_a_page_that_nobody_looks_at_listens_to_nothing(seen: Seen) -> None:
    """Its stream is closed, and opened where it was once somebody looks again: nothing is counted twice, and nothing is missed."""
    hide = "value => { Object.defineProperty(document, 'hidden', {value, configurable: true}); document.dispatchEvent(new Event('visibilitychange')); }"
    with view(seen, **VIEWS["light"]) as (page, _):
        with page.expect_request("**/v1/events/stream?*") as first:
            page.goto(seen.base)
        again = event("party.described", "party:ind", name="Bharat")
        seen.service.given(again)
        expect(page.locator("#live")).to_have_text("1 new entry: load it")
        with page.expect_event("requestfailed", lambda one: one == first.value):
            page.evaluate(hide, True)
        seen.service.given(event("party.described", "party:usa", name="America"))
        page.evaluate(hide, False)
        expect(page.locator("#live")).to_have_text("2 new entries: load them")
