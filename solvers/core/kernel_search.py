"""Dynamic programming by reaching, numba kernel: :mod:`.reach` as loops.

Costs are two limbs (:mod:`.fixed_point`). A state names the node of its last move in a pool of
``(parent, class, item)``, whose root is node 0; a state that keeps a break item keeps its node.
Dead nodes are thrown away when the pool has doubled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .kernel_hull import NO_SLOPE, class_envelope
from .kernel_incumbent import FIRST, add_node, complete, improve
from .kernel_merge import combine
from .kernel_prepare import lay_out, next_classes
from .kernel_states import (
    AT,
    BEST_HIGH,
    BEST_LOW,
    BEST_NODE,
    CORE,
    DOUBLED,
    ENTERED,
    FLOOR,
    LISTS,
    NEWS,
    NODE,
    NODES,
    PEAK,
    REDUCED,
    SIZE,
    SLOTS,
    TOTAL,
    WORK,
    Far,
    Pending,
    Pool,
    Search,
    list_at,
    lowest_bound,
    more_nodes,
    more_rows,
    passes,
    prune,
    sieve,
)

COMPLETE_AT, PATIENCE = 8, 512
POOL = 1 << 16
# What may be due before the next class enters.
NOTHING, REFILL, ROOM, REDUCE, COMPACT = range(5)


@njit(cache=True, inline="always")
def has_room(x: Any, made: int) -> bool:
    """Whether there is room for some candidates."""
    return x.rows.shape[1] >= made and x.pool.parent.size >= x.count[NODES] + made + 2


@njit(cache=True)
def with_room(x: Any, made: int) -> Any:
    """The search with room for some candidates."""
    rows, pool, nodes = x.rows, x.pool, x.count[NODES] + made + 2
    if rows.shape[1] < made:
        rows = more_rows(rows, made)
    if pool.parent.size < nodes:
        pool = more_nodes(pool, x.count[NODES], nodes)
    return Search(rows, x.pending, x.far, x.envelope, pool, x.moves, x.count)


@njit(cache=True, inline="always")
def expand(x: Any, p: Any) -> None:
    """Let the next class enter."""
    q, count = x.pending, x.count
    t = count[ENTERED]
    begin, end = q.ptr[t], q.ptr[t + 1]
    at, n = combine(x.rows, count, q, begin, end)
    c = list_at(x.rows, at)
    made = (end - begin) * count[SIZE]
    count[ENTERED] = t + 1
    count[WORK] += made
    count[TOTAL] += made
    count[PEAK] = max(count[PEAK], n)
    count[CORE] += 1
    improve(x, p, c, n)
    last = t + 1 == q.cls.size and x.far.cls.size == 0
    n = 0 if last else prune(c, n, x.envelope, p, count)
    for i in range(n):
        k, node = begin + (c.node[i] >> 40), c.node[i] & NODE
        if q.dw[k] != 0:
            node = add_node(x.pool, count, node, q.cls[t], q.item[k])
        c.node[i] = node
    count[AT], count[SIZE] = at, n


@njit(cache=True, inline="always")
def reduce(x: Any, p: Any) -> Any:
    """Drop items outside that no state can use, and renew the envelope without them."""
    q, count, e = x.pending, x.count, x.envelope
    s, n = list_at(x.rows, count[AT]), count[SIZE]
    count[WORK] = count[NEWS] = 0
    t = count[ENTERED]
    if n == 0 or t == q.cls.size:
        return x
    fine = sieve(s, n, e, p, count)
    limit = fine.limit + p.first
    k = m = 0
    end = q.ptr[t]
    count[REDUCED] += q.item.size - end
    for i in range(t, q.cls.size):
        begin, end = end, q.ptr[i + 1]
        first = m
        for j in range(begin, end):
            dw, dc = q.dw[j], q.dc[j]
            useful = q.floor[j] <= limit and passes(fine, dc, dw)
            if useful or (dw == 0 and dc == 0.0):
                q.item[m], q.dw[m], q.dc[m], q.floor[m] = q.item[j], dw, dc, q.floor[j]
                q.high[m], q.low[m] = q.high[j], q.low[j]
                m += 1
        if m - first > 1:
            q.cls[k] = q.cls[i]
            k += 1
            q.ptr[k] = m
        else:
            m = first
    count[REDUCED] -= m
    count[ENTERED] = 0
    q = Pending(
        q.cls[:k], q.ptr[: k + 1], q.item[:m], q.dw[:m], q.dc[:m], q.high[:m], q.low[:m],
        q.floor[:m],
    )  # fmt: skip
    e = outside(q, x.far, p)
    none_outside = k == 0 and x.far.cls.size == 0
    count[SIZE] = 0 if none_outside else prune(s, n, e, p, count)
    return Search(x.rows, q, x.far, e, x.pool, x.moves, count)


@njit(cache=True)
def outside(pending: Any, far: Any, p: Any) -> Any:
    """``F`` of the classes that have not entered."""
    steepest, flattest = 0.0, NO_SLOPE
    for i in range(far.cls.size):
        steepest, flattest = max(steepest, far.up[i]), min(flattest, far.down[i])
    return class_envelope(pending.ptr, pending.dw, pending.dc, p.reach, steepest, flattest)


@njit(cache=True)
def kept(far: Any, keep: Any) -> Any:
    """Move some classes to the front, in their order; return these."""
    cls, up, down, least = far.cls, far.up, far.down, far.least
    n = 0
    for i in range(cls.size):
        to = np.uint64(n)
        cls[to], up[to], down[to], least[to] = cls[i], up[i], down[i], least[i]
        n += keep[i]
    return Far(cls[:n], up[:n], down[:n], least[:n])


@njit(cache=True, inline="always")
def refill(x: Any, p: Any, source: Any) -> Any:
    """Lay out the classes whose turn is next; forget those that cannot be of use any more."""
    count = x.count
    s, n = list_at(x.rows, count[AT]), count[SIZE]
    fine = sieve(s, n, x.envelope, p, count)
    limit = fine.limit + p.first
    far = kept(x.far, x.far.least <= limit)
    order, taken = next_classes(far)
    pending = lay_out(source, far, order, limit, fine)
    far = kept(far, ~taken)
    count[ENTERED] = 0
    if pending.cls.size == 0:
        count[SIZE] = 0 if far.cls.size == 0 else prune(s, n, x.envelope, p, count)
    return Search(x.rows, pending, far, x.envelope, x.pool, x.moves, count)


@njit(cache=True, inline="always")
def compact(x: Any) -> None:
    """Throw away the nodes from which neither a state nor the incumbent descends."""
    count, pool, node = x.count, x.pool, x.rows[x.count[AT] + 3]
    n = count[NODES]
    name = np.full(n, -1, dtype=np.int32)
    name[0] = name[max(0, count[BEST_NODE])] = 0
    for i in range(count[SIZE]):
        name[node[i]] = 0
    for a in range(n - 1, 0, -1):
        if name[a] == 0:
            name[pool.parent[a]] = 0
    k = 0
    for a in range(n):
        if name[a] == 0:
            name[a] = k
            pool.parent[k] = name[pool.parent[a]]
            pool.cls[k], pool.item[k] = pool.cls[a], pool.item[a]
            k += 1
    if count[BEST_NODE] > 0:
        count[BEST_NODE] = name[count[BEST_NODE]]
    for i in range(count[SIZE]):
        node[i] = name[node[i]]
    count[NODES] = k
    count[FLOOR] = max(POOL, 2 * k)


@njit(cache=True)
def advance(x: Any, p: Any, until: int) -> int:
    """Let classes enter until something else is due; return what."""
    count, q = x.count, x.pending
    while count[SIZE] and count[TOTAL] < until:
        high, low = count[BEST_HIGH], count[BEST_LOW]
        t = count[ENTERED]
        if t == q.cls.size:
            return REFILL
        if not has_room(x, (q.ptr[t + 1] - q.ptr[t]) * count[SIZE]):
            return ROOM
        expand(x, p)
        if count[SIZE] >= count[DOUBLED]:
            count[DOUBLED] = 2 * count[SIZE]
            complete(x, p, list_at(x.rows, count[AT]))
        if high != count[BEST_HIGH] or low != count[BEST_LOW]:
            count[NEWS] = 1
        waiting = q.item.size - q.ptr[t + 1]
        if count[WORK] >= (waiting if count[NEWS] else PATIENCE + 2 * waiting):
            return REDUCE
        if count[NODES] > count[FLOOR]:
            return COMPACT
    return NOTHING


@njit(cache=True)
def search(x: Any, p: Any, source: Any, until: int) -> Any:
    """Let classes enter until no state is left or ``until`` states were made in all."""
    count = x.count
    while True:
        due = advance(x, p, until)
        if due == NOTHING:
            return x
        if due == ROOM:
            q, t = x.pending, count[ENTERED]
            x = with_room(x, (q.ptr[t + 1] - q.ptr[t]) * count[SIZE])
        if due == REFILL:
            x = refill(x, p, source)
        if due in (REFILL, REDUCE):
            x = reduce(x, p)
        if count[NODES] > count[FLOOR]:
            compact(x)


@njit(cache=True)
def start(far: Any, p: Any, high: int, low: int, moves: Any) -> Any:
    """Return a search at the break solution, with an incumbent."""
    none, small = np.empty(0, dtype=np.int64), np.empty(1024, dtype=np.int32)
    pool = Pool(small, small.copy(), small.copy())
    rows = np.empty((4 * LISTS, 256), dtype=np.int64)
    s = list_at(rows, 0)
    s.w[0] = s.high[0] = s.low[0] = s.node[0] = pool.parent[0] = 0
    count = np.zeros(SLOTS, dtype=np.int64)
    count[BEST_HIGH], count[BEST_LOW], count[BEST_NODE] = high, low, FIRST
    count[NODES] = count[TOTAL] = count[PEAK] = 1
    count[DOUBLED], count[FLOOR] = COMPLETE_AT, POOL
    q = Pending(none, np.zeros(1, dtype=np.int64), none, none, np.empty(0), none, none, np.empty(0))
    e = outside(q, far, p)
    count[SIZE] = 0 if far.cls.size == 0 else prune(s, 1, e, p, count)
    return Search(rows, q, far, e, pool, moves, count)


@njit(cache=True)
def lowest_open(x: Any, p: Any) -> float:
    """Return a true lower bound on every solution that descends from a state."""
    e, count = x.envelope, x.count
    return lowest_bound(list_at(x.rows, count[AT]), count[SIZE], e, p) - e.allowance
