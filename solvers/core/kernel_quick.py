"""The numba kernel in one call: for instances whose search takes one slice."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

from .kernel_bracket import extremes
from .kernel_exact import gcd
from .kernel_first import relax
from .kernel_hull import bound_in, segment
from .kernel_prepare import prepare
from .kernel_search import search, start
from .kernel_states import Problem
from .relaxation import LARGE as _LARGE
from .relaxation import MANY as _MANY

LARGE, MANY = _LARGE, _MANY

# Lattice arithmetic on numbers below this stays within 64 bits.
SMALL = 1 << 20

# How it ended: proven; not within the states; at a class to branch on; not for this kernel.
DONE, LONG, BRANCH, INFEASIBLE, UNFIT = range(5)

Quick = namedtuple(
    "Quick",
    [
        "code", "base", "item", "multiplier", "relaxed", "classes", "items", "count", "cls",
        "floor",
    ],
)  # fmt: skip


@njit(cache=True)
def insert(g: int, h: int, big: int, w: int, v: int) -> Any:
    """Add a vector to the lattice with basis ``(g, h), (0, big)``."""
    while w:
        q = g // w
        g, h, w, v = w, v, g - q * w, h - q * v
    big = gcd(big, abs(v))
    if g < 0:
        g, h = -g, -h
    return g, (h % big if big else h), big


@njit(cache=True)
def small_lattice(dw: Any, dc: Any, divisor: int) -> Any:
    """:func:`bitknap.solvers.core.lattice.find_lattice` for numbers below ``SMALL``."""
    g = h = big = np.int64(0)
    for k in range(dw.size):
        if k == 64:
            if g and not big:
                h, big = np.int64(0), abs(h)
            if g == 0 or big <= 1 or big >= 1 << 31:
                break
        if k >= 64:
            steps = dw[k] // g
            if dw[k] == steps * g and (dc[k] - h * (steps % big)) % big == 0:
                continue
        g, h, big = insert(g, h, big, dw[k], dc[k])
        if g == 1 and big == 1:
            break
    if g and not big:
        h, big = np.int64(0), abs(h)
    if g == 0 or big <= 1 or big >= 1 << 31:
        return divisor, np.int64(0), np.int64(1)
    return g, h, big


@njit(cache=True)
def refuse(code: int) -> Any:
    """An answer without a choice."""
    none = np.empty(0, dtype=np.int64)
    return Quick(code, none, none, 0.0, 0.0, 0, 0, none, -1, np.empty(0))


@njit(cache=True)
def apply(base: Any, moves: Any) -> Any:
    """Items after some moves."""
    item = base.copy()
    for k in range(moves.shape[0]):
        item[moves[k, 0]] = moves[k, 1]
    return item


@njit(cache=True)
def quick(
    offsets: Any,
    cost: Any,
    weight: Any,
    capacity: int,
    until: int,
    rival: Any,
    given: Any,
    may: bool,
) -> Any:
    """Solve if it can be done by ``until`` states, or tell where to branch if one may."""
    light, heavy, least, most, largest, bad = extremes(offsets, cost, weight)
    if bad or not (largest == 0.0 or 2.0**-900 < largest < 2.0**900):
        return refuse(UNFIT)
    if capacity < least:
        return refuse(INFEASIBLE)
    reach = np.float64(most - least)
    r = relax(offsets, cost, weight, capacity, (light, heavy, least, most), reach, rival, given)
    e = r.envelope
    p = prepare(offsets, cost, weight, r, reach, given)
    if p.bits > 122:
        return refuse(UNFIT)
    pending = p.pending
    if may and r.huge and pending.cls.size * MANY > r.base.size >= LARGE:
        i = r.at_break
        floor = np.empty(offsets[i + 1] - offsets[i])
        for j in range(offsets[i], offsets[i + 1]):
            room = r.room - (weight[j] - weight[r.base[i]])
            dc = cost[j] - cost[r.base[i]]
            floor[j - offsets[i]] = bound_in(e, segment(e, room), dc, room) - e.allowance
        bound = p.hull_bound
        none = np.empty(0, dtype=np.int64)
        item = apply(r.base, p.completion)
        return Quick(
            BRANCH, r.base, item, r.multiplier, bound, pending.cls.size, pending.item.size, none,
            i, floor,
        )  # fmt: skip
    g, h, big = p.gcd, np.int64(0), np.int64(1)
    if p.bits <= 62:
        value = (pending.high << 62) + pending.low
        if value.size and max(np.abs(value).max(), np.abs(pending.dw).max()) >= SMALL:
            return refuse(LONG)
        g, h, big = small_lattice(pending.dw, value, p.gcd)
    problem = Problem(
        p.room // g * g, reach, 2.0**p.exponent, g, h, big, p.bits <= 62, p.envelope.allowance
    )
    x = start(pending, problem.room, reach, p.high, p.low, p.completion)
    x = search(x, problem, until)
    code = DONE if x.states.w.size == 0 else LONG
    return Quick(
        code, p.base, apply(p.base, x.best), p.multiplier, p.hull_bound, pending.cls.size,
        pending.item.size, x.count, -1, np.empty(0),
    )  # fmt: skip
