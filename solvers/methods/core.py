"""Expanding-core dynamic programming: exact, the fastest for one resource."""

from __future__ import annotations

from dataclasses import dataclass

from bitknap.problems import Instance

from ..base import Limits, Method, Outcome
from ..core import missing, solve_core


@dataclass(frozen=True)
class Core(Method):
    """Dynamic programming over a core of classes that grows around the linear relaxation.

    References:
        D. Pisinger, A minimal algorithm for the multiple-choice knapsack problem, EJOR 83 (1995)
        394-410.
    """

    exact = True

    def supports(self, instance: Instance) -> str | None:
        """One resource only, and where the native kernel was built."""
        if instance.n_resources != 1:
            return f"it handles one resource, the instance has {instance.n_resources}"
        return missing()

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Solve on the instance's arrays; exact under rational arithmetic."""
        weight, capacity = instance.weight[0], int(instance.capacity[0])
        return solve_core(instance.offsets, instance.cost, weight, capacity, limits)


SOLVER = Core()
