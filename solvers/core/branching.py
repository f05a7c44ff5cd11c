"""Branching on a class too large for the core.

Where the break step is heavier than all the steps near it together, the break solution leaves so
much room that a core around it would have to move thousands of classes. Such a class is fixed to
each of its items; around each of the relaxations that follow, the core is small, and the bound of
all but one or two of them is above the incumbent.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .library import BRANCH, INFEASIBLE, LIMIT, Node, Problem

__all__ = ["NODES", "Tree"]

Ints = NDArray[np.int64]
Solve = Callable[..., Node]

# Nodes after which all are searched instead of divided.
NODES = 32


class Tree:
    """Open nodes by lowest bound, the incumbent, and counts over all nodes.

    A node is searched only when its relaxation is the lowest of all, so that the best incumbent
    comes early and rules most of the others out unsearched. Classes that no better choice moves
    are left out. Bounds are counted from the break solution of the root, and rounded down; nodes
    that they do not tell apart from the incumbent are left to the kernel, which is exact.

    Args:
        solve: solves a node, from a problem and a known choice; ``states`` and ``may_branch`` say
            how far.
        problem: the instance.
        root: its node, to be branched on.
    """

    def __init__(self, solve: Solve, problem: Problem, root: Node) -> None:
        moved = root.kept | (root.choice != root.base)
        moved[root.answer.branch] = True
        self.classes = np.flatnonzero(moved)
        self.solve, self.root = solve, root
        reduced = root._replace(base=root.base[self.classes], choice=root.choice[self.classes])
        self.reference, self.best = reduced.base, reduced.choice
        self.cost = problem.cost
        rest = int(problem.weight[root.base[~moved]].sum())
        top = problem._replace(
            begin=problem.begin[self.classes],
            end=problem.end[self.classes],
            capacity=problem.capacity - rest,
        )
        self.open = math.inf
        self.branches = self.core = self.total = self.peak = 0
        self.nodes: list[tuple[float, int, Problem, bool]] = []
        self.pushed = 0
        self._divide(top, reduced, int(np.searchsorted(self.classes, root.answer.branch)))

    def explore(self) -> None:
        """Solve the most promising node until none can be better, or a limit is reached."""
        while self.nodes:
            bound, _, problem, relaxed = heapq.heappop(self.nodes)
            if bound > self._worth():
                return
            if not relaxed:
                node = self._node(problem, states=0, may_branch=False)
                if node.code == LIMIT:
                    bound = max(bound, self._from_root(node, node.answer.open))
                    self._push(bound, _narrowed(problem, node), True)
                continue
            self.branches += 1
            node = self._node(problem, may_branch=self.branches <= NODES)
            if node.code == BRANCH:
                self._divide(_narrowed(problem, node), node, node.answer.branch)
            elif node.code == LIMIT:
                self.open = min((bound, *(at for at, *_ in self.nodes)))
                return

    @property
    def choice(self) -> Ints:
        """The best choice of all classes."""
        choice = self.root.base.copy()
        choice[self.classes] = self.best
        return choice

    def _divide(self, problem: Problem, node: Node, branch: int) -> None:
        """Open a node for each item of a class, at what its reduced cost adds to the bound."""
        base, answer = node.base[branch], node.answer
        for item in range(int(problem.begin[branch]), int(problem.end[branch])):
            begin, end = problem.begin.copy(), problem.end.copy()
            begin[branch], end[branch] = item, item + 1
            more = float(problem.cost[item] - problem.cost[base])
            turn = answer.multiplier * float(problem.weight[item] - problem.weight[base])
            least = answer.bound + more + turn - 2.0**-49 * (abs(more) + abs(turn))
            self._push(self._from_root(node, least), problem._replace(begin=begin, end=end), False)

    def _push(self, bound: float, problem: Problem, relaxed: bool) -> None:
        self.pushed += 1
        heapq.heappush(self.nodes, (bound, self.pushed, problem, relaxed))

    def _node(self, problem: Problem, **how: int) -> Node:
        node = self.solve(problem, self.best, **how)
        if node.code != INFEASIBLE:
            self.best = node.choice
        self.core += node.answer.core
        self.total += node.answer.total
        self.peak = max(self.peak, node.answer.peak)
        return node

    def _from_root(self, node: Node, bound: float) -> float:
        """A bound counted from a node's break solution as one counted from the root's."""
        value, size = change(self.cost, self.reference, node.base)
        return value + bound - 2.0**-50 * (size + abs(value) + abs(bound))

    def _worth(self) -> float:
        """The cost of the best choice, rounded up."""
        value, size = change(self.cost, self.reference, self.best)
        return value + 2.0**-50 * size


def _narrowed(problem: Problem, node: Node) -> Problem:
    """Leave the classes that no better choice moves nothing but their break items."""
    begin = np.where(node.kept, problem.begin, node.base)
    end = np.where(node.kept, problem.end, node.base + 1)
    return problem._replace(begin=begin, end=end)


def change(cost: NDArray[np.float64], start: Ints, end: Ints) -> tuple[float, float]:
    """Cost of one choice less that of another, and the sum of the differences' absolute values."""
    at = np.flatnonzero(start != end)
    terms = cost[end[at]] - cost[start[at]]
    return math.fsum(terms.tolist()), float(np.abs(terms).sum())
