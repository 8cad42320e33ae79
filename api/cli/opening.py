"""The ledger that a command works on: opened as the settings say, and closed when the command ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from api.cli.terminal import say
from ledger.database.connection import Connection, LedgerLocation, is_read_only
from ledger.database.embedded import embedded
from ledger.database.failures import READ_ONLY
from ledger.database.migrations import check_schema
from ledger.errors import Misconfigured, Unavailable
from ledger.settings import Settings, read_settings


@dataclass(frozen=True)
class Opened:
    """A ledger that a command works on."""

    settings: Settings
    location: LedgerLocation


@contextmanager
def opened(*, to_change: bool = False, to_serve: bool = False) -> Iterator[Opened]:
    """The ledger that the settings name; the embedded server is started for it if it does not run.

    Raises Misconfigured, and Unavailable where it is ``to_change`` and the server takes no changes.
    """
    settings = read_settings()
    if settings.dsn is None:
        _look_for(settings.data.expanduser().resolve(), may_begin=to_change or to_serve)
        with embedded(settings.data, settings.schema_, settings.timeouts) as server:
            yield Opened(settings, server.location)
        return
    location = LedgerLocation.from_settings(settings)
    with location.connect() as connection:
        check_schema(connection, location)
        if to_change and is_read_only(connection):
            raise Unavailable(f"{READ_ONLY}: changes are made on the primary")
    yield Opened(settings, location)


def _look_for(data: Path, *, may_begin: bool) -> None:
    """Raises Misconfigured where the folder holds no ledger and the command may not begin one."""
    if (data / "postgres").exists():
        return
    if not may_begin:
        raise Misconfigured(
            f"there is no ledger in {data}: set LEDGER_DATA to where it is, or LEDGER_DSN to its server; "
            "`ledger migrate` begins a new one"
        )
    say(f"a new ledger begins in {data}")


def size_of(connection: Connection) -> int:
    """How many entries the log has."""
    row = connection.execute("select size from head").fetchone()
    return int(row[0]) if row else 0
