"""The past at the speed of the present: any state at any day and position, lists likewise, and one great agreement."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from random import Random
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.filled import generated, record, subjects
from benchmarks.measure import Bench, Figure, alternate, compare
from benchmarks.service import CLERK
from benchmarks.web import STATUSES, past_bases
from ledger.database.connection import LedgerLocation
from ledger.service import Ledger
from ledger.vocabulary.fact import Subject
from ledger.writing.draft import read_draft
from projections.basis import Asked
from projections.follow import catch_up
from projections.listing import Filters
from projections.queries import Queries
from projections.runner import Follower

KINDS = "'initiative', 'agreement', 'meeting', 'milestone'"
COST = "microseconds, less is better"
PAGE = 20
PARTIES = 200
FACTS = 2_000
FOLLOWED_MS = 10

Question = Callable[[Queries], object]


def run(bench: Bench) -> Iterator[Figure]:
    sizes = bench.scale(10_000, 5_000), bench.scale(100_000, 10_000)
    contenders: dict[str, Callable[[], float]] = {}
    statuses = _full_pages(generated(bench, sizes[0]))
    for size in sizes:
        location = generated(bench, size)
        for what, questions in _questions(bench, location, statuses).items():
            contenders[f"{what} {size}"] = partial(cost_of, location, questions)
    bench.level()
    measured = alternate(contenders, bench.scale(7, 3))
    small, big = sizes
    for what, within in (("state", 1.5), ("list page", 2)):
        name = f"{what} at a past day and position, {big:,} events, against the current one"
        yield compare(name, measured, f"past {what} {big}", f"{what} {big}", COST, 1 / within, less=True)
    for what in ("state", "past state", "list page", "past list page"):
        name = f"{what} at {big:,} events, against {small:,}"
        yield compare(name, measured, f"{what} {big}", f"{what} {small}", COST, 1 / 1.3, less=True)
    yield from _great_agreement(bench)


def cost_of(location: LedgerLocation, questions: Sequence[Question]) -> float:
    """Microseconds a question."""
    with location.pool(1) as pool:
        reads = Queries(pool)
        for question in questions[:20]:
            question(reads)
        started = perf_counter()
        for question in questions:
            question(reads)
        return (perf_counter() - started) / len(questions) * 1e6


def _questions(bench: Bench, location: LedgerLocation, statuses: list[tuple[str, str]]) -> dict[str, list[Question]]:
    some = subjects(bench, location, KINDS)[: bench.scale(1_000, 300)]
    with location.pool(1) as pool:
        past = list(past_bases(bench, location, Queries(pool), some))
    pages = list(islice(cycle(statuses), bench.scale(200, 60)))
    random, size = Random(1), int(bench.owner(f"select size from {location.schema}.head")[0][0])
    positions = [random.randint(size * 3 // 4, size) for _ in pages]
    return {
        "state": [_whole(subject, Asked()) for subject, _ in past],
        "past state": [_whole(subject, asked) for subject, asked in past],
        "list page": [_page(kind, status, Asked()) for kind, status in pages],
        "past list page": [_page(kind, status, Asked(at)) for (kind, status), at in zip(pages, positions, strict=True)],
    }


def _full_pages(location: LedgerLocation) -> list[tuple[str, str]]:
    """Kinds and statuses of which the smallest ledger has a full page: so every page asked for is as long."""
    with location.pool(1) as pool:
        return [
            (kind, status)
            for kind, statuses in STATUSES.items()
            for status in statuses
            if len(Queries(pool).page(kind, Asked(), Filters(status=status), "id", None, PAGE)[0]) == PAGE
        ]


def _whole(subject: str, asked: Asked) -> Question:
    return lambda reads: reads.whole(Subject(subject), asked)


def _page(kind: str, status: str, asked: Asked) -> Question:
    return lambda reads: reads.page(kind, asked, Filters(status=status), "id", None, PAGE)


# --- one agreement with many parties and facts


def _great_agreement(bench: Bench) -> Iterator[Figure]:
    location, facts = bench.new_ledger("bench_great"), list(_facts())
    record(location, [*_world(), *facts])
    catch_up(location)
    bench.level()
    name = f"one agreement with {PARTIES} parties and {FACTS:,} facts"
    took = _follow_times(location, bench.scale(50, 15))
    ratio = FOLLOWED_MS / median(took)
    title = f"{name}: following one more fact, against {FOLLOWED_MS} ms"
    yield Figure(title, median(took), FOLLOWED_MS, ratio, 1.0, "ms, less is better", len(took))
    rows = sum(_row_bytes(bench, location, table) for table in ("states", "timeline"))
    entries = bench.owner(
        f"select sum(octet_length(body::text))::float8 from {location.schema}.entries where stream = '{GREAT}'"
    )[0][0]
    yield Figure(
        f"{name}: bytes of its rows, against bytes of its entries", rows, entries, entries / rows, 1 / 4,
        "bytes, less is better", 1,
    )  # fmt: skip


GREAT = "agreement:great"


def _event(type_: str, subject: str, day: int = 0, **data: Any) -> dict[str, Any]:
    occurred = {"occurred": f"{1980 + day // 336}-{day // 28 % 12 + 1:02}-{day % 28 + 1:02}"} if day else {}
    sources = [{"source": "source:register", "locator": f"paragraph {day}"}]
    return {"type": type_, "subject": subject, "sources": sources, "data": data, **occurred}


def _world() -> Iterator[dict[str, Any]]:
    told = {"title": "The register", "kind": "gazette"}
    yield {"type": "source.registered", "subject": "source:register", "data": told}
    for number in range(PARTIES):
        told = {"name": f"Party {number}", "kind": "state"}
        yield {"type": "party.registered", "subject": f"party:p{number}", "data": told}


def _facts() -> Iterator[dict[str, Any]]:
    parties = [f"party:p{number}" for number in range(PARTIES)]
    yield _event("agreement.negotiation_opened", GREAT, 1, title="The great one", instrument_type="agreement")
    for start in range(0, PARTIES, 50):
        yield _event("agreement.signed", GREAT, 2, signatories=[{"party": one} for one in parties[start : start + 50]])
    for day, party in enumerate(parties, 10):
        yield _event("agreement.consented", GREAT, day, party=party, method="ratification")
    for day, party in enumerate(parties, 300):
        yield _event("agreement.entered_into_force", GREAT, day, party=party)
    for number in range(FACTS - 2 * PARTIES - 1 - PARTIES // 50):
        yield declared(number)


def declared(number: int) -> dict[str, Any]:
    text = f"Article {number % 40} is understood as it is in the commentary of the depositary"
    return _event("agreement.declared", GREAT, 600 + number, party=f"party:p{number % PARTIES}", text=text)


def _follow_times(location: LedgerLocation, count: int) -> list[float]:
    """Milliseconds that a follower takes for one more entry."""
    took: list[float] = []
    with location.connect() as connection, location.pool(1) as pool, Ledger(location, pool) as ledger:
        follower = Follower(connection)
        for number in range(count + 1):
            ledger.append([read_draft(declared(FACTS + number))], CLERK)
            started = perf_counter()
            follower.step()
            took.append((perf_counter() - started) * 1000)
    return took[1:]  # the first had the whole stream to read


def _row_bytes(bench: Bench, location: LedgerLocation, table: str) -> float:
    """What the agreement's rows hold, as they are stored."""
    named = bench.owner(
        "select column_name from information_schema.columns "
        f"where table_schema = '{location.projections}' and table_name = '{table}'"
    )
    summed = " + ".join(f"coalesce(pg_column_size({name}), 0)" for (name,) in named)
    return float(
        bench.owner(f"select sum({summed})::float8 from {location.projections}.{table} where subject = '{GREAT}'")[0][0]
    )
