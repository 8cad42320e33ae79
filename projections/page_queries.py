"""What pages ask beside the answers: how lists begin, what streams are called, at which entries a page changes, what was believed as
the log grew."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain, islice
from typing import Any, NamedTuple

from ledger.database.connection import Connection, sql_blocks
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.registry import KINDS
from projections.basis import Asked, Basis
from projections.listing import SQL as STATES
from projections.listing import Filters, held, list_query
from projections.queries import Queries, StateRow, find_states, verified

SQL = sql_blocks("projections", "page_queries.sql")
LABELS, MEETINGS = (SQL[name].format(held=held()) for name in ("labels", "meetings"))
BELIEFS = SQL["beliefs"].format(held=held(known_at="candidates.position"))


class Listing(NamedTuple):
    """The first states of a list, ``limit`` at most."""

    kind: str
    filters: Filters
    limit: int
    sort: str = "id"


@dataclass(frozen=True)
class Listed:
    """Those that were found, and how many the list has in all."""

    shown: list[StateRow]
    count: int


def listed(reads: Queries, asked: Asked, lists: Sequence[Listing]) -> tuple[list[Listed], Basis]:
    """The beginnings of several lists, and the basis of all: in as many round trips as one takes. Raises as ``Queries.at``."""
    names = ["search"] if any(one.filters.text is not None for one in lists) else []
    with reads.at(asked, "states", *names) as (connection, basis):
        found = [[StateRow(*row[:6]) for row in rows] for rows in _each(connection, "list", lists, basis)]
        retracted = connection.execute(STATES["retracted"], {"known_at": basis.known_at}).fetchall()
        shown = iter(verified(connection, list(chain(*found)), dict(retracted)))
        full = [one for one, rows in zip(lists, found, strict=True) if len(rows) == one.limit]
        counts = {one: rows[0][0] for one, rows in zip(full, _each(connection, "count", full, basis), strict=True)}
    told = zip(lists, found, strict=True)
    return [Listed([*islice(shown, len(rows))], counts.get(one, len(rows))) for one, rows in told], basis


def _each(connection: Connection, name: str, lists: Sequence[Listing], basis: Basis) -> list[list[tuple[Any, ...]]]:
    """The rows of one question to several lists, all put at once."""
    at = {"known_at": basis.known_at, "valid_at": basis.valid_at}
    with connection.pipeline():
        queries = [(*list_query(name, one.kind, one.filters, one.sort), {"limit": one.limit}) for one in lists]
        put = [connection.execute(query, given | at | limit) for query, given, limit in queries]
    return [one.fetchall() for one in put]


def labels(reads: Queries, subjects: Sequence[str], basis: Basis) -> dict[str, str]:
    """What those of these streams are called that are known there and then: by their ids where nothing names them."""
    given = {"subjects": list(subjects), "known_at": basis.known_at, "valid_at": basis.valid_at}
    with reads.connection() as connection:
        found = connection.execute(LABELS, given).fetchall()
    return {subject: label or Subject(subject).id for subject, label in found}


def stops(reads: Queries, subject: Subject | None, limit: int) -> list[tuple[int, datetime, str, str]]:
    """Position, time, type and stream of the last entries of a stream and of what belongs to it; None for all streams."""
    with reads.connection() as connection:
        if subject is None:
            return connection.execute(SQL["stops"], {"limit": limit}).fetchall()
        kinds = list(KINDS[subject.kind].related)
        return connection.execute(SQL["stops_of"], {"subject": subject, "kinds": kinds, "limit": limit}).fetchall()


def entries_at(reads: Queries, positions: Sequence[int], basis: Basis) -> list[tuple[int, str]]:
    """Position and line of those of these entries that are known."""
    given = {"positions": list(positions), "known_at": basis.known_at}
    with reads.connection() as connection:
        return connection.execute(SQL["entries_at"], given).fetchall()


def beliefs(reads: Queries, subject: Subject, basis: Basis, limit: int) -> list[tuple[int, str | None]]:
    """The last entries of a stream, each with its state's document on the basis' day, as known then."""
    given = {"subject": subject, "known_at": basis.known_at, "valid_at": basis.valid_at, "limit": limit}
    with reads.connection() as connection:
        return connection.execute(BELIEFS, given).fetchall()


def touched(reads: Queries, after: int, upto: int, beyond: str, limit: int) -> list[Subject]:
    """The streams that entries were added to after one position and up to another: in the order of their names those beyond one."""
    with reads.connection() as connection:
        rows = connection.execute(
            SQL["touched"], {"after": after, "upto": upto, "beyond": beyond, "limit": limit}
        ).fetchall()
    return [Subject(stream) for (stream,) in rows]


def meetings(reads: Queries, year: int, basis: Basis, limit: int) -> list[StateRow]:
    """The states of meetings that tell of a year, in any date or text, in the order of their names."""
    given = {"known_at": basis.known_at, "valid_at": basis.valid_at, "year": f"%{year:04}%", "limit": limit}
    with reads.connection() as connection:
        return [StateRow(*row) for row in connection.execute(MEETINGS, given)]


def drawn(reads: Queries, subjects: Sequence[str], basis: Basis, limit: int) -> list[tuple[date, str]]:
    """Day and line of the facts of these streams, and of others those that mention the first, in valid order."""
    given = {"subjects": list(subjects), "subject": subjects[0], "known_at": basis.known_at, "limit": limit}
    with reads.connection() as connection:
        return connection.execute(SQL["drawn"], given).fetchall()


def first_entry(reads: Queries, subject: Subject) -> tuple[int, datetime] | None:
    """Position and time of the entry that a stream begins with; None where there is none."""
    with reads.connection() as connection:
        row = connection.execute(SQL["first_entry"], {"subject": subject}).fetchone()
    return (row[0], row[1]) if row else None


def version_of(reads: Queries, subject: Subject) -> int:
    """The version of a stream in the log, whatever is projected of it; 0 where it is not there yet."""
    with reads.connection() as connection:
        (row,) = connection.execute(SQL["version"], {"subject": subject}).fetchall()
    return int(row[0])


def later(reads: Queries, subject: Subject, version: int, limit: int) -> list[str]:
    """The lines of a stream's entries after one of its versions, whatever is projected of them."""
    given = {"subject": subject, "version": version, "limit": limit}
    with reads.connection() as connection:
        return [line for (line,) in connection.execute(SQL["later"], given)]


def citing(reads: Queries, source: Subject, basis: Basis, limit: int) -> tuple[list[str], list[StateRow]]:
    """The lines of the entries that count and mention a source, and the states of these streams."""
    given = {"source": source, "known_at": basis.known_at, "limit": limit}
    with reads.connection() as connection:
        rows = connection.execute(SQL["citing"], given).fetchall()
        return [line for _, line in rows], find_states(connection, sorted({stream for stream, _ in rows}), basis)
