"""One look-up for all requests that wait (request coalescing): whose keys these are, and the watermarks of the ledger.

A request is answered from what was read after it came: so a key that was revoked opens nothing from that moment, and a
cached answer is given again only while it is still true. A request that comes while a look-up is under way waits for the
next one, together with all others that come meanwhile: the more requests, the less each look-up costs. Reads that wait
for a position wait here, too: one look-up in a while, for all of them.

Where the projections have followed the log further, the look-up reads which streams that touched, before anybody is answered.

Each look-up also asks whether the log still holds the entry that this process has seen last. If not, the ledger was rolled
back, and another epoch begins before any request is answered.
"""

import math
from asyncio import Event, Future, Task, create_task, get_running_loop, sleep, timeout_at, to_thread
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from time import monotonic
from typing import Any, NamedTuple, Self, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.abc import PQGen

from api.http.auth import SQL as KEYS
from api.http.auth import Holders, bearer, digest, holders
from ledger.database.connection import LedgerLocation
from ledger.database.failures import FAILURES, explained
from ledger.errors import Unavailable
from ledger.log.committer import LastEntry
from ledger.log.epoch import renew
from projections.basis import Behind, Watermarks
from projections.queries import LOG_WATERMARKS, WATERMARKS
from projections.touched import SQL as TOUCHED
from projections.touched import Touched

T = TypeVar("T")

LOOKUP = KEYS["lookup"].format(watermarks=WATERMARKS, keys=KEYS["keys"])
LOOKUP_LOG = KEYS["lookup"].format(watermarks=LOG_WATERMARKS, keys=KEYS["keys"])
DEADLINE_S = 5.0
"""How long the database may take to answer a look-up."""
LOOK_S = 0.01
"""How long reads that wait for a position wait between two look-ups."""


class LookedUp(NamedTuple):
    """What a look-up has found: whose keys these are, the watermarks, the day."""

    holders: Holders
    watermarks: Watermarks
    today: date


class SeenLast(NamedTuple):
    """The last entry that the process has seen of the log, and in which epoch."""

    epoch: str | None = None
    position: int = 0
    entry_id: str | None = None
    recorded_at: datetime | None = None


class RollbackWatch:
    """Notices, for all look-ups of the process, that the log no longer holds what the process has seen of it."""

    def __init__(self, location: LedgerLocation) -> None:
        self.location = location
        self.seen = SeenLast()
        self.epoch: str | None = None  # of the last answer

    def note(self, watermarks: Watermarks) -> None:
        """What was seen before stays seen where a standby has not come so far."""
        self.epoch = watermarks.epoch
        grown = watermarks.epoch != self.seen.epoch or watermarks.size > self.seen.position
        if watermarks.goes_on and grown:
            self.seen = SeenLast(watermarks.epoch, watermarks.size, watermarks.last_id, watermarks.last_at)

    def note_recorded(self, epoch: str | None, last: LastEntry | None) -> None:
        """What this process has recorded itself, it has seen."""
        if last and epoch == self.seen.epoch and last.position > self.seen.position:
            self.seen = SeenLast(epoch, *last)

    async def begin_epoch(self, current: str) -> None:
        """The ledger was rolled back to before what was seen of it. Raises Unavailable."""
        seen = self.seen
        what = (
            f"entry {seen.position}, recorded at {seen.recorded_at}, {seen.entry_id},"
            if seen.position
            else f"epoch {seen.epoch}"
        )
        await to_thread(self._renew, current, f"{what} was gone when the log was looked at again")
        if self.seen is seen:
            self.seen = SeenLast()

    def _renew(self, current: str, reason: str) -> None:
        try:
            with self.location.connect() as connection:
                connection.deadline = monotonic() + DEADLINE_S
                renew(connection, current, reason)
        except psycopg.Error as error:
            raise Unavailable("the ledger was rolled back, and its next epoch cannot begin", str(error)) from None


class LookupConnection(AsyncConnection[tuple[Any, ...]]):
    """A connection that nobody waits on for ever, as ``ledger.database.connection.Connection``."""

    deadline: float = math.inf

    async def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        return await super().wait(gen, interval, max(self.deadline - monotonic(), 0))


@dataclass
class Lookup:
    """One look-up, and the requests that wait for it."""

    digests: set[bytes] = field(default_factory=set)
    answered: Event = field(default_factory=Event)
    looked_up: LookedUp | Exception | None = None


class CoalescedLookup:
    """Looks up over a connection of its own. Appends need no watermarks of the projections, nor wait for their swap."""

    def __init__(self, location: LedgerLocation, rollbacks: RollbackWatch | None = None, *, watermarks: bool) -> None:
        self.location = location
        self.rollbacks = rollbacks or RollbackWatch(location)
        self.watermarks = watermarks
        self.touched = Touched()
        self.connection: LookupConnection | None = None
        self.next: Lookup | None = None
        self.task: Task[None] | None = None
        self.waiting: dict[Future[None], Behind] = {}
        self.watch: Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._disconnect()

    async def look_up(self, header: str | None) -> LookedUp:
        """Raises Denied for a header that holds no key, Unavailable."""
        key = bearer(header)
        return await self.look_up_all(() if key is None else {digest(key)})

    async def look_up_all(self, digests: Iterable[bytes]) -> LookedUp:
        """As ``look_up``, for keys that are known by their digests. Raises Unavailable."""
        self.next = lookup = self.next or Lookup()
        lookup.digests.update(digests)
        self.task = self.task or create_task(self._answer())
        await lookup.answered.wait()
        if isinstance(lookup.looked_up, Exception):
            raise lookup.looked_up
        assert lookup.looked_up is not None
        return lookup.looked_up

    async def wait(self, behind: Behind, until: float) -> None:
        """Until it is worth asking again. Raises TimeoutError at ``until``, in the loop's time."""
        waiter = get_running_loop().create_future()
        self.waiting[waiter] = behind
        self.watch = self.watch or create_task(self._watch())
        try:
            async with timeout_at(until):
                await waiter
        finally:
            del self.waiting[waiter]

    async def _watch(self) -> None:
        """As long as any read waits: one look-up at a time for all of them."""
        while self.waiting:
            try:
                watermarks = (await self.look_up(None)).watermarks
                over = [waiter for waiter, behind in self.waiting.items() if behind.is_over(watermarks)]
            except Exception:
                over = list(self.waiting)  # each finds out by a look-up of its own
            for waiter in over:
                if not waiter.done():
                    waiter.set_result(None)
            await sleep(LOOK_S)
        self.watch = None

    async def _answer(self) -> None:
        """Look-up after look-up, as long as any request waits."""
        while lookup := self.next:
            self.next = None
            try:
                lookup.looked_up = await self._look(list(lookup.digests))
            except Exception as error:
                lookup.looked_up = error
            lookup.answered.set()
        self.task = None

    async def _look(self, digests: list[bytes]) -> LookedUp:
        """What is so now, in an epoch that goes on from what was seen. Raises Unavailable."""
        looked_up = await self._find(digests)
        while not looked_up.watermarks.goes_on and not looked_up.watermarks.reads_only:
            await self.rollbacks.begin_epoch(looked_up.watermarks.epoch)
            looked_up = await self._find(digests)
        self.rollbacks.note(looked_up.watermarks)
        return looked_up

    async def _find(self, digests: list[bytes]) -> LookedUp:
        """A connection that was lost since the last look-up is made again; one that is silent is dropped."""
        deadline = monotonic() + DEADLINE_S
        try:
            with suppress(psycopg.OperationalError):
                return await self._read(digests, deadline)
            await self._disconnect()
            if monotonic() >= deadline:
                raise Unavailable("the database does not answer")
            return await self._read(digests, deadline)
        except FAILURES as error:
            await self._disconnect()
            raise explained(error) from None

    async def _read(self, digests: list[bytes], deadline: float) -> LookedUp:
        if self.connection is None:
            self.connection = await LookupConnection.connect(self.location.conninfo(), autocommit=True)
            # from here on: to find the server, host by host, has a limit of its own
            deadline = monotonic() + DEADLINE_S
        self.connection.deadline = deadline
        given = {"digests": digests, **self.rollbacks.seen._asdict()}
        rows = await self._rows(self.connection, given)
        watermarks = Watermarks(*rows[0][3:])
        if self.watermarks and watermarks.goes_on and (missing := self.touched.missing(watermarks)):
            await self._note_touched(self.connection, missing)
        return LookedUp(holders(rows), watermarks, datetime.now(UTC).date())

    async def _note_touched(self, connection: LookupConnection, missing: dict[str, int]) -> None:
        """Answers alone that are kept rest on it: where it cannot be told, they are made anew, and nobody is refused."""
        try:
            grown = await (await connection.execute(TOUCHED["touched"], missing)).fetchall()
        except psycopg.Error as error:
            self.touched.forget()
            if error.sqlstate is None:  # the connection is lost
                raise
        else:
            self.touched.note(grown, missing["upto"])

    async def _rows(self, connection: LookupConnection, given: dict[str, Any]) -> list[tuple[Any, ...]]:
        if self.watermarks:
            with suppress(psycopg.errors.UndefinedTable):  # before the first follower
                return await (await connection.execute(LOOKUP, given)).fetchall()
        return await (await connection.execute(LOOKUP_LOG, given)).fetchall()

    async def _disconnect(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            await connection.close()
