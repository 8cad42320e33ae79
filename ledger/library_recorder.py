"""The recorder: the library's ``ApplicationRecorder`` on our table. What it is told to record goes to the writer."""

from collections import deque
from collections.abc import Sequence
from time import sleep
from typing import Any, cast
from uuid import UUID

import psycopg
from eventsourcing.persistence import ApplicationRecorder, Notification, StoredEvent, Subscription
from psycopg_pool import PoolTimeout

from ledger.database.connection import LedgerLocation, Listener, Pool, sql_blocks
from ledger.log.entry import StoredLine
from ledger.writing.writer import Writer

SQL = sql_blocks("ledger", "library_recorder.sql")
LAST = 2**63 - 1


class LogSubscription(Subscription["EntryRecorder"]):
    """Every entry in order, those recorded already and those to come."""

    BATCH = 500
    POLL_S = 0.5

    def __init__(self, recorder: "EntryRecorder", gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder, gt, topics)
        self._waiting: deque[Notification] = deque()
        self._listener = Listener(recorder.location)

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

    def __init__(self, location: LedgerLocation, pool: Pool, writer: Writer | None = None) -> None:
        self.location = location
        self.pool = pool
        self.writer = writer or Writer(location)

    def close(self) -> None:
        self.writer.close()

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Record the lines, all or none; returns their positions. Raises IntegrityError, Unavailable.

        On IntegrityError a stream has moved on, or an id stands already. On Unavailable the outcome may not be known.
        """
        lines = cast(Sequence[StoredLine], stored_events)
        return self.writer.insert(lines).result() if lines else None

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
            "types": list(topics),
        }
        with self.pool.connection() as connection:
            query = SQL["select_log"].format(conditions=SQL["of_types" if topics else "of_any_type"])
            rows = connection.execute(query, given).fetchall()
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
