"""Gaps by solver: one row a solver, one dot an instance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from .style import COLOURS, new_figure, styled

_GOLDEN = 0.618034
"""Multiples of it, modulo 1, spread dots evenly."""


def draw_gaps(gaps: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the gaps in per cent, on an axis that is logarithmic but for its zero.

    Args:
        gaps: solver -> its gap on every instance with a choice, as ratios; the first on top.
    """
    found = [100 * gap for row in gaps.values() for gap in row if gap > 0]
    least = 10.0 ** max(math.floor(math.log10(min(found))), -6) if found else 1.0
    with styled():
        figure = new_figure(5.2, 1.0 + 0.27 * len(gaps))
        axes = figure.subplots()
        for row, values in enumerate(gaps.values()):
            axes.plot(
                [100 * gap for gap in values],
                [row + 0.5 * (k * _GOLDEN % 1 - 0.5) for k in range(len(values))],
                "o",
                color=COLOURS[0],
                alpha=0.45,
                markersize=4,
                markeredgewidth=0,
                clip_on=False,
            )
            axes.annotate(
                f"{sum(gap == 0 for gap in values)}/{len(values)}",
                (1.02, row),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=8.5,
            )
        axes.annotate("at 0", (1.02, -0.95), xycoords=("axes fraction", "data"), fontsize=8.5)
        axes.set_xscale("symlog", linthresh=least, linscale=0.4)
        axes.set_xlim(-0.3 * least, 2 * max(found, default=1.0))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_ylim(len(gaps) - 0.4, -0.6)
        axes.set_yticks(range(len(gaps)), list(gaps))
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("gap to the optimum (or the best bound), %")
    return figure
