"""Layers ranked by sensitivity: the longest prefix that fits takes its cheapest items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitknap.problems import Instance

from ..base import Limits, OneResource, Outcome, Status
from ..dual import cheapest
from ..local import lightest


@dataclass(frozen=True)
class GreedyPrefix(OneResource):
    """Keep the most sensitive classes at their best, all others at their lightest.

    Classes are ranked by what their cheapest item saves over the lightest, the most first. The
    longest prefix of the ranking whose cheapest items fit takes them: the rule of a list of
    layers to leave in high precision, which knows two items of a class and no ratio.

    Complexity: O(n + L log L).
    """

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Rank, add up, cut."""
        low, best = lightest(instance), cheapest(instance, instance.cost)
        at, to = instance.positions(low), instance.positions(best)
        extra = instance.weight[0, to] - instance.weight[0, at]
        order = np.argsort(instance.cost[to] - instance.cost[at], kind="stable")
        residual = instance.capacity[0] - instance.min_usage[0]
        first = order[np.cumsum(extra[order]) <= residual]
        choice = low.copy()
        choice[first] = best[first]
        return Outcome(Status.FEASIBLE, choice)


SOLVER = GreedyPrefix()
