"""COIN-OR CBC branch-and-cut through PuLP, at zero gap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bitknap.problems import Instance

from ..base import Limits, Outcome
from ..refinement import Answer, as_it_comes, refine, rounded, too_heavy


@dataclass(frozen=True)
class Cbc:
    """The 0-1 program with one binary an item, by PuLP and its CBC.

    Only ``sol_status`` tells a proven optimum from an incumbent at the time limit; CBC's
    ``increment`` of 1e-5 is lowered to 1e-9, its gaps to 0.

    Args:
        refined: scale and refine; without it CBC sees the costs as they are.

    References:
        J. Forrest, R. Lougee-Heimer, INFORMS TutORials 2005, doi 10.1287/educ.1053.0020.
    """

    refined: bool = True

    exact: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("pulp", "cbcbox")

    def supports(self, instance: Instance) -> str | None:
        """Weights must be exact in the back-end's float64 rows."""
        return too_heavy(instance)

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Scale, solve, refine."""
        if not self.refined:
            return as_it_comes(instance, limits, _pulp)
        return refine(instance, limits, _pulp, tolerance=1e-5)


def _pulp(instance: Instance, seconds: float | None) -> Answer:
    import cbcbox
    import pulp

    problem = pulp.LpProblem("mckp", pulp.LpMinimize)
    x = [problem.add_variable(f"x{j}", cat=pulp.LpBinary) for j in range(instance.n_items)]
    problem += _row(x, instance.cost)
    for i in range(len(instance)):
        problem += pulp.lpSum(x[instance.offsets[i] : instance.offsets[i + 1]]) == 1
    for row, capacity in zip(instance.weight, instance.capacity.tolist(), strict=True):
        problem += _row(x, row) <= capacity
    problem.solve(
        pulp.COIN_CMD(
            path=cbcbox.cbc_bin_path(),
            msg=False,
            gapRel=0.0,
            gapAbs=0.0,
            threads=1,
            timeLimit=seconds,
            options=["increment 1e-9"],
        )
    )
    if problem.sol_status == pulp.LpSolutionInfeasible:
        return Answer(None, infeasible=True)
    shares = [v.value() for v in x]
    if any(value is None for value in shares):
        return Answer(None)
    proven = problem.sol_status == pulp.LpSolutionOptimal
    choice = rounded(instance, np.array(shares))
    # CBC's bound does not come back through PuLP; a proof makes the objective the bound.
    return Answer(choice, proven, instance.objective(choice) if proven else None)


def _row(x: list[Any], coefficients: Any) -> Any:
    import pulp

    pairs = zip(x, coefficients.tolist(), strict=True)
    return pulp.LpAffineExpression([(v, c) for v, c in pairs if c])


SOLVER = Cbc()
