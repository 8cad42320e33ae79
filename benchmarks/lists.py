"""Lists that are asked for by what states hold: a text, what is due, how many there are; beside a tenth of the entries."""

from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.clocks import COST, PAGE, Question, cost_of
from benchmarks.filled import generated, subjects
from benchmarks.measure import Bench, Figure, alternate, compare
from ledger.vocabulary.fact import Subject
from projections.basis import Asked
from projections.due.queries import due
from projections.listing import Filters
from projections.queries import Queries
from tests.generator import AREAS, PARTIES

WITHIN = 1 / 1.3
NOW = Asked()
STATUSES = {"agreement": "in_force", "meeting": "held", "milestone": "met", "initiative": "active"}


def run(bench: Bench) -> Iterator[Figure]:
    """The answers are as long at both sizes: full pages, or the one state that has the words."""
    sizes = bench.scale(10_000, 5_000), bench.scale(100_000, 10_000)
    asked: dict[str, list[Question]] = {
        "list by a word that most have": [_page("meeting", text=area.partition("_")[0]) for area in AREAS],
        "list by words that one has": [_page("agreement", text=f"Agreement {number}") for number in _agreements(bench, sizes[0])],
        "list of what is overdue": [_page("milestone", overdue=True)] * 10,
        "list sorted by what is due": [_page("milestone", sort="due")] * 10,
        "list by party": [_page("initiative", party=f"party:p{number}") for number in range(0, PARTIES, 6)],
        "what is due": [lambda reads: due(reads, NOW, None, None, PAGE)] * 10,
        "count of a kind": [_count(kind) for kind in STATUSES],
        "count by status": [_count(kind, status=status) for kind, status in STATUSES.items()],
        "timeline of a party": [_timeline(f"party:p{number}") for number in range(0, PARTIES, 6)],
    }  # fmt: skip
    contenders: dict[str, Callable[[], float]] = {
        f"{what} {size}": partial(cost_of, generated(bench, size), questions)
        for what, questions in asked.items()
        for size in sizes
    }
    bench.level()
    measured = alternate(contenders, bench.scale(5, 3))
    small, big = sizes
    for what in asked:
        name = f"{what} at {big:,} events, against {small:,}"
        yield compare(name, measured, f"{what} {big}", f"{what} {small}", COST, WITHIN, less=True)


def _agreements(bench: Bench, size: int) -> list[int]:
    """The last agreements of the smaller ledger. The larger one begins with the same events, and has no numbers of a digit more that
    begin with these: words are found by their beginnings.
    """
    found = [int(stream.rpartition("-")[2]) for stream, _ in subjects(bench, generated(bench, size), "'agreement'")]
    return sorted(found)[-10:]


def _page(kind: str, sort: str = "id", **filters: str | bool) -> Question:
    given = Filters(**filters)  # type: ignore[arg-type]
    return lambda reads: reads.page(kind, NOW, given, sort, None, PAGE)


def _count(kind: str, status: str | None = None) -> Question:
    def count(reads: Queries) -> object:
        return reads.count(kind, reads.basis(NOW), Filters(status=status))

    return count


def _timeline(party: str) -> Question:
    return lambda reads: reads.timeline(Subject(party), NOW, None, PAGE)
