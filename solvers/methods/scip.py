"""SCIP branch-and-cut through OR-Tools, at zero gap."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import ClassVar

import numpy as np

from bitknap.problems import Instance

from ..base import BackEnd, Deadline, Limits, Outcome, Tier
from ..program import Program
from ..refinement import BackendAnswer, as_it_comes, refine


@dataclass(frozen=True)
class Scip(BackEnd):
    """The 0-1 program with one binary per item, by OR-Tools' linear solver and its SCIP.

    Relative and absolute gap are 0 and rows are kept to 1e-9; what is left is closed by scaling
    and refinement (:func:`bitknap.solvers.refinement.refine`).

    Args:
        tier: its settings; the wrapper's own default is a relative gap of 1e-4.

    References:
        S. Bolusani et al., The SCIP Optimization Suite 9.0, 2024, arXiv 2402.17702.
    """

    tier: Tier = Tier.STRICT

    exact = True
    requires: ClassVar[tuple[str, ...]] = ("ortools",)
    module = "ortools.linear_solver.pywraplp"

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Scale, solve, refine."""
        backend = partial(_scip, tier=self.tier)
        if self.tier is not Tier.STRICT:
            return as_it_comes(instance, limits, backend)
        return refine(instance, limits, backend, tolerance=1e-5)


def _scip(program: Program, deadline: Deadline | None, tier: Tier) -> BackendAnswer:
    from ortools.linear_solver import pywraplp

    solver = pywraplp.Solver.CreateSolver("SCIP")
    parameters = pywraplp.MPSolverParameters()
    if tier is not Tier.DEFAULT:
        solver.SetSolverSpecificParametersAsString("limits/absgap = 0\nnumerics/feastol = 1e-9\n")
        # The wrapper's default gap of 1e-4 overrides the one among SCIP's own parameters.
        parameters.SetDoubleParam(pywraplp.MPSolverParameters.RELATIVE_MIP_GAP, 0.0)
    x = [solver.BoolVar("") for _ in program.cost]
    columns = x + [solver.IntVar(0, most, "") for most in program.most.tolist()]
    objective = solver.Objective()
    for variable, cost in zip(x, program.cost.tolist(), strict=True):
        objective.SetCoefficient(variable, cost)
    objective.SetMinimization()
    for start, stop in pairwise(program.offsets.tolist()):
        row = solver.Constraint(1.0, 1.0)
        for variable in x[start:stop]:
            row.SetCoefficient(variable, 1.0)
    for coefficients, right in zip(program.columns.tolist(), program.right.tolist(), strict=True):
        row = solver.Constraint(-solver.infinity(), right)
        for variable, coefficient in zip(columns, coefficients, strict=True):
            if coefficient:
                row.SetCoefficient(variable, coefficient)
    if deadline is not None:
        solver.SetTimeLimit(max(int(1000 * deadline.left), 1))
    status = solver.Solve(parameters)
    if status == pywraplp.Solver.INFEASIBLE:
        return BackendAnswer(None, infeasible=True)
    if status not in (pywraplp.Solver.OPTIMAL, pywraplp.Solver.FEASIBLE):
        return BackendAnswer(None)
    return BackendAnswer(
        program.rounded(np.array([variable.solution_value() for variable in x])),
        status == pywraplp.Solver.OPTIMAL,
        objective.BestBound(),
        stats={"nodes": solver.nodes()},
    )


SOLVER = Scip()
