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
def hull_steps(bracket: Any, cost: Any, weight: Any) -> Any:
    """Hull steps of the undecided classes, class by class."""
    total = bracket.item.size
    slope, step = np.empty(total), np.empty(total, dtype=np.int64)
    cls, head = np.empty(total, dtype=np.int64), np.empty(total, dtype=np.int64)
    largest = 2
    for k in range(bracket.active.size):
        largest = max(largest, bracket.ptr[k + 1] - bracket.ptr[k])
    item, slopes = np.empty(largest, dtype=np.int64), np.empty(largest)
    n = rounds = 0
    for k in range(bracket.active.size):
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
def draw(classes: Any, light: Any, heavy: Any, weight: Any, count: int) -> Any:
    """About ``count`` of the classes, each drawn in proportion to the weight it spans.

    Every ``T`` units of weight a class is drawn, so that the heaviest are all there and one with
    span ``R < T`` stands for ``T / R`` classes. Returns positions in ``classes``, total, ``T``.
    """
    total = 0.0
    for i in classes:
        total += np.float64(weight[heavy[i]] - weight[light[i]])
    unit = total / count
    drawn = np.empty(classes.size, dtype=np.int64)
    n = 0
    passed, mark = 0.0, 0.5 * unit
    for k in range(classes.size):
        i = classes[k]
        passed += np.float64(weight[heavy[i]] - weight[light[i]])
        if passed > mark:
            drawn[n] = k
            n += 1
            mark = unit * (np.floor(passed / unit - 0.5) + 1.5)
    return drawn[:n].copy(), total, unit


@njit(cache=True)
def curve(sample: Any, unit: float, ends: Any, cost: Any, weight: Any) -> Any:
    """Slopes of a sample's hull steps, decreasing, and the weight all classes fill before each."""
    light, heavy = ends
    steps = hull_steps(sample, cost, weight)
    order = np.argsort(-steps.slope, kind="mergesort")
    filled = np.zeros(order.size + 1)
    for a in range(order.size):
        i = steps.cls[order[a]]
        span = np.float64(weight[heavy[i]] - weight[light[i]])
        filled[a + 1] = filled[a] + steps.weight[order[a]] * max(1.0, unit / span)
    return steps.slope[order], filled


@njit(cache=True)
def around(slope: Any, filled: Any, goal: float, off: float, ranks: int) -> Any:
    """Slopes at least ``off`` units of weight and some ranks on either side of a goal."""
    at = np.searchsorted(filled, goal, side="right") - 1
    before = min(at - ranks, np.searchsorted(filled, goal - off, side="right") - 1)
    behind = max(at + ranks, np.searchsorted(filled, goal + off, side="right"))
    high = slope[before] * (1.0 + 2.0**-40) if before >= 0 else np.inf
    low = slope[behind] * (1.0 - 2.0**-40) if behind < slope.size else 0.0
    return high, low


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
def find_bracket(offsets: Any, cost: Any, weight: Any, ends: Any, capacity: int) -> Any:
    """A bracket around the break with few items inside.

    The curve of a sample places the break; the weight of all classes there, computed exactly,
    tells by how much the curve is off, twice; the third place is enclosed.
    """
    light, heavy, least, _ = ends
    n = cost.size
    every = np.arange(offsets.size - 1)
    if n <= FEW:
        return whole(offsets, cost, weight, light.copy(), heavy.copy(), every)
    wanted = min(max(SAMPLE, int(np.float64(n) ** (2.0 / 3.0))), n // 8)
    drawn, total, unit = draw(every, light, heavy, weight, max(8, wanted * every.size // n))
    sample = whole(offsets, cost, weight, light, heavy, drawn)
    slope, filled = curve(sample, unit, (light, heavy), cost, weight)
    goal = filled[slope.size] * np.float64(capacity - least) / max(1.0, total)
    off = (1.0 + 0.6 * np.sqrt(drawn.size)) * unit
    ranks = 3 + int((NEAR_STEPS + 32) * wanted / n)
    for _ in range(2):
        at = min(max(0, np.searchsorted(filled, goal, side="right") - 1), slope.size - 1)
        miss = np.float64(capacity) - weight_at(offsets, cost, weight, slope[at])
        goal, off = filled[at] + miss, 0.25 * off + 0.1 * abs(miss)
    high, low = around(slope, filled, goal, off, ranks)
    while True:
        bracket, at_low = at_slopes(offsets, cost, weight, light, heavy, high, low)
        off, ranks = 4.0 * off, 4 * ranks
        wide = around(slope, filled, goal, off, ranks)
        if bracket.filled > capacity:
            high, low = (wide[0] if wide[0] > high else np.inf), high
        elif at_low <= capacity and low > 0.0:
            high, low = low, (wide[1] if wide[1] < low else 0.0)
        else:
            return narrow(bracket, cost, weight, capacity)


@njit(cache=True)
def narrow(bracket: Any, cost: Any, weight: Any, capacity: int) -> Any:
    """Narrow a bracket around the break until few items are inside."""
    while bracket.item.size > FEW:
        size = bracket.item.size
        ends = bracket.light, bracket.heavy
        wanted = min(SAMPLE, size // 4)
        count = max(8, wanted * bracket.active.size // size)
        drawn, total, unit = draw(bracket.active, ends[0], ends[1], weight, count)
        slope, filled = curve(some_of(bracket, drawn), unit, ends, cost, weight)
        goal = filled[slope.size] * np.float64(capacity - bracket.filled) / max(1.0, total)
        off = (1.0 + 0.6 * np.sqrt(drawn.size)) * unit
        ranks = 3 + int((NEAR_STEPS + 32) * wanted / size)
        high, low = around(slope, filled, goal, off, ranks)
        if high < bracket.high:
            bracket = split(bracket, cost, weight, high, capacity)
        if bracket.low < low < bracket.high:
            bracket = split(bracket, cost, weight, low, capacity)
        if bracket.item.size > 0.75 * size:
            break
    return bracket


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


@njit(cache=True)
def near_steps(offsets: Any, cost: Any, weight: Any, ends: Any, capacity: int) -> Any:
    """The steps around the break by decreasing slope, the index of the break, and the bracket.

    Widens the bracket until it holds ``NEAR_STEPS`` and one more on either side, or all.
    """
    bracket = find_bracket(offsets, cost, weight, ends, capacity)
    factor = 4.0
    while True:
        steps = hull_steps(bracket, cost, weight)
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
