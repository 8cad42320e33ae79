"""Questions to the projections, each at a basis: a day in the world, and a position up to which the ledger is known."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from time import monotonic, sleep
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import psycopg
from pydantic_core import from_json

from ledger.disclosure import Disclosure
from ledger.entry import read_line
from ledger.errors import Fault, Invalid, NotFound, NotYet
from ledger.facts import Subject
from ledger.postgres import FAILURES, Connection, Pool, explained, queries
from ledger.service import read_disclosures

SQL = queries("projections", "read.sql")
WAIT_S = 2.0
LAST_DAY = date.max - timedelta(days=1)

RELATED = {
    "initiative": ("initiative", "agreement", "meeting", "milestone"),
    "agreement": ("participation", "agreement", "meeting", "milestone"),
    "meeting": ("meeting", "milestone"),
}
"""What else belongs to the state of a stream: the kinds of those that refer to it, and an agreement's parties."""

Retracted = dict[str, list[int]]
"""Sources that were taken back, each with the entries that say so."""

SORTS: dict[str, tuple[LiteralString, LiteralString, LiteralString]] = {
    "id": ("''::text", ">", "asc"),
    "-id": ("''::text", "<", "desc"),
    "due": ("coalesce(due, 'infinity')", ">", "asc"),
    "-due": ("coalesce(due, '-infinity')", "<", "desc"),
}


class Basis(NamedTuple):
    """What an answer rests on: the entries up to ``known_at``, and the state of the world on ``valid_at``."""

    known_at: int
    known_at_time: datetime | None
    valid_at: date


class Standing(NamedTuple):
    """The size of the log; how far the projections are, and when that entry was recorded; their tables and server."""

    size: int
    position: int
    recorded_at: datetime | None
    tables: int
    server: datetime


@dataclass(frozen=True)
class Asked:
    """What a reader asked for: the basis (``None`` is now), and a position that must have been projected."""

    known_at: int | datetime | None = None
    valid_at: date | None = None
    min_position: int = 0

    @property
    def pinned(self) -> bool:
        """Whether the answer is the same however the ledger grows, and whatever the day."""
        return isinstance(self.known_at, int) and self.valid_at is not None


@dataclass(frozen=True)
class Filters:
    """How a list is narrowed. Each may be absent."""

    status: str | None = None
    category: str | None = None
    area: str | None = None
    party: str | None = None
    ref: str | None = None
    text: str | None = None
    due_before: date | None = None
    overdue: bool | None = None


class Shown(NamedTuple):
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
    def key(self) -> str:
        return f"{self.subject}\0{self.lane}\0{self.known_from}\0{self.valid_from}\0{self.unverified}"


@dataclass(frozen=True)
class Whole:
    """A state with all that belongs to it, by kind."""

    state: Shown
    related: dict[str, list[Shown]] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return etag(self.state, *(one for group in self.related.values() for one in group))


def etag(first: Shown | None, *others: Shown) -> str:
    """A weak validator: equal for two answers that say the same, though the ledger may have grown in between."""
    rows = [one for one in (first, *others) if one]
    digest = blake2b("\n".join(f"{row.key}\0{row.version}" for row in rows).encode(), digest_size=12).hexdigest()
    return f'W/"v{first.version if first else 0}-{digest}"'


class Reads:
    """Answers questions. Every method takes a connection from the pool for as long as it runs.

    ``standing`` is how the ledger stood when the question came, if that is known; else it is looked up.
    """

    def __init__(self, pool: Pool, standing: Standing | None = None) -> None:
        self.pool = pool
        self.standing = standing

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Raises Unavailable, also for what is lost on the way."""
        try:
            with self.pool.connection() as connection:
                yield connection
        except FAILURES as error:
            raise explained(error) from None
        except psycopg.errors.UndefinedTable:
            raise NotYet("the projections are not built yet: is the follower running?") from None

    def basis(self, connection: Connection, asked: Asked) -> Basis:
        """The basis that is meant. Raises Invalid for one that lies ahead, NotYet where the projections are behind."""
        standing = self.standing or _standing(connection)
        known_at = self._known_at(connection, asked, standing.size, standing.position)
        self._wait(connection, max(known_at, asked.min_position), standing.position)
        valid_at = min(asked.valid_at or datetime.now(UTC).date(), LAST_DAY)
        if known_at == standing.position:
            return Basis(known_at, standing.recorded_at, valid_at)
        row = connection.execute(SQL["recorded_at"], {"position": known_at}).fetchone()
        return Basis(known_at, row[0] if row else None, valid_at)

    def _known_at(self, connection: Connection, asked: Asked, size: int, position: int) -> int:
        match asked.known_at:
            case None:
                return max(position, min(asked.min_position, size))
            case datetime() as time:
                row = connection.execute(SQL["position_at"], {"time": time}).fetchone()
                return int(row[0]) if row else 0
            case known_at if known_at > size:
                detail = (
                    f"known_at is {known_at}, and the ledger has {size} entries: nothing is known at that position yet"
                )
                raise Invalid(detail, [Fault("known_at", detail, "future_known_at")])
            case known_at:
                return known_at

    def _wait(self, connection: Connection, wanted: int, position: int) -> None:
        """Until the projections have seen what is wanted, or the reader has waited long enough."""
        deadline = monotonic() + WAIT_S
        while position < wanted:
            if monotonic() > deadline:
                raise NotYet(f"the projections have seen {position} entries, not yet {wanted}: ask again")
            sleep(0.01)
            position = _standing(connection).position

    def whole(self, subject: Subject, asked: Asked) -> tuple[Whole, Basis]:
        """A stream's state with what belongs to it. Raises NotFound where nothing is known of it, there and then."""
        found, basis = self.find(subject, asked)
        if found is None:
            where = f"on {basis.valid_at}, as of position {basis.known_at} of the ledger"
            raise NotFound(f"nothing is known of {subject} {where}")
        return found, basis

    def find(self, subject: Subject, asked: Asked) -> tuple[Whole | None, Basis]:
        """As ``whole``, with None where nothing is known."""
        with self.connection() as connection:
            basis = self.basis(connection, asked)
            given = {"subject": subject, "known_at": basis.known_at, "valid_at": basis.valid_at}
            kinds = list(RELATED.get(subject.kind, ()))
            with connection.pipeline():
                state = connection.execute(SQL["state"], given)
                query = SQL["related"].format(held=SQL["held"])
                related = connection.execute(query, given | {"kinds": kinds}) if kinds else None
                retracted = connection.execute(SQL["retracted"], given)
            row, others = state.fetchone(), related.fetchall() if related else []
            if row is None:
                return None, basis
            shown = [Shown(*row), *(Shown(*other) for _, *other in others)]
            first, *rest = self._verified(connection, shown, dict(retracted))
        grouped: dict[str, list[Shown]] = {kind: [] for kind in kinds}
        for (kind, *_), one in zip(others, rest, strict=True):
            grouped[kind].append(one)
        return Whole(first, grouped), basis

    def page(
        self, kind: str, asked: Asked, filters: Filters, sort: str, after: tuple[str, str] | None, limit: int
    ) -> tuple[list[Shown], tuple[str, str] | None, Basis]:
        """A page of a list, where the next one starts (None at the end), and the basis of both."""
        query, given = list_query("list", kind, filters, sort, after)
        with self.connection() as connection:
            basis = self.basis(connection, asked)
            at = {"known_at": basis.known_at, "valid_at": basis.valid_at, "limit": limit + 1}
            with connection.pipeline():
                found = connection.execute(query, given | at)
                retracted = connection.execute(SQL["retracted"], at)
            rows = found.fetchall()
            shown = self._verified(connection, [Shown(*row[:6]) for row in rows[:limit]], dict(retracted))
        more = (rows[limit - 1][6], rows[limit - 1][0]) if len(rows) > limit else None
        return shown, more, basis

    def count(self, kind: str, basis: Basis, filters: Filters) -> int:
        """How many states all the pages of a list hold."""
        query, given = list_query("count", kind, filters)
        with self.connection() as connection:
            row = connection.execute(query, given | {"known_at": basis.known_at, "valid_at": basis.valid_at}).fetchone()
        return int(row[0]) if row else 0

    def _verified(self, connection: Connection, shown: list[Shown], retracted: Retracted) -> list[Shown]:
        """The states with what is unverified in them."""
        if not retracted:
            return shown
        provenance = [from_json(one.doc)["provenance"] for one in shown]
        positions = {position for one in provenance for found in one.values() for position in found}
        weak = _unverified(connection, positions, retracted)
        return [one._replace(unverified=_doubted(told, weak)) for one, told in zip(shown, provenance, strict=True)]

    def unverified(self, lines: Sequence[str], basis: Basis) -> set[int]:
        """The positions of those entries among ``lines`` that rest on retracted sources alone."""
        with self.connection() as connection:
            retracted: Retracted = dict(connection.execute(SQL["retracted"], {"known_at": basis.known_at}).fetchall())
            positions = {read_line(line).position or 0 for line in lines}
            return set(_unverified(connection, positions, retracted)) if retracted else set()

    def timeline(
        self, subject: Subject, asked: Asked, after: tuple[date, int, int] | None, limit: int
    ) -> tuple[list[tuple[date, str]], tuple[date, int, int] | None, Basis]:
        """Day and line of the facts of a stream and of those that mention it, in valid order."""
        with self.connection() as connection:
            basis = self.basis(connection, asked)
            day, rank, root = after or (None, None, None)
            rows = connection.execute(SQL["timeline"], {
                "subject": subject, "known_at": basis.known_at, "valid_at": basis.valid_at,
                "after_day": day, "after_rank": rank, "after_root": root, "limit": limit + 1,
            }).fetchall()  # fmt: skip
        more = rows[limit - 1][:3] if len(rows) > limit else None
        return [(row[0], row[4]) for row in rows[:limit]], more, basis

    def history(self, subject: Subject, asked: Asked) -> tuple[list[tuple[str, list[dict[str, Any]]]], Basis]:
        """Line and corrections of every entry of a stream, in the order of recording. Raises NotFound."""
        with self.connection() as connection:
            basis = self.basis(connection, asked)
            rows = connection.execute(SQL["history"], {"subject": subject, "known_at": basis.known_at}).fetchall()
        if not rows:
            raise NotFound(f"nothing is recorded of {subject}, as of position {basis.known_at} of the ledger")
        corrected = _corrections([body for (body,) in rows])
        return [(body, corrected[number]) for number, (body,) in enumerate(rows)], basis

    def log(
        self, asked: Asked, after: int, limit: int, type_: str | None = None, subject: str | None = None
    ) -> tuple[list[tuple[int, str]], int]:
        """Position and line of the entries after a position, in order; and up to where the log was read.

        The log does not wait for the projections. Raises NotYet where it is shorter than ``min_position``.
        """
        with self.connection() as connection:
            upto = self._upto(connection, asked)
            given = {"after": after, "limit": limit, "type": type_, "subject": subject, "known_at": upto}
            rows = connection.execute(SQL["log"], given).fetchall()
            return [(position, body) for position, body in rows], upto

    def upto(self, asked: Asked) -> int:
        """The position up to which the log is read. Raises NotYet where it is shorter than ``min_position``."""
        with self.connection() as connection:
            return self._upto(connection, asked)

    def _upto(self, connection: Connection, asked: Asked) -> int:
        size = self.standing.size if self.standing else self.size(connection)
        if asked.min_position > size:
            raise NotYet(f"the ledger has {size} entries, not yet {asked.min_position}: ask again")
        return self._known_at(connection, asked, size, size)

    def size(self, connection: Connection) -> int:
        row = connection.execute("select size from head").fetchone()
        return int(row[0]) if row else 0

    def event(self, which: int | UUID) -> tuple[int, str, list[tuple[int, str]], list[Disclosure]]:
        """An entry's position and line, position and type of what corrects it, and what opens its commitments.

        The line may be one that cannot be read. Raises NotFound.
        """
        position, entry_id = (which, None) if isinstance(which, int) else (None, which)
        with self.connection() as connection:
            row = connection.execute(SQL["event"], {"position": position, "entry_id": entry_id}).fetchone()
            if row is None:
                raise NotFound(f"there is no entry {which}")
            at, stream, given_id, line = row
            given = {"stream": stream, "position": at, "entry_id": given_id}
            corrections = connection.execute(SQL["corrections"], given).fetchall()
            opened = read_disclosures(connection, [given_id]).get(given_id, [])
        return at, line, [(by, type_) for by, type_ in corrections], opened


def _standing(connection: Connection) -> Standing:
    row = connection.execute(SQL["standing"]).fetchone()
    if row is None:
        raise NotYet("the projections are not built yet: is the follower running?")
    return Standing(*row)


def list_query(
    name: str, kind: str, filters: Filters, sort: str = "id", after: tuple[str, str] | None = None
) -> tuple[LiteralString, dict[str, Any]]:
    """The query for a list, with a condition for each filter that is given; and what goes into it but the basis."""
    key, beyond, direction = SORTS[sort]
    narrowed = {field: value for field, value in vars(filters).items() if value is not None}
    conditions = [SQL[f"filter_{field}"] for field in narrowed or ("none",)]
    if after:
        conditions.append(SQL["filter_after"].format(key=key, beyond=beyond))
    candidates = "candidates" if filters.status is None else "candidates_status"
    query = SQL[name].format(
        key=key,
        direction=direction,
        conditions="\nand ".join(conditions),
        candidates=SQL[candidates].format(direction=direction),
        held=SQL["held"],
    )
    if filters.text is not None:
        narrowed["text"] = _pattern(filters.text)
    after_key, after_subject = after or (None, None)
    return query, {**narrowed, "kind": kind, "after_key": after_key, "after_subject": after_subject}


def _unverified(connection: Connection, positions: Collection[int], retracted: Retracted) -> dict[int, list[int]]:
    """Of the entries at these positions, those that rest on retracted sources alone, with what retracted them."""
    given = {"positions": list(positions), "retracted": list(retracted)}
    rows = connection.execute(SQL["unverified"], given).fetchall()
    return {position: sorted({by for source in sources for by in retracted[source]}) for position, sources in rows}


def _doubted(provenance: dict[str, list[int]], weak: dict[int, list[int]]) -> dict[str, list[int]]:
    """The fields of which nothing is left that a source still stands for."""
    return {
        field: sorted({by for position in positions for by in weak[position]})
        for field, positions in provenance.items()
        if positions and weak.keys() >= set(positions)
    }


def _pattern(text: str) -> str:
    """A pattern for LIKE that finds the text as it is, whatever it holds."""
    for special in "\\%_":
        text = text.replace(special, "\\" + special)
    return f"%{text.casefold()}%"


def _corrections(lines: Sequence[str]) -> list[list[dict[str, Any]]]:
    """For each line of a stream, what was recorded to correct it: by what, by whom, when and why."""
    entries = [read_line(line) for line in lines]
    positions = {entry.id: entry.position for entry in entries}
    found: dict[int, list[dict[str, Any]]] = {}
    for entry in entries:
        if entry.type.startswith("entry."):
            target = entry.data.get("target")
            position = target if isinstance(target, int) else positions.get(str(target)) or 0
            why = {
                name: entry.data[name]
                for name in ("reason_code", "reason", "text", "ground", "outcome")
                if name in entry.data
            }
            by = {
                "position": entry.position,
                "type": entry.type,
                "recordedtime": entry.recorded_at,
                "authid": entry.authid,
            }
            found.setdefault(position, []).append(by | why)
    return [found.get(entry.position or 0, []) for entry in entries]
