"""What the rows of a table have told so far: a later row tells the same of a fact, or it is told that they differ."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from api.transfer.facts import Key, RowFact, RowFacts, digest
from api.transfer.forms import as_key
from api.transfer.report import CellFault
from ledger.errors import Refused


class FirstTelling(NamedTuple):
    """The line that told something first, and what it was."""

    line: int
    said: bytes


class FirstNaming(NamedTuple):
    """The line that first gave a name from which an id was made, and the name."""

    line: int
    names: tuple[str, ...]


@dataclass
class TableIndex:
    """Rows by their key, facts by their ``correlation``, and names by the id that was made of them."""

    rows: dict[Key, FirstTelling] = field(default_factory=dict)
    facts: dict[str, FirstTelling] = field(default_factory=dict)
    ids: dict[str, FirstNaming] = field(default_factory=dict)

    def has(self, fact: RowFact) -> bool:
        return fact.correlation in self.facts

    def check(self, row: RowFacts) -> None:
        """Raises CellFault where two names give one id, and Refused where an earlier row tells the same fact otherwise."""
        self._check_ids(row)
        own = self.rows.get(row.key)
        if own and own.said != _said(row):
            names = dict.fromkeys(fact.name for fact in row.facts if self._tells_otherwise(fact))
            differs = f"tells otherwise: {_list(names)}" if names else "tells of other facts"
            raise Refused("repeated_key", f"line {own.line} has the same key, {_list(row.key)}, and {differs}")
        for fact in row.facts:
            if first := self._tells_otherwise(fact):
                what = f"{fact.name} of {fact.event['subject']}"
                raise Refused("repeated_key", f"line {first.line} tells the same fact otherwise: {what}")

    def _tells_otherwise(self, fact: RowFact) -> FirstTelling | None:
        """The place that tells the same fact otherwise."""
        first = self.facts.get(fact.correlation)
        return first if first and first.said != fact.said else None

    def _check_ids(self, row: RowFacts) -> None:
        ids = dict[str, FirstNaming]()
        for made, names in row.ids:
            first = self.ids.get(made) or ids.setdefault(made, FirstNaming(row.lines[0], names))
            if list(map(as_key, first.names)) != list(map(as_key, names)):
                raise CellFault(
                    "", f"{_list(names)}, and {_list(first.names)} of line {first.line}, would have one id, {made}"
                )

    def add(self, row: RowFacts) -> list[RowFact]:
        """The facts of a row that no row has told before."""
        line = row.lines[0]
        self.ids |= {made: FirstNaming(line, names) for made, names in row.ids if made not in self.ids}
        self.rows.setdefault(row.key, FirstTelling(line, _said(row)))
        return [
            fact
            for fact in row.facts
            if self.facts.setdefault(fact.correlation, place := FirstTelling(line, fact.said)) is place
        ]


def _said(row: RowFacts) -> bytes:
    """What a row tells as a whole, in short."""
    return digest(sorted(fact.correlation + fact.said.hex() for fact in row.facts))


def _list(words: Iterable[object]) -> str:
    return ", ".join(map(str, words))
