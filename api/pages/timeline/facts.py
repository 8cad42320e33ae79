"""From facts to marks: in which lane each goes, what it says, and how it looks. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, NamedTuple

from api.pages.timeline.axis import day_of, ordinal
from api.pages.timeline.course import WITH_BARS, merged, time_of, with_bars, with_delays, with_later, with_moves
from api.pages.timeline.given import Given, date_of, disputed, in_order, leads_to, related, titles_of
from api.pages.timeline.marks import SHAPES, Drawing, Mark
from api.pages.words import act_words, look
from ledger.vocabulary.registry import KINDS


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


def marks_of(
    whole: Mapping[str, Any], facts: Sequence[Mapping[str, Any]], *, today: date, valid_at: date, known_at: int
) -> Drawing:
    """The drawing of a whole state and of facts, both as the API shows them; the same fact may come twice.

    ``facts`` are items of its timeline, and as well of those of ``subjects_of`` it. Where they reach beyond ``valid_at``
    or ``known_at``, what lies beyond is drawn as such.
    """
    given = in_order(facts)
    titles = titles_of(whole, given)
    marks = [one for fact in given for one in _marks(fact, whole["subject"], titles)]
    marks = with_moves(merged(with_bars(marks, given), disputed(whole)))
    marks = with_delays(with_later(marks, known_at), _open(whole), ordinal(day_of(valid_at)))
    dated = sorted((one for one in marks if one.at), key=time_of)
    undated = tuple(one for one in marks if not one.at)
    title = titles.get(whole["subject"], whole["subject"])
    return Drawing(whole["subject"], title, whole["status"], tuple(dated), undated, today, valid_at, known_at)


def _marks(fact: Given, subject: str, titles: Mapping[str, str]) -> list[Mark]:
    """One for each date that the fact gives; one without a date where it gives none."""
    mark = _mark(fact, subject, titles)
    targets = TARGETS.get(fact.type, ())
    aims = [(one, at) for one in targets if (at := date_of(fact.data.get(one.field)))]
    own = [replace(mark, at=fact.own_date)] if fact.own_date and not any(one.instead for one, _ in aims) else []
    ahead = [replace(mark, at=at, word=one.word, **_aim(mark, one)) for one, at in aims]
    return own + ahead or [mark]


def _aim(mark: Mark, target: Target) -> dict[str, Any]:
    """How a date that lies ahead of its fact looks."""
    if target.instead:
        return {}
    return {"shape": SHAPES.get(mark.lane, ("disc", "open-diamond"))[1], "family": "planned"}


def _mark(fact: Given, subject: str, titles: Mapping[str, str]) -> Mark:
    lane, track = _lane(fact, subject)
    to = leads_to(fact)
    family = look(to).family
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


def _lane(fact: Given, subject: str) -> tuple[str, str]:
    """The lane of a fact, and whose marks it stands among there."""
    if commitment := fact.data.get("commitment"):
        return "commitments", f"{fact.subject}/{commitment}"
    if fact.kind == "source":
        return "sources", fact.subject
    if fact.kind == "party" or fact.data.get("party"):
        return "parties", fact.subject
    if fact.subject != subject or fact.kind not in WITH_BARS:
        return KINDS[fact.kind].plural, fact.subject
    return ("status" if leads_to(fact) else "other"), fact.subject


def _word(fact: Given) -> str:
    word = act_words(fact.type)
    occurred, effective = fact.data.get("occurred"), fact.data.get("effective")
    return f"{word}, effective" if occurred and effective and occurred != effective else word


def _title(fact: Given, subject: str, titles: Mapping[str, str]) -> str:
    """What the fact is about, beside the subject of the picture."""
    of = "" if fact.subject == subject and fact.kind in WITH_BARS else titles.get(fact.subject, _slug(fact.subject))
    about = [fact.data[name] for name in ("party", "commitment") if fact.data.get(name)]
    return ", ".join([*(titles.get(one, _slug(one)) for one in about), of]).removesuffix(", ")


def _slug(subject: str) -> str:
    return subject.partition(":")[2] or subject


def _shape(lane: str, family: str) -> str:
    if family == "ended":
        return "cross"
    if lane in SHAPES and family in ("done", "planned", "paused"):
        return SHAPES[lane][family != "done"]
    return "square" if family == "done" else "tick"


def _open(whole: Mapping[str, Any]) -> frozenset[str]:
    """The tracks of milestones that are still to be met, and of commitments that are still to be kept."""
    states = (whole, *related(whole))
    made = [(state["subject"], one) for state in states for one in state.get("commitments") or ()]
    kept = {f"{subject}/{one['commitment']}" for subject, one in made if one["status"] in ("made", "revised")}
    return frozenset({one["subject"] for one in states if one["status"] == "scheduled"} | kept)
