"""What is recorded for a request, and what it is answered. Pure: what it rests on comes as an argument."""

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from ledger.errors import Flagged, IdReused, LedgerError, Refused, StaleVersion, TooLarge
from ledger.fold import Flag, History
from ledger.log.commitments import Disclosure, keep_erased
from ledger.log.entry import Entry, LineMapper, StoredLine, make_entry
from ledger.recorded import UNRECORDED, Opening, Recorded
from ledger.vocabulary.correction import Correction, Superseded
from ledger.vocabulary.fact import Fact, Subject, schema_of
from ledger.vocabulary.fields import Anomaly
from ledger.vocabulary.kinds.source import Described, Registered
from ledger.writing.admission import admit
from ledger.writing.draft import Draft

SYSTEM = "system"
"""Whoever records on the machine itself, with no key."""


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
    request, not for one with fewer events, nor for one with more. ``strict`` asks for what would be flagged to be refused.
    ``ids`` are those that may stand in the log, or in another request.
    """

    __slots__ = ("actor", "beyond", "events", "ids", "mentions", "strict", "subjects")

    def __init__(
        self, events: Sequence[Given], actor: Actor, beyond: str | None = None, *, strict: bool = False
    ) -> None:
        self.events, self.actor, self.beyond, self.strict = events, actor, beyond, strict
        self.subjects = frozenset([given.draft.subject for given in events])
        self.mentions = frozenset([subject for given in events for subject in given.draft.fact.mentions])
        self.ids = self._ids(only_sought=True)

    def seek_all(self) -> None:
        """It may have been recorded by now: each of its events may stand in the log."""
        self.ids = self._ids(only_sought=False)

    def _ids(self, *, only_sought: bool) -> frozenset[str]:
        sought = [given.entry_id for given in self.events if given.sought or not only_sought]
        return frozenset([*sought, self.beyond] if self.beyond else sought)

    @property
    def digests(self) -> list[str]:
        """Of the documents that its sources may come to hold."""
        return [digest for given in self.events if (digest := _digest(given.draft.fact))]


def _digest(fact: Fact) -> str | None:
    told = fact.replacement.fact() if isinstance(fact, Superseded) else fact
    return told.sha256 if isinstance(told, (Registered, Described)) else None


@dataclass
class DecisionContext:
    """What requests are decided on: the streams that they touch, and what else of the ledger bears on them.

    ``openings`` has None for a stream that is known not to be there. ``changed`` are the streams that the requests
    decided so far add to, ``freed`` the documents that they took from a source, each by its digest, with the source that
    held it first. Of the last request ``claimed`` are the documents that it gave to a source, ``own`` the streams whose
    histories are copies that it may change. ``unreadable`` is what the log holds and this
    version cannot read, by stream or entry id; ``size`` is how many entries it has at least.
    """

    today: date
    histories: dict[Subject, History]
    openings: dict[Subject, Opening | None]
    entries: dict[str, Entry] = field(default_factory=dict)
    disclosures: dict[str, list[Disclosure]] = field(default_factory=dict)
    holders: dict[str, Subject] = field(default_factory=dict)
    freed: dict[str, Subject] = field(default_factory=dict)
    changed: set[Subject] = field(default_factory=set)
    claimed: list[tuple[str, Subject]] = field(default_factory=list)
    own: set[Subject] = field(default_factory=set)
    unreadable: dict[str, LedgerError] = field(default_factory=dict)
    size: int = 0

    def depends_on(self, request: Request) -> frozenset[Subject]:
        """The streams that it touches, and those that requests before it have changed and that bear on it."""
        holders = [one for digest in request.digests for one in (self.holders.get(digest), self.freed.get(digest))]
        return request.subjects | (self.changed & {*request.mentions, *holders})

    def history(self, subject: Subject) -> History:
        """The history of a stream for the request at hand to change: a copy, made once for all of its events."""
        if subject not in self.own:
            self.histories[subject] = self.histories[subject].copy()
            self.own.add(subject)
        return self.histories[subject]

    def begin(self, request: Request) -> "Before":
        """What a request may change, as it is now: for ``restore``, if the request is refused."""
        self.claimed, self.own = [], set()
        histories = {subject: self.histories[subject] for subject in request.subjects}
        return Before(histories, self.holders.copy(), self.freed.copy())

    def restore(self, before: "Before") -> None:
        self.histories.update(before.histories)
        self.openings |= dict.fromkeys([subject for subject, one in before.histories.items() if not one.version])
        self.holders, self.freed, self.own = before.holders, before.freed, set()


class Before(NamedTuple):
    """Histories and holders as they were before a request."""

    histories: dict[Subject, History]
    holders: dict[str, Subject]
    freed: dict[str, Subject]


class New(NamedTuple):
    """An entry to record, and its line."""

    entry: Entry
    line: StoredLine


Decided = tuple[Answer, New | None]
"""The answer to an event, and what to record; nothing for what is recorded already."""

MAPPER = LineMapper()


class Decider(NamedTuple):
    """Decides for one ledger, whose service is at ``address``. ``new_salt`` makes what seals a name."""

    source: str
    address: str
    new_salt: Callable[[], bytes]

    def decide(
        self, context: DecisionContext, request: Request, position: int, check: Callable[[], None] = lambda: None
    ) -> list[Decided]:
        """What to record for each event, in their order; each is admitted after those before it.

        The events are taken to stand from ``position`` on, after every entry there is. Raises Refused (with IdReused and
        StaleVersion) and TooLarge, with a pointer to the event, and what ``check`` raises after one; then the context is
        as it was.
        """
        before, decided = context.begin(request), list[Decided]()
        try:
            for one in self.each(context, request, position):
                decided.append(one)
                check()
        except Refused:
            context.restore(before)
            if len(request.events) > 1 and position < UNRECORDED:  # what is refused gets no place to be named by
                return self.decide(context, request, UNRECORDED, check)
            raise
        except Exception:
            context.restore(before)
            raise
        context.changed.update([new.entry.originator_id for _, new in decided if new])
        return decided

    def each(self, context: DecisionContext, request: Request, position: int) -> Iterator[Decided]:
        """The same event by event; the context is left as the last one made it."""
        for key in (*request.subjects, *request.ids):
            if key in context.unreadable:
                raise context.unreadable[key]
        if request.beyond:
            _check_key(context, request, request.beyond)
        for number, given in enumerate(request.events):
            pointer = f"/events/{number}" if len(request.events) > 1 else ""
            flags = context.histories[given.draft.subject].flags() if request.strict else None
            try:
                decided = self._decide(context, given, request.actor, position + number)
                if flags is not None and decided[1]:
                    _check_flags(flags, context.histories[given.draft.subject], given.draft.subject)
                yield decided
            except Refused as error:
                error.pointer = pointer
                raise
            except TooLarge as error:
                raise error.at(pointer) from None

    def _decide(self, context: DecisionContext, given: Given, actor: Actor, position: int) -> Decided:
        if given.entry_id in context.entries:
            return _repeated(context, given.entry_id, given.draft), None
        return self._admit(context, given, actor, position)

    def _admit(self, context: DecisionContext, given: Given, actor: Actor, position: int) -> Decided:
        draft, subject, history = given.draft, given.draft.subject, context.history(given.draft.subject)
        if draft.expected_version not in (None, history.version):
            raise StaleVersion(subject, draft.expected_version, history.version)
        _check_target(context, draft)
        if draft.fact.by_ledger and actor.authtype != SYSTEM:
            raise by_the_ledger(draft)
        entry = make_entry(
            draft.fact, entry_id=given.entry_id, subject=subject, version=history.version + 1, source=self.source,
            address=self.address, correlationid=draft.correlationid, causationid=draft.causationid, salt_for=lambda _: self.new_salt(),
            authtype=actor.authtype, authid=actor.authid,
        )  # fmt: skip
        fact = entry.fact() if entry.disclosures else draft.fact  # a name may be erased: nothing rests on it
        new = Recorded(position, entry.id, context.today, fact)
        if not history.version:
            context.openings[subject] = opening_of(new)
        held = _documents(history, subject)
        anomalies = admit(history, new, context.openings, subject)
        _hold(context, subject, held, _documents(history, subject))
        answer = Answer(entry.id, new.position, subject, history.version, tuple(anomalies), repeated=False)
        return answer, New(entry, MAPPER.to_stored_event(entry))


def by_the_ledger(draft: Draft) -> Refused:
    """Nobody says of the ledger what it can only say itself."""
    told = (
        f"{draft.fact.type} is for the ledger itself to record, by the command that does what it tells of: leave it out"
    )
    return Refused("by_the_ledger", told, draft.subject)


def _check_flags(known: Set[Flag], history: History, subject: Subject) -> None:
    """Nothing may be odd that was not, be it an entry that stands already."""
    if odd := history.new_anomalies(known):
        raise Flagged(subject, [(one.code.value, one.detail) for one in odd])


def _check_target(context: DecisionContext, draft: Draft) -> None:
    """What is being decided is only taken to have a position: another entry may come to stand there."""
    target = draft.fact.target if isinstance(draft.fact, Correction) else None
    if isinstance(target, int) and target > context.size:
        raise Refused("unknown_target", f"{draft.subject} has no entry {target} to correct", draft.subject)


def _check_key(context: DecisionContext, request: Request, beyond: str) -> None:
    """A key stands for one request: either all of it is recorded, or nothing, and never more."""
    known = {given.entry_id in context.entries for given in request.events if given.draft.id is None}
    if beyond in context.entries or len(known) > 1:
        raise IdReused("the Idempotency-Key")


def opening_of(first: Recorded) -> Opening:
    """What other streams need to know of the one that begins with this entry."""
    return Opening(first.position, first.fact.published if isinstance(first.fact, Registered) else None)


def _repeated(context: DecisionContext, entry_id: str, draft: Draft) -> Answer:
    """The first answer to an event that is recorded. Raises IdReused if it said something else then."""
    entry = context.entries[entry_id]
    salts = {one.pointer: one.salt for one in context.disclosures.get(entry_id, ())}
    again = make_entry(
        draft.fact, entry_id=entry_id, subject=draft.subject, version=entry.originator_version, source=entry.source,
        address=entry.dataschema.removesuffix(schema_of(entry.dataschema)), correlationid=draft.correlationid, causationid=draft.causationid, authtype=entry.authtype,
        authid=entry.authid, salt_for=lambda pointer: salts.get(pointer, b""),
    )  # fmt: skip
    again = again._replace(data=keep_erased(again.data, entry.data, salts))
    if again.line() != entry.line() and not _says_the_same(again, entry):
        raise IdReused(f"the id {entry_id}")
    assert entry.position is not None
    anomalies = context.histories[draft.subject].anomalies(entry.position)
    return Answer(entry_id, entry.position, draft.subject, entry.originator_version, tuple(anomalies), repeated=True)


def _says_the_same(again: Entry, entry: Entry) -> bool:
    """Whether an entry is told again that was recorded in an older version of its shape, or of its replacement's.

    A commitment tells a person at one place alone: who stands elsewhere since is taken for another.
    """
    told = again._replace(data=entry.data, dataschema=entry.dataschema)
    return told.line() == entry.line() and again.fact() == entry.fact()


def _hold(context: DecisionContext, subject: Subject, held: Set[str], holds: Set[str]) -> None:
    """One document, one source: what counts is what was not struck, and what stands in the place of what was.

    Raises Refused where another source holds a document that this one, which ``held`` others, comes to hold.
    """
    for digest in held - holds:
        context.holders.pop(digest, None)
        context.freed.setdefault(digest, subject)  # who held it first holds it in the log, until this is recorded
    for digest in holds - held:
        holder = context.holders.setdefault(digest, subject)
        if holder != subject:
            raise Refused("duplicate_source", f"{holder} holds the document with this sha256: cite it", subject)
        context.claimed.append((digest, subject))


def _documents(history: History, subject: Subject) -> Set[str]:
    """Those that a source holds."""
    if not subject.startswith("source:"):
        return frozenset()
    return {digest for live in history.lives if (digest := _digest(live.fact))}
