"""Merging of state lists, numba kernel: the undominated of all states with all items of a class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .kernel_states import AT, HALF, LISTS, SIZE, list_at


@njit(cache=True, inline="always")
def shifted(s: Any, i: int, by: Any) -> Any:
    """A state after an item, named by both."""
    low = s.low[i] + by[2]
    carry = (low + HALF) >> 62
    return s.w[i] + by[0], s.high[i] + by[1] + carry, low - (carry << 62), s.node[i] + by[3]


@njit(cache=True, inline="always")
def merge(a: Any, i: int, n: int, u: Any, b: Any, j: int, m: int, v: Any, o: Any, k: int) -> int:
    """Merge ``a[i:n]`` shifted by ``u`` with ``b[j:m]`` shifted by ``v``; the former win ties.

    Writes the undominated to ``o[k:]``; returns where they end.
    """
    last_h, last_l = np.int64(1 << 62), np.int64(0)
    while i < n and j < m:
        w, h, x, t = shifted(a, i, u)
        w2, h2, x2, t2 = shifted(b, j, v)
        later = w2 < w or (w2 == w and (h2 < h or (h2 == h and x2 < x)))
        if later:
            w, h, x, t = w2, h2, x2, t2
            j += 1
        else:
            i += 1
        o.w[k], o.high[k], o.low[k], o.node[k] = w, h, x, t
        if h < last_h or (h == last_h and x < last_l):
            last_h, last_l = h, x
            k += 1
    while i < n:
        w, h, x, t = shifted(a, i, u)
        o.w[k], o.high[k], o.low[k], o.node[k] = w, h, x, t
        k += h < last_h or (h == last_h and x < last_l)
        i += 1
    while j < m:
        w, h, x, t = shifted(b, j, v)
        o.w[k], o.high[k], o.low[k], o.node[k] = w, h, x, t
        k += h < last_h or (h == last_h and x < last_l)
        j += 1
    return k


@njit(cache=True, inline="always")
def combine(rows: Any, count: Any, q: Any, begin: int, end: int) -> tuple[int, int]:
    """Combine every state with the items ``begin .. end - 1``; return where the candidates stand.

    That is the first of their rows and their number. The list after one item is merged with that
    after the next, the results likewise, and so on: a state is moved about ``log2`` of the number
    of items times.
    """
    free = 4 * (LISTS * (LISTS - 1) // 2) - count[AT]
    at = (count[AT] + 4) % (4 * LISTS)
    s, c, m = list_at(rows, count[AT]), list_at(rows, at), count[SIZE]
    ends = np.empty((end - begin + 1) >> 1, dtype=np.int64)
    n = runs = 0
    for k in range(begin, end, 2):
        u = q.dw[k], q.high[k], q.low[k], (k - begin) << 40
        v, size = u, 0
        if k + 1 < end:
            v, size = (q.dw[k + 1], q.high[k + 1], q.low[k + 1], (k + 1 - begin) << 40), m
        n = merge(s, 0, m, u, s, 0, size, v, c, n)
        ends[runs] = n
        runs += 1
    none = 0, 0, 0, 0
    while runs > 1:
        c, o = list_at(rows, at), list_at(rows, free - at)
        i = n = 0
        for k in range(0, runs, 2):
            j = ends[k]
            last = ends[k + 1] if k + 1 < runs else j
            n = merge(c, i, j, none, c, j, last, none, o, n)
            i = last
            ends[k >> 1] = n
        runs = (runs + 1) >> 1
        at = free - at
    return at, n
