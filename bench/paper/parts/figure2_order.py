"""Figure 2: the greedy's order against its reverse and random, and the distance to the optimum."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from bitknap.problems import FloatArray
from bitknap.solvers import solve

from ...figures.style import line_style, new_figure, styled
from ...report.base import Content, Plot, Section
from ...tables.table import Table, signed
from ..plans import ORDERS
from ..study import Network, Study

AVERAGES = np.arange(2.1, 6.01, 0.1)
"""Average bits at which every order is run."""


def build(study: Study) -> Content:
    """Predicted loss over the optimum's against size, and measured accuracy at the rates."""
    plots, printed = [], {}
    for name, network in study.networks.items():
        ratios = excess(network)
        caption = (
            f"{network.workload.title}: predicted loss increase of the greedy's three orders over "
            "the exact optimum's, by the paper's criterion (1 is optimal)."
        )
        data = Table(
            "Predicted loss over the optimum's",
            ("average bits", *ORDERS.values()),
            [
                [f"{b:.1f}", *(f"{ratios[order][k]:.5g}" for order in ORDERS)]
                for k, b in enumerate(AVERAGES)
            ],
        )
        plots.append(Plot(f"figure2_{name}", caption, _draw(ratios), data=data))
        printed[f"figure2_{name}"] = _accuracies(name, network, study)
    return Content(plots=plots, tables=printed)


def excess(network: Network) -> dict[str, FloatArray]:
    """Order -> predicted loss over the optimum's at every average."""
    found: dict[str, list[float]] = {order: [] for order in ORDERS}
    for average in AVERAGES:
        instance = network.table.to_instance("fisher", network.table.capacity(float(average)))
        best = solve(instance).objective
        for order in ORDERS:
            objective = solve(instance, order).objective
            assert best is not None
            assert objective is not None
            found[order].append(objective / best)
    return {order: np.array(values) for order, values in found.items()}


def _draw(ratios: dict[str, FloatArray]) -> Figure:
    with styled():
        figure = new_figure(5.4, 3.9)
        axes = figure.subplots()
        axes.axhline(1, color="#555555", linewidth=1, linestyle=(0, (6, 3)))
        for index, (order, values) in enumerate(ratios.items()):
            axes.plot(AVERAGES, values, label=ORDERS[order], **line_style(index))
        axes.set_yscale("log")
        axes.margins(y=0.12)
        axes.set_xlabel("average bits per weight (codes)")
        axes.set_ylabel("predicted loss / optimum's")
        axes.legend(title="order of the steps")
    return figure


def _accuracies(name: str, network: Network, study: Study) -> Table:
    methods = {**ORDERS, "fisher": "exact optimum"}
    rates = study.scale.rates[name]
    return Table(
        f"{name}: Top-1 against float, points, before fine-tuning",
        ("order", *rates),
        [
            [
                title,
                *(
                    signed([network.change(c.before) for c in network.select(method, rate)])
                    for rate in rates
                ),
            ]
            for method, title in methods.items()
        ],
        notes=(f"Mean ± standard error over {len(study.scale.seeds)} calibration draws.",),
    )


SECTION = Section("Figure 2: the order of the steps", 30, "sensitivities", build)
