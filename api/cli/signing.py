"""Signing beside other work: a thread that keeps the log signed for as long as a command runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event, Thread

from api.cli.policies import read_policy
from ledger.database.connection import LedgerLocation
from ledger.errors import Misconfigured, NotAsSigned
from ledger.process import beside
from ledger.settings import Settings
from projections.tree.keys import LogKeys
from projections.tree.signer import Offer, check_signed, nobody, sign
from projections.tree.witnessing import witnesses_of


@contextmanager
def signing(location: LedgerLocation, settings: Settings, stop: Event) -> Iterator[None]:
    """Where the settings name a key, the log is signed as long as the block runs. Raises NotAsSigned: where the log is not what
    was signed before the block begins, and at its end where that was found meanwhile; then ``stop`` is set.
    """
    if settings.log_key is None:
        yield
        return
    key, why = settings.log_key.expanduser(), list[str]()
    if settings.witnesses:
        read_policy(settings.witnesses)  # what is wrong with it is said before anything begins
    check_signed(location, key)

    def note(reason: str) -> None:
        why.append(reason)
        stop.set()

    witnessed = partial(_witnesses, location, settings, key, note) if settings.witnesses else nobody
    thread = Thread(
        target=sign, args=(location, key, settings.checkpoint_interval, stop, note, witnessed), name="signer"
    )
    with beside(stop, thread):
        yield
    if why:
        raise NotAsSigned(why[0])


@contextmanager
def _witnesses(location: LedgerLocation, settings: Settings, key: Path, note: Callable[[str], None]) -> Iterator[Offer]:
    """The witnesses of the settings, as long as the block runs. Raises Misconfigured."""
    assert settings.witnesses
    policy = read_policy(settings.witnesses)
    with location.pool(len(policy.witnesses) + 1) as pool, witnesses_of(pool, policy, key, note) as witnesses:
        yield witnesses.offer


def demo_key(settings: Settings) -> Path:
    """Where the demo keeps the log's keys: beside the files of its server."""
    return settings.data.expanduser().resolve() / "log" / "key"


def key_file(settings: Settings) -> Path:
    """The file of the log's keys: the one that the settings name, else the demo's, where it is there. Raises Misconfigured."""
    own = demo_key(settings)
    if settings.log_key is None and (settings.dsn is not None or not own.exists()):
        demo = "" if settings.dsn else f", or LEDGER_DATA to the data of a demo (there is no {own})"
        raise Misconfigured(
            f"the log's keys are in no file: set LEDGER_LOG_KEY to one, outside the database's directory{demo}"
        )
    return settings.log_key.expanduser() if settings.log_key else own


def ensure_key(path: Path, origin: str) -> None:
    """A key for the log, where there is none yet."""
    if not path.exists():
        LogKeys.new(origin).write(path)
