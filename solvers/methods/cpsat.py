"""OR-Tools CP-SAT at zero gap, on costs scaled to integers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np

from bitknap.problems import Instance

from ..base import BackEnd, Deadline, Limits, Outcome, Tier
from ..program import Program
from ..refinement import BackendAnswer, as_it_comes, refine


@dataclass(frozen=True)
class CpSat(BackEnd):
    """The 0-1 program with exactly one literal per class, by CP-SAT.

    CP-SAT needs integer costs: they are scaled so that the largest is ``largest`` and rounded
    down, so that its bound stays true and L classes cost at most L units; refinement then scales
    what is left up again (:func:`bitknap.solvers.refinement.refine`).

    Args:
        tier: its settings; without refinement costs are rounded to the nearest millionth of the
            largest. CP-SAT's own gap is 0.
        largest: the largest scaled cost; less where the sum over classes would overflow.

    References:
        L. Perron, F. Didier, CP-SAT, https://developers.google.com/optimization.
    """

    tier: Tier = Tier.STRICT
    largest: float = 1e15

    exact = True
    requires: ClassVar[tuple[str, ...]] = ("ortools",)
    module = "ortools.sat.python.cp_model"

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Scale, round down, solve, refine."""

        def backend(program: Program, deadline: Deadline | None) -> BackendAnswer:
            return _cp_sat(program, deadline, limits.threads)

        if self.tier is not Tier.STRICT:
            return as_it_comes(_in_millionths(instance), limits, backend)
        largest = min(self.largest, 2.0**60 / len(instance))
        return refine(instance, limits, backend, tolerance=0.0, largest=largest, integers=True)


def _in_millionths(instance: Instance) -> Instance:
    """The instance with integer costs, the largest of size 10^6."""
    top = float(np.abs(instance.cost).max()) or 1.0
    return replace(instance, cost=np.rint(instance.cost / top * 1e6))


def _cp_sat(program: Program, deadline: Deadline | None, threads: int) -> BackendAnswer:
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    x = [model.new_bool_var("") for _ in program.cost]
    for start, stop in pairwise(program.offsets.tolist()):
        model.add_exactly_one(x[start:stop])
    columns = x + [model.new_int_var(0, most, "") for most in program.most.tolist()]
    for row, right in zip(program.columns.tolist(), program.right.tolist(), strict=True):
        model.add(cp_model.LinearExpr.weighted_sum(columns, row) <= right)
    costs = [int(c) for c in program.cost.tolist()]
    model.minimize(cp_model.LinearExpr.weighted_sum(x, costs))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = threads
    # Its handler would leave the default action behind, and Ctrl-C would then end the process.
    solver.parameters.catch_sigint_signal = False
    solver.parameters.relative_gap_limit = 0.0
    solver.parameters.absolute_gap_limit = 0.0
    if deadline is not None:
        solver.parameters.max_time_in_seconds = deadline.left
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return BackendAnswer(None, infeasible=True)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return BackendAnswer(None)
    shares = np.array([solver.boolean_value(v) for v in x], dtype=np.float64)
    return BackendAnswer(
        program.rounded(shares),
        status == cp_model.OPTIMAL,
        solver.best_objective_bound,
        stats={"branches": solver.num_branches},
    )


SOLVER = CpSat()
