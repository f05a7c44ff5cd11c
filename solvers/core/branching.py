"""Branching on a class too large for the core.

Where the break step is heavier than all the steps near it together, the break solution leaves so
much room that a core around it would have to move thousands of classes. Such a class is fixed to
each of its items; around each of the relaxations that follow, the core is small, and the bound of
all but one or two of them is above the incumbent.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .result import Found, change
from .task import NONE, Infeasible, Task

__all__ = ["NODES", "solve_branching"]

Floats = NDArray[np.float64]
Kernel = Callable[[Task], Found | None]

# Nodes after which all are searched instead of divided.
NODES = 32


def solve_branching(kernel: Kernel, task: Task) -> Found | None:
    """Solve by a kernel, branching where it says so.

    Returns:
        The best choice with counts of the whole tree; None when the kernel gave up.

    Raises:
        Infeasible: the lightest items do not fit.
    """
    root = kernel(task)
    if root is None or root.branch is None:
        return root
    tree = _Tree(kernel, task, root)
    return tree.result() if tree.explore() else None


class _Tree:
    """Open nodes by lowest bound, the incumbent, and counts over all nodes.

    A node is searched only when its relaxation is the lowest of all, so that the best incumbent
    comes early and rules most of the others out unsearched. All bounds are relative to the break
    solution of the root.
    """

    def __init__(self, kernel: Kernel, task: Task, root: Found) -> None:
        self.kernel, self.task, self.root = kernel, task, root
        self.best, self.objective = root.item, root.objective
        self.value, self.size = root.change or change(task.cost, root.base, root.item)
        self.open: float | None = None
        self.stats = {**root.stats, "branches": 0}
        self.nodes: list[tuple[float, int, NDArray[np.int64], bool]] = []
        self.pushed = 0
        self._divide(root, NONE, -math.inf)

    def explore(self) -> bool:
        """Solve the most promising node until none can be better; False if the kernel gives up."""
        while self.nodes:
            bound, _, fixed, was_held = heapq.heappop(self.nodes)
            if bound >= self._limit():
                break
            if self._spent():
                self.open = bound if self.open is None else min(self.open, bound)
                break
            ahead = self.nodes[0][0] - self.value if self.nodes and not was_held else math.inf
            try:
                child = self._solve(fixed, ahead)
            except Infeasible:
                continue
            if child is None:
                return False
            self._take(child, fixed, bound)
        return True

    def _solve(self, fixed: NDArray[np.int64], hold: float) -> Found | None:
        limit = self.task.state_limit
        if limit is not None:
            limit -= int(self.stats["states_total"])
        return self.kernel(
            self.task._replace(
                rival=self.best,
                fixed=fixed,
                hold=hold,
                may_branch=int(self.stats["branches"]) < NODES,
                state_limit=limit,
            )
        )

    def _take(self, child: Found, fixed: NDArray[np.int64], bound: float) -> None:
        """Count a node, take its choice, and put back what it left open."""
        if not np.array_equal(child.item, self.best):
            self.best, self.objective = child.item, child.objective
            self.value, self.size = change(self.task.cost, self.root.base, self.best)
        self._count(child)
        if child.branch is not None:
            self._divide(child, fixed, bound)
        elif child.open_bound is not None:
            left = max(bound, float(self._from_root(child.base, np.array(child.open_bound))))
            if child.held:
                self._push(left, fixed, held=True)
            else:
                self.open = left if self.open is None else min(self.open, left)

    def _divide(self, found: Found, fixed: NDArray[np.int64], bound: float) -> None:
        """Open a node for each item of the class to branch on."""
        assert found.branch is not None
        first = int(self.task.offsets[found.branch.cls])
        floor = np.maximum(found.branch.floor, found.relaxed)
        limit = self._limit()
        for j, at in enumerate(self._from_root(found.base, floor).tolist()):
            if max(bound, at) < limit:
                self._push(max(bound, at), np.append(fixed, first + j), held=False)

    def _push(self, bound: float, fixed: NDArray[np.int64], *, held: bool) -> None:
        self.pushed += 1
        heapq.heappush(self.nodes, (bound, self.pushed, fixed, held))

    def _limit(self) -> float:
        """Cost of the best choice with the rounding it may carry: from there on none is better."""
        return self.value + 2.0**-50 * self.size

    def _from_root(self, base: NDArray[np.int64], bound: Floats) -> Floats:
        """Bounds relative to ``base`` as bounds relative to the root, rounded down."""
        if base is self.root.base:
            return bound
        value, size = change(self.task.cost, self.root.base, base)
        lowered: Floats = value + bound - 2.0**-50 * (size + abs(value) + np.abs(bound))
        return lowered

    def _spent(self) -> bool:
        t = self.task
        if t.deadline is not None and time.perf_counter() >= t.deadline:
            return True
        return t.state_limit is not None and int(self.stats["states_total"]) >= t.state_limit

    def _count(self, child: Found) -> None:
        self.stats["branches"] = int(self.stats["branches"]) + 1
        for name in ("core_size", "reduced", "states_total"):
            self.stats[name] = int(self.stats[name]) + int(child.stats[name])
        for name, pick in (("states_peak", max), ("classes_fixed", min), ("items_left", max)):
            self.stats[name] = pick(int(self.stats[name]), int(child.stats[name]))

    def result(self) -> Found:
        """Return what the tree found, relative to its root."""
        return self.root._replace(
            item=self.best,
            choice=None,
            objective=self.objective,
            change=(self.value, self.size),
            open_bound=self.open,
            stats=self.stats,
            branch=None,
        )
