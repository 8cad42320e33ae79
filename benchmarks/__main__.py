"""What `make bench` runs: contests with what people would pick instead, on one server with durability on.

`QUICK=1` takes under three minutes; `ONLY=recorder,service` runs some of them, and brings their figures up to date. Times depend on the machine and its
mood, so nothing is asserted: a table and `benchmarks/results.json` say what was measured, and what should be.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

from benchmarks import (
    bulk,
    busy,
    clocks,
    lag,
    lists,
    long,
    machine,
    peers,
    plans,
    plots,
    rebuilding,
    recorder,
    service,
    several,
    sizes,
    temporal,
    tree,
    web,
)  # fmt: skip
from benchmarks.measure import Bench, Figure, brought_up_to_date, console, show, write
from ledger.database.embedded import embedded

CONTESTS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "recorder": recorder.run,
    "service": service.run,
    "several": several.run,
    "append": web.append,
    "read": web.read,
    "rebuild": rebuilding.run,
    "clocks": clocks.run,
    "temporal": temporal.run,
    "lists": lists.run,
    "plans": plans.run,
    "long": long.run,
    "busy": busy.run,
    "bulk": bulk.run,
    "lag": lag.run,
    "sizes": sizes.run_all,
    "tree": tree.run,
    "signer": tree.beside_a_signer,
}
HERE = Path(__file__).parent
SHARED_BUFFERS = "2GB"
"""For all contenders: the server's default of 128 MB holds no ledger of 1,000,000 events."""


def main() -> None:
    quick = os.environ.get("QUICK", "0") not in ("", "0")
    names = [name for name in os.environ.get("ONLY", "").split(",") if name] or list(CONTESTS)
    if unknown := set(names) - CONTESTS.keys():
        raise SystemExit(f"there is no contest {', '.join(sorted(unknown))}: choose from {', '.join(CONTESTS)}")
    peers.install()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="ledger-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server runs as another user where this one is root
        with embedded(folder, "bench") as server:
            Bench(server, folder, quick).owner(f"alter system set shared_buffers = '{SHARED_BUFFERS}'")
        with embedded(folder, "bench") as server:  # started again, with more memory
            bench = Bench(server, folder, quick)
            machine.describe(bench)
            for contest in names:
                figures += _run(bench, contest)
    show(figures)
    plots.draw(bench)
    if names == list(CONTESTS):
        write(figures, HERE / "results.json")
    elif not quick:
        write(brought_up_to_date(HERE / "results.json", figures), HERE / "results.json")


def _run(bench: Bench, contest: str) -> list[Figure]:
    started = monotonic()
    console.rule(contest)
    figures: list[Figure] = []
    try:
        for figure in CONTESTS[contest](bench):
            figures.append(figure)
    except Exception as error:  # whatever it is, the other contests go on
        console.print_exception()
        figures.append(Figure(contest, None, None, None, None, "", 0, f"broken off: {error!r}"[:300]))
    console.print(f"[dim]{contest} took {monotonic() - started:.0f} s[/dim]")
    return figures


if __name__ == "__main__":
    main()
