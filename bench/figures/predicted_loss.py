"""Predicted loss increase against size, with the uniform points."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import COLOURS, PANEL, legend_below, new_figure, styled


@dataclass(frozen=True)
class MetricPrediction:
    """What one metric predicts.

    Args:
        sizes: average bits per weight of the undominated plans, ascending.
        losses: their predicted loss increase, in the unit of the metric, falling.
        greedy: (average bits, predicted loss) of the greedy's plans at the budgets.
        budgets: the same of the optima at the budgets.
        uniform: (average bits, predicted loss, label) of each uniform choice.
    """

    sizes: Sequence[float]
    losses: Sequence[float]
    greedy: Sequence[tuple[float, float]]
    budgets: Sequence[tuple[float, float]]
    uniform: Sequence[tuple[float, float, str]]


def draw_predicted_loss(
    predictions: Mapping[str, MetricPrediction], kilobytes_per_bit: float
) -> Figure:
    """Draw one panel per metric; each has its own unit, so only the shapes compare.

    Args:
        kilobytes_per_bit: kB that one more average bit per weight costs, for the upper axis.
    """
    with styled():
        count = len(predictions)
        figure = new_figure(3.7 * count + 0.4, 3.9)
        for axes, (metric, data) in zip(
            figure.subplots(1, count, squeeze=False)[0], predictions.items(), strict=True
        ):
            _draw(axes, metric, data, kilobytes_per_bit)
        figure.axes[0].set_ylabel("predicted loss increase (metric's own unit)")
        legend_below(figure)
    return figure


def draw_prediction(metric: str, data: MetricPrediction, kilobytes_per_bit: float) -> Figure:
    """One panel of `draw_predicted_loss` as a figure of its own."""
    with styled():
        figure = new_figure(*PANEL)
        axes = figure.subplots()
        _draw(axes, metric, data, kilobytes_per_bit)
        axes.set_ylabel("predicted loss increase")
        legend_below(figure)
    return figure


def _draw(axes: Axes, metric: str, data: MetricPrediction, kilobytes_per_bit: float) -> None:
    axes.step(
        data.sizes, data.losses, where="post", color=COLOURS[0], label="optimum at every size"
    )
    axes.plot(*zip(*data.budgets, strict=True), "o", color=COLOURS[0], label="optimum at a budget")
    if data.greedy:
        axes.plot(
            *zip(*data.greedy, strict=True),
            "x",
            color=COLOURS[1],
            markersize=7,
            label="greedy at a budget",
        )
    axes.plot(
        [bits for bits, _, _ in data.uniform],
        [loss for _, loss, _ in data.uniform],
        "D",
        color="#000000",
        mfc="white",
        label="uniform",
    )
    for bits, loss, name in data.uniform:
        axes.annotate(name, (bits, loss), xytext=(5, 4), textcoords="offset points", fontsize=8)
    axes.margins(x=0.07, y=0.1)
    positive = [*data.losses, *(loss for _, loss, _ in data.uniform)]
    if min(positive) > 0:
        axes.set_yscale("log")
    else:
        axes.set_yscale("symlog", linthresh=_linear_up_to(positive))
    axes.set_title(metric)
    axes.set_xlabel("average bits per weight")
    top = axes.secondary_xaxis("top", functions=_scaling(kilobytes_per_bit))
    top.set_xlabel("size of the codes, kB", fontsize=8.5)
    top.tick_params(labelsize=8)


def _scaling(factor: float) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Multiplication by a factor, and its inverse."""
    return lambda value: value * factor, lambda value: value / factor


def _linear_up_to(values: Sequence[float]) -> float:
    """A power of ten a hundred times below the largest value: the axis is linear around zero."""
    return float(10.0 ** (math.floor(math.log10(max(map(abs, values)))) - 2))
