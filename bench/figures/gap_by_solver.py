"""Gaps by solver: one row per solver, one dot per instance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from .dot_rows import dot_rows
from .style import styled

FINEST = -6
"""Power of ten, in per cent, below which gaps are drawn on a linear scale."""

LARGEST = 12
"""Power of ten, in per cent, at which larger gaps are drawn; above an optimum of 0 it is inf."""


def draw_gaps(gaps: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the gaps in per cent, on an axis that is logarithmic but for its zero.

    Args:
        gaps: solver -> its gap on every instance with a choice, as ratios; the first on top.
    """
    percent = {
        solver: [min(100 * gap, 10.0**LARGEST) for gap in row] for solver, row in gaps.items()
    }
    found = [gap for row in percent.values() for gap in row if gap > 0]
    first = max(math.floor(math.log10(min(found))), FINEST) if found else 0
    last = max(math.ceil(math.log10(max(found))) if found else 1, first + 1)
    least = 10.0**first
    none = [f"{sum(gap == 0 for gap in row)}/{len(row)}" for row in gaps.values()]
    with styled():
        figure, axes = dot_rows(percent, none, "at 0")
        axes.set_xscale("symlog", linthresh=least, linscale=0.4)
        axes.set_xlim(-0.3 * least, 2 * max(found, default=1.0))
        decades = range(first + 1, last + 1, math.ceil((last - first) / 5))
        axes.set_xticks([0.0, *(10.0**decade for decade in decades)])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel("above the optimum (or the best bound), %")
    return figure
