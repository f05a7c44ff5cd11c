"""A plan as a strip: one bar per layer, its width the share of the weights, its height the bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .style import COLOURS, new_figure, styled

LEAST = 0.5
"""A layer's bar is no narrower than this, in even shares."""

HIGHEST = 9
"""Bits of the highest bar; more, such as float, are cut to this."""


@dataclass(frozen=True)
class Bar:
    """One layer of a plan.

    Args:
        sure: whether the calibration data settle the choice.
    """

    label: str
    bits: int
    weights: int
    sure: bool = True


def draw_layer_strip(bars: Sequence[Bar], size: tuple[float, float] = (9.6, 1.75)) -> Figure:
    """Draw a strip of its own."""
    with styled():
        figure = new_figure(*size)
        layer_strip(figure.subplots(), bars, size[0])
    return figure


def layer_strip(axes: Axes, bars: Sequence[Bar], inches: float) -> None:
    """Draw the strip into axes of so many inches."""
    left, width = places(bars)
    height = [min(bar.bits, HIGHEST) for bar in bars]
    drawn = axes.bar(left, height, width, align="edge", color="#9cc3de", edgecolor="white")
    for bar, patch, x, w, h in zip(bars, drawn, left, width, height, strict=True):
        if not bar.sure:
            patch.set(hatch="////", edgecolor=COLOURS[0], facecolor="white", linewidth=0.6)
        if w * inches > 0.09 * len(bar.label):
            axes.text(x + w / 2, h + 0.15, bar.label, ha="center", va="bottom", fontsize=8)
    axes.set(xlim=(0, 1), ylim=(0, max(height) + 1.4), xticks=[], yticks=[])
    axes.set_xlabel("layers in order of execution; width: share of the weights", loc="left")
    axes.set_ylabel("bits")
    axes.grid(visible=False)


def places(bars: Sequence[Bar]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(L,) left edge and (L,) width of every bar, of a total width of 1."""
    share = np.array([bar.weights for bar in bars], dtype=float)
    width = np.maximum(share / share.sum(), LEAST / len(bars))
    width /= width.sum()
    return np.cumsum(width) - width, width
