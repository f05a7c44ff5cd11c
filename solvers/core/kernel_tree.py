"""Branching on a class too large for the core, numba kernel: :mod:`.branching` as loops.

The steps around the break of the first relaxation are, without those of the classes fixed, the
steps around the breaks of the others too: these need no pass over all items for them.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

from .branching import NODES as _NODES
from .kernel_bracket import Ends, fix
from .kernel_first import changes, difference, first_steps
from .kernel_hull import bound_in, segment
from .kernel_node import BRANCH, HELD, LONG, UNFIT, solve_node
from .kernel_relax import NEAR_STEPS, Near, break_of
from .kernel_states import BRANCHES, CORE, PEAK, REDUCED, TOTAL

NODES = _NODES
# Nodes that there is room for; the root has none.
OPEN = 256
ROOT = -1

# Lower bound relative to the root's break solution, infinite once taken; the item fixed; the node
# this was fixed in; whether its relaxation was found already.
Nodes = namedtuple("Nodes", ["bound", "item", "parent", "held"])
# Whether all was explored; the best choice, its cost relative to the root's break solution, the
# magnitude of this; counts.
Tree = namedtuple("Tree", ["done", "best", "value", "size", "count", "classes", "items"])


@njit(cache=True)
def floors(offsets: Any, cost: Any, weight: Any, r: Any) -> Any:
    """Lower bounds on the cost of a choice with each item of the break class."""
    e, i, b = r.envelope, r.at_break, r.base[r.at_break]
    floor = np.empty(offsets[i + 1] - offsets[i])
    for j in range(offsets[i], offsets[i + 1]):
        room = r.room - (weight[j] - weight[b])
        floor[j - offsets[i]] = bound_in(e, segment(e, room), cost[j] - cost[b], room)
    return floor - e.allowance


@njit(cache=True)
def with_moves(base: Any, moves: Any) -> Any:
    """The base after some moves."""
    item = base.copy()
    for k in range(moves.shape[0]):
        item[moves[k, 0]] = moves[k, 1]
    return item


@njit(cache=True, inline="always")
def beginning(near: Any, before: Any) -> Any:
    """The steps with none taken, given the item before them of each step's class."""
    base, room = near.base.copy(), near.room
    for a in range(before.size):
        base[near.steps.cls[a]] = before[a]
    for k in range(near.brk):
        room += near.steps.weight[near.order[k]]
    return Near(near.steps, near.order, 0, room, base, near.gap, near.high, near.low)


@njit(cache=True, inline="always")
def without(offsets: Any, weight: Any, near: Any, fixed: Any) -> Any:
    """The steps around the break with some items fixed, from those of :func:`beginning`."""
    base, gap, room = near.base.copy(), near.gap.copy(), near.room
    for j in fixed:
        i = np.searchsorted(offsets, j, side="right") - 1
        room -= weight[j] - weight[base[i]]
        base[i], gap[i] = j, np.inf
    order = np.empty(near.order.size, dtype=np.int64)
    n = 0
    for a in near.order:
        order[n] = a
        n += gap[near.steps.cls[a]] < np.inf
    order = order[:n]
    brk, room = break_of(near.steps, order, room)
    return Near(near.steps, order, brk, room, base, gap, near.high, near.low)


@njit(cache=True, inline="always")
def is_enough(near: Any) -> Any:
    """Whether there are ``NEAR_STEPS`` and one more on either side of the break, or all."""
    above = near.brk > NEAR_STEPS or (near.high == np.inf and near.room >= 0)
    return above and (near.order.size - near.brk > NEAR_STEPS or near.low == 0.0)


@njit(cache=True, inline="always")
def chain(nodes: Any, k: Any) -> Any:
    """The items fixed in a node."""
    n = 0
    a = k
    while a != ROOT:
        n += 1
        a = nodes.parent[a]
    fixed = np.empty(n, dtype=np.int64)
    while k != ROOT:
        n -= 1
        fixed[n] = nodes.item[k]
        k = nodes.parent[k]
    return fixed


@njit(cache=True, inline="always")
def from_root(bound: float, value: float, size: float) -> float:
    """A bound relative to a break solution that costs ``value`` more than the root's, likewise.

    Rounded down; ``size`` is the magnitude of ``value``.
    """
    return value + bound - 2.0**-50 * (size + abs(value) + abs(bound))


@njit(cache=True, inline="always")
def open_node(nodes: Any, n: Any, bound: float, item: Any, parent: Any, held: Any) -> Any:
    """Add a node; return the number of nodes, or -1 without room for it."""
    if n < 0 or n == OPEN:
        return -1
    nodes.bound[n], nodes.item[n], nodes.parent[n], nodes.held[n] = bound, item, parent, held
    return n + 1


@njit(cache=True)
def divide(
    offsets: Any, cost: Any, weight: Any, r: Any, root: Any, nodes: Any, n: Any, parent: Any,
    least: float, limit: float,
) -> Any:  # fmt: skip
    """Open a node for each item of the break class; return the number of nodes, or -1."""
    floor = floors(offsets, cost, weight, r)
    value, size = changes(difference(root, r.base), root, cost)
    for k in range(floor.size):
        bound = max(floor[k], r.bound)
        if parent != ROOT:
            bound = from_root(bound, value, size)
        bound = max(least, bound)
        if bound < limit:
            n = open_node(nodes, n, bound, offsets[r.at_break] + k, parent, False)
    return n


@njit(cache=True, inline="always")
def reach_with(offsets: Any, weight: Any, ends: Any, fixed: Any) -> float:
    """Largest possible movement of weight with some items fixed."""
    reach = ends.most - ends.least
    for j in fixed:
        i = np.searchsorted(offsets, j, side="right") - 1
        reach -= weight[ends.heavy[i]] - weight[ends.light[i]]
    return np.float64(reach)


@njit(cache=True, inline="always")
def steps_with(
    offsets: Any, cost: Any, weight: Any, capacity: int, ends: Any, begin: Any, fixed: Any
) -> Any:
    """The steps around the break with some items fixed, and whether any choice fits."""
    near = without(offsets, weight, begin, fixed)
    fits = True
    if not is_enough(near):
        copy = Ends(ends.light.copy(), ends.heavy.copy(), ends.least, ends.most, ends.whole)
        copy = fix(offsets, weight, copy, fixed)
        fits = capacity >= copy.least
        if fits:
            near = first_steps(offsets, cost, weight, copy, capacity)
    return near, fits


@njit(cache=True, inline="always")
def explore(
    offsets: Any,
    cost: Any,
    weight: Any,
    capacity: int,
    ends: Any,
    near: Any,
    before: Any,
    node: Any,
    until: int,
) -> Any:
    """Explore the tree below a node that is to be branched on, if ``until`` states are enough.

    Each relaxation counts as a state for every class. ``before`` holds, for each step of ``near``,
    the item of its class before these steps.
    """
    root, count, classes, items = node.r.base, node.count.copy(), node.classes, node.items
    best = with_moves(root, node.moves)
    value, size = changes(node.moves, root, cost)
    limit = value + 2.0**-50 * size
    begin = beginning(near, before)
    none = np.full(OPEN, np.inf), np.empty(OPEN, dtype=np.int64), np.empty(OPEN, dtype=np.int64)
    nodes = Nodes(none[0], none[1], none[2], np.zeros(OPEN, dtype=np.bool_))
    n = divide(offsets, cost, weight, node.r, root, nodes, 0, ROOT, -np.inf, limit)
    while n >= 0:
        k = np.argmin(nodes.bound)
        least = nodes.bound[k]
        if least >= limit:
            return Tree(True, best, value, size, count, classes, items)
        nodes.bound[k] = np.inf
        hold = np.inf if nodes.held[k] else nodes.bound.min() - value
        left = until - count[TOTAL] - (count[BRANCHES] + 1) * root.size
        if left <= 0:
            break
        fixed = chain(nodes, k)
        steps, fits = steps_with(offsets, cost, weight, capacity, ends, begin, fixed)
        if not fits:
            continue
        child = solve_node(
            offsets, cost, weight, steps, reach_with(offsets, weight, ends, fixed), ends.whole,
            best, left, count[BRANCHES] < NODES, hold,
        )  # fmt: skip
        if child.code in (UNFIT, LONG):
            break
        best = with_moves(child.r.base, child.moves)
        value, size = changes(difference(root, best), root, cost)
        limit = value + 2.0**-50 * size
        count[BRANCHES] += 1
        for slot in (CORE, REDUCED, TOTAL):
            count[slot] += child.count[slot]
        count[PEAK] = max(count[PEAK], child.count[PEAK])
        classes, items = max(classes, child.classes), max(items, child.items)
        if child.code == BRANCH:
            n = divide(offsets, cost, weight, child.r, root, nodes, n, k, least, limit)
        elif child.code == HELD:
            apart = changes(difference(root, child.r.base), root, cost)
            bound = max(least, from_root(child.r.bound, apart[0], apart[1]))
            n = open_node(nodes, n, bound, nodes.item[k], nodes.parent[k], True)
    return Tree(False, best, value, size, count, classes, items)
