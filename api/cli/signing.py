"""Signing beside other work: a thread that keeps the log signed for as long as a command runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from ledger.database.connection import LedgerLocation
from ledger.errors import NotAsSigned
from ledger.settings import Settings
from projections.tree.keys import LogKeys
from projections.tree.signer import check_signed, sign


@contextmanager
def signing(location: LedgerLocation, settings: Settings, stop: Event) -> Iterator[None]:
    """Where the settings name a key, the log is signed as long as the block runs. Raises NotAsSigned: where the log is not what
    was signed before the block begins, and at its end where that was found meanwhile; then ``stop`` is set.
    """
    if settings.log_key is None:
        yield
        return
    key, why = settings.log_key.expanduser(), list[str]()
    check_signed(location, key)

    def note(reason: str) -> None:
        why.append(reason)
        stop.set()

    thread = Thread(target=sign, args=(location, key, settings.checkpoint_interval, stop, note), name="signer")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if why:
        raise NotAsSigned(why[0])


def ensure_key(path: Path, origin: str) -> None:
    """A key for the log, where there is none yet."""
    if not path.exists():
        LogKeys.new(origin).write(path)
