"""Measured accuracy against size: metrics, uniform bit-widths, random plans, float."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


def draw_accuracy(
    series: Mapping[str, Sequence[Point]], float_accuracy: float, title: str
) -> Figure:
    """Draw accuracy in per cent, bars of one binomial standard error, the float network dashed.

    Args:
        series: name -> its points.
        float_accuracy: of the network before quantization.
        title: above the axes.
    """
    with styled():
        figure = new_figure(7.2, 4.4)
        axes = figure.subplots()
        axes.axhline(100 * float_accuracy, color="#555555", linewidth=1, linestyle=(0, (6, 3)))
        axes.annotate(
            f"float {100 * float_accuracy:.2f} %",
            (0.01, 100 * float_accuracy),
            xycoords=("axes fraction", "data"),
            xytext=(0, 3),
            textcoords="offset points",
            fontsize=8.5,
        )
        for index, (name, points) in enumerate(series.items()):
            ordered = sorted(points, key=lambda p: p.average_bits)
            axes.errorbar(
                [p.average_bits for p in ordered],
                [100 * p.accuracy for p in ordered],
                yerr=[100 * p.error for p in ordered],
                capsize=2,
                label=name,
                **line_style(index),
            )
        axes.set_xlabel("average bits a weight (codes)")
        axes.set_ylabel("test accuracy, %")
        axes.set_title(title)
        axes.legend(loc="lower right")
        axes.margins(y=0.08)
    return figure
