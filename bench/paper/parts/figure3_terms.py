"""Figure 3: second order against first order and no Hessian."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ...figures.style import line_style, new_figure, styled
from ...report.base import Content, Plot, Section
from ...tables.table import Table, mean, signed
from ..study import Network, Study

TERMS = {
    "fisher": "second order (the paper's)",
    "first_order": "first order",
    "weight_mse": "no Hessian (weight MSE)",
}


def build(study: Study) -> Content:
    """Accuracy of the exact optima of the three criteria."""
    plots, printed = [], {}
    for name, network in study.networks.items():
        rates = study.scale.rates[name]
        changes = {
            title: {
                rate: [network.change(c.before) for c in network.select(metric, rate)]
                for rate in rates
            }
            for metric, title in TERMS.items()
            if metric in study.scale.samples
        }
        caption = (
            f"{network.workload.title}: Top-1 of the exact optima before fine-tuning; bars are one "
            f"standard error over {len(study.scale.seeds)} calibration draws."
        )
        table = Table(
            f"{name}: Top-1 against float, points",
            ("criterion", *rates),
            [[title, *(signed(by_rate[r]) for r in rates)] for title, by_rate in changes.items()],
        )
        plots.append(Plot(f"figure3_{name}", caption, _draw(changes, network), data=table))
        printed[f"figure3_{name}"] = table
    return Content(plots=plots, tables=printed)


def _draw(changes: dict[str, dict[str, list[float]]], network: Network) -> Figure:
    rates = list(next(iter(changes.values())))
    with styled():
        figure = new_figure(5.4, 3.9)
        axes = figure.subplots()
        width = 0.8 / len(changes)
        for index, (title, by_rate) in enumerate(changes.items()):
            values, errors = zip(*(mean(by_rate[rate]) for rate in rates), strict=True)
            at = np.arange(len(rates)) + (index - (len(changes) - 1) / 2) * width
            axes.bar(
                at, values, 0.92 * width, yerr=np.nan_to_num(errors), capsize=3, label=title,
                color=line_style(index)["color"], hatch=("", "//", "..")[index],
                edgecolor="white",
            )  # fmt: skip
        axes.axhline(0, color="#555555", linewidth=1)
        axes.set_xticks(np.arange(len(rates)), rates)
        axes.tick_params(axis="x", length=0)
        axes.grid(visible=False, axis="x")
        axes.set_xlabel("compression of float32 weights")
        axes.set_ylabel(f"Top-1 against float ({100 * network.whole.value:.2f} %), points")
        figure.legend(loc="outside upper left")
    return figure


SECTION = Section("Figure 3: what the Hessian adds", 40, "plans with accuracies", build)
