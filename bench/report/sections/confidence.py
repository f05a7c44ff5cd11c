"""How certain each layer's choice is: bootstrap over the calibration samples."""

from __future__ import annotations

from dataclasses import replace

from ...confidence.tables import layer_table, summary_table
from ...tables.table import Table
from ..base import Content, Section
from ..resampled import LEVEL, RESAMPLES
from ..source import Source


def build(source: Source) -> Content | None:
    """For every metric that keeps per-sample scores: how often plans and layers change."""
    if not source.resampled:
        return None
    printed: dict[str, Table] = {}
    for metric, found in source.resampled.items():
        pairs = {budget: (plan, None) for budget, plan in found.plans.items()}
        printed[f"confidence_{metric}"] = summary_table(found.bootstrap, pairs, LEVEL)
        for budget, plan in found.plans.items():
            layers = layer_table(plan, budget, found.bootstrap)
            printed[f"confidence_{metric}_{budget}"] = replace(
                layers, title=f"{metric} at {budget}"
            )
    text = (
        f"Another draw of calibration samples might give another plan. Of {RESAMPLES:,} resamples "
        "of the samples, each solved exactly: how many give the same plan, and what a plan of a "
        "resample loses by all samples."
    )
    return Content(gist=_gist(source), texts=[text], tables=printed)


def _gist(source: Source) -> str:
    metric, found = next(iter(source.resampled.items()))
    same = sorted(round(100 * plan.same) for plan in found.plans.values())
    shares = " to ".join(map(str, dict.fromkeys([same[0], same[-1]])))
    return f"{shares} % of the resamples give the same plan by {metric}"


SECTION = Section(
    "Confidence of each layer's choice",
    40,
    "a metric with per-sample scores, such as fisher (`bitknap run`)",
    build,
)
