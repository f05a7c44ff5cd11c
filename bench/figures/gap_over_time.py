"""The gap of each solver while its time passes."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from ..measures.primal_integral import Curve
from .style import label_log, legend_below, line_style, side_by_side, styled

LEAST = 1e-6
"""Smaller gaps are drawn there."""


def draw_gaps(panels: Mapping[str, Mapping[str, Curve]], start: float, end: float) -> Figure:
    """Draw steps of the primal gap in per cent against seconds, both axes logarithmic.

    Args:
        panels: title -> solver -> its curve; solvers without a choice are left out.
        start: seconds at the left edge.
        end: seconds at the right edge, to which the last gap is drawn.
    """
    solvers = list(dict.fromkeys(s for curves in panels.values() for s in curves))
    styles = {solver: index for index, solver in enumerate(solvers)}
    with styled():
        figure, axes_of = side_by_side(len(panels), solvers)
        for axes, (title, curves) in zip(axes_of, panels.items(), strict=True):
            axes.set_xlim(start, 1.2 * end)
            axes.set_ylim(50 * LEAST, 150)
            axes.set_xscale("log")
            axes.set_yscale("log")
            for solver, curve in curves.items():
                if not curve:
                    continue
                times = [max(seconds, start) for seconds, _ in curve]
                gaps = [100 * max(gap, LEAST) for _, gap in curve]
                axes.plot(
                    [*times, max(end, times[-1])],
                    [*gaps, gaps[-1]],
                    drawstyle="steps-post",
                    label=solver,
                    **line_style(styles[solver]),
                )
            label_log(axes.xaxis, start, end)
            label_log(axes.yaxis, 100 * LEAST, 100)
            axes.set_xlabel("seconds")
            axes.set_ylabel("above the best known, %")
            axes.set_title(title)
        legend_below(figure)
    return figure
