"""Items that no optimum needs: dominance, and the lower convex hull of a class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .instance import Instance, IntArray

# Pairs of items compared at once.
_PAIRS = 1 << 22
_LARGE, _BLOCK = 1000, 512


def undominated(instance: Instance) -> NDArray[np.bool_]:
    """(n,) mask of the items that no other item of their class dominates.

    Item b dominates item a when it is no worse in cost and in every weight; among equal items
    the first stays. Some optimum uses undominated items only.

    Complexity: O(n log n) for one resource; for several O(sum n_i^2), or O(sum 1000 n_i) in
    classes of more than 1,000 items, where some dominated ones may stay.
    """
    return _undominated_1(instance) if instance.n_resources == 1 else _undominated_k(instance)


def _undominated_1(instance: Instance) -> NDArray[np.bool_]:
    """In order of class, weight and cost per item stays when its cost is below all before it."""
    order = np.lexsort((instance.cost, instance.weight[0], instance.class_of))
    keep = np.empty(instance.n_items, dtype=bool)
    keep[order] = _falls(instance.class_of[order], instance.cost[order])
    return keep


def _falls(class_of: IntArray, cost: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mask of the costs that are below all earlier ones of their class.

    They enter as dense ranks, each class shifted below the one before, so that one running
    minimum over all restarts at each class.
    """
    rank = np.unique(cost, return_inverse=True)[1] - class_of * cost.size
    return np.concatenate(([True], rank[1:] < np.minimum.accumulate(rank)[:-1]))


def _undominated_k(instance: Instance) -> NDArray[np.bool_]:
    """Every pair of items of a class is compared, many classes of one size at once."""
    keep = np.ones(instance.n_items, dtype=bool)
    for size in np.unique(instance.sizes).tolist():
        starts = instance.offsets[:-1][instance.sizes == size]
        if size > _LARGE:
            for start in starts.tolist():
                keep[start : start + size] = _undominated_large(instance, start, start + size)
            continue
        block = max(1, _PAIRS // size**2)
        for a in range(0, len(starts), block):
            items = starts[a : a + block, None] + np.arange(size)
            no_worse = np.ones((len(items), size, size), dtype=bool)
            for row in (instance.cost, *instance.weight):
                no_worse &= row[items][:, :, None] <= row[items][:, None, :]
            equal = no_worse & no_worse.transpose(0, 2, 1)
            earlier = np.tri(size, k=-1, dtype=bool).T
            keep[items] = ~(no_worse & (~equal | earlier)).any(axis=1)
    return keep


def _no_worse(rows: IntArray, some: IntArray, others: IntArray) -> NDArray[np.bool_]:
    """Whether each of some items is no worse than each of others, in every row."""
    mask = np.ones((len(some), len(others)), dtype=bool)
    for row in rows:
        mask &= row[some][:, None] <= row[others]
    return mask


def _undominated_large(instance: Instance, start: int, stop: int) -> NDArray[np.bool_]:
    """In order of cost, items are compared block by block with the first items kept so far."""
    span = slice(start, stop)
    # Dense ranks, so that weights beyond 2^53 stay different.
    values = (instance.cost[span], *instance.weight[:, span])
    rows = np.array([np.unique(value, return_inverse=True)[1] for value in values])
    order = np.lexsort(rows[::-1])
    stayed = np.empty(0, dtype=np.int64)
    for a in range(0, len(order), _BLOCK):
        # In this order only earlier items, equal ones among them, can dominate one.
        block = order[a : a + _BLOCK]
        block = block[~_no_worse(rows, stayed[:_LARGE], block).any(axis=0)]
        block = block[~np.triu(_no_worse(rows, block, block), 1).any(axis=0)]
        stayed = np.concatenate((stayed, block))
    keep = np.zeros(stop - start, dtype=bool)
    keep[stayed] = True
    return keep


def fitting(instance: Instance, capacity: IntArray | None = None) -> NDArray[np.bool_]:
    """(n,) mask of the items that fit beside the lightest of the other classes.

    No feasible choice holds another item. A class without such an item, which proves that nothing
    is feasible, keeps all of its items.

    Args:
        instance: without ties.
        capacity: (K,) in place of the instance's.
    """
    residual = (instance.capacity if capacity is None else capacity) - instance.min_usage
    keep: NDArray[np.bool_] = np.all(instance.above_lightest <= residual[:, None], axis=0)
    hopeless = ~np.logical_or.reduceat(keep, instance.offsets[:-1])
    return keep | hopeless[instance.class_of]


def lower_hull(cost: NDArray[np.float64], weight: IntArray) -> IntArray:
    """Positions of the lower convex hull of one class: see :func:`lower_hulls`."""
    return lower_hulls(np.zeros(len(cost), dtype=np.int64), cost, weight)


def lower_hulls(class_of: IntArray, cost: NDArray[np.float64], weight: IntArray) -> IntArray:
    """Positions of the lower convex hulls of all classes, class by class, lightest item first.

    Within a class weights rise, costs fall, and the slopes (cost fall per unit of weight)
    strictly fall: exactly the items that the linear relaxation can use. Every point on or above
    the segment of its two neighbours is dropped, all at once, until there is none.

    Complexity: O(n log n), and O(n) for each of the few rounds.

    References:
        P. Sinha, A. Zoltners, Operations Research 27 (1979), 503-515 (LP dominance).
    """
    order = np.lexsort((cost, weight, class_of))
    kept = order[_falls(class_of[order], cost[order])]
    while True:
        cls = class_of[kept]
        inner = cls[1:] == cls[:-1]
        width = np.where(inner, np.diff(weight[kept]), 1)
        slope = -np.diff(cost[kept]) / width
        bad = inner[:-1] & inner[1:] & (slope[:-1] <= slope[1:])
        if not bad.any():
            return kept
        kept = np.delete(kept, np.flatnonzero(bad) + 1)


def exact_hull(cost: Sequence[int], weight: Sequence[int], items: Iterable[int]) -> list[int]:
    """The lower convex hull of undominated items of one class, lightest first, in integers.

    As :func:`lower_hull`, but nothing is rounded: a point on or above the segment of its
    neighbours is dropped (Andrew's monotone chain).

    Args:
        cost, weight: by item; integers of any width.
        items: those of the class that no other dominates, by rising weight.

    Complexity: O(n).
    """
    hull: list[int] = []
    for c in items:
        while len(hull) > 1:
            a, b = hull[-2:]
            drop = (cost[a] - cost[b]) * (weight[c] - weight[b])
            if drop > (cost[b] - cost[c]) * (weight[b] - weight[a]):
                break
            hull.pop()
        hull.append(c)
    return hull


def restrict(instance: Instance, keep: NDArray[np.bool_]) -> tuple[Instance, IntArray]:
    """The instance of the kept items, and for each of them its old position.

    Every class must keep an item, and ``instance`` must have no ties.
    """
    old = np.flatnonzero(keep)
    sizes = np.add.reduceat(keep.astype(np.int64), instance.offsets[:-1])
    small = replace(
        instance,
        offsets=np.concatenate(([0], np.cumsum(sizes))),
        cost=instance.cost[old],
        weight=instance.weight[:, old],
        labels=tuple(instance.labels[j] for j in old.tolist()),
        optimum=None,
    )
    return small, old
