"""What `ledger doctor` looks at: each finding with the fix."""

import sys
from collections.abc import Iterator
from typing import NamedTuple

from ledger.errors import Misconfigured
from ledger.postgres import Connection, Place, check_schema
from projections.follow import read_progress

OLDEST = 15
SOUND_MINORS = {15: 19, 16: 15, 17: 11, 18: 6}
"""Minor releases below these have holes that matter to a ledger."""


class Finding(NamedTuple):
    """``verdict`` is ok, warn or fail."""

    verdict: str
    check: str
    finding: str


def examine(connection: Connection, place: Place) -> list[Finding]:
    """Every check in turn, none of which changes anything."""
    return [
        _python(),
        _server(connection),
        *_durability(connection),
        _schema(connection, place),
        _projections(connection),
    ]


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("ok" if sys.version_info >= (3, 11) else "fail", "Python", f"{version} (3.11 or later)")


def _server(connection: Connection) -> Finding:
    major, minor = divmod(connection.info.server_version, 10_000)
    if major < OLDEST:
        return Finding("fail", "PostgreSQL", f"{major}.{minor}: use {OLDEST} or later")
    sound = SOUND_MINORS.get(major, 0)
    if minor < sound:
        return Finding("warn", "PostgreSQL", f"{major}.{minor} has known holes: update to {major}.{sound} or later")
    return Finding("ok", "PostgreSQL", f"{major}.{minor}")


def _durability(connection: Connection) -> Iterator[Finding]:
    """Acknowledged means durable only where the server is told so."""
    for setting, why in (
        ("fsync", "without it a power cut loses what was acknowledged"),
        ("full_page_writes", "without it a power cut can tear pages"),
        ("synchronous_commit", "the service sets it for itself; the server's own default is best on, too"),
        ("data_checksums", "with them silent corruption shows: pg_checksums --enable, with the server stopped"),
    ):
        row = connection.execute("select reset_val from pg_settings where name = %s", [setting]).fetchone()
        value = str(row[0]) if row else "unknown"
        verdict = "ok" if value in ("on", "remote_apply", "remote_write") else "fail" if setting == "fsync" else "warn"
        yield Finding(verdict, setting, value if verdict == "ok" else f"{value}: {why}")


def _schema(connection: Connection, place: Place) -> Finding:
    try:
        check_schema(connection, place)
    except Misconfigured as error:
        return Finding("fail", "schema", str(error))
    return Finding("ok", "schema", f"{place.schema}: up to date; the service's role can add and never change")


def _projections(connection: Connection) -> Finding:
    progress = read_progress(connection)
    if progress is None:
        return Finding("warn", "projections", "not built yet: run `ledger follow`")
    if progress.error_position is not None:
        return Finding("fail", "projections", f"entry {progress.error_position} stops them ({progress.error})")
    row = connection.execute("select size from head").fetchone()
    lag = (row[0] if row else 0) - progress.position
    return Finding(
        "ok" if lag == 0 else "warn", "projections", f"at position {progress.position}, {lag} behind the log"
    )
