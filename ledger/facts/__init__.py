"""Everything that can be recorded: the kinds of stream, and the table of types that is the storage format."""

from collections.abc import Mapping

from ledger.facts.agreement import AGREEMENT, PARTICIPATION
from ledger.facts.base import COMMON, Citation, Fact, Person, Sealed, Subject, found
from ledger.facts.correction import CORRECTIONS, WORLD, Correction
from ledger.facts.initiative import INITIATIVE
from ledger.facts.meeting import MEETING
from ledger.facts.milestone import MILESTONE
from ledger.facts.party import PARTY
from ledger.facts.source import SOURCE
from ledger.facts.state import MAIN, Anomaly, Kind, Live, State, Violation

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (SOURCE, PARTY, INITIATIVE, AGREEMENT, MEETING, MILESTONE)}

FACTS: Mapping[str, type[Fact]] = WORLD | {fact.type: fact for fact in CORRECTIONS}

__all__ = [
    "COMMON", "CORRECTIONS", "FACTS", "KINDS", "MAIN", "PARTICIPATION", "Anomaly", "Citation", "Correction", "Fact",
    "Kind", "Live", "Person", "Sealed", "State", "Subject", "Violation", "found",
]  # fmt: skip
