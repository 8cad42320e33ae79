"""Commands that keep up, rebuild and check the projections and the log."""

import signal
from collections import Counter
from contextlib import suppress
from threading import Event

import typer

from api.cli.opening import opened, size_of
from api.cli.terminal import progress, say, show_rows
from ledger.database.connection import is_read_only
from ledger.database.failures import READ_ONLY
from ledger.errors import Unreadable
from ledger.log.epoch import epochs
from projections import audit as auditing
from projections import follow as following
from projections.names_audit import SORTS
from projections.rebuild import begun
from projections.rebuild import rebuild as build_anew
from projections.registry import PROJECTIONS
from projections.runner import Progress, read_progress


def follow() -> None:
    stop = Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda *_: stop.set())
    with opened(to_change=True) as at:
        following.follow(at.location, stop)


def rebuild() -> None:
    with opened(to_change=True) as at:
        with at.location.connect() as connection:
            size = size_of(connection)
        if done := begun(at.location):
            say(f"going on with the rebuild that was broken off, about {done:,} entries along")
        try:
            with progress("rebuild", size, done) as advance:
                position = build_anew(at.location, advance)
        except KeyboardInterrupt:
            say(f"stopped about {begun(at.location):,} entries along: `ledger rebuild` goes on from there")
            say("until then readers see the rows that were there before")
            raise typer.Exit(130) from None
    say(f"rebuilt up to position {position:,}")


def audit() -> None:
    with opened() as at, at.location.connect() as connection:
        half = is_read_only(connection)
        with suppress(Unreadable):  # the audit names the entry among its findings
            following.catch_up(at.location)
        with progress("audit", size_of(connection)) as advance:
            names = Counter[str]()
            findings = list(auditing.audit(at.location, advance, at.settings.clock_tolerance, names))
        for one in epochs(connection)[1:]:
            say(f"another epoch began on {one.began_at:%Y-%m-%dT%H:%M:%SZ}, at {one.size:,} entries: {one.reason}")
    say(f"names of persons: {', '.join(f'{names[sort]:,} {sort}' for sort in SORTS)}")
    show_rows(("position", "finding"), findings)
    if half:
        say(f"the rows were not compared with the log, as that takes temporary tables: {READ_ONLY}")
    if findings:
        raise typer.Exit(3)
    say(f"nothing found: the log keeps its rules{'' if half else ', and the rows say what the log says'}")


def status() -> None:
    with opened() as at, at.location.connect() as connection:
        head, known = size_of(connection), read_progress(connection)
    show_rows(("projection", "head", "projected", "lag", "stopped"), [
        (one.name, head, one.position, head - one.position, f"by entry {one.error_position} ({one.error})" if one.error else None)
        for one in (known.get(ours.name, Progress(ours.name, ours.version, 0)) for ours in PROJECTIONS)
    ])  # fmt: skip
