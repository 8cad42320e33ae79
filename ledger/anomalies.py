"""What is odd about an entry by itself: a date ahead of it, a subject or a source that does not fit. Pure."""

from datetime import date

from ledger.recorded import Openings, Recorded
from ledger.vocabulary.codes import AnomalyCode
from ledger.vocabulary.correction import Superseded
from ledger.vocabulary.fact import Fact
from ledger.vocabulary.fields import Anomaly


def anomalies_of(new: Recorded, openings: Openings) -> list[Anomaly]:
    """What is odd about an entry by itself: a date ahead of it, a subject or a source that does not fit."""
    fact = new.fact.replacement.fact() if isinstance(new.fact, Superseded) else new.fact
    odd = []
    for subject in sorted(fact.mentions):
        opening = openings.get(subject)
        if opening is None or opening.position > new.position:
            odd.append(Anomaly(AnomalyCode.dangling_reference, new.position, f"nothing is known of {subject}"))
    first = fact.occurred.earliest if fact.occurred else None
    return odd + _misdated(fact, first, new, openings) if first else odd


def _misdated(fact: Fact, first: date, new: Recorded, openings: Openings) -> list[Anomaly]:
    """An act of which ``first`` is the first possible day came after it was recorded, or after it was told of."""
    odd = []
    if first > new.recorded_on:
        detail = f"{fact.occurred} had not come when it was recorded"
        odd.append(Anomaly(AnomalyCode.future_act, new.position, detail))
    for source in sorted([citation.source for citation in fact.sources]):
        opening = openings.get(source)
        published = opening.published if opening and opening.position < new.position else None
        if published and (last := published.latest) and first > last:
            detail = f"{fact.occurred} is after {source} was published ({published})"
            odd.append(Anomaly(AnomalyCode.outside_source_date, new.position, detail))
    return odd
