"""The linear relaxation by convex hulls in NumPy: a choice, a price, a bound."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bitknap.problems import Instance, IntArray, lower_hulls

# Steps beyond the break at which the greedy completion looks.
_STEPS = 48


class Relaxation(NamedTuple):
    """The relaxation, rounded down.

    Args:
        item: the item of each class before the break, shape (L,).
        completed: the same after the steps beyond that still fit.
        multiplier: slope of the break step; 0 when every class stands at its cheapest item.
        hull_items: number of items on all hulls.
    """

    item: IntArray
    completed: IntArray
    multiplier: float
    hull_items: int


def relax(instance: Instance) -> Relaxation:
    """Take the hull steps of all classes by falling slope until the capacity is met."""
    cost, weight = instance.cost, instance.weight[0]
    hull = lower_hulls(instance.class_of, cost, weight)
    cls = instance.class_of[hull]
    head = np.flatnonzero(cls[1:] == cls[:-1]) + 1
    width = weight[hull[head]] - weight[hull[head - 1]]
    slope = (cost[hull[head - 1]] - cost[hull[head]]) / width
    # Within a class slopes fall but for their rounding.
    order = np.lexsort((head, -slope))
    filled = np.cumsum(width[order])
    residual = int(instance.capacity[0] - instance.min_usage[0])
    brk = int(np.searchsorted(filled, residual, side="right"))
    residual -= int(filled[brk - 1]) if brk else 0
    at = np.searchsorted(cls, np.arange(len(instance)))
    np.maximum.at(at, cls[head[order[:brk]]], head[order[:brk]])
    completed = at.copy()
    for k in order[brk : brk + _STEPS].tolist():
        i = cls[head[k]]
        if completed[i] == head[k] - 1 and width[k] <= residual:
            completed[i] = head[k]
            residual -= int(width[k])
    multiplier = float(slope[order[brk]]) if brk < order.size else 0.0
    return Relaxation(hull[at], hull[completed], multiplier, hull.size)
