"""The seed ledger: what it promises to hold, and to leave open."""

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded
from ledger.database.migrations import migrate
from ledger.service import Ledger
from ledger.writing.decision import Actor, Answer
from ledger.writing.draft import read_body
from projections.diff import changes
from projections.runner import Follower
from seeds import FILES, events

ARTICLE, DOSSIER = FILES
SEEDS = Actor("system", "seeds")

SYSTEMS = {
    "initiative:indus-x": "active",
    "initiative:f414": "reported",
    "initiative:co-development-jet-engines": "reported",
    "initiative:co-development-munitions": "reported",
    "initiative:co-development-land-mobility": "reported",
    "agreement:diu-idex-mou": "mentioned",
    "agreement:diu-idex-mou-upgraded": "mentioned",
    "meeting:indus-x-summit": "held",
    "initiative:joint-space-challenge": "active",
    "initiative:indo-pacific-security": "reported",
    "initiative:maritime-security": "reported",
    "initiative:operational-cooperation": "reported",
    "initiative:interoperability": "reported",
    "initiative:information-sharing": "reported",
    "initiative:joint-military-exercises": "reported",
    "initiative:india-defence-modernisation": "reported",
    "initiative:us-india-partnership": "active",
    "meeting:pentagon-meeting": "held",
    "milestone:f414-co-production": "reported",
    "party:usa": "registered",
    "party:ind": "registered",
    "party:us-dod": "registered",
    "party:diu": "registered",
    "party:idex": "registered",
    "party:startups": "registered",
    "party:academia": "registered",
    "party:corporations": "registered",
}
"""Every system that the article names, with the status that the article alone gives it."""

KNOWN_AT = (
    "select status, doc::json from states where subject = %s and lane = %s and known_from <= %s and known_to > %s"
)


def load(ledger: Ledger, name: str) -> list[Answer]:
    return ledger.append(read_body({"events": events(name)}), SEEDS)


def states(reader: Connection, known_at: int, subject: str, lane: str = "") -> list[tuple[str, dict[str, Any]]]:
    """The states that the ledger believed in at a position, in valid order."""
    return reader.execute(KNOWN_AT + " order by valid_from", (subject, lane, known_at, known_at)).fetchall()


def last(reader: Connection, known_at: int, subject: str, lane: str = "") -> tuple[str, dict[str, Any]]:
    found = states(reader, known_at, subject, lane)
    assert found, f"nothing was known of {subject} at {known_at}"
    return found[-1]


@pytest.fixture(scope="module")
def seeded(server: Embedded) -> Iterator[Connection]:
    """A connection to one seed ledger for all who only look at it."""
    location = LedgerLocation(server.location.dsn, "seeded")
    migrate(server.owner_dsn, location)
    with location.connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def told(seeded: Connection, server: Embedded) -> tuple[int, int]:
    """The seed ledger, recorded and projected: the positions that it had reached after each of its files."""
    location = LedgerLocation(server.location.dsn, "seeded")
    with location.pool(4) as pool, Ledger(location, pool) as ledger:
        positions = load(ledger, ARTICLE)[-1].position, load(ledger, DOSSIER)[-1].position
    follower = Follower(seeded)
    follower.create()
    while follower.step():
        pass
    return positions


def texts(value: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a JSON value, with the field it stands in."""
    if isinstance(value, str):
        yield field, value
    for key, item in value.items() if isinstance(value, dict) else ():
        yield from texts(item, key)
    for item in value if isinstance(value, list) else ():
        yield from texts(item, field)


def shingles(text: str, words: int = 6) -> set[str]:
    """Each run of so many words, as it reads without case and punctuation."""
    read = re.findall(r"[a-z0-9]+(?:[-.'\u2019][a-z0-9]+)*", text.lower())
    return {" ".join(read[i : i + words]) for i in range(len(read) - words + 1)}


def test_every_event_is_accepted_in_order(told: tuple[int, int]) -> None:
    """Both files load whole: positions are counted without a gap from the first event to the last."""
    assert told == (len(events(ARTICLE)), len(events(ARTICLE)) + len(events(DOSSIER)))


def test_loading_twice_changes_nothing(ledger: Ledger, reader: Connection) -> None:
    """Ids are fixed: a second load answers as the first, and the ledger is no longer for it."""
    first = [load(ledger, name) for name in FILES]
    head = reader.execute("select size from head").fetchall()
    again = [load(ledger, name) for name in FILES]
    assert all(answer.repeated for answers in again for answer in answers)
    assert [[a.position for a in answers] for answers in again] == [[a.position for a in answers] for answers in first]
    assert reader.execute("select size from head").fetchall() == head


def test_the_article_names_it() -> None:
    """Every system of the article has a record in the article's own file."""
    assert SYSTEMS.keys() - {event["subject"] for event in events(ARTICLE)} == set()


def test_every_system_answers_with_its_state(told: tuple[int, int], seeded: Connection) -> None:
    """After the article each system has the status that the article supports; after the dossier it still has one."""
    article, dossier = told
    assert {subject: last(seeded, article, subject)[0] for subject in SYSTEMS} == SYSTEMS
    later = {subject: last(seeded, dossier, subject)[0] for subject in SYSTEMS}
    assert later == SYSTEMS | {"agreement:diu-idex-mou-upgraded": "signed"}


def test_the_article_dates_nothing(told: tuple[int, int], seeded: Connection) -> None:
    """The article bears no date, so nothing coded from it has one: every act it tells of is known to be undated."""
    assert not any(field in event for event in events(ARTICLE) for field in ("occurred", "effective"))
    dates = [doc["dates"] for subject in SYSTEMS for _, doc in states(seeded, told[0], subject)]
    assert {day for acts in dates for day in acts.values()} == {None}


def test_every_event_says_where_it_is_from() -> None:
    """Each event cites a registered source, the article's with a paragraph; only sources stand by themselves."""
    registered = {event["subject"] for name in FILES for event in events(name) if event["type"] == "source.registered"}
    for name in FILES:
        for event in events(name):
            cited = event["sources"]
            assert cited or event["type"] == "source.registered", event["id"]
            assert {one["source"] for one in cited} <= registered
            if name == ARTICLE:
                assert all(re.fullmatch(r"paragraph ([1-9]|1\d|2[0-8])", one["locator"]) for one in cited)


def test_the_summit_has_no_place_and_no_edition(told: tuple[int, int], seeded: Connection) -> None:
    """The article's summit keeps no place even after the dossier: the third one has a record of its own."""
    for known_at in told:
        _, summit = last(seeded, known_at, "meeting:indus-x-summit")
        assert (summit["title"], summit["place"], summit["organisers"]) == ("INDUS-X Summit", None, None)
    _, third = last(seeded, told[1], "meeting:indus-x-summit-3")
    assert third["dates"] == {"held": "2024-09-09/2024-09-10"}
    assert third["place"] == "Stanford University, California"
    assert states(seeded, told[0], "meeting:indus-x-summit-3") == []


def test_reported_is_not_met(told: tuple[int, int], seeded: Connection) -> None:
    """What the article calls a milestone is reported, and has not been met by the dossier either."""
    for known_at in told:
        status, milestone = last(seeded, known_at, "milestone:f414-co-production")
        assert (status, milestone["dates"]) == ("reported", {})


def test_the_dossier_dates_the_meeting(told: tuple[int, int], seeded: Connection) -> None:
    """As known after the article the meeting is undated; after the dossier it took place on 2024-09-25."""
    article, dossier = told
    _, before = last(seeded, article, "meeting:pentagon-meeting")
    assert before["dates"] == {"held": None}
    assert before["unknown"]["dates/held"] == "undated"
    _, after = last(seeded, dossier, "meeting:pentagon-meeting")
    assert after["dates"] == {"held": "2024-09-25"}
    for field in ("title", "place", "kind", "topics", "statements"):
        assert after[field] == before[field]
    assert [one["office"] for one in after["participants"]] == ["Deputy Secretary of Defense", "Foreign Secretary"]


def test_the_memorandum_was_mentioned_before_it_was_signed(told: tuple[int, int], seeded: Connection) -> None:
    """The article mentions the upgraded memorandum; the dossier knows it signed, and not by whom on India's side."""
    article, dossier = told
    upgraded = "agreement:diu-idex-mou-upgraded"
    assert last(seeded, article, upgraded)[0] == "mentioned"
    status, doc = last(seeded, dossier, upgraded)
    assert (status, doc["dates"]) == ("signed", {"signed": "2024-09-09/2024-09-10"})
    assert doc["relations"][0]["other"] == "agreement:diu-idex-mou"
    assert [one["value"][1] for one in doc["alternatives"]["parties"]] == ["party:idex", "party:dio"]
    for party in ("party:idex", "party:dio"):
        status, lane = last(seeded, dossier, upgraded, party)
        assert (status, lane["disputed"]) == ("signatory", True)
    assert last(seeded, dossier, "party:idex")[1]["parent"] == "party:dio"


@pytest.mark.parametrize("agreement", ["agreement:sosa", "agreement:moa-liaison-officers"])
def test_two_dates_of_one_signature_stand_side_by_side(
    agreement: str, told: tuple[int, int], seeded: Connection
) -> None:
    """Sources that put a signature on the 22nd and on the 23rd are both kept, for the agreement and each party, and shown as
    disputed; the day that all of them show is the one recorded last, with what its source says and nothing of the other's.
    """
    _, whole = last(seeded, told[1], agreement)
    both = whole["alternatives"]["dates/signed"]
    assert [one["value"] for one in both] == ["2024-08-22", "2024-08-23"]
    for party in ("party:usa", "party:ind"):
        _, lane = last(seeded, told[1], agreement, party)
        assert lane["alternatives"]["dates/signed"] == both
        assert [one["code"] for one in lane["anomalies"]] == ["source_conflict"]
        assert lane["disputed"]
        assert whole["dates"]["signed"] == lane["dates"]["signed"] == "2024-08-23"
        assert [one.keys() for one in lane["signatures"]] == [{"party", "occurred"}]
        sides = lane["alternatives"][f"signatures/{party}"]
        assert [(one["value"]["occurred"], "person" in one["value"]) for one in sides] == [
            ("2024-08-22", True), ("2024-08-23", False),
        ]  # fmt: skip
    before = both[1]["position"] - 1
    changed = {one.field: one for one in changes({agreement: last(seeded, before, agreement)[1]}, {agreement: whole})}
    assert (changed["dates"].old["signed"], changed["dates"].new["signed"]) == ("2024-08-22", "2024-08-23")


def test_figures_that_disagree_stay_claims(told: tuple[int, int], seeded: Connection) -> None:
    """What share of the technology is transferred is claimed three ways, disputed, and sets no field."""
    _, f414 = last(seeded, told[1], "initiative:f414")
    assert sum("per cent" in claim["text"] for claim in f414["claims"]) == 3
    assert f414["disputed"]
    assert f414["objective"] is None


def test_another_engine_stays_apart() -> None:
    """The agreement on F404 engines does not touch the F-414 co-production."""
    about_f404 = [event for event in events(DOSSIER) if "f404" in event["subject"]]
    assert about_f404
    assert "initiative:f414" not in {text for event in about_f404 for _, text in texts(event["data"])}


def test_dates_keep_the_precision_of_their_sources(told: tuple[int, int], seeded: Connection) -> None:
    """A month stays a month, and a target that was moved is undated but knows its new month."""
    assert last(seeded, told[1], "meeting:indus-x-summit-2")[1]["dates"] == {"held": "2024-02"}
    assert last(seeded, told[1], "initiative:indus-x")[1]["dates"] == {"launched": "2023-06-21", "activated": None}
    status, contract = last(seeded, told[1], "milestone:f414-contract-signed")
    assert (status, contract["due"]) == ("scheduled", "2026-03")
    assert contract["dates"] == {"scheduled": None, "rescheduled": None}


def test_only_disagreeing_sources_are_flagged(ledger: Ledger) -> None:
    """The article raises no anomaly; the dossier raises one for each pair of sources that differ, and no other."""
    flagged = [
        (name, answer.subject, anomaly.code)
        for name in FILES
        for answer in load(ledger, name)
        for anomaly in answer.anomalies
    ]
    assert flagged == [
        (DOSSIER, "agreement:diu-idex-mou-upgraded", "source_conflict"),
        (DOSSIER, "agreement:sosa", "source_conflict"),
        (DOSSIER, "agreement:moa-liaison-officers", "source_conflict"),
    ]


def test_persons_are_named_in_their_fields_alone() -> None:
    """No part of a person's name stands in any other text, subjects included; addresses of sources are as they are."""
    found = [pair for name in FILES for event in events(name) for pair in texts(event)]
    persons = {text for field, text in found if field in ("person", "author")}
    assert len(persons) == 9
    name = re.compile(rf"\b({'|'.join(re.escape(word) for person in persons for word in person.split())})\b", re.I)
    assert [text for field, text in found if field not in ("person", "author", "url") and name.search(text)] == []
    cited = [one for name_ in FILES for event in events(name_) for one in event["sources"]]
    assert [one["url"] for one in cited if name.search(one.get("url", ""))] == []


def test_nothing_is_copied_from_the_article() -> None:
    """Not six words in a row of the article stand in the seed: it carries the facts in other words."""
    article = Path(__file__).parents[2] / "shared" / "seed" / "article.txt"
    if not article.is_file():
        pytest.skip("the article is not on this machine, and no part of the project")
    taken = shingles(article.read_text("utf-8"))
    for written in files("seeds").iterdir():
        if written.name.endswith((".jsonl", ".md", ".py")):
            assert shingles(written.read_text("utf-8")) & taken == set(), written.name
    assert taken & shingles("was the launch of a joint innovation challenge")  # the filter filters
