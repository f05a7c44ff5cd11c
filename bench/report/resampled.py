"""How certain the plans of a run are: every budget solved exactly on resamples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bitknap.problems import FloatArray

from ..confidence.bootstrap import Bootstrap
from ..confidence.resampled_plans import Confidence, confidence
from ..job.results import Results

RESAMPLES = 1000
SEED = 0
LEVEL = 0.95

SURE = 0.8
"""Share of the resamples from which on a layer's bits are settled."""


@dataclass(frozen=True)
class ResampledMetric:
    """The plans of one metric.

    Args:
        bootstrap: Omega of the metric on resamples.
        plans: text of each budget -> its optimum over the resamples.
    """

    bootstrap: Bootstrap
    plans: Mapping[str, Confidence]

    def share(self, budget: str, plan: Mapping[str, str]) -> FloatArray | None:
        """(L,) share of the resamples whose optimum gives each layer the bits of a plan.

        None for a budget that is a damage, which is not resampled.
        """
        found = self.plans.get(budget)
        if found is None:
            return None
        return found.frequency[found.instance.positions(found.instance.from_labels(dict(plan)))]


def resample(results: Results, say: Callable[[str], None]) -> dict[str, ResampledMetric]:
    """All metrics that keep per-sample scores."""
    table, asked = results.table, results.asked
    metrics = [m for m in asked.metrics if len(table.scores.get(m, ())) > 1]
    count = len(metrics) * len(asked.budgets)
    found: dict[str, ResampledMetric] = {}
    for metric in metrics:
        bootstrap = Bootstrap(table, metric, RESAMPLES, SEED)
        plans: dict[str, Confidence] = {}
        for budget in asked.budgets:
            number = len(found) * len(asked.budgets) + len(plans) + 1
            say(f"resampling {metric} at {budget.text}: {number} of {count}")
            name = f"{metric} at {budget.text}"
            limits = budget.limits(table)
            plans[budget.text] = confidence(bootstrap, limits, level=LEVEL, name=name)
        found[metric] = ResampledMetric(bootstrap, plans)
    return found
