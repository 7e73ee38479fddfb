"""The table as a chart: `python benchmarks/chart.py RESULTS.json speed.svg`, or `run.py --chart speed.svg`.

One line for each scenario, one dot for each client, on a logarithmic axis. Figures of clients that put
together what was not sent are left out.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

INK, PALE = "#1f2933", "#d9dee3"
COLOURS = {"A": "#9aa5b1", "B": "#52606d", "deltafold": "#c2185b"}
OTHERS = ("#2a6fbb", "#2e9c8f", "#6bb04a", "#d9a514", "#dd6b20", "#8e5bb5", "#7b4a2d", "#4b5563")
SHAPES = "o^s"
"""Of the others: the next one where all colours are taken."""
NAMES = {"A": "A: split + json.loads", "B": "B: json.loads alone"}


def draw(results: dict[str, Any], path: Path) -> None:
    """Draws the figures of a run, as `Results.dump()` gives them. The file's ending says what it becomes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    # Text as text, and nothing in the file that differs from run to run.
    pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "deltafold", "font.family": "sans-serif"})
    rows = results["rows"]
    figure, axes = pyplot.subplots(figsize=(10, 1.6 + 0.36 * len(rows)), layout="constrained")
    others = itertools.product(SHAPES, OTHERS)
    places = range(len(rows))
    for client in results["clients"]:
        points = [
            (row["cells"][client]["ratio"], place)
            for place, row in zip(places, rows, strict=True)
            if client not in row["wrong"] and isinstance(row["cells"].get(client), dict)
        ]
        if points:
            own = client in COLOURS
            shape, colour = ("|", COLOURS[client]) if own else next(others)
            axes.scatter(
                *zip(*points, strict=True),
                s=70 if client == "deltafold" else 60 if own else 30,
                color=colour,
                marker="D" if client == "deltafold" else shape,
                label=NAMES.get(client, client),
                zorder=4 if own else 3,
            )
    axes.set_xscale("log")
    axes.set_yticks(list(places), [row["scenario"] for row in rows])
    axes.invert_yaxis()
    axes.grid(axis="both", color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelcolor=INK)
    for side in axes.spines.values():
        side.set_visible(False)
    ticks = [tick for tick in (0.3, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if inside(tick, rows)]
    axes.set_xticks(ticks, [f"{tick:g}×" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("CPU time as a multiple of A; less is better", color=INK)
    figure.legend(loc="outside upper center", ncols=4, frameon=False, labelcolor=INK)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, transparent=False)
    pyplot.close(figure)


def inside(tick: float, rows: list[dict[str, Any]]) -> bool:
    """Whether a tick is among the figures."""
    ratios = [
        cell["ratio"]
        for row in rows
        for client, cell in row["cells"].items()
        if isinstance(cell, dict) and client not in row["wrong"]
    ]
    return min(ratios) * 0.7 <= tick <= max(ratios) * 1.4


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
