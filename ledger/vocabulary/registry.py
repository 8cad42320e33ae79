"""Everything that can be recorded: the kinds of stream, and the table of types that is the storage format."""

from collections.abc import Mapping

from ledger.vocabulary.correction import CORRECTIONS, WORLD
from ledger.vocabulary.fact import Fact
from ledger.vocabulary.kind import Kind
from ledger.vocabulary.kinds.agreement import AGREEMENT
from ledger.vocabulary.kinds.initiative import INITIATIVE
from ledger.vocabulary.kinds.meeting import MEETING
from ledger.vocabulary.kinds.milestone import MILESTONE
from ledger.vocabulary.kinds.party import PARTY
from ledger.vocabulary.kinds.source import SOURCE

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (SOURCE, PARTY, INITIATIVE, AGREEMENT, MEETING, MILESTONE)}

FACTS: Mapping[str, type[Fact]] = WORLD | {fact.type: fact for fact in CORRECTIONS}
