"""The convex part of a frontier: all break points of the linear relaxation, from one sort."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import FloatArray, Instance, IntArray, exact_hull, undominated

from ..base import Deadline
from ..exact import exact_integers

# Steps looked at in all by bounds, before these are computed more rarely.
_STEPS = 50_000_000
_SLOPE_BITS = 128


@dataclass(frozen=True)
class ConvexFrontier:
    """The linear relaxation's cost at every budget.

    Each class starts at the lightest item of its lower convex hull. The steps along all hulls, in
    the order of what they save per unit of weight, lead through all break points: choices that
    are optimal for their usage, at any price of the resource.

    Args:
        first: (L,) the lightest hull item of each class.
        class_index, item: (S,) the class each step belongs to and the item it leads to.
        width: (S,) int64 weight of each step.
    """

    first: IntArray
    class_index: IntArray
    item: IntArray
    width: IntArray
    saving: FloatArray
    smallest: int

    @property
    def largest(self) -> int:
        """Usage after the last step: all classes at their cheapest item."""
        return self.smallest + int(self.width.sum())

    @property
    def usage(self) -> IntArray:
        """(S + 1,) usage of the break points."""
        steps: IntArray = np.cumsum(self.width)
        return np.concatenate(([self.smallest], self.smallest + steps))

    def choice(self, steps: int) -> IntArray:
        """The choice after a number of steps."""
        chosen = self.first.copy()
        chosen[self.class_index[:steps]] = self.item[:steps]
        return chosen

    def steps_within(self, budget: int) -> int:
        """How many steps, one after another, a budget allows."""
        return int(np.searchsorted(self.usage, budget, side="right")) - 1

    def excess_at(self, budget: int) -> float:
        """Excess of the last break point within a budget."""
        with np.errstate(over="ignore"):
            rest: float = self.saving[self.steps_within(budget) :].sum()
        return rest

    def price_at(self, budget: int) -> float:
        """What one more unit of budget saves in the relaxation."""
        steps = self.steps_within(budget)
        return float(self.saving[steps] / self.width[steps]) if steps < len(self.width) else 0.0


class Completions:
    """Least excess of the classes left, by the linear relaxation.

    Terms are not negative and each is rounded a few times, so a bound is within ``slack`` of the
    relaxation's value. Where there are very many steps, it is computed now and then only.
    """

    def __init__(self, convex: ConvexFrontier) -> None:
        self.convex = convex
        self.left = np.ones(len(convex.first), dtype=bool)
        count = len(convex.width)
        self.every = 1 + count * len(self.left) // _STEPS
        self.slack = max(1e-9, 8.0 * count * 2.0**-52)

    def without(self, i: int, residual: IntArray) -> FloatArray:
        """(m,) bounds once class i is decided, by the residual capacity for the other classes."""
        self.left[i] = False
        if int(self.left.sum()) % self.every:
            return np.zeros(len(residual))
        steps = np.flatnonzero(self.left[self.convex.class_index])
        saving = np.append(self.convex.saving[steps], 0.0)
        width = np.append(self.convex.width[steps], 1)
        ends = np.cumsum(width[:-1])
        k = np.searchsorted(ends, residual, side="left")
        # Counted back from the step's end, so that small values keep their relative accuracy.
        share = np.maximum(np.append(ends, 0)[k] - residual, 0) / width[k]
        with np.errstate(over="ignore", invalid="ignore"):
            after = np.append(np.cumsum(saving[::-1])[::-1], 0.0)[1:]
            rest: FloatArray = after[k] + np.where(share > 0.0, saving[k] * share, 0.0)
        return rest


def convex_part(
    instance: Instance, useful: NDArray[np.bool_], deadline: Deadline
) -> ConvexFrontier:
    """The break points of an instance with one resource and no ties, compared exactly.

    Args:
        useful: (n,) mask of the items to look at, among them the lightest of every class.
    """
    at = np.flatnonzero(undominated(instance) & useful)
    at = at[np.lexsort((instance.weight[0, at], instance.class_of[at]))]
    starts = np.searchsorted(instance.class_of[at], np.arange(len(instance) + 1))
    costs, _ = exact_integers(instance.cost[at])
    weights = instance.weight[0, at].tolist()
    steps: list[tuple[int, int, int]] = []
    for a, b in pairwise(starts.tolist()):
        deadline.check()
        hull = exact_hull(costs, weights, range(a, b))
        steps += [
            (((costs[i] - costs[j]) << _SLOPE_BITS) // (weights[j] - weights[i]), i, j)
            for i, j in pairwise(hull)
        ]
    steps.sort(key=lambda step: -step[0])
    left = np.array([i for _, i, _ in steps], dtype=np.int64)
    right = np.array([j for _, _, j in steps], dtype=np.int64)
    index = instance.class_of[at[right]]
    with np.errstate(over="ignore"):
        saving = instance.cost[at[left]] - instance.cost[at[right]]
    return ConvexFrontier(
        at[starts[:-1]] - instance.offsets[:-1],
        index,
        at[right] - instance.offsets[index],
        instance.weight[0, at[right]] - instance.weight[0, at[left]],
        saving,
        int(instance.min_usage[0]),
    )
