"""The histories that were used last, kept in memory up to a bound of bytes."""

from collections import OrderedDict
from threading import Lock

from ledger.fold import History
from ledger.vocabulary.fact import Subject

ENTRY_BYTES = 4_500
"""About what an entry of a short stream takes, with its fact and the states that it led to."""

LISTED_BYTES = 8
LANE_BYTES = 15
"""And how much more for each entry, and for each lane, that its stream has: every state lists them."""


def size_of(history: History) -> int:
    """About how many bytes a history takes in memory."""
    return history.version * (ENTRY_BYTES + LISTED_BYTES * history.version + LANE_BYTES * len(history.lanes))


class HistoryCache:
    """The histories that were used last, so that only what is newer has to be read; bounded by their size in memory."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self.lock = Lock()
        self.kept: OrderedDict[Subject, tuple[History, int]] = OrderedDict()

    def __contains__(self, subject: Subject) -> bool:
        return subject in self.kept

    def get(self, subject: Subject) -> History:
        """The history as it was kept; one without entries where none is."""
        with self.lock:
            if subject not in self.kept:
                return History.of(subject)
            self.kept.move_to_end(subject)
            return self.kept[subject][0]

    def keep(self, subject: Subject, history: History) -> None:
        """Keep it, unless a longer one is there."""
        with self.lock:
            known, size = self.kept.get(subject, (history, 0))
            if known.version <= history.version:
                self.kept[subject] = (history, now := size_of(history))
                self.bytes += now - size

    def trim(self) -> None:
        """Let go of those unused for longest, until the rest is within the bound."""
        with self.lock:
            while self.bytes > self.most_bytes and len(self.kept) > 1:
                self.bytes -= self.kept.popitem(last=False)[1][1]
