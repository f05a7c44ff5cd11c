"""Linear relaxation of the multiple-choice knapsack in NumPy: dominance, hull, break item.

An item is *dominated* when another of its class is no heavier and no dearer; the undominated
items below the line through two others are the *lower convex hull*. Along the hull of class
``i`` the slopes

    s = (c[a] - c[b]) / (w[b] - w[a])          (saving per unit of weight, a before b)

strictly decrease, so the relaxation is solved by taking hull steps of all classes in decreasing
slope until the capacity is reached (Sinha and Zoltners 1979; Zemel 1980). The step that no longer
fits is the *break* step; its slope is the optimal multiplier.

References
----------
P. Sinha, A. Zoltners, The multiple-choice knapsack problem, Oper. Res. 27 (1979) 503-515.
E. Zemel, The linear multiple choice knapsack problem, Oper. Res. 28 (1980) 1412-1423.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "HUGE",
    "LARGE",
    "LEAST_SLOPE",
    "NEAR_STEPS",
    "NEVER",
    "NO_SLOPE",
    "TRIAL",
    "UNEVEN",
    "Relaxation",
    "excess",
    "lower_hull",
    "relax",
    "trial",
]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Stands for an infinite slope; times any weight it stays finite.
NO_SLOPE = 2.0**960
# Slopes of steps are at least this: smaller ones might underflow to 0, which is no step. Bounds
# allow for as much.
LEAST_SLOPE = 2.0**-1000
# A break step this many times heavier than the middle one of those near it is branched on when
# ``TRIAL`` states, and some for each class, did not finish the search, or, with ``HUGE`` and from
# ``LARGE`` classes on, at once.
UNEVEN, TRIAL, HUGE, LARGE = 8.0, 4096, 32.0, 500
# How many steps on either side of the break the envelope and the greedy completion look at.
NEAR_STEPS = 48
NEVER = 1 << 62


@dataclass(frozen=True)
class Relaxation:
    """The undominated items and the break solution.

    Attributes
    ----------
    item
        Undominated items (indices into the instance), class by class, by increasing weight.
    offsets
        Class ``i`` owns ``item[offsets[i]:offsets[i + 1]]``.
    base
        Position in ``item`` of the break solution's item, shape (L,).
    room
        Capacity left by the break solution, >= 0.
    at_break
        Class of the break step, or -1.
    multiplier
        Slope of the break step; 0 when every class stands at its cheapest item.
    completion
        ``(class, position in item)`` of the classes that the greedy completion moves.
    hull_size
        Number of items on all hulls.
    steps
        Slope and weight of the hull steps next to the break, by decreasing slope.
    brk
        Index of the break step among ``steps``; those before are taken.
    tails
        Slope of the step before ``steps`` and of the step behind; ``NO_SLOPE`` and 0 if none.
    rounds
        How often hull points were dropped: see :func:`lower_hull`.
    """

    item: Ints
    offsets: Ints
    base: Ints
    room: int
    at_break: int
    multiplier: float
    completion: list[tuple[int, int]]
    hull_size: int
    steps: tuple[Floats, Ints]
    brk: int
    tails: tuple[float, float]
    rounds: int


def _undominated(cls: Ints, cost: Floats, weight: Ints) -> Ints:
    """Return the undominated items by class, then by strictly increasing weight."""
    n = cost.size
    item = np.arange(n)
    inner = cls[1:] == cls[:-1]
    step_w, step_c = weight[1:] - weight[:-1], cost[1:] - cost[:-1]
    if (inner & ((step_w < 0) | ((step_w == 0) & (step_c < 0)))).any():
        item = np.lexsort((cost, weight, cls))
        step_c = np.diff(cost[item])
    if not (inner & (step_c >= 0)).any():
        return item
    rank = np.empty(n, dtype=np.int64)
    rank[np.argsort(cost[item], kind="stable")] = np.arange(n)
    # Later classes get smaller keys, so the running minimum starts afresh in each class.
    key = rank - cls * n
    kept = np.ones(n, dtype=bool)
    np.less(key[1:], np.minimum.accumulate(key)[:-1], out=kept[1:])
    return item[kept]


def lower_hull(cls: Ints, cost: Floats, weight: Ints) -> tuple[Ints, Ints, Floats, Ints, int]:
    """Return hull positions; per hull step its head's hull position, slope and weight; rounds.

    Points of a class come by increasing weight and decreasing cost. Every point above the segment
    of its two neighbours is dropped, all at once, until none is.
    """
    point = np.arange(cost.size)
    rounds = 0
    while True:
        inner = cls[1:] == cls[:-1]
        step_w = np.where(inner, weight[1:] - weight[:-1], 1)
        slope = np.maximum((cost[:-1] - cost[1:]) / step_w, LEAST_SLOPE)
        bad = inner[:-1] & inner[1:] & (slope[:-1] <= slope[1:])
        if not bad.any():
            head = np.flatnonzero(inner) + 1
            return point, head, slope[inner], step_w[inner], rounds
        rounds += 1
        kept = np.ones(point.size, dtype=bool)
        kept[1:-1] = ~bad
        point, cls, cost, weight = point[kept], cls[kept], cost[kept], weight[kept]


def _below_chord(offsets: Ints, cost: Floats, weight: Ints) -> Ints:
    """Return the ends of each class and what is below the line through them, rounding left out.

    Only these may be on the hull, and the numba kernel looks at no others: of points on a line but
    for the rounding of their costs, the hull then keeps the same in either kernel.
    """
    size = np.diff(offsets)
    x, y = np.repeat(offsets[:-1], size), np.repeat(offsets[1:] - 1, size)
    drop, fall = cost[x] - cost[y], cost[x] - cost
    left, right = fall * (weight[y] - weight[x]), drop * (weight - weight[x])
    top = np.where(np.floor(drop) == drop, 2.0**53, 0.0)
    on = (left == right) & (right < top) & (np.floor(fall) == fall)
    below = (left >= right * (1.0 - 2.0**-45)) & ~on
    below[offsets[:-1]] = below[offsets[1:] - 1] = True
    return np.flatnonzero(below)


def _complete(room: int, taken: Ints, steps: list[tuple[int, int, int]]) -> dict[int, int]:
    """Take the steps that still fit, in order; return the last head taken of each class."""
    moved: dict[int, int] = {}
    at: dict[int, int] = {}
    for cls, head, weight in steps:
        before = at.get(cls, int(taken[cls]))
        if head == before + 1 and weight <= room:
            room -= weight
            at[cls] = moved[cls] = head
    return moved


def excess(r: Relaxation, spare: float) -> float:
    """How many times heavier the break step is than the middle one of those near it.

    0 unless at least half of these may still be taken or undone.

    Args:
        r: the relaxation.
        spare: cost of the incumbent less the bound.
    """
    slope, step = r.steps
    if r.at_break < 0:
        return 0.0
    alive = np.abs(slope - r.multiplier) * step <= spare
    if 2 * int(alive.sum()) < alive.size:
        return 0.0
    middle = -float(np.sort(-step.astype(np.float64))[step.size // 2])
    return float(step[r.brk]) / middle


def trial(classes: int, excess: float) -> int:
    """States to make before branching; ``NEVER`` where there is no need to branch."""
    if excess > HUGE and classes >= LARGE:
        return 0
    return TRIAL + 16 * classes if excess > UNEVEN else NEVER


def relax(offsets: Ints, cost: Floats, weight: Ints, capacity: int) -> Relaxation:
    """Solve the linear relaxation.

    Args:
        offsets: class bounds, shape (L + 1,).
        cost: costs, shape (n,).
        weight: weights, shape (n,), >= 0.
        capacity: at least the sum of the lightest items.

    Returns:
        The break solution and the undominated items. Steps of equal slope are taken by class.
    """
    classes = offsets.size - 1
    cls = np.repeat(np.arange(classes), np.diff(offsets))
    item = _undominated(cls, cost, weight)
    u_cls, u_cost, u_weight = cls[item], cost[item], weight[item]
    u_offsets = np.searchsorted(u_cls, np.arange(classes + 1))
    below = _below_chord(u_offsets, u_cost, u_weight)
    hull, head, slope, step_w, rounds = lower_hull(u_cls[below], u_cost[below], u_weight[below])
    hull = below[hull]
    start = np.searchsorted(u_cls[hull], np.arange(classes))
    step_cls = u_cls[hull[head]]
    order = np.argsort(-slope, kind="stable")
    filled = np.cumsum(step_w[order])
    budget = capacity - int(u_weight[u_offsets[:-1]].sum())
    brk = int(np.searchsorted(filled, budget, side="right"))
    at = start + np.bincount(step_cls[order[:brk]], minlength=classes)
    room = budget - (int(filled[brk - 1]) if brk else 0)
    begin, end = max(0, brk - NEAR_STEPS), min(order.size, brk + NEAR_STEPS)
    near, after = order[begin:end], order[brk:end]
    steps = list(
        zip(step_cls[after].tolist(), head[after].tolist(), step_w[after].tolist(), strict=True)
    )
    moved = _complete(room, at, steps)
    return Relaxation(
        item=item,
        offsets=u_offsets,
        base=hull[at],
        room=room,
        at_break=int(step_cls[order[brk]]) if brk < order.size else -1,
        multiplier=float(slope[order[brk]]) if brk < order.size else 0.0,
        completion=[(i, int(hull[p])) for i, p in sorted(moved.items())],
        hull_size=hull.size,
        steps=(slope[near], step_w[near]),
        brk=brk - begin,
        tails=(
            float(slope[order[begin - 1]]) if begin else NO_SLOPE,
            float(slope[order[end]]) if end < order.size else 0.0,
        ),
        rounds=rounds,
    )
