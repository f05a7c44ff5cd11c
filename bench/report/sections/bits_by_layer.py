"""Bits of every layer in every metric's optimum."""

from __future__ import annotations

from ...figures.bits_by_layer import draw_bits_by_layer
from ...figures.style import chunks
from ...tables.table import Table
from ..base import Content, Panel, Plot, Section
from ..source import Source

CAPTION = (
    "Bits that the optimum of each metric gives each layer at each budget; dark cells have few "
    "bits."
)


def build(source: Source) -> Content | None:
    """The map of bits, in parts where there are many layers."""
    results = source.results
    if results is None:
        return None
    names = [layer.name for layer in results.table.layers]
    plans = {}
    for metric, budget in results.instances:
        labels = results.best(metric, budget).labels
        assert labels is not None
        plans[f"{metric} {budget}"] = [labels[name] for name in names]
    widths = results.table.choices
    panels = [
        Panel(
            draw_bits_by_layer(
                {plan: bits[part] for plan, bits in plans.items()}, names[part], widths
            )
        )
        for part in chunks(len(names))
    ]
    plot = Plot(
        "bits_by_layer",
        CAPTION,
        draw_bits_by_layer(plans, names, widths),
        panels=panels,
        data=Table(
            "Bits by layer",
            ("plan", *names),
            [[plan, *bits] for plan, bits in plans.items()],
        ),
        wide=True,
    )
    return Content(plots=[plot])


SECTION = Section("Bits by layer", 30, "solutions of a network's instances (`bitknap run`)", build)
