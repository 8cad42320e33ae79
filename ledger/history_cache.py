"""The histories that were used last, kept in memory up to a bound."""

from collections import OrderedDict
from threading import Lock

from ledger.fold import History
from ledger.vocabulary.fact import Subject


class HistoryCache:
    """The histories that were used last, so that only what is newer has to be read; bounded by the entries in them."""

    def __init__(self, most_entries: int) -> None:
        self.most_entries = most_entries
        self.entries = 0
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
            known, entries = self.kept.get(subject, (history, 0))
            if known.version <= history.version:
                self.kept[subject] = (history, history.version)
                self.entries += history.version - entries

    def trim(self) -> None:
        """Let go of those unused for longest, until the rest is within the bound."""
        with self.lock:
            while self.entries > self.most_entries and len(self.kept) > 1:
                self.entries -= self.kept.popitem(last=False)[1][1]
