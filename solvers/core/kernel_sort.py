"""Stable sorting, numba kernel: short to compile, and quick on the short lists that occur here."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_RUN = 8


@njit(cache=True)
def falling(key: Any) -> Any:
    """Indices by falling key, equal keys by index: insertion sort of runs, then merging."""
    n = key.size
    order = np.arange(n)
    sorted_to = 1
    while sorted_to < n and key[sorted_to - 1] >= key[sorted_to]:
        sorted_to += 1
    if sorted_to >= n:
        return order
    other = np.empty(n, dtype=np.int64)
    for begin in range(0, n, _RUN):
        for a in range(begin + 1, min(begin + _RUN, n)):
            x, b = order[a], a - 1
            while b >= begin and key[order[b]] < key[x]:
                order[b + 1] = order[b]
                b -= 1
            order[b + 1] = x
    width = _RUN
    while width < n:
        for begin in range(0, n, 2 * width):
            middle, end = min(begin + width, n), min(begin + 2 * width, n)
            a, b = begin, middle
            if middle == end or key[order[middle - 1]] >= key[order[middle]]:
                other[begin:end] = order[begin:end]
                continue
            for k in range(begin, end):
                if b == end or (a < middle and key[order[a]] >= key[order[b]]):
                    other[k] = order[a]
                    a += 1
                else:
                    other[k] = order[b]
                    b += 1
        order, other = other, order
        width *= 2
    return order


@njit(cache=True)
def sort_items(item: Any, m: int, cost: Any, weight: Any) -> None:
    """Sort ``item[:m]`` by weight, then cost, then index: Shell's sort by a total order."""
    gap = 1
    while gap < m // 3:
        gap = 3 * gap + 1
    while gap:
        for a in range(gap, m):
            x = item[a]
            w, c = weight[x], cost[x]
            b = a
            while b >= gap:
                y = item[b - gap]
                if weight[y] < w or (weight[y] == w and (cost[y] < c or (cost[y] == c and y < x))):
                    break
                item[b] = y
                b -= gap
            item[b] = x
        gap //= 3
