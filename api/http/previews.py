"""What an append would change, as JSON: the state of each stream that it touches, as it is and as it would be."""

from datetime import date
from typing import Any

from pydantic_core import from_json

from ledger.fold import History
from ledger.service import Preview
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.kinds.participation import PARTICIPATION
from ledger.vocabulary.state import MAIN
from projections.people import Place, Told
from projections.segments import document, kind_of, segments


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


def given_in(preview: Preview) -> Told:
    """The persons that the events themselves name."""
    return {
        Place(entry_id, one.pointer): {"name": one.value}
        for entry_id, disclosures in preview.disclosures.items()
        for one in disclosures
    }


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
