"""Hulls and envelopes, numba kernel: :mod:`.relaxation` and :mod:`.envelope` as loops."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

from .envelope import SLACK as _SLACK
from .kernel_sort import falling
from .relaxation import LEAST_SLOPE as _LEAST_SLOPE
from .relaxation import NO_SLOPE as _NO_SLOPE

SLACK = _SLACK
NO_SLOPE, LEAST_SLOPE = _NO_SLOPE, _LEAST_SLOPE
ULP = 2.0**-53

Envelope = namedtuple("Envelope", ["knots", "at", "value", "slope", "slack", "allowance"])


@njit(cache=True)
def drop_dominated(item: Any, m: int, cost: Any) -> int:
    """Keep the items of sorted ``item[:m]`` that are cheaper than all before; return how many."""
    h = 1
    for a in range(1, m):
        if cost[item[a]] < cost[item[h - 1]]:
            item[h] = item[a]
            h += 1
    return h


@njit(cache=True)
def below_deepest(item: Any, m: int, cost: Any, weight: Any) -> int:
    """Keep of ``item[:m]`` what may be on the hull, by one step of quickhull; return how many.

    The lightest, the cheapest, the item deepest below their chord, and those below its chords with
    these two.
    """
    x = y = item[0]
    for a in range(1, m):
        j = item[a]
        if weight[j] < weight[x] or (weight[j] == weight[x] and cost[j] < cost[x]):
            x = j
        if cost[j] < cost[y] or (cost[j] == cost[y] and weight[j] < weight[y]):
            y = j
    drop, width = cost[x] - cost[y], np.float64(weight[y] - weight[x])
    p, depth = x, 0.0
    for a in range(m):
        j = item[a]
        g = (cost[j] - cost[x]) * width + drop * np.float64(weight[j] - weight[x])
        p, depth = (j if g < depth else p), (g if g < depth else depth)
    drop_x, width_x = cost[x] - cost[p], np.float64(weight[p] - weight[x])
    drop_y, width_y = cost[p] - cost[y], np.float64(weight[y] - weight[p])
    # Rounding shall hide none.
    slack_x, slack_y = 2.0**-45 * (drop_x * width_x), 2.0**-45 * (drop_y * width_y)
    h = 0
    for a in range(m):
        j = item[a]
        before = (cost[j] - cost[x]) * width_x + drop_x * np.float64(weight[j] - weight[x])
        behind = (cost[j] - cost[p]) * width_y + drop_y * np.float64(weight[j] - weight[p])
        item[h] = j
        h += (before < slack_x) | (behind < slack_y) | (j == x) | (j == p) | (j == y)
    return h


@njit(cache=True)
def hull_points(w: Any, c: Any, at: Any, m: int, slope: Any) -> tuple[int, int]:
    """Reduce ``at[:m]``, indices into undominated ``w, c``, to their lower hull.

    Returns the number of hull points and of rounds; ``slope[a]`` is left of the step behind ``a``.
    """
    rounds = 0
    while True:
        for a in range(m - 1):
            p, q = at[a], at[a + 1]
            slope[a] = max(LEAST_SLOPE, (c[p] - c[q]) / np.float64(w[q] - w[p]))
        h = 1
        for a in range(1, m - 1):
            if slope[a - 1] > slope[a]:
                at[h] = at[a]
                h += 1
        if m > 1:
            at[h] = at[m - 1]
            h += 1
        if h == m:
            return m, rounds
        m = h
        rounds += 1


@njit(cache=True)
def make_envelope(
    up: Any,
    up_step: Any,
    down: Any,
    down_step: Any,
    first: float,
    last: float,
    reach: float,
    rounds: int,
) -> Any:
    """Return ``F``: see :func:`bitknap.solvers.core.envelope.steps_to_envelope`."""
    outward = 64 * (rounds // 8 + 1) * ULP
    n, m = up.size, down.size
    knots = np.empty(n + m + 1, dtype=np.int64)
    at = np.empty(n + m + 2, dtype=np.int64)
    value = np.empty(n + m + 2)
    slope = np.empty(n + m + 2)
    x, v = np.int64(0), 0.0
    knots[m] = 0
    for k in range(n):
        up[k] = up[k] * (1.0 + outward) + LEAST_SLOPE
    order = falling(up)
    for k in range(n):
        s = up[order[k]]
        at[m + 1 + k], value[m + 1 + k], slope[m + 1 + k] = x, v, s
        x += up_step[order[k]]
        v += s * up_step[order[k]]
        knots[m + 1 + k] = x
    at[m + 1 + n], value[m + 1 + n] = x, v
    slope[m + 1 + n] = last * (1.0 + outward) + LEAST_SLOPE if last > 0.0 else 0.0
    x, v = np.int64(0), 0.0
    for k in range(m):
        down[k] = -max(down[k] * (1.0 - outward) - LEAST_SLOPE, 0.0)
    order = falling(down)
    for k in range(m):
        s = -down[order[k]]
        at[m - k], value[m - k], slope[m - k] = x, v, s
        x -= down_step[order[k]]
        v -= s * down_step[order[k]]
        knots[m - 1 - k] = x
    at[0], value[0], slope[0] = x, v, max(first * (1.0 - outward) - LEAST_SLOPE, 0.0)
    allowance = max(0.0, slope[m + 1] - slope[m]) * reach
    return Envelope(knots, at, value, slope, SLACK + 2.0**-51 * (n + m), allowance)


@njit(cache=True)
def segment(e: Any, room: int) -> int:
    """Index of the segment right of ``room``."""
    knots = e.knots
    at, n = 0, knots.size
    while n > 1:
        half = n >> 1
        at += half if knots[at + half - 1] <= room else 0
        n -= half
    return at + (knots[at] <= room)


@njit(cache=True)
def bound_in(e: Any, k: int, value: float, room: int) -> float:
    """``value - F(room)`` rounded down, ``room`` in segment ``k``."""
    head = e.value[k]
    tail = e.slope[k] * np.float64(room - e.at[k])
    noise = abs(value) + abs(head) + abs(tail)
    return (value - (head + tail)) - e.slack * noise


@njit(cache=True)
def class_envelope(
    ptr: Any, dw: Any, dc: Any, reach: float, steepest: float, flattest: float
) -> Any:
    """Return ``F`` of some classes and more whose slopes are bounded: see :mod:`.envelope`."""
    total = ptr[ptr.size - 1]
    up, down = np.empty(total), np.empty(total)
    up_step, down_step = np.empty(total, dtype=np.int64), np.empty(total, dtype=np.int64)
    at, slope = np.empty(total + 1, dtype=np.int64), np.empty(total + 1)
    n = m = rounds = 0
    for t in range(ptr.size - 1):
        zero = ptr[t]
        while dw[zero] != 0:
            zero += 1
        size = zero - ptr[t] + 1
        for a in range(size):
            at[a] = ptr[t] + a
        size, r = hull_points(dw, dc, at, size, slope)
        rounds = max(rounds, r)
        for a in range(size - 1):
            if slope[a] < flattest:
                down[m], down_step[m] = slope[a], dw[at[a + 1]] - dw[at[a]]
                m += 1
        size = ptr[t + 1] - zero
        for a in range(size):
            at[a] = zero + a
        size, r = hull_points(dw, dc, at, size, slope)
        rounds = max(rounds, r)
        for a in range(size - 1):
            if slope[a] > steepest:
                up[n], up_step[n] = slope[a], dw[at[a + 1]] - dw[at[a]]
                n += 1
    return make_envelope(
        up[:n], up_step[:n], down[:m], down_step[:m], flattest, steepest, reach, rounds
    )
