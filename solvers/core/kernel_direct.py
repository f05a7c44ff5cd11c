"""Linear relaxation from all hull steps, without sorting them, numba kernel.

For instances of some thousand items: the steps of all classes, then those next to the break alone.
A sample of the slopes, sorted, is searched by the exact weight of the steps above; between two of
its slopes lies the break, and a few slopes further on either side all steps that are needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .kernel_bracket import between, margin
from .kernel_hull import NO_SLOPE
from .kernel_relax import NEAR_STEPS, Near, break_of, class_steps, no_steps, some
from .kernel_sort import falling

# Items up to which all steps are found, and up to which where most classes' hulls are given.
FEW, MANY = 2048, 4096
# Classes looked at for that.
LOOKED_AT = 16
# Slopes drawn, and items up to which all steps are sorted.
SAMPLE, SORTED = 128, 384
GOLDEN = (5.0**0.5 - 1.0) / 2.0
# Slope where there is no step.
NONE = -1.0


@njit(cache=True)
def is_direct(offsets: Any, cost: Any, weight: Any) -> Any:
    """Whether finding all steps is quicker than narrowing brackets."""
    if cost.size <= FEW or cost.size > MANY:
        return cost.size <= FEW
    n = offsets.size - 1
    looked = min(n, LOOKED_AT)
    given = 0
    for k in range(looked):
        i = n * k // looked
        convex, last = True, np.inf
        for j in range(offsets[i] + 1, offsets[i + 1]):
            slope = (cost[j - 1] - cost[j]) / np.float64(max(weight[j] - weight[j - 1], 1))
            convex &= weight[j] > weight[j - 1] and 0.0 < slope < last
            last = slope
        given += convex
    return 2 * given > looked


@njit(cache=True, inline="always", error_model="numpy")
def all_steps(offsets: Any, cost: Any, weight: Any, ends: Any) -> Any:
    """Hull steps of all classes; those of a class stand from behind its first item on.

    As if all items were on the hulls, in this order; then the classes where this is not so.
    """
    total = cost.size
    s = no_steps(total)
    for j in range(total):
        s.head[j] = j
    for j in range(1, total):
        dw = weight[j] - weight[j - 1]
        slope = (cost[j - 1] - cost[j]) / np.float64(max(dw, 1))
        s.weight[j], s.slope[j] = dw, slope if dw > 0 else NONE
    largest = 0
    for i in range(offsets.size - 1):
        largest = max(largest, offsets[i + 1] - offsets[i])
    item, slopes = np.empty(largest + 1, dtype=np.int64), np.empty(largest + 1)
    rounds = 0
    for i in range(offsets.size - 1):
        a, b, x, y = offsets[i], offsets[i + 1], ends.light[i], ends.heavy[i]
        s.slope[a] = NONE
        given, last = (x == a) & (y == b - 1), np.inf
        for j in range(a + 1, b):
            slope = s.slope[np.uint64(j)]
            given &= (slope > 0.0) & (slope < last)
            last = slope
        if not given:
            n = a + 1
            if x != y:
                m = between(a, b, x, y, cost, weight, item, 0)
                n, r = class_steps(item, m, slopes, cost, weight, i, s, n)
                rounds = max(rounds, r)
            s.slope[n:b] = NONE
    return some(s, total, rounds)


@njit(cache=True)
def above(s: Any, slope: float) -> Any:
    """Number and weight of the steps at least so steep."""
    n = w = np.int64(0)
    for k in range(s.slope.size):
        steep = s.slope[k] >= slope
        n += steep
        w += s.weight[k] if steep else 0
    return n, w


@njit(cache=True, inline="always")
def around(s: Any, room: int) -> Any:
    """Slopes around the break with ``NEAR_STEPS`` and one more between on either side, or all."""
    size = s.slope.size
    if size <= SORTED:
        return np.inf, 0.0
    drawn = np.empty(SAMPLE)
    m = 0
    for k in range(SAMPLE):
        drawn[m] = s.slope[np.int64(size * (k * GOLDEN % 1.0))]
        m += drawn[m] > 0.0
    drawn = drawn[:m]
    sample = drawn[falling(drawn)]
    # All steps as steep as the one at ``first`` fit, those as steep as the one at ``last`` do not.
    first, last = -1, m
    fit, over = np.int64(0), np.int64(size)
    while last - first > 1:
        middle = (first + last) >> 1
        n, w = above(s, sample[middle])
        if w <= room:
            first, fit = middle, n
        else:
            last, over = middle, n
    pace_up = pace_down = 1 + (NEAR_STEPS * SAMPLE) // size
    while first >= 0:
        first, pace_up = first - pace_up, 1
        if first < 0 or fit - above(s, sample[first])[0] > NEAR_STEPS:
            break
    while last < m:
        last, pace_down = last + pace_down, 1
        if last >= m or above(s, sample[last])[0] - over > NEAR_STEPS:
            break
    return (sample[first] if first >= 0 else np.inf, sample[last] if last < m else 0.0)


@njit(cache=True, inline="always")
def settle(offsets: Any, cost: Any, weight: Any, s: Any, ends: Any, high: float, low: float) -> Any:
    """The steps below ``high``, as steep as ``low`` at least, and what is settled of each class.

    That is its item before these steps, and its gap: see ``margin``.
    """
    base, gap = ends.light.copy(), np.empty(ends.light.size)
    near = no_steps(s.slope.size)
    steep = min(high, NO_SLOPE)
    # Apart by more than the rounding of a margin.
    over, under = steep * (1.0 + 2.0**-49), low * (1.0 - 2.0**-49)
    n = 0
    for i in range(base.size):
        begin, end = offsets[i] + 1, offsets[i + 1]
        k = begin
        while k < end and s.slope[np.uint64(k)] >= high:
            k += 1
        if k > begin:
            base[i] = s.head[k - 1]
        gap[i] = np.inf
        if k < end and s.slope[k] >= low:
            gap[i] = -np.inf
            while k < end and s.slope[k] >= low:
                near.slope[n], near.weight[n] = s.slope[k], s.weight[k]
                near.cls[n], near.head[n] = i, s.head[k]
                n += 1
                k += 1
        elif begin < end and s.slope[end - 1] > 0.0:
            # All items are on the hull: those next to the base are the closest.
            if k < end:
                gap[i] = (under - s.slope[k]) * np.float64(s.weight[k])
            if k > begin:
                back = (s.slope[k - 1] - over) * np.float64(s.weight[k - 1])
                gap[i] = min(gap[i], back)
        elif begin < end and s.slope[begin] > 0.0:
            gap[i] = margin(offsets[i], end, cost, weight, base[i], over, under)
    return some(near, n, s.rounds), base, gap


@njit(cache=True)
def direct_steps(offsets: Any, cost: Any, weight: Any, ends: Any, capacity: int) -> Any:
    """See :func:`.kernel_relax.near_steps`."""
    s = all_steps(offsets, cost, weight, ends)
    room = capacity - ends.least
    high, low = around(s, room)
    room -= above(s, high)[1]
    steps, base, gap = settle(offsets, cost, weight, s, ends, high, low)
    order = falling(steps.slope)
    brk, room = break_of(steps, order, room)
    return Near(steps, order, brk, room, base, gap, high, low)
