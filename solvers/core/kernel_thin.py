"""An instance without the items that no relaxation takes, numba kernel.

These lie on or above the line through the lightest and the cheapest item of their class. Where most
items do, passes over the others are quicker.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

from .kernel_bracket import MAGNITUDE, MANY, Ends, as_float, ordered
from .kernel_hull import NO_SLOPE
from .kernel_relax import Near

# Classes looked at for the share of items that are left, and the share up to which it pays.
LOOKED_AT, PAYS = 16, 0.65

# ``item`` holds what the items left are in the instance.
Thin = namedtuple("Thin", ["offsets", "cost", "weight", "item", "ends"])


@njit(cache=True)
def mark(a: int, b: int, x: int, y: int, cost: Any, weight: Any, whole: bool, below: Any) -> None:
    """Note which of items ``a .. b - 1`` are below the chord of ``x, y``, neither of these."""
    cx, wx = cost[x], weight[x]
    drop, width = cx - cost[y], np.float64(weight[y] - wx)
    most = drop * width
    # Of integers the products are exact; else rounding might hide that an item is below.
    slack = 0.0 if whole and most < 2.0**52 else 2.0**-45 * most
    for j in range(a, b):
        u = np.uint64(j)
        left = (cost[u] - cx) * width + drop * as_float(weight[u] - wx)
        below[u - np.uint64(a)] = left < slack
    below[x - a] = below[y - a] = 0


@njit(cache=True, inline="always")
def thin(offsets: Any, cost: Any, weight: Any, ends: Any, classes: Any) -> Any:
    """Some classes with the lightest and the cheapest item and those below their chord."""
    n = classes.size
    total = longest = 0
    for i in classes:
        size = offsets[i + 1] - offsets[i]
        total += size
        longest = max(longest, size)
    item, below = np.empty(total + 1, dtype=np.int64), np.empty(longest, dtype=np.int64)
    ptr = np.zeros(n + 1, dtype=np.int64)
    light, heavy = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    m = 0
    for k in range(n):
        i = classes[k]
        a, b, x, y = offsets[i], offsets[i + 1], ends.light[i], ends.heavy[i]
        mark(a, b, x, y, cost, weight, ends.whole, below)
        item[m], light[k] = x, m
        m += y != x
        item[m], heavy[k] = y, m
        m += 1
        for j in range(a, b):
            item[np.uint64(m)] = j
            m += below[np.uint64(j - a)]
        ptr[k + 1] = m
    item = item[:m]
    left = Ends(light, heavy, ends.least, ends.most, ends.whole)
    return Thin(ptr, cost[item], weight[item], item, left)


@njit(cache=True)
def is_thick(offsets: Any, cost: Any, weight: Any, ends: Any) -> Any:
    """Whether so few items are left that leaving the others out pays."""
    n = offsets.size - 1
    if cost.size < MANY * n:
        return False
    looked = min(n, LOOKED_AT)
    classes = n * np.arange(looked) // looked
    size = 0
    for i in classes:
        size += offsets[i + 1] - offsets[i]
    return thin(offsets, cost, weight, ends, classes).item.size <= PAYS * size


@njit(cache=True)
def all_classes(offsets: Any, cost: Any, weight: Any, ends: Any) -> Any:
    """:func:`thin` all classes."""
    return thin(offsets, cost, weight, ends, np.arange(offsets.size - 1))


@njit(cache=True)
def wide_margin(a: int, b: int, cost: Any, weight: Any, x: int, high: float, low: float) -> float:
    """:func:`.kernel_bracket.margin` for processors that do several items at once."""
    c, w = cost[x], weight[x]
    least = np.int64(MAGNITUDE)
    for j in range(a, b):
        u = np.uint64(j)
        dw = as_float(weight[u] - w)
        g = (cost[u] - c) + min(high * dw, low * dw)
        itself = MAGNITUDE * np.int64(u == np.uint64(x))
        least = min(least, ordered(g) | itself)
    return np.int64(least ^ ((least >> 63) & MAGNITUDE)).view(np.float64)


@njit(cache=True)
def restore(offsets: Any, cost: Any, weight: Any, t: Any, near: Any) -> Any:
    """The steps of the instance from those of the thin one, and the gaps to all items.

    An item left out is at no slope better than both ends of its class: so it counts where the base
    is one of these.
    """
    base, gap, head = near.base, near.gap, near.steps.head
    for a in range(head.size):
        head[a] = t.item[head[a]]
    above, below = min(near.high, NO_SLOPE) * (1.0 + 2.0**-49), near.low * (1.0 - 2.0**-49)
    for i in range(base.size):
        k, x, y = base[i], t.ends.light[i], t.ends.heavy[i]
        base[i] = t.item[k]
        if k in (x, y) and x != y and gap[i] > -np.inf:
            gap[i] = wide_margin(offsets[i], offsets[i + 1], cost, weight, base[i], above, below)
    return Near(near.steps, near.order, near.brk, near.room, base, gap, near.high, near.low)
