"""The words that pages use, explained: what the vocabulary says of its statuses, and what stands beside it. Pure."""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from api.pages.words import sentence
from ledger.vocabulary.codes import AnomalyCode
from ledger.vocabulary.kind import Kind
from ledger.vocabulary.kinds.participation import PARTICIPATION
from ledger.vocabulary.registry import KINDS

CLOCKS = {
    "true-on": "The day of the world that a page is about. Another day shows how things stood, or will stand, on that day, by all that the ledger knows.",
    "known-at": "The entry up to which the ledger is read. An earlier one shows what was known then, before later entries and corrections.",
    "recorded": "When an entry was added to the ledger: known to the second, and never changed.",
    "happened": "When a fact happened, as its source says: to the day, the month, the year, or not at all.",
    "took-effect": "From when a fact holds, where that is another day than the one on which it happened.",
}
RECORD = {
    "entry": "One fact, or one correction, as somebody recorded it. Entries are numbered in the order of recording, and are never changed or deleted.",
    "struck": "The record was wrong: a later entry says so, and the fact no longer counts. It stays readable.",
    "correction": "An entry about an entry: it takes it out, puts another in its place, disputes it, or erases the name of a person.",
    "disputed": "Somebody doubts an entry, and says why. It counts until the dispute is resolved.",
    "sources-differ": "Entries say different things of the same field. The page shows one, and the others below it.",
    "unverified": "All sources that say it were retracted by their publishers. It still counts.",
    "overdue": "The day by which it was to be reached has passed, and nobody has recorded that it was.",
    "derived": "No source says it of the agreement itself: it follows from what its parties did.",
    "not-known": "No entry says it, as far as the page reads the ledger.",
    "withheld": "The name of a person, which only those may see who have signed in with a key that allows it.",
}
DATES = {
    "about": "The source gives the date as approximate; written 2024~.",
    "uncertain": "The source, or whoever recorded it, is not sure of the date; written 2024?.",
    "between": "The date is one of several days, or a time of several days; written 2024-09-09/2024-09-10.",
    "open-end": "It goes on, or nobody says when it ends; written 2024-06/.. or 2024-06/.",
}
ANOMALIES = {
    AnomalyCode.date_order: "By its date it comes before what it would have to follow.",
    AnomalyCode.missing_predecessor: "The step before it was never recorded, such as an entry into force without a signature.",
    AnomalyCode.dangling_reference: "It names something of which nothing was recorded before.",
    AnomalyCode.source_conflict: "Another entry says something else of the same field.",
    AnomalyCode.future_act: "It is told as done, and its day had not come when it was recorded.",
    AnomalyCode.outside_source_date: "It happened after the source that tells of it was published.",
    AnomalyCode.duplicate_suspect: "Another entry says the same, from the same source.",
    AnomalyCode.after_end: "It comes after the end of what it is about; the status stays as it was.",
    AnomalyCode.repeated_act: "The same source tells of the same act on another day.",
}
PROOF = {
    "signed": "The service has signed a tree that holds the entry: nobody can change the entry now without everybody seeing it.",
    "root": "One number that stands for all entries up to a size: were one byte of any of them another, it would be another.",
    "witness": "Somebody else who keeps the signed roots, and vouches that none contradicts an earlier one.",
}
FIRST = "Something is recorded of it, and nothing of how it stands."


class Meaning(NamedTuple):
    """What a status means for one kind: what leads there, each as type and as the vocabulary's sentence."""

    kind: str
    leads: tuple[tuple[str, str], ...]


class Status(NamedTuple):
    code: str
    meanings: tuple[Meaning, ...]


@cache
def statuses() -> tuple[Status, ...]:
    """Each status, with what it means for each kind that has it, in the order in which kinds reach them."""
    kinds = (*KINDS.values(), PARTICIPATION)
    codes = dict.fromkeys(code for kind in kinds for code in kind.statuses)
    return tuple(Status(code, tuple(_meanings(code, kinds))) for code in codes)


def _meanings(code: str, kinds: tuple[Kind, ...]) -> Iterator[Meaning]:
    for kind in (one for one in kinds if code in one.statuses):
        leads = [fact for fact, rule in kind.lifecycle.items() if rule.to == code]
        told = tuple((fact.type, sentence(fact)) for fact in leads)
        yield Meaning("party to an agreement" if kind is PARTICIPATION else kind.name, told)
