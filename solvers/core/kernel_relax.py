"""Linear relaxation in near-linear time, numba kernel.

For instances that are not small (those: :mod:`.kernel_direct`); not all steps are found. For two
multipliers ``a > b`` around the optimal one, each class's best items

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

from .kernel_bracket import all_of, enclose, weight_at
from .kernel_hull import LEAST_SLOPE, below_deepest, drop_dominated, hull_points
from .kernel_sort import falling, sort_items
from .relaxation import NEAR_STEPS as _NEAR_STEPS

NEAR_STEPS = _NEAR_STEPS

# ``SAMPLE`` times the root of the number of classes are drawn, and the place they give is corrected
# twice, or thrice from ``MANY`` classes on, or until that could not narrow the first bracket, which
# is to hold ``MARGIN`` times the steps needed.
SAMPLE = 2.0
MANY = 30_000
MARGIN = 2.0
# From how many items of a class on not all are sorted.
MANY_ITEMS = 16

Steps = namedtuple("Steps", ["slope", "weight", "cls", "head", "rounds"])
# Steps of slopes between ``low`` and ``high``, their order by decreasing slope, the index of the
# break in that order and the room left before it; of each class the item before these steps and
# what leaving it costs at least.
Near = namedtuple("Near", ["steps", "order", "brk", "room", "base", "gap", "high", "low"])


@njit(cache=True, inline="always")
def class_steps(
    item: Any, m: int, slopes: Any, cost: Any, weight: Any, i: int, s: Any, n: int
) -> Any:
    """Append the hull steps of class ``i`` with items ``item[:m]`` to ``s``; the end and rounds."""
    if m >= MANY_ITEMS:
        m = below_deepest(item, m, cost, weight)
    sort_items(item, m, cost, weight)
    m = drop_dominated(item, m, cost)
    m, rounds = hull_points(weight, cost, item, m, slopes)
    for a in range(m - 1):
        s.slope[n], s.weight[n] = slopes[a], weight[item[a + 1]] - weight[item[a]]
        s.cls[n], s.head[n] = i, item[a + 1]
        n += 1
    return n, rounds


@njit(cache=True, inline="always")
def no_steps(size: int) -> Any:
    """Room for some steps."""
    slope, weight = np.empty(size), np.empty(size, dtype=np.int64)
    cls, head = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
    return Steps(slope, weight, cls, head, 0)


@njit(cache=True, inline="always")
def some(s: Any, n: int, rounds: int) -> Any:
    """The first steps."""
    return Steps(s.slope[:n], s.weight[:n], s.cls[:n], s.head[:n], rounds)


@njit(cache=True)
def break_of(steps: Any, order: Any, room: int) -> tuple[int, int]:
    """Index of the first step of an order that does not fit, and the room left before it."""
    brk = 0
    while brk < order.size and steps.weight[order[brk]] <= room:
        room -= steps.weight[order[brk]]
        brk += 1
    return brk, room


@njit(cache=True)
def hull_steps(bracket: Any, cost: Any, weight: Any) -> Any:
    """Hull steps of the undecided classes, class by class."""
    s = no_steps(bracket.item.size)
    largest = 2
    for k in range(bracket.active.size):
        largest = max(largest, bracket.ptr[k + 1] - bracket.ptr[k])
    item, slopes = np.empty(largest, dtype=np.int64), np.empty(largest)
    n = rounds = 0
    for k in range(bracket.active.size):
        first = bracket.ptr[k]
        m = bracket.ptr[k + 1] - first
        x, y = bracket.item[first], bracket.item[first + 1]
        if m == 2 and weight[x] < weight[y] and cost[y] < cost[x]:
            s.weight[n] = weight[y] - weight[x]
            s.slope[n] = max(LEAST_SLOPE, (cost[x] - cost[y]) / np.float64(s.weight[n]))
            s.cls[n], s.head[n] = bracket.active[k], y
            n += 1
            continue
        for a in range(m):
            item[a] = bracket.item[first + a]
        n, r = class_steps(item, m, slopes, cost, weight, bracket.active[k], s, n)
        rounds = max(rounds, r)
    return some(s, n, rounds)


@njit(cache=True, inline="always")
def draw(light: Any, heavy: Any, weight: Any, unit: float) -> Any:
    """Classes drawn in proportion to the weight they span, one every ``unit`` of weight.

    The heaviest are all there, and one with span ``R < unit`` stands for ``unit / R`` classes.
    """
    drawn = np.empty(light.size, dtype=np.int64)
    n = 0
    passed, mark = 0.0, 0.5 * unit
    for i in range(light.size):
        passed += np.float64(weight[heavy[i]] - weight[light[i]])
        if passed > mark:
            drawn[n] = i
            n += 1
            mark = unit * (np.floor(passed / unit - 0.5) + 1.5)
    return drawn[:n].copy()


@njit(cache=True, inline="always")
def curve(sample: Any, unit: float, ends: Any, cost: Any, weight: Any) -> Any:
    """A sample's hull steps by decreasing slope.

    Returns the slopes, and before each the weight that all classes fill and the number of steps
    that they take.
    """
    light, heavy = ends.light, ends.heavy
    steps = hull_steps(sample, cost, weight)
    order = falling(steps.slope)
    filled, taken = np.zeros(order.size + 1), np.zeros(order.size + 1)
    for a in range(order.size):
        i = steps.cls[order[a]]
        stands = max(1.0, unit / np.float64(weight[heavy[i]] - weight[light[i]]))
        filled[a + 1] = filled[a] + steps.weight[order[a]] * stands
        taken[a + 1] = taken[a] + stands
    return steps.slope[order], filled, taken


@njit(cache=True)
def around(slope: Any, filled: Any, taken: Any, goal: float, off: float, more: float) -> Any:
    """Slopes at least ``off`` units of weight and ``more`` steps on either side of a goal.

    Also whether at least half of the steps are between them.
    """
    at = np.searchsorted(filled, max(0.0, goal), side="right") - 1
    before = min(
        np.searchsorted(filled, goal - off, side="right") - 1,
        np.searchsorted(taken, taken[at] - more, side="right") - 1,
        at - 2,
    )
    behind = max(
        np.searchsorted(filled, goal + off, side="right"),
        np.searchsorted(taken, taken[at] + more, side="right"),
        at + 3,
    )
    high = slope[before] * (1.0 + 2.0**-40) if before >= 0 else np.inf
    low = slope[behind] * (1.0 - 2.0**-40) if behind < slope.size else 0.0
    inside = np.searchsorted(-slope, -low, side="right") - np.searchsorted(-slope, -high)
    return high, low, 2 * inside >= slope.size


@njit(cache=True, inline="always")
def find_bracket(offsets: Any, cost: Any, weight: Any, ends: Any, capacity: int) -> Any:
    """A bracket around the break with few items inside.

    The curve of a sample places the break; the weight of all classes there, computed exactly,
    tells by how much the curve is off; the place so corrected is enclosed.
    """
    light, heavy, least, most = ends.light, ends.heavy, ends.least, ends.most
    n = light.size
    if most == least:
        return all_of(offsets, cost, weight, light.copy(), heavy.copy(), np.arange(n))
    total = np.float64(most - least)
    unit = total / (SAMPLE * np.sqrt(n))
    drawn = draw(light, heavy, weight, unit)
    sample = all_of(offsets, cost, weight, light, heavy, drawn)
    slope, filled, taken = curve(sample, unit, ends, cost, weight)
    goal = filled[slope.size] * (np.float64(capacity - least) / total)
    off = (1.0 + 0.6 * np.sqrt(drawn.size)) * unit
    more = MARGIN * NEAR_STEPS
    enough = more * (filled[slope.size] / taken[slope.size])
    guess = light.copy()
    one = slope[0] == slope[slope.size - 1]
    tried, here = np.inf, 0.0
    for _ in range(0 if one else 2 if n < MANY else 3):
        at = min(max(0, np.searchsorted(filled, goal, side="right") - 1), slope.size - 1)
        if slope[at] != tried:
            tried = slope[at]
            here = weight_at(offsets, cost, weight, light, heavy, tried, guess)
        miss = np.float64(capacity) - here
        goal, off = filled[at] + miss, 0.25 * off + 0.1 * abs(miss)
        if off <= enough:
            break
    high, low, crowded = around(slope, filled, taken, goal, off, more)
    while True:
        bracket, at_low = enclose(offsets, cost, weight, ends, guess, high, low, crowded)
        off, more = 4.0 * off, 4.0 * more
        wide = around(slope, filled, taken, goal, off, more)
        crowded = wide[2]
        if bracket.filled > capacity:
            high, low = (wide[0] if wide[0] > high else np.inf), high
        elif at_low <= capacity and low > 0.0:
            high, low = low, (wide[1] if wide[1] < low else 0.0)
        else:
            return bracket


@njit(cache=True, inline="always")
def near_steps(offsets: Any, cost: Any, weight: Any, ends: Any, capacity: int) -> Any:
    """The steps around the break: ``NEAR_STEPS`` and one more at least on either side, or all."""
    bracket = find_bracket(offsets, cost, weight, ends, capacity)
    factor = 1.0
    while True:
        steps = hull_steps(bracket, cost, weight)
        order = falling(steps.slope)
        room = capacity - bracket.filled
        brk, room = break_of(steps, order, room)
        short_up = brk <= NEAR_STEPS and bracket.high < np.inf
        short_down = order.size - brk <= NEAR_STEPS and bracket.low > 0.0
        if not short_up and not short_down:
            at = bracket.high, bracket.low
            return Near(steps, order, brk, room, bracket.light, bracket.gap, at[0], at[1])
        high, low = bracket.high, bracket.low
        wide = max(high / low, 1.0 + 2.0**-8) if low > 0.0 and high < np.inf else 4.0
        wide **= factor
        high, low = (high * wide if short_up else high), (low / wide if short_down else low)
        factor *= 4.0
        guess = bracket.light
        bracket, _ = enclose(offsets, cost, weight, ends, guess, high, low, False)
