"""The numba kernel in one call: for instances whose search takes one slice."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

from .kernel_bracket import extremes, fix
from .kernel_exact import total
from .kernel_first import changes, first_steps
from .kernel_node import BRANCH, DONE, INFEASIBLE, UNFIT, solve_node
from .kernel_tree import explore, floors, with_moves

Quick = namedtuple(
    "Quick",
    [
        "code", "base", "item", "choice", "objective", "change", "noise", "multiplier", "relaxed",
        "count", "classes", "items", "cls", "floor",
    ],
)  # fmt: skip


@njit(cache=True)
def refuse(code: int) -> Any:
    """An answer without a choice."""
    none = np.empty(0, dtype=np.int64)
    return Quick(code, none, none, none, 0.0, 0.0, 0.0, 0.0, 0.0, none, 0, 0, -1, np.empty(0))


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
    near = first_steps(offsets, cost, weight, ends, capacity)
    before = near.base[near.steps.cls]
    reach, known = np.float64(ends.most - ends.least), rival.copy()
    node = solve_node(offsets, cost, weight, near, reach, ends.whole, known, until, may, hold)
    code, r, count = node.code, node.r, node.count
    if code == UNFIT:
        return refuse(UNFIT)
    item, floor = with_moves(r.base, node.moves), np.empty(0)
    change, noise = changes(node.moves, r.base, cost)
    classes, items = node.classes, node.items
    if code == BRANCH and rival.size == 0 and fixed.size == 0:
        tree = explore(offsets, cost, weight, capacity, ends, near, before, node, until)
        if tree.done:
            code, item, change, noise = DONE, tree.best, tree.value, tree.size
            count, classes, items = tree.count, tree.classes, tree.items
    if code == BRANCH:
        floor = floors(offsets, cost, weight, r)
    return Quick(
        code, r.base, item, item - offsets[:-1], total(cost, item), change, noise, r.multiplier,
        r.bound, count, classes, items, r.at_break, floor,
    )  # fmt: skip
