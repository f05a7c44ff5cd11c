"""The convex part of a frontier: all break points of the linear relaxation, from one sort."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import FloatArray, Instance, IntArray, lower_hull


@dataclass(frozen=True)
class Convex:
    """The linear relaxation's cost at every budget.

    Each class starts at the lightest item of its lower convex hull. The steps along all hulls, in
    the order of what they save per unit of weight, lead through all break points: choices that
    are optimal for their usage, at any price of the resource.

    Args:
        first: (L,) the lightest hull item of each class.
        class_index, item: (S,) the class each step belongs to and the item it leads to.
        width: (S,) int64 weight of each step.
        saving: (S,) cost it saves.
        smallest: usage before the first step.
        total: excess before the first step, over the sum of the cheapest items.

    References:
        P. Sinha, A. Zoltners, Operations Research 27 (1979), 503-515.
    """

    first: IntArray
    class_index: IntArray
    item: IntArray
    width: IntArray
    saving: FloatArray
    smallest: int
    total: float

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
        rest: float = self.saving[self.steps_within(budget) :].sum()
        return rest

    def price_at(self, budget: int) -> float:
        """What one more unit of budget saves in the relaxation."""
        steps = self.steps_within(budget)
        return float(self.saving[steps] / self.width[steps]) if steps < len(self.width) else 0.0

    def bound(self, budget: IntArray) -> FloatArray:
        """The relaxation's excess at budgets, none below the smallest."""
        everything = np.ones(len(self.first), dtype=bool)
        return self.completion(everything)(budget - self.smallest)

    def completion(self, classes: NDArray[np.bool_]) -> Callable[[IntArray], FloatArray]:
        """Least excess of some classes as a function of the room above their lightest items.

        Args:
            classes: (L,) mask.
        """
        own = np.flatnonzero(classes[self.class_index])
        saving, width = self.saving[own], self.width[own]
        ends = np.cumsum(width)
        slope = np.append(saving / width, 0.0)
        after = np.append(np.cumsum(saving[::-1])[::-1], (0.0, 0.0))[1:]

        def least(room: IntArray) -> FloatArray:
            # Counted back from the step's end, so that small values keep their relative accuracy.
            k = np.searchsorted(ends, room, side="left")
            end = np.append(ends, 0)[k]
            excess: FloatArray = after[k] + slope[k] * np.where(k < len(ends), end - room, 0)
            return excess

        return least


def convex_part(instance: Instance) -> Convex:
    """The break points of an instance with one resource and no ties."""
    first: list[int] = []
    index: list[int] = []
    item: list[int] = []
    width: list[int] = []
    saving: list[float] = []
    slope: list[float] = []
    for i, start in enumerate(instance.offsets[:-1].tolist()):
        span = slice(start, int(instance.offsets[i + 1]))
        cost, weight = instance.cost[span], instance.weight[0, span]
        hull = lower_hull(cost, weight)
        first.append(int(hull[0]))
        index += [i] * (len(hull) - 1)
        item += hull[1:].tolist()
        widths, savings = np.diff(weight[hull]), -np.diff(cost[hull])
        width += widths.tolist()
        saving += savings.tolist()
        slope += np.minimum.accumulate(savings / widths).tolist()
    order = np.argsort(-np.array(slope), kind="stable")
    return Convex(
        np.array(first, dtype=np.int64),
        np.array(index, dtype=np.int64)[order],
        np.array(item, dtype=np.int64)[order],
        np.array(width, dtype=np.int64)[order],
        np.array(saving, dtype=np.float64)[order],
        int(instance.min_usage[0]),
        float(sum(saving)),
    )
