"""The best choice among those of allowed items, by any registered solver."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import (
    FloatArray,
    InfeasibleError,
    Instance,
    IntArray,
    MergedInstance,
    SolverError,
    UnsupportedError,
    merge_ties,
    restrict,
)

from ..base import NEVER, Deadline, Solver, Status
from ..exact import exact_sum
from ..referee import infeasibility, not_together
from ..registry import solve


class Allocation(NamedTuple):
    """A feasible choice, (L,) item positions within the classes, and its objective."""

    choice: IntArray
    objective: float


class RankedChoice(NamedTuple):
    """A choice for the merged instance, its exact cost, and the prices of its dual bound."""

    choice: tuple[int, ...]
    cost: Fraction
    multiplier: FloatArray | None


class Space:
    """The choices of an instance without ties, and the best of any part of them."""

    def __init__(
        self, instance: Instance, solver: str | Solver | None, deadline: Deadline = NEVER
    ) -> None:
        self.instance, self.solver, self.deadline = instance, solver, deadline
        self.merged: MergedInstance = merge_ties(instance)

    def expanded(self, choice: tuple[int, ...]) -> IntArray:
        """The choice for the original classes."""
        return self.merged.expand(np.array(choice, dtype=np.int64))

    def best(self) -> RankedChoice:
        """The best choice of all.

        Raises:
            InfeasibleError: there is none.
        """
        answer = self.solve(np.ones(self.merged.instance.n_items, dtype=bool))
        if answer is None:
            whole = self.merged.instance
            raise InfeasibleError(infeasibility(whole) or not_together(whole))
        return answer

    def solve(self, allowed: NDArray[np.bool_]) -> RankedChoice | None:
        """The best choice of allowed items, None when no such choice fits.

        Raises:
            TimeUp: the deadline is met.
        """
        whole = self.merged.instance
        small, old = restrict(whole, allowed)
        solution = solve(small, self.solver, self.deadline.limit)
        if solution.status is Status.INFEASIBLE:
            return None
        if solution.status is Status.UNSUPPORTED:
            raise UnsupportedError(solution.message)
        if solution.status is not Status.OPTIMAL or solution.choice is None:
            self.deadline.check()
            raise SolverError(
                f"{solution.solver} ended with status {solution.status} on a part of "
                f"{self.instance.name!r}; a ranking needs proven optima, choose an exact solver"
            )
        choice = tuple((old[small.positions(solution.choice)] - whole.offsets[:-1]).tolist())
        return RankedChoice(
            choice, exact_sum(whole.cost[whole.positions(choice)]), solution.multiplier
        )
