"""Measured accuracy against size: metrics, uniform bit-widths, random plans, float."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .style import legend_below, line_style, side_by_side, styled


@dataclass(frozen=True)
class Point:
    """One measured plan, or the mean of several."""

    average_bits: float
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class AccuracyCurve:
    """Plans of one kind.

    Args:
        rival: drawn thin and hollow, beside another curve of the same style.
    """

    name: str
    points: Sequence[Point]
    style: int
    rival: bool = False


CLOSE_UP = 10.0
"""Percentage points below the float network that the close-up shows."""
SETTLED = 0.5
"""The close-up ends at the largest size with a plan so many percentage points below."""


def draw_accuracy(curves: Sequence[AccuracyCurve], float_accuracy: float, title: str) -> Figure:
    """Draw accuracy in per cent with error bars, whole and close to the float network.

    Args:
        float_accuracy: of the network before quantization, a dashed line.
    """
    with styled():
        figure, (whole, close) = side_by_side(2, _labels(curves))
        _draw_whole(whole, curves, 100 * float_accuracy)
        _draw_close(close, curves, 100 * float_accuracy)
        legend_below(figure)
        figure.suptitle(title, fontsize=10.5)
    return figure


def accuracy_panels(
    curves: Sequence[AccuracyCurve], float_accuracy: float
) -> tuple[Figure, Figure]:
    """The two drawings of `draw_accuracy`, each a figure of its own."""
    figures = []
    with styled():
        for draw in (_draw_whole, _draw_close):
            figure, (axes,) = side_by_side(1, _labels(curves))
            draw(axes, curves, 100 * float_accuracy)
            legend_below(figure)
            figures.append(figure)
    return figures[0], figures[1]


def _labels(curves: Sequence[AccuracyCurve]) -> list[str]:
    return ["float 00.00 %", *(curve.name for curve in curves)]


def _draw_whole(axes: Axes, curves: Sequence[AccuracyCurve], top: float) -> None:
    _draw(axes, curves, top)
    axes.margins(y=0.08)
    axes.set_ylabel("test accuracy, %")
    axes.set_title("all points", fontsize=9.5)


def _draw_close(axes: Axes, curves: Sequence[AccuracyCurve], top: float) -> None:
    end = _settled_from(curves, top)
    _draw(
        axes,
        [replace(c, points=[p for p in c.points if p.average_bits <= end]) for c in curves],
        top,
    )
    axes.set_ylim(top - CLOSE_UP, top + 0.08 * CLOSE_UP)
    axes.xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10]))
    axes.set_title(f"the last {CLOSE_UP:g} percentage points", fontsize=9.5)


def _settled_from(curves: Sequence[AccuracyCurve], top: float) -> float:
    """The largest size with a plan more than `SETTLED` below the float network, in whole bits."""
    sizes = [
        point.average_bits
        for curve in curves
        for point in curve.points
        if top - 100 * point.accuracy > SETTLED
    ]
    return math.ceil(max(sizes)) if sizes else math.inf


def _draw(axes: Axes, curves: Sequence[AccuracyCurve], top: float) -> None:
    axes.axhline(
        top, color="#555555", linewidth=1, linestyle=(0, (6, 3)), label=f"float {top:.2f} %"
    )
    for curve in curves:
        points = sorted(curve.points, key=lambda p: p.average_bits)
        changed = {"linewidth": 0.8, "mfc": "white", "markersize": 6.5} if curve.rival else {}
        if len({p.average_bits for p in points}) < len(points):
            # Several bits of the activations at one size: a line through them means nothing.
            changed["linestyle"] = "none"
        axes.errorbar(
            [p.average_bits for p in points],
            [100 * p.accuracy for p in points],
            # A mean of equal draws may differ from them by rounding.
            yerr=[
                [max(0.0, 100 * (p.accuracy - p.low)) for p in points],
                [max(0.0, 100 * (p.high - p.accuracy)) for p in points],
            ],
            capsize=2,
            elinewidth=1,
            label=curve.name,
            **(line_style(curve.style) | changed),
        )
    axes.set_xlabel("average bits per weight (codes)")
