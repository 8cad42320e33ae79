"""A form on its way: what it is for, what was filled in, and what it rests on. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from api.pages.forms.fields import Fixed, Group, Many, Ref, Section, Shape
from api.pages.forms.filled import anchors, nearest, read
from api.pages.words import words
from ledger.errors import Fault, Invalid, LedgerError, Refused, StaleVersion
from ledger.vocabulary.codes import AnomalyCode
from ledger.vocabulary.fields import Anomaly
from ledger.writing.draft import read_body

FLAG = "tick"
"""By which name what is unusual is said to have been looked at."""


class Told(NamedTuple):
    """What is wrong, for people: at which field of the form, and what."""

    at: str
    where: str
    detail: str


@dataclass(frozen=True)
class Filling:
    """``path`` is where the form is sent, ``event`` what it tells so far. ``key`` is the idempotency key that it has from when
    it was first shown; ``seen`` the stream and the version of it that whoever fills it in has seen."""

    path: str
    type: str
    sections: tuple[Section, ...]
    event: dict[str, Any]
    key: str
    seen: str = ""
    ticked: frozenset[str] = frozenset()
    extra: str = ""
    told: tuple[Told, ...] = ()
    changed: tuple[dict[str, Any], ...] = field(default=())

    @property
    def posted(self) -> dict[str, Any]:
        """The event as it is posted, held to the version that was seen of its stream."""
        subject, _, version = self.seen.rpartition(" ")
        held = subject == self.event.get("subject") and version.isascii() and version.isdigit() and len(version) < 10
        return self.event | ({"expected_version": int(version)} if held else {})

    @property
    def replaced(self) -> str:
        """The type of the fact that takes an entry's place."""
        fields = [one for section in self.sections for one in section.fields if one.name == "replacement"]
        shapes = [one.shape.fields[0].shape for one in fields if isinstance(one.shape, Group)]
        return next((shape.value for shape in shapes if isinstance(shape, Fixed)), "")

    @property
    def wrong(self) -> dict[str, list[str]]:
        """What is wrong, by the field of the form."""
        found: dict[str, list[str]] = defaultdict(list)
        for one in self.told:
            found[one.at].append(one.detail)
        return found

    def with_error(self, error: LedgerError) -> "Filling":
        known = anchors(self.sections, self.event)
        return replace(self, told=tuple(_told(fault, known) for fault in self.faults(error)))

    def faults(self, error: LedgerError) -> list[Fault]:
        """What is wrong, each with the pointer to it: what a rule forbids concerns the event."""
        if isinstance(error, Invalid):
            return [*(error.faults or (Fault("", str(error), "invalid"),)), *self._further(error)]
        code = error.rule if isinstance(error, Refused) else "refused"
        return [Fault("/subject" if isinstance(error, StaleVersion) else "", str(error), code)]

    def _further(self, error: Invalid) -> list[Fault]:
        """What is wrong beside: the fact is looked at as soon as what surrounds it is right, and people mend all at once."""
        names = {_first(fault) for fault in error.faults}
        if not names - {"data"}:
            return []
        rest = {name: value for name, value in self.event.items() if name not in names}
        try:
            read_body(rest | {"subject": "source:x"})
        except Invalid as more:
            return [fault for fault in more.faults if _first(fault) not in names]
        return []

    def unticked(self, anomalies: Sequence[Anomaly]) -> list[str]:
        return [one.tick for one in reasons(anomalies) if one.tick not in self.ticked]


class Reason(NamedTuple):
    """Why a fact is unusual: the codes of anomalies that say the same, and each thing that they say."""

    codes: tuple[AnomalyCode, ...]
    details: tuple[str, ...]

    @property
    def tick(self) -> str:
        return f"{', '.join(self.codes)}: {'; '.join(self.details)}"


def reasons(anomalies: Sequence[Anomaly]) -> list[Reason]:
    """One for each set of codes that stand for the same details: what is ticked once, however often it is flagged."""
    codes, details = (
        defaultdict[str, dict[AnomalyCode, None]](dict),
        defaultdict[tuple[AnomalyCode, ...], list[str]](list),
    )
    for one in anomalies:
        codes[one.detail][one.code] = None
    for detail, those in codes.items():
        details[tuple(sorted(those))].append(detail)
    return [Reason(those, tuple(said)) for those, said in details.items()]


def _first(fault: Fault) -> str:
    """The field of the event that a fault is in."""
    return fault.pointer.removeprefix("/").partition("/")[0]


def _told(fault: Fault, known: set[str]) -> Told:
    return Told(nearest(fault.pointer, known), _where(fault.pointer), fault.detail)


def _where(pointer: str) -> str:
    """A pointer in words: ``signatories 1, party``."""
    parts = [part for part in pointer.split("/") if part not in ("", "data", "replacement")]
    said = [f" {int(part) + 1}" if part.isascii() and part.isdigit() else f", {words(part)}" for part in parts]
    return "".join(said).removeprefix(", ").capitalize()


def filled(path: str, type_: str, sections: tuple[Section, ...], given: Mapping[str, Sequence[str]]) -> Filling:
    """A form that was sent."""
    event = {"type": type_} | read(sections, given)
    key, seen = (next(iter(given.get(name, ())), "") for name in ("key", "seen"))
    return Filling(path, type_, sections, event, key, seen, frozenset(given.get(FLAG, ())))


def without_row(given: Mapping[str, Sequence[str]], row: str) -> dict[str, Sequence[str]]:
    """The values of a form without those of a row of a list."""
    return {name: values for name, values in given.items() if name != row and not name.startswith(f"{row}/")}


def kinds_in(sections: Sequence[Section]) -> set[tuple[str, ...]]:
    """Of which kinds the streams are that the fields of a form refer to: a set for each sort of field."""
    fields = [one for section in sections for one in section.fields]
    return {kinds for one in fields for kinds in _kinds(one.shape)}


def _kinds(shape: Shape) -> set[tuple[str, ...]]:
    match shape:
        case Ref(kinds):
            return {kinds}
        case Many(item):
            return _kinds(item)
        case Group(fields):
            return {kinds for one in fields for kinds in _kinds(one.shape)}
    return set()
