"""What waits to be recorded, each until its deadline, and the answer that its caller waits for."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence, Set
from concurrent.futures import Future
from datetime import datetime
from threading import Lock
from time import monotonic

from ledger.errors import TakesTooLong, Unavailable
from ledger.log.committer import LastEntry
from ledger.log.entry import StoredLine
from ledger.writing.decision import Answer, Decided, Decider, DecisionContext, Request

DECIDING_SHARE = 0.25
"""Of the time that a caller waits, deciding may take so much."""


class Pending(ABC):
    """What waits to be recorded, until its deadline (as ``time.monotonic`` counts).

    ``is_stale``: what it was decided on is no longer so. ``is_uncertain``: it may be recorded by now, as an answer was lost.
    """

    __slots__ = ("arrived", "attempts", "deadline", "events", "is_stale", "is_uncertain")

    def __init__(self, events: int, patience_s: float) -> None:
        self.events = events
        self.arrived = monotonic()
        self.deadline = self.arrived + patience_s
        self.attempts = 0
        self.is_stale = self.is_uncertain = False

    ids: Set[str] = frozenset()
    """Those that may stand in the log, or in another request."""

    states_version = False
    """Whether the caller names the version that a stream must have."""

    @abstractmethod
    def done(self) -> bool:
        """Whether its caller has been answered."""

    @abstractmethod
    def set_exception(self, exception: BaseException | None) -> None:
        """Answer its caller with an error."""

    def doubt(self) -> None:
        """An answer was lost: it may be recorded by now."""
        self.is_uncertain = True

    def give_up(self, why: str, cause: str = "") -> None:
        """Tell that it could not be recorded now, or that nobody knows whether it was."""
        what = "whether it was recorded is not known" if self.is_uncertain else "nothing was recorded"
        self.set_exception(Unavailable(f"{why}; {what}, send the same again with the same ids", cause))


class Append(Future[list[Answer]], Pending):
    """A request that waits, and what was decided on it."""

    def __init__(self, request: Request, patience_s: float) -> None:
        Future.__init__(self)
        Pending.__init__(self, len(request.events), patience_s)
        self.request, self.ids = request, request.ids
        self.states_version = any(given.draft.expected_version is not None for given in request.events)
        self.decided: list[Decided] = []
        self.sent: set[str] = set()  # the ids of what may be recorded by now
        self.refusal: Exception | None = None
        self.number = 0  # in its batch
        self.is_as_decided = False  # every entry has the place that it was taken to have
        self.epoch: str | None = None  # in which it was recorded
        self.last: LastEntry | None = None  # of its entries

    def cancel(self) -> bool:
        """What was handed in is recorded, whoever still waits for the answer."""
        return False

    def doubt(self) -> None:
        super().doubt()
        self.sent |= {answer.id for answer, new in self.decided if new}
        self.request.seek_all()
        self.ids = self.request.ids

    def decide(self, decider: Decider, context: DecisionContext, position: int) -> None:
        """What is to be recorded and answered, or why it is refused."""
        self.decided, self.refusal = [], None
        try:
            self.decided = decider.decide(context, self.request, position, self._check_time(monotonic()))
        except Exception as error:
            self.refusal = error

    def _check_time(self, began: float) -> Callable[[], None]:
        """Nobody's request keeps the others waiting until they are late."""
        until = began + DECIDING_SHARE * (self.deadline - self.arrived)

        def check() -> None:
            if monotonic() > until:
                raise TakesTooLong(
                    "nothing was recorded, as it takes too long to decide: send fewer events in a request"
                )

        return check

    def place(self, positions: Sequence[int]) -> bool:
        """Whether its entries stand where they were taken to stand."""
        self.is_as_decided = [answer.position for answer, new in self.decided if new] == list(positions)
        return self.is_as_decided

    def conclude(self, positions: Sequence[int], epoch: str, recorded_at: datetime) -> None:
        """It is recorded at these positions, or was before, or is refused: and the database bears that out."""
        self.epoch = epoch
        if positions:
            self.last = LastEntry(positions[-1], [new.entry.id for _, new in self.decided if new][-1], recorded_at)
        following = iter(positions)
        self.decided = [
            (answer.at(next(following)) if new else answer._replace(repeated=answer.id not in self.sent), new)
            for answer, new in self.decided
        ]
        if self.refusal:
            self.set_exception(self.refusal)
        else:
            self.set_result([answer for answer, _ in self.decided])


class Insert(Pending):
    """Lines that somebody else has decided on, as the library's recorders take them; the outcome is their positions.

    A bare lock, where a ``Future`` would do: with 64 callers its condition was a fifth of what a line costs.
    """

    __slots__ = ("_ended", "_error", "_positions", "found", "lines", "streams")

    def __init__(self, lines: Sequence[StoredLine], patience_s: float) -> None:
        super().__init__(len(lines), patience_s)
        self.lines = lines
        self.streams: dict[str, tuple[int, int]] = {}  # each with the version before its first line, and its last
        for line in lines:
            stream = str(line.originator_id)
            before, _ = self.streams.get(stream, (line.originator_version - 1, 0))
            self.streams[stream] = (before, line.originator_version)
        self.found: Sequence[int] | None = None  # where the lines stand, if an answer was lost and they are recorded
        self._positions: Sequence[int] | None = None
        self._error: BaseException | None = None
        self._ended = Lock()
        self._ended.acquire()

    def done(self) -> bool:
        return self._positions is not None or self._error is not None

    def set_result(self, positions: Sequence[int]) -> None:
        self._positions = positions
        self._ended.release()

    def set_exception(self, exception: BaseException | None) -> None:
        self._error = exception
        self._ended.release()

    def result(self, timeout: float = -1) -> Sequence[int]:
        """The positions, once the lines are recorded. Raises IntegrityError, Unavailable, TimeoutError."""
        if not self.done():
            if not self._ended.acquire(timeout=timeout):
                raise TimeoutError
            self._ended.release()
        if self._error is not None:
            raise self._error
        assert self._positions is not None
        return self._positions
