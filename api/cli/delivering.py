"""Delivering webhooks beside other work: a thread that does so for as long as a command runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from ledger.database.connection import LedgerLocation
from ledger.process import beside
from ledger.settings import Settings
from projections.webhooks.addresses import Allowed
from projections.webhooks.deliverer import deliver
from projections.webhooks.signing import SecretKey


def webhook_key(settings: Settings) -> Path | None:
    """The file with the key that secrets are made of; beside the data where the ledger runs its own server."""
    if settings.webhook_key or settings.dsn:
        return settings.webhook_key and settings.webhook_key.expanduser()
    return settings.data.expanduser().resolve() / "log" / "webhooks"


def allowed_by(settings: Settings) -> Allowed:
    return Allowed(settings.webhook_http, settings.webhook_networks)


def source_of(settings: Settings) -> str:
    return f"/ledgers/{settings.name}"


@contextmanager
def delivering(location: LedgerLocation, settings: Settings, stop: Event) -> Iterator[None]:
    """Where the settings name a key, webhooks are delivered as long as the block runs. At its end ``stop`` is set. Raises Misconfigured."""
    path = webhook_key(settings)
    if path is None:
        yield
        return
    key = SecretKey.ensure(path)
    thread = Thread(
        target=deliver, args=(location, key, allowed_by(settings), source_of(settings), stop), name="deliverer"
    )
    with beside(stop, thread):
        yield
