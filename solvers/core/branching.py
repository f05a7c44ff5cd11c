"""Branching on a class too large for the core.

Where the break step is heavier than all the steps near it together, the break solution leaves so
much room that a core around it would have to move thousands of classes. Such a class is fixed to
each of its items in turn; around each of the relaxations that follow, the core is small, and the
bound of all but one or two of them is above the incumbent.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .result import Branch, Found
from .task import Infeasible, Task

__all__ = ["solve_branching"]

Kernel = Callable[[Task], Found | None]

# Classes fixed at most on one path.
_DEPTH = 8


def solve_branching(kernel: Kernel, task: Task) -> Found | None:
    """Solve by a kernel, branching where it says so.

    Returns:
        The best choice with counts of the whole tree; None when the kernel gave up.

    Raises:
        Infeasible: the lightest items do not fit.
    """
    root = kernel(replace(task, may_branch=True))
    if root is None or root.branch is None:
        return root
    tree = _Tree(kernel, task, root)
    return tree.result() if tree.explore(root, root.branch, 0) else None


class _Tree:
    """The incumbent, what is left open, and counts over all nodes."""

    def __init__(self, kernel: Kernel, task: Task, root: Found) -> None:
        self.kernel, self.root = kernel, root
        self.best = root.item
        self.open: float | None = None
        self.task = replace(
            task, cost=task.cost.copy(), weight=task.weight.copy(), prices=task.cost
        )
        self.original = task
        self.stats = {**root.stats, "branches": 0}

    def explore(self, found: Found, branch: Branch, depth: int) -> bool:
        """Fix the class to each item, the most promising first; False when the kernel gives up."""
        a, b = (int(x) for x in self.original.offsets[branch.cls : branch.cls + 2])
        for j in np.argsort(branch.floor, kind="stable").tolist():
            floor = float(branch.floor[j])
            if floor > self._above(found.base):
                continue
            if self._spent():
                self._leave_open(found.base, floor)
                continue
            if not self._child(a, b, a + j, depth):
                return False
        return True

    def _child(self, a: int, b: int, j: int, depth: int) -> bool:
        """Solve with the class ``a .. b - 1`` fixed to ``j``."""
        cost, weight, given = self.task.cost, self.task.weight, self.original
        # The others of the class become dominated copies, so that indices stay what they are.
        weight[a:b] = given.weight[j]
        cost[a:b] = given.cost[j] + (1.0 + abs(given.cost[j]))
        cost[j] = given.cost[j]
        self.stats["branches"] = int(self.stats["branches"]) + 1
        try:
            limit = None
            if given.state_limit is not None:
                limit = given.state_limit - int(self.stats["states_total"])
            child = self.kernel(
                replace(self.task, rival=self.best, may_branch=depth < _DEPTH, state_limit=limit)
            )
            if child is None:
                return False
            self.best = child.item
            self._count(child)
            if child.branch is not None:
                return self.explore(child, child.branch, depth + 1)
            if child.open_bound is not None:
                self._leave_open(child.base, child.open_bound)
        except Infeasible:
            pass
        finally:
            cost[a:b], weight[a:b] = given.cost[a:b], given.weight[a:b]
        return True

    def _change(self, start: NDArray[np.int64], end: NDArray[np.int64]) -> tuple[float, float]:
        """Cost of one choice less that of another, and the rounding it may carry."""
        at = np.flatnonzero(start != end)
        terms = self.original.cost[end[at]] - self.original.cost[start[at]]
        return math.fsum(terms.tolist()), 2.0**-50 * float(np.abs(terms).sum())

    def _above(self, base: NDArray[np.int64]) -> float:
        """What a bound relative to ``base`` must exceed to rule a node out."""
        change, noise = self._change(base, self.best)
        return change + noise + 2.0**-48 * abs(change)

    def _leave_open(self, base: NDArray[np.int64], bound: float) -> None:
        change, noise = self._change(self.root.base, base)
        total = change + bound - noise - 2.0**-50 * (abs(change) + abs(bound))
        self.open = total if self.open is None else min(self.open, total)

    def _spent(self) -> bool:
        t = self.original
        if t.deadline is not None and time.perf_counter() >= t.deadline:
            return True
        return t.state_limit is not None and int(self.stats["states_total"]) >= t.state_limit

    def _count(self, child: Found) -> None:
        for name in ("core_size", "reduced", "states_total"):
            self.stats[name] = int(self.stats[name]) + int(child.stats[name])
        self.stats["states_peak"] = max(
            int(self.stats["states_peak"]), int(child.stats["states_peak"])
        )

    def result(self) -> Found:
        """Return what the tree found, relative to its root."""
        return replace(
            self.root, item=self.best, open_bound=self.open, stats=self.stats, branch=None
        )
