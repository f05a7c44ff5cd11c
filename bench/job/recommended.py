"""The recommended plan of every budget: measured on the calibration data, and improved."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bitknap.plans.candidates import distinct, pair_plans, uniform_plan
from bitknap.plans.measure import Measurer
from bitknap.plans.search import MeasuredPlan, measured_plan
from bitknap.plans.smallest import smallest_plan
from bitknap.plans.yardsticks import yardstick
from bitknap.problems import write_atomically

from .results import Results, plan_path

if TYPE_CHECKING:
    from .run import Job, Say

RECOMMENDED = "recommended"
"""Name of the recommended plans beside the metrics'."""

DAMAGE = "auto"


def recommend(
    job: Job, results: Results, batches: Sequence[Any], say: Say
) -> Mapping[str, MeasuredPlan]:
    """Budget -> recommended plan; none where the job asks for none.

    Candidates are the optimum of every metric, the greedy's plans, those with the terms between
    layers, and the largest uniform choice within the budget. The smallest plan of at most the
    job's ``max_kl`` stands under ``kl-LIMIT``. Each plan is written to ``plans/BUDGET.json`` as
    layer -> label.

    Raises:
        InfeasibleError: even the largest plan has more damage than ``max_kl``.
    """
    if not job.measure:
        return {}
    budgets = list(dict.fromkeys(budget for _, budget in results.instances))
    place = ""

    def told(number: int) -> None:
        say(f"measuring plans {place}: {number} of {job.measure} networks")

    measure = Measurer(
        job.workload.model,
        results.table,
        batches,
        job.workload.forward,
        yardstick(DAMAGE, job.workload.loss),
        name=DAMAGE,
        quantizer=job.quantizer,
        repair=job.repair,
        path=job.out / "damages.json",
        say=told,
    )
    found: dict[str, MeasuredPlan] = {}

    def keep(name: str, plan: MeasuredPlan) -> None:
        found[name] = plan
        write_atomically(plan_path(job.out, name), json.dumps(dict(plan.plan), indent=1) + "\n")

    if job.max_kl is not None:
        place = f"for a damage of {job.max_kl:g}"
        smallest = smallest_plan(results.table, job.max_kl, measure, job.measure, job.time_limit)
        keep(f"kl-{job.max_kl:g}", smallest)
    for number, budget in enumerate(budgets, 1):
        place = f"at {budget} ({number} of {len(budgets)} budgets)"
        instance = results.instances[results.asked.metrics[0], budget]
        candidates = _candidates(results, budget, job.time_limit)
        keep(budget, measured_plan(instance, results.table, candidates, measure, job.measure))
    return found


def _candidates(results: Results, budget: str, time_limit: float) -> dict[str, dict[str, str]]:
    """Distinct plans within the budget, by the name of the first that proposes each."""
    plans: dict[str, Mapping[str, str] | None] = {}
    for metric in results.asked.metrics:
        plans[metric] = results.best(metric, budget).labels
        if (metric, budget, "greedy") in results.solutions:
            plans[f"{metric}, greedy"] = results.solutions[metric, budget, "greedy"].labels
    instance = results.instances[results.asked.metrics[0], budget]
    limits = dict(zip(instance.resources, instance.capacity.tolist(), strict=True))
    pairs = pair_plans(results.table, limits, time_limit)
    return distinct(plans | pairs | {"uniform": uniform_plan(results.table, instance)})
