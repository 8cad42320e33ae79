"""What a timeline is made of: a whole state and facts, as the API shows both. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import chain
from typing import Any, NamedTuple

from api.pages.timeline.words import Told, plain, told
from ledger.log.commitments import unseal
from ledger.recorded import Recorded
from ledger.vocabulary.edtf import Day
from ledger.vocabulary.fact import STORED
from ledger.vocabulary.registry import FACTS, KINDS


class Given(NamedTuple):
    """A fact as the timeline of the API has it; a replacement stands for itself."""

    type: str
    subject: str
    data: Mapping[str, Any]
    position: int
    id: str
    day: str
    recorded_on: date
    dataschema: str
    unverified: bool

    @property
    def kind(self) -> str:
        return self.type.partition(".")[0]

    @property
    def short_type(self) -> str:
        return self.type.partition(".")[2]

    @property
    def own_date(self) -> Told | None:
        return date_of(self.data.get("effective")) or date_of(self.data.get("occurred"))

    @property
    def recorded(self) -> Recorded:
        """As the ledger folds it. One without a date counts from the day that its item has."""
        sort = FACTS[self.type]
        data = sort.as_current(unseal(self.data, self.id), self.dataschema)
        day = self.recorded_on if self.own_date or not self.day else date.fromisoformat(self.day)
        return Recorded(self.position, self.id, day, sort.model_validate(data, context=STORED))


def in_order(facts: Iterable[Mapping[str, Any]]) -> list[Given]:
    """Each once, in the order in which they count."""
    by_position = {one.position: one for one in map(_given, facts)}
    return sorted(by_position.values(), key=_order)


def _order(fact: Given) -> tuple[str, Day, int, int]:
    """The ledger's own: by day (where that is the calendar's first, by the real one), lifecycle, recording."""
    own = fact.own_date.bounds.latest if fact.own_date else None
    before_year_1 = own if own and own[0] < 1 else (1, 1, 1)
    return fact.day or date.min.isoformat(), before_year_1, KINDS[fact.kind].ranks[FACTS[fact.type]], fact.position


def _given(item: Mapping[str, Any]) -> Given:
    event = item["event"]
    type_, data, dataschema = event["type"], event["data"], event["dataschema"]
    if replacement := data.get("replacement"):
        type_ = replacement["type"]
        dataschema = replacement.get("dataschema") or next(iter(FACTS[type_].schemas))
        beside = {name: value for name, value in replacement.items() if name not in ("type", "data", "dataschema")}
        data = {**beside, **replacement["data"]}
    return Given(
        type=type_,
        subject=event["subject"],
        data=data,
        position=int(event["sequence"]),
        id=event["id"],
        day=item["day"] or "",
        recorded_on=date.fromisoformat(event["recordedtime"][:10]),
        dataschema=dataschema,
        unverified=item["unverified"],
    )


def leads_to(fact: Given) -> str:
    """The status that the fact leads to by itself, "" where it leads to none."""
    if fact.type.startswith("initiative.commitment_"):
        return fact.short_type.removeprefix("commitment_")
    kind, sort = KINDS[fact.kind], FACTS[fact.type]
    if fact.data.get("party"):
        return ""
    rule = kind.lifecycle.get(sort)
    return rule.to if rule else kind.statuses[0] if sort.opens else ""


def date_of(text: str | None) -> Told | None:
    """None where there is no date, or one that says nothing."""
    found = told(text) if text else None
    return found if found and (found.bounds.earliest or found.bounds.latest) else None


def related(whole: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The states that belong to it, beside which there are fields that are no states."""
    for plural in (*(kind.plural for kind in KINDS.values()), "participation"):
        those = whole.get(plural) or ()
        yield from (one for one in those if isinstance(one, Mapping) and "status" in one)


def subjects_of(whole: Mapping[str, Any]) -> list[str]:
    """The subject and all that belongs to it, its sources too: whose own facts a full drawing is made of."""
    belonging = [one["subject"] for one in related(whole) if "subject" in one]
    return list(dict.fromkeys([whole["subject"], *belonging, *whole.get("sources", ())]))


def titles_of(whole: Mapping[str, Any], given: Sequence[Given]) -> dict[str, str]:
    """What each subject is called: as its state says, else as its facts do."""
    told = [(one.subject, one.data) for one in given]
    states = [(one["subject"], one) for one in related(whole) if "subject" in one]
    titles: dict[str, str] = {}
    for subject, fields in chain([(whole["subject"], whole)], states, told):
        if called := next(
            (fields[name] for name in ("short_name", "title", "name", "description") if fields.get(name)), None
        ):
            titles.setdefault(subject, plain(called))
    return titles


def disputed(whole: Mapping[str, Any]) -> frozenset[int]:
    """The entries between which a state has a conflict, and those that somebody disputes."""
    found = set[int]()
    for state in (whole, *related(whole)):
        found.update(state.get("disputes", ()))
        found.update(one["position"] for told in state.get("alternatives", {}).values() for one in told)
    return frozenset(found)
