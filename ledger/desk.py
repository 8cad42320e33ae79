"""The desk: where one after the other is decided what this process records.

Who hands a request in decides it at once, and whatever else has come, if all that it rests on is remembered. Otherwise
the desk's own thread takes all requests that wait, reads in one round trip what they rest on, and decides each after
those before it. The lines go to the committer. While those are being committed the desk goes on with requests to other
streams; what touches a stream on its way waits until the outcome is known.

So writers of one process never conflict, and whoever decides on a stream knows everything about it, unless another
process writes there too: then the database refuses, and the request is decided anew on what is read. What is remembered
is trusted only as long as positions show that nobody else has written, and nobody is refused on the strength of it.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from threading import Lock, Thread

import psycopg
from eventsourcing.persistence import IntegrityError
from psycopg_pool import PoolTimeout

from ledger.decision import Answer, Decided, Decider, New, Request, World
from ledger.errors import Refused, TooLarge, Unavailable
from ledger.facts import Subject
from ledger.history import UNRECORDED, History
from ledger.memory import Memory
from ledger.postgres import Connection, Pool
from ledger.recorder import EntryRecorder, Job, Promise, Receipt

ATTEMPTS = 3
MAX_ROUND_EVENTS = 1_000
QUICK = 32
"""A request of more events takes so long that nobody but the desk's thread decides it: it might hold up an event loop."""

Tell = Callable[[Promise[list[Answer]]], None]
Soon = Callable[[Callable[[], None]], object]


class Pending(Promise[list[Answer]]):
    """A request that waits, and the promise of its answers."""

    __slots__ = ("attempts", "decided", "keys", "request", "to_be_read")

    def __init__(self, request: Request, tell: Tell | None = None) -> None:
        super().__init__(tell)
        self.request = request
        self.keys: frozenset[str] = request.subjects | request.ids
        self.to_be_read = len(request.events) > QUICK
        self.attempts = 0
        self.decided: list[Decided] = []


class Group:
    """Requests that are recorded together, as they touch the same streams."""

    def __init__(self) -> None:
        self.pending: list[Pending] = []
        self.keys: set[str] = set()
        self.made: list[tuple[Answer, New]] = []
        self.histories: dict[Subject, History] = {}  # as they are once all of it is recorded
        self.job: Job | None = None

    def add(self, *pending: Pending) -> None:
        self.pending += pending
        for one in pending:
            self.keys |= one.keys

    def complete(self, histories: Mapping[Subject, History]) -> None:
        """Nobody else will join: what is made of it, and of the histories that it touches."""
        self.made = [(answer, new) for one in self.pending for answer, new in one.decided if new is not None]
        self.histories = {subject: histories[subject] for one in self.pending for subject in one.request.subjects}

    def stands_as_decided(self, receipt: Receipt) -> bool:
        """Whether every entry has the place that it was taken to have, and holds no name that may be erased."""
        today = receipt.recorded_at.date()
        return [answer.position for answer, _ in self.made] == receipt.positions and not any(
            new.line.disclosures or new.decided_on != today for _, new in self.made
        )


class Round:
    """Groups that were decided together, on their way to the log."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self.groups = groups
        self.under_way = len(groups)


class Desk:
    """Decides what this process records."""

    def __init__(self, pool: Pool, recorder: EntryRecorder, decider: Decider, soon: Soon | None = None) -> None:
        """``soon`` calls what it is given on an event loop: then what needs no reading is done there, and never waits."""
        self.pool = pool
        self.recorder = recorder
        self.decider = decider
        self.soon = soon
        self.memory = Memory()
        self.inbox: deque[Pending | Round] = deque()
        self.waiting: deque[Pending] = deque()
        self.busy: set[str] = set()  # streams and ids on their way to the log
        self.last = 0  # the last position that was recorded here
        self.under_way = 0  # lines on their way to the log
        self.seat = Lock()  # whoever holds it is at the desk: all but the inbox is theirs
        self.called = False  # the loop will come
        self.bell: SimpleQueue[None] = SimpleQueue()
        self.closing = self.closed = False
        self.thread = Thread(target=self._run, name="desk", daemon=True)
        self.thread.start()

    def submit(self, request: Request, tell: Tell | None = None) -> Pending:
        """The promise of the answers; ``tell`` is called once it is kept, by any thread."""
        pending = Pending(request, tell)
        self.inbox.append(pending)
        if self.under_way and not self.soon:  # then the desk's thread sees to all who come meanwhile
            self.bell.put(None)
        else:
            self._call()
        if self.closed:  # set before the last look at what waits: what comes later is refused here
            self._refuse_waiting()
        return pending

    def try_out(self, request: Request) -> tuple[list[Answer], Refused | TooLarge | None]:
        """The answers to a request that is not recorded, up to the first event that is refused, and why that one."""
        answers: list[Answer] = []
        with self._connection() as connection:
            world = Memory().world(connection, [request])
        try:
            for answer, _ in self.decider.decide(world, request, UNRECORDED):
                answers.append(answer)
        except (Refused, TooLarge) as error:
            return answers, error
        return answers, None

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        try:
            with self.pool.connection() as connection:
                yield connection
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise Unavailable(f"the database cannot be reached: {str(error).strip()}") from None

    def close(self) -> None:
        """Decide what waits, and stop when all of it is recorded."""
        self.closing = True
        self.bell.put(None)
        self.thread.join()

    def _attend(self) -> None:
        """Do what can be done without reading, unless somebody is at the desk, who then sees to it."""
        self.called = False  # before the inbox is looked into: who comes from here on calls again
        while self.inbox and self.seat.acquire(blocking=False):
            try:
                self._take()
                self._decide_by_heart()
                if self.closing or any(self.busy.isdisjoint(one.keys) for one in self.waiting):
                    self.bell.put(None)
            finally:
                self.seat.release()

    def _run(self) -> None:
        try:
            while not self.closing or self.inbox or self.waiting or self.busy:
                self._wait_for_bell()
                with self.seat:
                    self._take()
                    self._decide_by_heart()
                    while ready := self._ready():
                        self._round(ready)
                if self.inbox:  # who came meanwhile found the seat taken
                    self.bell.put(None)
        finally:
            self.closed = True
            self._refuse_waiting()

    def _wait_for_bell(self) -> None:
        self.bell.get()
        while not self.bell.empty():
            self.bell.get_nowait()

    def _refuse_waiting(self) -> None:
        with self.seat:
            self._take()
            _fail(self.waiting, Unavailable("the ledger is closed; nothing was recorded"))
            self.waiting.clear()

    def _take(self) -> None:
        while self.inbox:
            message = self.inbox.popleft()
            if isinstance(message, Pending):
                self.waiting.append(message)
            else:
                for group in message.groups:
                    self._conclude(group)

    def _decide_by_heart(self) -> None:
        ready = self._ready(by_heart=True)
        if ready:
            world = self.memory.recall([pending.request for pending in ready])
            self._send(Round(self._decide(world, ready, by_heart=True)))

    def _ready(self, *, by_heart: bool = False) -> list[Pending]:
        """What can be decided now, in order: nothing of it, and nothing before it, touches what is on its way."""
        ready: list[Pending] = []
        later: deque[Pending] = deque()
        blocked, ids, events = set(self.busy), set[str](), 0
        for pending in self.waiting:
            request = pending.request
            free = blocked.isdisjoint(pending.keys) and ids.isdisjoint(request.ids) and events < MAX_ROUND_EVENTS
            if free and (not by_heart or self._is_remembered(pending)):
                ready.append(pending)
                ids |= request.ids
                events += len(request.events)
            else:
                later.append(pending)
                blocked |= pending.keys
        self.waiting = later
        return ready

    def _is_remembered(self, pending: Pending) -> bool:
        return not pending.to_be_read and self.memory.holds(pending.request)

    def _round(self, ready: Sequence[Pending]) -> None:
        try:
            world = self._read([pending.request for pending in ready])
        except Unavailable as error:
            _fail(ready, error)
        except Exception as error:
            self.memory.forget()  # it may hold half of what was read
            if len(ready) == 1:
                _fail(ready, error)
            else:
                self._one_by_one(ready)
        else:
            self._send(Round(self._decide(world, ready)))

    def _one_by_one(self, ready: Sequence[Pending]) -> None:
        """What cannot be read fails those who need it, and nobody else."""
        later: list[Pending] = []
        for pending in ready:
            if self.busy.isdisjoint(pending.keys):
                self._round([pending])
            else:
                later.append(pending)
        self.waiting.extendleft(reversed(later))

    def _send(self, round_: Round) -> None:
        jobs = []
        for group in round_.groups:
            group.job = Job([new.line for _, new in group.made], partial(self._recorded, round_, group))
            jobs.append(group.job)
            self.busy |= group.keys
            self.under_way += len(group.job.lines)
        if jobs:
            self.recorder.committer.submit_all(jobs)

    def _read(self, requests: Sequence[Request]) -> World:
        """Nothing is on its way yet: where a connection dies while it reads, another one reads again."""
        try:
            with self._connection() as connection:
                return self.memory.world(connection, requests)
        except Unavailable:
            with self._connection() as connection:
                return self.memory.world(connection, requests)

    def _decide(self, world: World, ready: Sequence[Pending], *, by_heart: bool = False) -> list[Group]:
        """Decide each request after those before it. Those that touch the same streams stand or fall together.

        By heart, nobody is refused: who would be, and all after it, are decided again on what is read.
        """
        groups: dict[Subject, Group] = {}
        # What is refused in a request of several must not be named by a place that it will not have.
        is_plain = all(len(pending.request.events) == 1 for pending in ready)
        position = self._next_position() if is_plain else UNRECORDED
        for number, pending in enumerate(ready):
            before = world.before(pending.request)
            try:
                pending.decided = list(self.decider.decide(world, pending.request, position))
            except Exception as error:
                world.restore(before)
                if by_heart:
                    pending.to_be_read = True
                    self.waiting.extendleft(reversed(ready[number:]))
                    break
                _fail([pending], error)
                continue
            if all(new is None for _, new in pending.decided):
                pending.keep([answer for answer, _ in pending.decided])
                continue
            position += len(pending.decided)
            _group(groups, pending)
        different = list({id(group): group for group in groups.values()}.values())
        for group in different:
            group.complete(world.histories)
        return different

    def _next_position(self) -> int:
        """Where the next entry will come to stand if nobody else writes; at any rate after all that was read."""
        return max(self.memory.seen, self.last) + self.under_way + 1

    def _recorded(self, round_: Round, group: Group, job: Job) -> None:
        """Called by the committer, whose thread it is: callers are answered, and the desk is told when all of it is done."""
        if job.value is not None:
            positions = iter(job.value.positions)
            for pending in group.pending:
                pending.keep([
                    answer if new is None else answer.at(next(positions)) for answer, new in pending.decided
                ])  # fmt: skip
        elif not isinstance(job.error, IntegrityError):
            _fail(group.pending, job.error or AssertionError())
        round_.under_way -= 1
        if not round_.under_way:
            self.inbox.append(round_)
            self._call()

    def _call(self) -> None:
        """See to what has come in: on the loop, while there is one."""
        if self.closing:
            self.bell.put(None)
        elif self.soon:
            if not self.called:
                self.called = True
                self.soon(self._attend)
        else:
            self._attend()

    def _conclude(self, group: Group) -> None:
        self.busy -= group.keys
        assert group.job is not None
        self.under_way -= len(group.job.lines)
        if group.job.value is not None:
            self._note(group, group.job.value)
        elif isinstance(group.job.error, IntegrityError):
            self._decide_again(group)

    def _note(self, group: Group, receipt: Receipt) -> None:
        if receipt.positions[0] != self.last + 1:
            self.memory.doubt()
        self.last = max(self.last, receipt.positions[-1])
        self._remember(group, receipt)

    def _decide_again(self, group: Group) -> None:
        """Somebody recorded since we read: the world has changed."""
        self.memory.doubt()
        for pending in reversed(group.pending):
            pending.attempts, pending.to_be_read = pending.attempts + 1, True
            if pending.attempts < ATTEMPTS:
                self.waiting.appendleft(pending)
            else:
                _fail([pending], Unavailable("others keep writing to the same streams; try again"))

    def _remember(self, group: Group, receipt: Receipt) -> None:
        if group.stands_as_decided(receipt):
            self.memory.adopt(group.histories, group.made)
            return
        positions = iter(receipt.positions)
        for one in group.pending:
            places = [next(positions) for _, new in one.decided if new is not None]
            self.memory.remember(one.request, one.decided, receipt._replace(positions=places))


def _fail(pending: Sequence[Pending], error: BaseException) -> None:
    for one in pending:
        one.fail(error)


def _group(groups: dict[Subject, Group], pending: Pending) -> None:
    """Put a request with those that touch its streams, and these together if they were apart."""
    group = Group()
    for met in {id(one): one for subject in pending.request.subjects if (one := groups.get(subject))}.values():
        group.add(*met.pending)
    group.add(pending)
    groups |= {subject: group for one in group.pending for subject in one.request.subjects}
