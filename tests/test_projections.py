"""Several projections beside each other: each on its own feet; and what search and the list of what is due answer."""

import json
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import given as given_any
from hypothesis import strategies as st

from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded
from ledger.errors import Unreadable
from ledger.service import Ledger
from ledger.writing.draft import read_body
from projections.audit import audit
from projections.due.projection import DueItems
from projections.projection import Change, Changes
from projections.rebuild import begun, rebuild
from projections.runner import Follower, projected, read_progress
from projections.search.projection import Search
from projections.search.words import words_of
from projections.states.projection import States
from seeds import FILES, events
from tests import rows as golden_rows
from tests.conftest import CLERK
from tests.examples import INDIA, INDUS_X, THX, USA, event
from tests.service import Service
from tests.test_follow import _line, following, rows
from tests.test_writer import rewind

pytest_plugins = ["tests.service"]


def found(service: Service, text: str, kind: str = "initiatives", **at: Any) -> list[str]:
    return [one["id"] for one in service.get(f"/v1/{kind}", text=text, **at).json()["items"]]


# --- search


def test_words_are_found_by_their_beginnings_whatever_their_accents_and_capitals(service: Service) -> None:
    """All words of the text must be at the beginning of one of the state's, in any order, accents and case aside."""
    service.given(
        THX,
        event(
            "initiative.reported", "initiative:a", name="Coopération Łódź", kind="ecosystem", objective="Straße, naïve"
        ),
        event("initiative.reported", "initiative:b", name="Cooperation", kind="ecosystem"),
    )
    assert found(service, "cooperation") == ["a", "b"]
    assert found(service, "LODZ coop") == ["a"]
    assert found(service, "strasse NAIV") == ["a"]
    assert found(service, "operation") == []
    assert found(service, "coöperation") == ["a", "b"]
    assert found(service, "' & ! :* (") == []


def test_a_search_answers_at_both_clocks(service: Service) -> None:
    """A name is found on the days on which it held, and at the positions at which that was known; a note with its fact."""
    service.given(
        THX,
        event("party.registered", "party:x", "1950", name="Burma", kind="state"),
        event("party.renamed", "party:x", "1989-06-18", name="Myanmar"),
        event("party.described", "party:x", "1990", short_name="MM", note="a cyclone"),
    )
    assert found(service, "burma", "parties") == []
    assert found(service, "burma", "parties", valid_at="1989-06-17") == ["x"]
    assert found(service, "burma", "parties", known_at=2) == ["x"]
    assert found(service, "myanmar", "parties", known_at=2) == []
    assert found(service, "cyclone", "parties") == ["x"]
    assert found(service, "cyclone", "parties", valid_at="1989-12-31") == []
    service.given(event("entry.voided", "party:x", target=4, reason_code="misread_source", reason="no cyclone then"))
    assert found(service, "cyclone", "parties") == []
    assert found(service, "cyclone", "parties", known_at=4) == ["x"]


def test_no_name_of_a_person_is_found(service: Service) -> None:
    """Who took part in a meeting is not among the words."""
    person = {"party": "party:usa", "person": "B. Canary", "office": "Envoy"}
    service.given(THX, USA, event("meeting.held", "meeting:m", "2024", title="Talks", participants=[person]))
    assert found(service, "talks", "meetings") == ["m"]
    assert found(service, "canary", "meetings") == []


@given_any(st.text(), st.text())
def test_words_of_two_texts_are_those_of_both(one: str, other: str) -> None:
    """Words are told apart alike wherever they stand, and folding them once more changes none."""
    assert set(words_of(f"{one}\n{other}")) == {*words_of(one), *words_of(other)}
    assert all("\0" not in word for word in words_of(one))
    assert words_of("\n".join(words_of(one))) == words_of(one)


FORMS: list[Callable[[str], str]] = [
    *(partial(unicodedata.normalize, form) for form in ("NFC", "NFD", "NFKC", "NFKD")),
    str.upper, str.lower, str.title, str.casefold, str.swapcase,
    lambda text: text.replace("'", "\u2019"), lambda text: text.replace("'", "\u02bc"), lambda text: text.replace(" ", "\u00a0"),
    lambda text: "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else one for one in text),
    lambda text: text.replace("ff", "\ufb00").replace("fi", "\ufb01"), lambda text: text.replace("2", "\u00b2"),
    lambda text: "\u00ad".join(text), lambda text: f"\ufeff{text}",
]  # fmt: skip
"""Ways in which two programs write one text: forms of Unicode, case, curly apostrophes, no-break spaces, full width, ligatures,
superscripts, soft hyphens, byte order marks."""
WRITTEN = st.tuples(st.sampled_from(FORMS), st.sampled_from(FORMS))
LETTER = st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co"))
TEXT = st.text(st.sampled_from("éßſİıŁœﬁ²Å한がक़ηΐǆ'2 f") | LETTER, min_size=1, max_size=12)


@given_any(TEXT, WRITTEN, WRITTEN)
@settings(deadline=None, max_examples=500)
def test_one_text_has_the_same_words_however_it_is_written(text: str, one: Any, other: Any) -> None:
    """Two forms of a text, one upon the other, are compared as the same: what differs is case, accent, or Unicode's business."""
    assert words_of(one[0](one[1](text))) == words_of(other[0](other[1](text))) == words_of(text)


WORDS = st.text(st.sampled_from("abfi2éßŁœÅ한がηžđ'"), min_size=1, max_size=8).filter(words_of)


@given_any(WORDS, WRITTEN, WRITTEN, st.sampled_from(["name", "short_name", "note"]))
@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], phases=[Phase.generate]
)
def test_what_was_recorded_in_one_form_is_found_in_any_other(
    service: Service, word: str, one: Any, other: Any, field: str
) -> None:
    """A list narrowed by a word, in whatever form, shows what was recorded in another form; the record keeps its bytes."""
    number = service.size()
    written, asked = one[0](one[1](word)), other[0](other[1](word))
    told = {"name": "N", "kind": "other"} | {field: written}
    service.given(event("party.registered", f"party:p{number}", **told))
    service.given(event("party.registered", f"party:q{number}", name="qqq", kind="other"))
    listed = found(service, asked, "parties", limit=1000)
    assert f"p{number}" in listed
    assert f"q{number}" not in listed
    stored = service.get(f"/v1/events/{number + 1}").json()["data"]
    assert stored[field] == written


@pytest.mark.parametrize("text", ["\U0001d400lpha", "Acme\u2122", "\u21165", "5 \u3392"])
def test_letters_in_other_shapes_are_the_same_letters(text: str) -> None:
    """What Unicode calls compatible is searched for as what it looks like."""
    assert words_of(text) in (("alpha",), ("acmetm",), ("no5",), ("5", "mhz"))


def test_words_of_every_script_are_words() -> None:
    """Vowel signs belong to the word that they stand in."""
    assert words_of("हिन्दी") != words_of("हिन्दू")
    assert len(words_of("भारत हिन्दी मित्रता")) == 3
    assert words_of("ความร่วมมือ") == ("ความร่วมมือ",)


# --- what is due


@pytest.fixture
def seeded(service: Service) -> Service:
    for name in FILES:
        service.given(*events(name))
    return service


def _due_by_states(service: Service, **at: Any) -> set[tuple[str, str | None, str]]:
    """The same from the states of all milestones and initiatives."""
    listed: set[tuple[str, str | None, str]] = set()
    for one in service.get("/v1/milestones", limit=1000, **at).json()["items"]:
        if one["status"] in ("reported", "scheduled", "partiallyMet") and one.get("due"):
            listed.add((one["subject"], None, one["due"]))
    for one in service.get("/v1/initiatives", limit=1000, **at).json()["items"]:
        for commitment in one.get("commitments", ()):
            if commitment["status"] in ("made", "revised") and commitment.get("due"):
                listed.add((one["subject"], commitment["commitment"], commitment["due"]))
    return listed


def test_what_is_due_is_what_the_states_say(seeded: Service) -> None:
    """On the whole seed, at every position and on days all over it, /v1/due holds what the states leave to be done."""
    days = [date(2019, 1, 1) + timedelta(days=200 * number) for number in range(16)]
    size = seeded.size()
    for known_at in range(1, size + 1, 5):
        for day in days[known_at % 4 :: 4]:
            at = {"known_at": known_at, "valid_at": day.isoformat()}
            items = seeded.get("/v1/due", limit=1000, **at).json()["items"]
            assert {(one["subject"], one["commitment"]) for one in items} == {
                (subject, commitment) for subject, commitment, _ in _due_by_states(seeded, **at)
            }, at
            assert [one["due"] for one in items] == sorted(one["due"] for one in items)
            assert all(one["overdue"] == (one["due"] < day.isoformat()) for one in items)


def test_pages_of_what_is_due_share_a_basis(service: Service) -> None:
    """Every item is on one page, however small the pages, and what is recorded meanwhile is on none."""

    def milestone(number: int) -> dict[str, Any]:
        due = f"2030-01-{number % 3 + 1:02}"
        return event("milestone.scheduled", f"milestone:m{number}", "2024", title="M", type="delivery", of=[], due=due)

    service.given(THX, *[milestone(number) for number in range(7)])
    first = service.get("/v1/due", limit=3).json()
    service.given(milestone(8))
    pages = [first]
    while pages[-1]["next"]:
        pages.append(service.get("/v1/due", limit=3, cursor=pages[-1]["next"]).json())
    assert [one["due"] for page in pages for one in page["items"]] == [f"2030-01-0{n}" for n in (1, 1, 1, 2, 2, 3, 3)]
    assert len(service.get("/v1/due", due_before="2030-01-02").json()["items"]) == 3
    service.given(milestone(9) | {"data": milestone(9)["data"] | {"due": "9999-12-31"}})
    assert service.get("/v1/due").json()["items"][-1]["due"] == "9999-12-31"


# --- each on its own feet


def test_what_stops_one_projection_stops_no_other(
    service: Service, ledger: Ledger, location: LedgerLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named with the entry, its rows stay those of before, its reads say so, and all others go on; it goes on once it can."""
    service.given(THX, USA)
    note = DueItems.note

    def fail(self: DueItems, change: Change, changes: Changes) -> None:
        if change.recorded.position == 3:
            raise ValueError("not this one")
        note(self, change, changes)

    monkeypatch.setattr(DueItems, "note", fail)
    service.given(INDIA)
    service.given(INDUS_X)
    health = service.get("/v1/health").json()
    assert health["status"] == "stopped"
    told = {one["name"]: (one["position"], one["error_position"]) for one in health["projections"]}
    assert told == {"states": (4, None), "timeline": (4, None), "search": (4, None), "due": (2, 3), "flags": (4, None)}
    assert service.get("/v1/initiatives/indus-x").status_code == 200
    assert service.get("/v1/due").json()["basis"]["known_at"] == 2
    with pytest.raises(Unreadable, match="entry 3 cannot be projected"):
        rebuild(location)
    monkeypatch.undo()
    service.given(event("party.described", "party:usa", "2025", short_name="US"))
    assert {one["position"] for one in service.get("/v1/health").json()["projections"]} == {5}
    assert list(audit(location)) == []


def test_an_unreadable_entry_is_named_where_it_stops_what_comes_later(
    service: Service, ledger: Ledger, location: LedgerLocation, server: Embedded
) -> None:
    """A follower that an older entry of a stream keeps from a new one names both, and projects all that came before."""
    service.given(THX, USA, INDIA)
    with psycopg.connect(server.owner_dsn, autocommit=True, options=f"-c search_path={location.schema}") as owner:
        owner.execute("alter table entries disable trigger entries_are_never_changed")
        owner.execute("update entries set body = '{}'::json where position = 2")
        owner.execute("alter table entries enable always trigger entries_are_never_changed")
    ledger.append(read_body(INDUS_X), CLERK)
    described = _line(
        "party.described",
        "party:usa",
        {"short_name": "US", "sources": [{"source": "source:thx"}]},
        streamversion=2,
        dataschema="/v1/event-types/party.described/1",
    )
    ledger.recorder.insert_events([replace(described, originator_version=2)])
    with location.connect() as connection:
        fresh = Follower(connection)
        while fresh.step():
            pass
        told = {(one.position, one.error_position, one.error) for one in read_progress(connection).values()}
    assert told == {(4, 5, "Unreadable at entry 2")}


def test_a_changed_version_rebuilds_its_projection_alone(
    service: Service, location: LedgerLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one projection is of another version, its tables are built anew, and those of the others are not touched."""
    service.given(THX, USA, INDIA, INDUS_X)
    with location.connect() as reader:
        before, tables = rows(reader), _tables(reader)
        monkeypatch.setattr(States, "version", States.version + 1)
        with following(location):
            while read_progress(reader)["states"].version != States.version:
                pass
        after = _tables(reader)
        assert rows(reader) == before
        assert {name: one.built for name, one in read_progress(reader).items()} == {
            "states": 1, "timeline": 0, "search": 0, "due": 0, "flags": 0,
        }  # fmt: skip
    assert {name for name, table in after.items() if tables[name] != table} == {"states", "statuses"}


def _tables(reader: Any) -> dict[str, int]:
    names = ("projections", "states", "statuses", "timeline", "search", "due", "flags")
    return {name: reader.execute("select to_regclass(%s)::oid", [name]).fetchone()[0] for name in names}


def test_rows_of_a_log_that_is_gone_are_built_anew(
    service: Service, location: LedgerLocation, server: Embedded
) -> None:
    """Where a backup of the log alone was restored, the follower finds that its rows show what the log does not hold."""
    service.given(THX, USA, INDIA)
    rewind(server, location, 2)
    with location.connect() as reader, following(location):
        while projected(reader) != 2:
            pass
        assert reader.execute("select from states where subject = 'party:ind'").fetchall() == []
    assert service.get("/v1/parties/ind").status_code == 404
    assert list(audit(location)) == []


def test_a_source_that_comes_later_says_nothing_of_what_was_recorded_before(
    service: Service, location: LedgerLocation, reader: Connection
) -> None:
    """A fact that cites a source not yet registered reads the same followed and rebuilt, whenever the source was published."""
    service.given(
        event("initiative.launched", "initiative:i", "2024-09-01", name="N", kind="challenge",
              sources=[{"source": "source:later"}]),
        event("source.registered", "source:later", sources=[], title="T", kind="news_article", published="2024-05-01"),
    )  # fmt: skip
    before = rows(reader)
    assert list(audit(location)) == []
    rebuild(location)
    assert rows(reader) == before


# --- versions


def test_rows_change_with_the_version_alone() -> None:
    """For histories that stay the same, the rows of a projection are those that were kept for its version: what is otherwise
    built from the same entries is built anew everywhere, and for that the version must be raised."""
    kept = json.loads(golden_rows.GOLDEN.read_text())
    assert golden_rows.changed(kept, golden_rows.golden()) == [], "raise the version, then run python -m tests.rows"
    assert kept == golden_rows.golden(), "run python -m tests.rows"


def test_of_two_that_an_entry_stops_the_one_that_is_mended_goes_on(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is tried by itself, and the other still says what stops it."""
    service.given(THX, USA)

    def fail(self: object, change: Change, changes: Changes) -> None:
        raise ValueError("not yet")

    with monkeypatch.context() as mended:
        monkeypatch.setattr(Search, "note", fail)
        mended.setattr(DueItems, "note", fail)
        service.given(INDIA)
    service.given(INDUS_X)
    told = {
        one["name"]: (one["position"], one["error_position"]) for one in service.get("/v1/health").json()["projections"]
    }
    assert told == {"states": (4, None), "timeline": (4, None), "search": (2, 3), "due": (4, None), "flags": (4, None)}


def test_a_rebuild_of_a_log_that_is_gone_is_not_gone_on_with(
    service: Service, location: LedgerLocation, server: Embedded, reader: Connection
) -> None:
    """Where the log was put back and has grown again since a rebuild was broken off, the next one begins anew."""
    service.given(THX, USA, INDIA)

    def break_off(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(location, break_off)
    rewind(server, location, 1)
    for name in ("a", "b", "c"):
        service.post(event("party.registered", f"party:{name}", sources=[], name=name, kind="company"))
    assert begun(location) == 0
    rebuild(location)
    assert list(audit(location)) == []
    assert {subject for (subject,) in reader.execute("select subject from states")} == {
        "source:thx", "party:a", "party:b", "party:c",
    }  # fmt: skip


def test_an_audit_tells_of_what_projections_say_of_themselves(
    service: Service, location: LedgerLocation, server: Embedded
) -> None:
    """A progress that is gone or beyond the log, an error, a table that is gone: each is a finding."""
    service.given(THX, USA)
    for harm, said in (
        ("update projections set position = 5 where name = 'due'", "due shows what the log does not hold"),
        (
            "update projections set error = 'X', error_position = 2 where name = 'search'",
            "it stops the projection search",
        ),
        ("delete from projections where name = 'timeline'", "how far the projection timeline is"),
        ("drop table due", "the table due is gone"),
    ):
        with psycopg.connect(
            server.owner_dsn, autocommit=True, options=f"-c search_path={location.projections}"
        ) as owner:
            owner.execute(harm.encode())
        assert said in str(list(audit(location))), harm
