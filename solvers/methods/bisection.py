"""Bisection on the price of the capacity, as some allocators do: no bound, no repair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitknap.problems import Instance

from ..base import Limits, OneResource, Outcome, Status
from ..dual import cheapest
from ..local import lightest


@dataclass(frozen=True)
class Bisection(OneResource):
    """Halve the interval of the price u at which the cheapest choice starts to fit.

    At a price u every class takes its item of least cost + u weight. The answer is the choice at
    the lowest price tried whose choice fits: a vertex of the lower convex hull, with what is left
    of the capacity unused.

    Complexity: O(n) per halving.
    """

    halvings: int = 60

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Bisect between the price 0 and one at which every class takes its lightest item."""
        weight = instance.above_lightest[0].astype(np.float64)
        low, high = 0.0, min(2.0 * float(np.ptp(instance.cost)), np.finfo(np.float64).max)
        best = cheapest(instance, instance.cost)
        if instance.is_feasible(best):
            return Outcome(Status.FEASIBLE, best)
        best = lightest(instance)
        for _ in range(self.halvings):
            price = low + (high - low) / 2
            choice = cheapest(instance, instance.cost + price * weight)
            if instance.is_feasible(choice):
                high, best = price, choice
            else:
                low = price
        return Outcome(Status.FEASIBLE, best)


SOLVER = Bisection()
