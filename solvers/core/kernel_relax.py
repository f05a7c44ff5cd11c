"""Linear relaxation in near-linear time, numba kernel.

Small instances: hulls of all classes and one sort of their steps, as :mod:`.relaxation` does.
Large ones never sort all classes. For two multipliers ``a > b`` around the optimal one, each
class's best items

    argmin_j c[i, j] + a w[i, j],        argmin_j c[i, j] + b w[i, j]

are found in one pass; where both are the same item the class is decided, and elsewhere only items
between the two remain. The bracket ``(b, a)`` is guessed from the hull steps of a sample of the
undecided classes, checked by the weights it leads to, and narrowed until the steps inside are few;
these are sorted. So the break solution costs a few passes over the data, in the spirit of the
partitioning of Dyer (1984), Zemel (1984) and Pisinger (1995).
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

from .kernel_hull import drop_dominated, hull_points, sort_items
from .relaxation import NEAR_STEPS as _NEAR_STEPS
from .relaxation import NO_SLOPE as _NO_SLOPE

NEAR_STEPS = _NEAR_STEPS
NO_SLOPE = _NO_SLOPE
# Items between the bracket's choices below which all their steps are sorted.
FEW = 2048
SAMPLE = 6144

Bracket = namedtuple(
    "Bracket", ["light", "heavy", "active", "ptr", "item", "filled", "high", "low"]
)
Steps = namedtuple("Steps", ["slope", "weight", "cls", "head", "rounds"])


@njit(cache=True)
def extremes(offsets: Any, cost: Any, weight: Any) -> Any:
    """Lightest and cheapest undominated item of each class; their total weights; what is wrong."""
    n = offsets.size - 1
    light, heavy = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    least = most = np.int64(0)
    total, largest = 0.0, 0.0
    bad = False
    for i in range(n):
        a, b = offsets[i], offsets[i + 1]
        if b <= a:
            bad = True
            break
        x = y = a
        top = np.int64(0)
        for j in range(a, b):
            w, c = weight[j], cost[j]
            bad |= w < 0 or not np.isfinite(c)
            top = max(top, w)
            largest = max(largest, abs(c))
            if w < weight[x] or (w == weight[x] and c < cost[x]):
                x = j
            if c < cost[y] or (c == cost[y] and w < weight[y]):
                y = j
        light[i], heavy[i] = x, y
        total += np.float64(top)
        if total < 2.0**62:
            least += weight[x]
            most += weight[y]
    return light, heavy, least, most, largest, bad or not total < 2.0**62


@njit(cache=True)
def best_item(item: Any, a: int, b: int, cost: Any, weight: Any, slope: float) -> int:
    """Item of ``item[a:b]`` with least ``c + slope w``, the lighter of equals."""
    x = item[a]
    for k in range(a + 1, b):
        j = item[k]
        gain = (cost[j] - cost[x]) + slope * np.float64(weight[j] - weight[x])
        if gain < 0.0 or (gain == 0.0 and weight[j] < weight[x]):
            x = j
    return x


@njit(cache=True)
def best_two(a: int, b: int, cost: Any, weight: Any, high: float, low: float) -> Any:
    """:func:`best_item` of items ``a .. b - 1`` for two slopes."""
    x = y = a
    for j in range(a + 1, b):
        gain = (cost[j] - cost[x]) + high * np.float64(weight[j] - weight[x])
        if gain < 0.0 or (gain == 0.0 and weight[j] < weight[x]):
            x = j
        gain = (cost[j] - cost[y]) + low * np.float64(weight[j] - weight[y])
        if gain < 0.0 or (gain == 0.0 and weight[j] < weight[y]):
            y = j
    return x, y


@njit(cache=True)
def between(j: int, x: int, y: int, cost: Any, weight: Any) -> bool:
    """Whether item ``j`` may lie on the hull between ``x`` and ``y``."""
    if j == x or j == y:
        return True
    return weight[x] < weight[j] < weight[y] and cost[y] < cost[j] < cost[x]


@njit(cache=True)
def whole(offsets: Any, cost: Any, weight: Any, light: Any, heavy: Any, stride: int) -> Any:
    """The bracket ``(0, infinity)`` of every ``stride``-th class."""
    n = offsets.size - 1
    count = total = 0
    for i in range(stride // 2, n, stride):
        count += 1
        total += offsets[i + 1] - offsets[i]
    active, ptr = np.empty(count, dtype=np.int64), np.zeros(count + 1, dtype=np.int64)
    item = np.empty(total, dtype=np.int64)
    k = m = 0
    filled = np.int64(0)
    for i in range(stride // 2, n, stride):
        x, y = light[i], heavy[i]
        filled += weight[x]
        if x == y:
            continue
        for j in range(offsets[i], offsets[i + 1]):
            if between(j, x, y, cost, weight):
                item[m] = j
                m += 1
        active[k] = i
        k += 1
        ptr[k] = m
    return Bracket(light, heavy, active[:k], ptr[: k + 1], item[:m], filled, np.inf, 0.0)


@njit(cache=True)
def at_slopes(
    offsets: Any, cost: Any, weight: Any, lights: Any, heavies: Any, high: float, low: float
) -> Any:
    """The bracket ``(low, high)`` from one pass over all items, and the weight at its low end."""
    n = offsets.size - 1
    light, heavy = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    filled = at_low = np.int64(0)
    k = m = 0
    for i in range(n):
        x, y = best_two(offsets[i], offsets[i + 1], cost, weight, high, low)
        x = lights[i] if high == np.inf else x
        y = heavies[i] if low == 0.0 else y
        light[i], heavy[i] = x, y
        filled += weight[x]
        at_low += weight[y]
        if weight[y] > weight[x]:
            k += 1
            m += offsets[i + 1] - offsets[i]
    active, ptr = np.empty(k, dtype=np.int64), np.zeros(k + 1, dtype=np.int64)
    item = np.empty(m, dtype=np.int64)
    k = m = 0
    for i in range(n):
        x, y = light[i], heavy[i]
        if weight[y] > weight[x]:
            for j in range(offsets[i], offsets[i + 1]):
                if between(j, x, y, cost, weight):
                    item[m] = j
                    m += 1
            active[k] = i
            k += 1
            ptr[k] = m
    return Bracket(light, heavy, active, ptr, item[:m], filled, high, low), at_low


@njit(cache=True)
def hull_steps(bracket: Any, first: int, stride: int, cost: Any, weight: Any) -> Any:
    """Hull steps of every ``stride``-th undecided class from the ``first`` on, class by class."""
    total = 0
    for k in range(first, bracket.active.size, stride):
        total += bracket.ptr[k + 1] - bracket.ptr[k]
    slope, step = np.empty(total), np.empty(total, dtype=np.int64)
    cls, head = np.empty(total, dtype=np.int64), np.empty(total, dtype=np.int64)
    largest = 2
    for k in range(first, bracket.active.size, stride):
        largest = max(largest, bracket.ptr[k + 1] - bracket.ptr[k])
    item, slopes = np.empty(largest, dtype=np.int64), np.empty(largest)
    n = rounds = 0
    for k in range(first, bracket.active.size, stride):
        m = bracket.ptr[k + 1] - bracket.ptr[k]
        item[:m] = bracket.item[bracket.ptr[k] : bracket.ptr[k + 1]]
        sort_items(item, m, cost, weight)
        m = drop_dominated(item, m, cost)
        m, r = hull_points(weight, cost, item, m, slopes)
        rounds = max(rounds, r)
        for a in range(m - 1):
            slope[n], step[n] = slopes[a], weight[item[a + 1]] - weight[item[a]]
            cls[n], head[n] = bracket.active[k], item[a + 1]
            n += 1
    return Steps(slope[:n], step[:n], cls[:n], head[:n], rounds)


@njit(cache=True)
def guess(bracket: Any, part: float, stride: int, cost: Any, weight: Any) -> Any:
    """Two slopes that should enclose the break, from a sample of the undecided classes.

    ``part`` is the capacity to fill inside the bracket as a part of all that could be filled.
    """
    n = bracket.active.size
    sample = hull_steps(bracket, stride // 2 if n > stride else 0, stride, cost, weight)
    order = np.argsort(-sample.slope, kind="mergesort")
    inside = 0.0
    for a in range(order.size):
        inside += np.float64(sample.weight[a])
    goal = inside * part
    at = 0
    filled = 0.0
    while at < order.size and filled + sample.weight[order[at]] <= goal:
        filled += sample.weight[order[at]]
        at += 1
    spread = 4 + int(1.5 * np.sqrt(order.size))
    high, low = bracket.high, bracket.low
    if at - spread >= 0:
        high = min(high, sample.slope[order[at - spread]] * (1.0 + 2.0**-40))
    if at + spread < order.size:
        low = max(low, sample.slope[order[at + spread]] * (1.0 - 2.0**-40))
    return high, low


@njit(cache=True)
def split(bracket: Any, cost: Any, weight: Any, slope: float, capacity: int) -> Any:
    """Move the end of the bracket that lies on the same side of the break as ``slope`` to it."""
    n = bracket.active.size
    z = np.empty(n, dtype=np.int64)
    filled = bracket.filled
    for a in range(n):
        z[a] = best_item(bracket.item, bracket.ptr[a], bracket.ptr[a + 1], cost, weight, slope)
        filled += weight[z[a]] - weight[bracket.light[bracket.active[a]]]
    upper = filled <= capacity
    light, heavy = bracket.light, bracket.heavy
    active, ptr = np.empty(n, dtype=np.int64), np.zeros(n + 1, dtype=np.int64)
    item = np.empty(bracket.item.size, dtype=np.int64)
    k = m = 0
    for a in range(n):
        i = bracket.active[a]
        if upper:
            light[i] = z[a]
        else:
            heavy[i] = z[a]
        x, y = light[i], heavy[i]
        if weight[y] <= weight[x]:
            continue
        for c in range(bracket.ptr[a], bracket.ptr[a + 1]):
            if between(bracket.item[c], x, y, cost, weight):
                item[m] = bracket.item[c]
                m += 1
        active[k] = i
        k += 1
        ptr[k] = m
    if not upper:
        filled = bracket.filled
    high = slope if upper else bracket.high
    low = bracket.low if upper else slope
    return Bracket(
        light, heavy, active[:k].copy(), ptr[: k + 1].copy(), item[:m], filled, high, low
    )


@njit(cache=True)
def find_bracket(offsets: Any, cost: Any, weight: Any, ends: Any, capacity: int) -> Any:
    """A bracket around the break with few items inside."""
    light, heavy, least, most = ends
    n = cost.size
    if n <= FEW:
        return whole(offsets, cost, weight, light.copy(), heavy.copy(), 1)
    stride = max(1, n // min(SAMPLE, max(FEW // 2, n // 8)))
    sample = whole(offsets, cost, weight, light, heavy, min(stride, offsets.size - 1))
    part = (capacity - least) / max(1.0, np.float64(most - least))
    high, low = guess(sample, part, 1, cost, weight)
    bracket, at_low = at_slopes(offsets, cost, weight, light, heavy, high, low)
    if bracket.filled > capacity:
        bracket, at_low = at_slopes(offsets, cost, weight, light, heavy, np.inf, high)
    elif at_low <= capacity and low > 0.0:
        bracket, at_low = at_slopes(offsets, cost, weight, light, heavy, low, 0.0)
    while bracket.item.size > FEW:
        size = bracket.item.size
        full = np.int64(0)
        for k in range(bracket.active.size):
            i = bracket.active[k]
            full += weight[bracket.heavy[i]] - weight[bracket.light[i]]
        part = (capacity - bracket.filled) / max(1.0, np.float64(full))
        stride = max(1, size // min(SAMPLE, max(FEW // 2, size // 8)))
        high, low = guess(bracket, part, min(stride, bracket.active.size), cost, weight)
        if high < bracket.high:
            bracket = split(bracket, cost, weight, high, capacity)
        if bracket.low < low < bracket.high:
            bracket = split(bracket, cost, weight, low, capacity)
        if bracket.item.size > 0.75 * size:
            break
    return bracket


@njit(cache=True)
def near_steps(offsets: Any, cost: Any, weight: Any, ends: Any, capacity: int) -> Any:
    """The steps around the break by decreasing slope, the index of the break, and the bracket.

    Widens the bracket until it holds ``NEAR_STEPS`` and one more on either side, or all.
    """
    bracket = find_bracket(offsets, cost, weight, ends, capacity)
    factor = 4.0
    while True:
        steps = hull_steps(bracket, 0, 1, cost, weight)
        order = np.argsort(-steps.slope, kind="mergesort")
        room = capacity - bracket.filled
        brk = 0
        while brk < order.size and steps.weight[order[brk]] <= room:
            room -= steps.weight[order[brk]]
            brk += 1
        short_up = brk <= NEAR_STEPS and bracket.high < np.inf
        short_down = order.size - brk <= NEAR_STEPS and bracket.low > 0.0
        if not short_up and not short_down:
            return steps, order, brk, room, bracket
        middle = 0.5 * (min(bracket.high, 2.0 * bracket.low + 1e-300) + bracket.low)
        if brk < order.size:
            middle = steps.slope[order[brk]]
        high, low = bracket.high, bracket.low
        if short_up:
            high = middle + factor * (high - middle) if factor < 1e4 else np.inf
        if short_down:
            low = max(0.0, middle - factor * (middle - low)) if factor < 1e4 else 0.0
        factor *= 4.0
        bracket, _ = at_slopes(offsets, cost, weight, ends[0], ends[1], high, low)
