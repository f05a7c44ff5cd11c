"""OR-Tools CP-SAT at zero gap, on costs scaled to integers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from bitknap.problems import Instance

from ..base import Limits, Outcome
from ..program import Program
from ..refinement import Answer, refine


@dataclass(frozen=True)
class CpSat:
    """The 0-1 program with exactly one literal a class, by CP-SAT.

    CP-SAT needs integer costs: they are scaled so that the largest is ``largest`` and rounded
    down, so that its bound stays true and L classes cost at most L units; refinement then scales
    what is left up again (:func:`bitknap.solvers.refinement.refine`).

    Args:
        largest: the largest scaled cost.

    References:
        L. Perron, F. Didier, CP-SAT, https://developers.google.com/optimization.
    """

    largest: float = 1e12

    exact: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("ortools",)

    def supports(self, instance: Instance) -> str | None:
        """The sum of all weights must fit its 64-bit rows."""
        total = float(instance.weight.sum(axis=1, dtype=np.float64).max())
        return None if total < 2**60 else "weights add up beyond its 64-bit rows"

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Scale, round down, solve, refine."""

        def backend(program: Program, seconds: float | None) -> Answer:
            return _cp_sat(program, seconds, limits.threads)

        return refine(instance, limits, backend, tolerance=0.0, largest=self.largest, integers=True)


def _cp_sat(program: Program, seconds: float | None, threads: int) -> Answer:
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    x = [model.new_bool_var("") for _ in program.cost]
    for start, stop in pairwise(program.offsets.tolist()):
        model.add_exactly_one(x[start:stop])
    for row, right in zip(program.rows.tolist(), program.right.tolist(), strict=True):
        model.add(cp_model.LinearExpr.weighted_sum(x, row) <= right)
    costs = [int(c) for c in program.cost.tolist()]
    model.minimize(cp_model.LinearExpr.weighted_sum(x, costs))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = threads
    # Its handler would leave the default action behind, and Ctrl-C would then end the process.
    solver.parameters.catch_sigint_signal = False
    solver.parameters.relative_gap_limit = 0.0
    solver.parameters.absolute_gap_limit = 0.0
    if seconds is not None:
        solver.parameters.max_time_in_seconds = seconds
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return Answer(None, infeasible=True)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Answer(None)
    shares = np.array([solver.boolean_value(v) for v in x], dtype=np.float64)
    return Answer(
        program.rounded(shares),
        status == cp_model.OPTIMAL,
        solver.best_objective_bound,
        stats={"branches": solver.num_branches},
    )


SOLVER = CpSat()
