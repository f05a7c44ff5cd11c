"""How often each layer keeps its choice over resamples: one row per plan, one column per layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from bitknap.problems.names import cut

from .style import LONGEST, label_map, new_figure, styled, write_cell


def draw_kept_choices(
    kept: Mapping[str, Sequence[float]], choices: Mapping[str, Sequence[str]], layers: Sequence[str]
) -> Figure:
    """Draw the map: each cell with the choice and, below it, the share in per cent.

    Args:
        kept: title of each plan -> share of the resamples that keep each layer's choice.
    """
    values, layers = np.array(list(kept.values())), cut(layers, LONGEST)
    with styled():
        figure = new_figure(
            max(6.0, 1.9 + 0.38 * len(layers)),
            1.2 + 0.42 * len(kept) + 0.07 * max(map(len, layers)),
        )
        axes = figure.subplots()
        axes.pcolormesh(values, cmap="Blues", vmin=0, vmax=1.25, edgecolors="white", linewidth=1.0)
        for row, plan in enumerate(kept):
            for column, share in enumerate(kept[plan]):
                text = f"{choices[plan][column]}\n{100 * share:.0f} %"
                write_cell(
                    axes, row, column, text, dark=share > 0.75, fontsize=7.5, linespacing=1.3
                )
        label_map(axes, layers, list(kept))
        axes.invert_yaxis()
        axes.set_xlabel("layer, in order of execution", loc="left")
        axes.set_title("Bits of each layer, and the share of resamples that keep them", loc="left")
    return figure
