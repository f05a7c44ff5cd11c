"""Scores by bits and layer, with the layers' sizes and the chosen items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from .style import label_map, new_figure, styled


def draw_sensitivities(
    score: NDArray[np.float64],
    chosen: Sequence[int | None],
    weights: Sequence[int],
    layers: Sequence[str],
    labels: Sequence[str],
    title: str,
) -> Figure:
    """Draw the map of scores on a logarithmic scale, above bars of the layers' sizes.

    Args:
        score: (labels, layers); NaN where a layer has no such choice. Values of zero and below
            take the palest colour.
        chosen: row of the choice of each layer, framed; None for none.
        labels: of the choices, from few bits to many.
    """
    above = score[score > 0]
    least, most = (float(above.min()), float(above.max())) if above.size else (1.0, 1.0)
    shown = np.where(np.isnan(score), np.nan, np.maximum(score, least))
    with styled():
        width = max(6.0, 1.9 + 0.34 * len(layers))
        figure = new_figure(width, 1.6 + 0.26 * len(labels) + 0.07 * max(map(len, layers)))
        axes, size = figure.subplots(2, 1, height_ratios=(2.2, 1), sharex=True)
        mesh = axes.pcolormesh(
            shown, cmap="YlOrRd", norm=LogNorm(least, max(most, 1.0001 * least)), edgecolors="white"
        )
        for column, row in enumerate(chosen):
            if row is not None:
                corner = (column + 0.06, row + 0.06)
                axes.add_patch(Rectangle(corner, 0.88, 0.88, fill=False, lw=2, zorder=3))
        label_map(axes, layers, labels)
        axes.tick_params(labelbottom=False)
        axes.set_ylabel("bits")
        axes.set_title(title, loc="left")
        size.bar(np.arange(len(layers)) + 0.5, np.array(weights) / 1000, color="#76838f")
        size.tick_params(axis="x", length=0, labelrotation=90)
        size.grid(visible=False)
        size.set_ylabel("1,000\nweights", fontsize=8)
        figure.colorbar(mesh, ax=axes, label="predicted loss", aspect=10)
    return figure
