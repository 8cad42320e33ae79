"""Questions to the projections, each at a basis: a day in the world, and a position up to which the ledger is known."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from hashlib import blake2b
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import psycopg
from psycopg.errors import UndefinedColumn, UndefinedTable

from ledger.database.connection import Connection, Pool
from ledger.database.failures import FAILURES, explained
from ledger.errors import NotFound, NotYet, ReadTakesTooLong
from ledger.log.commitments import Disclosure
from ledger.vocabulary.fact import Subject
from ledger.vocabulary.kinds.participation import PARTICIPATION
from ledger.vocabulary.registry import KINDS
from ledger.writing.decision_cache import read_disclosures
from projections.basis import Asked, Basis, Watermarks, check_projected, check_recorded, check_seen
from projections.corrections import corrections_of
from projections.feed import ALL, Chosen, conditions
from projections.feed import SQL as FEED
from projections.listing import SQL, Filters, facets_query, held, list_query, read_from, version
from projections.retracted import Told, unverified_among, unverified_in
from projections.runner import are_of_our_versions
from projections.wholes import Kept, wholes

LOG_WATERMARKS = SQL["watermarks_log"].format(log=SQL["log_columns"])
WATERMARKS = SQL["watermarks"].format(log=SQL["log_columns"])
REFERRING, OF_A_KIND = (SQL["turned_to"].format(of=SQL[name]) for name in ("of_some_kinds", "of_one_kind"))
STATE, STATES, RELATED = (
    SQL[name].format(held=held(), version=version(), referring=OF_A_KIND) for name in ("state", "states", "related")
)
LANES = SQL["lanes"].format(held=held(), version=version("held.subject"))
NOT_BUILT = "the projections are not built yet: is the follower running?"
MOMENT = timedelta(microseconds=1)
"""Entries are recorded at whole ones."""
TOO_LONG = "it takes longer to read than the service allows: narrow it, leave out count and facets, or sort it by id"
LAST_DAY = date.max - timedelta(days=1)


class StateRow(NamedTuple):
    """One state as stored: its document, the stream's version, and what identifies the row.

    ``unverified`` holds the fields that rest on retracted sources alone, each with the entries that retracted them.
    """

    subject: str
    lane: str
    known_from: int
    valid_from: date
    doc: str
    version: int
    unverified: dict[str, list[int]] = {}

    @property
    def place(self) -> tuple[str, str, int, date]:
        """What tells the row from all others."""
        return self[:4]

    @property
    def said(self) -> str:
        """All that it says. Its place does not tell: of a long lane the lists are put together from other rows."""
        return f"{self.subject}\0{self.lane}\0{self.version}\0{self.unverified}\0{self.doc}"


@dataclass(frozen=True)
class StateView:
    """A state with what belongs to it, by kind; and beyond which there is more of a kind."""

    state: StateRow
    related: dict[str, list[StateRow]] = field(default_factory=dict)
    beyond: dict[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> list[StateRow]:
        return [self.state, *(one for group in self.related.values() for one in group)]

    @property
    def digest(self) -> str:
        """Equal for two answers that say the same, though the ledger may have grown in between."""
        said = "\n".join([*(row.said for row in self.shown), *self.beyond])
        return blake2b(said.encode(), digest_size=12).hexdigest()


class Queries:
    """Answers questions. Every method takes a connection from the pool for as long as it runs.

    ``watermarks`` is how the ledger stood when the question came, if that is known; else it is looked up.
    """

    def __init__(self, pool: Pool, watermarks: Watermarks | None = None) -> None:
        self.pool = pool
        self.watermarks = watermarks

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Raises Unavailable, also for what is lost on the way; ReadTakesTooLong."""
        try:
            with self.pool.connection() as connection:
                yield connection
        except psycopg.errors.QueryCanceled as error:
            raise ReadTakesTooLong(TOO_LONG, " ".join(str(error).split())) from None
        except UndefinedTable:
            raise NotYet(NOT_BUILT) from None
        except UndefinedColumn:
            with self.connection() as connection:
                ours = are_of_our_versions(connection)
            if ours:
                raise
            raise NotYet(NOT_BUILT) from None
        except FAILURES as error:
            raise explained(error) from None

    @contextmanager
    def at(self, asked: Asked, *names: str) -> Iterator[tuple[Connection, Basis]]:
        """As ``at_each``, for one basis."""
        with self.at_each([asked], *names) as (connection, [basis]):
            yield connection, basis

    @contextmanager
    def at_each(self, sides: Sequence[Asked], *names: str) -> Iterator[tuple[Connection, list[Basis]]]:
        """A connection, and each basis that is meant, of reads from these projections (the states, if none is named).

        Raises Behind for what may come, NotYet, Invalid, RolledBack.
        """
        names, today = names or ("states",), datetime.now(UTC).date()

        def check(watermarks: Watermarks) -> None:
            for asked in sides:
                check_projected(asked, names, watermarks)

        with self._checked(check, WATERMARKS) as (connection, watermarks):
            yield connection, [_basis(connection, asked, names, watermarks, today) for asked in sides]

    @contextmanager
    def _checked(
        self, check: Callable[[Watermarks], None], query: LiteralString
    ) -> Iterator[tuple[Connection, Watermarks]]:
        """A connection, and how the ledger stands. Where that is known, it is checked before a connection is taken."""
        if self.watermarks:
            check(self.watermarks)
        with self.connection() as connection:
            watermarks = self.watermarks or _watermarks(connection, query)
            if not self.watermarks:
                check(watermarks)
            yield connection, watermarks

    def whole(self, subject: Subject, asked: Asked, most: int | None = None) -> tuple[StateView, Basis]:
        """A stream's state with all parts in it, and of what refers to it ``most`` of each kind (all, if None), by their names.

        Raises NotFound where nothing is known of it, there and then.
        """
        found, basis = self.find(subject, asked, most)
        if found is None:
            raise unknown(subject, basis)
        return found, basis

    def find(self, subject: Subject, asked: Asked, most: int | None = None) -> tuple[StateView | None, Basis]:
        """As ``whole``, with None where nothing is known."""
        with self.at(asked) as (connection, basis):
            return find_state(connection, subject, basis, most), basis

    def page(
        self, kind: str, asked: Asked, filters: Filters, sort: str, after: tuple[str, str] | None, limit: int
    ) -> tuple[list[StateRow], tuple[str, str] | None, Basis]:
        """A page of a list, where the next one starts (None at the end), and the basis of both."""
        query, given = list_query("list", kind, filters, sort, after)
        with self.at(asked, *read_from(filters)) as (connection, basis):
            at = {"known_at": basis.known_at, "valid_at": basis.valid_at, "limit": limit + 1}
            with connection.pipeline():
                found = connection.execute(query, given | at)
                retracted = connection.execute(SQL["retracted"], at)
            rows = found.fetchall()
            shown = verified(connection, state_rows(connection, rows[:limit], basis), retracted, basis)
        more = (rows[limit - 1][6], rows[limit - 1][0]) if len(rows) > limit else None
        return shown, more, basis

    def count(self, kind: str, basis: Basis, filters: Filters) -> int:
        """How many states all the pages of a list hold."""
        query, given = list_query("count", kind, filters)
        with self.connection() as connection:
            row = connection.execute(query, given | {"known_at": basis.known_at, "valid_at": basis.valid_at}).fetchone()
        return int(row[0]) if row else 0

    def facets(self, kind: str, names: Collection[str], basis: Basis, filters: Filters) -> dict[str, dict[str, int]]:
        """For each of these facets the words that states have, and how many: of the states that all other filters leave."""
        query, given = facets_query(kind, names, filters)
        at = {"known_at": basis.known_at, "valid_at": basis.valid_at}
        found: dict[str, dict[str, int]] = {name: {} for name in names}
        with self.connection() as connection:
            for facet, word, count in connection.execute(query, given | at):
                found[facet][word] = count
        return found

    def unverified(self, lines: Sequence[str], basis: Basis) -> set[int]:
        """The positions of those entries among ``lines`` that rest on retracted sources alone."""
        with self.connection() as connection:
            told = connection.execute(SQL["retracted"], {"known_at": basis.known_at}).fetchall()
            return unverified_among(connection, lines, told, basis.known_at)

    def timeline(
        self, subject: Subject, asked: Asked, after: tuple[date, int, int] | None, limit: int
    ) -> tuple[list[tuple[date, str]], tuple[date, int, int] | None, Basis]:
        """Day and line of the facts of a stream and of those that mention it, in valid order."""
        with self.at(asked, "timeline") as (connection, basis):
            query = SQL["timeline"].format(conditions=SQL["timeline_after" if after else "filter_none"])
            place = dict(zip(("after_day", "after_rank", "after_root"), after or (), strict=False))
            at = {"known_at": basis.known_at, "valid_at": basis.valid_at, "limit": limit + 1}
            rows = connection.execute(query, {"subject": subject, **at, **place}).fetchall()
        more = rows[limit - 1][:3] if len(rows) > limit else None
        return [(row[0], row[4]) for row in rows[:limit]], more, basis

    def history(self, subject: Subject, asked: Asked) -> tuple[list[tuple[str, list[dict[str, Any]]]], Basis]:
        """Line and corrections of every entry of a stream, in the order of recording. Raises NotFound."""
        with self.at(asked) as (connection, basis):
            rows = connection.execute(SQL["history"], {"subject": subject, "known_at": basis.known_at}).fetchall()
        if not rows:
            raise NotFound(f"nothing is recorded of {subject}, as of position {basis.known_at} of the ledger")
        corrected = corrections_of([body for (body,) in rows])
        return [(body, corrected[number]) for number, (body,) in enumerate(rows)], basis

    def basis(self, asked: Asked) -> Basis:
        """The basis that is meant, of reads of the states. Raises as ``at``."""
        with self.at(asked) as (_, basis):
            return basis

    def log(self, asked: Asked, chosen: Chosen, limit: int, *, back: bool = False) -> tuple[list[tuple[int, str]], int]:
        """Position and line of the entries that are chosen, in order, or ``back`` from the last one; and up to where the log was read.

        The log does not wait for the projections. Raises Invalid, RolledBack, and Behind.
        """
        told, wanted = conditions(chosen.wanted)
        query = FEED["log"].format(wanted=told, direction="desc" if back else "asc")
        with self.log_at(asked, chosen.after) as (connection, size):
            after, upto = _between(connection, chosen, size)
            given = {"after": after, "upto": upto, "limit": limit, **wanted}
            # which index is best depends on what is wanted: it is planned each time
            rows = connection.execute(query, given, prepare=False if wanted else None).fetchall()
            return [(position, body) for position, body in rows], size

    def log_count(self, asked: Asked, chosen: Chosen, most: int) -> int:
        """How many entries are chosen; of sorts of them at most ``most`` are counted. Raises as ``log``."""
        told, wanted = conditions(chosen.wanted)
        with self.log_at(asked, chosen.after) as (connection, size):
            after, upto = _between(connection, chosen, size)
            if chosen.wanted == ALL:
                return max(upto - after, 0)
            given = {"after": after, "upto": upto, "limit": most, **wanted}
            query = FEED["log_count"].format(wanted=told)
            [[count]] = connection.execute(query, given, prepare=False).fetchall()
        return int(count)

    @contextmanager
    def log_at(self, asked: Asked, after: int = 0) -> Iterator[tuple[Connection, int]]:
        """A connection, and the position up to which the log is read; ``after`` is checked where it names an epoch."""
        with self._checked(partial(check_recorded, asked, after=after), LOG_WATERMARKS) as (connection, watermarks):
            yield connection, _known_at(connection, asked, watermarks.size)[0]

    def event(self, which: int | UUID, asked: Asked) -> tuple[str, list[tuple[int, str]], list[Disclosure], int]:
        """An entry's line, position and type of what corrects it, what opens its commitments; up to where that is known.

        The line may be one that cannot be read. Raises NotFound, and as ``log``.
        """
        with self.log_at(asked) as (connection, upto):
            row = _entry(connection, which, upto)
            if row is None:
                raise NotFound(f"there is no entry {which}, as of position {upto}")
            position, stream, entry_id, line = row
            given = {"stream": stream, "position": position, "entry_id": entry_id, "known_at": upto}
            corrections = connection.execute(SQL["corrections"], given).fetchall()
            opened = read_disclosures(connection, [entry_id]).get(entry_id, [])
        return line, [(at, type_) for at, type_ in corrections], opened, upto


def unknown(subject: Subject, basis: Basis) -> NotFound:
    """There is no state of it there and then."""
    return NotFound(f"nothing is known of {subject} on {basis.valid_at}, as of position {basis.known_at} of the ledger")


def _entry(connection: Connection, which: int | UUID, upto: int) -> tuple[Any, ...] | None:
    if isinstance(which, int) and not 1 <= which <= upto:
        return None
    query = SQL["event"].format(which=SQL["event_at" if isinstance(which, int) else "event_of"])
    return connection.execute(query, {"which": which, "known_at": upto}).fetchone()


def _between(connection: Connection, chosen: Chosen, size: int) -> tuple[int, int]:
    """After which position and up to which the log is looked at. Times never decrease along it, so they are places in it."""
    after, upto = int(chosen.after), min(chosen.upto, size)
    if chosen.since and chosen.since.replace(tzinfo=None) > datetime.min:
        after = max(after, _position_at(connection, chosen.since - MOMENT)[0])
    if chosen.until:
        upto = min(upto, _position_at(connection, chosen.until)[0])
    return after, upto


def find_state(
    connection: Connection, subject: Subject, basis: Basis, most: int | None = None
) -> StateView | None:  # fmt: skip
    """A stream's state with what belongs to it, as ``Queries.whole``; None where nothing is known."""
    given = {"subject": subject, "known_at": basis.known_at, "valid_at": basis.valid_at}
    kinds = list(KINDS[subject.kind].related)
    with connection.pipeline():  # what else is read comes before the states, as where a rebuild takes over
        referring = given | {"kinds": kinds, "most": None if most is None else most + 1}
        related = connection.execute(RELATED, referring) if kinds else None
        state = connection.execute(STATE, given)
        retracted = connection.execute(SQL["retracted"], given)
    row, others = state.fetchone(), related.fetchall() if related else []
    if row is None:
        return None
    shown = state_rows(connection, [row, *(other for _, *other in others)], basis)
    first, *rest = verified(connection, shown, retracted, basis)
    grouped: dict[str, list[StateRow]] = {kind: [] for kind in kinds}
    for (kind, *_), one in zip(others, rest, strict=True):
        grouped[kind].append(one)
    return _cut(StateView(first, grouped), most)


def _cut(view: StateView, most: int | None) -> StateView:
    """With so many of each kind that refers to it."""
    kept = {kind: group if kind == PARTICIPATION.name else group[:most] for kind, group in view.related.items()}
    beyond = {kind: those[-1].subject for kind, those in kept.items() if len(those) < len(view.related[kind])}
    return StateView(view.state, kept, beyond)


def find_states(
    connection: Connection, subjects: Sequence[str], basis: Basis, *, with_parts: bool = False
) -> list[StateRow]:
    """The states of streams by themselves: of those that are known; ``with_parts``, those of an agreement's parties, too."""
    given = {"subjects": list(subjects), "known_at": basis.known_at, "valid_at": basis.valid_at}
    query = LANES if with_parts else STATES
    with connection.pipeline():
        found = connection.execute(query, given)
        retracted = connection.execute(SQL["retracted"], given)
    return verified(connection, state_rows(connection, found.fetchall(), basis), retracted, basis)


def state_rows(connection: Connection, rows: Iterable[Sequence[Any]], basis: Basis) -> list[StateRow]:
    """Rows as they were read at a basis, each with its whole document."""
    shown = [StateRow(*row[:6]) for row in rows]
    kept = [Kept(one.subject, one.lane, basis.known_at, basis.valid_at, one.doc) for one in shown]
    return [one._replace(doc=doc) for one, doc in zip(shown, wholes(connection, kept), strict=True)]


def verified(connection: Connection, shown: list[StateRow], told: Told, basis: Basis) -> list[StateRow]:
    """The states with what is unverified in them: the entries are asked of those alone that may rest on a retracted source.

    ``told`` are the rows of the sources that were retracted.
    """
    unverified = unverified_in(connection, {one.place: one.doc for one in shown}, told, basis.known_at)
    return [one._replace(unverified=unverified.get(one.place, {})) for one in shown]


def _watermarks(connection: Connection, query: LiteralString) -> Watermarks:
    row = connection.execute(query, {"epoch": None, "position": 0, "entry_id": None, "recorded_at": None}).fetchone()
    assert row is not None
    return Watermarks(*row)


def _basis(connection: Connection, asked: Asked, names: Collection[str], watermarks: Watermarks, today: date) -> Basis:
    known_at, final = _known_at(connection, asked, watermarks.projected(names) or 0)
    check_seen(known_at, names, watermarks)
    valid_at = min(asked.valid_at or today, LAST_DAY)
    recorded_at = _recorded_at(connection, known_at, watermarks)
    return Basis(known_at, recorded_at, valid_at, final, watermarks.covering(known_at))


def _known_at(connection: Connection, asked: Asked, last: int) -> tuple[int, bool]:
    """The position that is meant, the last one where none is asked for; and whether it will always be the one that is meant.

    Entries become visible in the order of their times: from the first that is later than a time, none by that time will come.
    """
    if not isinstance(asked.known_at, datetime):
        return (last if asked.known_at is None else int(asked.known_at)), asked.final
    return _position_at(connection, asked.known_at)


def _position_at(connection: Connection, time: datetime) -> tuple[int, bool]:
    """The last entry recorded at or before a time, and whether a later one is there."""
    row = connection.execute(SQL["position_at"], {"time": time}).fetchone()
    return (int(row[0]), bool(row[1])) if row else (0, False)


def _recorded_at(connection: Connection, position: int, watermarks: Watermarks) -> datetime | None:
    if position == watermarks.projected(("states",)):
        return watermarks.recorded_at
    row = connection.execute(SQL["recorded_at"], {"position": position}).fetchone()
    return row[0] if row else None
