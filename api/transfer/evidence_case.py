"""What an evidence pack holds: a state, the entries that it rests on, what proves them, and what may be told of persons."""

from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

from pydantic_core import from_json

from api.http.documents import whole_json
from ledger.log.commitments import Disclosure
from ledger.log.entry import Entry, read_line
from ledger.proofs.checkpoint import Checkpoint, EntryProof
from ledger.proofs.notes import ED25519, SIGNATURE_BYTES, TIME_BYTES, Note, Signature
from ledger.vocabulary.fact import Subject
from ledger.writing.decision_cache import read_disclosures
from projections.basis import Asked, Basis
from projections.concerned import Lines, concerned
from projections.people import Place, Told, persons_in, places, show, tell
from projections.queries import Queries
from projections.tree.proofs import Proofs

Persons = Mapping[str, Mapping[str, Any]]
"""What may be told of each person, by commitment."""
Opened = Mapping[int, Sequence[Disclosure]]
"""What opens the commitments of entries, by position."""


class Signed(NamedTuple):
    """Under which name a checkpoint is signed, and when, where the signature tells."""

    name: str
    at: datetime | None


class _Case(NamedTuple):
    state: str
    basis: Basis
    lines: Lines
    proofs: Sequence[EntryProof]
    keys: Sequence[str]
    persons: Persons
    opened: Opened | None


class Case(_Case):
    """A state on a day, as known then, with all that it rests on. ``opened`` is None where no names are to be told.

    ``state`` is the document as it is served to those who see no names.
    """

    @cached_property
    def document(self) -> dict[str, Any]:
        """The state, read."""
        read: dict[str, Any] = from_json(self.state)
        return read

    @cached_property
    def entries(self) -> list[Entry]:
        return [read_line(line) for line in self.lines.values()]

    @property
    def note(self) -> Note:
        """The checkpoint with its signatures, in whose tree all entries are proved."""
        return self.proofs[0].checkpoint

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint.read(self.note.text)

    @property
    def signed(self) -> list[Signed]:
        return [Signed(one.name, _time_of(one)) for one in self.note.signatures]


def _time_of(one: Signature) -> datetime | None:
    """Every signature begins with its time, but a plain one."""
    if len(one.signature) == SIGNATURE_BYTES[ED25519]:
        return None
    return datetime.fromtimestamp(int.from_bytes(one.signature[:TIME_BYTES]), UTC)


def gather(reads: Queries, subject: Subject, asked: Asked, *, with_names: bool) -> Case:
    """Raises NotFound where nothing is known or nothing is signed, NotYet where what is known is not signed yet, Unreadable."""
    proofs = Proofs(reads.pool)
    whole, basis = reads.whole(subject, asked)
    signed = proofs.covering(basis.known_at).checkpoint
    basis = basis._replace(checkpoint={"size": signed.size, "root": b64encode(signed.root).decode()})
    lines = concerned(reads, whole, basis)
    state = whole_json(whole, basis)
    return Case(
        show(state, _told(reads, places(state), names=False)),
        basis,
        lines,
        proofs.proofs([*lines], signed.size),
        proofs.public_keys(signed.size),
        _persons(reads, lines, with_names=with_names),
        _opened(reads, lines) if with_names else None,
    )


def _persons(reads: Queries, lines: Lines, *, with_names: bool) -> Persons:
    found = {
        person["commitment"]: Place(person["entry"], person["pointer"])
        for line in lines.values()
        for person in persons_in(line)
    }
    told = _told(reads, {*found.values()}, names=with_names)
    return {sealed: told[place] for sealed, place in found.items()}


def _told(reads: Queries, wanted: Collection[Place], *, names: bool) -> Told:
    if not wanted:
        return {}
    with reads.connection() as connection:
        return tell(connection, wanted, names=names)


def _opened(reads: Queries, lines: Lines) -> Opened:
    ids = {position: read_line(line).id for position, line in lines.items()}
    with reads.connection() as connection:
        found = read_disclosures(connection, [*ids.values()])
    return {position: sorted(found[entry_id]) for position, entry_id in ids.items() if entry_id in found}
