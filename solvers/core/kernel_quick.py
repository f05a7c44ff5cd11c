"""The numba kernel in one call: for instances whose search takes one slice."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

from .kernel_prepare import gcd, prepare
from .kernel_relax import extremes
from .kernel_search import Problem, search, start

# Lattice arithmetic on numbers below this stays within 64 bits.
SMALL = 1 << 20

Quick = namedtuple(
    "Quick", ["fits", "done", "base", "item", "multiplier", "relaxed", "classes", "items", "count"]
)


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
def quick(offsets: Any, cost: Any, weight: Any, capacity: int, until: int) -> Any:
    """Solve if it can be done by ``until`` states.

    ``fits`` tells whether the numba kernel can take the instance at all, ``done`` whether the
    choice is proven.
    """
    light, heavy, least, most, largest, bad = extremes(offsets, cost, weight)
    fits = not bad and capacity >= least and (largest == 0.0 or 2.0**-900 < largest < 2.0**900)
    none = np.empty(0, dtype=np.int64)
    if not fits:
        return Quick(False, False, none, none, 0.0, 0.0, 0, 0, none)
    reach = np.float64(most - least)
    p = prepare(offsets, cost, weight, capacity, (light, heavy, least, most), reach)
    if p.bits > 122:
        return Quick(False, False, none, none, 0.0, 0.0, 0, 0, none)
    pending = p.pending
    g, h, big = p.gcd, np.int64(0), np.int64(1)
    if p.bits <= 62:
        value = (pending.high << 62) + pending.low
        if value.size and max(np.abs(value).max(), np.abs(pending.dw).max()) >= SMALL:
            return Quick(True, False, none, none, 0.0, 0.0, 0, 0, none)
        g, h, big = small_lattice(pending.dw, value, p.gcd)
    problem = Problem(
        p.room // g * g, reach, 2.0**p.exponent, g, h, big, p.bits <= 62, p.envelope.allowance
    )
    x = start(pending, problem.room, reach, p.high, p.low, p.completion)
    x = search(x, problem, until)
    item = p.base.copy()
    for k in range(x.best.shape[0]):
        item[x.best[k, 0]] = x.best[k, 1]
    done = x.states.w.size == 0
    return Quick(
        True, done, p.base, item, p.multiplier, p.hull_bound, pending.cls.size, pending.item.size,
        x.count,
    )  # fmt: skip
