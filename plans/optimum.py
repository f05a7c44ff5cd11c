"""The exact plan of a sensitivity table within a budget; needs no network and no torch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bitknap.problems import Instance
from bitknap.problems.errors import DataError, InfeasibleError
from bitknap.sensitivity import SensitivityTable
from bitknap.solvers import Solution, Status, solve

from .budgets import require_feasible
from .layer_plan import Plan
from .plan_file import Prediction


def optimal_plan(
    table: SensitivityTable, limits: Mapping[str, int], metric: str, budget: str = ""
) -> Plan:
    """The plan of least predicted loss within the limits.

    Args:
        table: under its policy.
        limits: resource -> limit.
        metric: of the table.
        budget: the limits as they were asked for.

    Raises:
        InfeasibleError: even the smallest choices exceed a limit; names the smallest feasible one.
        DataError: the table has no such metric or resource.
    """
    require_feasible(table, limits, budget)
    solution = solved(table.to_instance(metric, limits))
    chosen = labels(solution)
    return Plan(chosen, table, budget, predicted(table, metric, chosen, solution), solution)


def solved(instance: Instance, time_limit: float | None = None) -> Solution:
    """The solution by the default solver.

    Args:
        instance: the knapsack.
        time_limit: seconds.

    Raises:
        InfeasibleError: no choice fits the limits.
        DataError: the solver gave none.
    """
    solution = solve(instance, time_limit=time_limit)
    if solution.status is Status.INFEASIBLE:
        raise InfeasibleError(solution.message or solution.status.sentence)
    if solution.labels is None:
        raise DataError(f"{instance.name} was not solved: {solution.status.value}")
    return solution


def labels(solution: Solution) -> dict[str, str]:
    """Layer -> label of a solution that has a choice."""
    assert solution.labels is not None
    return dict(solution.labels)


def predicted(
    table: SensitivityTable, metric: str, plan: Mapping[str, str], solution: Solution
) -> Prediction:
    """What a metric says of a plan, beside its optimum's solution."""
    items = table.positions(plan)
    error = None
    if metric in table.scores:
        terms = table.terms(metric)[:, items].sum(axis=1)
        error = float(np.std(terms, ddof=1) / np.sqrt(len(terms))) if len(terms) > 1 else None
    value = solution.instance.objective(solution.instance.from_labels(dict(plan)))
    proven = solution.status is Status.OPTIMAL
    return Prediction(metric, value, error, solution.objective, proven)
