"""Candidates of a measured search beside the optimum of each metric."""

from __future__ import annotations

from collections.abc import Mapping

from bitknap.problems import Instance
from bitknap.sensitivity import SensitivityTable
from bitknap.solvers.quadratic import solve_quadratic

HALF_SQUARE = "half_square"

TIME_LIMIT = 60.0
"""Seconds for each solve by default."""


def has_pairs(table: SensitivityTable, metric: str) -> bool:
    """Whether a metric has terms between layers."""
    return table.statistics.get(metric) == HALF_SQUARE or metric in table.interactions


def pair_plans(
    table: SensitivityTable, limits: Mapping[str, int], time_limit: float = TIME_LIMIT
) -> dict[str, dict[str, str]]:
    """Plans of the quadratic knapsack, by exchanges, of every metric with terms between layers."""
    found = {}
    for metric in table.metrics:
        if has_pairs(table, metric):
            solution = solve_quadratic(table.to_quadratic(metric, limits), "exchange", time_limit)
            if solution.labels is not None:
                found[f"{metric}, pairs"] = dict(solution.labels)
    return found


def uniform_plan(table: SensitivityTable, instance: Instance) -> dict[str, str] | None:
    """The largest single choice within the budget; None where none fits."""
    found = None
    for label in table.choices:
        plan = table.uniform(label)
        if instance.is_feasible(instance.from_labels(plan)):
            found = plan
    return found


def distinct(plans: Mapping[str, Mapping[str, str] | None]) -> dict[str, dict[str, str]]:
    """The plans that there are, each once, by the name of the first that proposes it."""
    found: dict[str, dict[str, str]] = {}
    for name, plan in plans.items():
        if plan is not None and dict(plan) not in found.values():
            found[name] = dict(plan)
    return found
