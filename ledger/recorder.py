"""The recorder: the library's ``ApplicationRecorder`` on our table, with group commit.

Callers hand their lines to one committer thread, which writes all that waits in one transaction and gives each caller
its positions; meanwhile the next lines gather. (A second such thread was measured: its smaller batches cost more than
its overlap gains.) What is promised holds at each point where a process can die:

- before the statement is sent: nothing is recorded, nobody was answered;
- while it runs: the server rolls it back, or commits it whole;
- after its commit, before the answer: it is recorded, and the caller, who does not know, finds it by its ids.
"""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from time import monotonic, sleep
from typing import Any, Generic, NamedTuple, TypeVar, cast
from uuid import UUID

import psycopg
from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    Notification,
    StoredEvent,
    Subscription,
)
from psycopg_pool import PoolTimeout

from ledger.entry import StoredLine
from ledger.errors import Unavailable
from ledger.postgres import Connection, Listener, Place, Pool, queries

SQL = queries("ledger", "recorder.sql")
MAX_BATCH_LINES = 2_000
SETTLE_S = 10.0
RETRY_S = 0.1
LOST = (psycopg.OperationalError, psycopg.InterfaceError)
"""The connection is gone, and with it the answer."""

NOTIFY_EVERY_S = 0.02
LAST = 2**63 - 1
T = TypeVar("T")


class Receipt(NamedTuple):
    """What became of a job's lines: the positions, in their order, and when they were recorded."""

    positions: Sequence[int]
    recorded_at: datetime


class Promise(Generic[T]):
    """Of an outcome: it ends once, with a value or an error. ``tell`` is called with it then, by whoever found out."""

    __slots__ = ("ended", "error", "tell", "value")

    def __init__(self, tell: "Callable[[Any], None] | None" = None) -> None:
        self.tell = tell
        self.value: T | None = None
        self.error: BaseException | None = None
        self.ended = Lock()  # a bare lock: with many callers, waking them is most of what a process does
        self.ended.acquire()

    def keep(self, value: T) -> None:
        self.value = value
        self._end()

    def fail(self, error: BaseException) -> None:
        self.error = error
        self._end()

    def _end(self) -> None:
        self.ended.release()
        tell, self.tell = self.tell, None  # who is told may hold the promise: the two shall not outlive their use
        if tell:
            tell(self)

    def done(self) -> bool:
        return self.value is not None or self.error is not None

    def outcome(self) -> T:
        """The value. Raises what went wrong."""
        if self.error is not None:
            raise self.error
        return cast(T, self.value)

    def result(self, timeout_s: float = -1) -> T:
        """The outcome, once there is one. Raises what went wrong; TimeoutError where time is up before."""
        if not self.ended.acquire(timeout=timeout_s):
            raise TimeoutError
        self.ended.release()
        return self.outcome()


class Job(Promise[Receipt]):
    """What one caller wants recorded, all or nothing."""

    __slots__ = ("lines",)

    def __init__(self, lines: Sequence[StoredLine], tell: "Callable[[Any], None] | None" = None) -> None:
        super().__init__(tell)
        self.lines = lines


class Committer:
    """One thread, one connection: it orders what this process records."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.jobs: SimpleQueue[Sequence[Job] | None] = SimpleQueue()
        self.connection: Connection | None = None
        self.notified_at = 0.0
        self.owes_notice = False
        self.closed = False
        self.thread = Thread(target=self._run, name="committer", daemon=True)
        self.thread.start()

    def submit(self, lines: Sequence[StoredLine]) -> Job:
        job = Job(lines)
        self.submit_all([job])
        return job

    def submit_all(self, jobs: Sequence[Job]) -> None:
        """What comes together is recorded together, as long as nothing in it conflicts."""
        self.jobs.put(jobs)
        if self.closed:  # set before the last look into the queue: what comes later is refused here
            self._refuse_waiting()

    def close(self) -> None:
        """Record what waits, then stop."""
        self.jobs.put(None)
        self.thread.join()
        self._disconnect()

    def _run(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                self._serve(batch)
        finally:
            self.closed = True
            self._refuse_waiting()

    def _serve(self, batch: Sequence[Job]) -> None:
        try:
            self._record(batch, SETTLE_S)
            self._notify()
        except BaseException as error:  # whatever it is, no caller is left waiting
            for job in batch:
                if not job.done():
                    job.fail(error)

    def _refuse_waiting(self) -> None:
        while True:
            try:
                jobs = self.jobs.get_nowait()
            except Empty:
                return
            for job in jobs or ():
                job.fail(Unavailable("the ledger is closed; nothing was recorded"))

    def _next_batch(self) -> list[Job] | None:
        """Everything that waits, up to a bound; waits for something where nothing does. None is the end."""
        first = self._first_jobs()
        if first is None:
            return None
        batch, lines = [*first], _lines_of(first)
        while lines < MAX_BATCH_LINES:
            try:
                jobs = self.jobs.get_nowait()
            except Empty:
                break
            if jobs is None:
                self.jobs.put(None)
                break
            batch += jobs
            lines += _lines_of(jobs)
        return batch

    def _first_jobs(self) -> Sequence[Job] | None:
        if self.owes_notice:
            try:
                return self.jobs.get(timeout=NOTIFY_EVERY_S)
            except Empty:
                self._notify(at_once=True)
        return self.jobs.get()

    def _record(self, batch: Sequence[Job], settle_s: float) -> None:
        try:
            base, recorded_at = self._append([line for job in batch for line in job.lines])
        except LOST:
            self._settle(batch, settle_s)
        except psycopg.Error as error:
            # The transaction is gone, so nothing of the batch is recorded. One caller's conflict is not another's.
            if len(batch) == 1:
                batch[0].fail(_translated(error))
            else:
                self._record_each(batch)
        else:
            for job in batch:
                job.keep(Receipt(_following(base, job), recorded_at))
                base += len(job.lines)

    def _record_each(self, batch: Sequence[Job]) -> None:
        deadline = monotonic() + SETTLE_S
        for job in batch:
            self._record([job], max(deadline - monotonic(), 0))

    def _append(self, lines: Sequence[StoredLine]) -> tuple[int, datetime]:
        """Write the lines; returns the position before the first, and the time. Then they are recorded for good."""
        row = self._connected().execute(SQL["append"], _parameters(lines), prepare=True).fetchone()
        assert row is not None
        return row[0], row[1]

    def _settle(self, batch: Sequence[Job], settle_s: float) -> None:
        """The connection died and the outcome is unknown: find it out by the ids, caller by caller.

        Appending again is safe even if the first attempt is still at work on the server: ids are unique, so only one
        of the two can ever commit, and the other is looked up.
        """
        deadline = monotonic() + settle_s
        waiting = deque(batch)
        self._disconnect()
        while waiting:
            try:
                found = self._found(waiting[0]) or self._append_or_find(waiting[0])
                waiting.popleft().keep(found)
            except LOST:
                self._disconnect()
                if monotonic() > deadline:
                    _give_up(waiting)
                else:
                    sleep(RETRY_S)
            except psycopg.Error as error:
                waiting.popleft().fail(_translated(error))

    def _append_or_find(self, job: Job) -> Receipt:
        try:
            base, recorded_at = self._append(job.lines)
        except psycopg.IntegrityError:
            if found := self._found(job):
                return found
            raise
        return Receipt(_following(base, job), recorded_at)

    def _found(self, job: Job) -> Receipt | None:
        """Where the job's lines stand, if they are recorded: these very lines, not others under their ids."""
        ids = [UUID(line.entry_id) for line in job.lines]
        rows = self._connected().execute(SQL["find_ids"], {"entry_ids": ids}).fetchall()
        found = {entry_id: (position, recorded_at, body) for entry_id, position, recorded_at, body in rows}
        for entry_id, line in zip(ids, job.lines, strict=True):
            if entry_id not in found or not found[entry_id][2].endswith(line.state[1:].decode()):
                return None
        return Receipt([found[entry_id][0] for entry_id in ids], found[ids[-1]][1])

    def _connected(self) -> Connection:
        if self.connection is None or self.connection.closed:
            self.connection = Connection.connect(self.place.conninfo(), autocommit=True)
        return self.connection

    def _disconnect(self) -> None:
        if self.connection is not None:
            self.connection.close()

    def _notify(self, *, at_once: bool = False) -> None:
        """Wake the follower, after the commit and not for each: in the transaction it would take a cluster-wide lock."""
        self.owes_notice = not at_once and monotonic() - self.notified_at < NOTIFY_EVERY_S
        if not self.owes_notice:
            self.notified_at = monotonic()
            try:
                self._connected().execute(SQL["notify"], {"channel": self.place.channel})
            except Exception:  # it is only a notice: the follower polls as well
                self._disconnect()


def _lines_of(jobs: Sequence[Job]) -> int:
    return sum(len(job.lines) for job in jobs)


def _following(base: int, job: Job) -> list[int]:
    return list(range(base + 1, base + 1 + len(job.lines)))


def _parameters(lines: Sequence[StoredLine]) -> dict[str, Any]:
    """One text for each column, a line for each entry: a tenth of what arrays cost to bind, and none holds a newline."""
    opened = [(line, disclosure) for line in lines for disclosure in line.disclosures]
    return {
        "count": len(lines),
        "streams": "\n".join([str(line.originator_id) for line in lines]),
        "versions": "\n".join([str(line.originator_version) for line in lines]),
        "types": "\n".join([line.topic for line in lines]),
        "entry_ids": "\n".join([line.entry_id for line in lines]),
        "rests": b"\n".join([line.state for line in lines]).decode(),
        "disclosed_ids": [UUID(line.entry_id) for line, _ in opened],
        "pointers": [disclosure.pointer for _, disclosure in opened],
        "salts": [disclosure.salt for _, disclosure in opened],
        "values": [disclosure.value for _, disclosure in opened],
    }


def _give_up(waiting: deque[Job]) -> None:
    while waiting:
        waiting.popleft().fail(Unavailable("the database went away, and whether it recorded is not known"))


def _translated(error: psycopg.Error) -> Exception:
    """The library's word for a conflict; what else the server refuses, such as writing to a replica, is its state."""
    if isinstance(error, psycopg.IntegrityError):
        return IntegrityError(str(error))
    return error if isinstance(error, psycopg.DataError) else Unavailable(f"the database refuses: {str(error).strip()}")


class LogSubscription(Subscription["EntryRecorder"]):
    """Every entry in order, those recorded already and those to come."""

    BATCH = 500
    POLL_S = 0.5

    def __init__(self, recorder: "EntryRecorder", gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder, gt, topics)
        self._waiting: deque[Notification] = deque()
        self._listener = Listener(recorder.place)

    def __next__(self) -> Notification:
        while not self._has_been_stopped:
            if self._waiting:
                return self._waiting.popleft()
            try:
                self._waiting.extend(self._pull())
            except (psycopg.OperationalError, PoolTimeout):
                sleep(self.POLL_S)  # the pool makes new connections; nothing is lost, as we go on from a position
            if self._waiting:
                self._last_notification_id = self._waiting[-1].id
            else:
                self._listener.wait(self.POLL_S)
        raise StopIteration

    def _pull(self) -> Sequence[Notification]:
        return self._recorder.select_notifications(
            self._last_notification_id, self.BATCH, topics=self._topics, inclusive_of_start=False
        )

    def stop(self) -> None:
        super().stop()
        self._listener.close()


class EntryRecorder(ApplicationRecorder):
    """Stores and reads lines. ``insert_events`` may be called from any number of threads."""

    def __init__(self, place: Place, pool: Pool) -> None:
        self.place = place
        self.pool = pool
        self.committer = Committer(place)

    def close(self) -> None:
        self.committer.close()

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Record the lines, all or none; returns their positions. Raises IntegrityError, Unavailable.

        On IntegrityError a stream has moved on, or an id stands already. On Unavailable the outcome is not known.
        """
        lines = cast(Sequence[StoredLine], stored_events)
        return self.committer.submit(lines).result().positions if lines else None

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        given = {
            "stream": str(originator_id),
            "gt": gt or 0,
            "lte": lte if lte is not None else 2**31 - 1,
            "limit": limit,
        }
        query = SQL["select_stream"].format(direction="desc" if desc else "asc")
        with self.pool.connection() as connection:
            rows = connection.execute(query, given).fetchall()
        return [StoredEvent(originator_id, version, type_, body.encode()) for _, version, type_, body in rows]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        first = (start or 0) + (0 if inclusive_of_start else 1)
        given = {
            "start": first,
            "stop": stop if stop is not None else LAST,
            "limit": limit,
            "types": list(topics) or None,
        }
        with self.pool.connection() as connection:
            rows = connection.execute(SQL["select_log"], given).fetchall()
        return [
            Notification(
                originator_id=stream, originator_version=version, topic=type_, state=body.encode(), id=position
            )
            for position, stream, version, type_, body in rows
        ]

    def max_notification_id(self) -> int | None:
        with self.pool.connection() as connection:
            row = connection.execute(SQL["head"]).fetchone()
        return int(row[0]) or None if row else None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> "LogSubscription":
        """Every entry after ``gt``, as it is recorded."""
        return LogSubscription(self, gt, topics)
