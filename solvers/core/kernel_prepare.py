"""Which classes may leave their break item, and the next of them to enter, numba kernel."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

from .kernel_exact import difference, gcd, widen
from .kernel_hull import LEAST_SLOPE, SLACK, bound_in, drop_dominated, segment
from .kernel_sort import sort_items
from .kernel_states import HALF, Far, Pending, Source, Test, passes
from .sequence import TURNS as _TURNS

TURNS = _TURNS

Prepared = namedtuple("Prepared", ["source", "far", "items", "bits", "high", "low", "gcd", "moves"])


@njit(cache=True)
def floor_of(t: Any, e: Any, dc: float, dw: int) -> float:
    """Bound on choices with an item, or infinity where it is beyond the limit or dominated.

    ``F`` lies below its tangent at ``room``, up to the allowance: one multiplication rules most
    items out.
    """
    turn = t.slope * np.float64(dw)
    far = dc + turn > t.ceiling + 2.0**-48 * (abs(dc) + abs(turn))
    if far or (dw > 0 and dc >= 0.0) or dw == 0:
        return np.inf
    bound = bound_in(e, segment(e, t.room - dw), dc, t.room - dw)
    return bound if bound <= t.limit else np.inf


@njit(cache=True)
def floors_of(t: Any, e: Any, dc: Any, dw: Any) -> Any:
    """:func:`floor_of` many items."""
    bound = np.empty(dc.size)
    for k in range(dc.size):
        bound[k] = floor_of(t, e, dc[k], dw[k])
    return bound


@njit(cache=True, inline="always")
def outlying(offsets: Any, cost: Any, weight: Any, base: Any, e: Any, t: Any, gap: Any) -> Any:
    """Classes with items of use, and of these the number, the exponents and the common divisor.

    ``gap``: what leaving the base costs each class at least, at slopes around the break.
    """
    bit_of = cost.view(np.int64)
    n = 0
    for i in range(base.size):
        n += gap[i] <= t.ceiling
    cls, up, down, least = np.empty(n, dtype=np.int64), np.empty(n), np.empty(n), np.empty(n)
    lowest, top = 1 << 30, -(1 << 30)
    divisor = np.int64(0)
    n = items = 0
    for i in range(base.size):
        if gap[i] > t.ceiling:
            continue
        b = base[i]
        c, w = cost[b], weight[b]
        steep, flat, floor = 0.0, np.inf, np.inf
        for j in range(offsets[i], offsets[i + 1]):
            u = np.uint64(j)
            dw, dc = weight[u] - w, cost[u] - c
            bound = floor_of(t, e, dc, dw)
            if bound == np.inf:
                continue
            if dw > 0:
                steep = max(steep, LEAST_SLOPE, -dc / np.float64(dw))
            else:
                flat = min(flat, max(LEAST_SLOPE, -dc / np.float64(dw)))
            floor = min(floor, bound)
            lowest, top = widen(bit_of[j], lowest, top)
            if divisor != 1:
                divisor = gcd(abs(dw), divisor)
            items += 1
        if floor < np.inf:
            lowest, top = widen(bit_of[b], lowest, top)
            cls[n], up[n], down[n], least[n] = i, steep, flat, floor
            n += 1
    far = Far(cls[:n], up[:n], down[:n], least[:n])
    return far, items + n, lowest, top, max(divisor, 1)


@njit(cache=True)
def prepare(offsets: Any, cost: Any, weight: Any, r: Any) -> Any:
    """Find the classes that may leave their break item, and a unit for their exact costs."""
    base, e, moves = r.base, r.envelope, r.moves
    limit = r.gain + SLACK * r.noise + e.allowance
    k = segment(e, r.room)
    ceiling = limit - bound_in(e, k, 0.0, r.room)
    ceiling += e.allowance + 2.0**-40 * abs(ceiling) + LEAST_SLOPE
    test = Test(r.room, limit, ceiling, e.slope[k])
    far, items, unit, top, divisor = outlying(offsets, cost, weight, base, e, test, r.gap)
    bit_of = cost.view(np.int64)
    for k in range(moves.shape[0]):
        unit, top = widen(bit_of[moves[k, 1]], unit, top)
        unit, top = widen(bit_of[base[moves[k, 0]]], unit, top)
    if top < unit:
        unit = top = 0
    bits = top - unit + 1
    count = base.size
    while count:
        count >>= 1
        bits += 1
    high = low = np.int64(0)
    if bits <= 122:
        for k in range(moves.shape[0]):
            h, x = difference(bit_of[moves[k, 1]], bit_of[base[moves[k, 0]]], unit)
            carry = (low + x + HALF) >> 62
            high, low = high + h + carry, low + x - (carry << 62)
    if high > 0 or (high == 0 and low > 0):
        high = low = np.int64(0)
        moves = moves[:0]
    source = Source(offsets, cost, weight, base, e, test, unit)
    return Prepared(source, far, items, bits, high, low, divisor, moves)


@njit(cache=True, inline="always")
def leading(key: Any, worst: float, n: int) -> Any:
    """Indices of the ``n`` largest keys above ``worst``, falling, equal keys by index."""
    best = np.empty(n, dtype=np.int64)
    m = 0
    for i in range(key.size):
        if key[i] > worst:
            at = m if m < n else n - 1
            while at > 0 and key[best[at - 1]] < key[i]:
                best[at] = best[at - 1]
                at -= 1
            best[at] = i
            m = min(m + 1, n)
            if m == n:
                worst = key[best[n - 1]]
    return best[:m]


@njit(cache=True)
def next_classes(far: Any) -> Any:
    """Positions of the classes whose turn is next: see :mod:`.sequence`."""
    ups, downs = leading(far.up, 0.0, TURNS), leading(-far.down, -np.inf, TURNS)
    taken = np.zeros(far.cls.size, dtype=np.bool_)
    order = np.empty(ups.size + downs.size, dtype=np.int64)
    n = 0
    for k in range(max(ups.size, downs.size)):
        if k < ups.size and not taken[ups[k]]:
            order[n] = ups[k]
            taken[ups[k]] = True
            n += 1
        if k < downs.size and not taken[downs[k]]:
            order[n] = downs[k]
            taken[downs[k]] = True
            n += 1
    return order[:n], taken


@njit(cache=True)
def lay_out(s: Any, far: Any, order: Any, limit: float, fine: Any) -> Any:
    """The classes at some positions, with their items of use and the exact costs of these.

    Of use: with a floor within the limit, and through the sieve ``fine``.
    """
    total = longest = 0
    for t in order:
        size = s.offsets[far.cls[t] + 1] - s.offsets[far.cls[t]]
        total += size
        longest = max(longest, size)
    cls, ptr = np.empty(order.size, dtype=np.int64), np.zeros(order.size + 1, dtype=np.int64)
    item, floor = np.empty(total, dtype=np.int64), np.empty(total)
    dw, dc = np.empty(total, dtype=np.int64), np.empty(total)
    high, low = np.empty(total, dtype=np.int64), np.empty(total, dtype=np.int64)
    part, bound = np.empty(longest, dtype=np.int64), np.empty(longest)
    bit_of = s.cost.view(np.int64)
    n = k = 0
    for t in order:
        i = far.cls[t]
        b, first = s.base[i], s.offsets[i]
        m = 0
        for j in range(first, s.offsets[i + 1]):
            change = s.cost[j] - s.cost[b], s.weight[j] - s.weight[b]
            bound[j - first] = np.inf
            if passes(fine, change[0], change[1]):
                bound[j - first] = floor_of(s.test, s.envelope, change[0], change[1])
            if j == b or bound[j - first] <= limit:
                part[m] = j
                m += 1
        sort_items(part, m, s.cost, s.weight)
        m = drop_dominated(part, m, s.cost)
        if m < 2:
            continue
        for a in range(m):
            j = part[a]
            item[k], dw[k], dc[k] = j, s.weight[j] - s.weight[b], s.cost[j] - s.cost[b]
            high[k], low[k] = difference(bit_of[j], bit_of[b], s.unit)
            floor[k] = bound[j - first]
            k += 1
        cls[n] = i
        n += 1
        ptr[n] = k
    return Pending(cls[:n], ptr[: n + 1], item[:k], dw[:k], dc[:k], high[:k], low[:k], floor[:k])
