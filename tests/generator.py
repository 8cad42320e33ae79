"""Realistic histories in any number, the same ones every time: ``python -m tests.generator 10000 > events.ndjson``.

Initiatives, agreements with their parties, meetings and milestones, told by a hundred sources; each stream goes
through its own life, and the streams are recorded interleaved, as they would be. With ``treaties`` after the number:
agreements that nearly every state of the world signs, consents to and sees enter into force, each by itself; every second
one is recorded in the order of the days, the others in none.
"""

import json
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import chain, islice
from itertools import count as counter
from operator import itemgetter
from random import Random
from typing import Any
from uuid import UUID

SEED = 20_240_925
PARTIES = 60
STATES = 190
SOURCES = 100
OPEN_STREAMS = 200
COUNTRIES = [
    "IN",
    "US",
    "FR",
    "JP",
    "AU",
    "GB",
    "DE",
    "KR",
    "SG",
    "VN",
    "PH",
    "ID",
    "BR",
    "ZA",
    "KE",
    "EG",
    "IT",
    "ES",
    "NL",
    "PL",
]
AREAS = [
    "exercises",
    "space",
    "munitions",
    "jet_engines",
    "logistics",
    "cyber",
    "maritime_security",
    "information_sharing",
]
INITIATIVE_KINDS = ["co_production", "co_development", "exercise_series", "dialogue", "research", "workstream"]
INSTRUMENTS = ["agreement", "memorandum_of_understanding", "arrangement", "protocol", "exchange_of_notes"]
MEETING_KINDS = ["bilateral", "ministerial", "working_group", "senior_official", "conference"]
MILESTONE_TYPES = ["approval", "delivery", "signature", "first_production", "technology_transfer"]

Event = dict[str, Any]


class Generator:
    """Makes one event after another; everything it needs to know is in the random numbers of its seed."""

    def __init__(self, seed: int = SEED) -> None:
        self.random = Random(seed)
        self.streams = 0
        self.initiatives: list[str] = []

    def events(self, count: int) -> Iterator[Event]:
        """``count`` events: first who takes part and who tells of it, then what happens."""
        return islice(chain(self._sources(), self._parties(PARTIES), self._lives()), count)

    def treaties(self, count: int) -> Iterator[Event]:
        """``count`` events of agreements with ``STATES`` parties, one agreement after the other."""
        lives = chain.from_iterable(map(self._treaty, counter(1)))
        return islice(chain(self._sources(), self._parties(STATES), lives), count)

    def _lives(self) -> Iterator[Event]:
        lives: list[Iterator[Event]] = []
        while True:
            while len(lives) < OPEN_STREAMS:
                lives.append(self._life())
            life = self.random.choice(lives)
            try:
                yield next(life)
            except StopIteration:
                lives.remove(life)

    def _event(self, type_: str, subject: str, occurred: str | None = None, **data: Any) -> Event:
        source = f"source:report-{self.random.randrange(SOURCES):03}"
        body: Event = {"id": str(UUID(int=self.random.getrandbits(128), version=4)), "type": type_, "subject": subject}
        if occurred:
            body["occurred"] = occurred
        if not type_.endswith(".registered") or type_.startswith("agreement"):
            body["sources"] = [{"source": source, "locator": f"paragraph {self.random.randint(1, 30)}"}]
        return {**body, "data": data}

    def _sources(self) -> Iterator[Event]:
        for number in range(SOURCES):
            yield self._event(
                "source.registered", f"source:report-{number:03}",
                title=f"Report {number}", kind=self.random.choice(["news_article", "press_release", "gazette"]),
                url=f"https://example.org/reports/{number}", publisher=f"Publisher {number % 17}", language="en",
            )  # fmt: skip

    def _parties(self, count: int) -> Iterator[Event]:
        for number in range(count):
            country = COUNTRIES[number % len(COUNTRIES)]
            kind = "state" if number < len(COUNTRIES) else self.random.choice(["government_body", "company"])
            yield self._event(
                "party.registered", f"party:p{number}", name=f"Party {number}", kind=kind, country=country
            )

    def _life(self) -> Iterator[Event]:
        self.streams += 1
        lives = (self._initiative, self._agreement, self._agreement, self._meeting, self._meeting, self._milestone)
        return self.random.choice(lives)(self.streams)

    def _parties_of(self, number: int) -> list[str]:
        return [f"party:p{one}" for one in self.random.sample(range(PARTIES), number)]

    def _some_initiatives(self) -> list[str]:
        return [self.random.choice(self.initiatives)] if self.initiatives and self.random.random() < 0.8 else []

    def _days(self) -> Iterator[str]:
        """Days going on from some day of the last forty years, as precise as a report would tell."""
        day = date(1985, 1, 1) + timedelta(days=self.random.randrange(13_000))
        while True:
            text = day.isoformat()
            yield self.random.choice([text] * 8 + [text[:7], text[:4]])
            day += timedelta(days=self.random.randint(40, 400))

    def _text(self, words: int) -> str:
        return " ".join(self.random.choice(AREAS).replace("_", " ") for _ in range(words))

    def _initiative(self, number: int) -> Iterator[Event]:
        subject, days = f"initiative:programme-{number}", self._days()
        parties = [{"party": party, "role": "participant"} for party in self._parties_of(2)]
        kind, areas = self.random.choice(INITIATIVE_KINDS), self.random.sample(AREAS, 2)
        told = {"name": f"Programme {number}", "kind": kind, "areas": areas, "parties": parties}
        self.initiatives.append(subject)
        yield self._event("initiative.reported", subject, next(days), **told, objective=self._text(8))
        yield self._event("initiative.launched", subject, next(days), **told)
        yield self._event("initiative.objective_stated", subject, text=self._text(12))
        yield self._event("initiative.party_joined", subject, next(days), party=self._parties_of(1)[0], role="supplier")
        yield self._event(
            "initiative.commitment_made", subject, next(days), commitment="first", strength="firm",
            amount=str(self.random.randint(1, 900) * 10**6), currency="USD", due="2030",
        )  # fmt: skip
        for _ in range(self.random.randint(2, 8)):
            yield self._event("initiative.claim_recorded", subject, next(days), text=self._text(20))
        yield self._event("initiative.suspended", subject, next(days), reason=self._text(4))
        yield self._event("initiative.resumed", subject, next(days))
        yield self._event("initiative.closed", subject, next(days), reason=self._text(4))

    def _agreement(self, number: int) -> Iterator[Event]:
        subject, days = f"agreement:treaty-{number}", self._days()
        parties = self._parties_of(self.random.randint(2, 6))
        told = {"title": f"Agreement {number}", "instrument_type": self.random.choice(INSTRUMENTS)}
        yield self._event(
            "agreement.negotiation_opened", subject, next(days), **told, initiatives=self._some_initiatives()
        )
        signatories = [{"party": party, "office": "Minister of Defence"} for party in parties]
        yield self._event("agreement.signed", subject, next(days), signatories=signatories, places=["Geneva"])
        for party in parties:
            yield self._event("agreement.consented", subject, next(days), party=party, method="ratification")
        yield self._event("agreement.entered_into_force", subject, next(days))
        for party in parties[2:]:
            yield self._event("agreement.entered_into_force", subject, next(days), party=party)
        yield self._event("agreement.registered", subject, next(days), registry="Treaty Series", number=str(number))
        yield self._event("agreement.amended", subject, next(days), text=self._text(10))
        yield self._event("agreement.terminated", subject, next(days), ground="consent")

    def _treaty(self, number: int) -> Iterator[Event]:
        """Three facts of each party, apart from the whole: in the order of their days, or as they were found."""
        subject = f"agreement:convention-{number}"
        told = {"title": f"Convention {number}", "instrument_type": "convention"}
        facts = [(day, fact) for party in range(STATES) for day, fact in self._part(subject, f"party:p{party}")]
        if number % 2:
            facts.sort(key=itemgetter(0))
        else:
            self.random.shuffle(facts)
        yield self._event("agreement.signed", subject, "1985-01-01", **told, signatories=[{"party": "party:p0"}])
        yield from (fact for _, fact in facts)

    def _part(self, subject: str, party: str) -> Iterator[tuple[str, Event]]:
        days = self._days()
        day = next(days)
        yield day, self._event("agreement.signed", subject, day, signatories=[{"party": party}])
        for type_, more in (("consented", {"method": "ratification"}), ("entered_into_force", {})):
            day = next(days)
            yield day, self._event(f"agreement.{type_}", subject, day, party=party, **more)

    def _meeting(self, number: int) -> Iterator[Event]:
        subject, days = f"meeting:m-{number}", self._days()
        start = next(days)
        told = {"title": f"Meeting {number}", "kind": self.random.choice(MEETING_KINDS), "place": "Geneva"}
        yield self._event("meeting.scheduled", subject, start, **told, start=start, organisers=self._parties_of(1))
        parties = [{"party": party, "office": "Secretary of Defence"} for party in self._parties_of(3)]
        yield self._event(
            "meeting.held", subject, next(days), **told, participants=parties, initiatives=self._some_initiatives()
        )
        for _ in range(self.random.randint(1, 5)):
            yield self._event("meeting.topic_discussed", subject, topic=self.random.choice(AREAS), verb="discussed")
        yield self._event("meeting.described", subject, description=self._text(15))

    def _milestone(self, number: int) -> Iterator[Event]:
        subject, days = f"milestone:step-{number}", self._days()
        told = {
            "title": f"Milestone {number}",
            "type": self.random.choice(MILESTONE_TYPES),
            "of": self._some_initiatives(),
        }
        yield self._event("milestone.reported", subject, next(days), **told)
        yield self._event("milestone.scheduled", subject, next(days), due=next(days))
        yield self._event("milestone.rescheduled", subject, next(days), due=next(days), reason=self._text(5))
        yield self._event("milestone.partially_met", subject, next(days), share=0.5)
        yield self._event("milestone.met", subject, next(days))


def main() -> None:
    generator, count = Generator(), int(sys.argv[1])
    for event in generator.treaties(count) if "treaties" in sys.argv else generator.events(count):
        sys.stdout.write(json.dumps(event) + "\n")


if __name__ == "__main__":
    main()
