"""`ledger audit`: what a database can show of itself, and what a copy of the log shows that is kept elsewhere."""

from collections import Counter
from contextlib import suppress
from typing import Annotated

import typer

from api.cli.opening import opened, size_of
from api.cli.terminal import progress, say, show_rows
from api.cli.verify import api_key, read_keys
from api.transfer.verifying import leaves_of
from ledger.database.connection import is_read_only
from ledger.database.failures import READ_ONLY
from ledger.errors import Unreadable
from ledger.log.epoch import epochs
from projections import audit as auditing
from projections import follow as following
from projections.names_check import SORTS
from projections.rebuild import look_for_no_garbage
from projections.tree.check import last_signed


def audit(
    against: Annotated[
        str | None, typer.Option(help="A copy of the log: an export, a directory of tiles, or an address.")
    ] = None,
    log_key: Annotated[
        list[str] | None, typer.Option(help="A public key of the log, for what the copy was signed with.")
    ] = None,
) -> None:
    if log_key and not against:
        raise typer.BadParameter("--log-key is for what a copy was signed with: give the copy, --against COPY")
    with opened() as at, at.location.connect() as connection:
        elsewhere = leaves_of(against, read_keys(log_key or ()), api_key()) if against else (None, 0)
        half = is_read_only(connection)
        with suppress(Unreadable):  # the audit names the entry among its findings
            following.catch_up(at.location)
        with progress("audit", size_of(connection)) as advance, look_for_no_garbage():
            names = Counter[str]()
            findings = list(auditing.audit(at.location, advance, at.settings.clock_tolerance, names, *elsewhere))
        for one in epochs(connection)[1:]:
            say(f"another epoch began on {one.began_at:%Y-%m-%dT%H:%M:%SZ}, at {one.size:,} entries: {one.reason}")
        signed = last_signed(connection)
    say(f"names of persons: {', '.join(f'{names[sort]:,} {sort}' for sort in SORTS)}")
    show_rows(("position", "finding"), findings)
    _say_ground(signed, against, elsewhere[1])
    if half:
        say(f"the rows were not compared with the log, as that takes temporary tables: {READ_ONLY}")
    if findings:
        raise typer.Exit(3)
    say(f"nothing found: the log keeps its rules{'' if half else ', and the rows say what the log says'}")


def _say_ground(signed: int, against: str | None, size: int) -> None:
    """What the audit rests on, and what it cannot show."""
    if against:
        say(f"the entries were compared with {size:,} of {against}, which lies outside of this database")
    elif signed:
        say(
            f"the first {signed:,} entries were compared with this database's own checkpoints: who can alter the one can alter the"
        )
        say("other; only a copy that is kept elsewhere shows that (--against)")
    else:
        say("nothing is signed: that the entries are those that were recorded is not shown (LEDGER_LOG_KEY)")
