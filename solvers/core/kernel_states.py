"""The state list of the numba kernel: bounds, thresholds, pruning, room."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

from .kernel_hull import SLACK, bound_in, segment

HALF = 1 << 61
# A candidate names its item, shifted by 40 bits, and the node of the state before.
NODE = (1 << 40) - 1

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
# What rules an item out for all states: the slopes of ``F`` at the heaviest and at the lightest of
# them, the lowest bound of one, the threshold, and this with the allowance.
Sieve = namedtuple("Sieve", ["up", "down", "lowest", "limit", "most"])
# The list of states, ``count[SIZE]`` long, stands in four rows of ``rows`` from ``count[AT]`` on;
# two more lists, of candidates, have room beside it.
Search = namedtuple("Search", ["rows", "pending", "far", "envelope", "pool", "moves", "count"])

# Slots of ``count``.
AT, SIZE, BEST_HIGH, BEST_LOW, BEST_NODE, ENTERED, WORK, DOUBLED, NODES, TOTAL, PEAK = range(11)
CORE, REDUCED, FLOOR, NEWS, BRANCHES = range(11, 16)
SLOTS = 16
LISTS = 3


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


@njit(cache=True, inline="always")
def list_at(rows: Any, at: int) -> Any:
    """The list of states in four rows."""
    return States(rows[at], rows[at + 1], rows[at + 2], rows[at + 3])


@njit(cache=True)
def lowest_bound(s: Any, n: int, e: Any, p: Any) -> float:
    """Lowest bound of a state; a true one less the allowance."""
    lowest = np.inf
    k = e.knots.size
    for i in range(n):
        room = p.room - s.w[i]
        while k > 0 and e.knots[k - 1] > room:
            k -= 1
        lowest = min(lowest, bound_in(e, k, real(s.high[i], s.low[i], p.scale), room))
    return lowest


@njit(cache=True)
def sieve(s: Any, n: int, e: Any, p: Any, count: Any) -> Any:
    """What no item outside may exceed to be of use to one of ``n`` states."""
    up = e.slope[segment(e, p.room - s.w[0])]
    down = e.slope[segment(e, p.room - s.w[n - 1] - 1)]
    lowest = lowest_bound(s, n, e, p) - e.allowance
    limit = threshold(p, count, 0.0)
    return Sieve(up, down, lowest, limit, limit + e.allowance)


@njit(cache=True)
def passes(sieve: Any, dc: float, dw: int) -> bool:
    """Whether an item may be of use to a state."""
    change = (sieve.up if dw > 0 else sieve.down) * np.float64(dw)
    added = (dc + change) - SLACK * (abs(dc) + abs(change))
    return sieve.lowest + added <= sieve.most


@njit(cache=True, inline="always")
def prune(s: Any, n: int, e: Any, p: Any, count: Any) -> int:
    """Move the states whose bound is at most the threshold to the front; return how many.

    With nothing left free a state has nothing to gain, unless slopes cross.
    """
    if n == 0:
        return 0
    limit = threshold(p, count, e.slope[segment(e, p.room - s.w[0])]) + e.allowance
    crossing = e.allowance > 0.0
    k = e.knots.size
    left = 0
    for i in range(n):
        w, high, low, node = s.w[i], s.high[i], s.low[i], s.node[i]
        room = p.room - w
        while k > 0 and e.knots[k - 1] > room:
            k -= 1
        if (room != 0 or crossing) and bound_in(e, k, real(high, low, p.scale), room) <= limit:
            s.w[left], s.high[left], s.low[left], s.node[left] = w, high, low, node
            left += 1
    return left


@njit(cache=True)
def more_rows(rows: Any, size: int) -> Any:
    """Rows with room for lists of some size."""
    wide = np.empty((4 * LISTS, max(size, 2 * rows.shape[1])), dtype=np.int64)
    wide[:, : rows.shape[1]] = rows
    return wide


@njit(cache=True)
def more_nodes(pool: Any, nodes: int, size: int) -> Any:
    """A pool with room for ``size`` nodes."""
    size = max(2 * pool.parent.size, size)
    parent, cls = np.empty(size, dtype=np.int32), np.empty(size, dtype=np.int32)
    item = np.empty(size, dtype=np.int32)
    parent[:nodes], cls[:nodes] = pool.parent[:nodes], pool.cls[:nodes]
    item[:nodes] = pool.item[:nodes]
    return Pool(parent, cls, item)
