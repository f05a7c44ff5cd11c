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
from .task import NONE, Infeasible, Task

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
    root = kernel(task)
    if root is None or root.branch is None:
        return root
    tree = _Tree(kernel, task, root)
    return tree.result() if tree.explore(root, root.branch, NONE) else None


class _Tree:
    """The incumbent, what is left open, and counts over all nodes."""

    def __init__(self, kernel: Kernel, task: Task, root: Found) -> None:
        self.kernel, self.task, self.root = kernel, task, root
        self.best, self.objective = root.item, root.objective
        self.open: float | None = None
        self.stats = {**root.stats, "branches": 0}

    def explore(self, found: Found, branch: Branch, fixed: NDArray[np.int64]) -> bool:
        """Fix the class to each item, the most promising first; False when the kernel gives up."""
        first = int(self.task.offsets[branch.cls])
        for j in np.argsort(branch.floor, kind="stable").tolist():
            floor = float(branch.floor[j])
            if floor > self._above(found.base):
                continue
            if self._spent():
                self._leave_open(found.base, floor)
                continue
            if not self._child(np.append(fixed, first + j)):
                return False
        return True

    def _child(self, fixed: NDArray[np.int64]) -> bool:
        """Solve with some items fixed."""
        t = self.task
        self.stats["branches"] = int(self.stats["branches"]) + 1
        limit = t.state_limit
        if limit is not None:
            limit -= int(self.stats["states_total"])
        may = fixed.size < _DEPTH
        try:
            child = self.kernel(
                replace(t, rival=self.best, fixed=fixed, may_branch=may, state_limit=limit)
            )
        except Infeasible:
            return True
        if child is None:
            return False
        self.best, self.objective = child.item, child.objective
        self._count(child)
        if child.branch is not None:
            return self.explore(child, child.branch, fixed)
        if child.open_bound is not None:
            self._leave_open(child.base, child.open_bound)
        return True

    def _change(self, start: NDArray[np.int64], end: NDArray[np.int64]) -> tuple[float, float]:
        """Cost of one choice less that of another, and the rounding it may carry."""
        at = np.flatnonzero(start != end)
        terms = self.task.cost[end[at]] - self.task.cost[start[at]]
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
        t = self.task
        if t.deadline is not None and time.perf_counter() >= t.deadline:
            return True
        return t.state_limit is not None and int(self.stats["states_total"]) >= t.state_limit

    def _count(self, child: Found) -> None:
        for name in ("core_size", "reduced", "states_total"):
            self.stats[name] = int(self.stats[name]) + int(child.stats[name])
        for name, pick in (("classes_fixed", min), ("items_left", max)):
            self.stats[name] = pick(int(self.stats[name]), int(child.stats[name]))
        self.stats["states_peak"] = max(
            int(self.stats["states_peak"]), int(child.stats["states_peak"])
        )

    def result(self) -> Found:
        """Return what the tree found, relative to its root."""
        return replace(
            self.root,
            item=self.best,
            objective=self.objective,
            open_bound=self.open,
            stats=self.stats,
            branch=None,
        )
