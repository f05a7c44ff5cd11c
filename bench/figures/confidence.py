"""How certain each layer's bits are: share of the resamples that choose each bit-width."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from bitknap.problems.names import cut

from .style import LONGEST, label_map, new_map, styled, write_cell

_SHOWN = 0.005
"""Shares below are left blank."""


def draw_stability(
    share: NDArray[np.float64],
    chosen: Sequence[int],
    layers: Sequence[str],
    labels: Sequence[str],
    title: str,
) -> Figure:
    """Draw the stability map: one column per layer, one row per choice, each cell in per cent.

    Args:
        share: (rows, layers) share of the resamples that make the choice; NaN where a layer has
            no such choice.
        chosen: row of each layer's choice in the plan of all samples, outlined.
    """
    layers = cut(layers, LONGEST)
    with styled():
        figure, axes = new_map(layers, 0.38, 1.3 + 0.3 * len(labels))
        mesh = axes.pcolormesh(
            np.ma.masked_invalid(share),
            cmap="Blues",
            vmin=0,
            vmax=1,
            edgecolors="white",
            linewidth=1.0,
        )
        for (row, column), value in np.ndenumerate(share):
            if value >= _SHOWN:
                text = f"{100 * value:.0f}"
                write_cell(axes, row, column, text, dark=bool(value > 0.6), fontsize=8)
        for column, row in enumerate(chosen):
            axes.add_patch(
                Rectangle((column, row), 1, 1, fill=False, edgecolor="#D55E00", linewidth=2)
            )
        label_map(axes, layers, labels)
        axes.set_xlabel("layer, in order of execution")
        axes.set_ylabel("bits per weight")
        axes.set_title(title)
        bar = figure.colorbar(mesh, ax=axes, pad=0.01, format=lambda x, _: f"{100 * x:.0f}")
        bar.set_label("resamples, %")
    return figure
