"""The output of `ledger replay`: each entry with what it changed, as text on a terminal, else as one JSON object a line."""

from collections.abc import Iterator
from time import sleep

from pydantic_core import to_json

from api.cli.terminal import out, tell, write
from ledger.log.entry import Entry, read_line
from ledger.process import undisturbed
from ledger.recorded import Recorded
from ledger.vocabulary.fact import Subject
from ledger.writing.decision_cache import read_openings
from projections.basis import Asked
from projections.feed import ALL, Chosen, Wanted
from projections.people import with_names
from projections.queries import Queries
from projections.replay import Replayed, story

LOG_BATCH = 5_000
BRIEF = 100


def show_entries(reads: Queries, asked: Asked, only: Subject | None, begin: int, speed: float) -> bool:
    """Show the entries from a position on; returns whether there was one."""
    is_shown = False
    for replayed in _replay(reads, asked, only):
        if (replayed.entry.position or 0) >= begin:
            is_shown = True
            _show(replayed, reads)
            sleep(1 / speed if speed else 0)
    return is_shown


def _replay(reads: Queries, asked: Asked, only: Subject | None) -> Iterator[Replayed]:
    """The entries of the log with their changes; or those of one stream, with the openings of the streams it mentions."""
    entries = (_read(line) for _, line in _log(reads, asked, 0, only))
    if only is None:
        return story(entries)
    alone = list(entries)
    with reads.connection() as connection:
        mentioned = {subject for _, recorded in alone for subject in recorded.fact.mentions}
        return story(alone, read_openings(connection, mentioned))


@undisturbed()
def _read(line: str) -> tuple[Entry, Recorded]:
    entry = read_line(line)
    return entry, entry.recorded()


def _log(reads: Queries, asked: Asked, after: int, subject: Subject | None = None) -> Iterator[tuple[int, str]]:
    """Position and line of the entries after a position, read a batch at a time."""
    wanted = Wanted(subjects=(subject,)) if subject else ALL
    while entries := reads.log(asked, Chosen(after, wanted=wanted), LOG_BATCH)[0]:
        yield from entries
        after = entries[-1][0]


def _show(replayed: Replayed, reads: Queries) -> None:
    entry = replayed.entry
    head = (
        f"{entry.position} {entry.recorded_at:%Y-%m-%dT%H:%M:%SZ} {entry.type} {entry.originator_id} by {entry.authid}"
    )
    if not out.is_terminal:
        shown = {"position": entry.position, "type": entry.type, "subject": entry.originator_id, "authid": entry.authid}
        told = shown | {"recordedtime": entry.recorded_at, "changes": [c._asdict() for c in replayed.changes]}
        write(with_names(to_json(told).decode(), reads.connection))
        return
    tell(head, "bold")
    for change in replayed.changes:
        where = "" if change.subject == entry.originator_id else f" of {change.subject}"
        old, new = (brief(with_names(to_json(value).decode(), reads.connection)) for value in (change.old, change.new))
        tell(f"  {change.field}{where}: {old} -> {new}")


def brief(text: str) -> str:
    return text if len(text) <= BRIEF else f"{text[:BRIEF]}…"
