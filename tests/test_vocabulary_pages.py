"""The vocabulary and the glossary as pages: they say what the facts say, and each word that a page explains is explained."""

import re
from html import unescape
from inspect import cleandoc

import pytest

from api.pages import glossary
from api.transfer.vocabulary import document, fields_of, used_by
from ledger.vocabulary.codes import AnomalyCode
from ledger.vocabulary.correction import CORRECTIONS
from ledger.vocabulary.kinds.participation import PARTICIPATION
from ledger.vocabulary.registry import FACTS, KINDS
from tests.examples import INDIA, INDUS_X, THX, USA, event
from tests.service import Service
from tests.test_pages import HTML, links, page

pytest_plugins = ["tests.service"]
TAG = re.compile(r"<[^>]+>")
IDS = re.compile(r' id="([^"]+)"')


def text_of(html: str) -> str:
    return " ".join(unescape(TAG.sub("", html)).split())


def plain(told: str) -> str:
    """A text of the document as a page shows it."""
    return " ".join(re.sub(r"`+", "", told).split())


def test_the_page_of_a_type_says_all_that_the_facts_say(service: Service, subtests: pytest.Subtests) -> None:
    """Its sentence, each field with what it holds, each part and each code that these are made of."""
    for type_, fact in FACTS.items():
        with subtests.test(type_):
            html = page(service, f"/vocabulary/{type_}")
            text = text_of(html)
            assert plain(cleandoc(fact.__doc__ or "")) in text
            used = used_by([fact])
            for field in (*fields_of(fact), *(inner for part in used.parts.values() for inner in part.fields)):
                assert f"<code>{field.name}</code>" in html
                assert field.told in text
            for name, codes in used.lists.items():
                assert all(one in html for one in (f'id="{name}"', *(f"<code>{code}</code>" for code in codes.codes)))


def test_the_whole_vocabulary_and_its_kinds_say_what_the_document_says(service: Service) -> None:
    """Every sentence of the document stands on the page, every type leads to its own, and every code is there."""
    html = page(service, "/vocabulary")
    text = text_of(html)
    for line in document().splitlines():
        if line[:1].isalpha() and not line.startswith(("Everything", "An event is", "Beside", "Streams")):
            assert plain(line) in text, line
        if line.startswith("### ") and "." in line:
            assert f'href="/vocabulary/{line[4:]}"' in html
    for kind in KINDS.values():
        of_kind = page(service, f"/vocabulary/{kind.name}")
        assert {f"/vocabulary/{fact.type}" for fact in kind.facts} <= links(of_kind)
        assert all(f'href="/glossary#status-{status}"' in of_kind for status in kind.statuses)
    assert all(f'id="{fact.type}"' not in html and f"/vocabulary/{fact.type}" in links(html) for fact in CORRECTIONS)
    assert service.get("/vocabulary/agreement.none", HTML).status_code == 404


def test_the_glossary_has_every_status_and_every_code_of_an_anomaly(service: Service) -> None:
    """Each with what leads to it, in the vocabulary's own sentence; and no word twice."""
    html = page(service, "/glossary")
    found = IDS.findall(html)
    assert len(found) == len(set(found))
    statuses = {status for kind in (*KINDS.values(), PARTICIPATION) for status in kind.statuses}
    assert {f"status-{one}" for one in statuses} == {one for one in found if one.startswith("status-")}
    assert glossary.ANOMALIES.keys() == set(AnomalyCode)
    leads = {fact.type for kind in (*KINDS.values(), PARTICIPATION) for fact in kind.lifecycle}
    assert {f"/vocabulary/{type_}" for type_ in leads} <= links(html)


def test_what_pages_link_to_in_the_glossary_is_there(service: Service) -> None:
    """On pages with disputes, anomalies, derived fields, and statuses: each link leads to a word that is explained."""
    pact = event(
        "agreement.signed", "agreement:pact", "2024", signatories=[{"party": "party:usa"}, {"party": "party:none"}]
    )
    service.given(THX, USA, INDIA, INDUS_X, pact, event("agreement.adopted", "agreement:pact", "2025-01"))
    anchors = set(IDS.findall(page(service, "/glossary")))
    linked = set[str]()
    for path in ("/", "/anomalies", "/agreements/pact", "/initiatives/indus-x", "/entries/5", "/sources/thx"):
        linked |= set(re.findall(r'href="/glossary#([^"]+)"', page(service, path)))
    assert linked <= anchors
    assert {"status-signed", "anomaly-dangling_reference", "clock-happened", "derived", "clocks"} <= linked
