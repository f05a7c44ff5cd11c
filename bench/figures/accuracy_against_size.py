"""Measured accuracy against size: metrics, uniform bit-widths, random plans, float."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .style import legend_below, line_style, new_figure, side_by_side, styled


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


FLOAT = "#555555"

BEHIND = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
"""The patch behind a label, so that bars do not cross it."""

CLOSE_UP = 10.0
"""Percentage points below the float network that are shown."""


def draw_accuracy(curves: Sequence[AccuracyCurve], float_accuracy: float) -> Figure:
    """Draw accuracy in per cent with error bars, near the float network, with a legend.

    Args:
        float_accuracy: of the network before quantization, a dashed line.
    """
    labels = ["float 00.00 %", *(curve.name for curve in curves)]
    with styled():
        figure, (axes,) = side_by_side(1, labels)
        accuracy_axes(axes, curves, float_accuracy)
        legend_below(figure)
    return figure


def draw_labelled_accuracy(curves: Sequence[AccuracyCurve], float_accuracy: float) -> Figure:
    """The same with the names of few curves beside them."""
    with styled():
        figure = new_figure(4.3, 2.7)
        labelled_accuracy(figure.subplots(), curves, float_accuracy)
    return figure


def labelled_accuracy(axes: Axes, curves: Sequence[AccuracyCurve], float_accuracy: float) -> None:
    """Draw curves with their names, the first one's above its first point, the others' below.

    Names stand towards the middle; that of the float network where the first one does not.
    """
    accuracy_axes(axes, curves, float_accuracy)
    axes.margins(x=0.12)
    middle, end = sum(axes.get_xlim()) / 2, 1
    for number, curve in enumerate(curves):
        first = min(curve.points, key=lambda p: p.average_bits)
        right = first.average_bits > middle
        axes.annotate(
            curve.name,
            (first.average_bits, 100 * (first.accuracy if number else first.high)),
            xytext=(-6 if right else 6, -6 if number else 2),
            textcoords="offset points",
            ha="right" if right else "left",
            va="top" if number else "bottom",
            bbox=BEHIND,
            color=line_style(curve.style)["color"],
        )
        end = 0 if right and not number else end
    axes.annotate(
        f"float {100 * float_accuracy:.2f} %",
        (end, 100 * float_accuracy),
        xycoords=axes.get_yaxis_transform(),
        xytext=(3 - 3 * end, 3),
        textcoords="offset points",
        ha="right" if end else "left",
        color=FLOAT,
        bbox=BEHIND,
    )


def accuracy_axes(axes: Axes, curves: Sequence[AccuracyCurve], float_accuracy: float) -> None:
    """Draw the curves; those more than `CLOSE_UP` below the float network leave the picture."""
    top = 100 * float_accuracy
    axes.axhline(top, color=FLOAT, linewidth=1, linestyle=(0, (6, 3)), label=f"float {top:.2f} %")
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
    axes.set_ylim(bottom=max(axes.get_ylim()[0], top - CLOSE_UP))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
    axes.set_xlabel("average bits per weight (codes)")
    axes.set_ylabel("test accuracy, %")
