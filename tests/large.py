"""A ledger in which single subjects are large: a party in a thousand acts, a meeting with two thousand statements, and the like."""

from collections.abc import Iterator
from datetime import date, timedelta

from tests.examples import THX, USA, event
from tests.generator import Event

ACTS, STATEMENTS, MILESTONES, PARTIES = 1_000, 2_000, 3_000, 190
FIRST = date(2010, 1, 4)
DOC = event("source.registered", "source:doc", sources=[], title="A paper", kind="report", published="2009-05")
LARGE = ("/parties/usa", "/meetings/summit", "/initiatives/programme", "/agreements/convention", "/sources/thx")


def large() -> Iterator[Event]:
    """Sources, parties, and what is large; each fact on a day of its own."""
    yield from (THX, DOC, USA)
    yield from (
        event("party.registered", f"party:p{n}", sources=[], name=f"Party {n}", kind="state") for n in range(PARTIES)
    )
    yield from _party()
    yield from _meeting()
    yield from _initiative()
    yield from _agreement()


def _day(number: int) -> str:
    return (FIRST + timedelta(number)).isoformat()


def _party() -> Iterator[Event]:
    """The United States sign one agreement after another."""
    for n in range(ACTS):
        told = {"title": f"Agreement number {n}", "instrument_type": "arrangement"}
        yield event("agreement.signed", f"agreement:a{n}", _day(n), signatories=[{"party": "party:usa"}], **told)


def _meeting() -> Iterator[Event]:
    yield event("meeting.held", "meeting:summit", _day(0), title="Summit", kind="summit")
    for n in range(STATEMENTS):
        yield event(
            "meeting.statement_made", "meeting:summit", _day(n), act=f"statement {n}", about=f"party:p{n % PARTIES}"
        )


def _initiative() -> Iterator[Event]:
    yield event("initiative.launched", "initiative:programme", _day(0), name="Programme", kind="ecosystem")
    for n in range(MILESTONES):
        told = {"title": f"Milestone number {n}", "type": "delivery", "of": ["initiative:programme"]}
        yield event("milestone.scheduled", f"milestone:m{n}", _day(n), due=_day(n + 400), **told)


def _agreement() -> Iterator[Event]:
    """Every party signs and ratifies it; of when they did, two sources differ."""
    of = "agreement:convention"
    parties = [f"party:p{n}" for n in range(PARTIES)]
    yield event("agreement.adopted", of, _day(0), title="Convention", instrument_type="treaty", parties=parties)
    for n, party in enumerate(parties):
        told = {"party": party, "method": "ratification"}
        yield event("agreement.signed", of, _day(n + 1), signatories=[{"party": party}])
        yield event("agreement.consented", of, _day(n + 300), **told)
        yield event("agreement.consented", of, _day(n + 301), sources=[{"source": "source:doc"}], **told)
