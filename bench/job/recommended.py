"""The recommended plan of every budget: measured on the calibration data, and improved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bitknap.plans.candidates import distinct, pair_plans, uniform_plan
from bitknap.plans.layer_plan import Plan
from bitknap.plans.measure import Measurer
from bitknap.plans.measured import MeasuredPlan
from bitknap.plans.optimum import predicted, solved
from bitknap.plans.search import measured_plan
from bitknap.plans.smallest import smallest_plan
from bitknap.plans.yardsticks import yardstick
from bitknap.solvers import Solution

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
    job's ``max_kl`` stands under ``LIMITKL``. Each plan is written to ``plans/BUDGET.json``,
    format ``bitknap.plan/1``.

    Raises:
        InfeasibleError: even the largest plan has more damage than ``max_kl``.
    """
    if not job.measure:
        return {}
    budgets = list(dict.fromkeys(budget for _, budget in results.instances))
    place, most = "", job.measure * (len(budgets) + (job.max_kl is not None))

    def told(number: int) -> None:
        say(f"measuring plans at {place}: network {number} of at most {most}")

    measure = Measurer(
        job.workload.model,
        results.table,
        batches,
        job.workload.forward,
        yardstick(DAMAGE, job.workload.loss),
        name=DAMAGE,
        quantizer=job.quantizer,
        repair=job.repair,
        path=job.out / "damages.jsonl",
        say=told,
    )
    found: dict[str, MeasuredPlan] = {}

    if job.max_kl is not None:
        place, name = f"a damage of {job.max_kl:g}", f"{job.max_kl:g}KL"
        found[name] = _smallest(job, results, measure, name)
    for budget in budgets:
        place = budget
        instance = results.instances[results.asked.metrics[0], budget]
        candidates = _candidates(results, budget, job.time_limit)
        found[budget] = measured_plan(instance, results.table, candidates, measure, job.measure)
        first = results.best(results.asked.metrics[0], budget)
        _save(results, budget, found[budget], first)
    return found


def _smallest(job: Job, results: Results, measure: Measurer, name: str) -> MeasuredPlan:
    assert job.max_kl is not None
    table = results.table
    found = smallest_plan(table, job.max_kl, measure, job.measure, job.time_limit)
    size = int(table.costs["size_bits"][table.positions(found.plan)].sum())
    instance = table.to_instance(results.asked.metrics[0], {"size_bits": size})
    _save(results, name, found, solved(instance, job.time_limit))
    return found


def _save(results: Results, budget: str, measured: MeasuredPlan, solution: Solution) -> None:
    """Write the plan, with what the first metric, whose optimum is given, predicts of it."""
    first = results.asked.metrics[0]
    prediction = predicted(results.table, first, measured.plan, solution)
    plan = Plan(measured.plan, results.table, budget, prediction, measured=measured)
    plan.save(plan_path(results.out, budget))


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
