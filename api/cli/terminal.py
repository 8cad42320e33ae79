"""Output: tables and bars on a terminal, plain text and JSON elsewhere. Data goes to stdout, remarks to stderr."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any

from pydantic_core import from_json, to_json
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

# Texts come from the log and from files: what looks like markup in them is shown as it is.
out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
CONTROLS = {number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160)) if chr(number) not in "\t\n"}
PLAIN_EVERY_S = 1.0


def visible(text: str) -> str:
    """A text that does nothing to the terminal: its control characters as they are written in code."""
    return text.translate(CONTROLS)


def say(text: str, style: str | None = None) -> None:
    """Write a remark to stderr."""
    err.print(visible(text), style=style)


def tell(text: str, style: str | None = None) -> None:
    """Write a line of data to a terminal."""
    out.print(visible(text), style=style)


def write(text: str) -> None:
    """Write a line of data to stdout."""
    try:
        sys.stdout.write(text + "\n")
    except BrokenPipeError:  # the reader of the output, such as `head`, has closed the pipe
        sys.exit(0)


def show_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows: as a table on a terminal, else as one JSON object a line."""
    if not out.is_terminal:
        for row in rows:
            write(to_json(dict(zip(columns, row, strict=True))).decode())
        return
    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")  # a name that is cut short is none
    for row in rows:
        table.add_row(*map(_cell, row))
    out.print(table)


def _cell(value: Any) -> str:
    """A value of a row for people: of several things that are odd, which these are."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_cell, value))
    if isinstance(value, dict):
        return _cell(value.get("code"))
    return "" if value is None else visible(str(value))


def show_json(text: str) -> None:
    if out.is_terminal:
        out.print(JSONHighlighter()(visible(to_json(from_json(text), indent=2).decode())))
    else:
        write(text)


@contextmanager
def progress(title: str, total: int | None, begun: int = 0) -> Iterator[Callable[[int], None]]:
    """A bar with rate and time left on a terminal, a line each second elsewhere. The caller passes how much is done in all.

    ``begun`` was done by an earlier run: it counts for the bar, not for the rate. ``total`` may grow, as a log does.
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
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False), TimeRemainingColumn(), console=err,
    )  # fmt: skip


def _plain(title: str, total: int | None, begun: int) -> Callable[[int], None]:
    started = shown = monotonic()

    def advance(done: int) -> None:
        nonlocal shown
        if monotonic() - shown < PLAIN_EVERY_S and done != total:
            return
        shown = monotonic()
        rate = (done - begun) / max(shown - started, 0.001)
        whole = max(total or 0, done)
        left = f" of {whole:,}, {(whole - done) / max(rate, 0.001):,.0f} s left" if total else ""
        say(f"{title}: {done:,}{left} ({rate:,.0f}/s)")

    return advance
