"""How certain each layer's choice is: bootstrap over the calibration samples."""

from __future__ import annotations

from dataclasses import replace

from ...confidence.bootstrap import Bootstrap
from ...confidence.resampled_plans import Confidence, confidence
from ...confidence.tables import layer_table, summary_table
from ...figures.kept_choices import draw_kept_choices
from ...figures.style import chunks
from ...job.results import Results
from ...tables.table import Table
from ..base import Content, Panel, Plot, Section
from ..source import Source

RESAMPLES = 1000
SEED = 0
LEVEL = 0.95

CAPTION = (
    f"Of {RESAMPLES:,} resamples of the calibration samples, each solved exactly: in how many "
    "each layer keeps the bits that all samples give it. Dark is sure."
)


def build(source: Source) -> Content | None:
    """The map of all metrics that keep per-sample scores, and what else is chosen."""
    results = source.results
    if results is None:
        return None
    plans: dict[str, Confidence] = {}
    printed: dict[str, Table] = {}
    for metric in results.asked.metrics:
        if len(results.table.scores.get(metric, ())) < 2:
            continue
        resampled = Bootstrap(results.table, metric, RESAMPLES, SEED)
        found = _plans(results, resampled)
        plans |= {f"{metric} {budget}": plan for budget, plan in found.items()}
        pairs = {budget: (plan, None) for budget, plan in found.items()}
        printed[f"confidence_{metric}"] = summary_table(resampled, pairs, LEVEL)
        for budget, plan in found.items():
            layers = layer_table(plan, budget, resampled)
            printed[f"confidence_{metric}_{budget}"] = replace(
                layers, title=f"{metric} at {budget}"
            )
    if not plans:
        return None
    return Content(plots=[_map(results, plans)], tables=printed)


def _plans(results: Results, resampled: Bootstrap) -> dict[str, Confidence]:
    table = results.table
    return {
        budget.text: confidence(
            resampled,
            budget.limits(table),
            level=LEVEL,
            name=f"{resampled.metric} at {budget.text}",
        )
        for budget in results.asked.budgets
    }


def _map(results: Results, plans: dict[str, Confidence]) -> Plot:
    names = [layer.name for layer in results.table.layers]
    kept = {title: plan.kept.tolist() for title, plan in plans.items()}
    bits = {
        title: list(plan.instance.by_label(plan.choice).values()) for title, plan in plans.items()
    }

    def part(columns: slice) -> Panel:
        return Panel(
            draw_kept_choices(
                {title: row[columns] for title, row in kept.items()},
                {title: row[columns] for title, row in bits.items()},
                names[columns],
            )
        )

    return Plot(
        "confidence",
        CAPTION,
        draw_kept_choices(kept, bits, names),
        panels=list(map(part, chunks(len(names)))),
        data=Table(
            "Share of resamples that keep each choice",
            ("plan", "layer", "bits", "kept"),
            [
                [title, name, bits[title][i], f"{row[i]:g}"]
                for title, row in kept.items()
                for i, name in enumerate(names)
            ],
        ),
        wide=True,
    )


SECTION = Section(
    "Confidence of each layer's choice",
    40,
    "a metric with per-sample scores, such as fisher (`bitknap run`)",
    build,
)
