"""Time against the number of classes, on two logarithmic axes."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import label_log, legend_below, line_style, side_by_side, styled


@dataclass(frozen=True)
class Timing:
    """The time of one solver on one instance.

    Args:
        seconds: its time, or its limit where it did not finish.
    """

    classes: int
    seconds: float
    done: bool


def draw_times(
    groups: Mapping[str, Mapping[str, Sequence[Timing]]], styles: Mapping[str, int]
) -> Figure:
    """Draw every timing, a line through the medians of those done, and crosses for the others.

    Args:
        groups: title of each panel -> solver -> its timings.
    """
    solvers = {solver for timings in groups.values() for solver in timings}
    with styled():
        figure, panels = side_by_side(len(groups), solvers)
        for axes, (title, timings) in zip(panels, groups.items(), strict=True):
            for solver, rows in timings.items():
                _draw(axes, solver, rows, styles[solver])
            axes.set_xscale("log")
            sizes = [row.classes for rows in timings.values() for row in rows]
            label_log(axes.xaxis, min(sizes), max(sizes))
            axes.set_yscale("log")
            axes.set_xlabel("classes (layers)")
            axes.set_ylabel("seconds")
            axes.set_title(title)
        legend_below(figure)
    return figure


def _draw(axes: Axes, solver: str, rows: Sequence[Timing], index: int) -> None:
    style = line_style(index)
    done: dict[int, list[float]] = {}
    for row in rows:
        if row.done:
            done.setdefault(row.classes, []).append(row.seconds)
    sizes = sorted(done)
    axes.plot(sizes, [statistics.median(done[n]) for n in sizes], label=solver, **style)
    spread = [(n, s) for n in sizes for s in done[n]]
    small = {"color": style["color"], "markersize": 3, "alpha": 0.5}
    if spread:
        axes.plot(*zip(*spread, strict=True), style["marker"], **small)
    failed = [(row.classes, row.seconds) for row in rows if not row.done]
    if failed:
        axes.plot(*zip(*failed, strict=True), "x", color=style["color"], markersize=7)
