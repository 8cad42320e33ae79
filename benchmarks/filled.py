"""Ledgers with something in them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from benchmarks.lines import line_of
from benchmarks.measure import Bench
from ledger.database.connection import LedgerLocation
from ledger.library_recorder import EntryRecorder
from ledger.log.entry import StoredLine
from ledger.writing.draft import read_draft
from projections.follow import catch_up
from tests.generator import Generator

CHUNK = 1_000
T = TypeVar("T")


def record(location: LedgerLocation, events: Iterable[dict[str, Any]]) -> None:
    """Record events in their order, without asking whether they may be: those of the generator all may."""
    with location.pool(1) as pool:
        recorder = EntryRecorder(location, pool)
        for chunk in chunks(_lines(events), CHUNK):
            recorder.insert_events(chunk)
        recorder.close()


def _lines(events: Iterable[dict[str, Any]]) -> Iterator[StoredLine]:
    versions: Counter[str] = Counter()
    for event in events:
        versions[event["subject"]] += 1
        yield line_of(read_draft(event), versions[event["subject"]])


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    waiting = iter(items)
    while chunk := list(islice(waiting, size)):
        yield chunk


def generated(bench: Bench, count: int) -> LedgerLocation:
    """A ledger of so many generated events, followed up to the last; made once for all who ask for it."""
    location = LedgerLocation(bench.server.location.dsn, f"bench_generated_{count}")
    if location.schema not in bench.kept:
        bench.new_ledger(location.schema)
        record(location, Generator().events(count))
        catch_up(location)
        bench.level()
        bench.kept.add(location.schema)
    return location


def subjects(bench: Bench, location: LedgerLocation, kinds: str) -> list[tuple[str, int]]:
    """Streams of these kinds, in an order by chance that is the same every time, with their first positions."""
    return [
        (str(stream), int(position))
        for stream, position in bench.owner(
            f"select stream, position from {location.schema}.entries "
            f"where version = 1 and split_part(stream, ':', 1) in ({kinds}) order by md5(stream)"
        )
    ]
