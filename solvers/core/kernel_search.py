"""Dynamic programming by reaching, numba kernel: :mod:`.reach` as loops.

Costs are two limbs (:mod:`.fixed_point`). A state names the node of its last move in a pool of
``(parent, class, item)``; a state that keeps a break item keeps its node. Dead nodes are thrown
away when the pool has doubled.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

from .kernel_hull import SLACK, bound_in, class_envelope, segment

LIMB = 62
HALF = 1 << 61
DIVE_AT, DIVE_WIDTH, DIVE_DEPTH, PATIENCE = 2048, 32, 64, 256
POOL = 1 << 16

States = namedtuple("States", ["w", "high", "low", "node"])
Pending = namedtuple("Pending", ["cls", "ptr", "item", "dw", "dc", "high", "low", "floor"])
Pool = namedtuple("Pool", ["parent", "cls", "item"])
Problem = namedtuple("Problem", ["room", "reach", "scale", "g", "h", "G", "exact", "first"])
Search = namedtuple("Search", ["states", "pending", "envelope", "pool", "best", "count", "scratch"])

# Slots of ``count``.
N_MOVES, BEST_HIGH, BEST_LOW, ENTERED, WORK, DIVE, NODES, TOTAL, PEAK, CORE, REDUCED = range(11)
FLOOR = 11
SLOTS = 12


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


@njit(cache=True)
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


@njit(cache=True)
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


@njit(cache=True)
def expand(x: Any, p: Any) -> Any:
    """Let the next class enter."""
    q, count, s, box = x.pending, x.count, x.states, x.scratch
    t = count[ENTERED]
    a, b = q.ptr[t], q.ptr[t + 1]
    made = (b - a) * s.w.size
    if box.shape[1] < made:
        box = np.empty((8, max(made, 2 * box.shape[1])), dtype=np.int64)
    n = side = 0
    for k in range(a, b):
        n = merge(box, side, n, s, q.dw[k], q.high[k], q.low[k], k - a)
        side = 4 - side
    count[ENTERED] = t + 1
    count[WORK] += made
    count[TOTAL] += made
    count[PEAK] = max(count[PEAK], n)
    count[CORE] += 1
    c = box[side : side + 4, :n]
    best = improve(x, p, c, a)
    n = 0 if t + 1 == q.cls.size else prune_box(c, x.envelope, p, count)
    pool = room_in(x.pool, count[NODES], n)
    w, high = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    low, node = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    nodes = count[NODES]
    for i in range(n):
        w[i], high[i], low[i] = c[0, i], c[1, i], c[2, i]
        k, parent = a + (c[3, i] >> 40), s.node[c[3, i] & ((1 << 40) - 1)]
        if q.dw[k] != 0:
            pool.parent[nodes], pool.cls[nodes], pool.item[nodes] = parent, q.cls[t], q.item[k]
            parent = nodes
            nodes += 1
        node[i] = parent
    count[NODES] = nodes
    return Search(States(w, high, low, node), q, x.envelope, pool, best, count, box)


@njit(cache=True)
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


@njit(cache=True)
def improve(x: Any, p: Any, c: Any, a: int) -> Any:
    """Make the last candidate that fits the incumbent when it is cheaper; return its moves."""
    count, q = x.count, x.pending
    i = np.searchsorted(c[0], p.room, side="right") - 1
    if i < 0:
        return x.best
    high, low = c[1, i], c[2, i]
    if high > count[BEST_HIGH] or (high == count[BEST_HIGH] and low >= count[BEST_LOW]):
        return x.best
    count[BEST_HIGH], count[BEST_LOW] = high, low
    k, node = a + (c[3, i] >> 40), x.states.node[c[3, i] & ((1 << 40) - 1)]
    n = 1
    at = node
    while at >= 0:
        n += 1
        at = x.pool.parent[at]
    moves = np.empty((n, 2), dtype=np.int64)
    moves[0, 0], moves[0, 1] = q.cls[count[ENTERED] - 1], q.item[k]
    n = 1
    while node >= 0:
        moves[n, 0], moves[n, 1] = x.pool.cls[node], x.pool.item[node]
        n += 1
        node = x.pool.parent[node]
    return moves


@njit(cache=True)
def dive(x: Any, p: Any) -> Any:
    """Follow only the states of lowest bound for a while, then go back."""
    start, count = x.states, x.count
    t = count[ENTERED]
    for _ in range(min(x.pending.cls.size - t, DIVE_DEPTH)):
        n = x.states.w.size
        if n > DIVE_WIDTH:
            bound = np.empty(n)
            bound_states(x.states, x.envelope, p, bound)
            kept = np.zeros(n, dtype=np.bool_)
            order = np.argsort(bound, kind="mergesort")
            for i in range(DIVE_WIDTH):
                kept[order[i]] = True
            few = take_states(x.states, kept, DIVE_WIDTH)
            x = Search(few, x.pending, x.envelope, x.pool, x.best, count, x.scratch)
        x = expand(x, p)
        if x.states.w.size == 0:
            break
    count[ENTERED] = t
    return Search(start, x.pending, x.envelope, x.pool, x.best, count, x.scratch)


@njit(cache=True)
def reduce(x: Any, p: Any) -> Any:
    """Drop items outside that no state can use, and renew the envelope without them."""
    q, count, s, e = x.pending, x.count, x.states, x.envelope
    count[WORK] = 0
    t = count[ENTERED]
    if s.w.size == 0 or t == q.cls.size:
        return x
    low_slope = e.slope[segment(e, p.room - s.w[0])]
    high_slope = e.slope[segment(e, p.room - s.w[s.w.size - 1] - 1)]
    lowest = bound_states(s, e, p, np.empty(s.w.size)) - e.allowance
    limit = threshold(p, count, 0.0)
    n, begin = q.cls.size - t, q.ptr[t]
    cls, ptr = np.empty(n, dtype=np.int64), np.zeros(n + 1, dtype=np.int64)
    at = np.empty(q.item.size - begin, dtype=np.int64)
    k = m = 0
    for i in range(t, q.cls.size):
        for j in range(q.ptr[i], q.ptr[i + 1]):
            dw, dc = q.dw[j], q.dc[j]
            change = (low_slope if dw > 0 else high_slope) * np.float64(dw)
            added = (dc + change) - SLACK * (abs(dc) + abs(change))
            useful = lowest + added <= limit and q.floor[j] <= limit + p.first
            if useful or (dw == 0 and dc == 0.0):
                at[m] = j
                m += 1
        if m - ptr[k] > 1:
            cls[k] = q.cls[i]
            k += 1
            ptr[k] = m
        else:
            m = ptr[k]
    count[REDUCED] += q.item.size - begin - m
    count[ENTERED] = 0
    at = at[:m]
    pending = Pending(
        cls[:k].copy(), ptr[: k + 1].copy(), q.item[at], q.dw[at], q.dc[at], q.high[at], q.low[at],
        q.floor[at],
    )  # fmt: skip
    e = class_envelope(pending.ptr, 0, pending.dw, pending.dc, p.reach)
    s = prune(s, e, p, count, k == 0)
    return Search(s, pending, e, x.pool, x.best, count, x.scratch)


@njit(cache=True)
def compact(x: Any) -> Any:
    """Throw away the nodes that no state descends from."""
    s, count, pool = x.states, x.count, x.pool
    n = count[NODES]
    name = np.full(n, -1, dtype=np.int32)
    for i in range(s.w.size):
        if s.node[i] >= 0:
            name[s.node[i]] = 0
    for a in range(n - 1, -1, -1):
        if name[a] == 0 and pool.parent[a] >= 0:
            name[pool.parent[a]] = 0
    k = 0
    for a in range(n):
        if name[a] == 0:
            name[a] = k
            parent = pool.parent[a]
            pool.parent[k] = name[parent] if parent >= 0 else -1
            pool.cls[k], pool.item[k] = pool.cls[a], pool.item[a]
            k += 1
    for i in range(s.w.size):
        if s.node[i] >= 0:
            s.node[i] = name[s.node[i]]
    count[NODES] = k
    count[FLOOR] = max(POOL, 2 * k)
    return x


@njit(cache=True)
def search(x: Any, p: Any, until: int) -> Any:
    """Let classes enter until no state is left or ``until`` states were made in all."""
    count = x.count
    if count[CORE] == 0:
        s = prune(x.states, x.envelope, p, count, x.pending.cls.size == 0)
        x = Search(s, x.pending, x.envelope, x.pool, x.best, count, x.scratch)
    while x.states.w.size and count[TOTAL] < until:
        high, low = count[BEST_HIGH], count[BEST_LOW]
        x = expand(x, p)
        if x.states.w.size >= count[DIVE]:
            count[DIVE] = 4 * x.states.w.size
            x = dive(x, p)
        improved = high != count[BEST_HIGH] or low != count[BEST_LOW]
        outside = x.pending.item.size - x.pending.ptr[count[ENTERED]]
        if improved or count[WORK] >= PATIENCE + 2 * outside:
            x = reduce(x, p)
        if count[NODES] > count[FLOOR]:
            x = compact(x)
    return x


@njit(cache=True)
def start(pending: Any, room: int, reach: float, high: int, low: int, moves: Any) -> Any:
    """Return a search at the break solution, with an incumbent."""
    zero = np.zeros(1, dtype=np.int64)
    s = States(zero, zero.copy(), zero.copy(), np.full(1, -1, dtype=np.int64))
    small = np.empty(1024, dtype=np.int32)
    pool = Pool(small, small.copy(), small.copy())
    count = np.zeros(SLOTS, dtype=np.int64)
    count[BEST_HIGH], count[BEST_LOW] = high, low
    count[DIVE], count[TOTAL], count[PEAK], count[FLOOR] = DIVE_AT, 1, 1, POOL
    e = class_envelope(pending.ptr, 0, pending.dw, pending.dc, reach)
    return Search(s, pending, e, pool, moves, count, np.empty((8, 256), dtype=np.int64))


@njit(cache=True)
def lowest_open(x: Any, p: Any) -> float:
    """Return a true lower bound on every solution that descends from a state."""
    return bound_states(x.states, x.envelope, p, np.empty(x.states.w.size)) - x.envelope.allowance
