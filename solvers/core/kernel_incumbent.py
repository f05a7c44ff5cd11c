"""Incumbents from the states, numba kernel: as they are, and with one item outside the core."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .kernel_states import BEST_HIGH, BEST_LOW, ENTERED, HALF, Search


@njit(cache=True, inline="always")
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
    return moves_to(x.pool, node, q.cls[count[ENTERED] - 1], q.item[k])


@njit(cache=True)
def moves_to(pool: Any, node: int, cls: int, item: int) -> Any:
    """``(class, item)`` of the moves that lead to a node, and of one more."""
    n = 1
    at = node
    while at >= 0:
        n += 1
        at = pool.parent[at]
    moves = np.empty((n, 2), dtype=np.int64)
    moves[0, 0], moves[0, 1] = cls, item
    n = 1
    while node >= 0:
        moves[n, 0], moves[n, 1] = pool.cls[node], pool.item[node]
        n += 1
        node = pool.parent[node]
    return moves


@njit(cache=True)
def complete(x: Any, p: Any) -> Any:
    """Make the cheapest of states completed by an item outside the incumbent if it is cheaper."""
    s, q, count = x.states, x.pending, x.count
    best_high, best_low = count[BEST_HIGH], count[BEST_LOW]
    best, state = -1, 0
    begin = q.ptr[count[ENTERED]]
    for k in range(begin, q.item.size):
        most = p.room - q.dw[k]
        at, n = 0, s.w.size
        while n > 1:
            half = n >> 1
            at += half if s.w[at + half] <= most else 0
            n -= half
        low = s.low[at] + q.low[k]
        carry = (low + HALF) >> 62
        high = s.high[at] + q.high[k] + carry
        low -= carry << 62
        cheaper = high < best_high or (high == best_high and low < best_low)
        if cheaper and s.w[at] <= most:
            best_high, best_low, best, state = high, low, k, at
    if best < 0:
        return x
    count[BEST_HIGH], count[BEST_LOW] = best_high, best_low
    t = np.searchsorted(q.ptr, best, side="right") - 1
    moves = moves_to(x.pool, s.node[state], q.cls[t], q.item[best])
    return Search(s, q, x.far, x.envelope, x.pool, moves, count, x.scratch)
