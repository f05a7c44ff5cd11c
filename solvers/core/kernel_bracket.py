"""Brackets of slopes around the break: each class's best items at both ends, numba kernel."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

from .relaxation import NO_SLOPE as _NO_SLOPE

NO_SLOPE = _NO_SLOPE

Bracket = namedtuple(
    "Bracket", ["light", "heavy", "active", "ptr", "item", "filled", "high", "low"]
)


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
def best_of(a: int, b: int, cost: Any, weight: Any, slope: float) -> Any:
    """:func:`best_item` of items ``a .. b - 1``."""
    x = a
    for j in range(a + 1, b):
        g = (cost[j] - cost[x]) + slope * np.float64(weight[j] - weight[x])
        if g < 0.0 or (g == 0.0 and weight[j] < weight[x]):
            x = j
    return x


@njit(cache=True, inline="always")
def best_two(a: int, b: int, cost: Any, weight: Any, high: float, low: float) -> Any:
    """:func:`best_of` for two slopes.

    Differences from the first item give a guess without branches. Where it is the same item for
    both slopes, as it mostly is, differences from that item prove it right, or else it is wrong.
    """
    x = y = a
    at_x = at_y = 0.0
    c, w = cost[a], weight[a]
    for j in range(a + 1, b):
        dc, dw = cost[j] - c, np.float64(weight[j] - w)
        g = dc + high * dw
        if g < at_x:
            x, at_x = j, g
        g = dc + low * dw
        if g < at_y:
            y, at_y = j, g
    wrong = x != y
    if x == y:
        c, w = cost[x], weight[x]
        for j in range(a, b):
            dw = weight[j] - w
            g = (cost[j] - c) + (high if dw < 0 else low) * np.float64(dw)
            wrong |= (g < 0.0) | ((g == 0.0) & (dw < 0))
    if wrong:
        return best_of(a, b, cost, weight, high), best_of(a, b, cost, weight, low)
    return x, y


@njit(cache=True)
def between(j: int, x: int, y: int, cost: Any, weight: Any) -> Any:
    """Whether item ``j`` may lie on the hull between ``x`` and ``y``: below their chord."""
    if weight[x] < weight[j] < weight[y] and cost[y] < cost[j] < cost[x]:
        left = (cost[x] - cost[j]) * np.float64(weight[y] - weight[x])
        right = (cost[x] - cost[y]) * np.float64(weight[j] - weight[x])
        return left >= right * (1.0 - 2.0**-45)
    return j in (x, y)


@njit(cache=True)
def whole(offsets: Any, cost: Any, weight: Any, light: Any, heavy: Any, classes: Any) -> Any:
    """The bracket ``(0, infinity)`` of some classes."""
    n = classes.size
    total = 0
    for i in classes:
        total += offsets[i + 1] - offsets[i]
    active, ptr = np.empty(n, dtype=np.int64), np.zeros(n + 1, dtype=np.int64)
    item = np.empty(total, dtype=np.int64)
    k = m = 0
    filled = np.int64(0)
    for i in classes:
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
    active, ptr = np.empty(n, dtype=np.int64), np.zeros(n + 1, dtype=np.int64)
    item = np.empty(1024, dtype=np.int64)
    filled = at_low = np.int64(0)
    steep = min(high, NO_SLOPE)
    k = m = 0
    for i in range(n):
        a, b = offsets[i], offsets[i + 1]
        x, y = lights[i], heavies[i]
        if x != y:
            x, y = best_two(a, b, cost, weight, steep, low)
            x = lights[i] if high == np.inf else x
            y = heavies[i] if low == 0.0 else y
        light[i], heavy[i] = x, y
        filled += weight[x]
        at_low += weight[y]
        if weight[y] > weight[x]:
            if m + b - a > item.size:
                item = np.concatenate((item, np.empty(item.size + b - a, dtype=np.int64)))
            for j in range(a, b):
                if between(j, x, y, cost, weight):
                    item[m] = j
                    m += 1
            active[k] = i
            k += 1
            ptr[k] = m
    found = Bracket(light, heavy, active[:k], ptr[: k + 1], item[:m], filled, high, low)
    return found, at_low


@njit(cache=True)
def weight_at(offsets: Any, cost: Any, weight: Any, slope: float) -> float:
    """Total weight of the best items at a slope, up to ties and rounding."""
    total = 0.0
    for i in range(offsets.size - 1):
        a = offsets[i]
        c, w = cost[a], weight[a]
        least, best = 0.0, 0.0
        for j in range(a + 1, offsets[i + 1]):
            dw = np.float64(weight[j] - w)
            g = (cost[j] - c) + slope * dw
            if g < least:
                least, best = g, dw
        total += np.float64(w) + best
    return total


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
def some_of(bracket: Any, drawn: Any) -> Any:
    """The bracket of the classes at some positions."""
    ptr = np.zeros(drawn.size + 1, dtype=np.int64)
    for a in range(drawn.size):
        ptr[a + 1] = ptr[a] + bracket.ptr[drawn[a] + 1] - bracket.ptr[drawn[a]]
    item = np.empty(ptr[drawn.size], dtype=np.int64)
    for a in range(drawn.size):
        item[ptr[a] : ptr[a + 1]] = bracket.item[bracket.ptr[drawn[a]] : bracket.ptr[drawn[a] + 1]]
    b = bracket
    return Bracket(b.light, b.heavy, b.active[drawn], ptr, item, b.filled, b.high, b.low)
