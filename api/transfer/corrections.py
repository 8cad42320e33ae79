"""A table that is imported again: what is new in it is recorded; what differs corrects, if the mapping says so and why.

Ids come from the mapping's name, the key columns, the fact and what it says. The same row again therefore changes nothing.
A fact that reads otherwise than in an earlier import is told; with ``corrections`` in the mapping, it corrects what was
recorded for it, which the log says by ``correlationid``. Then what counts is the table that was imported last.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NamedTuple

from pydantic_core import to_json

from api.transfer.event_files import Line
from api.transfer.facts import Event, RowFact, RowFacts, column_of, facts_of, make_id
from api.transfer.mapping import Corrections, TableMapping
from api.transfer.report import About, CellFault, Outcome, Remark, Report
from api.transfer.rows import Rows
from api.transfer.table_index import TableIndex
from ledger.errors import Invalid, Refused
from ledger.log.entry import Entry, read_line
from ledger.writing.draft import Draft, parse_json, read_draft


class Counting(NamedTuple):
    """A fact that an earlier import recorded, and that no later entry of an import struck."""

    subject: str
    type: str


@dataclass
class Imported:
    """What earlier imports recorded: all ids, and by ``correlationid`` the facts that count, each by its id."""

    ids: set[str] = field(default_factory=set)
    counting: dict[str, dict[str, Counting]] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        counting = self.counting.setdefault(entry.correlationid or "", {})
        counting.pop(str(entry.data.get("target")), None)
        if entry.type != "entry.voided":
            type_ = entry.data["replacement"]["type"] if entry.type == "entry.superseded" else entry.type
            counting[entry.id] = Counting(entry.originator_id, type_)
        self.ids.add(entry.id)

    @cached_property
    def correlations(self) -> dict[Counting, str]:
        """Under which ``correlationid`` a subject has a fact of a type."""
        return {one: correlation for correlation, facts in self.counting.items() for one in facts.values()}


def mark(mapping: TableMapping) -> str:
    """A text that stands in every line which an import with a mapping of this name recorded."""
    return f'"correlationid":"import:{mapping.name}:'


def imported(mapping: TableMapping, lines: Iterable[str]) -> Imported:
    """What earlier imports with a mapping of this name recorded, from the lines of a log."""
    found, sign = Imported(), mark(mapping)
    for line in lines:
        if sign in line:
            found.add(read_line(line))
    return found


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
    for row in facts_of(mapping, rows, report):
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
        if earlier.correlations.get(Counting(subject, type_), fact.correlation) != fact.correlation:
            raise CellFault(
                "",
                f"an earlier import has {type_} of {subject} under another key, or another name of the fact: two would have one id",
            )


def _new(
    mapping: TableMapping, row: RowFacts, new: list[RowFact], lines: dict[str, list[Line] | None], report: Report
) -> Iterator[Line]:
    """The events for those facts of a row that are to be recorded."""
    for fact in row.facts:
        about = About(row.lines[0], fact.event["subject"], fact.event["type"])
        todo = lines[fact.correlation] if fact in new else []
        if todo is None:
            report.refuse(about, Remark(column_of(mapping.facts[fact.name], mapping, ""), OTHERWISE))
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
    while new_id in past.ids:  # it was recorded before: if another form of it was since, it needs another id
        latest, new_id = new_id, make_id(fact.correlation, new_id)
    return Versions(latest if latest in counting else None, new_id, [one for one in counting if one != latest])


def _lines(mapping: TableMapping, row: RowFacts, fact: RowFact, earlier: Imported) -> list[Line] | None:
    """What must be recorded so that a fact counts as it reads now; None if that corrects, and nobody says why.

    Raises Unread.
    """
    versions = _versions(earlier, fact)
    column = partial(column_of, mapping.facts[fact.name], mapping)
    if not versions.stale:
        events, outcome = ([] if versions.current else [fact.event | {"id": versions.next}]), Outcome.recorded
    elif mapping.corrections:
        events, outcome = _corrected(mapping.corrections, earlier, fact, versions), Outcome.corrected
    else:
        return None
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
    counting = past.counting[fact.correlation]
    new = [] if versions.current else [fact.event]
    if new and counting[stale[-1]].subject == subject:
        instead = {"data": {}} | {name: value for name, value in fact.event.items() if name != "subject"}
        new = [_correction(why, "entry.superseded", subject, target=stale.pop(), replacement=instead)]
    struck = [
        _correction(why, "entry.voided", counting[one].subject, target=one) | {"id": make_id(one, versions.next)}
        for one in stale
    ]
    return [*struck, *({"id": versions.next, **event} for event in new)]


def _correction(why: Corrections, type_: str, subject: str, **data: Any) -> Event:
    return {"type": type_, "subject": subject, "data": data | why.model_dump()}
