"""Pictures of the board as small SVG files: the same figures always give the same bytes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.statistics import Comparison

COLOURS = {"entry": "#4878a8", "floor": "#8c8c8c", "ceiling": "#5a9e6f", "oracle": "#5a9e6f"}
"""By role of a row."""
SETTINGS: Any = {
    "svg.hashsalt": "provingground",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
"""Text stays text and ids come from a fixed salt: files are small and do not change by themselves."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A row of the board in a picture."""

    name: str
    role: str
    """entry, floor, ceiling or oracle."""
    value: float
    low: float
    high: float
    cost: float = float("nan")
    """Seconds of predict a recording."""


def scores(path: Path, rows: Sequence[Mark], label: str) -> None:
    """Scores with 95 % intervals, in the order given from the top; lines at the best floor given and the ceiling."""
    with _figure(path, (7.0, 0.7 + 0.24 * max(1, len(rows)))) as figure:
        axes = figure.add_subplot()
        for y, row in enumerate(rows):
            _bar(axes, row.value, y, row)
        for role, style in (("floor", ":"), ("ceiling", "--")):
            found = next((row for row in rows if row.role == role and np.isfinite(row.value)), None)
            if found:
                axes.axvline(found.value, color=COLOURS[role], linestyle=style, linewidth=1, zorder=0)
        axes.set_yticks(range(len(rows)), [row.name for row in rows])
        for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
            tick.set_color("black" if row.role == "entry" else COLOURS[row.role])
        axes.set_ylim(max(1, len(rows)) - 0.4, -0.6)
        axes.set_xlabel(label)


def cost(path: Path, rows: Sequence[Mark], label: str) -> None:
    """Scores with intervals against seconds of predict a recording, on a logarithmic axis; rows without cost left out.

    Names stand in a column at the right, led to their points, so that none covers another.
    """
    shown = [row for row in rows if np.isfinite(row.cost) and row.cost > 0 and np.isfinite(row.value)]
    gap = 0.16  # inches a name
    height = max(4.2, 1.0 + gap * len(shown))
    with _figure(path, (7.0, height)) as figure:
        axes = figure.add_subplot()
        axes.set_xscale("log")
        for row in shown:
            low, high = _reach(row)
            axes.errorbar(row.cost, row.value, yerr=[[low], [high]], fmt="o", markersize=4, linewidth=1,
                          color=COLOURS[row.role])  # fmt: skip
        if shown:
            decades = np.log10([min(row.cost for row in shown), max(row.cost for row in shown)])
            axes.set_xlim(10 ** np.floor(decades[0]), 10 ** (np.floor(decades[1]) + 1))
        shown.sort(key=lambda row: (-row.value, row.name))
        low, high = axes.get_ylim()
        places = spread([(row.value - low) / (high - low) for row in shown], gap / (height - 0.7))
        for row, y in zip(shown, places, strict=True):
            axes.annotate(row.name, (row.cost, row.value), xytext=(1.04, y), textcoords="axes fraction", va="center",
                          fontsize=8, color=COLOURS[row.role],
                          arrowprops={"arrowstyle": "-", "color": COLOURS[row.role], "linewidth": 0.5, "alpha": 0.5,
                                      "relpos": (0.0, 0.5), "shrinkA": 1.0, "shrinkB": 3.0})  # fmt: skip
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        axes.set_xlabel("predict, seconds a recording")
        axes.set_ylabel(label)


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Places from the top down, moved as little as going down and then up again takes to lie `gap` apart, above 0."""
    found: list[float] = []
    for place in places:
        found.append(min(place, found[-1] - gap) if found else place)
    for i in range(len(found) - 1, -1, -1):
        found[i] = max(found[i], found[i + 1] + gap if i + 1 < len(found) else 0.0)
    return found


def critical(path: Path, found: Comparison, title: str) -> None:
    """Critical-difference diagram (Demsar 2006): average ranks on a line, bars over methods that are not told apart."""
    names = list(found.ranks)
    half = (len(names) + 1) // 2
    bars = 0.35 + 0.22 * len(found.cliques)
    depth = bars + 0.35 * half + 0.3
    with _figure(path, (8.0, 1.1 + 0.42 * depth + 0.3)) as figure:
        axes = figure.add_subplot()
        axes.axis("off")
        top = max(2, len(names))
        axes.set_xlim(0.1 - 0.6 * top, 0.9 + 1.6 * top)
        axes.set_ylim(-depth, 1.5)
        axes.plot([1, top], [0, 0], color="black", linewidth=1)
        for place in range(1, top + 1):
            axes.plot([place, place], [0, 0.12], color="black", linewidth=1)
            axes.text(place, 0.2, str(place), ha="center", va="bottom")
        for i, name in enumerate(names):
            left, row = i < half, (i if i < half else len(names) - 1 - i)
            x, y = found.ranks[name], -bars - 0.35 * row - 0.12 * (not left)  # so that no left line meets a right one
            edge = 0.8 if left else top + 0.2
            axes.plot([x, x, edge], [0, y, y], color=COLOURS["entry"], linewidth=1)
            axes.text(edge + (-0.08 if left else 0.08), y, f"{name} ({x:.2f})", va="center",
                      ha="right" if left else "left")  # fmt: skip
        for i, group in enumerate(found.cliques):
            ends = [found.ranks[group[0]] - 0.05, found.ranks[group[-1]] + 0.05]
            axes.plot(ends, [-0.25 - 0.22 * i] * 2, color="black", linewidth=3, solid_capstyle="butt")
        width = min(found.critical_difference, top * 1.5)
        axes.plot([1, 1 + width], [1.0, 1.0], color="black", linewidth=1.5)
        axes.text(1, 1.1, f"critical difference {found.critical_difference:.2f}; {title}", ha="left", va="bottom")


def _bar(axes: Any, x: float, y: int, row: Mark) -> None:
    if not np.isfinite(x):
        axes.plot([], [])
        return
    low, high = _reach(row)
    axes.errorbar(x, y, xerr=[[low], [high]], fmt="o", markersize=4, linewidth=1.2, capsize=2, color=COLOURS[row.role])


def _reach(row: Mark) -> tuple[float, float]:
    """How far the interval goes below and above the value; a percentile interval may leave the value outside."""
    low, high = row.value - row.low, row.high - row.value
    return (max(0.0, low) if np.isfinite(low) else 0.0), (max(0.0, high) if np.isfinite(high) else 0.0)


@contextmanager
def _figure(path: Path, size: tuple[float, float]) -> Iterator[Any]:
    """A figure that is written to `path` when the block ends, whatever the user's own settings are."""
    from matplotlib import rc_context, style
    from matplotlib.figure import Figure

    with style.context("default"), rc_context(SETTINGS):
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
