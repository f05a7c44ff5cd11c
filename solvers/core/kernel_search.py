"""Dynamic programming by reaching, numba kernel: :mod:`.reach` as loops.

Costs are two limbs (:mod:`.fixed_point`). A state names the node of its last move in a pool of
``(parent, class, item)``; a state that keeps a break item keeps its node. Dead nodes are thrown
away when the pool has doubled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .kernel_hull import NO_SLOPE, SLACK, class_envelope, segment
from .kernel_incumbent import complete, improve
from .kernel_prepare import lay_out, next_classes
from .kernel_states import (
    BEST_HIGH,
    BEST_LOW,
    CORE,
    DOUBLED,
    ENTERED,
    FLOOR,
    NEWS,
    NODES,
    PEAK,
    REDUCED,
    SLOTS,
    TOTAL,
    WORK,
    Far,
    Pending,
    Pool,
    Search,
    States,
    bound_states,
    merge,
    prune,
    prune_box,
    room_in,
    threshold,
)

COMPLETE_AT, PATIENCE = 8, 512
POOL = 1 << 16


@njit(cache=True, inline="always")
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
    last = t + 1 == q.cls.size and x.far.cls.size == 0
    n = 0 if last else prune_box(c, x.envelope, p, count)
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
    return Search(States(w, high, low, node), q, x.far, x.envelope, pool, best, count, box)


@njit(cache=True, inline="always")
def reduce(x: Any, p: Any) -> Any:
    """Drop items outside that no state can use, and renew the envelope without them."""
    q, count, s, e = x.pending, x.count, x.states, x.envelope
    count[WORK] = count[NEWS] = 0
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
    e = outside(pending, x.far, p)
    s = prune(s, e, p, count, k == 0 and x.far.cls.size == 0)
    return Search(s, pending, x.far, e, x.pool, x.best, count, x.scratch)


@njit(cache=True)
def outside(pending: Any, far: Any, p: Any) -> Any:
    """``F`` of the classes that have not entered."""
    steepest, flattest = 0.0, NO_SLOPE
    for i in range(far.cls.size):
        steepest, flattest = max(steepest, far.up[i]), min(flattest, far.down[i])
    return class_envelope(pending.ptr, pending.dw, pending.dc, p.reach, steepest, flattest)


@njit(cache=True, inline="always")
def refill(x: Any, p: Any, source: Any) -> Any:
    """Lay out the classes whose turn is next; forget those that cannot be of use any more."""
    far, count = x.far, x.count
    limit = threshold(p, count, 0.0) + p.first
    left = far.least <= limit
    far = Far(far.cls[left], far.up[left], far.down[left], far.least[left])
    order, taken = next_classes(far)
    pending = lay_out(source, far, order, limit)
    left = ~taken
    far = Far(far.cls[left], far.up[left], far.down[left], far.least[left])
    count[ENTERED] = 0
    if pending.cls.size == 0:
        s = prune(x.states, x.envelope, p, count, far.cls.size == 0)
        return Search(s, pending, far, x.envelope, x.pool, x.best, count, x.scratch)
    return Search(x.states, pending, far, x.envelope, x.pool, x.best, count, x.scratch)


@njit(cache=True, inline="always")
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
def search(x: Any, p: Any, source: Any, until: int) -> Any:
    """Let classes enter until no state is left or ``until`` states were made in all."""
    count = x.count
    while x.states.w.size and count[TOTAL] < until:
        high, low = count[BEST_HIGH], count[BEST_LOW]
        due = count[ENTERED] == x.pending.cls.size
        if due:
            x = refill(x, p, source)
        else:
            x = expand(x, p)
            if x.states.w.size >= count[DOUBLED]:
                count[DOUBLED] = 2 * x.states.w.size
                x = complete(x, p)
        if high != count[BEST_HIGH] or low != count[BEST_LOW]:
            count[NEWS] = 1
        waiting = x.pending.item.size - x.pending.ptr[count[ENTERED]]
        if due or count[WORK] >= (waiting if count[NEWS] else PATIENCE + 2 * waiting):
            x = reduce(x, p)
        if count[NODES] > count[FLOOR]:
            x = compact(x)
    return x


@njit(cache=True)
def start(far: Any, p: Any, high: int, low: int, moves: Any) -> Any:
    """Return a search at the break solution, with an incumbent."""
    none, zero = np.empty(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
    small = np.empty(1024, dtype=np.int32)
    s = States(zero, zero.copy(), zero.copy(), np.full(1, -1, dtype=np.int64))
    pool = Pool(small, small.copy(), small.copy())
    count = np.zeros(SLOTS, dtype=np.int64)
    count[BEST_HIGH], count[BEST_LOW] = high, low
    count[DOUBLED], count[TOTAL], count[PEAK], count[FLOOR] = COMPLETE_AT, 1, 1, POOL
    pending = Pending(none, zero.copy(), none, none, np.empty(0), none, none, np.empty(0))
    e = outside(pending, far, p)
    s = prune(s, e, p, count, far.cls.size == 0)
    return Search(s, pending, far, e, pool, moves, count, np.empty((8, 256), dtype=np.int64))


@njit(cache=True)
def lowest_open(x: Any, p: Any) -> float:
    """Return a true lower bound on every solution that descends from a state."""
    return bound_states(x.states, x.envelope, p, np.empty(x.states.w.size)) - x.envelope.allowance
