"""How everything here is measured: contenders take turns, each figure is a ratio of two medians of one run."""

import json
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from threading import Barrier, Thread
from time import perf_counter
from typing import Any, Generic, NamedTuple, TypeVar

import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from ledger.database.connection import LedgerLocation
from ledger.database.embedded import Embedded
from ledger.database.migrations import migrate
from ledger.errors import LedgerError

T = TypeVar("T")
console = Console(width=150)


class Unmeasured(Exception):
    """A contender that could not run, or did not do what it was asked."""


class Figure(NamedTuple):
    """Ours beside theirs. ``ratio`` is greater where ours is better; ``at_least`` is what it should be, if that is said."""

    name: str
    ours: float | None
    theirs: float | None
    ratio: float | None
    at_least: float | None
    unit: str
    runs: int
    remark: str = ""


@dataclass
class Measured:
    """What each contender measured, run by run; and why one measured nothing."""

    runs: dict[str, list[float]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def median(self, name: str) -> float | None:
        return median(self.runs[name]) if self.runs.get(name) else None

    def spread(self, name: str) -> str:
        runs = self.runs.get(name, [])
        return f"{short(min(runs))}-{short(max(runs))}" if runs else ""


@dataclass
class Bench:
    """What a contest is given: the one server, a folder, and whether it has to be quick."""

    server: Embedded
    folder: Path
    quick: bool
    curves: dict[str, dict[str, dict[int, float]]] = field(default_factory=dict)
    """For the plots: title, contender, and what it measured at each of several sizes."""

    kept: set[str] = field(default_factory=set)
    """Schemas of ledgers that were filled once, for whoever needs them."""

    def scale(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def new_ledger(self, name: str) -> LedgerLocation:
        """An empty ledger in a schema of its own, whatever an earlier run left there."""
        location = LedgerLocation(self.server.location.dsn, name)
        self.drop(location)
        migrate(self.server.owner_dsn, location)
        return location

    def drop(self, location: LedgerLocation) -> None:
        for schema in (location.rebuild, location.projections, location.schema):
            self.owner(f"drop schema if exists {schema} cascade")

    def owner(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement as the owner of the server; returns its rows."""
        with psycopg.connect(self.server.owner_dsn, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def server_s(self) -> float:
        """The processor time that the server has taken so far, in seconds: that of its processes that are and that were."""
        with psycopg.connect(self.server.owner_dsn) as connection:
            postmaster = psutil.Process(connection.info.backend_pid).parent()
        assert postmaster
        times = postmaster.cpu_times()
        return _used(postmaster) + times.children_user + times.children_system + sum(map(_used, postmaster.children()))

    def level(self) -> None:
        """The same start for all: what was written before is on disk, and the planner knows what there is."""
        self.owner("vacuum analyze")
        self.owner("checkpoint")


def _used(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def alternate(contenders: Mapping[str, Callable[[], float]], runs: int) -> Measured:
    """Run the contenders in turn, several times. The one that fails stays out; the others go on."""
    measured = Measured({name: [] for name in contenders})
    for number in range(runs):
        for name, contender in contenders.items():
            if name not in measured.failures:
                _run(measured, name, contender)
        console.print(f"  [dim]run {number + 1} of {runs}: {_latest(measured)}[/dim]")
    return measured


def _run(measured: Measured, name: str, contender: Callable[[], float]) -> None:
    try:
        measured.runs[name].append(contender())
    except (
        Unmeasured,
        LedgerError,
        psycopg.Error,
        OSError,
        RuntimeError,
        ValueError,
        subprocess.SubprocessError,
    ) as error:
        measured.runs[name] = []
        measured.failures[name] = f"{type(error).__name__}: {error}".strip()[:300]
        console.print(f"  [red]{name}: {measured.failures[name]}[/red]", markup=True)


def _latest(measured: Measured) -> str:
    return ", ".join(f"{name} {short(runs[-1])}" for name, runs in measured.runs.items() if runs)


def compare(
    name: str,
    measured: Measured,
    ours: str,
    theirs: str,
    unit: str,
    at_least: float | None = None,
    *,
    less: bool = False,
) -> Figure:
    """The figure of two contenders; ``less`` where the smaller measure is the better one."""
    a, b = measured.median(ours), measured.median(theirs)
    ratio = None if a is None or b is None else (b / a if less else a / b)
    failed = "; ".join(f"{one}: {why}" for one, why in measured.failures.items() if one in (ours, theirs))
    remark = failed or f"{measured.spread(ours)} | {measured.spread(theirs)}"
    return Figure(name, a, b, ratio, at_least, unit, len(measured.runs.get(ours, [])), remark)


def drive(callers: int, items: Iterable[T], do: Callable[[T], object]) -> float:
    """Let that many threads do the items, each taking the next when it is done with one; returns the seconds it took."""
    shared, start = iter(items), Barrier(callers + 1)
    failures: list[BaseException] = []

    def work() -> None:
        start.wait()
        try:
            for item in shared:  # a list's iterator may be shared: `next` on it is one step of the interpreter
                do(item)
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=work) for _ in range(callers)]
    for thread in threads:
        thread.start()
    start.wait()
    started = perf_counter()
    for thread in threads:
        thread.join()
    took = perf_counter() - started
    if failures:
        raise Unmeasured(f"{len(failures)} of {callers} callers failed, the first with {failures[0]!r}")
    return took


class Paced(Generic[T]):
    """A contender that does as many items as take it about ``seconds``: what it does is made before the clock runs."""

    def __init__(
        self, make: Callable[[int], Sequence[T]], do: Callable[[T], object], *, callers: int, each: int, seconds: float
    ) -> None:
        self.make, self.do, self.callers, self.each, self.seconds = make, do, callers, each, seconds
        self.count = 0

    def __call__(self) -> float:
        """Events a second."""
        if not self.count:
            self._warm_up()
        took = drive(self.callers, self.make(self.count), self.do)
        return self.count * self.each / took

    def _warm_up(self) -> None:
        """Do more and more, until it is known how many take long enough."""
        count, took = max(2 * self.callers, 20), 0.0
        while took < self.seconds / 4:
            count *= 2
            took = drive(self.callers, self.make(count), self.do)
        self.count = max(int(count / took * self.seconds), self.callers)


def plural(callers: int) -> str:
    return "1 caller" if callers == 1 else f"{callers} callers"


def short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def show(figures: Sequence[Figure]) -> None:
    table = Table(title="Every figure is a ratio of medians taken in one run", title_justify="left")
    for heading in ("figure", "ours", "theirs", "unit"):
        table.add_column(heading, justify="left" if heading in ("figure", "unit") else "right")
    for heading in ("ratio", "at least", ""):
        table.add_column(heading, justify="right")
    table.add_column("runs: spread of ours | theirs", overflow="fold")
    for one in figures:
        table.add_row(
            one.name, _shown(one.ours), _shown(one.theirs), one.unit, _ratio(one.ratio), _ratio(one.at_least),
            _verdict(one), f"{one.runs}: {one.remark}",
        )  # fmt: skip
    console.print(table)


def _shown(value: float | None) -> str:
    return "-" if value is None else short(value)


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _verdict(figure: Figure) -> str:
    if figure.ratio is None and figure.theirs is None and figure.ours is not None and not figure.at_least:
        return ""
    if figure.ratio is None:
        return "[yellow]not measured[/yellow]"
    if figure.at_least is None:
        return ""
    return "[green]reached[/green]" if figure.ratio >= figure.at_least else "[red]not reached[/red]"


def brought_up_to_date(path: Path, figures: Sequence[Figure]) -> list[Figure]:
    """The figures that were kept, with those that were measured again in their places."""
    kept = [Figure(**one) for one in json.loads(path.read_text())] if path.exists() else []
    again = {figure.name: figure for figure in figures}
    return [again.pop(figure.name, figure) for figure in kept] + list(again.values())


def write(figures: Sequence[Figure], path: Path) -> None:
    """The figures as JSON, one object each."""
    path.write_text(json.dumps([figure._asdict() for figure in figures], indent=1) + "\n")
