"""Incumbents from the states, numba kernel: as they are, and with one item outside the core."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .kernel_states import BEST_HIGH, BEST_LOW, BEST_NODE, ENTERED, HALF, NODE, NODES, SIZE

# Stands for a node of the incumbent that the search began with.
FIRST = -1


@njit(cache=True, inline="always")
def last_within(w: Any, n: int, most: int) -> int:
    """Index of the last of ``n`` increasing weights that is at most ``most``, or 0."""
    at = 0
    while n > 1:
        half = n >> 1
        at += half if w[at + half] <= most else 0
        n -= half
    return at


@njit(cache=True, inline="always")
def add_node(pool: Any, count: Any, parent: int, cls: int, item: int) -> Any:
    """Append a node to the pool, which has room; return it."""
    node = count[NODES]
    pool.parent[node], pool.cls[node], pool.item[node] = parent, cls, item
    count[NODES] = node + 1
    return node


@njit(cache=True, inline="always")
def improve(x: Any, p: Any, c: Any, n: int) -> None:
    """Make the last of ``n`` candidates that fits the incumbent when it is cheaper."""
    count, q = x.count, x.pending
    i = last_within(c.w, n, p.room)
    high, low = c.high[i], c.low[i]
    cheaper = high < count[BEST_HIGH] or (high == count[BEST_HIGH] and low < count[BEST_LOW])
    if cheaper and c.w[i] <= p.room:
        t = count[ENTERED] - 1
        count[BEST_HIGH], count[BEST_LOW] = high, low
        item = q.item[q.ptr[t] + (c.node[i] >> 40)]
        count[BEST_NODE] = add_node(x.pool, count, c.node[i] & NODE, q.cls[t], item)


@njit(cache=True)
def complete(x: Any, p: Any, s: Any) -> None:
    """Make the cheapest of states completed by an item outside the incumbent if it is cheaper."""
    q, count = x.pending, x.count
    best_high, best_low = count[BEST_HIGH], count[BEST_LOW]
    best, state = -1, 0
    for k in range(q.ptr[count[ENTERED]], q.item.size):
        most = p.room - q.dw[k]
        at = last_within(s.w, count[SIZE], most)
        low = s.low[at] + q.low[k]
        carry = (low + HALF) >> 62
        high = s.high[at] + q.high[k] + carry
        low -= carry << 62
        cheaper = high < best_high or (high == best_high and low < best_low)
        if cheaper and s.w[at] <= most:
            best_high, best_low, best, state = high, low, k, at
    if best >= 0:
        count[BEST_HIGH], count[BEST_LOW] = best_high, best_low
        t = np.searchsorted(q.ptr, best, side="right") - 1
        count[BEST_NODE] = add_node(x.pool, count, s.node[state], q.cls[t], q.item[best])


@njit(cache=True)
def incumbent(x: Any) -> Any:
    """``(class, item)`` of what the incumbent moves."""
    first, pool = x.count[BEST_NODE], x.pool
    if first == FIRST:
        return x.moves
    n = 0
    node = first
    while node > 0:
        n += 1
        node = pool.parent[node]
    moves = np.empty((n, 2), dtype=np.int64)
    node = first
    for k in range(n):
        moves[k, 0], moves[k, 1] = pool.cls[node], pool.item[node]
        node = pool.parent[node]
    return moves
