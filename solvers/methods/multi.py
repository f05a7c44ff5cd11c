"""Several resources, exact: Lagrangian bounds and batches of undominated states."""

from __future__ import annotations

from dataclasses import dataclass

from bitknap.problems import Instance

from ..base import Limits, Method, Outcome
from ..multi import solve_multi


@dataclass(frozen=True)
class Multi(Method):
    """Depth-first search in batches below a rising threshold, for any number of resources.

    See :func:`bitknap.solvers.multi.solve_multi`. With one resource it is an independent check
    of ``core``, which is faster there.
    """

    exact = True

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Search; costs are compared as exact integers over a power of two."""
        return solve_multi(instance, limits.time, limits.states)


SOLVER = Multi()
