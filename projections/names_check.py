"""The rule of names: each commitment in the log has the name that it commits to, or an entry that tells of its erasure. Pure."""

import hmac
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field

from ledger.errors import Unreadable
from ledger.log.commitments import Disclosure, commitment
from projections.finding import Finding
from projections.people import Place, persons_in

SORTS = ("verified", "erased", "lost", "missing", "mismatching")
"""What a commitment can be found to be by who sees names."""

SORTS_OUTSIDE = (SORTS[0], "withheld", *SORTS[1:])
"""And by whoever asks a service."""

Opened = Mapping[str, Disclosure]
"""What opens the commitments of an entry, by pointer."""


@dataclass
class NamesCheck:
    """Goes through the entries that name persons. ``told`` are the erasures that the log tells of, each with the position of the
    entry; in ``found`` commitments are counted by what they are found to be."""

    told: Mapping[Place, int]
    found: Counter[str]
    missing: dict[Place, int] = field(default_factory=dict)

    def entry(self, position: int, entry_id: str, line: str, kept: Opened | None) -> Iterator[Finding]:
        """What does not hold for one entry; ``kept`` is None where names are withheld. What is missing is noted, as it may be told of later."""
        try:
            places = {Place(entry_id, one["pointer"]): one["commitment"] for one in persons_in(line)}
        except Unreadable:  # who checks the log tells of it
            return
        for place, sealed in places.items():
            opened = kept.get(place.pointer) if kept else None
            self._count(place, position, opened, sealed, withheld=kept is None)
            if opened and not _opens(opened, entry_id, sealed):
                yield Finding(position, f"the name that is kept for {place.pointer} is not the one that it commits to")
            if opened and place in self.told:
                yield Finding(
                    position,
                    f"the name at {place.pointer} is kept, and entry {self.told[place]} tells that it was erased: run `ledger restored`",
                )
        for pointer in sorted((kept or {}).keys() - {place.pointer for place in places}):
            yield Finding(position, f"a name is kept for {pointer}, where the entry names nobody")

    def _count(self, place: Place, position: int, opened: Disclosure | None, sealed: str, *, withheld: bool) -> None:
        if opened:
            self.found["verified" if _opens(opened, place.entry_id, sealed) else "mismatching"] += 1
        elif place in self.told:
            self.found["erased"] += 1
        elif withheld:
            self.found["withheld"] += 1
        else:
            self.missing[place] = position

    def unexplained(self, erased: Container[Place], lost: Container[Place]) -> Iterator[Finding]:
        """What is missing, and neither ``erased`` meanwhile nor ``lost`` with a database."""
        for place, position in self.missing.items():
            self.found["erased" if place in erased else "lost" if place in lost else "missing"] += 1
            if place not in erased and place not in lost:
                yield Finding(position, f"the name at {place.pointer} is gone, and no entry tells that it was erased")


def _opens(opened: Disclosure, entry_id: str, sealed: str) -> bool:
    return hmac.compare_digest(commitment(opened.salt, entry_id, opened.pointer, opened.value), sealed)
