"""What pages ask beside the answers: how lists begin, what streams are called, at which entries a page changes, what was believed as
the log grew."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain, islice
from typing import Any, NamedTuple

from ledger.database.connection import Connection, sql_blocks
from ledger.errors import NotFound
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.registry import KINDS
from ledger.vocabulary.state import MAIN
from projections.basis import Asked, Basis
from projections.corrections import corrections_of
from projections.listing import SQL as STATES
from projections.listing import Filters, held, list_query, read_from, version
from projections.queries import (
    REFERRING,
    STATE,
    Queries,
    StateRow,
    StateView,
    find_states,
    state_rows,
    unknown,
    verified,
)
from projections.wholes import Kept, wholes

SQL = sql_blocks("projections", "page_queries.sql")
LABELS, OF_YEAR, LATEST_RELATED = (
    SQL[name].format(held=held(), referring=REFERRING) for name in ("labels", "of_year", "latest_related")
)
RECORDED_OF = SQL["recorded_of"].format(version=version("%(subject)s"))
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
    names = {name for one in lists for name in read_from(one.filters)}
    with reads.at(asked, *names) as (connection, basis):
        found = _each(connection, "list", lists, basis)
        retracted = connection.execute(STATES["retracted"], {"known_at": basis.known_at}).fetchall()
        shown = iter(verified(connection, state_rows(connection, chain(*found), basis), retracted, basis))
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


class Excerpt(NamedTuple):
    """A state with the latest of what belongs to it; how many there are of each kind, and beyond which party there are more."""

    view: StateView
    counts: dict[str, int]
    beyond: str | None


def excerpt(
    reads: Queries, subject: Subject, asked: Asked, most: int, beyond: str = ""
) -> tuple[Excerpt | None, Basis]:
    """A state with at most so many of each kind that belongs to it: the latest, and of an agreement's parties those beyond one.
    None where nothing is known. Raises as ``Queries.at``."""
    kind = KINDS[subject.kind]
    with reads.at(asked) as (connection, basis):
        given = {"subject": subject, "known_at": basis.known_at, "valid_at": basis.valid_at, "limit": most}
        with connection.pipeline():  # in the order of ``find_state``
            related = connection.execute(LATEST_RELATED, given | {"kinds": [*kind.related]})
            state = connection.execute(STATE, given)
            further = given | {"beyond": beyond, "limit": (most + 1) * kind.has_parts}
            parts = connection.execute(SQL["parts_beyond"], further)
            retracted = connection.execute(STATES["retracted"], given)
        row, others, lanes = state.fetchone(), related.fetchall(), parts.fetchall()
        if row is None:
            return None, basis
        others, more = others + lanes[:most], lanes[most - 1][3] if len(lanes) > most else None
        states = state_rows(connection, [row, *(one[2:] for one in others)], basis)
        shown = verified(connection, states, retracted, basis)
    grouped: dict[str, list[StateRow]] = {name: [] for name in kind.related}
    for (name, *_), one in zip(others, shown[1:], strict=True):
        grouped[name].append(one)
    return Excerpt(StateView(shown[0], grouped), {one[0]: one[1] for one in others}, more), basis


def state_of(reads: Queries, subject: Subject, asked: Asked) -> tuple[StateRow, Basis]:
    """A state without what belongs to it. Raises NotFound where nothing is known, and as ``Queries.at``."""
    with reads.at(asked) as (connection, basis):
        found = find_states(connection, [subject], basis)
    if not found:
        raise unknown(subject, basis)
    return found[0], basis


def labels(reads: Queries, subjects: Sequence[str], basis: Basis) -> dict[str, str]:
    """What those of these streams are called that are known there and then: by their ids where nothing names them."""
    given = {"subjects": list(subjects), "known_at": basis.known_at, "valid_at": basis.valid_at}
    with reads.connection() as connection:
        found = connection.execute(LABELS, given).fetchall()
    return {subject: label or Subject(subject).id for subject, label in found}


def stops(
    reads: Queries, subject: Subject | None, known_at: int, around: int, since: int = 1
) -> list[tuple[int, datetime, str, str]]:
    """Position, time, type and stream of so many entries up to a position and as many beyond it, and of the first and the last:
    of a stream and what belongs to it, or (None) of all streams; none before ``since``."""
    given: dict[str, Any] = {"known_at": known_at, "around": around, "since": since}
    query = "stops"
    if subject is not None:
        query, given = "stops_of", given | {"subject": subject, "kinds": list(KINDS[subject.kind].related)}
    with reads.connection() as connection:
        return connection.execute(SQL[query], given).fetchall()


def entries_at(reads: Queries, positions: Sequence[int], basis: Basis) -> list[tuple[int, str]]:
    """Position and line of those of these entries that are known."""
    given = {"positions": list(positions), "known_at": basis.known_at}
    with reads.connection() as connection:
        return connection.execute(SQL["entries_at"], given).fetchall()


def beliefs(reads: Queries, subject: Subject, basis: Basis, limit: int) -> list[tuple[int, str | None]]:
    """The last entries of a stream, each with its state's document on the basis' day, as known then."""
    given = {"subject": subject, "known_at": basis.known_at, "valid_at": basis.valid_at, "limit": limit}
    with reads.connection() as connection:
        rows = connection.execute(BELIEFS, given).fetchall()
        kept = [Kept(subject, MAIN, position, basis.valid_at, doc) for position, doc in rows if doc]
        shown = dict(zip([one.known_at for one in kept], wholes(connection, kept), strict=True))
    return [(position, shown.get(position)) for position, _ in rows]


def touched(reads: Queries, after: int, upto: int, beyond: str, limit: int) -> list[Subject]:
    """The streams that entries were added to after one position and up to another: in the order of their names those beyond one."""
    with reads.connection() as connection:
        rows = connection.execute(
            SQL["touched"], {"after": after, "upto": upto, "beyond": beyond, "limit": limit}
        ).fetchall()
    return [Subject(stream) for (stream,) in rows]


def of_year(reads: Queries, kind: str, year: int, basis: Basis, limit: int) -> list[StateRow]:
    """The states of a kind that tell of a year, in any date or text, in the order of their names."""
    given = {
        "kind": kind, "known_at": basis.known_at, "valid_at": basis.valid_at, "year": f"%{year:04}%", "limit": limit,
    }  # fmt: skip
    with reads.connection() as connection:
        return state_rows(connection, connection.execute(OF_YEAR, given).fetchall(), basis)


def drawn(reads: Queries, subjects: Sequence[str], basis: Basis, limit: int) -> tuple[list[tuple[date, str]], int]:
    """Day and line of the last facts of these streams, and of others those that mention the first, in valid order; and how many
    come before."""
    given = {"subjects": list(subjects), "subject": subjects[0], "known_at": basis.known_at, "limit": limit}
    with reads.connection() as connection:
        rows = connection.execute(SQL["drawn"], given).fetchall()
    return [row[1:] for row in rows], rows[0][0] - len(rows) if rows else 0


def courses(reads: Queries, subjects: Sequence[str], basis: Basis, limit: int) -> list[tuple[str, str, date]]:
    """Stream, status and first day of the last turns of status of each of these streams, on whatever day, as known then: in their order."""
    given = {"subjects": list(subjects), "known_at": basis.known_at, "limit": limit}
    with reads.connection() as connection:
        return connection.execute(SQL["courses"], given).fetchall()


def first_entry(reads: Queries, subject: Subject) -> tuple[int, datetime] | None:
    """Position and time of the entry that a stream begins with; None where there is none."""
    with reads.connection() as connection:
        row = connection.execute(SQL["first_entry"], {"subject": subject}).fetchone()
    return (row[0], row[1]) if row else None


def history_before(
    reads: Queries, subject: Subject, asked: Asked, before: int, limit: int
) -> tuple[list[tuple[str, list[dict[str, Any]]]], int, Basis]:
    """Line and corrections of the last entries of a stream before a position, in the order of recording; and how many there are in
    all. Raises NotFound, and as ``Queries.at``."""
    with reads.at(asked) as (connection, basis):
        given = {"subject": subject, "known_at": basis.known_at, "before": before, "limit": limit}
        with connection.pipeline():
            last = connection.execute(SQL["history_before"], given)
            correcting = connection.execute(SQL["correcting"], given)
            (count,) = connection.execute(RECORDED_OF, given).fetchall()[0]
        lines, others = ([body for (body,) in found.fetchall()] for found in (last, correcting))
    if not count:
        raise NotFound(f"nothing is recorded of {subject}, as of position {basis.known_at} of the ledger")
    corrected = corrections_of([*dict.fromkeys([*lines, *others])])
    return [*zip(lines, corrected, strict=False)], count, basis


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


def citing(reads: Queries, source: Subject, basis: Basis, limit: int) -> tuple[list[str], list[StateRow], int]:
    """The lines of the last entries that count and mention a source, the states of these streams, and how many such entries come
    before."""
    given = {"source": source, "known_at": basis.known_at, "limit": limit}
    with reads.connection() as connection:
        rows = connection.execute(SQL["citing"], given).fetchall()
        states = find_states(connection, sorted({stream for _, stream, _ in rows}), basis)
    return [line for _, _, line in rows], states, rows[0][0] - len(rows) if rows else 0
