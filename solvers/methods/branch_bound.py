"""Depth-first branch and bound on the linear relaxation, in exact integers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cmp_to_key
from itertools import pairwise

import numpy as np

from bitknap.problems import Instance, IntArray, exact_hull, restrict, undominated

from ..base import Deadline, Limits, OneResource, Outcome, Status
from ..exact import exact_integers, float_below


@dataclass(frozen=True)
class BranchAndBound(OneResource):
    """Relax, branch on the fractional class, dive into its most promising item first.

    A node fixes the items of some classes. The relaxation over the others is solved by walking
    their hull steps by falling slope; it is integral but for one class, on all of whose
    undominated items the node branches. Costs are exact integers over a power of two, so a node
    is cut when its bound is not below the best choice, with no tolerance.

    Complexity: exponential; O(n) per node.

    References:
        K. Dudzinski, S. Walukiewicz, EJOR 28 (1987), 3-21; M. Dyer, N. Kayal, J. Walker, JCAM 11
        (1984), 231-249.
    """

    exact = True

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Search depth first from the relaxation's integer part."""
        deadline = Deadline.after(limits.time)
        small, old = restrict(instance, undominated(instance))
        search = _Search(small, limits, deadline)
        done = search.run()
        choice = old[small.offsets[:-1] + search.best] - instance.offsets[:-1]
        # Branching within the open subtrees cannot go below the root's relaxation.
        bound = float_below(min(search.root, Fraction(search.best_cost)) / search.unit)
        status = Status.OPTIMAL if done else Status.FEASIBLE
        return Outcome(status, choice, bound, stats={"nodes": search.nodes, "kept_items": len(old)})


@dataclass(frozen=True)
class _Step:
    """From one hull item to the next heavier: class, that item, cost saved, weight added."""

    owner: int
    item: int
    gain: int
    weight: int


@dataclass
class _NodeRelaxation:
    """Integer part of a node's relaxation, and its fractional step, if any."""

    items: dict[int, int]
    cost: int
    residual: int
    step: _Step | None

    def reaches(self, cost: int) -> bool:
        """Whether the relaxation's value, cost - gain residual / weight, is below a cost."""
        if self.step is None:
            return self.cost < cost
        return (self.cost - cost) * self.step.weight < self.step.gain * self.residual


@dataclass
class _Search:
    instance: Instance
    limits: Limits
    deadline: Deadline
    nodes: int = 0
    fixed: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        costs, self.unit = exact_integers(self.instance.cost)
        weights = self.instance.weight[0].tolist()
        spans = list(zip(self.instance.offsets[:-1], self.instance.offsets[1:], strict=True))
        self.costs = [costs[a:b] for a, b in spans]
        self.weights = [weights[a:b] for a, b in spans]
        self.lightest = [w.index(min(w)) for w in self.weights]
        self.capacity = int(self.instance.capacity[0])
        steps = [
            s for i in range(len(spans)) for s in _hull_steps(i, self.costs[i], self.weights[i])
        ]
        self.steps = sorted(steps, key=cmp_to_key(_steeper_first))
        self.best: IntArray = np.array(self.lightest, dtype=np.int64)
        self.best_cost = sum(c[j] for c, j in zip(self.costs, self.lightest, strict=True))
        root = self._relax()
        self.root = Fraction(root.cost)
        if root.step is not None:
            self.root -= Fraction(root.step.gain * root.residual, root.step.weight)

    def run(self) -> bool:
        """Whether the whole tree was searched within the limits."""
        most = math.inf if self.limits.states is None else self.limits.states
        stack: list[tuple[int, Iterator[int]]] = []
        self._open(stack)
        while stack:
            owner, items = stack[-1]
            item = next(items, None)
            if item is None:
                stack.pop()
                self.fixed.pop(owner, None)
                continue
            if self.nodes >= most or self.deadline.passed:
                return False
            self.fixed[owner] = item
            self._open(stack)
        return True

    def _open(self, stack: list[tuple[int, Iterator[int]]]) -> None:
        """Relax the node of ``fixed``; keep its integer part; branch unless it is cut."""
        self.nodes += 1
        if self._least_weight() > self.capacity:
            return
        node = self._relax()
        if not node.reaches(self.best_cost):
            return
        if node.cost < self.best_cost:
            chosen = self.lightest.copy()
            for i, j in (node.items | self.fixed).items():
                chosen[i] = j
            self.best, self.best_cost = np.array(chosen, dtype=np.int64), node.cost
        if node.step is None or not node.residual:
            return
        stack.append((node.step.owner, iter(self._branches(node, node.step))))

    def _least_weight(self) -> int:
        spared: int = sum(self.weights[i][j] - min(self.weights[i]) for i, j in self.fixed.items())
        return int(self.instance.min_usage[0]) + spared

    def _relax(self) -> _NodeRelaxation:
        fixed = self.fixed
        cost = sum(
            c[fixed.get(i, low)]
            for i, (c, low) in enumerate(zip(self.costs, self.lightest, strict=True))
        )
        residual = self.capacity - self._least_weight()
        items: dict[int, int] = {}
        for step in self.steps:
            if step.owner in fixed:
                continue
            if step.weight > residual:
                return _NodeRelaxation(items, cost, residual, step)
            items[step.owner] = step.item
            cost -= step.gain
            residual -= step.weight
        return _NodeRelaxation(items, cost, residual, None)

    def _branches(self, node: _NodeRelaxation, step: _Step) -> list[int]:
        """Items of the fractional class, nearest to its fractional weight first."""
        weights = self.weights[step.owner]
        target = weights[node.items.get(step.owner, self.lightest[step.owner])] + node.residual
        return sorted(range(len(weights)), key=lambda j: abs(weights[j] - target))


def _hull_steps(owner: int, costs: list[int], weights: list[int]) -> Iterator[_Step]:
    hull = exact_hull(costs, weights, sorted(range(len(costs)), key=weights.__getitem__))
    for a, b in pairwise(hull):
        yield _Step(owner, b, costs[a] - costs[b], weights[b] - weights[a])


def _steeper_first(a: _Step, b: _Step) -> int:
    difference = b.gain * a.weight - a.gain * b.weight
    return (difference > 0) - (difference < 0)


SOLVER = BranchAndBound()
