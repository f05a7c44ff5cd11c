"""SCIP branch-and-cut through OR-Tools, at zero gap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bitknap.problems import Instance

from ..base import Limits, Outcome
from ..local import improve
from ..refinement import Answer, as_it_comes, refine, rounded, too_heavy


@dataclass(frozen=True)
class Scip:
    """The 0-1 program with one binary an item, by OR-Tools' linear solver and its SCIP.

    Relative and absolute gap are 0 and rows are kept to 1e-9; what is left is closed by scaling
    and refinement (:func:`bitknap.solvers.refinement.refine`). Rows are scaled to coefficients
    of at most 2^20: with 10^10, SCIP's aggregation cuts were seen to cut off the optimum. A claim
    that the exchange of one item refutes is taken as unproven.

    Args:
        refined: scale and refine; without it SCIP sees the costs as they are.

    References:
        S. Bolusani et al., The SCIP Optimization Suite 9.0, 2024, arXiv 2402.17702.
    """

    refined: bool = True

    exact: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("ortools",)

    def supports(self, instance: Instance) -> str | None:
        """Weights must be exact in the back-end's float64 rows."""
        return too_heavy(instance)

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Scale, solve, refine."""
        if not self.refined:
            return as_it_comes(instance, limits, _scip)
        return refine(instance, limits, _doubted, tolerance=1e-5)


def _doubted(instance: Instance, seconds: float | None) -> Answer:
    """SCIP's answer; unproven, without its bound, when a single exchange betters it."""
    answer = _scip(instance, seconds)
    if answer.choice is None or not instance.is_feasible(answer.choice):
        return answer
    better = improve(instance, answer.choice)
    if instance.objective(better) < instance.objective(answer.choice) - 1e-5:
        return Answer(better, stats=dict(answer.stats) | {"claim_refuted": True})
    return answer


def _scip(instance: Instance, seconds: float | None) -> Answer:
    from ortools.linear_solver import pywraplp

    solver = pywraplp.Solver.CreateSolver("SCIP")
    solver.SetSolverSpecificParametersAsString("limits/absgap = 0\nnumerics/feastol = 1e-9\n")
    # The wrapper's default gap of 1e-4 overrides the one among SCIP's own parameters.
    parameters = pywraplp.MPSolverParameters()
    parameters.SetDoubleParam(pywraplp.MPSolverParameters.RELATIVE_MIP_GAP, 0.0)
    if seconds is not None:
        solver.SetTimeLimit(max(int(1000 * seconds), 1))
    x = [solver.BoolVar("") for _ in range(instance.n_items)]
    objective = solver.Objective()
    for variable, cost in zip(x, instance.cost.tolist(), strict=True):
        objective.SetCoefficient(variable, cost)
    objective.SetMinimization()
    for start, stop in zip(instance.offsets[:-1], instance.offsets[1:], strict=True):
        row = solver.Constraint(1.0, 1.0)
        for variable in x[start:stop]:
            row.SetCoefficient(variable, 1.0)
    for weights, capacity in zip(instance.weight.tolist(), instance.capacity.tolist(), strict=True):
        # A power of two keeps the numbers exact and the largest coefficient at 2^20.
        unit = 2.0 ** max(max(weights).bit_length() - 20, 0)
        row = solver.Constraint(-solver.infinity(), capacity / unit)
        for variable, weight in zip(x, weights, strict=True):
            row.SetCoefficient(variable, weight / unit)
    status = solver.Solve(parameters)
    if status == pywraplp.Solver.INFEASIBLE:
        return Answer(None, infeasible=True)
    if status not in (pywraplp.Solver.OPTIMAL, pywraplp.Solver.FEASIBLE):
        return Answer(None)
    shares = np.array([variable.solution_value() for variable in x])
    return Answer(
        rounded(instance, shares),
        status == pywraplp.Solver.OPTIMAL,
        objective.BestBound(),
        stats={"nodes": solver.nodes()},
    )


SOLVER = Scip()
