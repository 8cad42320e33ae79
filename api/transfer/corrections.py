"""A table that is imported again: what is new in it is recorded; what differs corrects, if the mapping says so and why.

Ids come from the mapping's name, the key columns, the fact and what it says. The same row again therefore changes nothing.
A fact that reads otherwise than in an earlier import is told; with ``corrections`` in the mapping, it corrects what was
recorded for it, which the log says by ``correlationid``. Then what counts is the table that was imported last, also where
somebody has struck by hand what an import recorded; without it, that is told and stays struck.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NamedTuple
from uuid import UUID

from pydantic_core import to_json

from api.transfer.event_files import Line
from api.transfer.facts import Event, RowFact, RowFacts, column_of, facts_of, make_id
from api.transfer.mapping import Corrections, TableMapping
from api.transfer.report import About, CellFault, Outcome, Remark, Report
from api.transfer.rows import Rows
from api.transfer.table_index import TableIndex
from ledger.errors import Invalid, Refused
from ledger.log.entry import Entry, read_line
from ledger.vocabulary.correction import STRIKING
from ledger.writing.draft import Draft, parse_json, read_draft


class Counting(NamedTuple):
    """A fact that an earlier import recorded, or that took the place of one, and that no later entry struck."""

    subject: str
    type: str


@dataclass
class Imported:
    """The ledger's secret, and what earlier imports recorded: each id with its ``correlationid``, and by that the facts that count, each by its id.

    ``ids`` has those of positions, too, by which whoever strikes by hand may name them; ``by_hand`` has the position of the
    entry in which somebody did, where no import recorded anything since.
    """

    secret: UUID
    correlation: dict[str, str] = field(default_factory=dict)
    ids: dict[int, str] = field(default_factory=dict)
    counting: dict[str, dict[str, Counting]] = field(default_factory=dict)
    by_hand: dict[str, int] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """Take what an import has recorded, or somebody under the ``correlationid`` of it."""
        self.by_hand.pop(entry.correlationid or "", None)
        self._take(entry, entry.correlationid or "", self._id_of(entry.data.get("target")))

    def add_by_hand(self, entry: Entry) -> None:
        """Take what somebody else has recorded, if it strikes what an import had."""
        target = self._id_of(entry.data["target"])
        if correlation := self.correlation.get(target):
            self.by_hand[correlation] = entry.position or 0
            self._take(entry, correlation, target)

    def _id_of(self, target: Any) -> Any:
        return self.ids.get(target, target)

    def _take(self, entry: Entry, correlation: str, target: str | None) -> None:
        counting = self.counting.setdefault(correlation, {})
        counting.pop(target or "", None)
        if entry.type != "entry.voided":
            type_ = entry.data["replacement"]["type"] if entry.type == "entry.superseded" else entry.type
            counting[entry.id] = Counting(entry.originator_id, type_)
        self.correlation[entry.id] = correlation
        self.ids[entry.position or 0] = entry.id

    @cached_property
    def correlations(self) -> dict[Counting, set[str]]:
        """Under which ``correlationid`` a subject has a fact of a type."""
        found: dict[Counting, set[str]] = {}
        for correlation, facts in self.counting.items():
            for one in facts.values():
                found.setdefault(one, set()).add(correlation)
        return found


def mark(mapping: TableMapping) -> str:
    """A text that stands in every line which an import with a mapping of this name recorded."""
    return f'"correlationid":"import:{mapping.name}:'


def imported(mapping: TableMapping, lines: Iterable[str], secret: UUID) -> Imported:
    """What earlier imports with a mapping of this name recorded, and others struck, from the lines of a log."""
    found, sign = Imported(secret), mark(mapping)
    for line in lines:
        is_strike = any(strike in line for strike in STRIKES)
        if sign in line and (is_strike or CORRECTION not in line):
            found.add(read_line(line))
        elif is_strike:
            found.add_by_hand(read_line(line))
    return found


STRIKES = tuple(f'"type":"{type_}"' for type_ in STRIKING)
CORRECTION = '"type":"entry.'
"""Of those that strike nothing an import makes none: somebody gave one the ``correlationid`` of the fact that it is about."""
BY_HAND = (
    "it was struck by hand in entry {}. To record it as the table has it, say in the mapping why: corrections = {{ … }}"
)
OTHERWISE = (
    "it reads otherwise than in an earlier import. To correct what was recorded, say in the mapping why: "
    "corrections = { reason_code, reason }"
)


class Unread(Invalid):
    """Events of a row that are none of the vocabulary."""

    def __init__(self, remarks: list[Remark]) -> None:
        super().__init__("; ".join(map(str, remarks)))
        self.remarks = remarks


def read_mapped(mapping: TableMapping, rows: Rows, earlier: Imported, report: Report) -> Iterator[Line]:
    """The events to be recorded for a table. What becomes of all other facts and rows goes into the report.

    A row that cannot be read gives nothing, nor does one whose key, or one of whose facts, an earlier row tells otherwise.
    """
    index, keyed = TableIndex(), {name for name in mapping.facts if mapping.subject_is_key(name)}
    for row in facts_of(mapping, rows, earlier.secret, report):
        try:
            index.check(row)
            _check_keys([fact for fact in row.facts if fact.name in keyed], earlier)
            lines = {one.correlation: _lines(mapping, row, one, earlier) for one in row.facts if not index.has(one)}
        except CellFault as error:
            report.leave_unread(row.lines, [error.remark])
        except Unread as error:
            report.leave_unread(row.lines, error.remarks)
        except Refused as error:
            report.refuse(About(row.lines[0]), Remark(", ".join(mapping.key or ()), str(error)))
        else:
            yield from _new(mapping, row, index.add(row), lines, report)


def _check_keys(facts: list[RowFact], earlier: Imported) -> None:
    """Raises CellFault where an earlier import gave the id that is made of a row's key to another key."""
    for fact in facts:
        subject, type_ = fact.event["subject"], fact.event["type"]
        if fact.correlation not in earlier.correlations.get(Counting(subject, type_), {fact.correlation}):
            raise CellFault(
                "",
                f"an earlier import has {type_} of {subject} under another key, or another name of the fact: two would have one id",
            )


def _new(
    mapping: TableMapping, row: RowFacts, new: list[RowFact], lines: dict[str, list[Line] | str], report: Report
) -> Iterator[Line]:
    """The events for those facts of a row that are to be recorded."""
    for fact in row.facts:
        about = About(row.lines[0], fact.event["subject"], fact.event["type"])
        todo = lines[fact.correlation] if fact in new else []
        if isinstance(todo, str):
            report.refuse(about, Remark(column_of(mapping.facts[fact.name], mapping, ""), todo))
        elif not todo:
            report.unchanged(about, counts=fact in new)
        else:
            yield from todo
    if not row.facts:
        report.unchanged(About(row.lines[0]), counts=False)


class Versions(NamedTuple):
    """A fact in earlier imports: its id if it counts as it reads now, the next one, and the ids that count as it read."""

    current: str | None
    next: str
    stale: list[str]


def _versions(past: Imported, fact: RowFact) -> Versions:
    counting, latest, new_id = past.counting.get(fact.correlation, {}), "", fact.id
    while new_id in past.correlation:  # it was recorded before: if another form of it was since, it needs another id
        latest, new_id = new_id, make_id(fact.correlation, new_id)
    return Versions(latest if latest in counting else None, new_id, [one for one in counting if one != latest])


def _lines(mapping: TableMapping, row: RowFacts, fact: RowFact, earlier: Imported) -> list[Line] | str:
    """What must be recorded so that a fact counts as it reads now; why not, if that corrects and nobody says why.

    Raises Unread.
    """
    versions, by_hand = _versions(earlier, fact), earlier.by_hand.get(fact.correlation)
    column = partial(column_of, mapping.facts[fact.name], mapping)
    is_struck = by_hand and not versions.current
    if not versions.stale and not is_struck:
        events = [] if versions.current else [fact.event | {"id": versions.next}]
    elif mapping.corrections:
        events = _corrected(mapping.corrections, earlier, fact, versions)
    else:
        return BY_HAND.format(by_hand) if is_struck else OTHERWISE
    outcome = Outcome.corrected if versions.stale else Outcome.recorded
    drafts = [_draft({**event, "correlationid": fact.correlation}, column) for event in events]
    return [Line(row.lines[0], draft, outcome, column) for draft in drafts]


def _draft(event: Event, column: Callable[[str], str]) -> Draft:
    try:
        return read_draft(parse_json(to_json(event)))
    except Invalid as error:
        raise Unread([Remark(column(one.pointer), f"{one.pointer}: {one.detail}") for one in error.faults]) from None


def _corrected(why: Corrections, past: Imported, fact: RowFact, versions: Versions) -> list[Event]:
    """The fact in the place of the last of those that count as it read; those before it, or of another stream, struck."""
    subject, stale = fact.event["subject"], list(versions.stale)
    counting = past.counting.get(fact.correlation, {})
    new = [] if versions.current else [fact.event]
    if new and stale and counting[stale[-1]].subject == subject:
        instead = {"data": {}} | {name: value for name, value in fact.event.items() if name != "subject"}
        new = [_correction(why, "entry.superseded", subject, target=stale.pop(), replacement=instead)]
    struck = [
        _correction(why, "entry.voided", counting[one].subject, target=one) | {"id": make_id(one, versions.next)}
        for one in stale
    ]
    return [*struck, *({"id": versions.next, **event} for event in new)]


def _correction(why: Corrections, type_: str, subject: str, **data: Any) -> Event:
    return {"type": type_, "subject": subject, "data": data | why.model_dump()}
