"""The writer: requests that come together are decided together, none is the worse for it, and nothing is decided on a
memory that the database does not bear out."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from ledger.database.connection import Connection, LedgerLocation, Pool
from ledger.database.embedded import Embedded
from ledger.errors import IdReused, Refused, StaleVersion, Unavailable, Unreadable
from ledger.log.entry import StoredLine
from ledger.log.epoch import current, epochs
from ledger.service import Ledger
from ledger.writing.decision import Answer
from ledger.writing.draft import read_body
from projections.runner import Follower
from tests.conftest import CLERK
from tests.examples import INDIA, INDUS_X, THX, USA, event
from tests.held import Held, held
from tests.proxy import Cut, wired
from tests.standby import Server, wait_until

pytest_plugins = ["tests.standby"]

Given = Callable[..., list[Answer]]
Answers = Future[list[Answer]]


def submit(ledger: Ledger, *events: dict[str, Any], key: str | None = None) -> Answers:
    return ledger.submit(read_body({"events": list(events)}), CLERK, key)


def append(ledger: Ledger, *events: dict[str, Any]) -> list[Answer]:
    return submit(ledger, *events).result(20)


def claim(subject: str, text: str, **more: Any) -> dict[str, Any]:
    return event("initiative.claim_recorded", subject, text=text, **more)


def programme(number: int, **more: Any) -> dict[str, Any]:
    return event("initiative.reported", f"initiative:i{number}", name="A programme", kind="challenge", **more)


@pytest.fixture
def twin(location: LedgerLocation) -> Iterator[Ledger]:
    """A second ledger on the same place, as another process would have it."""
    with location.pool(2) as pool, Ledger(location, pool) as opened:
        yield opened


@pytest.fixture
def busy(ledger: Ledger, server: Embedded, location: LedgerLocation) -> Callable[[], Any]:
    """``with busy() as head:`` the writer is in the middle of recording; what comes meanwhile waits for it."""

    @contextmanager
    def wait() -> Iterator[Held]:
        with held(server.owner_dsn, location.schema) as head:
            first = submit(ledger, THX)
            head.wait_for(1)
            yield head
        assert first.result(20)

    return wait


# --- together


def test_writers_of_one_process_never_conflict(ledger: Ledger, given: Given, reader: Connection) -> None:
    """However many write to one stream at once, each is admitted after those before it."""
    given(THX, INDUS_X)
    outcomes = [submit(ledger, claim("initiative:indus-x", f"claim {n}")) for n in range(200)]
    assert [outcome.result(60)[0].version for outcome in outcomes] == list(range(2, 202))
    assert reader.execute("select count(*) from entries where stream = 'initiative:indus-x'").fetchone() == (201,)


def test_what_waits_is_recorded_together(ledger: Ledger, busy: Any, server: Embedded, location: LedgerLocation) -> None:
    """Requests that came while another was being recorded share one transaction."""
    with busy():
        others = [submit(ledger, programme(n)) for n in range(5)] + [submit(ledger, claim("initiative:i3", "more"))]
    assert [outcome.result(20)[0].version for outcome in others] == [1, 1, 1, 1, 1, 2]
    with Connection.connect(server.owner_dsn, options=f"-c search_path={location.schema}") as owner:
        counted = owner.execute("select count(distinct xmin::text), count(*) from entries where position > 1")
        assert counted.fetchone() == (1, 6)


def test_a_refused_request_leaves_nothing_to_those_after_it(ledger: Ledger, busy: Any) -> None:
    """What a request would have changed, had it not been refused, is not there for the next one beside it."""
    with busy():
        refused = submit(ledger, programme(1), event("initiative.resumed", "initiative:nobody"))
        stale = submit(ledger, claim("initiative:i1", "too late", expected_version=1))
        right = submit(ledger, programme(1) | {"expected_version": 0})
    with pytest.raises(Refused, match="nobody"):
        refused.result(20)
    with pytest.raises(Refused):
        stale.result(20)
    assert right.result(20)[0].version == 1


def test_of_requests_that_state_one_version_the_first_is_recorded(ledger: Ledger, given: Given, busy: Any) -> None:
    """A writer that states the version it saw is told that another beside it came first."""
    given(INDUS_X)
    with busy():
        outcomes = [submit(ledger, claim("initiative:indus-x", f"{n}", expected_version=1)) for n in range(3)]
    assert outcomes[0].result(20)[0].version == 2
    for outcome in outcomes[1:]:
        with pytest.raises(StaleVersion):
            outcome.result(20)


def test_the_same_event_twice_at_once_is_recorded_once(ledger: Ledger, busy: Any) -> None:
    """A retry that arrives beside the first attempt gets its answer; the same id with other content is refused."""
    named = INDUS_X | {"id": str(uuid4())}
    with busy():
        attempts = [submit(ledger, named) for _ in range(3)]
        other = submit(ledger, USA | {"id": named["id"]})
        keyed = [submit(ledger, INDIA, key="k") for _ in range(2)]
    told = [outcome.result(20)[0] for outcome in attempts]
    assert [answer.repeated for answer in told] == [False, True, True]
    assert len({answer.position for answer in told}) == 1
    with pytest.raises(IdReused):
        other.result(20)
    assert [outcome.result(20)[0].repeated for outcome in keyed] == [False, True]


def unreadable(subject: str) -> StoredLine:
    state = json.dumps({
        "specversion": "1.0", "id": str(uuid4()), "source": "/", "subject": subject, "streamversion": 1,
        "authtype": "system", "authid": "x", "type": "party.from_the_future", "data": {},
    })  # fmt: skip
    return StoredLine(subject, 1, "party.from_the_future", state.encode(), entry_id=str(uuid4()))


def test_what_cannot_be_read_fails_nobody_else_beside_it(ledger: Ledger, busy: Any) -> None:
    """A stream with an entry that this version cannot read fails those who write to it, and them alone."""
    ledger.recorder.insert_events([unreadable("party:x")])
    more = [event("party.described", f"party:{one}", short_name=one) for one in ("x", "usa", "usa")]
    with busy():
        unread, *others = [submit(ledger, one) for one in (more[0], USA, INDIA, *more[1:])]
    assert [outcome.result(20)[0].version for outcome in others] == [1, 1, 2, 3]
    with pytest.raises(Unreadable, match="party:x has an entry that cannot be read"):
        unread.result(20)


def test_who_gives_up_waiting_stops_nobody(ledger: Ledger, busy: Any) -> None:
    """What was handed in is recorded, and so is what came with it, whoever still waits for the answer."""
    with busy():
        given_up, other = submit(ledger, USA), submit(ledger, INDIA)
        with pytest.raises(TimeoutError):
            given_up.result(0)
    assert [outcome.result(20)[0].version for outcome in (given_up, other)] == [1, 1]


def test_one_callers_conflict_costs_the_others_nothing(
    ledger: Ledger, twin: Ledger, given: Given, server: Embedded, location: LedgerLocation
) -> None:
    """Of requests that are recorded together, those that another process has overtaken are decided again, alone."""
    given(THX, programme(1), programme(2))
    with held(server.owner_dsn, location.schema) as head:
        elsewhere = submit(twin, claim("initiative:i1", "from elsewhere"))
        head.wait_for(1)
        first = submit(ledger, USA)  # while it waits the others gather
        head.wait_for(2)
        overtaken, *others = [submit(ledger, claim(f"initiative:i{n}", "a claim")) for n in (1, 2)]
        others += [submit(ledger, programme(n)) for n in range(3, 40)]
    assert [one.result(20)[0].version for one in (elsewhere, first, overtaken)] == [2, 1, 3]
    assert [one.result(20)[0].version for one in others] == [2] + [1] * 37
    with Connection.connect(server.owner_dsn, options=f"-c search_path={location.schema}") as owner:
        of_others = owner.execute(
            "select count(distinct xmin::text) from entries where entry_id = any(%s::uuid[])",
            [[one.result()[0].id for one in others]],
        )
        assert of_others.fetchone() == (1,)


def test_a_refusal_beside_what_came_to_stand_elsewhere_costs_nobody_anything(
    ledger: Ledger, twin: Ledger, given: Given, server: Embedded, location: LedgerLocation, pool: Pool
) -> None:
    """Where another process writes first, of requests for one stream the right ones are recorded, the wrong ones refused,
    and what it has overtaken is decided again."""
    given(THX, programme(1), programme(2))
    with Ledger(location, pool) as third:
        with held(server.owner_dsn, location.schema) as head:
            overtaking = submit(twin, claim("initiative:i1", "from elsewhere"))
            head.wait_for(1)
            first = submit(ledger, USA)  # while it waits the others gather
            head.wait_for(2)
            between = submit(third, INDIA)
            head.wait_for(3)
            right = submit(ledger, claim("initiative:i2", "right"))
            wrong = submit(ledger, claim("initiative:i2", "wrong", expected_version=1))
            overtaken = submit(ledger, claim("initiative:i1", "overtaken"))
        assert [one.result(20)[0].version for one in (overtaking, first, between, right, overtaken)] == [2, 1, 1, 2, 3]
        with pytest.raises(StaleVersion):
            wrong.result(20)


def test_a_writer_that_failed_serves_the_next(location: LedgerLocation, pool: Pool) -> None:
    """Whatever goes wrong with one request, and however badly, the next one is recorded."""
    failures: list[BaseException] = [SystemExit(3), MemoryError(), KeyboardInterrupt()]

    def clock() -> datetime:
        if failures:
            raise failures.pop()
        return datetime.now(UTC)

    with Ledger(location, pool, clock=clock) as ledger:
        for _ in range(3):
            with pytest.raises(Unavailable, match="the writer failed"):
                submit(ledger, THX).result(20)
        assert append(ledger, THX)[0].position == 1


def test_after_closing_a_request_is_refused(location: LedgerLocation, pool: Pool) -> None:
    """Whoever comes to a ledger that is closed is told so, and does not wait for ever."""
    with Ledger(location, pool) as ledger:
        append(ledger, THX)
    with pytest.raises(Unavailable, match="nothing was recorded"):
        append(ledger, INDUS_X)


# --- nothing is decided on a memory that the database does not bear out


SUBJECTS = [f"initiative:i{n}" for n in range(3)]
ACTS = st.sampled_from(
    ["reported", "launched", "suspended", "resumed", "closed", "reopened", "claim", "joined", "party"]
)


@st.composite
def requests(draw: st.DrawFn) -> list[tuple[int, list[dict[str, Any]]]]:
    """Requests of one to three events on a few streams, each for one of two writers."""
    made = []
    for number in range(draw(st.integers(1, 12))):
        events = [
            _act(draw(ACTS), draw(st.sampled_from(SUBJECTS)), number, draw) for _ in range(draw(st.integers(1, 3)))
        ]
        made.append((draw(st.integers(0, 1)), events))
    return made


def _act(act: str, subject: str, number: int, draw: st.DrawFn) -> dict[str, Any]:
    told: dict[str, Any] = {"id": str(draw(st.uuids(version=4)))}
    if draw(st.booleans()):
        told["occurred"] = f"2024-0{draw(st.integers(1, 9))}-01"
    match act:
        case "party":
            return event("party.registered", f"party:p{number % 3}", sources=[], name="P", kind="state", id=told["id"])
        case "joined":
            told |= {"party": f"party:p{number % 3}", "role": "lead"}
            return event("initiative.party_joined", subject, **told)
        case "claim":
            return event("initiative.claim_recorded", subject, text=f"claim {number % 4}", **told)
        case "reported" | "launched":
            return event(f"initiative.{act}", subject, name=f"N{number % 3}", kind="challenge", **told)
        case "suspended" | "closed" | "reopened":
            return event(f"initiative.{act}", subject, reason="A reason", **told)
    return event(f"initiative.{act}", subject, **told)


def outcome(ledger: Ledger, events: Sequence[dict[str, Any]]) -> Any:
    try:
        return append(ledger, *events)
    except Refused as refused:
        return refused.rule, refused.pointer, str(refused)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=requests())
def test_a_cache_makes_no_difference(server: Embedded, new_location: Callable[[], LedgerLocation], made: Any) -> None:
    """The same requests get the same answers from one process that remembers all, from two in turn, and from processes
    that remember nothing; and each answer's anomalies are the projection's."""
    told = []
    for alternate, forget in ((False, False), (True, False), (False, True)):
        location = new_location()
        with location.pool(3) as pool, Ledger(location, pool) as one, Ledger(location, pool) as two:
            answers = []
            for which, events in made:
                if forget:
                    with Ledger(location, pool) as fresh:
                        answers.append(outcome(fresh, events))
                else:
                    answers.append(outcome((one, two)[which] if alternate else one, events))
        told.append(answers)
        assert_projected(location, answers)
    assert told[0] == told[1] == told[2]


def assert_projected(location: LedgerLocation, answers: Sequence[Any]) -> None:
    """What was answered of the last entry of each stream is what its state says of it, and versions have no gap."""
    with location.connect() as connection:
        follower = Follower(connection)
        follower.create()
        while follower.step():
            pass
        rows = connection.execute(
            "select stream, array_agg(version order by position) from entries group by 1"
        ).fetchall()
        assert all(versions == list(range(1, len(versions) + 1)) for _, versions in rows)
        docs = connection.execute("select subject, doc from states where lane = '' and known_to = 2^63 - 1").fetchall()
    flagged = {(one["position"], one["code"]) for _, doc in docs for one in json.loads(doc)["anomalies"]}
    last: dict[str, Answer] = {}
    for answer in [one for answered in answers if isinstance(answered, list) for one in answered]:
        last[answer.subject] = answer
    for answer in last.values():
        for anomaly in answer.anomalies:
            assert (answer.position, anomaly.code) in flagged


def rewind(server: Embedded, location: LedgerLocation, size: int, epoch: str | None = None) -> None:
    """The ledger as a backup would have it that was taken when it had so many entries: nobody is told.

    ``epoch``: the one that it was in then, where there has been another since.
    """
    with Connection.connect(server.owner_dsn, options=f"-c search_path={location.schema}") as owner:
        owner.execute("alter table entries disable trigger all")
        owner.execute(
            "delete from disclosures where entry_id in (select entry_id from entries where position > %s)", [size]
        )
        owner.execute("delete from erasures where position > %s", [size])
        owner.execute("delete from entries where position > %s", [size])
        owner.execute("update head set size = %s, recorded_at = (select max(recorded_at) from entries)", [size])
        if epoch:
            owner.execute("alter table epochs disable trigger all")
            owner.execute("delete from epochs where began_at > (select began_at from epochs where epoch = %s)", [epoch])
            owner.execute("update head set epoch = %s", [epoch])
            owner.execute("alter table epochs enable always trigger epochs_are_never_changed")
        owner.execute("alter table entries enable always trigger entries_are_never_changed")
        owner.execute("alter table entries enable always trigger versions_follow")
        owner.execute("alter table entries enable always trigger erased_names_go")


def test_a_refusal_names_entries_by_where_they_stand(
    ledger: Ledger, twin: Ledger, given: Given, server: Embedded, location: LedgerLocation
) -> None:
    """Where a request is refused for one before it in the batch, and another process recorded in between, it names the
    position that the other one got."""
    given(THX, INDUS_X, claim("initiative:indus-x", "a"))
    strike = event("entry.voided", "initiative:indus-x", sources=[], target=3, reason_code="misread_source", reason="x")
    with held(server.owner_dsn, location.schema) as head:
        first = submit(ledger, USA)
        head.wait_for(1)
        submit(twin, INDIA)
        head.wait_for(2)
        one, two = submit(ledger, strike), submit(ledger, strike)
    [struck] = one.result(20)
    assert first.result(20)[0].position == 4
    with pytest.raises(Refused, match=f"corrected by entry {struck.position}"):
        two.result(20)


def test_a_ledger_that_was_rolled_back_is_noticed_not_written_to(
    ledger: Ledger, given: Given, server: Embedded, location: LedgerLocation, reader: Connection
) -> None:
    """A service that goes on over a restored backup decides on what is there: no gap of versions, no false refusal, and
    another epoch begins."""
    # given
    given(THX, INDUS_X)
    before = current(reader)
    lost = event("source.registered", "source:lost", sources=[], title="Lost", kind="speech", id=str(uuid4()))
    for one in (
        claim("initiative:indus-x", "2"),
        event("initiative.suspended", "initiative:indus-x", reason="R"),
        lost,
    ):
        append(ledger, one)
    # when
    rewind(server, location, 2)
    answers = [append(ledger, claim("initiative:indus-x", "after")), append(ledger, lost)]
    # then
    assert [(one.position, one.version, one.repeated) for (one,) in answers] == [(3, 2, False), (4, 1, False)]
    assert current(reader) != before
    assert [(one.size, "writer" in one.reason) for one in epochs(reader)][1:] == [(2, True)]
    with pytest.raises(Refused):
        append(
            ledger, event("initiative.launched", "initiative:indus-x", expected_version=3, name="N", kind="challenge")
        )


def test_positions_that_were_lost_and_filled_by_another_are_noticed(
    ledger: Ledger, twin: Ledger, given: Given, server: Embedded, location: LedgerLocation, reader: Connection
) -> None:
    """Where another writer has filled exactly the lost positions by the time, whoever had seen the old ones notices."""
    given(THX, INDUS_X)
    before = current(reader)
    append(ledger, programme(1))
    append(ledger, claim("initiative:indus-x", "lost"))
    rewind(server, location, 2)
    append(twin, USA)
    append(twin, claim("initiative:indus-x", "filled"))
    (answer,) = append(ledger, claim("initiative:indus-x", "after"))
    assert (answer.position, answer.version) == (5, 3)
    assert current(reader) != before
    (flagged,) = append(
        ledger, event("initiative.related", "initiative:indus-x", other="initiative:i1", relation="child")
    )
    assert [(one.code, one.detail) for one in flagged.anomalies] == [
        ("dangling_reference", "nothing is known of initiative:i1")
    ]


def test_a_rollback_that_could_not_be_told_of_at_once_is_not_forgotten(
    twin: Ledger, given: Given, server: Embedded, location: LedgerLocation, reader: Connection
) -> None:
    """Where the connection dies while another epoch begins, the append goes on, the epoch begins once, and nobody else
    has waited for it."""
    with wired(location) as (wire, far), far.pool(1) as pool, Ledger(far, pool) as ledger:
        given(THX, INDUS_X)
        append(ledger, claim("initiative:indus-x", "lost"))
        append(ledger, claim("initiative:indus-x", "lost too"))
        rewind(server, location, 2)
        wire.cut(Cut(b"select epoch", delivered=False, meanwhile=lambda: append(twin, USA)))
        (answer,) = append(ledger, claim("initiative:indus-x", "after"))
        assert wire.was_cut.is_set()
    assert (answer.position, answer.version) == (4, 2)
    assert [(one.size, "writer" in one.reason) for one in epochs(reader)][1:] == [(2, True)]


def test_an_epoch_that_was_lost_itself_is_not_taken_up_again(
    ledger: Ledger, twin: Ledger, given: Given, server: Embedded, location: LedgerLocation, reader: Connection
) -> None:
    """Where an older copy is restored that knows nothing of the current epoch, another begins, and one only."""
    given(THX, INDUS_X)
    first = current(reader)
    append(twin, claim("initiative:indus-x", "lost"))
    append(ledger, claim("initiative:indus-x", "lost too"))
    rewind(server, location, 3)
    for writer in (ledger, twin):
        append(writer, claim("initiative:indus-x", "lost as well"))
    second = current(reader)
    rewind(server, location, 2, epoch=first)
    for writer in (twin, ledger):
        append(writer, claim("initiative:indus-x", "after"))
    assert [one.size for one in epochs(reader)] == [0, 2]
    assert current(reader) not in (first, second)


def test_the_first_append_after_a_start_knows_what_is_registered(ledger: Ledger, twin: Ledger) -> None:
    """Neither a service that has just started nor one beside another calls unknown what was registered by then."""
    append(ledger, THX)
    for n in range(30):
        append(ledger, event("party.registered", f"party:p{n}", sources=[], name="P", kind="state"))
    joined = event("initiative.party_joined", "initiative:indus-x", party="party:p29", role="lead", id=str(uuid4()))
    (first,) = append(twin, INDUS_X)
    assert first.anomalies == ()
    (answer,) = append(twin, joined)
    assert answer.anomalies == ()
    append(ledger, event("party.registered", "party:late", sources=[], name="P", kind="state"))
    late = event("initiative.party_joined", "initiative:indus-x", party="party:late", role="lead", id=str(uuid4()))
    (answer,) = append(twin, late)
    assert answer.anomalies == ()
    assert append(ledger, late) == [answer._replace(repeated=True)]


def test_a_correction_names_no_position_that_is_yet_to_come(
    ledger: Ledger, twin: Ledger, server: Embedded, location: LedgerLocation
) -> None:
    """Where its own entry will stand nobody knows who asks: what is named there may come to be another's."""
    append(ledger, THX)
    guessed = event("entry.voided", "initiative:i1", target=2, reason_code="test_entry", reason="R")
    with pytest.raises(Refused) as refused:
        append(ledger, programme(1), guessed)
    assert (refused.value.rule, refused.value.pointer) == ("unknown_target", "/events/1")
    with held(server.owner_dsn, location.schema) as head:
        elsewhere = submit(twin, USA)
        head.wait_for(1)
        both = submit(ledger, programme(1), guessed)
    assert elsewhere.result(20)[0].position == 2
    with pytest.raises(Refused, match="no entry 2"):
        both.result(20)


def test_a_correction_beside_the_entry_that_it_names_is_not_taken_for_another(ledger: Ledger, busy: Any) -> None:
    """Of two requests that are decided together, the second cannot know where the first will stand."""
    with busy():
        first = submit(ledger, programme(1))
        second = submit(
            ledger, event("entry.voided", "initiative:i1", target=2, reason_code="test_entry", reason="A guess.")
        )
    assert first.result(20)[0].position == 2
    with pytest.raises(Refused, match="no entry 2"):
        second.result(20)
    (answer,) = append(
        ledger, event("entry.voided", "initiative:i1", target=2, reason_code="test_entry", reason="Known now.")
    )
    assert answer.version == 2


def test_what_was_unknown_and_was_told_of_elsewhere_is_known(ledger: Ledger, twin: Ledger) -> None:
    """Where another process registers what was unknown here, and records what mentions it, a retry here is answered as
    it was there."""
    append(ledger, THX, INDUS_X)
    append(ledger, event("initiative.party_joined", "initiative:indus-x", party="party:usa", role="lead"))
    append(twin, USA)
    joined = event("initiative.party_joined", "initiative:indus-x", party="party:usa", role="host", id=str(uuid4()))
    (first,) = append(twin, joined)
    assert first.anomalies == ()
    assert append(ledger, joined) == [first._replace(repeated=True)]


def test_what_was_unknown_and_came_meanwhile_is_known(
    ledger: Ledger, twin: Ledger, server: Embedded, location: LedgerLocation
) -> None:
    """Where another process registers what a request mentions, between its reading and its recording, it is no dangler."""
    append(ledger, THX, INDUS_X)
    append(ledger, event("initiative.party_joined", "initiative:indus-x", party="party:usa", role="lead"))
    with held(server.owner_dsn, location.schema) as head:
        registered = submit(twin, USA)
        head.wait_for(1)
        joined = submit(ledger, event("initiative.party_joined", "initiative:indus-x", party="party:usa", role="host"))
        head.wait_for(2)
    assert registered.result(20)[0].position == 4
    assert joined.result(20)[0].anomalies == ()


INSERT = """
    insert into entries (position, stream, version, type, entry_id, recorded_at, body)
    values (%(n)s, 'source:thx', %(n)s, 't', gen_random_uuid(), now(), '{}')"""


def test_the_database_refuses_a_gap(ledger: Ledger, server: Embedded, location: LedgerLocation) -> None:
    """Whoever writes past the ledger cannot leave a version out either."""
    append(ledger, THX)
    with Connection.connect(server.owner_dsn, options=f"-c search_path={location.schema}") as owner:
        for versions in ([3], [2, 4]):
            rows = [{"n": version} for version in versions]
            with pytest.raises(psycopg.IntegrityError, match="a version must follow"):
                owner.cursor().executemany(INSERT, rows)
            owner.rollback()


# --- the database does not answer


def test_after_a_stall_the_backlog_does_not_hold_up_the_rest(primary: Server) -> None:
    """Where appends keep coming while the database stands still, they go on once it works again: those whose time is
    nearly over do not cut short what they share with the others, again and again."""
    location = primary.location()
    with location.pool(1) as pool, Ledger(location, pool, patience_s=2) as ledger:
        append(ledger, THX)
        coming, done = list[Answers](), Event()

        def come() -> None:
            while not done.wait(0.004):
                coming.append(submit(ledger, programme(len(coming))))

        def went_well(of: Sequence[Answers]) -> list[bool]:
            return [one.exception() is None for one in of if one.done()]

        feeding = Thread(target=come)
        feeding.start()
        primary.freeze()
        wait_until(lambda: went_well(coming).count(False) > 50)
        primary.thaw()
        upto = len(coming)
        wait_until(lambda: len(went_well(coming[upto : upto + 200])) == 200)
        done.set()
        feeding.join()
        assert went_well(coming[upto : upto + 200]).count(True) > 100


def test_a_host_that_does_not_answer_does_not_hide_the_next(primary: Server) -> None:
    """Of several hosts the first may be there and silent: what is found behind it is kept, and recorded on."""
    standby = primary.standby("one")
    standby.leave()
    standby.promote()
    primary.freeze()
    hosts = f"{primary.directory},{standby.directory}"
    location = LedgerLocation(make_conninfo(primary.location().dsn, host=hosts), "ledger")
    with standby.location().pool(1) as pool, Ledger(location, pool, patience_s=2) as ledger:
        outcomes = list[BaseException | None]()

        def recorded() -> bool:
            outcomes.append(submit(ledger, THX).exception())
            return outcomes[-1] is None

        wait_until(recorded)
        assert len(outcomes) <= 2
    primary.thaw()


def test_a_server_that_stood_still_is_not_blamed_for_its_clock(primary: Server) -> None:
    """A statement that reached the server late is decided again; that the clocks differ is said only where they do."""
    location = primary.location()
    with location.pool(1) as pool, Ledger(location, pool, tolerance_s=0.5) as ledger:
        append(ledger, THX, INDUS_X)
        append(ledger, claim("initiative:indus-x", "a claim"))
        primary.freeze()
        late = submit(ledger, claim("initiative:indus-x", "a late one"))
        Event().wait(1)
        primary.thaw()
        assert late.result(20)[0].position == 4


def test_it_is_told_what_waits(ledger: Ledger, server: Embedded, location: LedgerLocation) -> None:
    """How many appends wait, those too that cannot be decided with the others yet; since when; and over which connection,
    so that the database can say for whom."""
    assert ledger.waiting() == (0, None, None, True)
    named = USA | {"id": str(uuid4())}
    with ExitStack() as until, ThreadPoolExecutor() as threads:
        with held(server.owner_dsn, location.schema) as head:
            outcomes = [submit(ledger, THX)]
            head.wait_for(1)
            next_in_line = held(server.owner_dsn, location.schema, next_in_line=True)
            second = threads.submit(until.enter_context, next_in_line)
            wait_until(head.is_wanted_by_another)
            outcomes += [submit(ledger, named) for _ in range(3)]
            assert_waiting(ledger, 4, head)
        head = second.result(20)
        head.wait_for(1)
        assert_waiting(ledger, 3, head)
    assert [one.result(20)[0].position for one in outcomes] == [1, 2, 2, 2]
    wait_until(lambda: ledger.waiting()[:2] == (0, None))


def assert_waiting(ledger: Ledger, count: int, head: Held) -> None:
    told = ledger.waiting()
    assert (told.appends, told.alive) == (count, True)
    assert told.since_s is not None
    assert (ledger.waiting().since_s or 0) > told.since_s > 0
    assert head.blocks(told.backend_pid)


def test_a_request_that_takes_long_to_decide_keeps_nobody_waiting(
    location: LedgerLocation, pool: Pool, given: Given
) -> None:
    """It is given up after a part of the time that a caller waits, and told so; what waits beside it is recorded."""
    given(THX, INDUS_X)
    with Ledger(location, pool, patience_s=2) as ledger:
        days = [f"{2023 - number // 300}-{number // 28 % 12 + 1:02}-{28 - number % 28:02}" for number in range(1_000)]
        long = [event("initiative.claim_recorded", "initiative:indus-x", day, text=f"{day}") for day in days]
        outcome, beside = submit(ledger, *long), submit(ledger, USA)
        assert beside.result(20)[0].subject == "party:usa"
        with pytest.raises(Unavailable, match="send fewer events in a request"):
            outcome.result(20)


def test_an_answer_that_is_swallowed_holds_up_nobody_for_ever(location: LedgerLocation, given: Given) -> None:
    """Where the network swallows the answer of the statement that records and nobody hangs up, the caller is told by its
    deadline that nobody knows, the next is served over a new connection, and the same again is found."""
    given(THX)
    named = USA | {"id": str(uuid4())}
    with wired(location) as (wire, through), through.pool(2) as pool, Ledger(through, pool, patience_s=2) as ledger:
        append(ledger, INDIA)
        wire.cut(Cut(named["id"].encode(), delivered=True, swallowed=True))
        with pytest.raises(Unavailable, match="whether it was recorded is not known"):
            append(ledger, named)
        append(ledger, INDUS_X)
        assert append(ledger, named)[0].repeated


# --- clocks


@pytest.mark.parametrize("off_s", [-7, 7, 3_600, -315_360_000])
def test_clocks_that_differ_stop_appends(
    location: LedgerLocation, pool: Pool, off_s: float, reader: Connection
) -> None:
    """Where the server's clock and ours differ by more than the tolerance, nothing is recorded, and it is said why."""
    told = pytest.raises(Unavailable, match=r"clock says .* nothing was recorded")
    with Ledger(location, pool, clock=lambda: datetime.now(UTC) + timedelta(seconds=off_s)) as ledger, told:
        append(ledger, THX)
    assert reader.execute("select size from head").fetchone() == (0,)
    with Ledger(location, pool, clock=lambda: datetime.now(UTC) + timedelta(seconds=2)) as ledger:
        assert append(ledger, THX)[0].position == 1


def test_a_time_ahead_is_not_made_worse(location: LedgerLocation, pool: Pool, server: Embedded) -> None:
    """Where the last entry lies ahead of the clock, nothing is recorded at a time that would lie ahead as well."""
    with Ledger(location, pool) as ledger:
        append(ledger, THX)
        with Connection.connect(server.owner_dsn, options=f"-c search_path={location.schema}") as owner:
            owner.execute("update head set recorded_at = now() + interval '1 hour'")
        with pytest.raises(Unavailable, match="later than that"):
            append(ledger, USA)


def test_the_day_of_a_decision_is_the_day_it_is_recorded(
    location: LedgerLocation, pool: Pool, reader: Connection
) -> None:
    """At midnight, and where the clocks differ, it is the server's day that counts: also for what is answered."""
    with location.connect() as connection:
        row = connection.execute("select clock_timestamp()").fetchone()
    assert row is not None
    midnight = (row[0] + timedelta(days=1)).replace(hour=0, minute=0, second=0)
    tolerance = (midnight - row[0]).total_seconds() + 60  # ours is past midnight, and within what is tolerated
    clock = lambda: datetime.now(UTC) + (midnight - row[0]) + timedelta(seconds=1)  # noqa: E731
    with Ledger(location, pool, clock=clock, tolerance_s=tolerance) as ledger:
        today = str(midnight.date())
        (answer,) = append(ledger, event("initiative.launched", "initiative:i1", today, name="N", kind="challenge"))
    assert "future_act" in [one.code for one in answer.anomalies]


def test_a_name_bears_on_no_decision(given: Given) -> None:
    """Two facts about one person are judged alike, in one request and in two: a name may be erased, so nothing rests on it."""
    told: dict[str, Any] = {"sources": [], "author": "A. Canary"}
    answers = []
    for name, at_once in (("one", True), ("two", False)):
        registered = event("source.registered", f"source:{name}", title=name, kind="speech", **told)
        described = event("source.described", f"source:{name}", **told)
        both = given(registered, described) if at_once else [*given(registered), *given(described)]
        answers.append([[anomaly.code for anomaly in one.anomalies] for one in both])
    assert answers[0] == answers[1]
