"""The pages, as they are sent: of the whole seed, of generated ledgers, and of facts that say all they may."""

import re
from collections.abc import Iterable
from html import unescape
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import html5lib
import pytest
from pydantic_core import from_json

from api.http.documents import plural_of
from api.http.parameters import NARROWED, AtBasis
from api.pages import overview, routes
from ledger.database.connection import LedgerLocation
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.registry import FACTS, KINDS
from tests.examples import INDIA, INDUS_X, THX, USA, event
from tests.generator import SEED
from tests.ledgers import subjects
from tests.service import Service, problem_of, running

pytest_plugins = ["tests.ledgers", "tests.service"]

HTML = {"Accept": "text/html"}
WHOLE = ("/", "/search?q=the", "/anomalies", "/board", "/calendar?month=2024-09", "/diff", "/diff?from=1", "/replay",
         "/audit", "/entries", "/due", *(f"/{kind.plural}" for kind in KINDS.values()))  # fmt: skip
"""The pages that are about no one subject."""
LINK = re.compile(r'(?:href|action|src)="([^"]*)"')
FEW = 25
"""So many subjects of a ledger are looked at."""


def page(service: Service, path: str, **params: Any) -> str:
    """The page at a path: HTML that parses without an error, under a policy that lets nothing else in."""
    response = service.get(path, HTML, **params)
    assert response.status_code == 200, (path, params, response.text[:500])
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    html5lib.HTMLParser(strict=True).parse(response.text)
    assert " style=" not in response.text
    assert response.text.count("<h1") == response.text.count("<main") == 1
    return response.text


def of(subject: Subject) -> str:
    return f"/{plural_of(subject.kind)}/{subject.id}"


def some(told: Service) -> list[Subject]:
    found = subjects(told)
    return found if len(found) <= FEW else Random(SEED).sample(found, FEW)


def known(told: Service) -> list[Subject]:
    """Of the same subjects those of which not all that was recorded is struck."""
    return [subject for subject in some(told) if told.get(f"/v1{of(subject)}").status_code == 200]


def test_every_page_of_every_ledger_is_sent_and_no_link_on_it_leads_nowhere(told: Service) -> None:
    """Of the whole ledger, of its subjects, and of entries; now, and as known half way."""
    half, linked = told.size() // 2, set[str]()
    for path in WHOLE:
        linked |= links(page(told, path)) | links(page(told, path, known_at=half))
    for subject in known(told):
        for part in ("", "/history", "/why", "/diff", "/diff?from=1"):
            linked |= links(page(told, of(subject) + part))
    for position in range(1, told.size() + 1, max(1, told.size() // FEW)):
        linked |= links(page(told, f"/entries/{position}")) | links(page(told, f"/replay?entry={position}"))
    for link in Random(SEED).sample(sorted(linked), min(len(linked), 300)):
        assert told.get(link, HTML).status_code in (200, 307), link


def links(html: str) -> set[str]:
    """Where a page leads within the service: no address on it is anybody else's but those that sources give."""
    found = {unescape(link).partition("#")[0] for link in LINK.findall(html)}
    return {link for link in found if link and not urlsplit(link).scheme}


def test_a_page_of_a_subject_says_what_the_answer_says(told: Service) -> None:
    """Its title, its status, every entry that its fields rest on, and everything that belongs to it."""
    for subject in known(told):
        answer = told.get(f"/v1{of(subject)}").json()
        html = page(told, of(subject))
        assert "Showing what was true on" in html
        for field in answer["provenance"]:
            assert f'{of(subject)}/why/{field.partition("/")[0]}"' in html
        for plural in (plural_of(kind) for kind in KINDS[subject.kind].related if kind != "participation"):
            for one in answer[plural]:
                assert f'href="/{plural}/{one["id"]}"' in html
        why = page(told, f"{of(subject)}/why")
        for positions in answer["provenance"].values():
            assert all(f'href="/entries/{position}"' in why for position in positions)


def test_the_history_page_has_every_entry_once_and_strikes_what_is_struck(told: Service) -> None:
    """As many as the API's history, each with its link; as many struck ones."""
    for subject in some(told):
        items = told.get(f"/v1{of(subject)}/history").json()["items"]
        html = page(told, f"{of(subject)}/history")
        shown = re.findall(r'<li id="entry-(\d+)"(?: class="(\w+)")?', html)
        assert sorted(int(position) for position, _ in shown) == [int(one["event"]["sequence"]) for one in items]
        assert sum(sort == "struck" for _, sort in shown) == sum(one["struck"] for one in items)


def test_the_pages_of_the_log_have_every_entry_of_a_type(told: Service) -> None:
    """The last page has the last fifty of those of one type, or of all, however long ago they were recorded; from there back to the
    first none is missing; and each page leads to files of all of them."""
    events = [from_json(line) for line in told.get("/entries.jsonl").text.splitlines()]
    for type_ in (None, *sorted({one["type"] for one in events})):
        wanted = [int(one["sequence"]) for one in events if type_ in (None, one["type"])]
        shown, path = list[list[int]](), f"/entries?type={type_ or ''}"
        while path:
            html = page(told, path)
            shown += [[int(position) for position in re.findall(r'class="entry" href="/entries/(\d+)', html)]]
            [rows] = [link for link in links(html) if link.startswith("/entries.jsonl")]
            assert len(told.get(rows).text.splitlines()) == len(wanted), rows
            path = unescape(found[1]) if (found := re.search(r'rel="prev" href="([^"]*)"', html)) else ""
        assert shown[0] == wanted[-50:], type_
        assert sorted({position for part in shown for position in part}) == wanted, type_


def test_the_picture_of_a_subject_is_a_file_of_its_own(told: Service) -> None:
    """Well-formed, the same bytes twice, and with no script."""
    from xml.etree import ElementTree

    for subject in known(told):
        path = f"{of(subject)}/timeline.svg"
        first, second = told.get(path), told.get(path)
        assert first.headers["content-type"].startswith("image/svg+xml")
        assert first.content == second.content
        assert ElementTree.fromstring(first.text).tag.endswith("svg")
        assert "<script" not in first.text


# --- both clocks


def test_both_clocks_stand_on_the_page_and_go_with_its_links(service: Service) -> None:
    """A past is told as such, with how much is not shown, the way back, and an address that pins both clocks."""
    service.given(THX, USA, INDIA, INDUS_X)
    service.given(event("initiative.described", "initiative:indus-x", objective="Said later"))
    html = page(service, "/initiatives/indus-x", known_at=4, valid_at="2030-01-01")
    assert "Showing what was true on 1 January 2030, as recorded up to entry 4" in html
    assert "You are viewing the past: 1 later entry is not shown." in html
    assert 'class="past-known"' in html
    assert "/initiatives/indus-x/history?valid_at=2030-01-01&amp;known_at=4" in html
    assert "Said later" not in html
    assert "Said later" in page(service, "/initiatives/indus-x")


def test_what_was_not_recorded_yet_says_when_it_is(service: Service) -> None:
    """A subject that the ledger did not know then is no error: the page leads to the first entry about it."""
    service.given(THX, USA, INDIA, INDUS_X)
    response = service.get("/initiatives/indus-x", HTML, known_at=2)
    assert response.status_code == 200
    assert "not yet recorded" in response.text
    assert 'href="/entries/4"' in response.text


def sent(html: str, action: str) -> dict[str, str]:
    """What a browser sends of the form of filters as it stands, but for what is empty."""
    forms = html5lib.parse(html, namespaceHTMLElements=False).iter("form")
    form = next(one for one in forms if (one.get("class"), one.get("action")) == ("filters", action))
    fields = {one.get("name"): one.get("value") for one in form.iter("input")}
    for select in form.iter("select"):
        fields |= {select.get("name"): one.get("value") for one in select.iter("option") if "selected" in one.attrib}
    return {name: value for name, value in fields.items() if value}


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_is_narrowed_by_every_filter_and_its_form_keeps_them(service: Service, kind: str) -> None:
    """Each filter of the API is told and can be taken away; the form sends all of them, order and clocks too, but not where a list goes on."""
    service.given(THX, USA, INDIA, INDUS_X)
    path, known = f"/{KINDS[kind].plural}", NARROWED[kind].model_fields.keys() - AtBasis.model_fields.keys() - {"sort"}
    said = {"status": KINDS[kind].statuses[0], "kind": next(iter(KINDS[kind].categories), ""), "area": "space", "ref": "party:usa",
            "party": "party:usa", "text": "x", "year": "2024", "due_before": "2030-01-01", "overdue": "true", "in_force_for": "2"}  # fmt: skip
    filters = {name: said[name] for name in known if said[name]}
    rest = {"sort": "-id", "limit": "7", "known_at": "4", "valid_at": "2030-01-01"}
    html = page(service, path, **filters, **rest)
    assert sent(html, path) == filters | rest
    links = [
        dict(parse_qsl(urlsplit(unescape(one)).query)) for one in re.findall(r'class="filter" href="([^"]*)"', html)
    ]
    assert dict.fromkeys(filters, filters | rest) == {(filters.keys() - one).pop(): filters | one for one in links}


def test_forms_keep_the_clocks(service: Service) -> None:
    """Who looks at the past searches it, and pages through its log."""
    service.given(THX, USA, INDIA, INDUS_X)
    clocks = {"known_at": "4", "valid_at": "2030-01-01"}
    for path, action in (("/", "/search"), ("/search", "/search"), ("/entries", "/entries")):
        assert sent(page(service, path, **clocks), action) == clocks


def test_a_comparison_is_sent_again_as_it_was_asked_for(service: Service) -> None:
    """With the clock that stands still on both sides: the day between entries, the entry between days."""
    service.given(THX, USA, INDIA, INDUS_X)
    entries = {"from": "1", "to": "4", "valid_at": "2030-01-01"}
    days = {"from": "2024-01-01", "to": "2030-01-01", "known_at": "4"}
    subject = "/initiatives/indus-x/diff"
    for path, asked in ((subject, entries), (subject, days), ("/diff", entries)):
        assert sent(page(service, path, **asked), path) == asked


def test_a_form_does_not_send_where_a_list_goes_on(service: Service) -> None:
    """Narrowed otherwise, it begins anew."""
    service.given(THX, USA, INDIA)
    (following,) = re.findall(r'rel="next" href="([^"]*)"', page(service, "/parties", limit=1, sort="-id"))
    assert sent(page(service, unescape(following)), "/parties") == {"limit": "1", "sort": "-id"}


def test_the_log_is_paged_to_where_the_clock_says(service: Service) -> None:
    """An entry that is recorded and not projected yet is on no page: the count, the list and the clock tell of the same entries."""
    service.given(THX, USA, INDIA)
    service.post(INDUS_X)
    html = page(service, "/entries")
    assert "as recorded up to entry 3" in html
    assert "<p>3 in all" in html
    assert 'href="/entries/3"' in html
    assert 'href="/entries/4"' not in html


def test_the_log_of_one_type_is_paged_over_all_of_it(service: Service) -> None:
    """However far back its entries lie: page by page, to the first and on to the last again, each shows the next of them."""
    service.given(
        THX, USA, *[event("party.registered", f"party:p{number}", name="P", kind="state") for number in range(120)]
    )
    assert 'href="/entries/1"' in page(service, "/entries", type="source.registered")
    asked: dict[str, Any] = {"type": "party.registered"}
    shown: list[list[int]] = []
    for rel in ("prev", "prev", "next", "next"):
        html = page(service, "/entries", **asked)
        shown.append([int(found) for found in re.findall(r'class="entry" href="/entries/(\d+)"', html)])
        (found,) = re.findall(rf'rel="{rel}" href="/entries\?type=party.registered&amp;from_entry=(\d+)"', html)
        asked["from_entry"] = found
    assert shown == [[*range(73, 123)], [*range(23, 73)], [*range(2, 52)], [*range(52, 102)]]
    assert 'rel="next"' not in page(service, "/entries", **asked)


def test_the_page_of_a_subject_says_who_differs_and_why(service: Service) -> None:
    """Each account with its sources, and the words of who disputes one; the dispute's own page leads to the entry it is about."""
    ground = "Time_zones may explain IT; the signature is put a day later."
    service.given(
        THX,
        event("source.registered", "source:other", sources=[], title="Other", kind="other"),
        event("agreement.signed", "agreement:a", "2024-08-22", title="A", instrument_type="arrangement"),
        event("agreement.signed", "agreement:a", "2024-08-23", sources=[{"source": "source:other"}]),
    )
    dispute = event("entry.disputed", "agreement:a", target=3, by="source:other", ground=ground)
    by_id = service.get("/v1/events/4").json()["id"]
    service.given(dispute, event("entry.annotated", "agreement:a", target=by_id, text="It is named by its id."))
    said = unescape(page(service, "/agreements/a"))
    assert ground in said
    assert re.search(r"<dt>signed</dt><dd>.*22 August 2024.*An article.* or .*23 August 2024.*>Other<", said)
    dispute_page = unescape(page(service, "/entries/5"))
    assert ground in dispute_page.split("As it is stored")[0]
    for html, meant in ((dispute_page, 3), (page(service, "/entries/6"), 4)):
        assert f'<dt>target</dt><dd><a class="entry" href="/entries/{meant}">#{meant}</a></dd>' in html


def test_what_is_due_in_a_month_is_due_by_its_last_day(service: Service) -> None:
    """The pages of what is due name the day from which on it is late, and not as if a source had named it."""
    service.given(
        THX, event("milestone.scheduled", "milestone:a", "2020-01-02", title="A", type="delivery", due="2020-03")
    )
    for path in ("/", "/due"):
        said = re.sub(r"\s*<[^>]*>\s*", " ", page(service, path, valid_at="2020-04-02")).lower()
        assert re.search(r"due by .*31 march 2020 .*2 days overdue", said, re.DOTALL), path


def test_an_erased_name_leads_to_the_erasure_from_every_view(service: Service) -> None:
    """What is erased is erased as known at any moment: the link goes out of a view of what was known before it."""
    service.given(THX, event("meeting.held", "meeting:a", title="A", participants=[{"person": "Somebody Named"}]))
    erased = {"pointer": "/data/participants/0/person", "ground": "article_17"}
    service.given(event("entry.value_erased", "meeting:a", sources=[], target=2, **erased))
    for known_at in (2, 3):
        assert 'name erased by <a class="entry" href="/entries/3">' in page(service, "/meetings/a", known_at=known_at)


def test_the_reasons_of_a_field_are_a_page_before_anything_states_it(service: Service) -> None:
    """The clock bar leads there from when the subject was known and the field was not; another name is no field."""
    told = event("initiative.described", "initiative:a", objective="Steel")
    service.given(THX, event("initiative.reported", "initiative:a", name="A", kind="ecosystem"), told)
    assert 'href="/initiatives/a/why/objective?known_at=2"' in page(service, "/initiatives/a/why/objective")
    assert "No entry that was known then states it." in page(service, "/initiatives/a/why/objective", known_at=2)
    assert service.get("/initiatives/a/why/reason", HTML).status_code == 200
    for name in ("colour", "meetings", "provenance"):
        assert service.get(f"/initiatives/a/why/{name}", HTML).status_code == 404, name


def test_empty_fields_of_a_form_say_nothing(service: Service) -> None:
    """A browser sends every field of a form that is left empty."""
    service.given(THX, USA, INDIA, INDUS_X)
    assert "INDUS-X" in page(service, "/initiatives?text=&status=&kind=&valid_at=&known_at=")


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_pages_are_shown_as_of_the_first_and_the_last_of_days(service: Service, day: str) -> None:
    """The calendar shows the nearest month that can be asked for."""
    service.given(THX, event("meeting.held", "meeting:m", "2024", title="M"))
    for path in (*WHOLE, "/calendar"):
        if path != "/diff?from=1":
            page(service, f"{path}{'&' if '?' in path else '?'}valid_at={day}")


def test_the_calendar_has_what_happened_and_what_is_due(service: Service) -> None:
    """Milestones stand there as meetings do: on the day on which they were met, else by which they are due, and in words which of
    both; what is known to the month alone stands above the weeks. A meeting that has no day stands nowhere, whenever it was proposed."""
    service.given(
        THX,
        event("milestone.scheduled", "milestone:a", title="Alpha", due="2024-03-04"),
        event("milestone.scheduled", "milestone:b", title="Beta", due="2024-03-11"),
        event("milestone.met", "milestone:b", "2024-03-05"),
        event("milestone.scheduled", "milestone:c", title="Gamma", due="2024-03"),
        event("meeting.held", "meeting:m", "2024-03-06", title="Delta"),
        event("meeting.proposed", "meeting:n", "2024-03-07", title="Epsilon"),
    )
    html = page(service, "/calendar", month="2024-03")
    vague, weeks = html.split('<table class="month">')
    cells = {
        day: re.sub("<[^>]+>", "", cell) for day, cell in re.findall(r'datetime="2024-03-(\d\d)">(.*?)</td>', weeks)
    }
    told = {day: cell.removeprefix(str(int(day))).strip() for day, cell in cells.items()}
    assert {day: cell for day, cell in told.items() if cell} == {"04": "Alpha due", "05": "Beta met", "06": "Delta"}
    assert "Gamma" in vague


def test_no_stop_of_a_subject_comes_before_it(service: Service) -> None:
    """What was recorded of others that refer to it, before anything was recorded of itself, is no stop: there was no page yet."""
    of = {"initiatives": ["initiative:indus-x"]}
    service.given(THX, event("meeting.held", "meeting:m", "2024-02-01", title="M", **of), INDUS_X)
    service.given(event("meeting.described", "meeting:m", description="Of steel"))
    for path in ("", "/history", "/why", "/why/name"):
        at = f"/initiatives/indus-x{path}"
        stops = {int(one) for one in re.findall(r'href="[^"]*known_at=(\d+)"', page(service, at))}
        assert 3 in stops
        assert 2 not in stops
        for stop in stops:
            page(service, at, known_at=stop)


def test_the_clock_bar_stops_at_what_is_around_the_clock(service: Service) -> None:
    """However many entries there are: the first and the last, and those next to the clock on either side; and it tells how many
    came later as far as that is looked at."""
    claims = [event("initiative.claim_recorded", "initiative:indus-x", text=f"Claim {one}") for one in range(150)]
    service.given(THX, INDUS_X, *claims)
    for path, first in (("/initiatives/indus-x", 2), ("/", 1)):
        for position in (2, 10, 76, 150, 152):
            told = page(service, path, known_at=position)
            rail = told[told.index("data-stops") :]
            stops = [int(one) for one in re.findall(r'known_at=(\d+)" title', rail[: rail.index("</ol>")])]
            around = range(max(position - 24, first), min(position + 25, 152) + 1)
            assert stops == sorted({first, *around, 152})
            links = dict(re.findall(r'known_at=(\d+)"><span aria-hidden="true">[^<]+</span> (\w+)<', told))
            assert set(links) <= {str(one) for one in (first, position - 1, position + 1, 152)}
            later = 152 - position
            words = "more than 25 later entries are" if later > 25 else f"{later} later entries are"
            assert (words in told) == (later > 0)


def test_an_empty_month_leads_to_one_that_has_something(service: Service) -> None:
    """A month of which nothing is recorded leads to a late one that has something; nothing is promised where there is none."""
    assert "A month that has" not in page(service, "/calendar")
    service.given(THX, event("meeting.held", "meeting:m", "2024-02-01", title="M"))
    service.given(event("milestone.scheduled", "milestone:n", title="N", due="2024-05"), INDUS_X)
    told = page(service, "/calendar")
    assert re.search(r'A month that has some is <a href="/calendar\?month=2024-05">May 2024</a>', told)
    assert "A month that has" not in page(service, "/calendar", month="2024-05")


def test_a_source_without_a_title_is_told_by_its_publisher(service: Service) -> None:
    """In its own page and wherever it is cited: who published it, and when; its id alone says little to a reader."""
    service.given(
        event(
            "source.registered",
            "source:x1",
            sources=[],
            kind="news_article",
            description="Of steel",
            publisher="The Paper",
            published="2024-03",
        )
    )
    service.given(
        event("initiative.reported", "initiative:i", sources=[{"source": "source:x1"}], name="I", kind="other")
    )
    for path in ("/sources/x1", "/initiatives/i", "/sources"):
        assert "The Paper, 2024-03" in page(service, path)


def test_a_search_shows_what_is_looked_for_before_what_it_rests_on(service: Service) -> None:
    """An initiative that bears the words stands before the sources that do."""
    service.given(
        THX, event("source.registered", "source:s", sources=[], title="INDUS-X", kind="news_article"), INDUS_X
    )
    told = page(service, "/search", q="indus")
    assert told.index('id="found-initiative"') < told.index('id="found-source"')


def test_the_whole_ledger_is_not_compared_between_days(service: Service) -> None:
    """No entry tells which subjects differ then: days are refused, where they stand, and not said to differ in nothing."""
    service.given(THX, INDUS_X)
    days = {"from": "2024-01-01", "to": "2025-01-01"}
    problem = problem_of(service.get("/diff", {"Accept": "application/problem+json"}, **days), 422)
    assert [one["pointer"] for one in problem["errors"]] == ["from", "to"]


# --- what is too much for a page


def test_the_dashboard_leads_to_what_it_has_no_room_for(service: Service) -> None:
    """It lists fifty initiatives, tells how many there are, and links to all of them where there are more."""
    opened = [event("initiative.reported", f"initiative:i{number}", name="I", kind="ecosystem") for number in range(51)]
    service.given(THX, *opened[:50])
    html = page(service, "/")
    assert (html.count('<th scope="row" data-label="Name">'), "All 50 initiatives" in html) == (50, False)
    service.given(opened[50])
    html = page(service, "/")
    assert html.count('<th scope="row" data-label="Name">') == 50
    assert '<a href="/initiatives">All 51 initiatives</a>' in html


def test_a_calendar_says_so_where_a_year_has_too_many_meetings(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the year are looked at by their ids up to a bound; one more than that, and the page tells of it."""
    monkeypatch.setattr(overview, "YEARLY", 2)
    held = [
        event("meeting.held", f"meeting:m{n}", "2024-02-01", title=f"Meeting {n}", kind="bilateral") for n in range(3)
    ]
    service.given(THX, held[2], held[1], event("meeting.held", "meeting:a", "2023", title="Earlier", kind="bilateral"))
    html = page(service, "/calendar", month="2024-02")
    assert ("Meeting 1" in html, "Meeting 2" in html, "may be missing" in html) == (True, True, False)
    service.given(held[0])
    html = page(service, "/calendar", month="2024-02")
    assert "More than 2 meetings tell of 2024" in html
    assert ("Meeting 0" in html, "Meeting 1" in html, "Meeting 2" in html) == (True, True, False)


def test_a_timeline_says_what_it_leaves_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Facts before the last so many, and what belongs to the subject beyond so much; in the caption and in the picture alike."""
    other = event("initiative.reported", "initiative:other", name="Other", kind="ecosystem")
    service.given(THX, INDUS_X, other, *[
        event("meeting.held", f"meeting:m{n}", f"2024-0{n}", title="M", kind="bilateral", initiatives=["initiative:indus-x"])
        for n in range(1, 4)
    ])  # fmt: skip

    def told() -> set[str]:
        service.given(
            event("initiative.claim_recorded", "initiative:other", text="No page is answered from what was kept")
        )
        shown = [service.get(f"/initiatives/indus-x{one}", HTML).text for one in ("", "/timeline.svg")]
        return {"".join(re.findall(r"Not drawn: [^.]*[.](?=[^<]*(?: <a|</title>))", one)) for one in shown}

    assert told() == {""}
    monkeypatch.setattr(routes, "DRAWN", 2)
    assert told() == {"Not drawn: what is told of 2 of the 4 that belong to it."}
    for bound in ("DRAWN_FACTS", "FACTS"):
        monkeypatch.setattr(routes, bound, 2)
    assert told() == {"Not drawn: what is told of 2 of the 4 that belong to it, and the 2 facts before these."}


def test_pages_ask_no_more_questions_the_more_they_show(service: Service, asked: list[Any]) -> None:
    """Of the whole ledger as of one subject, whether there is little or much: but to count a list of which there is more than is shown."""
    paths = ("/", "/search?q=m", "/board", "/calendar?month=2024-02", "/anomalies", "/due", "/entries", "/diff?from=1", "/initiatives",
             "/initiatives/indus-x", "/initiatives/indus-x/history", "/initiatives/indus-x/why", "/initiatives/indus-x/why/status",
             "/initiatives/indus-x/diff?from=1")  # fmt: skip

    def questions(path: str) -> int:
        asked.clear()
        page(service, path)
        return len([one for one in asked if "pg_notify" not in one])  # which comes after an append, whenever it does

    def record(numbers: Iterable[int]) -> None:
        for n in numbers:
            named, of = {"title": f"M {n}"}, ["initiative:indus-x"]
            held = event("meeting.held", f"meeting:m{n}", "2024-02-01", kind="bilateral", initiatives=of, **named)
            service.given(
                held, event("milestone.scheduled", f"milestone:m{n}", "2024-02-01", due="2024-06-01", of=of, **named)
            )

    service.given(THX, INDUS_X)
    record(range(3))
    few = {path: questions(path) for path in paths}
    record(range(3, 60))
    many = {path: questions(path) for path in paths}
    counted = {"/": 0, "/search?q=m": 2, "/board": 2}
    assert many == {path: number + counted.get(path, 0) for path, number in few.items()}
    assert max(many.values()) <= 14


# --- what cannot be shown


@pytest.mark.parametrize(
    ("path", "status"),
    [("/initiatives/none", 404), ("/nowhere", 404), ("/initiatives?status=", 200), ("/initiatives?colour=red", 422),
     ("/entries/0", 422), ("/entries/99", 404), ("/initiatives/a?known_at=99", 422), ("/calendar?month=2024-13", 422),
     ("/initiatives/a/why/colour", 404), ("/diff?from=x", 422), ("/search?q=%00", 422), ("/initiatives?cursor=x", 422)],
)  # fmt: skip
def test_a_problem_is_a_page_for_who_asks_for_pages(service: Service, path: str, status: int) -> None:
    """With the status, the words and the advice of the problem document; who does not ask for HTML gets the document."""
    service.given(THX, event("initiative.reported", "initiative:a", name="A", kind="ecosystem"))
    response = service.get(path, HTML)
    assert response.status_code == status
    html5lib.HTMLParser(strict=True).parse(response.text)
    if status != 200:
        document = service.get(path)
        assert document.headers["content-type"] == "application/problem+json"
        assert document.json()["title"] in unescape(response.text)


def test_pages_are_closed_where_reads_are(location: LedgerLocation) -> None:
    """Where reading needs a key, every page does."""
    with running(location, public_reads=False) as service:
        for path in WHOLE:
            assert service.get(path, HTML).status_code == 401, path


def test_names_are_on_pages_only_for_who_may_see_them(location: LedgerLocation) -> None:
    """Withheld from the public; shown where names are public; and no answer to the one is given to the other."""
    held = event("meeting.held", "meeting:a", title="A", kind="bilateral",
                 participants=[{"party": "party:usa", "person": "Somebody Named", "office": "envoy"}])  # fmt: skip
    with running(location) as service:
        service.given(THX, USA, held)
        for path in (
            "/meetings/a",
            "/entries/3",
            "/meetings/a/why",
            "/meetings/a/history",
            "/diff?from=1",
            "/meetings/a/diff?from=0",
        ):
            assert "Somebody Named" not in page(service, path), path
        assert "name withheld" in page(service, "/meetings/a")
        assert "envoy" in page(service, "/meetings/a")
    with running(location, public_names=True) as service:
        assert "Somebody Named" in page(service, "/meetings/a")
        assert "Somebody Named" in page(service, "/entries/3")


HOSTILE = '<script>alert(1)</script>" onload="x" {{ 7 * 7 }} ‮ &amp;'


def test_nothing_that_was_recorded_is_taken_for_markup(service: Service) -> None:
    """Texts of facts are shown as they are, on every page that shows them."""
    service.given(
        THX, USA, event("initiative.reported", "initiative:a", name=HOSTILE, kind="ecosystem", objective=HOSTILE),
        event("initiative.claim_recorded", "initiative:a", text=HOSTILE),
    )  # fmt: skip
    for path in ("/", "/initiatives", "/initiatives/a", "/initiatives/a/history", "/initiatives/a/why", "/entries/3",
                 "/initiatives/a/diff?from=1", "/replay?entry=3", "/search?q=script", "/initiatives?text=script"):  # fmt: skip
        html = page(service, path)
        assert "<script>alert" not in html, path
        assert 'onload="x"' not in html, path
        assert "7 * 7" in html or path in ("/", "/initiatives/a/history"), path


def test_every_type_of_fact_has_a_page_that_says_what_it_is(told: Service) -> None:
    """The entry page of each type in the ledger has the vocabulary's own sentence for it."""
    with told.location.connect() as connection:
        found = connection.execute("select type, min(position) from entries group by type").fetchall()
    for type_, position in found:
        sentence = (FACTS[type_].__doc__ or "").split("\n\n")[0].replace("``", "").strip()
        assert sentence.replace("\n", " ")[:40] in " ".join(unescape(page(told, f"/entries/{position}")).split())


def test_what_pages_load_is_kept_for_good_and_small() -> None:
    """Style and script stand under addresses that change with their bytes: HTML <= 60 kB, CSS <= 20 kB, script <= 10 kB."""
    folder = Path(__file__).parent.parent / "api" / "pages" / "static"
    assert (folder / "ledger.js").stat().st_size <= 10_000


def test_static_files_are_immutable_and_bounded(service: Service) -> None:
    """Their addresses change with their bytes, so caches may keep them; another address of theirs is none."""
    service.given(THX, USA, INDIA, INDUS_X)
    html = page(service, "/initiatives/indus-x")
    for name, most in (("ledger.css", 20_000), ("ledger.js", 10_000)):
        [address] = re.findall(rf'"(/static/[0-9a-f]+/{name})"', html)
        response = service.get(address)
        assert "immutable" in response.headers["cache-control"]
        assert len(response.content) <= most
        assert service.get(f"/static/0000000000000000/{name}").status_code == 404
    assert len(html.encode()) <= 60_000
