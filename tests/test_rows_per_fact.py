"""How much a fact writes: as much in any order, however long its stream is."""

import random
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from ledger.database.connection import Connection
from ledger.service import Ledger
from ledger.writing.draft import read_body
from projections.registry import PROJECTIONS
from projections.runner import Follower, tables_of
from tests.conftest import CLERK
from tests.examples import INDUS_X, THX, event

Facts = list[dict[str, Any]]
NUMBER = 150
WORDS = "What is said of it at the length at which such things are mostly said, with a reason or two."
PARTIES = [
    event("party.registered", f"party:p{n}", sources=[], name=f"Party {n}", kind="state") for n in range(NUMBER // 3)
]


def day(number: int) -> str:
    return (date(2010, 1, 4) + timedelta(number)).isoformat()


def claims() -> Facts:
    return [
        event("initiative.claim_recorded", "initiative:indus-x", day(n), text=f"{n}: {WORDS}") for n in range(NUMBER)
    ]


def the_same() -> Facts:
    """Each is flagged, as another says the same."""
    return [event("initiative.claim_recorded", "initiative:indus-x", day(n), text=WORDS) for n in range(NUMBER)]


def commitments() -> Facts:
    told = {"strength": "pledge", "text": WORDS}
    return [
        event(
            "initiative.commitment_made",
            "initiative:indus-x",
            day(n),
            commitment=f"c{n}",
            due=day(n + 900),
            **told,
        )
        for n in range(NUMBER)
    ]


def statements() -> Facts:
    said = [{"act": f"said {n}", "about": f"party:p{n % len(PARTIES)}", "text": WORDS} for n in range(NUMBER)]
    return [event("meeting.statement_made", "meeting:m", day(n), **one) for n, one in enumerate(said)]


def signatures() -> Facts:
    """Each party signs, ratifies, and is bound."""
    of, found = "agreement:a", list[dict[str, Any]]()
    for n, party in enumerate(one["subject"] for one in PARTIES):
        found.append(event("agreement.signed", of, day(n), signatories=[{"party": party}]))
        found.append(event("agreement.consented", of, day(n + 200), party=party, method="ratification"))
        found.append(event("agreement.entered_into_force", of, day(n + 230), party=party))
    return found


@pytest.mark.parametrize("facts", [claims, the_same, commitments, statements, signatures])
@pytest.mark.parametrize("order", ["in order", "in none"])
def test_a_fact_writes_a_few_rows(
    facts: Callable[[], Facts], order: str, ledger: Ledger, follower: Follower, reader: Connection
) -> None:
    """What the projections keep of a long stream is a few times as many bytes as its entries have, in any order of recording."""
    # given
    of = [THX, INDUS_X, *PARTIES, event("meeting.held", "meeting:m", day(0), title="Summit")]
    record(ledger, follower, [*of, event("agreement.adopted", "agreement:a", day(0), title="Convention")])
    before = sizes(reader)
    # when
    told = facts()
    if order == "in none":
        random.Random(1).shuffle(told)
    record(ledger, follower, told)
    # then
    entries, rows = (now - was for now, was in zip(sizes(reader), before, strict=True))
    assert rows < 6.5 * entries, f"{rows / entries:.1f} times the entries"


def record(ledger: Ledger, follower: Follower, told: Facts) -> None:
    """A few at a time, as they come."""
    for start in range(0, len(told), 5):
        ledger.append(read_body({"events": told[start : start + 5]}), CLERK)
        while follower.step():
            pass


def sizes(reader: Connection) -> tuple[int, int]:
    """The bytes of the entries, and of all rows of the projections, without their indexes."""
    tables = ["entries", *(table.name for table in tables_of(PROJECTIONS))]
    found = [reader.execute(f"select coalesce(sum(pg_column_size(one.*)), 0) from {name} as one") for name in tables]
    entries, *rows = [int(one.fetchall()[0][0]) for one in found]
    return entries, sum(rows)
