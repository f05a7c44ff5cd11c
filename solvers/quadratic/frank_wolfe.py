"""Frank-Wolfe with the exact knapsack as oracle: bounds and feasible choices at every step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitknap.problems.quadratic import QuadraticInstance

from ..base import Deadline, Limits, Method, Outcome, Status
from .convex import minimise, plain_form
from .model import Model


@dataclass(frozen=True)
class FrankWolfe(Method):
    """The convex relaxation over the hull of the feasible choices.

        v = argmin { grad f(x)'v : v a feasible choice },   f(y) >= f(x) + grad f(x)'(v - x)

    for all choices y; x is then the best mixture of all v so far (exact, in place of one line
    search). Where G is not convex, it is shifted by a multiple of x'x - 1'x, which is 0 on choices.
    The answer is the best v; its gap is that of the relaxation, not one that more steps close.

    Args:
        accuracy: relative distance of the bound from the relaxation's value at which it ends.

    References:
        M. Frank, P. Wolfe, Naval Res. Logist. Q. 3 (1956) 95-110; C. A. Holloway, Math. Program. 6
        (1974) 14-27 (all answers).
    """

    accuracy: float = 1e-6
    steps: int = 500

    def solve(self, problem: QuadraticInstance, limits: Limits) -> Outcome:
        """Minimise the relaxation."""
        model, knapsack = Model.of(problem), problem.knapsack
        found = minimise(
            model,
            plain_form(model, problem.matrix),
            np.ones(knapsack.n_items, dtype=bool),
            [],
            np.inf,
            accuracy=self.accuracy,
            deadline=Deadline.after(limits.time),
            steps=self.steps if limits.states is None else min(self.steps, limits.states),
        )
        stats = {"steps": len(found.found), "mixed": len(found.atoms)}
        if not found.found:
            status = Status.INFEASIBLE if found.bound == np.inf else Status.NO_SOLUTION
            return Outcome(status, stats=stats)
        at = min(found.found, key=model.value)
        choice = at - knapsack.offsets[:-1]
        value = problem.objective(choice)
        return Outcome(Status.FEASIBLE, choice, bound=found.bound, objective=value, stats=stats)


SOLVER = FrankWolfe()
