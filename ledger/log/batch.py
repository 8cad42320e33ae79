"""What is recorded together, group by group, and what each group rests on. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from ledger.log.entry import StoredLine


class Batch:
    """Lines in the order in which they are to be recorded.

    What touches the same streams stands or falls together: that is a group, and goes by the number of one of its
    members. Nothing of a group is recorded unless all that it rests on holds.
    """

    def __init__(self) -> None:
        self.lines: list[StoredLine] = []
        self.members: list[int] = []  # whose line each is
        self.bases: dict[str, tuple[int, int]] = {}  # stream -> the member that touched it first, the last version then
        self.unknown: list[tuple[int, str]] = []
        self.absent: list[tuple[int, str]] = []
        self.claims: list[tuple[int, str, str, str]] = []
        self.barrier = False
        self.leaders: list[int] = []

    def add(self, number: int, lines: Sequence[StoredLine]) -> None:
        """What a member wants recorded, after the lines of those before it."""
        self.lines += lines
        self.members += [number] * len(lines)

    def join(self, streams: Iterable[str]) -> int:
        """A new member that touches these streams; its number."""
        number = len(self.leaders)
        self.leaders.append(number)
        for stream in streams:
            if stream in self.bases:
                self.leaders[self.group(self.bases[stream][0])] = self.group(number)
        return number

    def group(self, number: int) -> int:
        """The group that a member is of."""
        while (leader := self.leaders[number]) != number:
            number = leader
        return number

    def rests_on(self, number: int, stream: str, version: int) -> None:
        """The last version of a stream is this one, before anything of the batch is recorded. 0: there is none."""
        self.bases.setdefault(stream, (number, version))

    @property
    def _based(self) -> list[tuple[int, str, int]]:
        """What member rests on what version of what stream; one that it mentions and that is not there has none."""
        touched = [(number, stream, version) for stream, (number, version) in self.bases.items()]
        return touched + [(number, stream, 0) for number, stream in self.unknown]

    def parameters(self) -> dict[str, Any]:
        """One text for each column, a line for each item: a tenth of what arrays cost to bind, and none holds a newline."""
        lines, based = self.lines, self._based
        groups = [str(self.group(number)) for number in range(len(self.leaders))]
        opened = [(line, disclosure) for line in lines for disclosure in line.disclosures]
        return {
            "groups": "\n".join([groups[number] for number in self.members]),
            "streams": "\n".join([str(line.originator_id) for line in lines]),
            "versions": "\n".join([str(line.originator_version) for line in lines]),
            "types": "\n".join([line.topic for line in lines]),
            "entry_ids": "\n".join([line.entry_id for line in lines]),
            "rests": b"\n".join([line.state for line in lines]).decode(),
            "base_groups": "\n".join([groups[number] for number, *_ in based]),
            "base_streams": "\n".join([stream for _, stream, _ in based]),
            "base_versions": "\n".join([str(version) for *_, version in based]),
            "absent_groups": "\n".join([groups[number] for number, _ in self.absent]),
            "absent_ids": "\n".join([entry_id for _, entry_id in self.absent]),
            "digest_groups": "\n".join([groups[number] for number, *_ in self.claims]),
            "digests": "\n".join([digest for _, digest, _, _ in self.claims]),
            "digest_streams": "\n".join([stream for _, _, stream, _ in self.claims]),
            "digest_freed": "\n".join([freed for *_, freed in self.claims]),
            "disclosed_ids": [line.entry_id for line, _ in opened],
            "pointers": [disclosure.pointer for _, disclosure in opened],
            "salts": [disclosure.salt for _, disclosure in opened],
            "values": [disclosure.value for _, disclosure in opened],
            "barrier": self.barrier,
        }

    def positions(self, base: int, stale: Sequence[int]) -> dict[int, list[int]]:
        """Where the lines of each member stand that was recorded; ``base`` is the position before the first."""
        found: dict[int, list[int]] = {}
        for number in self.members:
            if not stale or self.group(number) not in stale:
                base += 1
                found.setdefault(number, []).append(base)
        return found

    def recorded(self, stale: Sequence[int]) -> list[StoredLine]:
        """The lines that were, in their order."""
        return [line for number, line in zip(self.members, self.lines, strict=True) if self.group(number) not in stale]
