"""SCIP's own mixed-integer quadratic programming through OR-Tools' MathOpt: a baseline."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from bitknap.problems.quadratic import QuadraticInstance

from ..base import BackEnd, Deadline, Limits, Outcome, Status, TimeUp
from ..child import within
from ..program import small_program
from .convex import plain_form
from .model import Model

TOLERANCE = 1e-5
"""Of SCIP's claims, relative to the terms' sum; bounds are lowered by it."""


@dataclass(frozen=True)
class QuadraticScip(BackEnd):
    """The 0-1 program with its convex quadratic objective handed to SCIP, scaled.

    SCIP's answers hold up to its tolerances, so a claim of optimality is worth 1e-5 of what its
    terms sum up to, and is reported as a feasible choice with that bound.

    References:
        S. Bolusani et al., The SCIP Optimization Suite 9.0, 2024, arXiv 2402.17702.
    """

    requires: ClassVar[tuple[str, ...]] = ("ortools",)
    module = "ortools.math_opt.python.mathopt"

    def solve(self, problem: QuadraticInstance, limits: Limits) -> Outcome:
        """Hand over, and read what comes back; a process of its own ends with the time."""
        try:
            outcome = within(limits.time, lambda: self._solved(problem, limits))
        except TimeUp:
            outcome = None
        if outcome is None:
            return Outcome(Status.NO_SOLUTION, reason="it was stopped at the time limit")
        return outcome

    def _solved(self, problem: QuadraticInstance, limits: Limits) -> Outcome:
        from ortools.math_opt.python import mathopt

        deadline = Deadline.after(limits.time)
        form = plain_form(Model.of(problem), problem.matrix)
        unit = 1e3 / max(float(np.abs(form.matrix).max()), float(np.abs(form.linear).max()), 1e-300)
        program = small_program(problem.knapsack, form.linear * unit)
        model = mathopt.Model()
        x = [model.add_binary_variable() for _ in program.cost]
        columns = x + [
            model.add_integer_variable(lb=0, ub=most) for most in program.most.tolist()
        ]  # fmt: skip
        matrix = form.matrix * unit
        rows, others = np.nonzero(np.triu(matrix))
        weights = np.where(rows == others, 0.5, 1.0) * matrix[rows, others]

        def products() -> Iterator[Any]:
            for i, j, w in zip(rows.tolist(), others.tolist(), weights.tolist(), strict=True):
                deadline.check()
                yield w * x[i] * x[j]

        square = mathopt.fast_sum(products())
        linear = mathopt.fast_sum(c * v for c, v in zip(program.cost.tolist(), x, strict=True))
        model.minimize(square + linear)
        for start, stop in pairwise(program.offsets.tolist()):
            model.add_linear_constraint(mathopt.fast_sum(x[start:stop]) == 1.0)
        for row, right in zip(program.columns.tolist(), program.right.tolist(), strict=True):
            model.add_linear_constraint(
                mathopt.fast_sum(a * v for a, v in zip(row, columns, strict=True) if a) <= right
            )
        parameters = mathopt.SolveParameters(
            threads=limits.threads,
            relative_gap_tolerance=0.0,
            absolute_gap_tolerance=0.0,
            time_limit=None
            if limits.time is None
            else datetime.timedelta(seconds=max(deadline.left, 0.01)),
        )
        result = mathopt.solve(model, mathopt.SolverType.GSCIP, params=parameters)
        if not result.solutions:
            return Outcome(Status.NO_SOLUTION, reason=str(result.termination.detail))
        values = result.variable_values(x)
        choice = program.rounded(np.array(values))
        if not problem.knapsack.is_feasible(choice):
            return Outcome(Status.NO_SOLUTION, reason="its choice exceeds a capacity once rounded")
        dual = result.termination.objective_bounds.dual_bound / unit
        at = problem.knapsack.positions(choice)
        margin = TOLERANCE * max(Model.of(problem).magnitude(at), abs(dual))
        return Outcome(
            Status.FEASIBLE,
            choice,
            bound=dual - margin if np.isfinite(dual) else None,
            objective=problem.objective(choice),
            stats={"nodes": result.solve_stats.node_count},
        )


SOLVER = QuadraticScip()
