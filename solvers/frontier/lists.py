"""Dynamic programming over classes on lists of undominated partial choices."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bitknap.problems import FloatArray, Instance, IntArray

from .convex import Convex

_SLACK = 1e-9
_HALVINGS = 5


@dataclass(frozen=True)
class Points:
    """Undominated (weight, excess) pairs, lightest first, and how each was reached.

    Args:
        weight: (m,) int64, strictly increasing.
        excess: (m,) cost above the sum of the cheapest items, strictly decreasing.
        stages: per class in the order of the recursion: its index, and for each of its states the
            state before it and the item taken.
        tolerance: every undominated pair (w, e) has a kept one (w', e') with w' <= w and
            e' <= (1 + tolerance) e.
        states: states kept over all classes.
    """

    weight: IntArray
    excess: FloatArray
    stages: tuple[tuple[int, IntArray, IntArray], ...]
    tolerance: float
    states: int

    def choices(self, points: IntArray) -> IntArray:
        """(len(points), L) item positions of some of the points."""
        found = np.empty((len(points), len(self.stages)), dtype=np.int64)
        state = np.asarray(points)
        for index, parent, item in reversed(self.stages):
            found[:, index] = item[state]
            state = parent[state]
        return found


def undominated_points(
    instance: Instance,
    convex: Convex,
    lowest: int,
    highest: int,
    max_states: int,
    tolerance: float,
) -> Points:
    """All undominated points that matter for budgets from ``lowest`` to ``highest``.

    With costs as excesses over the cheapest item of each class, which are not negative, the list
    after a class is the undominated part of :

        { (w + w_ij, e + e_ij) : (w, e) in the list before, j in class i }

    Classes of narrow weight range come first, which keeps the early lists short. A state whose
    linear completion at the highest budget costs more than a known choice at the lowest, or that
    cannot end within the highest, is dropped.

    Where a list would outgrow its share of ``max_states`` it is trimmed: states are put in bins
    of excess of width (1 + delta) and the lightest of each bin stays. After trimming at classes
    with delta_1, delta_2, ... all excesses are within the product of (1 + delta_t) of the true
    ones, because excesses only add up. delta is about the smallest that makes the list
    short enough.

    Args:
        instance: one resource, no ties.
        convex: its convex part.
        lowest, highest: range of budgets; the lowest is feasible.
        max_states: states to keep, over all classes.
        tolerance: 0, or trim at every class so that the product is at most 1 + tolerance.

    Complexity: O(n m log n_i), m the longest list.

    References:
        G. Nemhauser, Z. Ullmann, Management Science 15 (1969) 494-505 (the lists).
        C. Papadimitriou, M. Yannakakis, FOCS 2000, 86-92 (the trimming).
    """
    order = narrow_first(instance)
    known = convex.excess_at(lowest)
    least = np.minimum.reduceat(instance.weight[0], instance.offsets[:-1])
    room = highest - int(least.sum())
    step = (1.0 + tolerance) ** (1.0 / len(order)) - 1.0
    weight, excess = np.zeros(1, dtype=np.int64), np.zeros(1)
    stages: list[tuple[int, IntArray, IntArray]] = []
    states, product, left = 0, 1.0, np.ones(len(order), dtype=bool)
    for t, i in enumerate(order):
        span = slice(int(instance.offsets[i]), int(instance.offsets[i + 1]))
        own_weight = instance.weight[0, span] - least[i]
        own_excess = instance.cost[span] - instance.cost[span].min()
        weight, excess, code = extended(weight, excess, own_weight, own_excess, room)
        left[i] = False
        if highest < convex.largest or lowest > convex.smallest:
            completion = convex.completion(left)(room - weight)
            keep = np.flatnonzero(excess + completion <= known * product * (1.0 + _SLACK))
            weight, excess, code = weight[keep], excess[keep], code[keep]
        share = max((max_states - states) // (len(order) - t), 4)
        weight, excess, code, factor = _trimmed(weight, excess, code, share, step)
        product *= factor
        stages.append(
            (int(i), (code // len(own_weight)).astype(np.int32), _items(code, own_weight))
        )
        states += len(weight)
    total = weight + int(least.sum())
    return Points(total, excess, tuple(stages), product - 1.0, states)


def _items(code: IntArray, own: IntArray) -> IntArray:
    small = code % len(own)
    return small.astype(np.int16 if len(own) < 1 << 15 else np.int32)


def narrow_first(instance: Instance) -> IntArray:
    """(L,) classes by the width of their range of weights: keeps the early lists short."""
    starts = instance.offsets[:-1]
    largest = np.maximum.reduceat(instance.weight[0], starts)
    return np.argsort(largest - np.minimum.reduceat(instance.weight[0], starts), kind="stable")


def extended(
    weight: IntArray, excess: FloatArray, own_weight: IntArray, own_excess: FloatArray, room: int
) -> tuple[IntArray, FloatArray, IntArray]:
    """The list after one more class, undominated and within the room, lightest first.

    Args:
        weight, excess: (m,) the list before, both monotone.
        own_weight, own_excess: the items of the class, the least of each 0.
        room: largest weight.

    Returns:
        Weights, excesses, and (state before) * (items) + (item) for each state.
    """
    n = len(own_weight)
    merged: tuple[IntArray, FloatArray, IntArray] | None = None
    source = np.arange(len(weight)) * n
    for j in np.lexsort((own_excess, own_weight)).tolist():
        fits = int(np.searchsorted(weight, room - own_weight[j], side="right"))
        if not fits:
            continue
        offer = weight[:fits] + own_weight[j], excess[:fits] + own_excess[j], source[:fits] + j
        merged = offer if merged is None else _merged(merged, offer)
    assert merged is not None
    return merged


def _merged(
    a: tuple[IntArray, FloatArray, IntArray], b: tuple[IntArray, FloatArray, IntArray]
) -> tuple[IntArray, FloatArray, IntArray]:
    """The undominated part of two lists; of equal points the one of the first list."""
    weight = np.concatenate((a[0], b[0]))
    order = np.argsort(weight, kind="stable")
    excess = np.concatenate((a[1], b[1]))[order]
    falls = np.flatnonzero(
        np.concatenate(([True], excess[1:] < np.minimum.accumulate(excess)[:-1]))
    )
    weight = weight[order[falls]]
    last = np.flatnonzero(np.concatenate((weight[1:] != weight[:-1], [True])))
    falls = falls[last]
    return weight[last], excess[falls], np.concatenate((a[2], b[2]))[order[falls]]


def _trimmed(
    weight: IntArray, excess: FloatArray, code: IntArray, most: int, step: float
) -> tuple[IntArray, FloatArray, IntArray, float]:
    """The list with the lightest state of each bin of excess, and 1 + the width of the bins."""
    if step == 0.0 and len(excess) <= most:
        return weight, excess, code, 1.0
    with np.errstate(divide="ignore"):
        logarithm = np.log(excess)
    keep = _lightest_of_bins(logarithm, step)
    if len(keep) > most:
        step, keep = _narrowest_bins(logarithm, most)
    factor = 1.0 if len(keep) == len(excess) else 1.0 + step
    return weight[keep], excess[keep], code[keep], factor


def _narrowest_bins(logarithm: FloatArray, most: int) -> tuple[float, IntArray]:
    """About the smallest width that leaves at most so many bins."""
    narrow = wide = 2.0**-40
    while len(keep := _lightest_of_bins(logarithm, wide)) > most:
        narrow, wide = wide, 2.0 * wide
    for _ in range(_HALVINGS):
        middle = math.sqrt(narrow * wide)
        fewer = _lightest_of_bins(logarithm, middle)
        if len(fewer) > most:
            narrow = middle
        else:
            wide, keep = middle, fewer
    return wide, keep


def _lightest_of_bins(logarithm: FloatArray, step: float) -> IntArray:
    """Positions of the first state of every bin [(1 + step)^k, (1 + step)^(k + 1)) of excess."""
    if step == 0.0:
        return np.arange(len(logarithm))
    bins = np.floor(logarithm / np.log1p(step))
    return np.flatnonzero(np.concatenate(([True], bins[1:] != bins[:-1])))
