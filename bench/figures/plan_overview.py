"""A run in one figure: accuracy against size, beside the bits of every layer of one plan."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from .accuracy_against_size import AccuracyCurve, labelled_accuracy
from .layer_strip import Bar, layer_strip
from .style import new_figure, styled

WIDTHS = (4.0, 5.6)
"""Inches of the two parts."""


def draw_plan_overview(
    curves: Sequence[AccuracyCurve], float_accuracy: float, bars: Sequence[Bar], title: str
) -> Figure:
    """Draw the curves on the left and the plan on the right, under its title."""
    with styled():
        figure = new_figure(sum(WIDTHS), 2.9)
        left, right = figure.subplots(1, 2, width_ratios=WIDTHS)
        labelled_accuracy(left, curves, float_accuracy)
        layer_strip(right, bars, WIDTHS[1])
        right.set_title(title, loc="left")
    return figure
