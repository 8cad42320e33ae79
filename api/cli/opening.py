"""The ledger that a command works on: opened as the settings say, and closed when the command ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from api.cli.terminal import say
from ledger.database.connection import Connection, LedgerLocation, is_read_only
from ledger.database.embedded import Embedded, embedded, is_there
from ledger.database.failures import READ_ONLY
from ledger.database.migrations import check_schema
from ledger.errors import Misconfigured, Unavailable
from ledger.settings import Settings, read_settings

BEGIN = "`ledger migrate` begins a new one"


@dataclass(frozen=True)
class Opened:
    """A ledger that a command works on."""

    settings: Settings
    location: LedgerLocation


@contextmanager
def opened(*, to_change: bool = False, may_begin: bool = False) -> Iterator[Opened]:
    """The ledger that the settings name; the embedded server is started for it if it does not run.

    Where that server holds no such ledger, a command that ``may_begin`` one does, and says so; any other is refused. Raises Misconfigured, and Unavailable where it is ``to_change`` and the server takes no changes.
    """
    settings = read_settings()
    if settings.dsn is None:
        with own_server(settings, may_begin=may_begin) as server:
            yield Opened(settings, server.location)
        return
    location = LedgerLocation.from_settings(settings)
    with location.connect() as connection:
        check_schema(connection, location)
        if to_change and is_read_only(connection):
            raise Unavailable(f"{READ_ONLY}: changes are made on the primary")
    yield Opened(settings, location)


@contextmanager
def own_server(settings: Settings, *, may_begin: bool) -> Iterator[Embedded]:
    """The embedded server with the ledger of the settings. Raises Misconfigured, and Unavailable where it does not start."""
    data, schema = settings.data.expanduser().resolve(), settings.schema_
    if not may_begin and not is_there(data):
        raise Misconfigured(
            f"there is no ledger in {data}: set LEDGER_DATA to where it is, or LEDGER_DSN to its server; {BEGIN}"
        )

    def check(server: Embedded) -> None:
        known = server.ledgers()
        if schema not in known and not may_begin:
            there = f"it holds {', '.join(known)}: set LEDGER_SCHEMA to one of these" if known else "it holds none"
            raise Misconfigured(f"there is no ledger {schema!r} in {data}; {there}; {BEGIN}")
        if schema not in known:
            say(f"a new ledger {schema!r} begins in {data}{' beside ' + ', '.join(known) if known else ''}")

    with embedded(data, schema, settings.timeouts, check) as server:
        yield server


def size_of(connection: Connection) -> int:
    """How many entries the log has."""
    row = connection.execute("select size from head").fetchone()
    return int(row[0]) if row else 0
