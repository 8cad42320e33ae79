"""The recorder: the library's ``ApplicationRecorder`` on our table, with group commit.

Callers hand their lines to one committer thread, which writes all that waits in one transaction and gives each caller
its positions. What is promised holds at each point where a process can die:

- before the statement is sent: nothing is recorded, nobody was answered;
- while it runs: the server rolls it back, or commits it whole;
- after its commit, before the answer: it is recorded, and the caller, who does not know, finds it by its ids.
"""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic, sleep
from typing import Any, cast
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


@dataclass(slots=True)
class Job:
    """What one caller wants recorded, all or nothing, and the promise of its positions."""

    lines: Sequence[StoredLine]
    positions: "Future[list[int]]" = field(default_factory=Future)


class Committer:
    """One thread, one connection: it orders what this process records."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.jobs: SimpleQueue[Job | None] = SimpleQueue()
        self.connection: Connection | None = None
        self.notified_at = 0.0
        self.owes_notice = False
        self.closed = False
        self.thread = Thread(target=self._run, name="committer", daemon=True)
        self.thread.start()

    def submit(self, lines: Sequence[StoredLine]) -> "Future[list[int]]":
        job = Job(lines)
        self.jobs.put(job)
        if self.closed:  # set before the last look into the queue: what comes later is refused here
            self._refuse_waiting()
        return job.positions

    def close(self) -> None:
        """Record what waits, then stop."""
        self.jobs.put(None)
        self.thread.join()
        if self.connection is not None:
            self.connection.close()

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
                if not job.positions.done():
                    job.positions.set_exception(error)

    def _refuse_waiting(self) -> None:
        while True:
            try:
                job = self.jobs.get_nowait()
            except Empty:
                return
            if job is not None:
                job.positions.set_exception(Unavailable("the ledger is closed; nothing was recorded"))

    def _next_batch(self) -> list[Job] | None:
        """Everything that waits, up to a bound; waits for something where nothing does. None is the end."""
        first = self._first_job()
        if first is None:
            return None
        batch, lines = [first], len(first.lines)
        while lines < MAX_BATCH_LINES:
            try:
                job = self.jobs.get_nowait()
            except Empty:
                break
            if job is None:
                self.jobs.put(None)
                break
            batch.append(job)
            lines += len(job.lines)
        return batch

    def _first_job(self) -> Job | None:
        if self.owes_notice:
            try:
                return self.jobs.get(timeout=NOTIFY_EVERY_S)
            except Empty:
                self._notify(at_once=True)
        return self.jobs.get()

    def _record(self, batch: Sequence[Job], settle_s: float) -> None:
        try:
            base = self._append([line for job in batch for line in job.lines])
        except LOST:
            self._settle(batch, settle_s)
        except psycopg.Error as error:
            # The transaction is gone, so nothing of the batch is recorded. One caller's conflict is not another's.
            if len(batch) == 1:
                batch[0].positions.set_exception(_translated(error))
            else:
                self._record_each(batch)
        else:
            for job in batch:
                job.positions.set_result(list(range(base + 1, base + 1 + len(job.lines))))
                base += len(job.lines)

    def _record_each(self, batch: Sequence[Job]) -> None:
        deadline = monotonic() + SETTLE_S
        for job in batch:
            self._record([job], max(deadline - monotonic(), 0))

    def _append(self, lines: Sequence[StoredLine]) -> int:
        """Write the lines; returns the position before the first. When it returns, they are recorded for good."""
        row = self._connected().execute(SQL["append"], _parameters(lines), prepare=True).fetchone()
        assert row is not None
        return int(row[0])

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
                waiting[0].positions.set_result(self._found(waiting[0]) or self._append_or_find(waiting[0]))
                waiting.popleft()
            except LOST:
                self._disconnect()
                if monotonic() > deadline:
                    _give_up(waiting)
                else:
                    sleep(RETRY_S)
            except psycopg.Error as error:
                waiting.popleft().positions.set_exception(_translated(error))

    def _append_or_find(self, job: Job) -> list[int]:
        try:
            base = self._append(job.lines)
        except psycopg.IntegrityError:
            if found := self._found(job):
                return found
            raise
        return list(range(base + 1, base + 1 + len(job.lines)))

    def _found(self, job: Job) -> list[int] | None:
        """The positions of the job's lines, if they are recorded: these very lines, not others under their ids."""
        ids = [UUID(line.entry_id) for line in job.lines]
        rows = self._connected().execute(SQL["find_ids"], {"entry_ids": ids}).fetchall()
        found: dict[UUID, tuple[int, str]] = {entry_id: (position, body) for entry_id, position, body in rows}
        for entry_id, line in zip(ids, job.lines, strict=True):
            if entry_id not in found or not found[entry_id][1].endswith(line.state[1:].decode()):
                return None
        return [found[entry_id][0] for entry_id in ids]

    def _connected(self) -> Connection:
        if self.connection is None or self.connection.closed:
            self.connection = psycopg.connect(self.place.conninfo(), autocommit=True)
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


def _parameters(lines: Sequence[StoredLine]) -> dict[str, Any]:
    opened = [(UUID(line.entry_id), *disclosure) for line in lines for disclosure in line.disclosures]
    return {
        "streams": [line.originator_id for line in lines],
        "versions": [line.originator_version for line in lines],
        "types": [line.topic for line in lines],
        "entry_ids": [UUID(line.entry_id) for line in lines],
        "rests": [line.state[1:].decode() for line in lines],
        "disclosed_ids": [one[0] for one in opened],
        "pointers": [one[1] for one in opened],
        "salts": [one[2] for one in opened],
        "values": [one[3] for one in opened],
    }


def _give_up(waiting: deque[Job]) -> None:
    while waiting:
        waiting.popleft().positions.set_exception(
            Unavailable("the database went away, and whether it recorded is not known")
        )


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
        return self.committer.submit(lines).result() if lines else None

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
