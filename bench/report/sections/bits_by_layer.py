"""Bits of every layer in every plan."""

from __future__ import annotations

from collections.abc import Mapping

from ...figures.bits_by_layer import draw_bits_by_layer
from ...figures.style import chunks
from ...job.results import Results
from ...tables.table import Table
from ..base import Content, Panel, Plot, Section
from ..resampled import SURE
from ..source import Source

CAPTION = (
    "Bits of each layer in each plan; dark cells have many bits. Hatched: fewer than "
    f"{100 * SURE:.0f} % of the resamples of the calibration data give the layer these bits."
)


def build(source: Source) -> Content | None:
    """The map of bits, in parts where there are many layers."""
    results = source.results
    if results is None:
        return None
    names = [layer.name for layer in results.table.layers]
    chosen = _plans(results)
    plans = {title: [plan[name] for name in names] for title, (_, _, plan) in chosen.items()}
    unsure = {
        (title, name)
        for title, (metric, budget, plan) in chosen.items()
        if metric in source.resampled
        and (shares := source.resampled[metric].share(budget, plan)) is not None
        for name, share in zip(names, shares, strict=True)
        if share < SURE
    }
    widths = results.table.choices
    panels = [
        Panel(
            draw_bits_by_layer(
                {plan: bits[part] for plan, bits in plans.items()},
                names[part],
                widths,
                unsure=unsure,
            )
        )
        for part in chunks(len(names))
    ]
    plot = Plot(
        "bits_by_layer",
        CAPTION,
        draw_bits_by_layer(plans, names, widths, unsure=unsure),
        panels=panels,
        data=Table(
            "Bits by layer",
            ("plan", *names),
            [[plan, *bits] for plan, bits in plans.items()],
        ),
        wide=True,
    )
    return Content(plots=[plot])


def _plans(results: Results) -> dict[str, tuple[str, str, Mapping[str, str]]]:
    """Title -> metric that says how sure a plan is, budget, and the plan."""
    first = results.asked.metrics[0]
    found: dict[str, tuple[str, str, Mapping[str, str]]] = {
        f"recommended {budget}": (first, budget, plan.plan)
        for budget, plan in results.recommended.items()
    }
    for metric, budget in results.instances:
        labels = results.best(metric, budget).labels
        assert labels is not None
        found[f"{metric} {budget}"] = (metric, budget, labels)
    return found


SECTION = Section("Bits by layer", 30, "solutions of a network's instances (`bitknap run`)", build)
