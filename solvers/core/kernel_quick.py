"""The numba kernel in one call: for instances whose search takes one slice."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

from .kernel_bracket import Ends, extremes
from .kernel_exact import difference, gcd, total
from .kernel_first import changes, relax
from .kernel_hull import bound_in, segment
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

# Lattice arithmetic on numbers below this stays within 64 bits.
SMALL = 1 << 20

# How it ended: proven; not within the states; at a class to branch on; held; no choice fits;
# not for this kernel.
DONE, LONG, BRANCH, HELD, INFEASIBLE, UNFIT = range(6)

Quick = namedtuple(
    "Quick",
    [
        "code", "base", "item", "choice", "objective", "change", "noise", "multiplier", "relaxed",
        "count", "classes", "items", "cls", "floor",
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


@njit(cache=True, inline="always")
def small_lattice(s: Any, far: Any, divisor: int) -> Any:
    """:func:`bitknap.solvers.core.lattice.find_lattice` for numbers below ``SMALL``.

    Returns a ``g`` of 0 where a number is not.
    """
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
            if high != 0 or abs(dc) >= SMALL or abs(dw) >= SMALL:
                return np.int64(0), np.int64(0), np.int64(1)
            seen += 1
            if seen > 64 and g != 0 and 1 < big < 1 << 31:
                steps = dw // g
                if dw == steps * g and (dc - h * (steps % big)) % big == 0:
                    continue
            g, h, big = insert(g, h, big, dw, dc)
            if g == 1 and big == 1:
                return divisor, np.int64(0), np.int64(1)
    if g and not big:
        h, big = np.int64(0), abs(h)
    if g == 0 or big <= 1 or big >= 1 << 31:
        return divisor, np.int64(0), np.int64(1)
    return g, h, big


@njit(cache=True)
def refuse(code: int) -> Any:
    """An answer without a choice."""
    none = np.empty(0, dtype=np.int64)
    return Quick(code, none, none, none, 0.0, 0.0, 0.0, 0.0, 0.0, none, 0, 0, -1, np.empty(0))


@njit(cache=True)
def answer(
    code: int,
    r: Any,
    offsets: Any,
    cost: Any,
    moves: Any,
    count: Any,
    classes: int,
    items: int,
    floor: Any,
) -> Any:
    """An answer with the break solution after some moves."""
    item = r.base.copy()
    for k in range(moves.shape[0]):
        item[moves[k, 0]] = moves[k, 1]
    objective = total(cost, item)
    change, noise = changes(moves, r.base, cost)
    return Quick(
        code, r.base, item, item - offsets[:-1], objective, change, noise, r.multiplier, r.bound,
        count, classes, items, r.at_break, floor,
    )  # fmt: skip


@njit(cache=True)
def fix(offsets: Any, weight: Any, ends: Any, fixed: Any) -> Any:
    """Leave the classes of some items nothing else; return the ends after that."""
    light, heavy, least, most = ends.light, ends.heavy, ends.least, ends.most
    for j in fixed:
        i = np.searchsorted(offsets, j, side="right") - 1
        least += weight[j] - weight[light[i]]
        most += weight[j] - weight[heavy[i]]
        light[i] = heavy[i] = j
    return Ends(light, heavy, least, most, ends.whole)


@njit(cache=True, inline="always")
def floors(offsets: Any, cost: Any, weight: Any, r: Any) -> Any:
    """Lower bounds on the cost of a choice with each item of the break class."""
    e, i, b = r.envelope, r.at_break, r.base[r.at_break]
    floor = np.empty(offsets[i + 1] - offsets[i])
    for j in range(offsets[i], offsets[i + 1]):
        room = r.room - (weight[j] - weight[b])
        floor[j - offsets[i]] = bound_in(e, segment(e, room), cost[j] - cost[b], room)
    return floor - e.allowance


@njit(cache=True)
def quick(
    offsets: Any,
    cost: Any,
    weight: Any,
    capacity: int,
    until: int,
    rival: Any,
    fixed: Any,
    may: bool,
    hold: float,
) -> Any:
    """Solve if it can be done by ``until`` states, or tell where to branch if one may.

    ``fixed`` holds items that their classes must take; see :class:`.task.Task` for ``hold``.
    """
    ends, largest, bad = extremes(offsets, cost, weight)
    if bad or not (largest == 0.0 or 2.0**-900 < largest < 2.0**900):
        return refuse(UNFIT)
    ends = fix(offsets, weight, ends, fixed)
    if capacity < ends.least:
        return refuse(INFEASIBLE)
    reach = np.float64(ends.most - ends.least)
    r = relax(offsets, cost, weight, capacity, ends, reach, rival)
    trial = NEVER
    if may and r.excess > UNEVEN:
        trial = 0 if r.excess > HUGE and r.base.size >= LARGE else TRIAL + 16 * r.base.size
    held = rival.size > 0 and r.lead > hold
    if r.settled or trial == 0 or held:
        code = DONE if r.settled else BRANCH if trial == 0 else HELD
        floor = floors(offsets, cost, weight, r) if code == BRANCH else np.empty(0)
        count = np.zeros(SLOTS, dtype=np.int64)
        return answer(code, r, offsets, cost, r.moves, count, 0, 0, floor)
    p = prepare(offsets, cost, weight, r)
    if p.bits > 122:
        return refuse(UNFIT)
    g, h, big = p.gcd, np.int64(0), np.int64(1)
    if p.bits <= 62:
        g, h, big = small_lattice(p.source, p.far, p.gcd)
        if g == 0:
            return refuse(LONG)
    problem = Problem(
        r.room // g * g, reach, 2.0**p.source.unit, g, h, big, p.bits <= 62, r.envelope.allowance
    )
    x = start(p.far, problem, p.high, p.low, p.moves)
    x = search(x, problem, p.source, min(until, trial))
    floor = np.empty(0)
    code = DONE
    if x.count[SIZE] > 0:
        code = BRANCH if trial < until else LONG
        if code == BRANCH:
            floor = floors(offsets, cost, weight, r)
    moves = incumbent(x)
    return answer(code, r, offsets, cost, moves, x.count, p.far.cls.size, p.items, floor)
