"""Whether a fact may be recorded: accepted, accepted and flagged, or refused by name. Pure; nothing here writes.

Refused is only what would break the ledger itself. What the world or the sources do oddly is recorded, and flagged.
"""

from ledger.errors import Refused
from ledger.fold import History
from ledger.log.commitments import sealed_in
from ledger.recorded import Openings, Recorded
from ledger.vocabulary.correction import Correction, Disputed, DisputeResolved, Superseded, ValueErased, Voided
from ledger.vocabulary.fact import Fact, Subject
from ledger.vocabulary.fields import Anomaly


def admit(history: History, new: Recorded, openings: Openings, subject: Subject) -> list[Anomaly]:
    """Put ``new`` into the history; returns what it is flagged with. Raises Refused: then the history may be changed, too, so
    whoever goes on with it hands in a copy.
    """
    fact = new.fact
    if isinstance(fact, Correction):
        check_correction(history, fact, subject)
    else:
        _check_opening(history, fact, subject)
    history.record(new, openings)
    if isinstance(fact, Superseded) and not any(live.fact.opens for live in history.lives):
        raise Refused("cannot_open", f"{subject} would have no fact left that opens it", subject)
    return history.anomalies(new.position)


def _check_opening(history: History, fact: Fact, subject: Subject) -> None:
    """A typo in a subject must not make a stream."""
    if not subject.startswith(fact.prefix):
        raise Refused("wrong_kind", f"{fact.type} is no fact of {subject}", subject)
    if not fact.opens and not any(live.fact.opens for live in history.lives):
        raise Refused(
            "cannot_open", f"nothing is known of {subject}, and {fact.type} cannot be its first fact", subject
        )


def check_correction(history: History, fact: Correction, subject: Subject) -> None:
    target = history.find(fact.target)
    if target is None:
        raise Refused("unknown_target", f"{subject} has no entry {fact.target} to correct", subject)
    if isinstance(fact, (Voided, Superseded)):
        _check_strike(history, fact, target, subject)
    if isinstance(fact, Disputed) and not any(live.position == target.position for live in history.lives):
        raise Refused("nothing_to_dispute", f"{target} is struck, or says nothing of the world", subject)
    if isinstance(fact, ValueErased):
        _check_erasure(history, fact, target, subject)
    if isinstance(fact, DisputeResolved) and not _is_disputed(history, target):
        raise Refused("no_open_dispute", f"{target} is not disputed", subject)


def _check_strike(history: History, fact: Voided | Superseded, target: Recorded, subject: Subject) -> None:
    if (struck_by := history.struck.get(target.position)) is not None:
        by = history.recorded[struck_by]
        advice = "correct that one" if isinstance(by.fact, Superseded) else "record the fact again"
        raise Refused("already_corrected", f"{target} was corrected by {by}: {advice}", subject)
    if isinstance(target.fact, Correction) and not isinstance(target.fact, Superseded):
        raise Refused("correction_stands", f"{target} is a correction: record the fact again", subject)
    if isinstance(fact, Superseded) and fact.replacement.type.partition(".")[0] != subject.kind:
        raise Refused("wrong_kind", f"{fact.replacement.type} is no fact of {subject}", subject)


def _check_erasure(history: History, fact: ValueErased, target: Recorded, subject: Subject) -> None:
    """Of a struck entry, too, and of one that corrects another, a name can be erased: once."""
    pointers = sorted({person["pointer"] for person in sealed_in(target.fact.own)})
    if fact.pointer not in pointers:
        whom = f"; it names persons at {', '.join(pointers)}" if pointers else ""
        raise Refused("nothing_to_erase", f"{target} names nobody at {fact.pointer}{whom}", subject)
    for by in history.recorded.values():
        if (
            isinstance(by.fact, ValueErased)
            and by.fact.pointer == fact.pointer
            and history.find(by.fact.target) == target
        ):
            raise Refused("already_erased", f"the name at {fact.pointer} of {target} was erased by {by}", subject)


def _is_disputed(history: History, target: Recorded) -> bool:
    return any(live.disputed for live in history.lives if live.position == target.position)
