"""`ledger doctor`: checks, each finding of which says how to mend it."""

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import typer

from api.cli.opening import opened, size_of
from api.cli.terminal import show_rows
from ledger.database.connection import Connection, LedgerLocation, is_read_only
from ledger.database.failures import READ_ONLY
from ledger.database.migrations import check_schema
from ledger.errors import Misconfigured
from ledger.log.clocks import read_clocks
from ledger.log.epoch import current, epochs
from projections.follow import is_followed
from projections.registry import PROJECTIONS
from projections.runner import read_progress

OLDEST = 15
SOUND_MINORS = {15: 19, 16: 15, 17: 11, 18: 6}
"""Minor releases below these have known faults that matter to a ledger."""


class Diagnosis(NamedTuple):
    """``verdict`` is ok, warn or fail."""

    verdict: str
    check: str
    finding: str


def doctor() -> None:
    with opened() as at, at.location.connect() as connection:
        findings = examine(connection, at.location, at.settings.clock_tolerance)
    show_rows(("verdict", "check", "finding"), findings)
    if any(one.verdict == "fail" for one in findings):
        raise typer.Exit(4)


def examine(
    connection: Connection,
    location: LedgerLocation,
    tolerance_s: float,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[Diagnosis]:
    """Run every check over a connection as the service opens them. No check changes anything."""
    schema = _schema(connection, location)
    found = [
        _python(),
        _server(connection),
        _changes(connection),
        *_durability(connection),
        *_limits(connection),
        schema,
    ]
    if schema.verdict == "ok":
        found += [*_clocks(connection, tolerance_s, clock), _epoch(connection), _projections(connection)]
        found += _follower(connection, location)
    return found


def _python() -> Diagnosis:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Diagnosis("ok" if sys.version_info >= (3, 11) else "fail", "Python", f"{version} (3.11 or later)")


def _server(connection: Connection) -> Diagnosis:
    major, minor = divmod(connection.info.server_version, 10_000)
    if major < OLDEST:
        return Diagnosis("fail", "PostgreSQL", f"{major}.{minor}: use {OLDEST} or later")
    sound = SOUND_MINORS.get(major, 0)
    if minor < sound:
        return Diagnosis("warn", "PostgreSQL", f"{major}.{minor} has known faults: update to {major}.{sound} or later")
    return Diagnosis("ok", "PostgreSQL", f"{major}.{minor}")


def _changes(connection: Connection) -> Diagnosis:
    if is_read_only(connection):
        return Diagnosis("warn", "changes", f"{READ_ONLY}: the service can read and records nothing")
    return Diagnosis("ok", "changes", "the server accepts them")


def _durability(connection: Connection) -> Iterator[Diagnosis]:
    """An acknowledged entry is durable only with these settings of the server."""
    for setting, why in (
        ("fsync", "without it a power cut loses what was acknowledged"),
        ("full_page_writes", "without it a power cut can tear pages"),
        ("synchronous_commit", "the service sets it for its own sessions; set it on for the server, too"),
        ("data_checksums", "without them corruption stays unseen: run pg_checksums --enable, with the server stopped"),
    ):
        row = connection.execute("select reset_val from pg_settings where name = %s", [setting]).fetchone()
        value = str(row[0]) if row else "unknown"
        verdict = "ok" if value in ("on", "remote_apply", "remote_write") else "fail" if setting == "fsync" else "warn"
        yield Diagnosis(verdict, setting, value if verdict == "ok" else f"{value}: {why}")


def _limits(connection: Connection) -> Iterator[Diagnosis]:
    """The limits of a session of the service, from the settings or the connection string."""
    for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
        row = connection.execute("select current_setting(%s)", [name]).fetchone()
        value = row[0] if row else "unknown"
        off = "off: a session that hangs is never ended and may block others; set it in LEDGER_DSN or the settings"
        yield Diagnosis("warn", name, off) if value == "0" else Diagnosis("ok", name, value)


def _clocks(connection: Connection, tolerance_s: float, clock: Callable[[], datetime]) -> Iterator[Diagnosis]:
    """The server's clock dates the entries; the service compares days with its own."""
    clocks = read_clocks(connection, tolerance_s, clock)
    apart = f"{clocks.apart_s:.1f} s between the database server's clock and this machine's"
    if clocks.differ:
        yield Diagnosis("warn", "clocks", f"{apart}: set both by NTP (LEDGER_CLOCK_TOLERANCE is {tolerance_s:g} s)")
    else:
        yield Diagnosis("ok", "clocks", apart)
    if clocks.is_ahead(clocks.last):
        yield Diagnosis(
            "warn",
            "last entry",
            f"it was recorded at {clocks.last:%Y-%m-%d %H:%M:%S} UTC, which lies ahead: a clock was wrong",
        )


def _epoch(connection: Connection) -> Diagnosis:
    known = {one.epoch: one for one in epochs(connection)}
    one = known[current(connection)]
    finding = f"{one.epoch}, since {one.began_at:%Y-%m-%d %H:%M} UTC and position {one.size}: {one.reason}"
    return Diagnosis("ok", "epoch", finding)


def _schema(connection: Connection, location: LedgerLocation) -> Diagnosis:
    try:
        check_schema(connection, location)
    except Misconfigured as error:
        return Diagnosis("fail", "schema", str(error))
    return Diagnosis("ok", "schema", f"{location.schema}: up to date; the service's role can add and never change")


def _projections(connection: Connection) -> Diagnosis:
    known = read_progress(connection)
    if not known.keys() >= {one.name for one in PROJECTIONS}:
        return Diagnosis("warn", "projections", "not all built yet: run `ledger follow`")
    for one in known.values():
        if one.error_position is not None:
            return Diagnosis("fail", "projections", f"entry {one.error_position} stops {one.name} ({one.error})")
    position = min([one.position for one in known.values()])
    lag = size_of(connection) - position
    return Diagnosis("ok" if lag == 0 else "warn", "projections", f"at position {position}, {lag} behind the log")


def _follower(connection: Connection, location: LedgerLocation) -> Iterator[Diagnosis]:
    """Without one the service goes on showing what it showed. On a standby it is not to be seen whether there is one."""
    followed = is_followed(connection, location)
    if followed is False:
        yield Diagnosis(
            "warn",
            "follower",
            "no process follows: the service shows nothing that is recorded from now on; run `ledger follow`",
        )
    elif followed:
        yield Diagnosis("ok", "follower", "a process follows")
