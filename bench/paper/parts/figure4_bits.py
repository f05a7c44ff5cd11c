"""Figure 4: the bits of every layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...figures.bits_by_layer import draw_bits_by_layer
from ...figures.style import chunks
from ...report.base import Content, Panel, Plot, Section
from ...tables.table import Table
from ..study import Study

METHODS = {"fisher": "exact", "greedy": "greedy"}
KIND = "solver at rate"


def build(study: Study) -> Content:
    """Plans of the paper's criterion at every rate, by the exact solver and by the greedy."""
    plots = []
    for name, network in study.networks.items():
        table = network.table
        names = [layer.name for layer in table.layers]
        plans = {
            f"{title} {rate}": [network.select(method, rate)[0].plan.allocation[n] for n in names]
            for rate in study.scale.rates[name]
            for method, title in METHODS.items()
        }
        widths = table.choices
        plots.append(
            Plot(
                f"figure4_{name}",
                f"{network.workload.title}: bits by the paper's criterion, first draw, at each "
                "rate; dark cells have many bits.",
                draw_bits_by_layer(plans, names, widths, KIND),
                panels=[
                    Panel(draw_bits_by_layer(_cut(plans, part), names[part], widths, KIND))
                    for part in chunks(len(names))
                ],
                data=Table(
                    "Bits by layer",
                    ("plan", *names),
                    [[plan, *bits] for plan, bits in plans.items()],
                ),
                wide=True,
            )
        )
    return Content(plots=plots)


def _cut(plans: Mapping[str, Sequence[str]], part: slice) -> dict[str, Sequence[str]]:
    return {plan: bits[part] for plan, bits in plans.items()}


SECTION = Section("Figure 4: bits by layer", 50, "plans", build)
