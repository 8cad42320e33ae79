"""The entry and its one line: a CloudEvents 1.0 JSON object, the same bytes wherever it is shown.

The service makes the line from ``specversion`` on; the database puts ``sequence`` and ``recordedtime`` in front.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import Mapper, StoredEvent
from pydantic import ValidationError
from pydantic_core import from_json

from ledger.errors import Fault, TooLarge, Unreadable
from ledger.log.commitments import Disclosure, names_persons, seal, unseal
from ledger.recorded import Recorded
from ledger.vocabulary.fact import STORED, Fact, Person, Subject, found
from ledger.vocabulary.registry import FACTS

MAX_LINE_BYTES = 65_535
HEAD_BYTES = len('{"sequence":"00000000000000000042","recordedtime":"2026-11-22T12:00:00.123456Z",')
SUBJECT = re.compile(Subject.pattern())


@dataclass(frozen=True, slots=True)
class StoredLine(StoredEvent):
    """What the recorder stores: ``state`` is the line, or before recording the rest of it, from ``specversion`` on."""

    entry_id: str = ""
    disclosures: tuple[Disclosure, ...] = ()


class Entry(NamedTuple):
    """One entry, on its way in or as read back. ``data`` is as stored, with commitments for persons."""

    originator_id: Subject
    originator_version: int
    id: str
    type: str
    dataschema: str
    source: str
    data: Mapping[str, Any]
    authtype: str
    authid: str
    correlationid: str | None = None
    causationid: str | None = None
    time: str | None = None
    disclosures: tuple[Disclosure, ...] = ()
    has_persons: bool = True
    position: int | None = None
    recorded_at: datetime | None = None

    def __repr__(self) -> str:
        return f"Entry({self.id!r}, {self.type!r}, {self.originator_id!r})"  # never what discloses a name

    def fact(self) -> Fact:
        """The fact that the entry records; of its persons it says where their names are, and never the names."""
        data = unseal(self.data, self.id) if self.has_persons else self.data
        try:
            sort = FACTS[self.type]
            return sort.model_validate(sort.as_current(data, self.dataschema), context=STORED)
        except (KeyError, ValidationError):
            raise Unreadable(
                f"entry {self.position} is a {self.type} that this version of the ledger cannot read"
            ) from None
        except Unreadable as error:
            raise Unreadable(f"entry {self.position} cannot be read: {error}") from None

    def recorded(self) -> Recorded:
        assert self.position is not None
        assert self.recorded_at is not None
        return Recorded(self.position, self.id, self.recorded_at.date(), self.fact())

    def line(self) -> bytes:
        """The line from ``specversion`` on. Raises TooLarge."""
        named = {
            "specversion": "1.0", "id": self.id, "source": self.source, "type": self.type,
            "subject": self.originator_id, "streamversion": self.originator_version, "time": self.time,
            "authtype": self.authtype, "authid": self.authid, "correlationid": self.correlationid,
            "causationid": self.causationid, "dataschema": self.dataschema, "datacontenttype": "application/json",
            "data": self.data,
        }  # fmt: skip
        rest = orjson.dumps({name: value for name, value in named.items() if value is not None})
        if (size := HEAD_BYTES + len(rest) - 1) > MAX_LINE_BYTES:
            detail = f"the entry takes {size:,} bytes of the {MAX_LINE_BYTES:,} that a line may have: shorten its texts"
            raise TooLarge(detail, [Fault("/data", detail, "too_large")])
        return rest


def make_entry(
    fact: Fact, *, entry_id: str, subject: Subject, version: int, address: str, salt_for: Callable[[str], bytes],
    **attributes: Any,
) -> Entry:  # fmt: skip
    """An entry that records ``fact``, of which the service at ``address`` tells the schema; its persons are sealed with the
    salts that ``salt_for`` gives.
    """
    shown = {"occurred": fact.occurred, "effective": fact.effective} | fact.model_dump(exclude_none=True)
    data = {name: value for name, value in shown.items() if value != () or name == "sources"}
    disclosures: list[Disclosure] = []
    if names_persons(type(fact)) and found(Person, data):
        data, disclosures = seal(data, entry_id, salt_for)
    return Entry(
        originator_id=subject,
        originator_version=version,
        id=entry_id,
        type=fact.type,
        dataschema=address + fact.dataschema,
        data=data,
        time=fact.occurred if fact.occurred and fact.occurred.is_instant else None,
        disclosures=tuple(disclosures),
        **attributes,
    )


SHAPE = {
    "sequence": str, "recordedtime": str, "id": str, "source": str, "type": str, "subject": str, "streamversion": int,
    "authtype": str, "authid": str, "dataschema": str, "data": dict,
}  # fmt: skip
"""What every line has, and of which types. Other attributes may stand beside."""

_values, _types = itemgetter(*SHAPE), tuple(SHAPE.values())


def read_line(line: bytes | str) -> Entry:
    """The entry that a stored line tells. Raises Unreadable if it is no line of a ledger."""
    try:
        told = _shaped(from_json(line))
        sealed = (b'{"commitment":' if isinstance(line, bytes) else '{"commitment":') in line  # type: ignore[operator]
        return Entry(
            originator_id=_subject(told["subject"]),
            originator_version=told["streamversion"],
            id=told["id"],
            type=told["type"],
            dataschema=told["dataschema"],
            source=told["source"],
            data=told["data"],
            authtype=told["authtype"],
            authid=told["authid"],
            correlationid=told.get("correlationid"),
            causationid=told.get("causationid"),
            time=told.get("time"),
            has_persons=sealed,
            position=int(told["sequence"]),
            recorded_at=datetime.fromisoformat(told["recordedtime"]),
        )
    except KeyError as error:
        raise Unreadable(f"this is no entry of a ledger: it has no {error.args[0]}") from None
    except (ValueError, TypeError) as error:
        raise Unreadable(f"this is no entry of a ledger: {error}") from None


def _shaped(told: Any) -> dict[str, Any]:
    """What a line says, if it has what every line has. Raises KeyError, TypeError."""
    if type(told) is not dict:
        raise TypeError("it is no JSON object")
    if tuple(map(type, _values(told))) != _types:
        wrong = [f"its {name} is no {sort.__name__}" for name, sort in SHAPE.items() if type(told[name]) is not sort]
        raise TypeError(", ".join(wrong))
    return told


@lru_cache(maxsize=10_000)
def _subject(name: str) -> Subject:
    """The same few are read again and again, and kept in memory once."""
    if not SUBJECT.fullmatch(name):
        raise ValueError(f"{name!r} is no subject")
    return Subject(name)


class LineMapper(Mapper[str]):
    """The library's mapper, on our representation: no module paths as topics, no opaque bytes."""

    def __init__(self) -> None:
        pass

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredLine:
        assert isinstance(domain_event, Entry)
        return StoredLine(
            originator_id=domain_event.originator_id,
            originator_version=domain_event.originator_version,
            topic=domain_event.type,
            state=domain_event.line(),
            entry_id=domain_event.id,
            disclosures=domain_event.disclosures,
        )

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[str]:
        return read_line(stored_event.state)
