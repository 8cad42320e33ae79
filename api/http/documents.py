"""The states as JSON: the stored documents, with what depends on the stream and on the basis."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from pydantic_core import from_json, to_json

from ledger.fold import History
from ledger.service import Preview
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.kinds.participation import PARTICIPATION
from ledger.vocabulary.registry import KINDS
from ledger.vocabulary.state import MAIN
from projections.basis import Basis
from projections.queries import StateRow, StateView
from projections.segments import document, kind_of, segments


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


def whole_json(whole: StateView, basis: Basis) -> bytes:
    related = "".join(f',"{plural_of(kind)}":{array_json(group)}' for kind, group in whole.related.items())
    return f'{shown_json(whole.state)[:-1]}{related},"basis":{basis_json(basis)}}}'.encode()


def preview_json(preview: Preview, day: date) -> list[dict[str, Any]]:
    """The states on a day of the streams that an append would touch, before and after."""
    return [
        {
            "subject": subject,
            "before": _on(subject, preview.before[subject], preview.after[subject], day),
            "after": _on(subject, preview.after[subject], preview.before[subject], day),
        }
        for subject in preview.before
    ]


def _on(subject: Subject, history: History, other: History, day: date) -> dict[str, Any] | None:
    """The stream's state, with the parts of those parties that it shows otherwise than the other history does."""
    if (main := _document(history, MAIN, day)) is None:
        return None
    shown = {"subject": subject, "id": subject.id, "version": history.version, **main}
    parties = {lane: _document(history, lane, day) for lane in sorted(history.lanes) if lane != MAIN}
    changed = [
        {"agreement": subject, "party": lane, **part}
        for lane, part in parties.items()
        if part and part != _document(other, lane, day)
    ]
    return shown | ({PARTICIPATION.plural: changed} if changed else {})


def _document(history: History, lane: str, day: date) -> dict[str, Any] | None:
    kind = kind_of(history.kind, lane)
    found = [one for one in segments(kind, history.lanes.get(lane, ())) if one.valid_from <= day < one.valid_to]
    shown: dict[str, Any] | None = from_json(document(kind, found[0])) if found else None
    return shown


def array_json(group: Sequence[StateRow]) -> str:
    return f"[{','.join(shown_json(one) for one in group)}]"


def basis_json(basis: Basis) -> str:
    return to_json(basis._asdict()).decode()
