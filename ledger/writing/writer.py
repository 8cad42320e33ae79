"""The writer: one thread in a loop, which orders what this process records.

Callers put what they want recorded into a queue and get a future. The writer drains the queue; reads, in one round trip,
what its cache lacks; decides each request after those before it; and hands all of it to the one statement that records
(``append_lines`` in ``ledger/log/schema``). That statement is the judge: under the lock of the log's head it looks whether
what the requests were decided on still stands, records those for which it does, and names the others, which are read
and decided again. So nothing is recorded, answered or refused on a memory that the database does not bear out, and
whoever conflicts costs nobody else anything. The head is never held across a round trip.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic, sleep
from typing import NamedTuple, TypeVar

import psycopg
from eventsourcing.persistence import IntegrityError

from ledger.database.connection import LedgerLocation
from ledger.database.failures import explained, is_lost
from ledger.errors import Flagged
from ledger.log.batch import Batch
from ledger.log.committer import NOTIFY_EVERY_S, Committer, LastEntry, Lost, Premises, Verdict
from ledger.log.entry import StoredLine
from ledger.log.epoch import renew
from ledger.writing.decision import Decider, DecisionContext, Request
from ledger.writing.decision_cache import DecisionCache, LogReplaced
from ledger.writing.pending import Append, Insert, Pending

MAX_BATCH_EVENTS = 1_000
ATTEMPTS = 10
RETRY_S = 0.05
LEAST_SHARE = 0.1
"""Of the time that a caller waits, an attempt has at least so much: who has less left is given up. Else the oldest of many
would cut short each attempt that they share, one after the other, and nothing would ever be recorded again."""

log = logging.getLogger("ledger.writing.writer")
P = TypeVar("P", bound=Pending)


class NotRecorded(Exception):
    """The judge has recorded nothing of a batch, for a reason that concerns all of it."""

    def __init__(self, verdict: Verdict, decided_at: datetime) -> None:
        self.verdict, self.decided_at = verdict, decided_at


class Backlog(NamedTuple):
    """What waits to be recorded: how many, for how long the first of them, on which backend's work; is there a writer?"""

    appends: int
    since_s: float | None
    backend_pid: int | None
    alive: bool


class Writer:
    """Decides and records. ``clock`` is ours: it is held against the server's.

    What waits longer than ``patience_s`` is given up; clocks may differ by ``tolerance_s``.
    """

    def __init__(
        self, location: LedgerLocation, decider: Decider | None = None, clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        patience_s: float = 10.0, tolerance_s: float = 5.0,
    ) -> None:  # fmt: skip
        self.decider, self.clock = decider, clock
        self.patience_s, self.tolerance_s = patience_s, tolerance_s
        self.committer = Committer(location)
        self.cache = DecisionCache()
        self.queue: SimpleQueue[Pending | None] = SimpleQueue()
        self.waiting: deque[Pending] = deque()  # taken from the queue, or to be decided again
        self.in_hand: Sequence[Pending] = ()  # all that was taken from the queue, for who asks from another thread
        self.epoch: str | None = None
        self.today: date | None = None  # the server's day, where it is another than ours
        self.closing = self.closed = False
        self.thread = Thread(target=self._run, name="writer", daemon=True)
        self.thread.start()

    def submit(self, request: Request) -> Append:
        """The answers to come. Their exception is what ``Ledger.append`` raises."""
        return self._put(Append(request, self.patience_s))

    def insert(self, lines: Sequence[StoredLine]) -> Insert:
        """The positions to come. Their exception is IntegrityError or Unavailable."""
        return self._put(Insert(lines, self.patience_s))

    def _put(self, pending: P) -> P:
        self.queue.put(pending)
        if self.closed:  # set before the last look into the queue: what comes later is refused here
            self._refuse_waiting()
        return pending

    def close(self) -> None:
        """Record what waits, then stop."""
        self.queue.put(None)
        self.thread.join()
        self.committer.drop()

    def report(self) -> Backlog:
        """For health and metrics; from any thread."""
        in_hand = [one for one in self.in_hand if not one.done()]
        since_s = monotonic() - min([one.arrived for one in in_hand]) if in_hand else None
        count = len(in_hand) + self.queue.qsize()
        return Backlog(count, since_s, self.committer.backend_pid, self.thread.is_alive())

    # --- the loop

    def _run(self) -> None:
        while not self.closing or self.waiting or not self.queue.empty():
            batch: Sequence[Pending] = ()
            try:
                batch = self._next_batch()
                self.in_hand = (*batch, *self.waiting)
                self._serve(batch)
            except BaseException as error:  # whatever it is, no caller is left waiting, and others are served
                log.error("the writer failed at a batch and goes on: %s", type(error).__name__)  # noqa: TRY400  no names
                self._forget(batch)
            self.in_hand = ()
        self.closed = True
        self._refuse_waiting()

    def _forget(self, batch: Sequence[Pending]) -> None:
        """After a failure that nobody foresaw: it may have come after the commit."""
        self.cache.clear()
        with suppress(Exception):  # what cannot even be closed is given up: nothing ends the writer
            self.committer.drop()
        for one in batch:
            if not one.done() and one not in self.waiting:
                one.doubt()
                one.give_up("the writer failed")

    def _refuse_waiting(self) -> None:
        with suppress(Empty):  # several may look at once
            while True:
                pending = self.queue.get_nowait()
                if pending:
                    pending.give_up("the ledger is closed")

    def _next_batch(self) -> list[Pending]:
        """What can be decided together, of all that waits; waits for something where nothing does."""
        self._drain()
        batch, ids, events = list[Pending](), set[str](), 0
        later = deque[Pending]()
        for pending in self.waiting:
            fits = events < MAX_BATCH_EVENTS and ids.isdisjoint(pending.ids)
            if fits and (not batch or type(pending) is type(batch[0])):
                batch.append(pending)
                ids |= pending.ids
                events += pending.events
            else:
                later.append(pending)
        self.waiting = later
        return batch

    def _drain(self) -> None:
        """Take what is in the queue; where nothing else waits, wait for it."""
        if not self.waiting and not self.closing:
            self._take(self._first())
        while not self.queue.empty():
            self._take(self.queue.get())

    def _first(self) -> Pending | None:
        if self.committer.owes_notice:
            try:
                return self.queue.get(timeout=NOTIFY_EVERY_S)
            except Empty:
                self.committer.notify(at_once=True)
        return self.queue.get()

    def _take(self, pending: Pending | None) -> None:
        if pending is None:
            self.closing = True
        else:
            self.waiting.append(pending)

    # --- a batch

    def _serve(self, batch: Sequence[Pending]) -> None:
        """Decide and record; what is stale, or lost and not late, waits for the next batch."""
        batch = self._in_time(batch)
        if not batch:
            return
        self.committer.deadline = min([one.deadline for one in batch])
        try:
            if self.committer.is_connected:
                self._attempt(batch)
            else:  # for some it may take too long; the others go on with it
                self.committer.connect()
                self.waiting.extendleft(reversed(batch))
        except Lost:
            self._try_later(batch, was_sent=True)
        except NotRecorded as error:
            self._judged(batch, error.verdict, error.decided_at)
        except psycopg.errors.CheckViolation:  # of the head: the log has been stopped
            self._give_up(
                batch, "the log is stopped, as it is not what was signed: see /v1/health, or run `ledger log resume`"
            )
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            self._one_by_one(batch, error)
        except psycopg.Error as error:
            if is_lost(self.committer.connection, error):
                self._try_later(batch, was_sent=False)
            else:
                told = explained(error)
                self._give_up(batch, told.detail, told.cause)
        else:
            self.committer.notify()

    def _in_time(self, batch: Sequence[Pending]) -> list[Pending]:
        least = monotonic() + LEAST_SHARE * self.patience_s
        self._give_up([one for one in batch if one.deadline <= least], "the database did not answer in time")
        return [one for one in batch if one.deadline > least]

    def _give_up(self, batch: Sequence[Pending], why: str, cause: str = "") -> None:
        for one in batch:
            one.give_up(why, cause)

    def _try_later(self, batch: Sequence[Pending], *, was_sent: bool) -> None:
        """The connection is gone, and with it maybe the answer to the statement that records."""
        self.committer.drop()
        if was_sent:
            for one in batch:
                one.doubt()
        self._pause(batch)

    def _pause(self, batch: Sequence[Pending]) -> None:
        """Try it again a little later."""
        self.waiting.extendleft(reversed(self._in_time(batch)))
        sleep(RETRY_S)

    def _decide_again(self, batch: Sequence[Pending]) -> None:
        """What it was decided on is no longer so."""
        for one in reversed(batch):
            one.attempts, one.is_stale = one.attempts + 1, True
            if one.attempts < ATTEMPTS:
                self.waiting.appendleft(one)
            else:
                one.give_up("others keep writing to the same streams")

    def _one_by_one(self, batch: Sequence[Pending], error: psycopg.Error) -> None:
        """What the server cannot take fails who sent it, and nobody else."""
        if len(batch) == 1:
            batch[0].set_exception(IntegrityError(str(error)) if isinstance(error, psycopg.IntegrityError) else error)
        else:
            for one in batch:
                self._serve([one])

    def _begin_epoch(self, batch: Sequence[Pending]) -> None:
        """The log is not what this process has seen: nothing that it remembers counts."""
        assert self.cache.seen
        reason = "a writer missed the last entry that it had seen"
        self.epoch = renew(self.committer.connect(), self.epoch, reason, self.cache.seen.recorded_at)
        self.cache.clear()  # not before: a failure must not make it forget what it has missed
        log.error("the ledger was rolled back: epoch %s begins", self.epoch)
        void = [one for one in batch if one.states_version]  # of an epoch that is over
        self._give_up(void, "the ledger was rolled back, and the version that was seen may be another's")
        self._decide_again([one for one in batch if one not in void])

    def _judged(self, batch: Sequence[Pending], verdict: Verdict, decided_at: datetime) -> None:
        """What becomes of a batch of which nothing was recorded."""
        theirs, ours, tolerance = verdict.recorded_at, self.clock(), timedelta(seconds=self.tolerance_s)
        match verdict.verdict:
            case "other day":
                self.today = theirs.date()
                self._decide_again(batch)
            case "other clock" if decided_at - tolerance <= theirs <= ours + tolerance:
                self._pause(batch)  # it took so long to reach the server that the times say nothing of the clocks
            case "other clock":
                self._give_up(batch, f"the server's clock says {theirs}, and ours {ours}")
            case _:
                self._give_up(batch, f"the server's clock says {theirs}, and the last entry is later than that")

    def _attempt(self, batch: Sequence[Pending]) -> None:
        try:
            if isinstance(batch[0], Insert):
                self._insert([one for one in batch if isinstance(one, Insert)])
            else:
                self._append([one for one in batch if isinstance(one, Append)])
        except LogReplaced:
            self._begin_epoch(batch)

    def _record(self, batch: Batch, seen: LastEntry | None, today: date | None) -> Verdict:
        """Hand it to the judge. Raises RolledBack, NotRecorded, Lost, psycopg.Error."""
        tolerance, patience = timedelta(seconds=self.tolerance_s), timedelta(seconds=self.patience_s)
        ground = Premises(seen, self.clock(), today, tolerance, patience)
        verdict = self.committer.record(batch, ground)
        self.today = None
        if verdict.verdict == "rolled back":
            raise LogReplaced
        if verdict.verdict != "recorded":
            raise NotRecorded(verdict, ground.decided_at)
        self.epoch = verdict.epoch
        return verdict

    def _append(self, appends: Sequence[Append]) -> None:
        today = self.today or self.clock().date()
        stale = [one.request for one in appends if one.is_stale]
        context = self.cache.context([one.request for one in appends], stale, today, self.committer.connect)
        batch = self._decide(appends, context)
        verdict = self._record(batch, self.cache.seen, today)
        again, positions = list[Append](), batch.positions(verdict.base, verdict.stale)
        moved = {batch.group(n) for n, one in enumerate(appends) if not one.place(positions.get(n, ()))}
        for number, one in enumerate(appends):
            # A refusal may name the entry of a request before it, by the position that it was taken to have.
            if batch.group(number) in verdict.stale or (one.refusal and batch.group(number) in moved):
                again.append(one)
            else:
                one.conclude(positions.get(number, ()), verdict.epoch, verdict.recorded_at)
        self._remember([one for one in appends if one.done()], context, batch, verdict)
        self._decide_again(again)

    def _decide(self, appends: Sequence[Append], context: DecisionContext) -> Batch:
        """Decide each after those before it, and note what it rests on."""
        assert self.decider is not None
        batch, position = Batch(), self.cache.next_position
        for append in appends:
            request = append.request
            readable = [subject for subject in request.subjects if subject not in context.unreadable]
            versions = {subject: context.histories[subject].version for subject in readable}
            number = batch.join(context.depends_on(request))
            for subject, version in versions.items():
                batch.rests_on(number, subject, version)
            append.number = number
            append.decide(self.decider, context, position)
            batch.add(number, [new.line for _, new in append.decided if new])
            batch.barrier |= any(new is None for _, new in append.decided)
            known = context.entries.keys() | context.unreadable.keys()
            batch.absent += [(number, one) for one in request.ids if one not in known]
            if not append.refusal or isinstance(append.refusal, Flagged):
                batch.unknown += [(number, one) for one in request.mentions if context.openings[one] is None]
            if not append.refusal:
                batch.claims += [(number, *claim, context.freed.get(claim[0], "")) for claim in context.claimed]
            position += len(append.decided)
        return batch

    def _remember(self, appends: Sequence[Append], context: DecisionContext, batch: Batch, verdict: Verdict) -> None:
        """Keep histories as they were decided on where that is how they came to be; the others are folded later."""
        moved = {batch.group(one.number) for one in appends if not one.is_as_decided}
        for one in appends:
            if batch.group(one.number) not in moved:
                self.cache.adopt(one.request, context)
            elif not one.refusal:
                self.cache.leave(one.request)
        recorded = batch.recorded(verdict.stale)
        if recorded:
            self.cache.seen = LastEntry(verdict.base + len(recorded), recorded[-1].entry_id, verdict.recorded_at)

    def _insert(self, inserts: Sequence[Insert]) -> None:
        batch, versions, later = Batch(), dict[str, int](), list[Insert]()
        together = [one for one in inserts if self._takes(batch, versions, one)]
        verdict = self._record(batch, None, None)
        positions = batch.positions(verdict.base, verdict.stale)
        for number, one in enumerate(together):
            if batch.group(number) not in verdict.stale:
                one.set_result(one.found or positions[number])
            elif one.is_uncertain and not one.is_stale:
                one.is_stale = True  # the attempt whose answer was lost is over by now: look for its lines once more
                later.append(one)
            else:
                one.set_exception(IntegrityError("a stream has moved on, or an id stands already"))
        later += [one for one in inserts if one not in together]
        self.waiting.extendleft(reversed(later))

    def _takes(self, batch: Batch, versions: dict[str, int], insert: Insert) -> bool:
        """Put the lines into the batch, unless they conflict with others in it: then they are for the next one."""
        insert.found = self.committer.find(insert.lines) if insert.is_uncertain else None
        if insert.found:
            batch.join(())
            batch.barrier = True
            return True
        for stream, (before, _) in insert.streams.items():
            if versions.get(stream, before) != before:
                return False
        number = batch.join(insert.streams)
        for stream, (before, last) in insert.streams.items():
            batch.rests_on(number, stream, before)
            versions[stream] = last
        batch.add(number, insert.lines)
        return True
