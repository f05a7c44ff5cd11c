"""Brackets of slopes around the break: each class's best items at both ends, numba kernel."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

from .relaxation import NO_SLOPE as _NO_SLOPE

NO_SLOPE = _NO_SLOPE

Bracket = namedtuple(
    "Bracket", ["light", "heavy", "active", "ptr", "item", "filled", "high", "low", "gap"]
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


@njit(cache=True, inline="always")
def best_from(x: int, a: int, b: int, cost: Any, weight: Any, slope: float) -> Any:
    """Item of ``a .. b - 1`` with least ``c + slope w``, ``x`` or else the first of equals."""
    c, w = cost[x], weight[x]
    best, least = x, 0.0
    for j in range(a, b):
        g = (cost[j] - c) + slope * np.float64(weight[j] - w)
        better = g < least
        best = j if better else best
        least = g if better else least
    return best


@njit(cache=True, inline="always")
def margin(a: int, b: int, cost: Any, weight: Any, x: int, high: float, low: float) -> float:
    """What leaving item ``x`` for another of ``a .. b - 1`` costs at least at slopes between."""
    c, w = cost[x], weight[x]
    least = np.inf
    for j in range(a, b):
        dw = weight[j] - w
        g = (cost[j] - c) + (high if dw < 0 else low) * np.float64(dw)
        g = np.inf if j == x else g
        least = g if g < least else least
    return least


@njit(cache=True)
def between(a: int, b: int, x: int, y: int, cost: Any, weight: Any, item: Any, m: int) -> int:
    """Append to ``item[:m]`` those of ``a .. b - 1`` below the chord of ``x, y``, and these two.

    Only they may lie on the hull between ``x`` and ``y``. Without branches, which here nobody can
    foretell. Returns the new ``m``; ``item`` needs room for one more.
    """
    wx, wy, cx, cy = weight[x], weight[y], cost[x], cost[y]
    width, drop = np.float64(wy - wx), cx - cy
    top = 2.0**53 if np.floor(drop) == drop else 0.0
    for j in range(a, b):
        w, c = weight[j], cost[j]
        left, right = (cx - c) * width, drop * np.float64(w - wx)
        # On the chord, unless costs are fractions and rounding hides that it is below.
        on = (left == right) & (right < top) & (np.floor(cx - c) == cx - c)
        inside = (wx < w) & (w < wy) & (cy < c) & (c < cx)
        item[m] = j
        m += (inside & (left >= right * (1.0 - 2.0**-45)) & ~on) | (j == x) | (j == y)
    return m


@njit(cache=True)
def whole(offsets: Any, cost: Any, weight: Any, light: Any, heavy: Any, classes: Any) -> Any:
    """The bracket ``(0, infinity)`` of some classes."""
    n = classes.size
    total = 0
    for i in classes:
        total += offsets[i + 1] - offsets[i]
    active, ptr = np.empty(n, dtype=np.int64), np.zeros(n + 1, dtype=np.int64)
    item = np.empty(total + 1, dtype=np.int64)
    gap = np.full(n, np.inf)
    k = m = 0
    filled = np.int64(0)
    for t in range(n):
        i = classes[t]
        x, y = light[i], heavy[i]
        filled += weight[x]
        if x == y:
            continue
        gap[t] = -np.inf
        m = between(offsets[i], offsets[i + 1], x, y, cost, weight, item, m)
        active[k] = i
        k += 1
        ptr[k] = m
    return Bracket(light, heavy, active[:k], ptr[: k + 1], item[:m], filled, np.inf, 0.0, gap)


@njit(cache=True)
def enclose(
    offsets: Any,
    cost: Any,
    weight: Any,
    lights: Any,
    heavies: Any,
    guess: Any,
    high: float,
    low: float,
) -> Any:
    """The bracket ``(low, high)`` from one pass over all items, and the weight at its low end.

    A class is decided where its guessed item is better than all others at both ends.
    """
    n = offsets.size - 1
    light, active, gap = guess.copy(), np.empty(n, dtype=np.int64), np.empty(n)
    filled = np.int64(0)
    steep = min(high, NO_SLOPE)
    # Apart by more than the rounding of a margin.
    above, below = steep * (1.0 + 2.0**-49), low * (1.0 - 2.0**-49)
    open_ = total = 0
    for i in range(n):
        x = guess[i]
        filled += weight[x]
        gap[i] = np.inf
        if lights[i] != heavies[i]:
            gap[i] = margin(offsets[i], offsets[i + 1], cost, weight, x, above, below)
            if not gap[i] > 0.0:
                active[open_] = i
                open_ += 1
                total += offsets[i + 1] - offsets[i]
    heavy = light.copy()
    ptr, item = np.zeros(open_ + 1, dtype=np.int64), np.empty(total + 1, dtype=np.int64)
    at_low = filled
    k = m = 0
    for t in range(open_):
        i = active[t]
        a, b, x = offsets[i], offsets[i + 1], guess[i]
        y = heavies[i] if low == 0.0 else best_from(x, a, b, cost, weight, low)
        x = lights[i] if high == np.inf else best_from(x, a, b, cost, weight, steep)
        filled += weight[x] - weight[guess[i]]
        at_low += weight[y] - weight[guess[i]]
        light[i], heavy[i], gap[i] = x, y, -np.inf
        if weight[y] > weight[x]:
            m = between(a, b, x, y, cost, weight, item, m)
            active[k] = i
            k += 1
            ptr[k] = m
    found = Bracket(light, heavy, active[:k], ptr[: k + 1], item[:m], filled, high, low, gap)
    return found, at_low


@njit(cache=True)
def weight_at(
    offsets: Any, cost: Any, weight: Any, light: Any, heavy: Any, slope: float, best: Any
) -> float:
    """Total weight of the best items at a slope, up to ties and rounding; notes these items."""
    total = 0.0
    for i in range(offsets.size - 1):
        x = light[i]
        if x != heavy[i]:
            x = best_from(x, offsets[i], offsets[i + 1], cost, weight, slope)
        best[i] = x
        total += np.float64(weight[x])
    return total
