"""Commands for the operator of the database: its schema, and a backup that was restored."""

from typing import Annotated

import typer
from psycopg.errors import InsufficientPrivilege

from api.cli.opening import opened, own_server
from api.cli.terminal import say, show_rows
from ledger.database.connection import LedgerLocation
from ledger.database.migrations import migrate
from ledger.errors import Misconfigured
from ledger.log.epoch import current, renew
from ledger.settings import read_settings

LONGEST_REASON = 500


def migrate_() -> None:
    settings = read_settings()
    if settings.dsn is None:
        with own_server(settings, may_begin=True):
            say("the embedded server is up to date")
        return
    owner_dsn = (settings.owner_dsn or settings.dsn).get_secret_value()
    try:
        done = migrate(owner_dsn, LedgerLocation.from_settings(settings))
    except InsufficientPrivilege as error:
        why = error.diag.message_primary
        raise Misconfigured(f"{why}: set LEDGER_OWNER_DSN to a role that may create schemas and roles") from None
    for one in done or ["nothing to do: the schema is up to date"]:
        say(one)


def restored(
    reason: Annotated[str, typer.Option(help="Why; it is kept with the epoch.")] = "said by the operator",
) -> None:
    if not (reason.strip() and reason.isprintable() and len(reason) <= LONGEST_REASON):
        raise typer.BadParameter(f"--reason is one line of 1 to {LONGEST_REASON} characters")
    with opened(to_change=True) as at, at.location.connect() as connection:
        old = current(connection)
        new = renew(connection, old, reason)
    show_rows(("old", "new"), [(old, new)])
