"""Performance profiles: share of instances within a factor of the fastest solver."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import label_log, legend_below, line_style, side_by_side, styled

Ratios = Mapping[str, Sequence[float]]
"""Solver -> its time over the least time on every instance, ascending; inf where it failed."""

_MARKERS = 8
"""Markers on a line, at most about so many."""


def draw_profiles(profiles: Mapping[str, Ratios], styles: Mapping[str, int]) -> Figure:
    """Draw rho(tau) in per cent against tau, on a logarithmic axis; one panel per profile.

    Args:
        profiles: title -> ratios; solvers that always failed are left out.
    """
    able = {solver for ratios in profiles.values() for solver, row in ratios.items() if _able(row)}
    with styled():
        figure, panels = side_by_side(len(profiles), able)
        for axes, (title, ratios) in zip(panels, profiles.items(), strict=True):
            _draw(axes, {solver: row for solver, row in ratios.items() if _able(row)}, styles)
            axes.set_title(title)
        legend_below(figure)
    return figure


def _able(row: Sequence[float]) -> bool:
    return math.isfinite(row[0])


def _draw(axes: Axes, ratios: Ratios, styles: Mapping[str, int]) -> None:
    largest = max((r for row in ratios.values() for r in row if math.isfinite(r)), default=1.0)
    end = max(1.1 * largest, 2.0)
    for solver, row in ratios.items():
        finite = [ratio for ratio in row if math.isfinite(ratio)]
        shares = [100 * (k + 1) / len(row) for k in range(len(finite))]
        axes.plot(
            [finite[0], *finite, end],
            [0.0, *shares, shares[-1]],
            drawstyle="steps-post",
            label=solver,
            markevery=max(1, len(finite) // _MARKERS),
            **line_style(styles[solver]),
        )
    axes.set_xscale("log")
    axes.set_xlim(1 / 1.03, end)
    label_log(axes.xaxis, 1.0, end)
    axes.set_ylim(0, 104)
    axes.set_xlabel("time over that of the fastest")
    axes.set_ylabel("share of instances, %")
