"""What long streams cost: as much for each fact as short ones, in steps of work that are counted, never in time."""

import sys
from collections.abc import Callable, Iterator
from datetime import date
from types import FrameType
from typing import Any

import pytest

from ledger.fold import History
from ledger.recorded import Recorded
from ledger.writing.admission import admit
from ledger.writing.decision import Decider, DecisionContext, Given, Request
from ledger.writing.draft import Draft, read_draft
from tests.conftest import CLERK
from tests.minimal import ADDRESS, FULL, SALT

LISTED = (
    "initiative.claim_recorded", "initiative.objective_stated", "agreement.amended", "agreement.registered", "agreement.reserved",
    "meeting.topic_discussed", "meeting.statement_made", "meeting.outcome_recorded", "meeting.described",
)  # fmt: skip
"""Types of facts of which a stream has many."""


def worked(work: Callable[[], object]) -> int:
    """How many instructions of Python it takes."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def of_one_day(type_: str, number: int, *, differ: bool) -> Iterator[Recorded]:
    """Facts of one type and day, by a few sources; each says something else, or all say the same."""
    for n in range(1, number + 1):
        text = {"text": f"Words {n}"} if differ and "text" in FULL[type_]["data"] else {}
        told = {"type": type_, "subject": FULL[type_]["subject"], "occurred": "2024-01-05"}
        draft = read_draft(told | {"sources": [{"source": f"source:s{n % 7}"}], "data": FULL[type_]["data"] | text})
        yield Recorded(n, f"id-{n}", date(2026, 1, 1), draft.fact)


def history(type_: str, entries: list[Recorded]) -> History:
    found = History.of(FULL[type_]["subject"])
    for one in entries:
        found.record(one, {})
    return found


@pytest.mark.parametrize("differ", [True, False])
@pytest.mark.parametrize("type_", LISTED)
def test_a_fact_of_a_long_day_costs_what_one_of_a_short_day_does(type_: str, differ: bool) -> None:
    """What n facts of one type and day cost to fold, to load, and one more of them to admit, does not grow with n for each."""
    short, long = list(of_one_day(type_, 40, differ=differ)), list(of_one_day(type_, 160, differ=differ))
    subject = read_draft(FULL[type_]).subject
    works: list[Callable[[list[Recorded]], Callable[[], object]]] = [
        lambda those: lambda: history(type_, those),
        lambda those: lambda: History.of(subject).load(those, {}),
    ]
    for work in works:
        assert worked(work(long)) < 5 * worked(work(short))
    before = [history(type_, those[:-1]) for those in (short, long)]
    more = [
        worked(lambda one=one, last=those[-1]: one.copy().record(last, {}))  # type: ignore[misc]
        for one, those in zip(before, (short, long), strict=True)
    ]
    assert more[1] < 1.25 * more[0]


def test_admitting_one_more_looks_at_no_others() -> None:
    """A fact that says what none says is admitted to a long stream for about as much as to a short one."""
    type_, costs = "meeting.statement_made", []
    for number in (40, 160):
        entries = [*of_one_day("meeting.held", 1, differ=False)]
        entries += [one._replace(position=one.position + 1) for one in of_one_day(type_, number, differ=True)]
        *before, last = entries
        kept = history(type_, before)
        costs.append(worked(lambda kept=kept, last=last: admit(kept, last, {}, read_draft(FULL[type_]).subject)))  # type: ignore[misc]
    assert costs[1] < 2 * costs[0]


def test_a_request_copies_a_stream_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long stream many events at once cost no copy each: what is to be put back if one is refused is kept once a request."""
    copies, copy = list[int](), History.copy

    def counted(history: History) -> History:
        copies.append(history.version)
        return copy(history)

    monkeypatch.setattr(History, "copy", counted)
    told = [*of_one_day("meeting.held", 1, differ=False), *of_one_day("meeting.statement_made", 40, differ=True)]
    subject = read_draft(FULL["meeting.held"]).subject
    drafts = [Given(f"id-{n}", Draft(None, subject, one.fact), sought=False) for n, one in enumerate(told)]
    before = History.of(subject)
    context = DecisionContext(date(2026, 1, 1), {subject: before}, {subject: None})
    decided = Decider("/ledgers/test", ADDRESS, lambda: SALT).decide(context, Request(drafts, CLERK), 1)
    assert len(decided) == context.histories[subject].version == 41
    assert copies == [0]
    assert before.version == 0
