"""From a bracket to the core problem, numba kernel: :mod:`.core_problem` as loops."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

from .kernel_exact import difference, gcd, widen
from .kernel_hull import SLACK, bound_in, drop_dominated, segment
from .kernel_sort import falling, sort_items
from .kernel_states import HALF, Pending

Prepared = namedtuple(
    "Prepared",
    [
        "base", "room", "multiplier", "envelope", "reach", "pending", "completion", "exponent",
        "bits", "high", "low", "gcd", "hull_bound",
    ],
)  # fmt: skip


@njit(cache=True, inline="always")
def alive_items(
    offsets: Any, cost: Any, weight: Any, base: Any, room: int, e: Any, limit: float, gap: Any
) -> Any:
    """Classes with items whose bound is at most the limit; items by weight; their bounds.

    ``gap``: what leaving the base costs each class at least, at slopes around the break.
    """
    # F lies below its tangent at ``room``: one multiplication rules most items out.
    k0 = segment(e, room)
    slope = e.slope[k0]
    ceiling = limit - bound_in(e, k0, 0.0, room)
    ceiling += 2.0**-40 * abs(ceiling) + 2.0**-1000
    total, size = 0, 0
    cls, ptr = np.empty(64, dtype=np.int64), np.zeros(65, dtype=np.int64)
    item, floor = np.empty(256, dtype=np.int64), np.empty(256)
    part = np.empty(64, dtype=np.int64)
    for i in range(offsets.size - 1):
        if gap[i] > ceiling:
            continue
        b = base[i]
        c, w = cost[b], weight[b]
        m = 0
        for j in range(offsets[i], offsets[i + 1]):
            dc, turn = cost[j] - c, slope * np.float64(weight[j] - w)
            m += dc + turn <= ceiling + 2.0**-48 * (abs(dc) + abs(turn))
        if m < 2:
            continue
        m = 0
        for j in range(offsets[i], offsets[i + 1]):
            dw, dc = weight[j] - w, cost[j] - c
            turn = slope * np.float64(dw)
            if dc + turn <= ceiling + 2.0**-48 * (abs(dc) + abs(turn)):
                x = room - dw
                if j == b or bound_in(e, segment(e, x), dc, x) <= limit:
                    if m == part.size:
                        part = np.concatenate((part, part))
                    part[m] = j
                    m += 1
        if m < 2:
            continue
        sort_items(part, m, cost, weight)
        m = drop_dominated(part, m, cost)
        if m < 2:
            continue
        if total == cls.size:
            cls, ptr = np.concatenate((cls, cls)), np.concatenate((ptr, ptr))
        while size + m > item.size:
            item, floor = np.concatenate((item, item)), np.concatenate((floor, floor))
        for a in range(m):
            item[size + a] = part[a]
            x = room - (weight[part[a]] - w)
            floor[size + a] = bound_in(e, segment(e, x), cost[part[a]] - c, x)
        size += m
        cls[total] = i
        total += 1
        ptr[total] = size
    return cls[:total], ptr[: total + 1], item[:size], floor[:size]


@njit(cache=True, inline="always")
def entry_order(ptr: Any, dw: Any, dc: Any) -> Any:
    """Order of classes: see :mod:`.sequence`."""
    n = ptr.size - 1
    up, down = np.zeros(n), np.full(n, np.inf)
    for i in range(n):
        for j in range(ptr[i], ptr[i + 1]):
            if dw[j] > 0:
                up[i] = max(up[i], -dc[j] / np.float64(dw[j]))
            elif dw[j] < 0:
                down[i] = min(down[i], -dc[j] / np.float64(dw[j]))
    turn = np.full(n, 2 * n, dtype=np.int64)
    order = falling(up)
    for r in range(n):
        if up[order[r]] > 0.0:
            turn[order[r]] = 2 * r
    order = falling(-down)
    for r in range(n):
        if down[order[r]] < np.inf:
            turn[order[r]] = min(turn[order[r]], 2 * r + 1)
    return by_turn(turn)


@njit(cache=True, inline="always")
def by_turn(turn: Any) -> Any:
    """Indices by turn, which is at most twice their number; equal turns by index."""
    begin = np.zeros(2 * turn.size + 2, dtype=np.int64)
    for t in turn:
        begin[t + 1] += 1
    for t in range(1, begin.size):
        begin[t] += begin[t - 1]
    order = np.empty(turn.size, dtype=np.int64)
    for i in range(turn.size):
        order[begin[turn[i]]] = i
        begin[turn[i]] += 1
    return order


@njit(cache=True)
def prepare(offsets: Any, cost: Any, weight: Any, r: Any, reach: float) -> Any:
    """Lay out the classes that may leave their break item."""
    base, e, moves = r.base, r.envelope, r.moves
    limit = r.gain + SLACK * r.noise + e.allowance
    cls, ptr, item, floor = alive_items(offsets, cost, weight, base, r.room, e, limit, r.gap)
    pending, unit, bits, divisor = lay_out(cost, weight, base, cls, ptr, item, floor, moves)
    bit_of = cost.view(np.int64)
    high = low = np.int64(0)
    if bits <= 122:
        for k in range(moves.shape[0]):
            h, x = difference(bit_of[moves[k, 1]], bit_of[base[moves[k, 0]]], unit)
            carry = (low + x + HALF) >> 62
            high, low = high + h + carry, low + x - (carry << 62)
    if high > 0 or (high == 0 and low > 0):
        high = low = np.int64(0)
        moves = moves[:0]
    return Prepared(
        base, r.room, r.multiplier, e, reach, pending, moves, unit, bits, high, low, divisor,
        r.bound,
    )  # fmt: skip


@njit(cache=True, inline="always")
def lay_out(
    cost: Any,
    weight: Any,
    base: Any,
    cls: Any,
    ptr: Any,
    item: Any,
    floor: Any,
    moves: Any,
) -> Any:
    """Return the classes in order of entry with exact costs, the unit, bits, gcd of weights."""
    n, m = cls.size, item.size
    dw, dc = np.empty(m, dtype=np.int64), np.empty(m)
    bit_of = cost.view(np.int64)
    unit, top = 1 << 30, -(1 << 30)
    for i in range(n):
        b = base[cls[i]]
        unit, top = widen(bit_of[b], unit, top)
        for j in range(ptr[i], ptr[i + 1]):
            dw[j], dc[j] = weight[item[j]] - weight[b], cost[item[j]] - cost[b]
            unit, top = widen(bit_of[item[j]], unit, top)
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
    order = entry_order(ptr, dw, dc)
    o_ptr, at = np.zeros(n + 1, dtype=np.int64), np.empty(m, dtype=np.int64)
    high, low = np.zeros(m, dtype=np.int64), np.zeros(m, dtype=np.int64)
    k = 0
    divisor = np.int64(0)
    for t in range(n):
        i = order[t]
        for j in range(ptr[i], ptr[i + 1]):
            at[k] = j
            if divisor != 1:
                divisor = gcd(abs(dw[j]), divisor)
            if bits <= 122:
                high[k], low[k] = difference(bit_of[item[j]], bit_of[base[cls[i]]], unit)
            k += 1
        o_ptr[t + 1] = k
    pending = Pending(cls[order], o_ptr, item[at], dw[at], dc[at], high, low, floor[at])
    return pending, unit, bits, max(divisor, 1)
