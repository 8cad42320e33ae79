"""Whose signatures make a checkpoint count: c2sp.org/tlog-policy. Pure.

A policy names logs, witnesses, groups of witnesses, and the quorum: the witness or the group that must have cosigned.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import NamedTuple, Self, TypeVar

from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.notes import ED25519, ED25519_COSIGNATURE, ML_DSA_44, BadNote, Note, VerifierKey, verified

MAX_BYTES = 1_000_000
MAX_NAME_BYTES = 255
"""So long a name can be in what an ML-DSA-44 key signs."""
FORBIDDEN = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")
GAP = re.compile(r"[ \t]+")
NUMBER = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
LOG_TYPES = (ED25519, ED25519_COSIGNATURE, ML_DSA_44)
WITNESS_TYPES = (ED25519_COSIGNATURE, ML_DSA_44)
NONE = "none"


class BadPolicy(ValueError):
    """What is no policy: in which line, what is wrong, and what to do."""


class Log(NamedTuple):
    """A log: its key, whose name is the origin of its checkpoints, and where it is."""

    key: VerifierKey
    url: str | None = None


class Witness(NamedTuple):
    """A witness: its name in this policy, its key, and where it takes checkpoints.

    A witness that signs with two keys is two of them, and a group of any of the two.
    """

    name: str
    key: VerifierKey
    url: str | None = None


class Group(NamedTuple):
    """Witnesses and groups of which so many must have cosigned."""

    name: str
    threshold: int
    members: tuple[str, ...]


class Held(NamedTuple):
    """What holds of a checkpoint: which keys of its log have signed it, and which witnesses, when (seconds since 1970)."""

    checkpoint: Checkpoint
    signed: Set[VerifierKey]
    cosigned: Mapping[str, int]
    has_quorum: bool

    @property
    def counts(self) -> bool:
        return bool(self.signed) and self.has_quorum


@dataclass(frozen=True)
class Policy:
    """Whose signatures make a checkpoint count. ``quorum`` is the name of a witness or a group, or ``none``."""

    logs: tuple[Log, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str = NONE

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Raises BadPolicy."""
        reader = _Reader()
        reader.read(data, "log", "witness", "group", "quorum")
        if reader.quorum is None:
            raise BadPolicy("the policy has no quorum: add a last line `quorum NAME`, or `quorum none`")
        return cls(tuple(reader.logs), tuple(reader.witnesses), tuple(reader.groups), reader.quorum)

    def is_met(self, cosigned: Set[str]) -> bool:
        """Whether these witnesses are enough."""
        met = {one.name for one in self.witnesses} & cosigned
        for group in self.groups:  # each names only what stands before it
            if sum(member in met for member in group.members) >= group.threshold:
                met.add(group.name)
        return self.quorum == NONE or self.quorum in met


def check(note: Note, policy: Policy) -> Held:
    """What holds of a checkpoint, by this policy. A signature of one of its keys that is wrong voids it: raises BadNote.

    A log's key counts for checkpoints of its own origin alone, and a cosignature only where it tells its time.
    """
    checkpoint = Checkpoint.read(note.text)
    logs = [one.key for one in policy.logs if one.key.name == checkpoint.origin]
    signed = verified(note, logs)
    times = verified(note, [one.key for one in policy.witnesses])
    cosigned = {one.name: times[one.key] for one in policy.witnesses if times.get(one.key)}
    return Held(checkpoint, signed.keys(), cosigned, policy.is_met(cosigned.keys()))


def read_logs(data: bytes) -> tuple[Log, ...]:
    """The logs of a file that names logs alone, in the lines of a policy. Raises BadPolicy."""
    reader = _Reader()
    reader.read(data, "log")
    return tuple(reader.logs)


Keyed = TypeVar("Keyed", Log, Witness)


@dataclass
class _Reader:
    """Takes a policy in, line by line."""

    logs: list[Log] = field(default_factory=list)
    witnesses: list[Witness] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    quorum: str | None = None
    names: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)

    def read(self, data: bytes, *keywords: str) -> None:
        """Raises BadPolicy."""
        for number, (keyword, *items) in _lines(data):
            if keyword not in keywords:
                raise BadPolicy(f"line {number}: {_shown(keyword)} is none of {', '.join(keywords)}")
            take: Callable[[list[str]], None] = getattr(self, f"_{keyword}")
            try:
                take(items)
            except (BadPolicy, BadNote) as error:
                raise BadPolicy(f"line {number}: {error}") from None

    def _log(self, items: list[str]) -> None:
        if len(items) not in (1, 2):
            raise BadPolicy("write `log KEY`, or `log KEY URL`")
        _add(self.logs, Log(_key(items[0], LOG_TYPES), *items[1:]))

    def _witness(self, items: list[str]) -> None:
        if len(items) not in (2, 3):
            raise BadPolicy("write `witness NAME KEY`, or `witness NAME KEY URL`")
        self._expect_new(items[0])
        self.names.add(items[0])
        _add(self.witnesses, Witness(items[0], _key(items[1], WITNESS_TYPES), *items[2:]))

    def _group(self, items: list[str]) -> None:
        if len(items) < 3:
            raise BadPolicy("write `group NAME all MEMBERS`, `group NAME any MEMBERS` or `group NAME NUMBER MEMBERS`")
        name, threshold, *members = items
        self._expect_new(name)
        for member in members:
            self._expect_known(member)
            if member in self.members:
                raise BadPolicy(
                    f"{_shown(member)} is in a group already: each witness or group is in one at most, once"
                )
            self.members.add(member)
        self.names.add(name)
        self.groups.append(Group(name, _threshold(threshold, len(members)), tuple(members)))

    def _quorum(self, items: list[str]) -> None:
        if len(items) != 1:
            raise BadPolicy("write `quorum NAME`, of a witness or a group, or `quorum none`")
        if self.quorum is not None:
            raise BadPolicy("the quorum was given before: keep one line of them")
        if items[0] != NONE:
            self._expect_known(items[0])
        self.quorum = items[0]

    def _expect_new(self, name: str) -> None:
        if name == NONE:
            raise BadPolicy("`none` stands for no witness at all: choose another name")
        if name in self.names:
            raise BadPolicy(f"{_shown(name)} was defined before: choose another name")

    def _expect_known(self, name: str) -> None:
        if name not in self.names:
            raise BadPolicy(f"{_shown(name)} is no witness and no group of a line before this one: define it first")


def _lines(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """Lines that say something, by their number, each split at its blanks. Other than ASCII is passed on as it is."""
    if len(data) > MAX_BYTES:
        raise BadPolicy(f"the file is longer than {MAX_BYTES:,} bytes")
    if bad := FORBIDDEN.search(data):
        number = data.count(b"\n", 0, bad.start()) + 1
        raise BadPolicy(
            f"line {number}: take out the control character 0x{bad[0].hex()}; lines end with a newline alone"
        )
    if data and not data.endswith(b"\n"):
        last = data.count(b"\n") + 1
        raise BadPolicy(f"line {last}: it has no end; add a newline, if the file was not cut short")
    for number, line in enumerate(data.decode(errors="surrogateescape").split("\n"), 1):
        if (said := line.strip(" \t")) and not said.startswith("#"):
            yield number, GAP.split(said)


def _key(text: str, types: tuple[int, ...]) -> VerifierKey:
    try:
        key = VerifierKey.read(text)
        if len(key.name.encode()) > MAX_NAME_BYTES:
            raise BadPolicy(f"the name of a key has at most {MAX_NAME_BYTES} bytes")
    except UnicodeEncodeError:
        raise BadPolicy("the name of a key is UTF-8") from None
    if key.type not in types:
        raise BadPolicy(f"{_shown(key.name)} signs notes: a witness has a key for cosignatures, of type 4 or 6")
    return key


def _add(known: list[Keyed], new: Keyed) -> None:
    if any(one.key.public == new.key.public for one in known):
        raise BadPolicy(
            f"the key of {_shown(new.key.name)} was given before, be it under another name: keep one of them"
        )
    known.append(new)


def _threshold(text: str, members: int) -> int:
    if text in ("all", "any"):
        return members if text == "all" else 1
    if not NUMBER.fullmatch(text) or int(text) > members:
        raise BadPolicy(f"of {members} members, give `all`, `any`, or a number from 1 to {members}, not {_shown(text)}")
    return int(text)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}\u2026")
