"""Plans that flip: what a question costs on a connection that has asked it a hundred times, against the first few times.

From the tenth time on the server may plan for no values in particular, and keep that plan for as long as the connection lasts.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import cycle, islice
from statistics import median
from time import perf_counter

from benchmarks.clocks import COST, PAGE, Question
from benchmarks.filled import generated, subjects
from benchmarks.measure import Bench, Figure, Measured, compare
from ledger.database.connection import LedgerLocation
from ledger.vocabulary.fact import Subject
from projections.basis import Asked
from projections.feed import Chosen, Wanted
from projections.listing import Filters
from projections.queries import Queries
from tests.generator import PARTIES

FEW, MANY = 9, 100
KEEPS = 1 / 1.3
FIRST, LATER = "first", "later"
TYPES = {"agreement": "agreement.consented", "meeting": "meeting.held", "milestone": "milestone.met"}


def run(bench: Bench) -> Iterator[Figure]:
    count = bench.scale(100_000, 10_000)
    location = generated(bench, count)
    chosen = [subject for subject, _ in subjects(bench, location, "'agreement', 'meeting', 'milestone'")][:MANY]
    for what, ask in QUESTIONS.items():
        questions = list(islice(cycle(map(ask, chosen)), 2 * MANY))
        measured = Measured({FIRST: [], LATER: []})
        for _ in range(bench.scale(5, 3)):
            _ask(location, questions, measured)
        title = f"{what} at {count:,} events after {MANY} times on a connection, against the first {FEW}"
        yield compare(title, measured, LATER, FIRST, COST, KEEPS, less=True)


def _ask(location: LedgerLocation, questions: list[Question], measured: Measured) -> None:
    """Microseconds a question, the median, on a connection of its own."""
    took: list[float] = []
    with location.pool(1) as pool:
        reads = Queries(pool)
        reads.basis(Asked())  # the connection is there
        for question in questions:
            started = perf_counter()
            question(reads)
            took.append((perf_counter() - started) * 1e6)
    measured.runs[FIRST].append(median(took[1:FEW]))
    measured.runs[LATER].append(median(took[MANY:]))


def _log(**wanted: str) -> Question:
    chosen = Chosen(wanted=Wanted(**{name: (value,) for name, value in wanted.items()}))
    return lambda reads: reads.log(Asked(), chosen, PAGE)


def _list(**filters: str) -> Question:
    given = Filters(**filters)  # type: ignore[arg-type]
    return lambda reads: reads.page("meeting", Asked(), given, "id", None, PAGE)


def _party(subject: str) -> str:
    return f"party:p{sum(map(ord, subject)) % PARTIES}"


QUESTIONS: dict[str, Callable[[str], Question]] = {
    "the log of a subject": lambda subject: _log(subjects=subject),
    "the log of a kind": lambda subject: _log(kinds=subject.partition(":")[0]),
    "the log of a type": lambda subject: _log(types=TYPES[subject.partition(":")[0]]),
    "a state": lambda subject: lambda reads: reads.whole(Subject(subject), Asked()),
    "a state as known now, by the time": lambda subject: (
        lambda reads: reads.whole(Subject(subject), Asked(datetime.now(UTC)))
    ),
    "history of a subject": lambda subject: lambda reads: reads.history(Subject(subject), Asked()),
    "timeline of a party": lambda subject: lambda reads: reads.timeline(Subject(_party(subject)), Asked(), None, PAGE),
    "list by status": lambda subject: _list(status="held"),
    "list by party": lambda subject: _list(party=_party(subject)),
    "list by text": lambda subject: _list(text=f"Meeting {subject.rpartition('-')[2]}"),
    "entry by its position": lambda subject: lambda reads: reads.event(sum(map(ord, subject)), Asked()),
}
