"""Ratios of time by solver: one row per solver, one dot per instance."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from ..tables.table import digits
from .dot_rows import dot_rows
from .style import label_log, styled


def draw_ratios(ratios: Mapping[str, Sequence[float]], label: str) -> Figure:
    """Draw positive ratios on a logarithmic axis with a bar at their geometric mean.

    Args:
        ratios: solver -> its ratio on every instance; the first on top.
    """
    means = [math.exp(statistics.fmean(map(math.log, row))) for row in ratios.values()]
    widest = max(abs(math.log(ratio)) for row in ratios.values() for ratio in row)
    end = math.exp(1.1 * max(widest, math.log(2)))
    with styled():
        figure, axes = dot_rows(ratios, [digits(mean) for mean in means], "mean")
        axes.axvline(1.0, color="#555555", linewidth=1, linestyle=(0, (6, 3)))
        for row, mean in enumerate(means):
            axes.plot(mean, row, "|", color="#000000", markersize=13, markeredgewidth=2)
        axes.set_xscale("log")
        axes.set_xlim(1 / end, end)
        label_log(axes.xaxis, 1 / end, end)
        axes.set_xlabel(label)
    return figure
