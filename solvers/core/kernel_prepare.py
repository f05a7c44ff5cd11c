"""From a bracket to the core problem, numba kernel: :mod:`.core_problem` as loops."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

from .kernel_hull import (
    NO_SLOPE,
    SLACK,
    bound_in,
    drop_dominated,
    make_envelope,
    segment,
    sort_items,
)
from .kernel_relax import NEAR_STEPS, near_steps
from .kernel_search import HALF, Pending
from .relaxation import HUGE as _HUGE

HUGE = _HUGE

Relaxed = namedtuple(
    "Relaxed",
    ["base", "room", "multiplier", "at_break", "huge", "envelope", "moves", "gain", "noise"],
)
Prepared = namedtuple(
    "Prepared",
    [
        "base", "room", "multiplier", "envelope", "reach", "pending", "completion", "exponent",
        "bits", "high", "low", "gcd", "hull_bound",
    ],
)  # fmt: skip


@njit(cache=True)
def complete(steps: Any, order: Any, brk: int, room: int, base: Any, foot: Any) -> Any:
    """Take the steps behind the break that still fit; return ``(class, item)`` moved, by class."""
    n = min(order.size - brk, NEAR_STEPS)
    cls, item = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    m = 0
    for k in range(n):
        a = order[brk + k]
        i = steps.cls[a]
        at = 0
        while at < m and cls[at] != i:
            at += 1
        stands = item[at] if at < m else base[i]
        if foot[a] == stands and steps.weight[a] <= room:
            room -= steps.weight[a]
            cls[at], item[at] = i, steps.head[a]
            m = max(m, at + 1)
    by_class = np.argsort(cls[:m], kind="mergesort")
    moves = np.empty((m, 2), dtype=np.int64)
    for k in range(m):
        moves[k, 0], moves[k, 1] = cls[by_class[k]], item[by_class[k]]
    return moves


@njit(cache=True)
def best_move(offsets: Any, cost: Any, weight: Any, base: Any, room: int) -> Any:
    """Class, item and change of cost of the cheapest move that fits, the lighter of equals."""
    cls, item, least, lightest = -1, -1, 0.0, np.int64(0)
    for i in range(base.size):
        c, w = cost[base[i]], weight[base[i]]
        hit = False
        for j in range(offsets[i], offsets[i + 1]):
            hit |= (cost[j] - c <= least) & (weight[j] - w <= room)
        if not hit:
            continue
        for j in range(offsets[i], offsets[i + 1]):
            dc, dw = cost[j] - c, weight[j] - w
            if dw <= room and (dc < least or (dc == least and dc < 0.0 and dw < lightest)):
                cls, item, least, lightest = i, j, dc, dw
    return cls, item, least


@njit(cache=True)
def feet(steps: Any, bracket: Any) -> Any:
    """Item from which each step starts."""
    foot = np.empty(steps.head.size, dtype=np.int64)
    for a in range(foot.size):
        follows = a > 0 and steps.cls[a - 1] == steps.cls[a]
        foot[a] = steps.head[a - 1] if follows else bracket.light[steps.cls[a]]
    return foot


@njit(cache=True)
def first_envelope(steps: Any, order: Any, brk: int, reach: float) -> Any:
    """``F`` of all classes from the steps next to the break."""
    begin, end = max(0, brk - NEAR_STEPS), min(order.size, brk + NEAR_STEPS)
    up, down = steps.slope[order[brk:end]], steps.slope[order[begin:brk]]
    up_step, down_step = steps.weight[order[brk:end]], steps.weight[order[begin:brk]]
    first = steps.slope[order[begin - 1]] if begin > 0 else NO_SLOPE
    last = steps.slope[order[end]] if end < order.size else 0.0
    return make_envelope(up, up_step, down, down_step, first, last, reach, steps.rounds)


@njit(cache=True)
def alive_items(
    offsets: Any, cost: Any, weight: Any, base: Any, room: int, e: Any, limit: float
) -> Any:
    """Classes with items whose bound is at most the limit; items by weight; their bounds."""
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


@njit(cache=True)
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
    order = np.argsort(-up, kind="mergesort")
    for r in range(n):
        if up[order[r]] > 0.0:
            turn[order[r]] = 2 * r
    order = np.argsort(down, kind="mergesort")
    for r in range(n):
        if down[order[r]] < np.inf:
            turn[order[r]] = min(turn[order[r]], 2 * r + 1)
    return np.argsort(turn, kind="mergesort")


@njit(cache=True)
def parts(bits: int) -> tuple[int, int]:
    """Signed mantissa and exponent of a float given by its bits."""
    exponent = (bits >> 52) & 0x7FF
    m = bits & ((1 << 52) - 1)
    if exponent:
        m |= 1 << 52
    else:
        exponent = 1
    return (-m if bits < 0 else m), exponent - 1075


@njit(cache=True)
def widen(bits: int, low: int, high: int) -> tuple[int, int]:
    """Extend the exponents of the lowest and the highest bit met so far by those of a float."""
    m, e = parts(bits)
    m = abs(m)
    if m == 0:
        return low, high
    top = e + 53
    while m >> (top - e - 1) == 0:
        top -= 1
    while m & 0xFF == 0:
        m >>= 8
        e += 8
    while m & 1 == 0:
        m >>= 1
        e += 1
    return min(low, e), max(high, top)


@njit(cache=True)
def limbs(bits: int, unit: int) -> tuple[int, int]:
    """A float as two limbs in units of ``2**unit``."""
    m, e = parts(bits)
    if m == 0:
        return np.int64(0), np.int64(0)
    shift = e - unit
    if shift < 0:
        m >>= -shift
        shift = 0
    if shift >= 62:
        return m << (shift - 62), np.int64(0)
    high, low = m >> (62 - shift), (m & ((1 << (62 - shift)) - 1)) << shift
    carry = (low + HALF) >> 62
    return high + carry, low - (carry << 62)


@njit(cache=True)
def difference(a: int, b: int, unit: int) -> tuple[int, int]:
    """Exact ``a - b`` of floats given by their bits."""
    ah, al = limbs(a, unit)
    bh, bl = limbs(b, unit)
    high, low = ah - bh, al - bl
    carry = (low + HALF) >> 62
    return high + carry, low - (carry << 62)


@njit(cache=True)
def gcd(a: int, b: int) -> int:
    """Greatest common divisor."""
    while b:
        a, b = b, a % b
    return a


@njit(cache=True)
def relax(
    offsets: Any,
    cost: Any,
    weight: Any,
    capacity: int,
    ends: Any,
    reach: float,
    rival: Any,
    given: Any,
) -> Any:
    """Solve the relaxation and find a first incumbent: greedy, one move, or the rival if given.

    ``rival`` holds items, or nothing; ``given`` are the costs they are priced at.
    """
    steps, order, brk, room, bracket = near_steps(offsets, cost, weight, ends, capacity)
    foot = feet(steps, bracket)
    base = bracket.light
    for k in range(brk):
        a = order[k]
        i = steps.cls[a]
        if weight[steps.head[a]] > weight[base[i]]:
            base[i] = steps.head[a]
    multiplier, at_break = 0.0, -1
    if brk < order.size:
        multiplier, at_break = steps.slope[order[brk]], steps.cls[order[brk]]
    e = first_envelope(steps, order, brk, reach)
    moves = complete(steps, order, brk, room, base, foot)
    gain, noise = changes(moves, base, given)
    i, j, change = best_move(offsets, cost, weight, base, room)
    if change < gain:
        gain, noise = change, -change
        moves = np.array([[i, j]])
    if rival.size:
        n = 0
        for i in range(base.size):
            n += base[i] != rival[i]
        other = np.empty((n, 2), dtype=np.int64)
        n = 0
        for i in range(base.size):
            if base[i] != rival[i]:
                other[n, 0], other[n, 1] = i, rival[i]
                n += 1
        rival_gain, rival_noise = changes(other, base, given)
        if rival_gain <= gain + SLACK * (noise + rival_noise):
            gain, noise, moves = rival_gain, rival_noise, other
    huge = is_huge(steps, order, brk)
    return Relaxed(base, room, multiplier, at_break, huge, e, moves, gain, noise)


@njit(cache=True)
def changes(moves: Any, base: Any, cost: Any) -> tuple[float, float]:
    """Sum of the changes of cost, and of their absolute values."""
    gain = noise = 0.0
    for k in range(moves.shape[0]):
        change = cost[moves[k, 1]] - cost[base[moves[k, 0]]]
        gain, noise = gain + change, noise + abs(change)
    return gain, noise


@njit(cache=True)
def is_huge(steps: Any, order: Any, brk: int) -> bool:
    """Whether the break step is far heavier than most of the steps near it."""
    if brk == order.size:
        return False
    near = steps.weight[order[max(0, brk - NEAR_STEPS) : brk + NEAR_STEPS]]
    return steps.weight[order[brk]] > HUGE * np.sort(near)[near.size // 2]


@njit(cache=True)
def prepare(offsets: Any, cost: Any, weight: Any, r: Any, reach: float, given: Any) -> Any:
    """Lay out the classes that may leave their break item."""
    base, e, moves = r.base, r.envelope, r.moves
    limit = r.gain + SLACK * r.noise + e.allowance
    cls, ptr, item, floor = alive_items(offsets, cost, weight, base, r.room, e, limit)
    pending, unit, bits, divisor = lay_out(cost, weight, base, cls, ptr, item, floor, moves, given)
    bit_of = given.view(np.int64)
    high = low = np.int64(0)
    if bits <= 122:
        for k in range(moves.shape[0]):
            h, x = difference(bit_of[moves[k, 1]], bit_of[base[moves[k, 0]]], unit)
            carry = (low + x + HALF) >> 62
            high, low = high + h + carry, low + x - (carry << 62)
    if high > 0 or (high == 0 and low > 0):
        high = low = np.int64(0)
        moves = moves[:0]
    bound = bound_in(e, segment(e, r.room), 0.0, r.room) - e.allowance
    return Prepared(
        base, r.room, r.multiplier, e, reach, pending, moves, unit, bits, high, low, divisor, bound
    )


@njit(cache=True)
def lay_out(
    cost: Any,
    weight: Any,
    base: Any,
    cls: Any,
    ptr: Any,
    item: Any,
    floor: Any,
    moves: Any,
    given: Any,
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
    given_bits = given.view(np.int64)
    for k in range(moves.shape[0]):
        unit, top = widen(given_bits[moves[k, 1]], unit, top)
        unit, top = widen(given_bits[base[moves[k, 0]]], unit, top)
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
