"""Commands that keep up, rebuild and check the projections and the log."""

from threading import Event

import typer

from api.cli.delivering import delivering
from api.cli.interrupts import until_told_to_go
from api.cli.opening import opened, size_of
from api.cli.signing import signing
from api.cli.terminal import progress, say, show_rows
from projections import follow as following
from projections.rebuild import begun
from projections.rebuild import rebuild as build_anew
from projections.registry import PROJECTIONS
from projections.runner import Progress, read_progress


def follow() -> None:
    stop = Event()
    with (
        until_told_to_go(stop),
        opened(to_change=True) as at,
        signing(at.location, at.settings, stop),
        delivering(at.location, at.settings, stop),
    ):
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


def status() -> None:
    with opened() as at, at.location.connect() as connection:
        head, known = size_of(connection), read_progress(connection)
    show_rows(("projection", "head", "projected", "lag", "stopped"), [
        (one.name, head, one.position, head - one.position, f"by entry {one.error_position} ({one.error})" if one.error else None)
        for one in (known.get(ours.name, Progress(ours.name, ours.version, 0)) for ours in PROJECTIONS)
    ])  # fmt: skip
