"""What a timeline shows: a mark for each date that a fact gives, and the facts that give none. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain
from typing import Any, NamedTuple

from api.pages.timeline.axis import day_of, ordinal
from api.pages.timeline.words import Told, plain, sentence_case, told
from ledger.vocabulary.kind import Kind
from ledger.vocabulary.registry import FACTS, KINDS

LANES = {
    "status": "Status",
    "initiatives": "Initiatives",
    "agreements": "Agreements",
    "meetings": "Meetings",
    "milestones": "Milestones",
    "commitments": "Commitments",
    "parties": "Parties",
    "other": "Other facts",
    "sources": "Sources",
}
"""From top to bottom."""

FAMILIES = {
    "planned": "reported identified proposed scheduled mentioned negotiating adopted named revised made",
    "active": "active in_force provisional signed",
    "paused": "suspended postponed overdue",
    "done": "met held closed finalising expired superseded succeeded partiallyMet fulfilled",
    "ended": "cancelled terminated notMet abandoned withdrawn dissolved retracted",
}
"""Which statuses are shown alike; their words and shapes tell them apart."""
FAMILY = {status: family for family, statuses in FAMILIES.items() for status in statuses.split()}
SHAPES = {
    "meetings": ("disc", "ring"),
    "milestones": ("diamond", "open-diamond"),
    "commitments": ("square", "open-square"),
}
"""Of what is reached or held, and of what is ahead."""
LATER = "recorded later"
"""Than the entry up to which the picture shows what was known."""
WITH_BARS = ("initiative", "agreement")
"""The kinds of which a status lasts: it is drawn as a bar until the next one begins."""


class Target(NamedTuple):
    """A date that a fact gives beside its own: in which field, and in which word; ``instead`` of its own date or not."""

    field: str
    word: str
    instead: bool = True


TARGETS = {
    "meeting.proposed": [Target("start", "Proposed")],
    "meeting.scheduled": [Target("start", "Scheduled")],
    "meeting.rescheduled": [Target("start", "Rescheduled")],
    "meeting.reinstated": [Target("start", "Reinstated")],
    "milestone.scheduled": [Target("due", "Due")],
    "milestone.rescheduled": [Target("due", "Due, rescheduled")],
    "milestone.not_met": [Target("reviewed_on", "Not met, reviewed")],
    "source.registered": [Target("published", "Published")],
    "source.described": [Target("published", "Published")],
    "initiative.planned": [Target("start", "Planned start", False), Target("end", "Planned end", False)],
    "initiative.commitment_made": [Target("due", "Due", False)],
    "initiative.commitment_revised": [Target("due", "Due, revised", False)],
    "agreement.extended": [Target("new_end", "New end", False)],
    "agreement.renewed": [Target("new_end", "New end", False)],
}


@dataclass(frozen=True)
class Mark:
    """A date that a fact gives, or a fact without one (``at`` is None then); or several at one time, that are counted.

    ``positions`` are the entries that tell it. ``track`` is whose it is. ``bar`` is the status that lasts from then on,
    ``closes`` whether one ends with it. ``moved_from`` is the date that it had before.
    """

    lane: str
    track: str
    word: str
    title: str
    positions: tuple[int, ...]
    shape: str
    family: str = "plain"
    at: Told | None = None
    moved_from: Told | None = None
    bar: str = ""
    closes: bool = False
    doubts: tuple[str, ...] = ()
    count: int = 1

    @property
    def what(self) -> str:
        status = sentence_case(self.bar)
        word = f"{self.word}, {status.lower()}" if status not in ("", self.word) else self.word
        return f"{word}: {self.title}" if self.title else word

    @property
    def name(self) -> str:
        """As a screen reader says it: what, when, how precise, and which entry."""
        when = f", {self.at.words} ({self.at.precision})" if self.at else ", without a date"
        return f"{'; '.join([self.what + when, *self.doubts])}. {self.entries}"

    @property
    def entries(self) -> str:
        shown = [f"{one}" for one in self.positions[:3]] + ["…"] * (len(self.positions) > 3)
        return f"{'Entry' if len(self.positions) == 1 else 'Entries'} {', '.join(shown)}"


@dataclass(frozen=True)
class Drawing:
    """All that a timeline shows of a subject: its marks in the order of time, and the facts without a date."""

    subject: str
    title: str
    status: str
    marks: tuple[Mark, ...]
    undated: tuple[Mark, ...]
    today: date
    valid_at: date
    known_at: int

    @property
    def page(self) -> str:
        kind, _, slug = self.subject.partition(":")
        return f"/{KINDS[kind].plural}/{slug}"


class _Given(NamedTuple):
    """A fact as the timeline of the API has it; a replacement stands for itself."""

    type: str
    subject: str
    data: Mapping[str, Any]
    position: int
    day: str
    unverified: bool

    @property
    def kind(self) -> str:
        return self.type.partition(".")[0]

    @property
    def short_type(self) -> str:
        return self.type.partition(".")[2]

    @property
    def own_date(self) -> Told | None:
        return _date(self.data.get("effective")) or _date(self.data.get("occurred"))


def subjects_of(whole: Mapping[str, Any]) -> list[str]:
    """The subject and all that belongs to it, its sources too: whose own facts a full drawing is made of."""
    related = [one["subject"] for one in _related(whole) if "subject" in one]
    return list(dict.fromkeys([whole["subject"], *related, *whole.get("sources", ())]))


def marks_of(
    whole: Mapping[str, Any], facts: Sequence[Mapping[str, Any]], *, today: date, valid_at: date, known_at: int
) -> Drawing:
    """The drawing of a whole state and of facts, both as the API shows them; the same fact may come twice.

    ``facts`` are items of its timeline, and as well of those of ``subjects_of`` it. Where they reach beyond ``valid_at``
    or ``known_at``, what lies beyond is drawn as such.
    """
    given = _in_order(facts)
    titles = _titles(whole, given)
    marks = [one for fact in given for one in _marks(fact, whole["subject"], titles)]
    marks = _with_moves(_merged(_with_bars(marks, given), _disputed(whole)))
    marks = [_with_doubt(one, LATER) if min(one.positions) > known_at else one for one in marks]
    marks = _with_delays(marks, _open_milestones(whole), ordinal(day_of(valid_at)))
    dated = sorted((one for one in marks if one.at), key=_time)
    undated = tuple(one for one in marks if not one.at)
    title = titles.get(whole["subject"], whole["subject"])
    return Drawing(whole["subject"], title, whole["status"], tuple(dated), undated, today, valid_at, known_at)


def _in_order(facts: Iterable[Mapping[str, Any]]) -> list[_Given]:
    """Each once, in the order in which they count."""
    by_position = {one.position: one for one in map(_given, facts)}
    return sorted(by_position.values(), key=lambda one: one.day)


def _given(item: Mapping[str, Any]) -> _Given:
    event = item["event"]
    type_, data = event["type"], event["data"]
    if replacement := data.get("replacement"):
        type_, data = replacement["type"], {**replacement, **replacement["data"]}
    return _Given(type_, event["subject"], data, int(event["sequence"]), item["day"] or "", item["unverified"])


def _related(whole: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The states that belong to it, beside which there are fields that are no states."""
    for plural in (*(kind.plural for kind in KINDS.values()), "participation"):
        those = whole.get(plural) or ()
        yield from (one for one in those if isinstance(one, Mapping) and "status" in one)


def _titles(whole: Mapping[str, Any], given: Sequence[_Given]) -> dict[str, str]:
    """What each subject is called: as its state says, else as its facts do."""
    told = [(one.subject, one.data) for one in given]
    states = [(one["subject"], one) for one in _related(whole) if "subject" in one]
    titles: dict[str, str] = {}
    for subject, fields in chain([(whole["subject"], whole)], states, told):
        if called := next(
            (fields[name] for name in ("short_name", "title", "name", "description") if fields.get(name)), None
        ):
            titles.setdefault(subject, plain(called))
    return titles


def _disputed(whole: Mapping[str, Any]) -> frozenset[int]:
    """The entries between which a state has a conflict, and those that somebody disputes."""
    found = set[int]()
    for state in (whole, *_related(whole)):
        found.update(state.get("disputes", ()))
        found.update(one["position"] for told in state.get("alternatives", {}).values() for one in told)
    return frozenset(found)


def _date(text: str | None) -> Told | None:
    """None where there is no date, or one that says nothing."""
    found = told(text) if text else None
    return found if found and (found.bounds.earliest or found.bounds.latest) else None


def _marks(fact: _Given, subject: str, titles: Mapping[str, str]) -> list[Mark]:
    """One for each date that the fact gives; one without a date where it gives none."""
    mark = _mark(fact, subject, titles)
    targets = TARGETS.get(fact.type, ())
    aims = [(one, at) for one in targets if (at := _date(fact.data.get(one.field)))]
    own = [replace(mark, at=fact.own_date)] if fact.own_date and not any(one.instead for one, _ in aims) else []
    ahead = [replace(mark, at=at, word=one.word, **_aim(mark, one)) for one, at in aims]
    return own + ahead or [mark]


def _aim(mark: Mark, target: Target) -> dict[str, Any]:
    """How a date that lies ahead of its fact looks."""
    if target.instead:
        return {}
    return {"shape": SHAPES.get(mark.lane, ("disc", "open-diamond"))[1], "family": "planned"}


def _mark(fact: _Given, subject: str, titles: Mapping[str, str]) -> Mark:
    lane, track = _lane(fact, subject)
    to = _leads_to(fact)
    family = FAMILY.get(to, "plain")
    return Mark(
        lane=lane,
        track=track,
        word=_word(fact),
        title=_title(fact, subject, titles),
        positions=(fact.position,),
        shape=_shape(lane, family),
        family=family,
        doubts=("unverified",) if fact.unverified else (),
    )


def _lane(fact: _Given, subject: str) -> tuple[str, str]:
    """The lane of a fact, and whose marks it stands among there."""
    if commitment := fact.data.get("commitment"):
        return "commitments", f"{fact.subject}/{commitment}"
    if fact.kind == "source":
        return "sources", fact.subject
    if fact.kind == "party" or fact.data.get("party"):
        return "parties", fact.subject
    if fact.subject != subject or fact.kind not in WITH_BARS:
        return KINDS[fact.kind].plural, fact.subject
    return ("status" if _leads_to(fact) else "other"), fact.subject


def _leads_to(fact: _Given) -> str:
    """The status that the fact leads to by itself, "" where it leads to none."""
    if fact.type.startswith("initiative.commitment_"):
        return fact.short_type.removeprefix("commitment_")
    kind, sort = KINDS[fact.kind], FACTS[fact.type]
    if fact.data.get("party"):
        return ""
    rule = kind.lifecycle.get(sort)
    return rule.to if rule else kind.statuses[0] if sort.opens else ""


def _word(fact: _Given) -> str:
    word = sentence_case(fact.short_type)
    occurred, effective = fact.data.get("occurred"), fact.data.get("effective")
    return f"{word}, effective" if occurred and effective and occurred != effective else word


def _title(fact: _Given, subject: str, titles: Mapping[str, str]) -> str:
    """What the fact is about, beside the subject of the picture."""
    of = "" if fact.subject == subject and fact.kind in WITH_BARS else titles.get(fact.subject, _slug(fact.subject))
    about = [fact.data[name] for name in ("party", "commitment") if fact.data.get(name)]
    return plain(", ".join([*(titles.get(one, _slug(one)) for one in about), of]).removesuffix(", "))


def _slug(subject: str) -> str:
    return subject.partition(":")[2] or subject


def _shape(lane: str, family: str) -> str:
    if family == "ended":
        return "cross"
    if lane in SHAPES and family in ("done", "planned", "paused"):
        return SHAPES[lane][family != "done"]
    return "square" if family == "done" else "tick"


def _with_bars(marks: Sequence[Mark], given: Sequence[_Given]) -> list[Mark]:
    """Statuses that last begin where the lifecycle takes a step, in the order in which the facts count."""
    types = {one.position: one for one in given}
    status: dict[str, str] = {}
    barred = []
    for mark in marks:
        fact = types[mark.positions[0]]
        if mark.lane == KINDS[fact.kind].plural or mark.lane == "status":
            mark = _step(mark, fact, status)
        barred.append(mark)
    return barred


def _step(mark: Mark, fact: _Given, status: dict[str, str]) -> Mark:
    kind = KINDS[fact.kind]
    if kind.name not in WITH_BARS or mark.at is None or mark.at != fact.own_date:
        return mark
    before, now = status.get(mark.track, ""), _next(kind, fact, status.get(mark.track, ""))
    if now in ("", before) and not (now and before):
        return mark
    status[mark.track] = now
    if now in kind.ended:
        return replace(mark, closes=True)
    return replace(mark, bar=now, shape="bar", family=FAMILY.get(now, "plain")) if now != before else mark


def _next(kind: Kind, fact: _Given, before: str) -> str:
    """The status after the fact: the lifecycle never goes back unless the step says so."""
    to = _leads_to(fact)
    if not to or not before:
        return to or before
    rule, rank = kind.lifecycle.get(FACTS[fact.type]), kind.statuses.index
    may_go_back = rule is not None and rule.back and (not rule.after or before in rule.after)
    return to if rule and (rank(to) >= rank(before) or may_go_back) else before


def _merged(marks: Iterable[Mark], disputed: frozenset[int]) -> list[Mark]:
    """What several entries tell alike is one mark, with all of them."""
    merged: dict[tuple[object, ...], Mark] = {}
    for mark in marks:
        doubts = ("disputed",) if not disputed.isdisjoint(mark.positions) else ()
        mark = replace(mark, doubts=mark.doubts + doubts)
        key = (mark.lane, mark.track, mark.word, mark.title, mark.at) if mark.at else (mark.positions,)
        known = merged.get(key)
        merged[key] = _together(known, mark) if known else mark
    return list(merged.values())


def _together(known: Mark, mark: Mark) -> Mark:
    """Unverified is what no other entry verifies; disputed is what any of them has in dispute."""
    weak = [one for one in ("unverified",) if one in known.doubts and one in mark.doubts]
    disputed = [one for one in ("disputed",) if one in known.doubts or one in mark.doubts]
    doubts = (*weak, *disputed)
    first = known if known.bar or not mark.bar else mark
    return replace(first, positions=tuple(sorted({*known.positions, *mark.positions})), doubts=doubts)


def _with_moves(marks: Sequence[Mark]) -> list[Mark]:
    """What is due or begins at another time than was said before says from when it was moved."""
    last: dict[str, Told] = {}
    moved = []
    for mark in marks:
        is_moved = mark.word in ("Rescheduled", "Due, rescheduled", "Due, revised")
        moved.append(replace(mark, moved_from=last.get(mark.track)) if is_moved else mark)
        if mark.at and mark.family in ("planned", "paused"):
            last[mark.track] = mark.at
    return moved


def _with_doubt(mark: Mark, doubt: str) -> Mark:
    return replace(mark, doubts=(*mark.doubts, doubt))


def _open_milestones(whole: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(one["subject"] for one in (whole, *_related(whole)) if one["status"] == "scheduled")


def _with_delays(marks: Sequence[Mark], scheduled: frozenset[str], valid_on: int) -> list[Mark]:
    """What is still scheduled, and was due last on a day before the one that is looked at, is overdue."""
    due = {one.track: number for number, one in enumerate(marks) if one.lane == "milestones" and one.word[:3] == "Due"}
    late = {due[track] for track in scheduled & due.keys() if _is_past(marks[due[track]].at, valid_on)}
    return [
        replace(_with_doubt(one, "overdue"), family="paused") if number in late else one
        for number, one in enumerate(marks)
    ]


def _is_past(at: Told | None, day: int) -> bool:
    return at is not None and at.bounds.latest is not None and ordinal(at.bounds.latest) < day


def _time(mark: Mark) -> tuple[Any, ...]:
    """By the first day it may be, then the last one; what is open on a side sorts by the other."""
    assert mark.at
    first, last = mark.at.bounds
    return first or last, last or first, mark.positions
