"""Correctly rounded objectives of many choices."""

from __future__ import annotations

import math

import numpy as np

from bitknap.problems import FloatArray, Instance, IntArray, MergedInstance

from ..base import Deadline
from .convex import ConvexFrontier
from .lists import Points

# Costs that are added up at once.
_BATCH = 1 << 20


def objectives(
    instance: Instance, merged: MergedInstance, points: Points, deadline: Deadline
) -> FloatArray:
    """(m,) ``math.fsum`` of the costs of the original items of every point."""
    found = np.empty(len(points.weight))
    size = max(1, _BATCH // len(instance))
    for start in range(0, len(found), size):
        deadline.check()
        batch = np.arange(start, min(start + size, len(found)))
        costs = instance.cost[_positions(instance, merged, points.choices(batch))]
        found[batch] = [math.fsum(row) for row in costs.tolist()]
    return found


def _positions(instance: Instance, merged: MergedInstance, choices: IntArray) -> IntArray:
    """Positions in the original instance's items of choices for the merged one."""
    starts = instance.offsets[:-1]
    if not merged.item_index:
        return choices + starts
    columns = [
        start + index[choices[:, c]]
        for start, c, index in zip(starts, merged.class_index, merged.item_index, strict=True)
    ]
    return np.stack(columns, axis=1)


def running_objectives(
    instance: Instance, merged: MergedInstance, convex: ConvexFrontier
) -> FloatArray:
    """(S + 1,) correctly rounded objectives after every step of the convex part.

    The sum is carried as floats that do not overlap, so that every step costs a few additions
    however many classes there are.

    References:
        J. Shewchuk, Discrete & Computational Geometry 18 (1997) 305-363.
    """
    before = convex.first.copy()
    members: list[list[int]] = [[] for _ in range(len(merged.instance))]
    for i, c in enumerate(merged.class_index.tolist()):
        members[c].append(i)
    at = _positions(instance, merged, before[None, :])[0]
    costs = instance.cost.tolist()
    starts = instance.offsets.tolist()
    partials: list[float] = []
    for position in at.tolist():
        _add(partials, costs[position])
    found = [math.fsum(partials)]
    for c, item in zip(convex.class_index.tolist(), convex.item.tolist(), strict=True):
        for i in members[c]:
            positions = merged.item_index[i] if merged.item_index else None
            _add(partials, -costs[starts[i] + _original(positions, int(before[c]))])
            _add(partials, costs[starts[i] + _original(positions, item)])
        before[c] = item
        found.append(math.fsum(partials))
    return np.array(found)


def _original(index: IntArray | None, item: int) -> int:
    return item if index is None else int(index[item])


def _add(partials: list[float], x: float) -> None:
    """Add a number to a sum of non-overlapping floats, exactly."""
    kept = 0
    for y in partials:
        if abs(x) < abs(y):
            x, y = y, x
        high = x + y
        low = y - (high - x)
        if low:
            partials[kept] = low
            kept += 1
        x = high
    partials[kept:] = [x]
