"""What the command line shows: tables and bars to people, plain text to pipes. Data goes to stdout, the rest to stderr."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any

from pydantic_core import to_json
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

# Texts are other people's: what looks like markup in them is none.
out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
PLAIN_EVERY_S = 1.0


def say(text: str) -> None:
    """A remark, which is no data."""
    err.print(text)


def write(text: str) -> None:
    """Data, as it is."""
    try:
        sys.stdout.write(text + "\n")
    except BrokenPipeError:  # whoever reads our output has had enough
        sys.exit(0)


def show_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table for people, a JSON object a line for a pipe."""
    if not out.is_terminal:
        for row in rows:
            write(to_json(dict(zip(columns, row, strict=True))).decode())
        return
    table = Table(*columns, box=None, header_style="bold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    out.print(table)


def show_json(text: str) -> None:
    if out.is_terminal:
        out.print_json(text)
    else:
        write(text)


@contextmanager
def progress(title: str, total: int | None, begun: int = 0) -> Iterator[Callable[[int], None]]:
    """A bar with rate and time left on a terminal, a line now and then elsewhere. Takes how much is done in all.

    ``begun`` was done before: it counts for the bar, not for the rate. The whole may grow meanwhile, as a log does.
    """
    if err.is_terminal:
        with _bar() as bar:
            task = bar.add_task(title, total=total, completed=begun, rate="")
            started = monotonic()

            def advance(done: int) -> None:
                rate = f"{(done - begun) / max(monotonic() - started, 0.001):,.0f}/s"
                bar.update(task, completed=done, total=total and max(total, done), rate=rate)

            yield advance
    else:
        yield _plain(title, total, begun)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(), console=err,
    )  # fmt: skip


def _plain(title: str, total: int | None, begun: int) -> Callable[[int], None]:
    started = said = monotonic()

    def advance(done: int) -> None:
        nonlocal said
        if monotonic() - said < PLAIN_EVERY_S and done != total:
            return
        said = monotonic()
        rate = (done - begun) / max(said - started, 0.001)
        whole = max(total or 0, done)
        left = f" of {whole:,}, {(whole - done) / max(rate, 0.001):,.0f} s left" if total else ""
        say(f"{title}: {done:,}{left} ({rate:,.0f}/s)")

    return advance
