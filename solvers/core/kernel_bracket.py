"""Brackets of slopes around the break: each class's best items at both ends, numba kernel.

Loops over items index by unsigned integers: a signed one may be negative for all that numba knows,
and counting from the end instead is a third of such a loop's instructions.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

from .relaxation import NO_SLOPE as _NO_SLOPE

NO_SLOPE = _NO_SLOPE
# All bits of a float but its sign, and those of infinity.
MAGNITUDE, INFINITE = (1 << 63) - 1, 0x7FF << 52
# Bits of ``2**52`` and of ``2**84``: with the halves of ``n + 2**62`` in their last 32 bits these
# floats add up to ``n + BEYOND``.
LOW_HALF, HIGH_HALF, BEYOND = 0x433 << 52, 0x453 << 52, 2.0**84 + 2.0**62 + 2.0**52
# From how many items on a class is large.
MANY = 32

# Lightest and cheapest undominated item of each class, their total weights, and whether all costs
# are integers.
Ends = namedtuple("Ends", ["light", "heavy", "least", "most", "whole"])
Bracket = namedtuple(
    "Bracket", ["light", "heavy", "active", "ptr", "item", "filled", "high", "low", "gap"]
)


@njit(cache=True, inline="always")
def precise_ends(a: int, b: int, cost: Any, weight: Any) -> Any:
    """Lightest and cheapest of items ``a .. b - 1``, equals by cost or weight, then the first."""
    x = y = a
    for j in range(a + 1, b):
        u = np.uint64(j)
        w, c = weight[u], cost[u]
        if w < weight[x] or (w == weight[x] and c < cost[x]):
            x = j
        if c < cost[y] or (c == cost[y] and w < weight[y]):
            y = j
    return x, y


@njit(cache=True, inline="always")
def equals(a: int, b: int, cost: Any, weight: Any, c: float, w: int) -> int:
    """How often items ``a .. b - 1`` have that cost, and that weight."""
    n = 0
    for j in range(a, b):
        u = np.uint64(j)
        n += (cost[u] == c) + (weight[u] == w)
    return n


@njit(cache=True, inline="always")
def as_float(n: int) -> float:
    """The integer ``|n| < 2**62`` as a float.

    By its halves: few processors convert several integers of 64 bits at once.
    """
    shifted = n + (1 << 62)
    high = np.int64((shifted >> 32) | HIGH_HALF).view(np.float64)
    low = np.int64((shifted & 0xFFFFFFFF) | LOW_HALF).view(np.float64)
    return (high - BEYOND) + low


@njit(cache=True, inline="always")
def ordered(c: float) -> int:
    """An integer that compares with others as the float does."""
    bits = np.float64(c + 0.0).view(np.int64)
    return bits ^ ((bits >> 63) & MAGNITUDE)


@njit(cache=True, inline="always")
def many_ends(a: int, b: int, cost: Any, weight: Any) -> Any:
    """Lightest and cheapest of items ``a .. b - 1``, and whether one has an equal in that.

    In passes of integer operations, for processors that do several at once.
    """
    w = c = np.int64(MAGNITUDE)
    for j in range(a, b):
        u = np.uint64(j)
        w, c = min(w, weight[u]), min(c, ordered(cost[u]))
    x = y = b
    found = 0
    for j in range(a, b):
        u = np.uint64(j)
        lightest, cheapest = weight[u] == w, ordered(cost[u]) == c
        x, y = min(x, j if lightest else b), min(y, j if cheapest else b)
        found += np.int64(lightest) + np.int64(cheapest)
    return x, y, found > 2


@njit(cache=True, inline="always")
def survey(cost: Any, weight: Any) -> Any:
    """Bits of the largest absolute cost, whether all are integers, and the weights' bits ored."""
    bit_of = cost.view(np.int64)
    largest = used = np.int64(0)
    broken = np.int64(0)
    for j in range(cost.size):
        largest = max(largest, bit_of[j] & MAGNITUDE)
        broken |= np.int64(np.floor(cost[j]) != cost[j])
        used |= weight[j]
    return largest, broken == 0, used


@njit(cache=True, inline="always")
def heaviest(offsets: Any, weight: Any) -> float:
    """The sum over classes of the largest weight."""
    total = 0.0
    for i in range(offsets.size - 1):
        top = np.int64(0)
        for j in range(offsets[i], offsets[i + 1]):
            top = max(top, weight[np.uint64(j)])
        total += np.float64(top)
    return total


@njit(cache=True)
def extremes(offsets: Any, cost: Any, weight: Any) -> Any:
    """The ends of all classes, the largest absolute cost, and whether something is wrong.

    Without branches on items, which nobody can foretell, but for classes where the lightest or
    cheapest may have an equal.
    """
    n = offsets.size - 1
    light, heavy = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    least = most = np.int64(0)
    largest, whole, used = survey(cost, weight)
    bad = used < 0 or largest >= INFINITE
    for i in range(n):
        a, b = offsets[i], offsets[i + 1]
        if not 0 <= a < b <= cost.size:
            bad = True
        if bad:
            break
        if b - a >= MANY:
            x, y, tie = many_ends(a, b, cost, weight)
            w = weight[x]
        else:
            x = y = a
            w, c = weight[a], cost[a]
            tie = False
            for j in range(a + 1, b):
                u = np.uint64(j)
                v, d = weight[u], cost[u]
                tie |= (v == w) | (d == c)
                x, w = (j if v < w else x), (v if v < w else w)
                y, c = (j if d < c else y), (d if d < c else c)
            tie = tie and equals(a, b, cost, weight, c, w) > 2
        if tie:
            x, y = precise_ends(a, b, cost, weight)
        light[i], heavy[i] = x, y
        least += w
        most += weight[y]
    if not bad and np.float64(used) * np.float64(n) >= 2.0**62:
        bad = not heaviest(offsets, weight) < 2.0**62
    top = np.array([largest]).view(np.float64)[0]
    return Ends(light, heavy, least, most, whole), top, bad


@njit(cache=True)
def fix(offsets: Any, weight: Any, ends: Any, fixed: Any) -> Any:
    """Leave the classes of some items nothing else; return the ends after that."""
    light, heavy, least, most = ends.light, ends.heavy, ends.least, ends.most
    for j in fixed:
        i = np.searchsorted(offsets, j, side="right") - 1
        least += weight[j] - weight[light[i]]
        most += weight[j] - weight[heavy[i]]
        light[i] = heavy[i] = j
    return Ends(light, heavy, least, most, ends.whole)


@njit(cache=True, inline="always")
def best_from(x: int, a: int, b: int, cost: Any, weight: Any, slope: float) -> Any:
    """Item of ``a .. b - 1`` with least ``c + slope w``, ``x`` or else the first of equals."""
    c, w = cost[x], weight[x]
    best, least = x, 0.0
    for j in range(a, b):
        u = np.uint64(j)
        g = (cost[u] - c) + slope * np.float64(weight[u] - w)
        better = g < least
        best = j if better else best
        least = g if better else least
    return best


@njit(cache=True, inline="always")
def best_at_both(x: int, a: int, b: int, cost: Any, weight: Any, high: float, low: float) -> Any:
    """:func:`best_from` item ``x`` at either slope, in one pass."""
    c, w = cost[x], weight[x]
    first = last = x
    least_high = least_low = 0.0
    for j in range(a, b):
        u = np.uint64(j)
        dc, dw = cost[u] - c, np.float64(weight[u] - w)
        g, h = dc + high * dw, dc + low * dw
        first, least_high = (j if g < least_high else first), (g if g < least_high else least_high)
        last, least_low = (j if h < least_low else last), (h if h < least_low else least_low)
    return first, last


@njit(cache=True, inline="always")
def are_best(
    x: int, y: int, a: int, b: int, cost: Any, weight: Any, high: float, low: float
) -> Any:
    """Whether no item is better than ``x`` at one slope, nor than ``y`` at the other."""
    cx, wx, cy, wy = cost[x], weight[x], cost[y], weight[y]
    better = False
    for j in range(a, b):
        u = np.uint64(j)
        better |= (cost[u] - cx) + high * np.float64(weight[u] - wx) < 0.0
        better |= (cost[u] - cy) + low * np.float64(weight[u] - wy) < 0.0
    return not better


@njit(cache=True, inline="always")
def is_step(a: int, b: int, cost: Any, weight: Any, x: int, y: int, high: float, low: float) -> Any:
    """Whether the chord of items ``x, y`` is steeper than ``low``, flatter than ``high``, and below
    all of the items ``a .. b - 1``, whose costs are integers.

    ``x`` is the lightest, ``y`` the cheapest: of points below the chord, the products are exact.
    """
    cx, wx = cost[x], weight[x]
    drop, width = cx - cost[y], np.float64(weight[y] - wx)
    if not (low * width < drop < high * width and drop * width < 2.0**40):
        return False
    for j in range(a, b):
        u = np.uint64(j)
        if (cost[u] - cx) * width + drop * np.float64(weight[u] - wx) < 0.0:
            return False
    return True


@njit(cache=True, inline="always")
def margin(a: int, b: int, cost: Any, weight: Any, x: int, high: float, low: float) -> float:
    """What leaving item ``x`` for another of ``a .. b - 1`` costs at least at slopes between."""
    c, w = cost[x], weight[x]
    least = np.inf
    for j in range(a, b):
        u = np.uint64(j)
        dw = weight[u] - w
        g = (cost[u] - c) + (high if dw < 0 else low) * np.float64(dw)
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
        u = np.uint64(j)
        w, c = weight[u], cost[u]
        left, right = (cx - c) * width, drop * np.float64(w - wx)
        # On the chord, unless costs are fractions and rounding hides that it is below.
        on = (left == right) & (right < top) & (np.floor(cx - c) == cx - c)
        inside = (wx < w) & (w < wy) & (cy < c) & (c < cx)
        item[np.uint64(m)] = j
        m += (inside & (left >= right * (1.0 - 2.0**-45)) & ~on) | (j == x) | (j == y)
    return m


@njit(cache=True)
def all_of(offsets: Any, cost: Any, weight: Any, light: Any, heavy: Any, classes: Any) -> Any:
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
    ends: Any,
    guess: Any,
    high: float,
    low: float,
    crowded: bool,
) -> Any:
    """The bracket ``(low, high)`` from one pass over all items, and the weight at its low end.

    A class is decided where its guessed item is better than all others at both ends; in a crowded
    bracket hardly any is, and none is looked at for that.
    """
    n = offsets.size - 1
    lights, heavies, whole = ends.light, ends.heavy, ends.whole
    light, active, gap = guess.copy(), np.empty(n, dtype=np.int64), np.empty(n)
    filled = np.int64(0)
    steep = min(high, NO_SLOPE)
    # Apart by more than the rounding of a margin.
    above, below = steep * (1.0 + 2.0**-49), low * (1.0 - 2.0**-49)
    open_ = total = 0
    for i in range(n):
        decided = lights[i] == heavies[i]
        gap[i] = np.inf
        if not (decided or crowded):
            gap[i] = margin(offsets[i], offsets[i + 1], cost, weight, guess[i], above, below)
            decided = gap[i] > 0.0
        if decided:
            filled += weight[guess[i]]
        else:
            active[open_] = i
            open_ += 1
            total += offsets[i + 1] - offsets[i]
    heavy = light.copy()
    ptr, item = np.zeros(open_ + 1, dtype=np.int64), np.empty(total + 1, dtype=np.int64)
    at_low = filled
    k = m = 0
    for t in range(open_):
        i = active[t]
        a, b = offsets[i], offsets[i + 1]
        x, y = lights[i], heavies[i]
        step = whole and crowded and is_step(a, b, cost, weight, x, y, high, low)
        if not step:
            x, y = best_at_both(guess[i], a, b, cost, weight, steep, low)
            x, y = (lights[i] if high == np.inf else x), (heavies[i] if low == 0.0 else y)
            # Seen from an item of much higher cost, rounding may have hidden better ones.
            for _ in range(a, b):
                if are_best(x, y, a, b, cost, weight, steep, low):
                    break
                x, y = (
                    best_from(x, a, b, cost, weight, steep),
                    best_from(y, a, b, cost, weight, low),
                )
        filled += weight[x]
        at_low += weight[y]
        light[i], heavy[i], gap[i] = x, y, -np.inf
        width = np.float64(weight[y] - weight[x])
        if width > 0.0:
            # An integer point below the chord is so by 1 / width at least; one above both ends'
            # lines by less than the width times what their slopes differ.
            if step or (whole and (high - low) * width * width < 0.5):
                item[m], item[m + 1] = x, y
                m += 2
            else:
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
