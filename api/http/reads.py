"""What is read for each file, a page at a time: the documents of lists, subjects, histories, timelines, diffs, and of the log."""

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from pydantic_core import from_json, to_json

from api.http.addresses import DATED
from api.http.documents import due_json, history_json, shown_json, timeline_json
from api.http.downloads import PAGE, Page, Read
from api.http.parameters import DueNarrowed, LogNarrowed, Narrowed
from ledger.errors import NotFound
from ledger.vocabulary.fact import Subject
from projections.basis import Asked
from projections.diff_queries import diff
from projections.download_queries import last_recorded
from projections.due.queries import DueItem, due
from projections.flags.queries import flagged
from projections.queries import Queries, StateRow, find_states


def states(kind: str, query: Narrowed) -> Read:
    def read(reads: Queries, asked: Asked, after: Any) -> Page:
        shown, more, basis = reads.page(kind, asked, query.filters(), query.sort, after, PAGE)
        return Page.at(basis, [shown_json(one) for one in shown], more)

    return read


def state(subject: Subject) -> Read:
    def read(reads: Queries, asked: Asked, after: Any) -> Page:
        found, basis = reads.whole(subject, asked)
        return Page.at(basis, [shown_json(found.state)])

    return read


def dates_of(subject: Subject) -> Read:
    """What a calendar can show of a subject: itself, and the meetings and milestones that belong to it."""

    def read(reads: Queries, asked: Asked, after: Any) -> Page:
        found, basis = reads.whole(subject, asked)
        own = [found.state] if subject.kind in DATED else []
        related = [one for kind, group in found.related.items() if kind in DATED for one in group]
        return Page.at(basis, [shown_json(one) for one in own + related])

    return read


def history(subject: Subject) -> Read:
    def read(reads: Queries, asked: Asked, after: Any) -> Page:
        entries, basis = reads.history(subject, asked)
        weak = reads.unverified([line for line, _ in entries], basis)
        return Page.at(basis, [history_json(*one, weak) for one in entries])

    return read


def history_back(subject: Subject) -> Read:
    """The lines of a stream, the last one first."""

    def read(reads: Queries, asked: Asked, after: Any) -> Page:
        entries, basis = reads.history(subject, asked)
        return Page.at(basis, [line for line, _ in reversed(entries)])

    return read


def timeline(subject: Subject) -> Read:
    def read(reads: Queries, asked: Asked, after: Any) -> Page:
        facts, more, basis = reads.timeline(subject, asked, after, PAGE)
        if not facts and after is None:
            raise NotFound(f"nothing is known of {subject} on {basis.valid_at}, as of position {basis.known_at}")
        weak = reads.unverified([line for _, line in facts], basis)
        return Page.at(basis, [timeline_json(*one, weak) for one in facts], more)

    return read


def changes(subject: Subject, sides: tuple[Asked, Asked]) -> Read:
    def read(reads: Queries, asked: Asked, after: Any) -> Page:
        found, _, last = diff(reads, subject, sides)
        return Page.at(last, [to_json(one._asdict()).decode() for one in found])

    return read


def due_items(query: DueNarrowed) -> Read:
    def read(reads: Queries, asked: Asked, after: Any) -> Page:
        found, more, basis = due(reads, asked, query.due_before, after, PAGE)
        return Page.at(basis, [due_json(one, basis) for one in found], more)

    return read


def due_states(query: DueNarrowed) -> Read:
    """The states of what is due; of a commitment, what a state would have: its subject is ``initiative:id#commitment``."""

    def read(reads: Queries, asked: Asked, after: Any) -> Page:
        found, more, basis = due(reads, asked, query.due_before, after, PAGE)
        with reads.connection() as connection:
            rows = find_states(connection, sorted({one.subject for one in found}), basis)
        known = {row.subject: row for row in rows}
        return Page.at(basis, [_due_state(one, known[one.subject]) for one in found], more)

    return read


def _due_state(item: DueItem, row: StateRow) -> str:
    if not item.item:
        return shown_json(row)
    made = next(one for one in from_json(row.doc)["commitments"] if one["commitment"] == item.item)
    told = {"subject": f"{item.subject}#{item.item}", "version": row.version, "title": made.get("text") or item.item}
    return to_json(told | {"status": made["status"], "due": made["due"]}).decode()


def anomalies(reads: Queries, asked: Asked, after: Any) -> Page:
    found, more, basis = flagged(reads, asked, after, PAGE)
    return Page.at(basis, [shown_json(one) for one in found], more)


def entry(which: int | UUID) -> Read:
    def read(reads: Queries, asked: Asked, after: Any) -> Page:
        line, _, _, upto = reads.event(which, asked)
        return Page([line], None, upto, asked.valid_at)

    return read


def log(query: LogNarrowed) -> Read:
    def read(reads: Queries, asked: Asked, after: Any) -> Page:
        chosen = query.chosen()
        entries, upto = reads.log(asked, chosen if after is None else replace(chosen, after=after), PAGE + 1)
        return _of_the_log(entries, upto, query.valid_at)

    return read


def log_from_the_end(query: LogNarrowed) -> Read:
    """The log, the last entry first."""

    def read(reads: Queries, asked: Asked, before: Any) -> Page:
        chosen = query.chosen()
        entries, upto = reads.log(
            asked, chosen if before is None else replace(chosen, upto=before - 1), PAGE + 1, back=True
        )
        return _of_the_log(entries, upto, query.valid_at)

    return read


def _of_the_log(entries: list[tuple[int, str]], upto: int, valid_at: date | None) -> Page:
    more = entries[PAGE - 1][0] if len(entries) > PAGE else None
    return Page([line for _, line in entries[:PAGE]], more, upto, valid_at)


def with_times(read: Read) -> Read:
    """The same documents, each with the time at which the last entry of its stream was recorded."""

    def read_with_times(reads: Queries, asked: Asked, after: Any) -> Page:
        page = read(reads, asked, after)
        streams = [from_json(one)["subject"].partition("#")[0] for one in page.documents]
        times = last_recorded(reads, streams, page.known_at)
        told = [
            f'{one[:-1]},"recordedtime":{to_json(times[stream]).decode()}}}'
            for one, stream in zip(page.documents, streams, strict=True)
        ]
        return page._replace(documents=told)

    return read_with_times
