"""Dynamic programming over classes on lists of undominated partial choices."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import FloatArray, Instance, IntArray, fitting, undominated

from ..base import Deadline
from ..excess import BoolArray, ExactCosts, excesses, joined
from .convex import Completions, ConvexFrontier

_HALVINGS = 5
_BLOCK = 1 << 18


class States(NamedTuple):
    """A list of partial choices: weights rise, excesses fall.

    Args:
        weight: (m,) int64.
        excess: (m,) exact cost above the sum of the cheapest items.
        code: (m,) (state before) * (items of the class) + (item taken).
    """

    weight: IntArray
    excess: ExactCosts
    code: IntArray

    @staticmethod
    def start(excess: ExactCosts) -> States:
        """The list before the first class, which chooses nothing."""
        none = np.zeros(1, dtype=np.int64)
        return States(none, excess.zeros(1), none)

    def take(self, index: IntArray) -> States:
        """Some of the states."""
        return States(self.weight[index], self.excess[index], self.code[index])


@dataclass(frozen=True)
class Points:
    """Undominated (weight, excess) pairs, lightest first, and how each was reached.

    Args:
        weight: (m,) int64, strictly increasing.
        stages: per class in the order of the recursion: its index, and for each of its states the
            state before it and the item taken.
        tolerance: every undominated pair (w, e) has a kept one (w', e') with w' <= w and
            e' <= (1 + tolerance) e.
    """

    weight: IntArray
    stages: tuple[tuple[int, NDArray[np.int32], NDArray[np.int32]], ...]
    tolerance: float
    states: int

    def choices(self, points: IntArray) -> IntArray:
        """(len(points), L) item positions of some of the points."""
        found = np.empty((len(points), len(self.stages)), dtype=np.int64)
        state: NDArray[np.integer[Any]] = np.asarray(points)
        for index, parent, item in reversed(self.stages):
            found[:, index] = item[state]
            state = parent[state]
        return found


def undominated_points(
    instance: Instance,
    convex: ConvexFrontier,
    lowest: int,
    highest: int,
    max_states: int,
    tolerance: float,
    deadline: Deadline,
) -> Points:
    """All undominated points that matter for budgets from ``lowest`` to ``highest``.

    With costs as excesses over the cheapest item of each class, which are not negative, the list
    after a class is the undominated part of :

        { (w + w_ij, e + e_ij) : (w, e) in the list before, j in class i }

    Excesses are exact integers. Classes of narrow weight range come first, which keeps the early
    lists short. A state whose linear completion at the highest budget costs more than a known
    choice at the lowest, or that cannot end within the highest, is dropped.

    Where a list would outgrow its share of ``max_states`` it is trimmed: states are put in bins
    of excess of width (1 + delta) and the lightest of each bin stays. After trimming at classes
    with delta_1, delta_2, ... all excesses are within the product of (1 + delta_t) of the true
    ones, because excesses only add up. delta is about the smallest that makes the list
    short enough.

    Args:
        convex: the convex part of the items that fit the highest.
        lowest, highest: range of budgets; the lowest is feasible.
        tolerance: 0, or trim at every class so that the product is at most 1 + tolerance.

    Complexity: O(n m log n_i), m the longest list.

    References:
        G. Nemhauser, Z. Ullmann, Management Science 15 (1969) 494-505 (the lists).
        C. Papadimitriou, M. Yannakakis, FOCS 2000, 86-92 (the trimming).
    """
    known = convex.excess_at(lowest)
    residual = highest - convex.smallest
    step = (1.0 + tolerance) ** (1.0 / len(instance)) - 1.0
    useful = undominated(instance) & fitting(instance, np.array([highest]))
    stages: list[tuple[int, NDArray[np.int32], NDArray[np.int32]]] = []
    states, product = 0, 1.0
    bounded = highest < convex.largest or lowest > convex.smallest
    bound = Completions(convex) if bounded else None
    kept: States | None = None
    for t, (i, items, own_weight, own_excess) in enumerate(classes_of(instance, useful)):
        kept = extended(
            kept or States.start(own_excess), own_weight, own_excess, residual, deadline
        )
        if bound is not None:
            completion = bound.without(i, residual - kept.weight)
            most = known * product * (1.0 + bound.slack)
            kept = kept.take(np.flatnonzero(kept.excess.floats() + completion <= most))
        share = max((max_states - states) // (len(instance) - t), 4)
        kept, factor = _trimmed(kept, share, step)
        product *= factor
        parent, item = np.divmod(kept.code, len(items))
        stages.append((i, parent.astype(np.int32), items[item]))
        states += len(kept.weight)
    assert kept is not None
    return Points(kept.weight + convex.smallest, tuple(stages), product - 1.0, states)


def classes_of(
    instance: Instance, useful: BoolArray
) -> Iterator[tuple[int, NDArray[np.int32], IntArray, ExactCosts]]:
    """Index, item positions, weights above the lightest and excesses of each class.

    Classes come by the width of their range of weights, which keeps the early lists short; items
    by weight, then excess. Excesses are counted from the cheapest useful item.
    """
    at = np.flatnonzero(useful)
    sizes = np.bincount(instance.class_of[at], minlength=len(instance))
    weight = instance.weight[0, at]
    order = np.lexsort((instance.cost[at], weight, instance.class_of[at]))
    at, weight = at[order], weight[order]
    starts = np.concatenate(([0], np.cumsum(sizes)))
    weight = weight - np.repeat(weight[starts[:-1]], sizes)
    excess = excesses(instance.cost[at], starts)
    items = (at - np.repeat(instance.offsets[:-1], sizes)).astype(np.int32)
    for i in np.argsort(weight[starts[1:] - 1], kind="stable").tolist():
        span = slice(int(starts[i]), int(starts[i + 1]))
        yield i, items[span], weight[span], excess[span]


def extended(
    before: States, weight: IntArray, excess: ExactCosts, residual: int, deadline: Deadline
) -> States:
    """The list after one more class, undominated and within the residual capacity, lightest first.

    Args:
        weight, excess: the items of the class; the least of each is 0.
        residual: largest weight.

    Complexity: O(m n log n) for m states and n items.
    """
    n, m = len(weight), len(before.weight)
    block = max(1, _BLOCK // m)
    runs: list[States] = []
    for a in range(0, n, block):
        deadline.check()
        items = np.arange(a, min(a + block, n))
        if weight[items].min() + before.weight[0] > residual:
            continue
        total = np.add.outer(weight[items], before.weight).ravel()
        code = np.add.outer(items, np.arange(m) * n).ravel()
        fits = np.flatnonzero(total <= residual)
        sums = excess[items].outer(before.excess)[fits]
        runs.append(_undominated(States(total[fits], sums, code[fits])))
        while len(runs) > 1 and len(runs[-2].weight) < 2 * len(runs[-1].weight):
            runs[-2:] = [_merged(*runs[-2:])]
    while len(runs) > 1:
        runs[-2:] = [_merged(*runs[-2:])]
    return runs[0]


def _merged(a: States, b: States) -> States:
    return _undominated(
        States(
            np.concatenate((a.weight, b.weight)),
            joined((a.excess, b.excess)),
            np.concatenate((a.code, b.code)),
        )
    )


def _undominated(states: States) -> States:
    """The undominated ones, lightest first; of equal ones the first."""
    states = states.take(np.argsort(states.weight, kind="stable"))
    states = states.take(np.flatnonzero(states.excess.falls()))
    last = np.concatenate((states.weight[1:] != states.weight[:-1], [True]))
    return states.take(np.flatnonzero(last))


def _trimmed(states: States, most: int, step: float) -> tuple[States, float]:
    """The list with the lightest state of each bin of excess, and 1 + the width of the bins."""
    count = len(states.weight)
    if step == 0.0 and count <= most:
        return states, 1.0
    with np.errstate(divide="ignore"):
        logarithm = np.log(states.excess.floats())
    keep = _lightest_of_bins(logarithm, step)
    if len(keep) > most:
        step, keep = _narrowest_bins(logarithm, most)
    return states.take(keep), 1.0 if len(keep) == count else 1.0 + step


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
