"""Dynamic programming over a capacity cut into a fixed number of bins, as some allocators do."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bitknap.problems import Instance

from ..base import Limits, OneResource, Outcome, Status
from .dp import DynamicProgramming


@dataclass(frozen=True)
class BinnedDp(OneResource):
    """The textbook recursion on weights rounded up to B bins of the residual capacity.

    With w the weights above the lightest of each class and R the capacity above the lightest
    choice, every weight becomes ceil(w B / R) and the capacity B. The answer is feasible, and
    optimal for the rounded weights only: L classes can lose up to L bins of capacity.

    Complexity: O(n B) time, O(L B) space.
    """

    bins: int = 1000

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Round, recurse."""
        residual = int(instance.capacity[0] - instance.min_usage[0])
        weight = [self._binned(w, residual) for w in instance.above_lightest[0].tolist()]
        capacity = np.array([self.bins], dtype=np.int64)
        rounded = replace(instance, weight=np.array([weight], dtype=np.int64), capacity=capacity)
        outcome = DynamicProgramming().solve(rounded, limits)
        status = Status.FEASIBLE if outcome.choice is not None else Status.NO_SOLUTION
        return Outcome(status, outcome.choice, stats=outcome.stats)

    def _binned(self, weight: int, residual: int) -> int:
        """Bins of a weight, rounded up; one more than there are where it does not fit alone."""
        if weight > residual:
            return self.bins + 1
        return -(-weight * self.bins // residual) if weight else 0


SOLVER = BinnedDp()
