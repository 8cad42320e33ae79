"""What a diff must say: two whole states, read at its two points, field by field; and what was recorded between them."""

import json
from collections.abc import Collection
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from api.http.documents import plural_of
from ledger.fold import History
from ledger.log.entry import read_line
from ledger.recorded import Opening, Recorded
from ledger.vocabulary.correction import Superseded
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.state import MAIN
from projections.diff import said, stream_of
from projections.segments import document, kind_of, segments
from tests.service import Service

SHOWN_APART = {"subject", "id", "agreement", "party", "version", "unknown", "provenance", "basis", "derived"}
FIRST_DAY, LAST_DAY = "0001-01-01", "9999-12-30"
TODAY = datetime.now(UTC).date().isoformat()

Fields = dict[str, Any]


class Told(NamedTuple):
    """A change as it must be told."""

    subject: str
    field: str
    old: Any
    new: Any


def fields_at(told: Service, subject: str, at: dict[str, Any]) -> dict[str, Fields]:
    """What is said of a stream at a point, and of all that belongs to it there: its fields, by who they are of."""
    kind, _, id = subject.partition(":")
    response = told.get(f"/v1/{plural_of(kind)}/{id}", **at)
    if response.status_code == 404:
        return {}
    whole = response.json()
    belonging = [whole.pop(name) for name in ("participation", *map(plural_of, RELATED)) if _is_group(whole.get(name))]
    return {_name(one): _stated(one) for one in [whole, *(one for group in belonging for one in group)]}


RELATED = ("agreement", "meeting", "milestone", "initiative", "party", "source")


def _is_group(value: Any) -> bool:
    """Other states, and not a field that names others."""
    return isinstance(value, list) and all(isinstance(one, dict) and "provenance" in one for one in value)


def _name(state: Fields) -> str:
    return state.get("subject") or f"{state['agreement']} {state['party']}"


def _stated(state: Fields) -> Fields:
    """The fields that say something; a flag that is down does where an entry took it down."""
    return {
        name: value
        for name, value in state.items()
        if name not in SHOWN_APART
        and said(value) is not None
        and not (value is False and name not in state["provenance"])
    }


def differing(told: Service, subject: str, start: dict[str, Any], end: dict[str, Any]) -> list[Told]:
    """Every field that reads otherwise at two points, of all that belongs to a stream at one of them."""
    sides = [fields_at(told, subject, start), fields_at(told, subject, end)]
    for name in sorted(sides[0].keys() ^ sides[1].keys()):
        for side, at in zip(sides, (start, end), strict=True):
            side.setdefault(name, fields_at(told, name, at).get(name, {}) if " " not in name else {})
    return [
        _told(name, field, old.get(field), new.get(field))
        for name in sorted(sides[0])
        for old, new in [(sides[0][name], sides[1][name])]
        for field in sorted(old.keys() | new.keys())
        if said(old.get(field)) != said(new.get(field))
    ]


def changes_of(told: Service, subject: str, start: Any, end: Any) -> list[dict[str, Any]] | None:
    """What the diff between two points tells; None where nothing is known at either."""
    kind, _, id = subject.partition(":")
    response = told.get(f"/v1/{plural_of(kind)}/{id}/diff", **{"from": start, "to": end})
    assert response.status_code in (200, 404), response.text
    changes: list[dict[str, Any]] = response.json()["changes"] if response.status_code == 200 else []
    return changes if response.status_code == 200 else None


def check_positions(log: "Log", subject: str, start: int, end: int) -> list[dict[str, Any]]:
    """Hold what is told between two positions to both whole states, and to what was recorded between."""
    told = _held_to_states(log.told, subject, "known_at", start, end)
    for change in told:
        here = log.recorded_between(stream_of(change["subject"]), start, end)
        if change["field"] == "unverified":
            here |= log.of_sources_between(start, end)
        assert set(change["entries"]) <= here, (subject, start, end, change)
        assert change["entries"], (subject, start, end, change)
        log.check_responsible(change, set(change["entries"]), end, TODAY, here)
    return told


def check_days(log: "Log", subject: str, start: str, end: str) -> list[dict[str, Any]]:
    """Hold what is told between two days to both whole states, and to the facts that count from a day between.

    What became overdue as days passed rests on the entry that set the due date.
    """
    told = _held_to_states(log.told, subject, "valid_at", start, end)
    for change in told:
        here = log.counting_between(stream_of(change["subject"]), start, end)
        if change["field"] == "overdue" and not here & set(change["entries"]):
            here = set(
                log.told.get(f"/v1/milestones/{change['subject'].partition(':')[2]}", valid_at=end).json()[
                    "provenance"
                ]["due"]
            )
        assert set(change["entries"]) <= here, (subject, start, end, change)
        assert change["entries"], (subject, start, end, change)
        left_out = log.with_replaced(stream_of(change["subject"]), change["entries"])
        log.check_responsible(change, left_out, log.size, end, here)
    return told


def _held_to_states(told: Service, subject: str, clock: str, start: Any, end: Any) -> list[dict[str, Any]]:
    """Every field that reads otherwise is told, and none else; the other way round it is told the other way round."""
    changes = changes_of(told, subject, start, end)
    expected = differing(told, subject, {clock: start}, {clock: end})
    assert [_told(**change) for change in changes or ()] == expected, (subject, start, end)
    back = changes_of(told, subject, end, start)
    assert back == (changes and [one | {"old": one["new"], "new": one["old"]} for one in changes])
    return changes or []


def _told(subject: str, field: str, old: Any, new: Any, entries: Any = ()) -> Told:
    """A change. Null, what is empty and a flag that is down are all told as nothing."""
    return Told(subject, field, said(old) or None, said(new) or None)


class Log:
    """The entries of a ledger, and what they add up to where some of them are left out."""

    def __init__(self, told: Service) -> None:
        self.told, self.size = told, 0
        self.entries: dict[str, list[Recorded]] = {}
        self.openings: dict[Subject, Opening] = {}
        self.read()

    def read(self) -> None:
        """Read what was recorded since."""
        with self.told.location.connect() as connection:
            query = "select body::text from entries where position > %s order by position"
            for (line,) in connection.execute(query, [self.size]).fetchall():
                entry = read_line(line)
                recorded, subject = entry.recorded(), entry.originator_id
                self.entries.setdefault(subject, []).append(recorded)
                opening = Opening(recorded.position, getattr(recorded.fact, "published", None))
                self.openings.setdefault(subject, opening)
                self.size = recorded.position

    def positions(self, subject: str) -> list[int]:
        """Before the first entry, at each of the stream's, and at the last of the ledger."""
        return sorted({0, *(one.position for one in self.entries[subject]), self.size})

    def days(self, subject: str) -> list[str]:
        """The days from which its facts count, from before the first one to the end of time."""
        lives = self._history(subject, self.size, ()).lives
        return sorted({FIRST_DAY, *(live.day.isoformat() for live in lives), LAST_DAY})

    def recorded_between(self, stream: str, start: int, end: int) -> set[int]:
        """The entries of a stream after one position and up to another."""
        return {one.position for one in self.entries[stream] if start < one.position <= end}

    def of_sources_between(self, start: int, end: int) -> set[int]:
        sources = [stream for stream in self.entries if stream.startswith("source:")]
        return {position for stream in sources for position in self.recorded_between(stream, start, end)}

    def counting_between(self, stream: str, start: str, end: str) -> set[int]:
        """The facts of a stream that count from a day after one and up to another, as known by now."""
        lives = self._history(stream, self.size, ()).lives
        return {live.position for live in lives if start < live.day.isoformat() <= end}

    def with_replaced(self, stream: str, entries: Collection[int]) -> set[int]:
        """Some facts, and those whose place they have taken: who leaves out a replacement alone brings these back."""
        history = self._history(stream, self.size, ())
        found = set(entries)
        for entry in reversed(self.entries[stream]):
            if entry.position in found and isinstance(entry.fact, Superseded):
                found |= {target.position for target in [history.find(entry.fact.target)] if target}
        return found

    def check_responsible(
        self, change: dict[str, Any], left_out: set[int], known_at: int, valid_at: str, here: set[int]
    ) -> None:
        """Without the entries that a change names, its new value is not there; or others between lead to the same.

        A milestone whose due date was put off may be overdue by an earlier date, too.
        """
        if change["field"] == "unverified":
            return
        state = self._without(change["subject"], known_at, valid_at, left_out)
        if said(state.get(change["field"])) == said(change["new"]) and change["field"] != "overdue":
            others = {position for found in state["provenance"].values() for position in found}
            stream = change["subject"].partition(" ")[0]
            without_any = [
                self._without(change["subject"], known_at, valid_at, all_of_them).get(change["field"])
                for all_of_them in (here, self.with_replaced(stream, here))
            ]
            assert others & here or any(said(one) != said(change["new"]) for one in without_any), change

    def _without(self, name: str, known_at: int, valid_at: str, left_out: Collection[int]) -> Fields:
        """How a state would read if some entries had not been recorded."""
        stream, _, lane = name.partition(" ")
        history = self._history(stream, known_at, left_out)
        kind, day = kind_of(history.kind, lane or MAIN), date.fromisoformat(valid_at)
        held = [one for one in segments(kind, history.lanes.get(lane, [])) if one.valid_from <= day < one.valid_to]
        state: Fields = json.loads(document(kind, held[0])) if held else {}
        return state

    def _history(self, stream: str, known_at: int, left_out: Collection[int]) -> History:
        history = History.of(stream)
        for entry in self.entries[stream]:
            if entry.position <= known_at and entry.position not in left_out:
                history.record(entry, self.openings)
        return history
