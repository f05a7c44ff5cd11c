"""One relaxation and the search around it, numba kernel."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

from .kernel_exact import difference, gcd
from .kernel_first import relax
from .kernel_incumbent import incumbent
from .kernel_prepare import floor_of, prepare
from .kernel_search import search, start
from .kernel_states import SIZE, SLOTS, Problem
from .relaxation import HUGE as _HUGE
from .relaxation import LARGE as _LARGE
from .relaxation import NEVER as _NEVER
from .relaxation import TRIAL as _TRIAL
from .relaxation import UNEVEN as _UNEVEN

UNEVEN, TRIAL, HUGE, LARGE, NEVER = _UNEVEN, _TRIAL, _HUGE, _LARGE, _NEVER

# Lattice arithmetic keeps below this, within 64 bits.
LARGEST = 2.0**61

# How it ended: proven; not within the states; at a class to branch on; held; no choice fits;
# not for this kernel.
DONE, LONG, BRANCH, HELD, INFEASIBLE, UNFIT = range(6)

# The relaxation, what the best choice moves from its break solution, and counts.
Node = namedtuple("Node", ["code", "r", "moves", "count", "classes", "items"])


@njit(cache=True)
def insert(g: Any, h: Any, big: Any, w: int, v: int) -> Any:
    """Add a vector to the lattice with basis ``(g, h), (0, big)``; a ``g`` of 0 is an overflow."""
    while w:
        q = g // w
        if abs(np.float64(h)) + abs(np.float64(q) * np.float64(v)) >= LARGEST:
            return np.int64(0), np.int64(0), np.int64(1)
        g, h, w, v = w, v, g - q * w, h - q * v
    big = gcd(big, abs(v))
    if g < 0:
        g, h = -g, -h
    return g, (h % big if big else h), big


@njit(cache=True, inline="always")
def small_lattice(s: Any, far: Any, divisor: int) -> Any:
    """:func:`bitknap.solvers.core.lattice.find_lattice`, with a ``g`` of 0 for an overflow."""
    g = h = big = np.int64(0)
    seen = 0
    bit_of = s.cost.view(np.int64)
    for i in far.cls:
        b = s.base[i]
        for j in range(s.offsets[i], s.offsets[i + 1]):
            dw = s.weight[j] - s.weight[b]
            if floor_of(s.test, s.envelope, s.cost[j] - s.cost[b], dw) == np.inf:
                continue
            high, dc = difference(bit_of[j], bit_of[b], s.unit)
            if high != 0:
                return np.int64(0), np.int64(0), np.int64(1)
            seen += 1
            if seen > 64 and g != 0 and 1 < big < 1 << 31:
                steps = dw // g
                if dw == steps * g and (dc - h * (steps % big)) % big == 0:
                    continue
            g, h, big = insert(g, h, big, dw, dc)
            if g == 0:
                return g, h, big
            if g == 1 and big == 1:
                return divisor, np.int64(0), np.int64(1)
    if g and not big:
        h, big = np.int64(0), abs(h)
    if g == 0 or big <= 1 or big >= 1 << 31:
        return divisor, np.int64(0), np.int64(1)
    return g, h, big


@njit(cache=True)
def solve_node(
    offsets: Any,
    cost: Any,
    weight: Any,
    near: Any,
    reach: float,
    whole: bool,
    rival: Any,
    until: int,
    may: bool,
    hold: float,
) -> Any:
    """Solve if it can be done by ``until`` states, or say that one must branch, if one may."""
    r = relax(offsets, cost, weight, near, reach, whole, rival)
    trial = NEVER
    if may and r.excess > UNEVEN:
        trial = 0 if r.excess > HUGE and r.base.size >= LARGE else TRIAL + 16 * r.base.size
    held = rival.size > 0 and r.lead > hold
    if r.settled or trial == 0 or held:
        code = DONE if r.settled else BRANCH if trial == 0 else HELD
        return Node(code, r, r.moves, np.zeros(SLOTS, dtype=np.int64), 0, 0)
    p = prepare(offsets, cost, weight, r)
    g, h, big = p.gcd, np.int64(0), np.int64(1)
    if p.bits <= 62:
        g, h, big = small_lattice(p.source, p.far, p.gcd)
    if p.bits > 122 or g == 0:
        code = UNFIT if p.bits > 122 else LONG
        return Node(code, r, r.moves, np.zeros(SLOTS, dtype=np.int64), 0, 0)
    # A compiled power of two is 0 where it is subnormal.
    scale = np.ldexp(1.0, p.source.unit)
    exact = p.bits <= 62
    problem = Problem(r.room // g * g, reach, scale, g, h, big, exact, r.envelope.allowance)
    x = start(p.far, problem, p.high, p.low, p.moves)
    x = search(x, problem, p.source, min(until, trial))
    code = DONE
    if x.count[SIZE] > 0:
        code = BRANCH if trial < until else LONG
    return Node(code, r, incumbent(x), x.count, p.far.cls.size, p.items)
