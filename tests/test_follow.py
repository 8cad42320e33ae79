"""The rows are what the entries add up to, however they were got there."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Thread
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded
from ledger.errors import Refused
from ledger.history_cache import size_of
from ledger.log.entry import StoredLine
from ledger.log.epoch import current, renew
from ledger.service import Ledger
from ledger.settings import Timeouts
from ledger.writing.decision import Answer
from ledger.writing.draft import read_body
from projections import changes, runner
from projections.follow import follow
from projections.projection import FOREVER
from projections.rebuild import rebuild
from projections.registry import PROJECTIONS
from projections.runner import Follower, Progress, projected, read_progress
from projections.states import projection as states_module
from tests.conftest import CLERK
from tests.examples import INDIA, INDUS_X, THX, USA, event
from tests.proxy import Cut, wired

Given = Callable[..., list[Answer]]
Rows = list[tuple[Any, ...]]


EMPTY: tuple[Rows, ...] = ([], [], [], [], [], [], [])


def rows(connection: Connection) -> tuple[Rows, ...]:
    """Every row, whatever the order in which they were written: of states and timeline, and then of the other tables."""
    states = connection.execute("""
        select kind, subject, lane, valid_from::text, known_from, known_to, status, category, areas,
               due::text, doc
          from states
         order by subject, lane, known_from, valid_from""").fetchall()
    timeline = connection.execute("""
        select about, day::text, rank, root, position, subject, known_from, known_to
          from timeline
         order by position, about, known_from""").fetchall()
    others = [
        sorted(
            connection.execute(
                sql.SQL("select {table}::text from {table}").format(table=sql.Identifier(table))
            ).fetchall()
        )
        for table in ("statuses", "refs", "deltas", "search", "due")
    ]
    return states, timeline, *others


def catch_up(follower: Follower) -> None:
    while follower.step():
        pass


@pytest.fixture
def beside(location: LedgerLocation, server: Embedded) -> Callable[[str], Any]:
    """``with beside(name) as connection``: tables of their own, next to the live ones, to project into."""

    @contextmanager
    def schema(name: str) -> Iterator[Connection]:
        full = sql.Identifier(f"{location.schema}_{name}")
        with psycopg.connect(server.owner_dsn, autocommit=True) as owner:
            owner.execute(sql.SQL("drop schema if exists {} cascade").format(full))
            role = psycopg.conninfo.conninfo_to_dict(location.dsn)["user"]
            owner.execute(sql.SQL("create schema {} authorization {}").format(full, sql.Identifier(str(role))))
        with location.connect(f"{location.schema}_{name}") as connection:
            yield connection

    return schema


@pytest.fixture
def rebuilt(beside: Callable[[str], Any]) -> Callable[[], tuple[Rows, ...]]:
    """``rebuilt()``: the rows as they come out when everything is projected anew."""

    def build() -> tuple[Rows, ...]:
        with beside("anew") as connection:
            builder = Follower(connection)
            builder.create()
            catch_up(builder)
            return rows(connection)

    return build


# --- histories at random


DATES = [None, "2019", "2020-05", "2021-03-04", "2022?", "2023-01/2023-06", "2024-02-29", "2031-01-01"]


class Teller:
    """Tells a history at random, the same for the same seed: a few streams of each kind, and many mistakes."""

    def __init__(self, ledger: Ledger, seed: int) -> None:
        self.ledger = ledger
        self.chance = random.Random(seed)
        self.told: list[Answer] = []

    def tell(self, count: int) -> None:
        while count:
            try:
                self.told += self.ledger.append(read_body(self._event()), CLERK)
                count -= 1
            except Refused:
                continue

    def _event(self) -> dict[str, Any]:
        if self.told and self.chance.random() < 0.3:
            return self._correction(self.chance.choice(self.told))
        made = self.chance.choice([self._agreement, self._initiative, self._milestone, self._party])()
        return event(made.pop("type"), made.pop("subject"), self.chance.choice(DATES), **made)

    def _slug(self, kind: str) -> str:
        return f"{kind}:{self.chance.choice('ab')}"

    def _agreement(self) -> dict[str, Any]:
        party = self._slug("party")
        person = self.chance.choice([{}, {"person": "A. Canary"}])
        more: dict[str, dict[str, Any]] = {
            "mentioned": {"title": self.chance.choice(["One", "Two"])},
            "signed": {"signatories": [{"party": party, **person}, {"party": "party:usa"}]},
            "consented": {"party": party, "method": "ratification"},
            "entered_into_force": self.chance.choice([{}, {"party": party}]),
            "suspended": self.chance.choice([{}, {"party": party}]),
            "resumed": {},
            "described": {"title": self.chance.choice(["One", "Two", "Three"])},
            "declared": {"party": party, "text": "It is understood so."},
            "party_withdrew": {"party": party},
            "expired": {},
            "revived": {"reason": "They agreed."},
        }
        return self._one_of("agreement", more)

    def _initiative(self) -> dict[str, Any]:
        common = {"name": self.chance.choice(["One", "Two"]), "kind": "ecosystem", "areas": ["cyber"]}
        more: dict[str, dict[str, Any]] = {
            "reported": common,
            "launched": common,
            "party_joined": {"party": self._slug("party"), "role": "lead"},
            "party_left": {"party": self._slug("party")},
            "suspended": {"reason": "No money."},
            "resumed": {},
            "closed": {"reason": "Done."},
            "reopened": {"reason": "Not done."},
            "described": {"objective": self.chance.choice(["This.", "That."])},
        }
        return self._one_of("initiative", more)

    def _milestone(self) -> dict[str, Any]:
        due = self.chance.choice(["2020", "2022-06", "2030-01-01"])
        more: dict[str, dict[str, Any]] = {
            "reported": {"title": "A milestone"},
            "scheduled": {"title": "A milestone", "due": due},
            "rescheduled": {"due": due},
            "partially_met": {"share": 0.5},
            "met": {},
            "reopened": {"reason": "Not so."},
        }
        return self._one_of("milestone", more)

    def _party(self) -> dict[str, Any]:
        more: dict[str, dict[str, Any]] = {
            "registered": {"name": "A state", "kind": "state"},
            "renamed": {"name": self.chance.choice(["One", "Two"])},
            "described": {"short_name": self.chance.choice(["1", "2"])},
        }
        return self._one_of("party", more)

    def _one_of(self, kind: str, more: dict[str, dict[str, Any]]) -> dict[str, Any]:
        name = self.chance.choice(list(more))
        return {"type": f"{kind}.{name}", "subject": self._slug(kind), **more[name]}

    def _correction(self, answer: Answer) -> dict[str, Any]:
        kind = answer.subject.partition(":")[0]
        makers = {"agreement": self._agreement, "initiative": self._initiative, "milestone": self._milestone}
        replacement = makers.get(kind, self._party)()
        new = {"type": replacement.pop("type"), "occurred": self.chance.choice(DATES), "sources": THX_CITED}
        replacement.pop("subject")
        new = {name: value for name, value in new.items() if value} | {"data": replacement}
        reason = {"reason_code": "transcription_error", "reason": "A slip."}
        more: dict[str, dict[str, Any]] = {
            "voided": reason,
            "superseded": {"replacement": new, **reason},
            "disputed": {"by": "source:thx", "ground": "It says otherwise."},
            "dispute_resolved": {"outcome": "rejected"},
            "annotated": {"text": "A remark."},
        }
        name = self.chance.choice(["voided", "superseded", "superseded", "disputed", "dispute_resolved", "annotated"])
        return event(f"entry.{name}", answer.subject, sources=[], target=answer.position, **more[name])


THX_CITED = [{"source": "source:thx"}]


@pytest.fixture
def teller(ledger: Ledger, given: Given) -> Teller:
    given(THX, USA)
    return Teller(ledger, seed=20_261_122)


# --- a rebuild equals the live state


def test_after_each_step_the_rows_equal_those_of_a_rebuild(
    teller: Teller, follower: Follower, reader: Connection, rebuilt: Callable[[], tuple[Rows, ...]]
) -> None:
    """At any moment the live rows are, row for row, what a rebuild from position 1 makes, over any history."""
    for _ in range(25):
        teller.tell(6)
        catch_up(follower)
        assert rows(reader) == rebuilt()
    states, timeline, *_ = rows(reader)
    assert {"agreement", "participation", "initiative", "milestone", "party"} <= {row[0] for row in states}
    assert any(row[7] != FOREVER for row in timeline)


@pytest.mark.parametrize("batch", [1, 7, 1_000])
def test_the_size_of_the_batches_makes_no_difference(
    batch: int, teller: Teller, beside: Callable[[str], Any], rebuilt: Callable[[], tuple[Rows, ...]]
) -> None:
    """Whether entries are projected one by one or many at once, the rows are the same."""
    teller.tell(100)
    with beside("batches") as connection:
        follower = Follower(connection, batch=batch)
        follower.create()
        catch_up(follower)
        assert rows(connection) == rebuilt()
        assert {one.position for one in read_progress(connection).values()} == {102}


def test_a_new_follower_goes_on_where_the_last_one_stopped(
    teller: Teller,
    follower: Follower,
    location: LedgerLocation,
    reader: Connection,
    rebuilt: Callable[[], tuple[Rows, ...]],
) -> None:
    """Any number of followers, one after the other and each without memory, write what one would have written."""
    for _ in range(15):
        teller.tell(4)
        with location.connect() as connection:
            successor = Follower(connection, batch=3)
            assert successor.step() == 3
    catch_up(follower)
    assert rows(reader) == rebuilt()


def test_little_memory_makes_no_difference(
    teller: Teller, follower: Follower, reader: Connection, rebuilt: Callable[[], tuple[Rows, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A follower that can keep few streams in memory reads the others again, and writes the same rows."""
    monkeypatch.setattr(changes, "KNOWN_BYTES", 25_000)
    monkeypatch.setattr(runner, "KNOWN_OPENINGS", 2)
    follower.batch = 4
    for _ in range(10):
        teller.tell(8)
        catch_up(follower)
        [memory] = follower.folds.values()
        kept = memory.histories
        assert kept.bytes == sum(size_of(history) for history, _ in kept.kept.values())
        assert len(kept.kept) < 4
    monkeypatch.undo()
    assert rows(reader) == rebuilt()


def test_a_rebuild_puts_the_same_rows_in_the_place_of_the_live_ones(
    teller: Teller, follower: Follower, location: LedgerLocation, reader: Connection
) -> None:
    """A rebuild changes no row, and the follower goes on from it."""
    teller.tell(60)
    catch_up(follower)
    before = rows(reader)
    assert rebuild(location) == 62
    assert rows(reader) == before
    teller.tell(20)
    catch_up(follower)
    after = rows(reader)
    rebuild(location)
    assert rows(reader) == after


def test_what_another_version_built_is_built_again(
    teller: Teller, follower: Follower, location: LedgerLocation, reader: Connection
) -> None:
    """Where the rows were made by an older version, the follower rebuilds them by itself before it goes on."""
    teller.tell(20)
    catch_up(follower)
    right = rows(reader)
    reader.execute("update states set status = 'as it was called before'")
    reader.execute("update projections set version = version - 1 where name = 'states'")
    with following(location):
        _wait_until(lambda: rows(reader) == right)


# --- both clocks


def test_no_two_rows_hold_at_once(teller: Teller, follower: Follower, reader: Connection) -> None:
    """For one lane, from one day on, at one position, one state holds at most; and no row holds never."""
    teller.tell(150)
    catch_up(follower)
    twice = reader.execute("""
        select one.subject, one.lane, one.valid_from, one.known_from, two.known_from
          from states as one
          join states as two on two.subject = one.subject and two.lane = one.lane and two.ctid > one.ctid
         where one.valid_from = two.valid_from
           and one.known_from < two.known_to and two.known_from < one.known_to""").fetchall()  # fmt: skip
    assert twice == []
    assert reader.execute("select from states where known_from >= known_to").fetchall() == []
    assert reader.execute("select from timeline where known_from >= known_to").fetchall() == []
    assert reader.execute("select from timeline group by about, position having count(*) > 1").fetchall() == []


def test_rows_begin_and_end_with_the_entries_of_their_own_stream(
    teller: Teller, follower: Follower, reader: Connection
) -> None:
    """What the ledger believed of a subject changes only with an entry of that subject."""
    teller.tell(150)
    catch_up(follower)
    strays = reader.execute("""
        select states.subject, known_from, known_to from states
         where not exists (select from entries where stream = subject and position = known_from)
            or known_to <> 9223372036854775807
           and not exists (select from entries where stream = subject and position = known_to)""").fetchall()  # fmt: skip
    assert strays == []


def test_each_party_of_an_agreement_has_rows_of_its_own(given: Given, follower: Follower, reader: Connection) -> None:
    """What concerns one party of an agreement stands in that party's row, and moves not the others; of the whole it moves only what
    follows from its parties: who they are, the first consent, and for how many it is in force."""
    given(
        THX, USA, INDIA,
        event("agreement.signed", "agreement:mou", "2020-01-01",
              signatories=[{"party": "party:usa"}, {"party": "party:ind"}]),
        event("agreement.entered_into_force", "agreement:mou", "2021-01-01", party="party:usa"),
        event("agreement.consented", "agreement:mou", "2022-01-01", party="party:third", method="accession"),
    )  # fmt: skip
    catch_up(follower)
    found = reader.execute("""
        select kind, lane, status, valid_from::text from states
         where subject = 'agreement:mou' and known_to = 9223372036854775807
         order by lane, valid_from""").fetchall()  # fmt: skip
    assert found == [
        ("agreement", "", "signed", "2020-01-01"),
        ("agreement", "", "signed", "2021-01-01"),
        ("agreement", "", "signed", "2022-01-01"),
        ("participation", "party:ind", "signatory", "2020-01-01"),
        ("participation", "party:third", "bound", "2022-01-01"),
        ("participation", "party:usa", "signatory", "2020-01-01"),
        ("participation", "party:usa", "in_force", "2021-01-01"),
    ]


# --- what goes wrong on the way


@contextmanager
def at_the_last_moment(reader: Connection, this: LiteralString, when: LiteralString = "deferred") -> Iterator[None]:
    """Whoever writes how far the rows are comes to this: at once ("immediate"), or when it is about to be committed."""
    reader.execute(
        f"create function last_moment() returns trigger language plpgsql as 'begin {this}; return null; end'"
    )
    reader.execute(f"""
        create constraint trigger last_moment after insert or update on projections
        deferrable initially {when} for each row execute function last_moment()""")
    yield
    reader.execute("drop function last_moment cascade")


@pytest.mark.parametrize("when", ["immediate", "deferred"])
def test_a_step_that_is_rolled_back_changes_nothing(
    teller: Teller,
    follower: Follower,
    reader: Connection,
    rebuilt: Callable[[], tuple[Rows, ...]],
    when: LiteralString,
) -> None:
    """A step that fails after it has written leaves rows and progress as they were, and the next does the work once."""
    teller.tell(30)
    catch_up(follower)
    before = rows(reader), read_progress(reader)
    teller.tell(30)
    with at_the_last_moment(reader, "raise ''the disk is full''", when), pytest.raises(psycopg.errors.RaiseException):
        follower.step()
    assert (rows(reader), read_progress(reader)) == before
    assert follower.step() == 30
    assert rows(reader) == rebuilt()


def test_a_connection_that_dies_within_a_step_changes_nothing(
    teller: Teller, follower: Follower, reader: Connection, rebuilt: Callable[[], tuple[Rows, ...]]
) -> None:
    """A follower whose connection is killed between its rows and its commit leaves nothing behind."""
    teller.tell(30)
    dies: LiteralString = "perform pg_terminate_backend(pg_backend_pid())"
    with at_the_last_moment(reader, dies), pytest.raises(psycopg.errors.AdminShutdown):
        follower.step()
    assert rows(reader) == EMPTY
    catch_up(Follower(reader))
    assert rows(reader) == rebuilt()


def test_two_followers_at_once_do_no_harm(
    teller: Teller,
    follower: Follower,
    location: LedgerLocation,
    reader: Connection,
    rebuilt: Callable[[], tuple[Rows, ...]],
) -> None:
    """Followers that work at the same time take turns: each entry is projected once."""
    teller.tell(120)
    done: list[int] = []

    def work() -> None:
        with location.connect() as connection:
            one = Follower(connection, batch=5)
            while count := one.step():
                done.append(count)

    threads = [Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(done) == 122
    assert rows(reader) == rebuilt()


@contextmanager
def following(location: LedgerLocation, followers: int = 1) -> Iterator[list[Thread]]:
    """Followers that run by themselves for as long as the block does."""
    stop = Event()
    threads = [Thread(target=follow, args=(location, stop), daemon=True) for _ in range(followers)]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
    assert not any(thread.is_alive() for thread in threads)


def _wait_until(true: Callable[[], bool]) -> None:
    pause = Event()
    for _ in range(400):
        if true():
            return
        pause.wait(0.05)
    raise AssertionError("what was waited for did not come true")


def _position(reader: Connection) -> int:
    return projected(reader)


def _error_position(reader: Connection) -> int | None:
    return next((one.error_position for one in read_progress(reader).values()), None)


def test_followers_that_run_by_themselves_keep_up_though_their_connections_die(
    teller: Teller,
    location: LedgerLocation,
    reader: Connection,
    rebuilt: Callable[[], tuple[Rows, ...]],
    server: Embedded,
) -> None:
    """One of several running followers projects; where its connection is killed, it or another goes on."""
    with following(location, 2):
        for number in range(1, 4):
            teller.tell(10)
            _wait_until(lambda upto=2 + 10 * number: _position(reader) == upto)  # type: ignore[misc]
            with psycopg.connect(server.owner_dsn, autocommit=True) as owner:
                owner.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ledger' and pid <> %s",
                    [reader.info.backend_pid],
                )
    assert rows(reader) == rebuilt()


@pytest.mark.parametrize("marker", [b"copy states", b"head.size <> projections.position", b"listen "])
def test_a_follower_whose_answer_is_swallowed_goes_on(
    marker: bytes, teller: Teller, location: LedgerLocation, reader: Connection, rebuilt: Callable[[], tuple[Rows, ...]],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """Where an answer never comes and nobody hangs up, the follower does, says so, and goes on with a new connection."""
    with wired(replace(location, timeouts=Timeouts(statement_s=0.3))) as (wire, through):
        named = replace(through, dsn=make_conninfo(through.dsn, password="sesame-open"))
        wire.cut(Cut(marker, delivered=True, swallowed=True))
        with following(named):
            teller.tell(10)
            assert wire.was_cut.wait(20)
            _wait_until(lambda: _position(reader) == 12)
    assert rows(reader) == rebuilt()
    told = [one for one in caplog.messages if "the database does not answer" in one]
    assert len(told) == (0 if marker == b"listen " else 1)
    assert "sesame-open" not in caplog.text


def test_a_follower_forgets_what_it_remembers_of_another_epoch(
    given: Given, follower: Follower, location: LedgerLocation, reader: Connection, server: Embedded,
    rebuilt: Callable[[], tuple[Rows, ...]],
) -> None:  # fmt: skip
    """Where the log was rolled back and has grown again to where the follower is, it reads anew what it remembers."""
    given(THX, USA, event("party.renamed", "party:usa", "2020", name="One"))
    catch_up(follower)
    with psycopg.connect(server.owner_dsn, options=f"-c search_path={location.schema}") as owner:
        owner.execute("alter table entries disable trigger entries_are_never_changed")
        owner.execute("update entries set body = replace(body::text, '\"One\"', '\"Two\"')::json where position = 3")
        owner.execute("alter table entries enable always trigger entries_are_never_changed")
    rebuild(location)
    renew(reader, current(reader), "a test")
    given(event("party.described", "party:usa", "2021", short_name="US"))
    catch_up(follower)
    assert rows(reader) == rebuilt()
    assert "Two" in str(rows(reader)[0])


def test_a_rebuild_and_a_running_follower_do_not_block_each_other(
    teller: Teller, location: LedgerLocation, reader: Connection
) -> None:
    """A rebuild succeeds while a follower is at work, however long the follower has waited for it."""
    teller.tell(20)
    waited: list[int] = []

    def go_on(position: int) -> None:
        teller.tell(1)  # so there is more to do at each step, the last one before the swap too
        if _is_taken_over(reader):
            _wait_until(lambda: _waits_long(reader))
            waited.append(position)

    with following(location) as (thread,):
        _wait_until(lambda: _position(reader) == 22)
        rebuild(location, go_on)
        assert waited
        _wait_until(lambda: _position(reader) == teller.told[-1].position)
        assert thread.is_alive()


def _is_taken_over(reader: Connection) -> bool:
    """Whether somebody keeps everybody from the rows, to put others in their place."""
    row = reader.execute("""
        select from pg_locks
         where granted and mode = 'AccessExclusiveLock' and relation = 'timeline'::regclass
        """).fetchone()
    return row is not None


def _waits_long(reader: Connection) -> bool:
    """Whether somebody has waited for a lock for longer than the server takes to look for a deadlock."""
    row = reader.execute("""
        select from pg_locks
         where not granted and clock_timestamp() - waitstart > current_setting('deadlock_timeout')::interval * 1.2
        """).fetchone()
    return row is not None


# --- an entry that cannot be projected


def _line(type_: str, subject: str, data: dict[str, Any], /, **other: Any) -> StoredLine:
    entry_id = str(uuid4())
    told = {
        "specversion": "1.0", "id": entry_id, "source": "/ledgers/partnerships", "type": type_, "subject": subject,
        "streamversion": 1, "authtype": "system", "authid": "x", "data": data, **other,
    }  # fmt: skip
    state = json.dumps({name: value for name, value in told.items() if value is not None}, separators=(",", ":"))
    return StoredLine(subject, 1, type_, state.encode(), entry_id=entry_id)


COMMITMENT = {"commitment": "A" * 43}
POISON = {
    "an unknown type": _line("party.from_the_future", "party:x", {}),
    "an unreadable fact": _line("party.registered", "party:x", {"kind": 1}),
    "an unknown kind of subject": _line("party.registered", "place:x", {"name": "X", "kind": "state"}),
    "no subject, and a commitment": _line("party.registered", "party:x", {"name": COMMITMENT}, subject=None),
    "a source published on no date": _line(
        "source.registered", "source:x", {"kind": "news_article", "title": "X", "published": "no date"}
    ),
}


@pytest.mark.parametrize("kind", POISON)
def test_an_entry_that_cannot_be_projected_stops_the_projection_and_nothing_else(
    kind: str, given: Given, ledger: Ledger, location: LedgerLocation, reader: Connection
) -> None:
    """The projection stops before such an entry and names it; the follower lives on, and the ledger goes on recording."""
    given(THX, event("agreement.mentioned", "agreement:x", title="X", sources=[{"source": "source:x"}]))
    ledger.recorder.insert_events([POISON[kind]])
    assert given(USA)[0].position == 4
    with following(location) as (thread,):
        _wait_until(lambda: _error_position(reader) is not None or not thread.is_alive())
        assert thread.is_alive()
    for progress in read_progress(reader).values():
        assert (progress.position, progress.error_position) == (2, 3)
        assert progress.error
    assert given(INDIA)[0].position == 5
    assert {row[4] for row in rows(reader)[1]} == {1, 2}


def test_an_entry_that_fails_halfway_leaves_no_row(
    given: Given, follower: Follower, reader: Connection, rebuilt: Callable[[], tuple[Rows, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Where an entry fails in one projection after some of its rows were made, none is written and the others go on; a
    better version makes them all."""
    given(THX, USA, INDIA)
    given(
        event("agreement.signed", "agreement:mou", "2020", signatories=[{"party": "party:usa"}, {"party": "party:ind"}])
    )
    given(INDUS_X)
    shown = states_module.Shown

    def fail(*parts: Any) -> Any:
        if parts[2] == "party:ind":
            raise ValueError("this version cannot do it")
        return shown(*parts)

    monkeypatch.setattr(states_module, "Shown", fail)
    catch_up(follower)
    stopped = read_progress(reader)
    assert (stopped["states"].position, stopped["states"].error_position) == (3, 4)
    assert {name for name, one in stopped.items() if (one.position, one.error_position) == (5, None)} == {
        "timeline", "search", "due", "flags",
    }  # fmt: skip
    assert reader.execute("select from states where known_from > 3").fetchall() == []
    monkeypatch.undo()
    catch_up(follower)
    assert rows(reader) == rebuilt()
    assert read_progress(reader) == {one.name: Progress(one.name, one.version, 5) for one in PROJECTIONS}


def test_a_rebuild_that_is_broken_off_changes_nothing(
    teller: Teller, follower: Follower, location: LedgerLocation, reader: Connection
) -> None:
    """Readers keep the old rows until the new ones are complete, and the next rebuild goes on."""
    teller.tell(30)
    catch_up(follower)
    before = rows(reader)

    def break_off(position: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(location, break_off)
    assert rows(reader) == before
    rebuild(location)
    assert rows(reader) == before
