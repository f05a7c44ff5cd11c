"""Which layer gets how many bits: one row per plan, one column per layer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bitknap.problems.names import cut

from .style import LONGEST, label_map, new_map, styled, write_cell

_BLUES = ("#eff4f9", "#d0dfec", "#a3bed6", "#7699ba", "#4f7396", "#34506b", "#22313f")


def draw_bits_by_layer(
    plans: Mapping[str, Sequence[str]],
    layers: Sequence[str],
    choices: Sequence[str],
    kind: str = "plan and budget",
    unsure: Collection[tuple[str, str]] = (),
) -> Figure:
    """Draw the map of bits, each cell with its number; dark cells have many bits.

    Args:
        plans: title of each plan -> label of each layer's choice, in the order of ``layers``.
        choices: all labels that were allowed, ascending.
        unsure: (title, layer) of the cells that are hatched.
    """
    values, names, layers = np.array(list(plans.values())), layers, cut(layers, LONGEST)
    rank = {label: k for k, label in enumerate(choices)}
    size = 8 if max(map(len, choices)) <= 2 else 5.5
    with styled():
        figure, axes = new_map(layers, 0.34, 1.1 + (0.26 if size == 8 else 0.5) * len(plans))
        shades = [_BLUES[round(k * 6 / max(len(choices) - 1, 1))] for k in range(len(choices))]
        colours = ListedColormap(shades)
        axes.pcolormesh(
            np.vectorize(rank.__getitem__)(values),
            cmap=colours,
            norm=BoundaryNorm(np.arange(len(choices) + 1) - 0.5, colours.N),
            edgecolors="white",
            linewidth=1.0,
        )
        for (row, column), label in np.ndenumerate(values):
            dark = rank[label] >= len(choices) / 2
            turn = 0 if size == 8 else 90
            if (list(plans)[row], names[column]) in unsure:
                edge = "#c8d4df" if dark else "#7c8894"
                axes.add_patch(
                    Rectangle((column, row), 1, 1, fill=False, hatch="//", ec=edge, lw=0)
                )
            write_cell(axes, row, column, label, dark=dark, fontsize=size, rotation=turn)
        label_map(axes, layers, list(plans))
        axes.invert_yaxis()
        axes.set_xlabel("layer, in order of execution", loc="left")
        axes.set_title(f"Bits per weight by layer ({kind})", loc="left")
    return figure
