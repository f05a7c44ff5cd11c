"""Expanding-core dynamic programming: exact, the fastest for one resource."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bitknap.problems import Instance

from ..base import Limits, Outcome, Status
from ..core import jit, solve_core
from ..core.solve import prefers_numba


@dataclass(frozen=True)
class Core:
    """Dynamic programming over a core of classes that grows around the linear relaxation.

    Args:
        kernel: ``"numpy"``, ``"numba"``, or ``"auto"``: numba where it is loaded already or where
            its gain exceeds the cost of loading it. The answers are the same.

    References:
        D. Pisinger, A minimal algorithm for the multiple-choice knapsack problem, EJOR 83 (1995)
        394-410.
    """

    kernel: str = "auto"
    exact: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ()

    def supports(self, instance: Instance) -> str | None:
        """Only one resource."""
        if instance.n_resources != 1:
            return f"it handles one resource, the instance has {instance.n_resources}"
        return None

    def warm_up(self, instance: Instance) -> None:
        """Load what a solve of the instance would: the compiled kernel, or nothing."""
        if self.kernel == "numba" or (self.kernel == "auto" and prefers_numba(instance.n_items)):
            jit.kernel().warm_up()

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Solve on the instance's arrays; exact under rational arithmetic."""
        result = solve_core(
            instance.offsets,
            instance.cost,
            instance.weight[0],
            int(instance.capacity[0]),
            kernel=self.kernel,
            time_limit=limits.time,
            state_limit=limits.states,
        )
        return Outcome(
            Status(result.status),
            result.choice,
            bound=result.bound if result.choice is not None else None,
            objective=result.objective if result.choice is not None else None,
            multiplier=np.array([result.multiplier]),
            stats=result.stats,
        )


SOLVER = Core()
