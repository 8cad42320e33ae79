"""The names that a service discloses, held against the commitments in verified entries and the erasures that these tell of."""

from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from pydantic_core import from_json

from api.transfer.entries import Entries
from api.transfer.verifying import KeyRefused
from ledger.errors import Unavailable
from ledger.log.commitments import Disclosure
from ledger.log.entry import read_line
from ledger.proofs.verifier import Read
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.registry import KINDS
from projections.finding import Finding
from projections.names_check import NamesCheck, Opened
from projections.people import Place


def check_names(
    entries: Entries, read: Read | None, found: Counter[str], report: Callable[[int], None]
) -> Iterator[Finding]:
    """What does not hold; ``found`` counts the commitments by what they are found to be. Raises Unavailable, Unreadable.

    One request for each entry that names persons; none where ``read`` is None, or where the service says of the first that names
    are not for this key: then they are withheld. The streams of what is missing are asked why: it may be lost, or erased since the checkpoint.
    """
    check, disclosing, answered = NamesCheck(entries.erasures(), found), read, False
    for done, line in enumerate(entries.naming(), 1):
        entry = read_line(line)
        position = entry.position or 0
        kept = _opened(disclosing, position, answered=answered) if disclosing and entry.has_persons else None
        disclosing = None if entry.has_persons and kept is None else disclosing
        answered |= kept is not None
        yield from check.entry(position, entry.id, line.decode(), kept)
        report(done)
    erased, lost = set[Place](), set[Place]()
    for subject in sorted({entries.subject(position) for position in check.missing.values()}):
        assert read  # else it would be withheld
        for place, erased_by, is_lost in _why_missing(read, subject):
            erased |= {place} if erased_by > entries.size else set()
            lost |= {place} if is_lost else set()
    yield from check.unexplained(erased, lost)


def _opened(read: Read, position: int, *, answered: bool) -> Opened | None:
    """What the service says opens an entry's commitments; None where that is not for this key. Raises Unavailable, KeyRefused where
    the same key was ``answered`` before.
    """
    path = f"v1/events/{position}?disclose=true"
    try:
        told = from_json(read(path))["disclosures"]
        opened = [Disclosure(pointer, _salt(one["salt"]), str(one["value"])) for pointer, one in told.items()]
    except KeyRefused:
        if answered:
            raise
        return None
    except (ValueError, LookupError, TypeError, AttributeError):
        raise Unavailable(f"what the service tells of {path} is no answer of a ledger") from None
    return {one.pointer: one for one in opened}


def _salt(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _why_missing(read: Read, subject: Subject) -> list[tuple[Place, int, bool]]:
    """What the service tells of each person in a stream: the entry that erased the name, 0 for none, and whether it is lost."""
    path = f"v1/{KINDS[subject.kind].plural}/{subject.id}/history"
    try:
        persons = [one for item in from_json(read(path))["items"] for one in item.get("persons", ())]
        return [(_place(one), _erased_by(one), one.get("lost") is True) for one in persons]
    except (ValueError, LookupError, TypeError, AttributeError):
        raise Unavailable(f"what the service tells of {path} is no answer of a ledger") from None


def _place(person: dict[str, Any]) -> Place:
    return Place(str(person["entry"]), str(person["pointer"]))


def _erased_by(person: dict[str, Any]) -> int:
    position: int = max(person.get("erased", {}).get("position", 0), 0)
    return position
