"""What the ledger answers to those who append: once, in order, all or nothing, and the same again to a retry."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from psycopg import sql

from ledger.database.connection import Connection, LedgerLocation, Pool
from ledger.database.embedded import Embedded
from ledger.errors import IdReused, Invalid, LedgerError, Refused, StaleVersion, Unavailable
from ledger.log.entry import StoredLine
from ledger.service import Ledger
from ledger.vocabulary.codes import AnomalyCode
from ledger.writing.decision import Actor, Answer
from ledger.writing.draft import read_body
from projections.rebuild import rebuild
from projections.runner import Follower
from tests.conftest import CLERK
from tests.examples import INDIA, INDUS_X, THX, USA, event
from tests.held import held

CANARY = "A. Canary"
Given = Callable[..., list[Answer]]
T = TypeVar("T")

POINTER = "/data/signatories/0/person"
SIGNED = event(
    "agreement.signed", "agreement:mou", "2024-09", title="A memorandum",
    signatories=[{"party": "party:usa", "person": CANARY, "office": "Secretary"}, {"party": "party:ind"}],
)  # fmt: skip


def again(ledger: Ledger, *events: dict[str, Any], key: str | None = None, actor: Actor = CLERK) -> list[Answer]:
    return ledger.append(read_body({"events": list(events)}), actor, key)


def size(reader: Connection) -> int:
    row = reader.execute("select count(*) from entries").fetchone()
    return int(row[0]) if row else 0


@pytest.fixture
def twin(location: LedgerLocation) -> Iterator[Ledger]:
    """A second ledger on the same place, as another process would have it."""
    with location.pool(2) as pool, Ledger(location, pool) as opened:
        yield opened


# --- the same again


@pytest.mark.parametrize(
    "repeated",
    [
        pytest.param(THX, id="plain"),
        pytest.param(SIGNED, id="with a person, whose commitment has a new salt each time"),
        pytest.param(event("agreement.mentioned", "agreement:mou", "2030-01-01", title="An agreement"), id="flagged"),
        pytest.param(event("meeting.held", "meeting:m", "2024-09-01T10:00:00Z", title="A meeting"), id="an instant"),
    ],
)
def test_a_retry_gets_the_first_answer(repeated: dict[str, Any], given: Given, reader: Connection) -> None:
    """The same id with the same content answers as the first time, anomalies included, and records nothing."""
    named = {**repeated, "id": str(uuid4())}
    given(INDIA)
    first = given(named)
    given(USA)
    assert given(named) == [first[0]._replace(repeated=True)]
    assert size(reader) == 3


def test_a_retry_gets_the_first_answer_from_another_process(given: Given, twin: Ledger) -> None:
    """The answer does not depend on which process gave it the first time."""
    named = [{**THX, "id": str(uuid4())}, {**SIGNED, "id": str(uuid4())}]
    first = given(*named)
    assert again(twin, *named) == [answer._replace(repeated=True) for answer in first]


def test_a_retry_of_a_whole_request_gets_the_first_answer(given: Given) -> None:
    """What a request is told of events that hang together, it is told again: a source and what cites it, and repeats."""
    source = event(
        "source.registered", "source:early", sources=[], title="An article", kind="news_article", published="2020-01-01"
    )
    later = event(
        "agreement.mentioned",
        "agreement:x",
        "2024",
        title="Later than its source",
        sources=[{"source": "source:early"}],
    )
    batch = [{**one, "id": str(uuid4())} for one in (source, later, SIGNED, SIGNED)]
    first = given(*batch)
    assert [answer._replace(repeated=False) for answer in given(*batch)] == first


def test_a_schema_is_named_at_the_address_of_the_service(
    location: LedgerLocation, pool: Pool, given: Given, reader: Connection
) -> None:
    """An entry's ``dataschema`` is an absolute URI. From another address the same is answered as at first, of the same id and
    persons alone, and what is recorded at either is read.
    """
    named = {**SIGNED, "id": str(uuid4())}
    (first,) = given(named)
    renamed = {**SIGNED["data"], "signatories": [{"party": "party:usa", "person": "B. Canary", "office": "Secretary"}]}
    with Ledger(location, pool, address="https://ledger.example.org/partnerships") as moved:
        assert again(moved, named) == [first._replace(repeated=True)]
        with pytest.raises(IdReused):
            again(moved, {**named, "data": renamed})
        again(moved, event("agreement.described", SIGNED["subject"], description="Read at both"))
    schemas = reader.execute("select body::json ->> 'dataschema' from entries order by position").fetchall()
    assert [one for (one,) in schemas] == [
        "http://127.0.0.1:8000/v1/event-types/agreement.signed/1",
        "https://ledger.example.org/partnerships/v1/event-types/agreement.described/1",
    ]


def test_an_address_that_ends_like_that_of_the_schemas_is_read(
    location: LedgerLocation, pool: Pool, given: Given
) -> None:
    """Which schema an entry has is told by the end of its ``dataschema``, whatever the address before it is."""
    given(SIGNED)
    named = {**event("agreement.described", SIGNED["subject"], description="Read"), "id": str(uuid4())}
    first = []
    for _ in range(2):  # the second has to read what the first one wrote
        with Ledger(location, pool, address="https://ledger.example.org/v1/event-types") as odd:
            first += again(odd, named)
    assert [one.repeated for one in first] == [False, True]


def test_an_id_that_stands_for_something_else_is_refused(given: Given, reader: Connection) -> None:
    """The same id with other content, another person, subject or order of the same request is refused by name."""
    entry_id = str(uuid4())
    given({**SIGNED, "id": entry_id})
    signatories = [{"party": "party:usa", "person": "B. Canary", "office": "Secretary"}, {"party": "party:ind"}]
    changed: list[dict[str, Any]] = [
        {**SIGNED, "data": {**SIGNED["data"], "signatories": signatories}},
        {**SIGNED, "data": {**SIGNED["data"], "title": "Another memorandum"}},
        {**SIGNED, "subject": "agreement:other"},
        {**SIGNED, "occurred": "2024-10"},
        {**SIGNED, "correlationid": "c"},
        INDIA,
    ]
    for other in changed:
        with pytest.raises(IdReused):
            given({**other, "id": entry_id})
    assert size(reader) == 1


def test_a_key_makes_a_request_without_ids_repeatable(ledger: Ledger, reader: Connection) -> None:
    """The same Idempotency-Key of the same writer names the same events; another key or writer names others."""
    first = again(ledger, THX, SIGNED, key="k")
    assert again(ledger, THX, SIGNED, key="k") == [answer._replace(repeated=True) for answer in first]
    with pytest.raises(IdReused):
        again(ledger, INDIA, SIGNED, key="k")
    others = [
        *again(ledger, INDUS_X, key="l"),
        *again(ledger, INDIA, key="k", actor=Actor("api_key", "somebody-else")),
    ]
    assert [answer.repeated for answer in others] == [False, False]
    assert size(reader) == 4


def test_some_of_a_request_may_be_recorded_already(given: Given, reader: Connection) -> None:
    """A request that repeats some events and adds others records the others only."""
    known = {**THX, "id": str(uuid4())}
    given(known)
    answers = given(USA, known, INDIA)
    assert [(answer.position, answer.repeated) for answer in answers] == [(2, False), (1, True), (3, False)]
    assert size(reader) == 3


def test_two_events_of_a_request_cannot_have_one_id(given: Given, reader: Connection) -> None:
    """An id that a request gives to two events is refused."""
    entry_id = str(uuid4())
    with pytest.raises(Refused, match="same id"):
        given({**THX, "id": entry_id}, {**USA, "id": entry_id})
    assert size(reader) == 0


def test_a_retry_of_an_event_whose_person_was_erased_is_no_other_event(given: Given, reader: Connection) -> None:
    """Where the name was erased since, a retry changes nothing, brings no name back, and is answered as the first time."""
    named = {**SIGNED, "id": str(uuid4())}
    (first,) = given(named)
    given(
        event(
            "entry.value_erased", "agreement:mou", sources=[], target=named["id"], pointer=POINTER, ground="retention"
        )
    )
    assert given(named) == [first._replace(repeated=True)]
    assert reader.execute("select count(*) from disclosures").fetchone() == (0,)


# --- versions


def test_a_writer_may_state_the_version_it_saw(given: Given, reader: Connection) -> None:
    """An event whose stream has moved on is refused with the version it is at, and nothing of its request is recorded."""
    given(INDIA)
    described = event("party.described", "party:ind", short_name="IND")
    given({**described, "expected_version": 1})
    with pytest.raises(StaleVersion) as refused:
        given(THX, {**described, "expected_version": 1})
    assert refused.value.version == 2
    with pytest.raises(StaleVersion):
        given({**USA, "expected_version": 1})
    given(
        {**USA, "expected_version": 0},
        {**event("party.described", "party:usa", short_name="US"), "expected_version": 1},
    )
    assert size(reader) == 4


def test_a_retry_is_not_held_to_the_version_it_made_stale(given: Given) -> None:
    """A retry that states the version it saw is answered as the first time, though that version is gone."""
    named = {**USA, "id": str(uuid4()), "expected_version": 0}
    first = given(named)
    assert given(named) == [first[0]._replace(repeated=True)]


def test_processes_that_write_to_one_stream_in_turn_see_each_other(ledger: Ledger, twin: Ledger) -> None:
    """What one process remembers of a stream never hides what another has recorded since."""
    again(ledger, INDIA)
    for number in range(2, 12):
        writer = (ledger, twin)[number % 2]
        (answer,) = again(writer, event("party.described", "party:ind", f"20{number:02}", short_name=f"name {number}"))
        assert answer.version == number


def overtake(
    server: Embedded, location: LedgerLocation, first: Callable[[], object], second: Callable[[], T]
) -> "Future[T]":
    """Two writers that decide before either records; the first one records first. The outcome of the second."""
    with ThreadPoolExecutor(2) as threads, held(server.owner_dsn, location.schema) as head:
        threads.submit(first)
        head.wait_for(1)
        outcome = threads.submit(second)
        head.wait_for(2)
    return outcome


def test_a_writer_who_was_overtaken_decides_again(
    ledger: Ledger, twin: Ledger, server: Embedded, location: LedgerLocation, reader: Connection
) -> None:
    """Where somebody records between its reading and its writing, a writer decides again on what is true by then."""
    again(ledger, INDIA)
    outcome = overtake(
        server, location,
        lambda: again(twin, event("party.dissolved", "party:ind", "2020")),
        lambda: again(ledger, event("party.renamed", "party:ind", "2021", name="Another name")),
    )  # fmt: skip
    [answer] = outcome.result()
    assert (answer.version, [one.code for one in answer.anomalies]) == (3, ["after_end", "dangling_reference"])
    assert size(reader) == 3


def test_a_retry_that_overtakes_the_first_attempt_is_the_same_event(
    ledger: Ledger, twin: Ledger, server: Embedded, location: LedgerLocation, reader: Connection
) -> None:
    """Two processes that are handed the same event at once record it once, and give the same answer."""
    named = {**SIGNED, "id": str(uuid4())}
    outcome = overtake(server, location, lambda: again(twin, named), lambda: again(ledger, named))
    assert outcome.result() == again(twin, named)
    assert outcome.result()[0].repeated
    assert size(reader) == 1


# --- all or nothing


def test_a_refused_event_leaves_nothing_of_its_request(given: Given, reader: Connection) -> None:
    """A request with one event that is refused records none: no entry, no name, no place in the order."""
    with pytest.raises(Refused):
        given(THX, SIGNED, event("agreement.suspended", "agreement:unknown", "2024"))
    with pytest.raises(Invalid):
        given(THX, event("no.such_type", "party:usa"))
    assert reader.execute("select size from head").fetchone() == (0,)
    assert reader.execute("select (select count(*) from entries), (select count(*) from disclosures)").fetchone() == (
        0,
        0,
    )


def test_a_request_is_recorded_in_its_order(given: Given) -> None:
    """The events of a request get positions in a row, in the order given, and stand on one another."""
    answers = given(THX, USA, INDIA, SIGNED, event("agreement.described", "agreement:mou", title="A memorandum indeed"))
    assert [answer.position for answer in answers] == [1, 2, 3, 4, 5]
    assert [answer.version for answer in answers] == [1, 1, 1, 1, 2]
    assert all(answer.anomalies == () for answer in answers[:4])


def test_what_is_odd_is_accepted_and_flagged(given: Given) -> None:
    """Odd dates, unknown subjects and repeats are recorded; the answer names each oddity, at the entry's position."""
    given(THX, USA)
    odd = event("agreement.mentioned", "agreement:x", "2999", title="Ahead", parties=["party:nobody"])
    (first,) = given(odd)
    assert {anomaly.code for anomaly in first.anomalies} == {AnomalyCode.dangling_reference, AnomalyCode.future_act}
    assert {anomaly.position for anomaly in first.anomalies} == {first.position}
    (second,) = given(odd)
    assert AnomalyCode.duplicate_suspect in {anomaly.code for anomaly in second.anomalies}


def test_a_repeated_fact_about_a_person_is_flagged(given: Given) -> None:
    """Two entries that say the same are flagged, whether or not they name a person."""
    given(SIGNED)
    (second,) = given(SIGNED)
    assert AnomalyCode.duplicate_suspect in {anomaly.code for anomaly in second.anomalies}


def test_the_answer_of_a_dry_run_is_the_answer(ledger: Ledger, reader: Connection) -> None:
    """A dry run says what an append would answer, refuses what it would refuse, and records nothing."""
    drafts = read_body({"events": [THX, SIGNED]})
    dry = ledger.preview(drafts, CLERK).answers
    assert size(reader) == 0
    wet = ledger.append(drafts, CLERK)
    assert [(one.subject, one.version, [a.code for a in one.anomalies]) for one in dry] == [
        (one.subject, one.version, [a.code for a in one.anomalies]) for one in wet
    ]
    unknown = event("agreement.suspended", "agreement:unknown", "2024")
    with pytest.raises(Refused) as refused:
        ledger.preview(read_body({"events": [INDIA, unknown, USA]}), CLERK)
    assert refused.value.pointer == "/events/1"


# --- sources


DOCUMENT, OTHER, THIRD = "ab" * 32, "cd" * 32, "ef" * 32


def test_one_document_is_one_source(given: Given, twin: Ledger) -> None:
    """A document that one source holds cannot be registered under another name, nor twice in one request."""
    one = event("source.registered", "source:one", sources=[], title="One", kind="news_article", sha256=DOCUMENT)
    two = event("source.registered", "source:two", sources=[], title="Two", kind="news_article", sha256=DOCUMENT)
    with pytest.raises(Refused, match="source:one"):
        given(one, two)
    given(one)
    with pytest.raises(Refused) as refused:
        again(twin, two)
    assert refused.value.rule == "duplicate_source"
    given(event("source.described", "source:one", sources=[], sha256=DOCUMENT))


def test_one_document_is_one_source_even_at_once(
    ledger: Ledger, twin: Ledger, server: Embedded, location: LedgerLocation, reader: Connection
) -> None:
    """Two processes that register the same document at once under two names do not both succeed unremarked."""
    outcome = overtake(server, location, lambda: again(twin, source("one")), lambda: again(ledger, source("two")))
    with pytest.raises(Refused) as refused:
        outcome.result()
    assert refused.value.rule == "duplicate_source"
    assert size(reader) == 1


def source(name: str, **more: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"sources": [], "title": name, "kind": "news_article", "sha256": DOCUMENT} | more
    return event("source.registered", f"source:{name}", **told)


def voided(name: str, target: int | str) -> dict[str, Any]:
    told: dict[str, Any] = {"target": target, "reason_code": "wrong_stream", "reason": "It was another document."}
    return event("entry.voided", f"source:{name}", sources=[], **told)


def replaced(name: str, target: int, **data: Any) -> dict[str, Any]:
    replacement = {"type": "source.registered", "data": {"title": name, "kind": "speech"} | data}
    told: dict[str, Any] = {
        "target": target,
        "replacement": replacement,
        "reason_code": "misread_source",
        "reason": "It was misread.",
    }
    return event("entry.superseded", f"source:{name}", sources=[], **told)


def test_a_document_belongs_to_whoever_holds_it_by_what_counts(ledger: Ledger, given: Given, twin: Ledger) -> None:
    """A registration that was struck holds nothing any more; what takes an entry's place holds as the entry did."""
    given(source("one"), source("two", sha256=OTHER), event("source.described", "source:one", sources=[], title="1"))
    for refused in (source("three"), replaced("two", 2, sha256=DOCUMENT)):
        for writer in (ledger, twin):
            with pytest.raises(Refused) as told:
                again(writer, refused)
            assert told.value.rule == "duplicate_source"
    given(replaced("one", 1))  # which has no digest: the document is free
    given(source("three"))
    with pytest.raises(Refused):
        again(twin, source("four"))
    again(twin, replaced("two", 2, sha256=THIRD))
    with pytest.raises(Refused):
        given(source("five", sha256=THIRD))
    given(source("six", sha256=OTHER))


def test_a_document_goes_from_one_source_to_another_in_one_request(given: Given, twin: Ledger) -> None:
    """A registration under a wrong name is struck and made again under the right one, at once and for good."""
    given(source("wrong"), event("source.described", "source:wrong", sources=[], sha256=OTHER))
    answers = given(voided("wrong", 2), source("right", sha256=OTHER))
    assert [answer.position for answer in answers] == [3, 4]
    with pytest.raises(Refused, match="source:right"):
        again(twin, source("third", sha256=OTHER))


def test_a_document_goes_through_several_hands_in_one_request(given: Given) -> None:
    """However often a document changes hands before it is recorded, who holds it in the end holds it."""
    between = str(uuid4())
    given(source("one"))
    given(voided("one", 1), source("two", id=between), voided("two", between), source("three"))
    with pytest.raises(Refused, match="source:three"):
        given(source("four"))


def test_a_registration_whose_document_another_source_holds_by_now_is_answered_again(given: Given) -> None:
    """A retry is answered as the first time, whoever has come to hold the document since."""
    one = source("one", id=str(uuid4()))
    first = given(one)
    given(voided("one", 1))
    given(source("two"))
    assert given(one) == [first[0]._replace(repeated=True)]


# --- persons, and what stays out


def test_a_person_is_named_in_disclosures_alone(
    given: Given, follower: Follower, location: LedgerLocation, server: Embedded, caplog: pytest.LogCaptureFixture
) -> None:
    """A name stands in no entry, no index, no log of ours and none of the server's: only where it can be erased."""
    given(THX, USA, INDIA)
    signed = {**SIGNED, "id": str(uuid4())}
    given(signed)
    given(event("meeting.held", "meeting:m", "2024", title="A meeting", participants=[{"person": CANARY}]))
    with pytest.raises(IdReused):
        given({**SIGNED, "id": signed["id"], "occurred": "2023"})
    with (
        location.connect() as service,
        pytest.raises(Exception, match="entries_"),
    ):  # the server logs a failed statement
        service.execute("insert into entries select * from entries")
    while follower.step():
        pass
    rebuild(location)
    assert CANARY not in caplog.text
    log = server.server.log.read_text(errors="replace")
    assert "entries_" in log
    assert CANARY not in log
    with server_owner(server, location) as owner:
        holding = {
            f"{table}.{column}"
            for table, column in owner.execute(
                "select table_name, column_name from information_schema.columns where table_schema like %s",
                [location.schema + "%"],
            ).fetchall()
            for (found,) in owner.execute(
                sql.SQL("select exists (select from {} where {}::text like %s)").format(
                    sql.Identifier(table), sql.Identifier(column)
                ),
                [f"%{CANARY}%"],
            )
            if found
        }
    assert holding == {"disclosures.value"}


def server_owner(server: Embedded, location: LedgerLocation) -> Connection:
    return LedgerLocation(server.owner_dsn, location.schema).connect()


def test_a_person_in_a_replacement_is_sealed(given: Given, reader: Connection) -> None:
    """A correction that brings a name keeps it out of its line too."""
    given(SIGNED)
    data = {"signatories": [{"party": "party:usa", "person": CANARY}]}
    given(
        event(
            "entry.superseded", "agreement:mou", target=1, reason_code="transcription_error", reason="A slip.",
            replacement={"type": "agreement.signed", "occurred": "2024-10", "sources": SIGNED["sources"], "data": data},
        )
    )  # fmt: skip
    (body,) = reader.execute("select body::text from entries where position = 2").fetchone() or ("",)
    assert CANARY not in body
    assert "commitment" in json.dumps(json.loads(body)["data"]["replacement"])
    assert reader.execute("select count(*) from disclosures where value = %s", [CANARY]).fetchone() == (2,)


def test_the_environment_does_not_leak_into_the_application(
    location: LedgerLocation, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's own settings, where the environment happens to hold some, change nothing."""
    for name in ("PERSISTENCE_MODULE", "LEDGER_PERSISTENCE_MODULE", "COMPRESSOR_TOPIC", "CIPHER_TOPIC"):
        monkeypatch.setenv(name, "nonsense")
    monkeypatch.setenv("IS_SNAPSHOTTING_ENABLED", "y")
    with Ledger(location, pool) as ledger:
        assert again(ledger, THX)[0].position == 1
        assert ledger.snapshots is None


# --- when the database, or an entry, is not as it should be


def test_readers_who_hold_all_connections_stop_no_writer(location: LedgerLocation) -> None:
    """An append needs none of the readers' connections; a dry run does, and is told to try again."""
    with location.pool(1) as pool, Ledger(location, pool) as ledger, pool.connection():
        pool.timeout = 0.2
        assert again(ledger, THX)[0].position == 1
        with pytest.raises(Unavailable):
            ledger.preview(read_body(INDIA), CLERK)


def test_after_closing_a_writer_is_told_so(location: LedgerLocation, pool: Pool) -> None:
    """A ledger that is closed says that it is unavailable, and keeps nobody waiting."""
    ledger = Ledger(location, pool)
    ledger.close()
    ledger.close()
    with pytest.raises(Unavailable):
        again(ledger, THX)


POISON = {
    "an unknown type": {"type": "party.from_the_future", "data": {}},
    "an unreadable fact": {"type": "party.registered", "data": {"kind": 1}},
}


@pytest.mark.parametrize("kind", POISON)
def test_an_entry_that_cannot_be_read_fails_no_other_stream(kind: str, ledger: Ledger) -> None:
    """Where a stream holds an entry that this version cannot read, appending to it fails with one of our errors."""
    state = json.dumps({
        "specversion": "1.0", "id": str(uuid4()), "source": "/", "subject": "party:x", "streamversion": 1,
        "authtype": "system", "authid": "x", **POISON[kind],
    })  # fmt: skip
    type_ = str(POISON[kind]["type"])
    ledger.recorder.insert_events([StoredLine("party:x", 1, type_, state.encode(), entry_id=str(uuid4()))])
    with pytest.raises(LedgerError):
        again(ledger, event("party.described", "party:x", short_name="X"))
    assert again(ledger, USA)[0].position == 2
