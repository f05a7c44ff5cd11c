"""A plan as a figure: one bar per layer, as wide as its share of the weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from bitknap.problems.names import drawn
from bitknap.sensitivity import SensitivityTable

NARROW = 0.012
"""Share of the weights below which a bar has no label."""


def draw_strip(table: SensitivityTable, items: Sequence[int]) -> Figure:
    """Draw the chosen items of a table.

    Args:
        table: its layers, in order of execution.
        items: (L,) the chosen ones; height and label are weight bits.
    """
    share = np.array([layer.numel for layer in table.layers]) / table.weights
    bits = table.bits[items]
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    axes = figure.subplots()
    left = np.cumsum(share) - share
    shades = [str(0.85 - 0.6 * min(b, 8) / 8) for b in bits.tolist()]
    axes.bar(left, bits, share, align="edge", color=shades, edgecolor="white", linewidth=0.5)
    for at, width, height, item in zip(left, share, bits, items, strict=True):
        if width >= NARROW:
            text = drawn(table.labels[item])
            axes.text(at + width / 2, height, text, ha="center", va="bottom", fontsize=7)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the weights, layers in order of execution")
    axes.set_ylabel("bits")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
