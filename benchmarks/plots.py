"""What was measured at several sizes, drawn."""

import re
from pathlib import Path
from typing import Any

from benchmarks.measure import Bench, Unmeasured, console
from benchmarks.peers import load

FOLDER = Path(__file__).parent / "plots"
OURS = "ours"


def draw(bench: Bench) -> None:
    """One picture for each set of curves; none where there is nothing to draw with."""
    try:
        matplotlib = load("matplotlib")
        matplotlib.use("Agg")
        pyplot = load("matplotlib.pyplot")
    except Unmeasured as error:
        console.print(f"[yellow]no plots: {error}[/yellow]")
        return
    FOLDER.mkdir(exist_ok=True)
    for title, curves in bench.curves.items():
        _draw(pyplot, title, curves)


def _draw(pyplot: Any, title: str, curves: dict[str, dict[int, float]]) -> None:
    figure, axes = pyplot.subplots(figsize=(8, 5))
    for name, points in curves.items():
        axes.plot(
            *zip(*sorted(points.items()), strict=True), marker="o", label=name, linewidth=3 if name == OURS else 1.5
        )
    against_size = title.startswith("Cost")
    axes.set(
        title=title, xscale="log", xlabel="events in the ledger" if against_size else "callers",
        ylabel="microseconds" if against_size else "events/s",
    )  # fmt: skip
    axes.set_ylim(bottom=0)
    ticks = sorted({size for points in curves.values() for size in points})
    axes.set_xticks(ticks, [f"{size:,}" for size in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(FOLDER / f"{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')}.png", dpi=110)
    pyplot.close(figure)
