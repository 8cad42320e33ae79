"""Streams of entries as they are recorded: one reader of the log for all streams of the process (Server-Sent Events).

A stream holds neither a thread nor a connection, and nothing is queued for it: it knows its position, and takes what
comes after it from the entries that were read last, or from a page of the log, one page at a time for all. So a slow
client costs no more memory than a fast one; one that takes nothing at all is cut off (``protocol.py``), and resumes.

Whether keys are still good, and whether the log goes on, is asked whenever it is looked for new entries.
"""

import logging
from asyncio import Event, Lock, Task, create_task, get_running_loop, sleep, timeout_at, to_thread
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from fastapi.concurrency import run_in_threadpool
from fastapi.sse import format_sse_event
from pydantic_core import to_json

from api.http.lookup import CoalescedLookup
from api.http.problems import sort_of
from ledger.database.connection import LedgerLocation, Listener, Pool
from ledger.database.failures import FAILURES
from ledger.errors import Denied, LedgerError, RolledBack, Unavailable
from projections.basis import Behind, Position, Watermarks, check_position
from projections.feed import ALL, Line, Wanted, lines_after

MAX_STREAMS = 5_000
"""So many streams a process serves at a time."""
KEEP_ALIVE_S = 15.0
RETRY_MS = 3_000
POLL_S = 0.5
"""How often it is looked for new entries, and for keys that were revoked, where nothing was announced."""
REST_S = 0.02
"""Between two looks, so that what is recorded in quick succession is sent together."""
PAGE = 50
BATCH = 500
RECENT, RECENT_BYTES = 1_000, 4 * 2**20
STOPPING = format_sse_event(comment="the service stops; come again")
log = logging.getLogger("ledger.http")


@dataclass(eq=False, slots=True)
class Reader:
    """One open stream: the epoch that it reads in, the last position that it has been given, what it wants, and the digest of the
    key that opened it; ``end`` is the last that it is told, once there is a reason."""

    epoch: str
    position: int
    wanted: Wanted
    key: bytes | None = None
    end: bytes | None = None

    @property
    def place(self) -> str:
        """Where a reader who comes again goes on after."""
        return f"{self.epoch}:{self.position}"

    def judge(self, watermarks: Watermarks, known: Iterable[bytes]) -> None:
        """By a look-up that was made after the stream was opened."""
        if self.key is not None and self.key not in known:
            self.end = _last_words(Denied("the key was revoked"))
        try:
            check_position("after", Position(0, self.epoch), watermarks)
        except RolledBack as error:
            self.end = _last_words(error)
        except Behind:
            return  # a standby that has not heard of the epoch yet


class Streams:
    """All streams of the process."""

    def __init__(self, location: LedgerLocation, pool: Pool, lookups: CoalescedLookup) -> None:
        self.location, self.pool, self.lookups = location, pool, lookups
        self.readers: set[Reader] = set()
        self.epoch, self.position = "", 0  # up to where the log was read
        self.recent: deque[tuple[Line, bytes]] = deque()  # the last entries up to there, without a gap
        self.recent_bytes = 0
        self.changed = Event()  # another after each change
        self.page_turn = Lock()
        self.task: Task[None] | None = None
        self.stopping = False

    def open(self, reader: Reader, watermarks: Watermarks) -> AsyncIterator[bytes]:
        """What the reader is sent, from ``watermarks`` on that were looked up for it. Raises Unavailable."""
        if len(self.readers) >= MAX_STREAMS:
            raise Unavailable(f"this process serves {MAX_STREAMS:,} streams already: ask again later")
        return self._frames(reader, watermarks)

    def stop(self) -> None:
        """Let every stream end: the service stops."""
        self.stopping = True
        self._wake()

    async def _frames(self, reader: Reader, watermarks: Watermarks) -> AsyncIterator[bytes]:
        self.readers.add(reader)
        if self.task is None:
            self._begin(watermarks)
            self.task = create_task(self._follow())
        try:
            async for frame in self._told(reader):
                yield frame
        finally:
            self.readers.discard(reader)

    async def _told(self, reader: Reader) -> AsyncIterator[bytes]:
        now = get_running_loop().time
        yield format_sse_event(id=reader.place, retry=RETRY_MS)
        due = now() + KEEP_ALIVE_S
        while not (self.stopping or reader.end):
            changed = self.changed  # before anything is looked at: what changes from here on is not missed
            frames = await self._next(reader)
            if frames or now() >= due:
                yield frames or format_sse_event(comment="", id=reader.place)
                due = now() + KEEP_ALIVE_S
            elif not self._is_behind(reader):
                with suppress(TimeoutError):
                    async with timeout_at(due):
                        await changed.wait()
        yield reader.end or STOPPING

    def _is_behind(self, reader: Reader) -> bool:
        return reader.epoch == self.epoch and reader.position < self.position

    async def _next(self, reader: Reader) -> bytes:
        """Some of what comes next, in order; the reader's position moves on, be it over what it does not want."""
        if not self._is_behind(reader):
            return b""
        first = self.position - len(self.recent)
        if reader.position < first:
            return await self._page(reader)
        some = list(islice(self.recent, reader.position - first, reader.position - first + PAGE))
        reader.position = some[-1][0].position
        return b"".join([frame for line, frame in some if reader.wanted.takes(line)])

    async def _page(self, reader: Reader) -> bytes:
        """As ``_next``, from the log. As any read it begins with a look-up, so nothing of another epoch is read."""
        with suppress(Unavailable, *FAILURES):
            async with self.page_turn:
                watermarks = (await self.lookups.look_up(None)).watermarks
                if watermarks.epoch == reader.epoch and watermarks.goes_on:
                    upto = min(self.position, watermarks.size)
                    lines, reader.position = await self._read(reader.position, upto, PAGE, reader.wanted)
                    return b"".join([_frame(reader.epoch, line) for line in lines])
        await sleep(POLL_S)
        return b""

    async def _read(self, after: int, upto: int, limit: int, wanted: Wanted = ALL) -> tuple[list[Line], int]:
        def read() -> tuple[list[Line], int]:
            with self.pool.connection() as connection:
                return lines_after(connection, after, upto, limit, wanted)

        return await run_in_threadpool(read)

    # --- the one reader of the log

    async def _follow(self) -> None:
        """As long as there is any stream."""
        listener = Listener(self.location)
        try:
            while self.readers and not self.stopping:
                try:
                    await self._look()
                except (Unavailable, *FAILURES) as error:
                    log.warning("streams wait, as the log cannot be read: %s", error)
                except Exception:
                    log.exception("the log could not be read for streams, and is tried again")
                await to_thread(listener.wait, POLL_S)
                await sleep(REST_S)
        finally:
            self.task = None
            listener.close()

    async def _look(self) -> None:
        """Look who may still read, and for what was recorded."""
        readers = list(self.readers)
        looked_up = await self.lookups.look_up_all({one.key for one in readers if one.key})
        watermarks = looked_up.watermarks
        for one in readers:
            one.judge(watermarks, looked_up.holders)
        if watermarks.epoch != self.epoch:
            self._begin(watermarks)
        while watermarks.goes_on and self.position < watermarks.size:
            lines, upto = await self._read(self.position, watermarks.size, BATCH)
            self._add(lines, upto)
        if any(one.end for one in readers):
            self._wake()

    def _begin(self, watermarks: Watermarks) -> None:
        """From here on; what was before is read in pages."""
        self.epoch, self.position = watermarks.epoch, watermarks.size
        self.recent.clear()
        self.recent_bytes = 0
        self._wake()

    def _add(self, lines: list[Line], upto: int) -> None:
        self.recent.extend((line, _frame(self.epoch, line)) for line in lines)
        self.recent_bytes += sum(len(frame) for _, frame in islice(self.recent, len(self.recent) - len(lines), None))
        while len(self.recent) > RECENT or self.recent_bytes > RECENT_BYTES:
            self.recent_bytes -= len(self.recent.popleft()[1])
        self.position = upto
        self._wake()

    def _wake(self) -> None:
        changed, self.changed = self.changed, Event()
        changed.set()


def _frame(epoch: str, line: Line) -> bytes:
    return format_sse_event(id=f"{epoch}:{line.position}", data_str=line.text)


def _last_words(error: LedgerError) -> bytes:
    """Why a stream ends, as the problem document that who comes again would get."""
    problem = sort_of(error)
    more = {"current_epoch": error.epoch} if isinstance(error, RolledBack) else {}
    told = {"type": problem.type, "title": problem.title, "status": problem.status, "detail": str(error), **more}
    return format_sse_event(event=problem.slug, data_str=to_json(told).decode())
