"""The state list of the numba kernel: bounds, thresholds, pruning, merging."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

from .kernel_hull import SLACK, bound_in, segment

HALF = 1 << 61

States = namedtuple("States", ["w", "high", "low", "node"])
Pending = namedtuple("Pending", ["cls", "ptr", "item", "dw", "dc", "high", "low", "floor"])
Pool = namedtuple("Pool", ["parent", "cls", "item"])
Problem = namedtuple("Problem", ["room", "reach", "scale", "g", "h", "G", "exact", "first"])
# Classes that may leave their break item but are not yet laid out: best saving per weight gained,
# least loss per weight given back, lowest bound of an item.
Far = namedtuple("Far", ["cls", "up", "down", "least"])
# What rules an item out from the start, and where items come from.
Test = namedtuple("Test", ["room", "limit", "ceiling", "slope"])
Source = namedtuple("Source", ["offsets", "cost", "weight", "base", "envelope", "test", "unit"])
Search = namedtuple(
    "Search", ["states", "pending", "far", "envelope", "pool", "best", "count", "scratch"]
)

# Slots of ``count``.
N_MOVES, BEST_HIGH, BEST_LOW, ENTERED, WORK, DOUBLED, NODES, TOTAL, PEAK, CORE, REDUCED = range(11)
FLOOR, NEWS = 11, 12
SLOTS = 13


@njit(cache=True)
def real(high: int, low: int, scale: float) -> float:
    """Return a cost as a float."""
    return (np.float64(high) * 2.0**62 + np.float64(low)) * scale


@njit(cache=True)
def threshold(p: Any, count: Any, slope: float) -> float:
    """Bound above which a state is of no use: see :mod:`.lattice`."""
    if not p.exact:
        limit = real(count[BEST_HIGH], count[BEST_LOW], p.scale)
        return limit + SLACK * abs(limit)
    top = (count[BEST_HIGH] << 62) + count[BEST_LOW] - 1
    best = np.float64(top)
    if p.G > 1:
        units = min(slope / p.scale, 2.0**64)
        best = -np.inf
        done = False
        for k in range(64):
            most = top - units * np.float64(k * p.g)
            if most <= best:
                done = True
                break
            residue = p.h * ((p.room // p.g - k) % p.G)
            best = max(best, (top - (top - residue) % p.G) - units * np.float64(k * p.g))
        if not done:
            best = max(best, top - units * np.float64(64 * p.g))
    limit = best * p.scale
    return limit + SLACK * abs(limit)


@njit(cache=True)
def bound_states(s: Any, e: Any, p: Any, out: Any) -> float:
    """Write each state's bound to ``out``; return the lowest."""
    lowest = np.inf
    k = e.knots.size
    for i in range(s.w.size):
        room = p.room - s.w[i]
        while k > 0 and e.knots[k - 1] > room:
            k -= 1
        out[i] = bound_in(e, k, real(s.high[i], s.low[i], p.scale), room)
        lowest = min(lowest, out[i])
    return lowest


@njit(cache=True)
def take_states(s: Any, kept: Any, n: int) -> Any:
    """Return the ``n`` states marked."""
    w, high = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    low, node = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    j = 0
    for i in range(s.w.size):
        if kept[i]:
            w[j], high[j], low[j], node[j] = s.w[i], s.high[i], s.low[i], s.node[i]
            j += 1
    return States(w, high, low, node)


@njit(cache=True)
def prune(s: Any, e: Any, p: Any, count: Any, none_outside: bool) -> Any:
    """Drop the states whose bound is above the threshold."""
    n = s.w.size
    if n == 0:
        return s
    kept = np.zeros(n, dtype=np.bool_)
    left = 0
    if not none_outside:
        limit = threshold(p, count, e.slope[segment(e, p.room - s.w[0])]) + e.allowance
        k = e.knots.size
        for i in range(n):
            room = p.room - s.w[i]
            while k > 0 and e.knots[k - 1] > room:
                k -= 1
            value = real(s.high[i], s.low[i], p.scale)
            if room != 0 and bound_in(e, k, value, room) <= limit:
                kept[i] = True
                left += 1
    return s if left == n else take_states(s, kept, left)


@njit(cache=True, inline="always")
def prune_box(c: Any, e: Any, p: Any, count: Any) -> int:
    """Move the candidates whose bound is at most the threshold to the front; return how many."""
    n = c.shape[1]
    if n == 0:
        return 0
    limit = threshold(p, count, e.slope[segment(e, p.room - c[0, 0])]) + e.allowance
    k = e.knots.size
    left = 0
    for i in range(n):
        room = p.room - c[0, i]
        while k > 0 and e.knots[k - 1] > room:
            k -= 1
        if room != 0 and bound_in(e, k, real(c[1, i], c[2, i], p.scale), room) <= limit:
            c[0, left], c[1, left], c[2, left], c[3, left] = c[0, i], c[1, i], c[2, i], c[3, i]
            left += 1
    return left


@njit(cache=True, inline="always")
def merge(box: Any, side: int, n: int, s: Any, dw: int, high: int, low: int, tag: int) -> int:
    """Merge candidates with the states shifted by an item; the former win ties.

    The ``n`` candidates stand in rows ``side .. side + 3`` of the box, the result in the other
    four. Returns its length. The ``node`` of a candidate is ``item << 40 | state``.
    """
    aw, ah, al, an = box[side], box[side + 1], box[side + 2], box[side + 3]
    side = 4 - side
    ow, oh, ol, on = box[side], box[side + 1], box[side + 2], box[side + 3]
    sw, sh, sl = s.w, s.high, s.low
    m = sw.size
    i = j = k = 0
    bw = bh = bl = np.int64(0)
    if m:
        bw, bl = sw[0] + dw, sl[0] + low
        carry = (bl + HALF) >> 62
        bh, bl = sh[0] + high + carry, bl - (carry << 62)
    last_h, last_l = np.int64(1 << 62), np.int64(0)
    while i < n or j < m:
        if j == m:
            first = True
        elif i == n:
            first = False
        elif aw[i] != bw:
            first = aw[i] < bw
        else:
            first = ah[i] < bh or (ah[i] == bh and al[i] <= bl)
        if first:
            w, h, x, tagged = aw[i], ah[i], al[i], an[i]
            i += 1
        else:
            w, h, x, tagged = bw, bh, bl, (tag << 40) | j
            j += 1
            if j < m:
                bw, bl = sw[j] + dw, sl[j] + low
                carry = (bl + HALF) >> 62
                bh, bl = sh[j] + high + carry, bl - (carry << 62)
        if h < last_h or (h == last_h and x < last_l):
            ow[k], oh[k], ol[k], on[k] = w, h, x, tagged
            last_h, last_l = h, x
            k += 1
    return k


@njit(cache=True, inline="always")
def room_in(pool: Any, nodes: int, more: int) -> Any:
    """Return a pool with room for ``more`` nodes."""
    if nodes + more <= pool.parent.size:
        return pool
    size = max(2 * pool.parent.size, nodes + more)
    parent, cls = np.empty(size, dtype=np.int32), np.empty(size, dtype=np.int32)
    item = np.empty(size, dtype=np.int32)
    parent[:nodes], cls[:nodes] = pool.parent[:nodes], pool.cls[:nodes]
    item[:nodes] = pool.item[:nodes]
    return Pool(parent, cls, item)
