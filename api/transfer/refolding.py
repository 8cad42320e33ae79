"""The states that verified entries make by the ledger's own rules, held against those that a service answers.

A Merkle tree shows that the entries are those that were signed; this shows that what is told of them follows from them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from heapq import merge
from itertools import groupby
from json import dumps
from operator import itemgetter
from typing import Any, NamedTuple
from urllib.parse import urlencode

from pydantic_core import from_json

from api.transfer.entries import Entries
from ledger.errors import Unavailable, Unreadable
from ledger.fold import History
from ledger.log.entry import Entry
from ledger.process import undisturbed
from ledger.proofs.verifier import Read
from ledger.recorded import Opening, Recorded
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.kinds.participation import PARTICIPATION
from ledger.vocabulary.registry import KINDS
from ledger.vocabulary.state import MAIN
from projections.retracted import unverified_fields
from projections.segments import document, kind_of, segments

PAGE = 200
PERSON = {"commitment", "entry", "pointer"}
"""What everybody may know of a person in a state; the rest depends on the reader."""

Document = dict[str, Any]
Retracted = dict[str, list[int]]
"""Sources that were taken back, each with the entries that say so."""


class Difference(NamedTuple):
    """A field of a state that the entries make otherwise than the service tells; the entry that it rests on, 0 for none."""

    position: int
    subject: str
    field: str
    what: str


class Made:
    """What entries make: the states of a stream, on a day."""

    def __init__(self, entries: Entries, day: date) -> None:
        self.entries, self.day = entries, day
        self.retracted = self._retracted()

    def states(self, kind: str) -> Iterator[tuple[Subject, dict[str, Document]]]:
        """The documents of every stream of a kind that has a state, by lane."""
        for subject, found in self.entries.streams(kind):
            history = self._folded(subject, found)
            made = {lane: self._document(history, lane, found) for lane in sorted(history.lanes)}
            if made.get(MAIN):
                yield subject, {lane: one for lane, one in made.items() if one}

    @undisturbed()
    def _folded(self, subject: Subject, found: Sequence[Entry]) -> History:
        history = History.of(subject)
        try:
            recorded = [entry.recorded() for entry in found]
            history.load(recorded, self._openings(recorded))
        except Unreadable:
            raise
        except Exception as error:
            raise Unreadable(f"the entries of {subject} fit into no story: {type(error).__name__}") from error
        return history

    def _openings(self, recorded: Sequence[Recorded]) -> Mapping[Subject, Opening | None]:
        return {one: self.entries.opening(one) for each in recorded for one in each.fact.mentions}

    def _document(self, history: History, lane: str, found: Sequence[Entry]) -> Document:
        """A lane's document on the day, with what a reader is told beside; an empty one where nothing holds then."""
        kind = kind_of(history.kind, lane)
        held = [one for one in segments(kind, history.lanes[lane]) if one.valid_from <= self.day]
        if not held:
            return {}
        made: Document = from_json(document(kind, held[-1]))
        unverified = unverified_fields(made["provenance"], _weak(found, self.retracted))
        return made | {"version": history.version, "unverified": unverified}

    def _retracted(self) -> Retracted:
        """The sources that were retracted, on whatever day."""
        retracted = {}
        for subject, found in self.entries.streams("source"):
            history = self._folded(subject, found)
            for one in segments(history.kind, history.lanes.get(MAIN, ())):
                if one.state.status == "retracted":
                    retracted[str(subject)] = [*one.state.provenance["status"]]
        return retracted


def _weak(found: Sequence[Entry], retracted: Retracted) -> dict[int, list[int]]:
    """The entries that cite sources, and none that still stands; each with what retracted these."""
    cited = {entry.position or 0: _cited(entry) for entry in found} if retracted else {}
    return {
        position: sorted({by for source in sources for by in retracted[source]})
        for position, sources in cited.items()
        if sources and sources <= retracted.keys()
    }


def _cited(entry: Entry) -> set[str]:
    replacement = entry.data.get("replacement", {})
    return {one["source"] for one in replacement.get("sources", entry.data.get("sources", ()))}


class Told:
    """What a service tells of the states on a day, as known at a position."""

    def __init__(self, read: Read, known_at: int, day: date) -> None:
        self.read, self.basis = read, {"known_at": known_at, "valid_at": day.isoformat()}

    def states(self, kind: str) -> Iterator[tuple[str, Document]]:
        """Every state of a kind, as the lists tell it, in their order, each once. Raises Unavailable."""
        cursor: dict[str, Any] | None = {}
        last = ""
        while cursor is not None:
            page = self._ask(f"v1/{KINDS[kind].plural}", limit=PAGE, **cursor)
            found = _documents(page, "items", "subject")
            last = _last_in_order(last, [subject for subject, _ in found])
            yield from found
            cursor = {"cursor": page["next"]} if found and page.get("next") else None

    def whole(self, subject: Subject) -> tuple[Document, dict[str, Document]]:
        """A state as it is told by itself, and the parts that parties have in its stream. Raises Unavailable."""
        whole = self._ask(f"v1/{KINDS[subject.kind].plural}/{subject.id}")
        parts = _documents(whole, PARTICIPATION.plural, "party")
        _last_in_order("", [party for party, _ in parts])
        return whole, dict(parts)

    def _ask(self, path: str, **more: Any) -> Document:
        try:
            answer: Document = from_json(self.read(f"{path}?{urlencode(self.basis | more)}"))
            told = {name: answer["basis"][name] for name in self.basis}
        except (ValueError, LookupError, TypeError):
            raise _no_answer(path) from None
        if told != self.basis:
            raise Unavailable(f"{path} is not told at the basis that was asked for: {self.basis}")
        return answer


def _documents(answer: Document, group: str, name: str) -> list[tuple[str, Document]]:
    try:
        return [(str(one[name]), {**one}) for one in answer[group]]
    except (LookupError, TypeError):
        raise _no_answer(group) from None


def _last_in_order(before: str, names: Sequence[str]) -> str:
    """The last of names that follow on the one before. What is told twice could be told in two ways. Raises Unavailable."""
    for one in names:
        if one <= before:
            raise Unavailable(f"the service tells {one} twice, or out of order: this is no answer of a ledger")
        before = one
    return before


def _no_answer(path: str) -> Unavailable:
    return Unavailable(f"what the service tells of {path} is no answer of a ledger")


def differences(made: Made, told: Told, report: Callable[[int], None]) -> Iterator[Difference]:
    """Where what the service tells is not what the entries make. Raises Unavailable, and Unreadable.

    The main states are read in lists; those of streams in which parties can have parts once more, with these.
    """
    pairs = (pair for kind in KINDS for pair in _paired(made.states(kind), told.states(kind)))
    for done, (subject, lanes, shown) in enumerate(pairs, 1):
        yield from _compared(subject, lanes.get(MAIN, {}), shown)
        if lanes and shown and KINDS[subject.kind].has_parts:
            whole, parts = told.whole(subject)
            yield from _compared_whole(subject, lanes[MAIN], shown, whole)
            yield from _compared_parts(subject, lanes, parts)
        report(done)


def _paired(
    made: Iterator[tuple[Subject, dict[str, Document]]], told: Iterator[tuple[str, Document]]
) -> Iterator[tuple[Subject, dict[str, Document], Document]]:
    """What is made and what is told of each subject, an empty document where there is none. Both come in order."""
    sides = merge(((*one, 0) for one in made), ((*one, 1) for one in told), key=itemgetter(0))
    for subject, found in groupby(sides, itemgetter(0)):
        pair: list[Any] = [{}, {}]
        for _, one, side in found:
            pair[side] = one
        yield Subject(subject), pair[0], pair[1]


def _compared_whole(subject: Subject, made: Document, listed: Document, whole: Document) -> Iterator[Difference]:
    """The fields of a state that are told in one way in the list, and in another by themselves."""
    for field in sorted(listed):
        if field not in whole or not _same(listed[field], whole[field]):
            yield Difference(_entry(made, field), str(subject), field, "the service tells it in two ways")


def _compared_parts(
    subject: Subject, lanes: Mapping[str, Document], told: Mapping[str, Document]
) -> Iterator[Difference]:
    for party in sorted((lanes.keys() | told.keys()) - {MAIN}):
        yield from _compared(subject, lanes.get(party, {}), told.get(party, {}), party)


def _compared(subject: Subject, made: Document, told: Document, party: str = "") -> Iterator[Difference]:
    """The fields of one state in which the two part. The whole state is one field where only one side has it."""
    name = f"{subject} {party}" if party else str(subject)
    if not (made and told):
        yield Difference(_entry(made, "status"), name, "", _only(made))
        return
    ours = made | ({"agreement": subject, "party": party} if party else {"subject": subject, "id": subject.id})
    for field in sorted(ours.keys() | told.keys()):
        if field not in ours or field not in told or not _same(ours[field], _without_names(told[field])):
            what = "the service does not tell it" if field not in told else "the service tells it otherwise"
            yield Difference(_entry(made, field), name, field, what)


def _same(one: Any, other: Any) -> bool:
    """As JSON, in which 1 is not true."""
    return one == other and dumps(one, sort_keys=True) == dumps(other, sort_keys=True)


def _only(made: Document) -> str:
    return "the service does not tell this state" if made else "no entry tells of this state"


def _entry(made: Document, field: str) -> int:
    """The last entry that a field rests on, or of those that the state rests on; 0 where there is none."""
    provenance: Mapping[str, list[int]] = made.get("provenance", {})
    return max(provenance.get(field) or [one for found in provenance.values() for one in found] or [0])


def _without_names(told: Any) -> Any:
    """What is told, of persons no more than what rows hold."""
    if isinstance(told, dict):
        kept = PERSON if told.keys() >= PERSON else told.keys()
        return {name: _without_names(one) for name, one in told.items() if name in kept}
    return [_without_names(one) for one in told] if isinstance(told, list) else told
