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
from .kernel_relax import NEAR_STEPS, class_steps, no_steps, some
from .kernel_sort import falling

# Items up to which all steps are found, and up to which where most classes' hulls are given.
FEW, MANY = 2048, 4096
# Classes looked at for that.
LOOKED_AT = 16
# Slopes in the sample, and steps up to which all are sorted.
SAMPLE, SORTED = 96, 256
GOLDEN = (5.0**0.5 - 1.0) / 2.0


@njit(cache=True, inline="always")
def in_order(a: int, b: int, cost: Any, weight: Any, i: int, s: Any, n: int) -> bool:
    """Append the steps of items ``a .. b - 1`` to ``s`` as if all were on the hull, in this order.

    Returns whether they are.
    """
    convex = True
    last = np.inf
    for j in range(a + 1, b):
        dw = weight[j] - weight[j - 1]
        slope = (cost[j - 1] - cost[j]) / np.float64(max(dw, 1))
        convex &= (dw > 0) & (slope < last) & (slope > 0.0)
        s.slope[n], s.weight[n], s.cls[n], s.head[n] = slope, dw, i, j
        last = slope
        n += 1
    return convex


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


@njit(cache=True, inline="always")
def all_steps(offsets: Any, cost: Any, weight: Any, ends: Any) -> Any:
    """Hull steps of all classes, and where those of each begin."""
    light, heavy = ends.light, ends.heavy
    s = no_steps(cost.size)
    ptr = np.zeros(light.size + 1, dtype=np.int64)
    largest = 0
    for i in range(light.size):
        largest = max(largest, offsets[i + 1] - offsets[i])
    item, slopes = np.empty(largest + 1, dtype=np.int64), np.empty(largest + 1)
    n = rounds = 0
    for i in range(light.size):
        a, b, x, y = offsets[i], offsets[i + 1], light[i], heavy[i]
        if x != y:
            if x == a and y == b - 1 and in_order(a, b, cost, weight, i, s, n):
                n += b - a - 1
            else:
                m = between(a, b, x, y, cost, weight, item, 0)
                n, r = class_steps(item, m, slopes, cost, weight, i, s, n)
                rounds = max(rounds, r)
        ptr[i + 1] = n
    return some(s, n, rounds), ptr


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
    sample = np.empty(SAMPLE)
    for k in range(SAMPLE):
        sample[k] = s.slope[np.int64(size * (k * GOLDEN % 1.0))]
    sample = sample[falling(sample)]
    # All steps as steep as the one at ``first`` fit, those as steep as the one at ``last`` do not.
    first, last = -1, sample.size
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
    while last < sample.size:
        last, pace_down = last + pace_down, 1
        if last >= sample.size or above(s, sample[last])[0] - over > NEAR_STEPS:
            break
    return (
        sample[first] if first >= 0 else np.inf,
        sample[last] if last < sample.size else 0.0,
    )


@njit(cache=True, inline="always")
def settle(
    offsets: Any, cost: Any, weight: Any, s: Any, ptr: Any, ends: Any, high: float, low: float
) -> Any:
    """Each class's item after the steps from ``high`` on, and its gap: see ``margin``."""
    base = ends.light.copy()
    gap = np.empty(base.size)
    steep = min(high, NO_SLOPE)
    # Apart by more than the rounding of a margin.
    over, under = steep * (1.0 + 2.0**-49), low * (1.0 - 2.0**-49)
    for i in range(base.size):
        begin, end = ptr[i], ptr[i + 1]
        first = begin
        for k in range(begin, end):
            first += s.slope[k] >= high
        if first > begin:
            base[i] = s.head[first - 1]
        gap[i] = np.inf
        if first < end and s.slope[first] > low:
            gap[i] = -np.inf
        elif end - begin == offsets[i + 1] - offsets[i] - 1:
            # All items are on the hull: those next to the base are the closest.
            if first < end:
                gap[i] = (under - s.slope[first]) * np.float64(s.weight[first])
            if first > begin:
                back = (s.slope[first - 1] - over) * np.float64(s.weight[first - 1])
                gap[i] = min(gap[i], back)
        elif begin < end:
            gap[i] = margin(offsets[i], offsets[i + 1], cost, weight, base[i], over, under)
    return base, gap


@njit(cache=True)
def direct_steps(offsets: Any, cost: Any, weight: Any, ends: Any, capacity: int) -> Any:
    """See :func:`.kernel_relax.near_steps`."""
    s, ptr = all_steps(offsets, cost, weight, ends)
    room = capacity - ends.least
    high, low = around(s, room)
    inside = np.empty(s.slope.size, dtype=np.int64)
    n = 0
    for k in range(s.slope.size):
        inside[n] = k
        n += low < s.slope[k] < high
    inside = inside[:n]
    room -= above(s, high)[1]
    base, gap = settle(offsets, cost, weight, s, ptr, ends, high, low)
    steps = s
    if n < s.slope.size:
        steps = no_steps(n)
        for q in range(n):
            k = inside[q]
            steps.slope[q], steps.weight[q] = s.slope[k], s.weight[k]
            steps.cls[q], steps.head[q] = s.cls[k], s.head[k]
        steps = some(steps, n, s.rounds)
    order = falling(steps.slope)
    brk = 0
    while brk < n and steps.weight[order[brk]] <= room:
        room -= steps.weight[order[brk]]
        brk += 1
    return steps, order, brk, room, base, gap
