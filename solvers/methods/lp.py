"""Linear relaxation by convex hulls, rounded down: a bound and a choice in one sort."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitknap.problems import Instance

from ..base import Limits, OneResource, Outcome, Status
from ..dual import dual_bound
from ..relaxation import relax


@dataclass(frozen=True)
class LinearRelaxation(OneResource):
    """Take the hull steps of all classes by falling slope until the capacity is met.

    Only the class of the last step is fractional. Its share is rounded down, which is feasible;
    the step's slope is the price of the capacity, whose dual value is the relaxation's optimum
    and the bound.

    Args:
        complete: go on past the break step with the steps that still fit.

    Complexity: O(n log n).

    References:
        P. Sinha, A. Zoltners, Operations Research 27 (1979), 503-515; E. Zemel, Operations
        Research 28 (1980), 1412-1423; M. Dyer, Math. Programming 29 (1984), 57-63, for the same
        in linear time.
    """

    complete: bool = False

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Relax, round down, evaluate the dual at the break slope."""
        relaxed = relax(instance)
        item = relaxed.completed if self.complete else relaxed.item
        choice = item - instance.offsets[:-1]
        multiplier = np.array([relaxed.multiplier])
        stats = {"hull_items": relaxed.hull_items}
        bound = dual_bound(instance, multiplier)
        return Outcome(Status.FEASIBLE, choice, bound, multiplier=multiplier, stats=stats)


SOLVER = LinearRelaxation()
