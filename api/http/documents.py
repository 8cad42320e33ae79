"""The states as JSON: the stored documents, with what depends on the stream and on the basis; and the schemas of events."""

from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import Any

from pydantic_core import to_json

from ledger.log.entry import read_line
from ledger.vocabulary.correction import STRIKING
from ledger.vocabulary.fact import Fact, Subject
from ledger.vocabulary.kinds.participation import PARTICIPATION
from ledger.vocabulary.registry import KINDS
from projections.basis import Basis
from projections.due.queries import DueItem
from projections.people import persons_in
from projections.queries import StateRow, StateView


def plural_of(kind: str) -> str:
    return PARTICIPATION.plural if kind == PARTICIPATION.name else KINDS[kind].plural


def shown_json(shown: StateRow) -> str:
    """The stored document with what depends on the stream: who it is of, and its version."""
    subject = Subject(shown.subject)
    if shown.lane:
        head = f'{{"agreement":"{subject}","party":"{shown.lane}",'
    else:
        head = f'{{"subject":"{subject}","id":"{subject.id}",'
    return f'{head}"version":{shown.version},{shown.doc[1:-1]},"unverified":{to_json(shown.unverified).decode()}}}'


def whole_json(whole: StateView, basis: Basis) -> str:
    return f"{opened(view_json(whole))}{basis_end(basis)}"


def view_json(whole: StateView) -> str:
    """A state with all that belongs to it, without its basis."""
    related = "".join(f',"{plural_of(kind)}":{array_json(group)}' for kind, group in whole.related.items())
    return f"{shown_json(whole.state)[:-1]}{related}}}"


def opened(document: str) -> str:
    """A document to which another member is added."""
    return document[:-1] if document == "{}" else f"{document[:-1]},"


def basis_end(basis: Basis) -> str:
    """The basis as the last member of a document that is open."""
    return f'"basis":{basis_json(basis)}}}'


def array_json(group: Sequence[StateRow]) -> str:
    return f"[{','.join(shown_json(one) for one in group)}]"


def basis_json(basis: Basis) -> str:
    return to_json(basis._asdict()).decode()


def timeline_json(day: date, line: str, weak: set[int]) -> str:
    """A fact of a timeline. ``weak``: the entries that rest on retracted sources alone."""
    shown = to_json(shown_day(day, line)).decode()
    return f'{{"day":{shown},"event":{line},"unverified":{_flag(line, weak)}{_persons(line)}}}'


def shown_day(day: date, line: str) -> str | None:
    """The day that a fact counts from; None where it has no date, and therefore holds at all times."""
    if day > date.min:
        return day.isoformat()
    data = read_line(line).data
    told = data.get("replacement", data)
    return day.isoformat() if told.get("occurred") or told.get("effective") else None


def history_json(line: str, corrections: Sequence[dict[str, Any]], weak: set[int]) -> str:
    """An entry of a history, and what corrects it."""
    told = f'"struck":{str(is_struck(corrections)).lower()},"unverified":{_flag(line, weak)}'
    return f'{{"event":{line},{told},"corrections":{to_json(corrections).decode()}{_persons(line)}}}'


def is_struck(corrections: Sequence[dict[str, Any]]) -> bool:
    """Whether an entry is, with these corrections of it."""
    return any(one["type"] in STRIKING for one in corrections)


def _persons(line: str) -> str:
    """Whom the entry names, beside its line, which is shown as it is stored."""
    found = persons_in(line)
    return f',"persons":{to_json(found).decode()}' if found else ""


def _flag(line: str, weak: set[int]) -> str:
    return str(bool(weak) and read_line(line).position in weak).lower()


def due_json(item: DueItem, basis: Basis) -> str:
    told = {"subject": item.subject, "commitment": item.item or None, "due": item.due}
    return to_json(told | {"overdue": item.due < basis.valid_at}).decode()


@cache
def schema_json(shape: type[Fact]) -> bytes:
    """The JSON Schema of an event's data."""
    return to_json({"$schema": "https://json-schema.org/draft/2020-12/schema"} | shape.model_json_schema())
