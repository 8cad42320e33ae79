"""The page of a source: which fields of which subjects stand on it, which passages are cited, and what its retraction means."""

import json
import re
from html import unescape
from random import Random

from ledger.vocabulary.fact import Subject
from ledger.vocabulary.registry import KINDS
from tests.examples import INDUS_X, THX, USA, event
from tests.generator import SEED
from tests.ledgers import told as told
from tests.service import Service
from tests.test_pages import FEW, of, page
from tests.test_vocabulary_pages import text_of

pytest_plugins = ["tests.service"]
WHY = re.compile(r'href="(/[a-z]+/[^/"]+)/why/([a-z_]+)"')
DOC = event("source.registered", "source:doc", sources=[], title="A paper", kind="report", published="2024-01-02")


def cites(source: str, locator: str = "page 1") -> list[dict[str, str]]:
    return [{"source": source, "locator": locator}]


def test_a_source_lists_every_field_that_stands_on_it(told: Service) -> None:
    """The fields whose provenance has an entry that cites it, for every subject of the ledger: no other, and each with its link."""
    cited: dict[str, set[int]] = {}
    for item in told.get("/entries.jsonl").text.splitlines():
        found = re.findall(r'"source": ?"(source:[a-z0-9-]+)"', item)
        position = int(re.findall(r'"sequence": ?"(\d+)"', item)[0])
        for one in found:
            cited.setdefault(one, set()).add(position)
    lists = [told.get(f"/{kind.plural}.jsonl").text.splitlines() for kind in KINDS.values()]
    states = {Subject(one["subject"]): one["provenance"] for lines in lists for one in map(json.loads, lines)}
    sources = sorted(one for one in states if one.kind == "source")
    for source in Random(SEED).sample(sources, min(len(sources), FEW)):
        expected = {
            (of(one), name.partition("/")[0])
            for one, provenance in states.items()
            for name, positions in provenance.items()
            if cited.get(source, set()) & set(positions)
        }
        html = page(told, of(source))
        section = html.partition('id="supports"')[2].partition("</section>")[0]
        assert set(WHY.findall(section)) == expected, source


def test_passages_stand_in_reading_order_and_what_is_struck_is_none(service: Service) -> None:
    """Page 9 before page 10; an entry that was taken out supports nothing; fields that rest on the source alone say so."""
    service.given(THX, DOC, USA, INDUS_X)
    facts = [
        event(
            "initiative.objective_stated",
            "initiative:indus-x",
            text="B",
            sources=cites("source:doc", "page 10"),
        ),
        event(
            "initiative.objective_stated",
            "initiative:indus-x",
            text="A",
            sources=cites("source:doc", "page 9"),
        ),
        event(
            "initiative.claim_recorded",
            "initiative:indus-x",
            text="C",
            sources=cites("source:doc", "page 1"),
        ),
    ]
    position = int(service.given(*facts)[-1]["position"])
    service.given(
        event(
            "entry.voided",
            "initiative:indus-x",
            sources=[],
            target=position,
            reason_code="test_entry",
            reason="A rehearsal",
        )
    )
    html = page(service, "/sources/doc")
    assert html.index("page 9: ") < html.index("page 10: ")
    assert "page 1: " not in html
    text = text_of(html)
    assert "2 entries cite it." in text
    assert "objectives (it alone)" in text
    assert WHY.findall(html.partition('id="supports"')[2]) == [("/initiatives/indus-x", "objectives")]


def test_a_retraction_says_what_is_left_without_a_source(service: Service) -> None:
    """When and why it was taken back, and how many fields stand on it alone; before that was recorded nothing is said of it."""
    service.given(THX, DOC, USA, INDUS_X)
    service.given(event("initiative.objective_stated", "initiative:indus-x", text="B", sources=cites("source:doc")))
    service.given(event("source.retracted", "source:doc", "2024-10-05", sources=[], reason="Numbers were wrong"))
    text = text_of(page(service, "/sources/doc"))
    assert (
        "It was retracted on 5 October 2024: Numbers were wrong. 1 field stands on it alone, and is unverified." in text
    )
    assert "retracted on" not in text_of(page(service, "/sources/doc", known_at=5))
    assert "its only source was retracted" in unescape(page(service, "/initiatives/indus-x"))
