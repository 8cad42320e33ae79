"""A table that is imported again: what is new in it is recorded, and what differs corrects what was recorded before.

Ids come from the mapping's name, the key columns and the fact. The same row again therefore changes nothing, and a row
that differs from what it was under the same key corrects what was recorded for it; the log says what that is, by
``correlationid``. What counts is how a row of the table that was imported last reads, and of several rows under one key
the last.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from api.transfer.event_files import Line, Report, read_drafts
from api.transfer.facts import Event, RowFact, facts_of, make_id
from api.transfer.mapping import TableMapping
from api.transfer.rows import Rows, read_table
from ledger.log.entry import read_line


@dataclass
class Imported:
    """What earlier imports recorded: all ids, and by ``correlationid`` the ids that count, each with its subject."""

    ids: set[str] = field(default_factory=set)
    counting: dict[str, dict[str, str]] = field(default_factory=dict)

    def copy(self) -> "Imported":
        return Imported(self.ids.copy(), {key: those.copy() for key, those in self.counting.items()})

    def add(self, entry_id: str, type_: str, subject: str, correlation: str, target: object) -> None:
        counting = self.counting.setdefault(correlation, {})
        counting.pop(str(target), None)
        if type_ != "entry.voided":
            counting[entry_id] = subject
        self.ids.add(entry_id)


def mark(mapping: TableMapping) -> str:
    """A text that stands in every line which an import with a mapping of this name recorded."""
    return f'"correlationid":"import:{mapping.name}:'


def imported(mapping: TableMapping, lines: Iterable[str]) -> Imported:
    """What earlier imports with a mapping of this name recorded, from the lines of a log."""
    found, sign = Imported(), mark(mapping)
    for line in lines:
        if sign in line:
            entry = read_line(line)
            correlation, target = entry.correlationid or "", entry.data.get("target")
            found.add(entry.id, entry.type, entry.originator_id, correlation, target)
    return found


def read_mapped(
    mapping: TableMapping, path: Path, earlier: Imported, last: dict[str, str], report: Report
) -> Iterator[Line]:
    """The events of a table, ready to be appended; what is wrong with the rest goes into the report. Raises Invalid."""
    events = rows_to_events(mapping, read_table(mapping, path, report), report, earlier, last)
    return read_drafts(((number, to_json(event).decode()) for number, event in events), report)


def last_ids(mapping: TableMapping, rows: Rows) -> dict[str, str]:
    """The ids of the facts of a table, by ``correlationid``: of several rows under one key, that of the last."""
    return {fact.correlation: fact.id for fact in facts_of(mapping, rows, Report())}


def rows_to_events(
    mapping: TableMapping,
    rows: Rows,
    report: Report,
    earlier: Imported | None = None,
    last: dict[str, str] | None = None,
) -> Iterator[tuple[int, Event]]:
    """Line number and event of all that must be recorded so that the facts of the rows count, and no older form of them.

    A row that cannot be mapped gives nothing, and its line goes into the report with what is wrong.
    """
    past = earlier.copy() if earlier else Imported()
    recorded = past.ids.copy()
    for fact in facts_of(mapping, rows, report):
        is_last = (last or {}).get(fact.correlation, fact.id) == fact.id
        events = _changes(mapping, past, fact) if is_last else []
        for event in events:
            target = event.get("data", {}).get("target")
            past.add(event["id"], event["type"], event["subject"], fact.correlation, target)
            yield fact.number, event
        report.repeated += fact.id in recorded and not events
        recorded.discard(fact.id)  # rows that hold the same fact are one repetition


def _changes(mapping: TableMapping, past: Imported, fact: RowFact) -> list[Event]:
    """What must be recorded so that the fact counts, and nothing else of the same correlation does."""
    new_id, subject = fact.id, fact.event["subject"]
    counting, latest = past.counting.get(fact.correlation, {}), ""
    while new_id in past.ids:  # it was recorded before: if another form of it was since, it needs another id
        latest, new_id = new_id, make_id(fact.correlation, new_id)
    stale = [one for one in counting if one != latest]
    new = [] if latest in counting else [fact.event]
    if new and stale and counting[stale[-1]] == subject:
        instead = {"data": {}} | {name: value for name, value in fact.event.items() if name != "subject"}
        new = [_correction(mapping, "entry.superseded", subject, target=stale.pop(), replacement=instead)]
    void = [
        _correction(mapping, "entry.voided", counting[one], target=one) | {"id": make_id(one, new_id)} for one in stale
    ]
    return [{"id": new_id, "correlationid": fact.correlation, **event} for event in (*void, *new)]


def _correction(mapping: TableMapping, type_: str, subject: str, **data: Any) -> Event:
    why = {"reason_code": mapping.reason_code, "reason": mapping.reason}
    return {"type": type_, "subject": subject, "data": data | why}
