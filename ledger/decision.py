"""What is recorded for a request, and what it is answered. Pure: the world it rests on comes as an argument."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from ledger.admission import admit
from ledger.disclosure import Disclosure, keep_erased
from ledger.draft import Draft
from ledger.entry import Entry, LineMapper, StoredLine, make_entry
from ledger.errors import IdReused, Refused, StaleVersion, TooLarge
from ledger.facts import Anomaly, Subject
from ledger.facts.source import Described, Registered
from ledger.history import History, Opening, Recorded


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
        """The answer, once the position is known: mostly it is the one that was expected."""
        if position == self.position:
            return self
        flagged = tuple(anomaly._replace(position=position) for anomaly in self.anomalies)
        return self._replace(position=position, anomalies=flagged)


class Given(NamedTuple):
    """An event of a request, under the id that it has or was given; ``sought`` tells that the id may stand already."""

    entry_id: str
    draft: Draft
    sought: bool


class Request:
    """What one caller asks to be recorded, all or none.

    ``beyond`` is the id of the event that would follow if the request were longer: an idempotency key stands for one
    request, not for one with fewer events, nor for one with more. ``ids`` are those that may stand in the log, or in
    another request.
    """

    __slots__ = ("actor", "beyond", "events", "ids", "subjects")

    def __init__(self, events: Sequence[Given], actor: Actor, beyond: str | None = None) -> None:
        self.events, self.actor, self.beyond = events, actor, beyond
        self.subjects = frozenset([given.draft.subject for given in events])
        sought = [given.entry_id for given in events if given.sought]
        self.ids = frozenset([*sought, beyond] if beyond else sought)


Before = tuple[dict[Subject, History], dict[str, str]]
"""Histories and holders as they were before a request."""


@dataclass
class World:
    """What is known of the streams that requests touch."""

    histories: dict[Subject, History]
    openings: dict[Subject, Opening]
    entries: dict[str, Entry] = field(default_factory=dict)
    disclosures: dict[str, list[Disclosure]] = field(default_factory=dict)
    holders: dict[str, str] = field(default_factory=dict)

    def before(self, request: Request) -> Before:
        """What a request may change, as it is now: for ``restore``, if the request is refused."""
        return {subject: self.histories[subject] for subject in request.subjects}, self.holders.copy()

    def restore(self, before: Before) -> None:
        histories, holders = before
        self.histories.update(histories)
        for subject, history in histories.items():
            if not history.version:
                self.openings.pop(subject, None)
        self.holders.clear()
        self.holders.update(holders)


class New(NamedTuple):
    """An entry to record, its line, and the day on which that was decided."""

    entry: Entry
    line: StoredLine
    decided_on: date


Decided = tuple[Answer, New | None]
"""The answer to an event, and what to record; nothing for what is recorded already."""

MAPPER = LineMapper()


class Decider(NamedTuple):
    """Decides for one ledger. ``today`` tells the day of a decision, ``new_salt`` makes what seals a name."""

    source: str
    today: Callable[[], date]
    new_salt: Callable[[], bytes]

    def decide(self, world: World, request: Request, position: int) -> Iterator[Decided]:
        """What to record for each event, in their order; each is admitted after those before it.

        ``position`` is one that no entry of these streams has yet: the events are taken to stand from there on. Raises
        Refused (with IdReused and StaleVersion) and TooLarge, with a pointer to the event; the world is changed then.
        """
        if request.beyond:
            _check_key(world, request, request.beyond)
        for number, given in enumerate(request.events):
            pointer = f"/events/{number}" if len(request.events) > 1 else ""
            try:
                yield self._decide(world, given, request.actor, position + number)
            except Refused as error:
                error.pointer = pointer
                raise
            except TooLarge as error:
                raise error.at(pointer) from None

    def _decide(self, world: World, given: Given, actor: Actor, position: int) -> Decided:
        if given.entry_id in world.entries:
            return _repeated(world, given.entry_id, given.draft), None
        return self._admit(
            world, Recorded(position, given.entry_id, self.today(), given.draft.fact), given.draft, actor
        )

    def _admit(self, world: World, new: Recorded, draft: Draft, actor: Actor) -> Decided:
        subject, history = draft.subject, world.histories[draft.subject]
        if draft.expected_version not in (None, history.version):
            raise StaleVersion(subject, draft.expected_version, history.version)
        _check_digest(world, draft)
        if not history.version:
            world.openings[subject] = opening_of(new)
        after, anomalies = admit(history, new, world.openings, subject)
        world.histories[subject] = after
        entry = make_entry(
            draft.fact, entry_id=new.entry_id, subject=subject, version=after.version, source=self.source,
            correlationid=draft.correlationid, causationid=draft.causationid, salt_for=lambda _: self.new_salt(),
            authtype=actor.authtype, authid=actor.authid,
        )  # fmt: skip
        answer = Answer(entry.id, new.position, subject, after.version, tuple(anomalies), repeated=False)
        return answer, New(entry, MAPPER.to_stored_event(entry), new.recorded_on)


def _check_key(world: World, request: Request, beyond: str) -> None:
    """A key stands for one request: either all of it is recorded, or nothing, and never more."""
    known = {given.entry_id in world.entries for given in request.events if given.draft.id is None}
    if beyond in world.entries or len(known) > 1:
        raise IdReused("the Idempotency-Key")


def opening_of(first: Recorded) -> Opening:
    """What other streams need to know of the one that begins with this entry."""
    return Opening(first.position, first.fact.published if isinstance(first.fact, Registered) else None)


def _repeated(world: World, entry_id: str, draft: Draft) -> Answer:
    """The first answer to an event that is recorded. Raises IdReused if it said something else then."""
    entry = world.entries[entry_id]
    salts = {one.pointer: one.salt for one in world.disclosures.get(entry_id, ())}
    again = make_entry(
        draft.fact, entry_id=entry_id, subject=draft.subject, version=entry.originator_version, source=entry.source,
        correlationid=draft.correlationid, causationid=draft.causationid, authtype=entry.authtype,
        authid=entry.authid, salt_for=lambda pointer: salts.get(pointer, b""),
    )  # fmt: skip
    if again._replace(data=keep_erased(again.data, entry.data, salts)).line() != entry.line():
        raise IdReused(f"the id {entry_id}")
    assert entry.position is not None
    anomalies = world.histories[draft.subject].anomalies(entry.position)
    return Answer(entry_id, entry.position, draft.subject, entry.originator_version, tuple(anomalies), repeated=True)


def _check_digest(world: World, draft: Draft) -> None:
    """One document, one source: the same digest cannot be registered under another name."""
    if isinstance(draft.fact, (Registered, Described)) and draft.fact.sha256:
        holder = world.holders.setdefault(draft.fact.sha256, draft.subject)
        if holder != draft.subject:
            raise Refused("duplicate_source", f"{holder} holds the document with this sha256: cite it", draft.subject)
