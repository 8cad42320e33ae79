"""The ledger: the library's ``Application``, and the only writer.

An append reads what it needs in one round trip, decides in memory, and records in another. Nothing it decided can be
overtaken: ``(stream, version)`` and the ids are unique, so a writer who decided on old history is refused by the
database and decides again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from secrets import token_bytes
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import psycopg
from eventsourcing.application import Application
from eventsourcing.persistence import ApplicationRecorder, IntegrityError, Mapper
from eventsourcing.utils import Environment, EnvType
from psycopg_pool import PoolTimeout
from uuid6 import uuid7

from ledger.admission import admit
from ledger.dates import InvalidDate, PartialDate
from ledger.disclosure import SALT_BYTES, Disclosure, keep_erased
from ledger.draft import Draft
from ledger.entry import Entry, LineMapper, make_entry, read_line
from ledger.errors import IdReused, Refused, StaleVersion, TooLarge, Unavailable
from ledger.facts import Anomaly, Subject
from ledger.facts.source import Described, Registered
from ledger.history import UNRECORDED, Histories, History, Opening, Recorded
from ledger.postgres import Connection, Place, Pool, queries
from ledger.recorder import EntryRecorder

SQL = queries("ledger", "service.sql")
ATTEMPTS = 3
IDEMPOTENCY = UUID("6f0b1d5e-7f0c-5a67-9d43-2a9c1f6f5f0e")


class Actor(NamedTuple):
    """Who records: the CloudEvents authcontext attributes. The id is the key's name, never taken from the body."""

    authtype: str
    authid: str


class Answer(NamedTuple):
    """What became of one event. ``repeated`` tells that it had been recorded before, and nothing was changed."""

    id: str
    position: int
    subject: str
    version: int
    anomalies: tuple[Anomaly, ...]
    repeated: bool

    def at(self, position: int) -> "Answer":
        """The answer, once the position is known."""
        flagged = tuple(anomaly._replace(position=position) for anomaly in self.anomalies)
        return self._replace(position=position, anomalies=flagged)


@dataclass(frozen=True)
class World:
    """What the database said of the streams that a request touches."""

    histories: dict[Subject, History]
    openings: dict[Subject, Opening]
    entries: dict[str, Entry]
    disclosures: dict[str, list[Disclosure]]
    holders: dict[str, str]


class Ledger(Application[str]):
    """One ledger. ``clock`` tells the time of a decision, ``new_id`` and ``new_salt`` make what must be unique."""

    def __init__(
        self,
        place: Place,
        pool: Pool,
        name: str = "partnerships",
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_id: Callable[[], UUID] = uuid7,
        new_salt: Callable[[], bytes] = lambda: token_bytes(SALT_BYTES),
    ) -> None:
        self.place, self.pool, self.source = place, pool, f"/ledgers/{name}"
        self.clock, self.new_id, self.new_salt = clock, new_id, new_salt
        self.known = Histories()
        super().__init__()

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        return Environment(name, {"ORIGINATOR_ID_TYPE": "text"})  # ours alone: os.environ is not merged in

    def construct_mapper(self) -> Mapper[str]:
        return LineMapper()

    def construct_recorder(self) -> ApplicationRecorder:
        return EntryRecorder(self.place, self.pool)

    def close(self) -> None:
        recorder = self.__dict__.get("recorder")
        if recorder is not None and not self.closing.is_set():
            recorder.close()
        super().close()

    def append(self, drafts: Sequence[Draft], actor: Actor, idempotency_key: str | None = None) -> list[Answer]:
        """Record the drafts, all or none, in their order; an event recorded before is answered as the first time.

        Raises Refused (with IdReused and StaleVersion), TooLarge, Unavailable. Two round trips where nothing
        conflicts, the second shared with whoever else is writing.
        """
        given = [(draft.id or self._id(actor, idempotency_key, number), draft) for number, draft in enumerate(drafts)]
        if len({entry_id for entry_id, _ in given}) < len(given):
            raise Refused("id_repeated", "two events of the request have the same id")
        # A key stands for one request: not for one with fewer events, nor for one with more.
        beyond = None if idempotency_key is None else self._id(actor, idempotency_key, len(drafts))
        for attempt in range(ATTEMPTS):
            decided = self._decide(given, actor, beyond)
            try:
                return self._save(decided)
            except IntegrityError:
                # Somebody recorded between our reading and our writing: the world has changed, decide anew.
                if attempt + 1 == ATTEMPTS:
                    raise Unavailable("others keep writing to the same streams; try again") from None
        raise AssertionError

    def dry_run(self, drafts: Sequence[Draft], actor: Actor) -> tuple[list[Answer], Refused | TooLarge | None]:
        """What ``append`` would answer, up to the first draft that it would refuse, and why that one.

        The positions are those of the future.
        """
        given = [(draft.id or str(self.new_id()), draft) for draft in drafts]
        answers: list[Answer] = []
        try:
            for answer, _ in self._decisions(self._read(given), given, actor):
                answers.append(answer)
        except (Refused, TooLarge) as error:
            return answers, error
        return answers, None

    def _id(self, actor: Actor, key: str | None, number: int) -> str:
        return str(uuid5(IDEMPOTENCY, f"{actor.authid}\0{key}\0{number}") if key is not None else self.new_id())

    def _save(self, decided: Sequence[tuple[Answer, Entry | None]]) -> list[Answer]:
        recordings = self.save(*(entry for _, entry in decided if entry is not None))
        positions = iter([recording.notification.id for recording in recordings])
        return [answer if entry is None else answer.at(next(positions)) for answer, entry in decided]

    def _decide(
        self, given: Sequence[tuple[str, Draft]], actor: Actor, beyond: str | None = None
    ) -> list[tuple[Answer, Entry | None]]:
        """An answer for each draft, and the entry to record; none for what is recorded already."""
        world = self._read(given, beyond)
        known = {entry_id in world.entries for entry_id, draft in given if draft.id is None}
        if beyond and (beyond in world.entries or len(known) > 1):
            raise IdReused("the Idempotency-Key")
        return list(self._decisions(world, given, actor))

    def _decisions(
        self, world: World, given: Sequence[tuple[str, Draft]], actor: Actor
    ) -> Iterator[tuple[Answer, Entry | None]]:
        for number, (entry_id, draft) in enumerate(given):
            try:
                yield self._decide_one(world, number, entry_id, draft, actor)
            except Refused as error:
                error.pointer = f"/events/{number}" if len(given) > 1 else ""
                raise
            except TooLarge as error:
                raise error.at(f"/events/{number}" if len(given) > 1 else "") from None

    def _decide_one(
        self, world: World, number: int, entry_id: str, draft: Draft, actor: Actor
    ) -> tuple[Answer, Entry | None]:
        if entry_id in world.entries:
            return self._repeated(world, entry_id, draft), None
        recorded = Recorded(UNRECORDED + number, entry_id, self.clock().date(), draft.fact)
        return self._admit(world, recorded, draft, actor)

    def _admit(self, world: World, new: Recorded, draft: Draft, actor: Actor) -> tuple[Answer, Entry]:
        subject, history = draft.subject, world.histories[draft.subject]
        if draft.expected_version not in (None, history.version):
            raise StaleVersion(subject, draft.expected_version, history.version)
        _check_digest(world, draft)
        published = draft.fact.published if isinstance(draft.fact, Registered) else None
        world.openings.setdefault(subject, Opening(new.position, published))
        after, anomalies = admit(history, new, world.openings, subject)
        world.histories[subject] = after
        entry = make_entry(
            draft.fact, entry_id=new.entry_id, subject=subject, version=after.version, source=self.source,
            correlationid=draft.correlationid, causationid=draft.causationid, salt_for=lambda _: self.new_salt(),
            **actor._asdict(),
        )  # fmt: skip
        return Answer(entry.id, new.position, subject, after.version, tuple(anomalies), repeated=False), entry

    def _repeated(self, world: World, entry_id: str, draft: Draft) -> Answer:
        """The first answer to an event that is recorded. Raises IdReused if it said something else then."""
        entry = world.entries[entry_id]
        salts = {one.pointer: one.salt for one in world.disclosures.get(entry_id, ())}
        again = make_entry(
            draft.fact, entry_id=entry_id, subject=draft.subject, version=entry.originator_version, source=entry.source,
            correlationid=draft.correlationid, causationid=draft.causationid, authtype=entry.authtype,
            authid=entry.authid, salt_for=lambda pointer: salts.get(pointer, b""),
        )  # fmt: skip
        if replace(again, data=keep_erased(again.data, entry.data, salts)).line() != entry.line():
            raise IdReused(f"the id {entry_id}")
        assert entry.position is not None
        anomalies = world.histories[draft.subject].anomalies(entry.position)
        return Answer(
            entry_id, entry.position, draft.subject, entry.originator_version, tuple(anomalies), repeated=True
        )

    def _read(self, given: Sequence[tuple[str, Draft]], beyond: str | None = None) -> World:
        """Everything the decision rests on, in one round trip. Raises Unavailable."""
        try:
            with self.pool.connection() as connection:
                return self._world(connection, given, [UUID(beyond)] if beyond else [])
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise Unavailable(f"the database cannot be reached: {str(error).strip()}") from None

    def _world(self, connection: Connection, given: Sequence[tuple[str, Draft]], others: list[UUID]) -> World:
        streams = {draft.subject: self.known.get(draft.subject) for _, draft in given}
        mentioned = streams.keys() | {subject for _, draft in given for subject in draft.fact.mentions}
        ids = [UUID(entry_id) for entry_id, _ in given] + others
        with connection.pipeline():
            # The ids first: what is found under them is then in the streams that are read after it.
            entries = connection.execute(SQL["find_entries"], {"entry_ids": ids})
            opened = connection.execute(SQL["disclosures"], {"entry_ids": ids})
            versions = [history.version for history in streams.values()]
            newer = connection.execute(SQL["load"], {"streams": list(streams), "versions": versions})
            openings = connection.execute(SQL["openings"], {"streams": list(mentioned)})
            digests = [digest for _, draft in given if (digest := getattr(draft.fact, "sha256", None))]
            holders = connection.execute(SQL["holders"], {"digests": digests}).fetchall() if digests else []
            world = World(
                histories=streams,
                openings=_openings(openings.fetchall()),
                entries={entry.id: entry for (body,) in entries for entry in [read_line(body)]},
                disclosures=_by_entry(opened.fetchall()),
                holders=dict(holders),
            )
            self._catch_up(connection, world, [read_line(body) for (body,) in newer])
        return world

    def _catch_up(self, connection: Connection, world: World, newer: Sequence[Entry]) -> None:
        """Bring the histories up to date with entries that this process had not seen."""
        if not newer:
            return
        recorded = [entry.recorded() for entry in newer]
        openings = read_openings(connection, {subject for one in recorded for subject in one.fact.mentions})
        fresh: dict[Subject, History] = {}
        for entry, one in zip(newer, recorded, strict=True):
            subject = entry.originator_id
            fresh.setdefault(subject, world.histories[subject].copy()).record(one, openings)
        for subject, history in fresh.items():
            world.histories[subject] = history
            self.known.keep(subject, history)
        self.known.trim()


def read_openings(connection: Connection, subjects: set[Subject]) -> dict[Subject, Opening]:
    """The first entries of these streams, as far as there are any."""
    rows = connection.execute(SQL["openings"], {"streams": list(subjects)}).fetchall() if subjects else []
    return _openings(rows)


def _openings(rows: Sequence[tuple[Any, ...]]) -> dict[Subject, Opening]:
    return {Subject(stream): Opening(position, _date(published)) for stream, position, published in rows}


def _date(text: str | None) -> PartialDate | None:
    """A date that this version cannot read bounds nothing."""
    try:
        return PartialDate(text) if text else None
    except InvalidDate:
        return None


def read_disclosures(connection: Connection, entry_ids: Sequence[str]) -> dict[str, list[Disclosure]]:
    """What opens the commitments of these entries, by entry; nothing for those that are erased."""
    rows = connection.execute(SQL["disclosures"], {"entry_ids": [UUID(one) for one in entry_ids]}).fetchall()
    return _by_entry(rows)


def _by_entry(rows: Sequence[tuple[Any, ...]]) -> dict[str, list[Disclosure]]:
    found: dict[str, list[Disclosure]] = {}
    for entry_id, *opened in rows:
        found.setdefault(entry_id, []).append(Disclosure(*opened))
    return found


def _check_digest(world: World, draft: Draft) -> None:
    """One document, one source: the same digest cannot be registered under another name."""
    if isinstance(draft.fact, (Registered, Described)) and draft.fact.sha256:
        holder = world.holders.setdefault(draft.fact.sha256, draft.subject)
        if holder != draft.subject:
            raise Refused("duplicate_source", f"{holder} holds the document with this sha256: cite it", draft.subject)
