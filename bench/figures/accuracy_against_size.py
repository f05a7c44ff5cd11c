"""Measured accuracy against size: metrics, uniform bit-widths, random plans, float."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import line_style, new_figure, styled


@dataclass(frozen=True)
class Point:
    """One measured plan.

    Args:
        average_bits: bits a weight.
        accuracy: share of right answers.
        error: its standard error.
    """

    average_bits: float
    accuracy: float
    error: float


CLOSE_UP = 10.0
"""Percentage points below the float network that the close-up shows."""


def draw_accuracy(
    series: Mapping[str, Sequence[Point]], float_accuracy: float, title: str
) -> Figure:
    """Draw accuracy in per cent with error bars, whole and close to the float network.

    Args:
        series: name -> its points.
        float_accuracy: of the network before quantization, a dashed line.
        title: above the axes.
    """
    top = 100 * float_accuracy
    with styled():
        figure = new_figure(9.6, 4.2)
        whole, close = figure.subplots(1, 2)
        for axes in (whole, close):
            axes.axhline(top, color="#555555", linewidth=1, linestyle=(0, (6, 3)))
            for index, (name, points) in enumerate(series.items()):
                _draw_series(axes, index, name, points)
            axes.set_xlabel("average bits a weight (codes)")
        whole.annotate(
            f"float {top:.2f} %",
            (0.01, top),
            xycoords=("axes fraction", "data"),
            xytext=(0, 3),
            textcoords="offset points",
            fontsize=8.5,
        )
        whole.margins(y=0.08)
        whole.set_ylabel("test accuracy, %")
        whole.legend(loc="lower right")
        close.set_ylim(top - CLOSE_UP, top + 0.08 * CLOSE_UP)
        close.set_title(f"the last {CLOSE_UP:g} points", fontsize=9.5)
        figure.suptitle(title, fontsize=10.5)
    return figure


def _draw_series(axes: Axes, index: int, name: str, points: Sequence[Point]) -> None:
    ordered = sorted(points, key=lambda p: p.average_bits)
    axes.errorbar(
        [p.average_bits for p in ordered],
        [100 * p.accuracy for p in ordered],
        yerr=[100 * p.error for p in ordered],
        capsize=2,
        label=name,
        **line_style(index),
    )
