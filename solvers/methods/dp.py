"""Dynamic programming over the capacity, or over lists of undominated states."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import Instance, IntArray, fitting, restrict, undominated

from ..base import Deadline, Limits, OneResource, Outcome, Status, TimeUp
from ..excess import ExactCosts, excesses
from ..frontier.lists import States, extended

MAX_STATES = 400_000_000
"""States over all classes for which parents are kept (4 or 8 bytes each) without a limit."""


@dataclass(frozen=True)
class DynamicProgramming(OneResource):
    """The textbook recursion; costs are added and compared as exact integers.

    Items that fit beside nothing and dominated ones are dropped. With costs and weights counted
    from the smallest of each class, and weights and capacity divided by their greatest common
    divisor, f_i(c) is the least cost of classes 1..i within
    weight c:

        f_i(c) = min_j  f_{i-1}(c - w_ij) + p_ij

    Kept as an array over c when the capacity is small, else as a list of the points (weight,
    cost) at which f_i falls.

    Args:
        dense_capacity: largest reduced capacity for which the array is used.

    Complexity: O(n c) time, O(L c) space, c the reduced capacity; for lists the number of
    undominated states in place of c.

    References:
        K. Dudzinski, S. Walukiewicz, EJOR 28 (1987), 3-21.
    """

    dense_capacity: int = 20_000

    exact = True

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Recurse forwards over the classes, then read the choice backwards."""
        deadline = Deadline.after(limits.time)
        fits = fitting(instance)
        small, old = restrict(instance, fits & undominated(instance))
        problem = _reduced(small)
        run = _dense if problem.capacity <= self.dense_capacity else _lists
        budget = _Budget(deadline, limits.states or MAX_STATES)
        try:
            positions = run(problem, budget)
        except TimeUp:
            positions = None
        stats = {
            "states": budget.states,
            "reduced_capacity": problem.capacity,
            "kept_items": len(old),
        }
        if positions is None:
            return Outcome(Status.NO_SOLUTION, stats=stats)
        choice = old[small.offsets[:-1] + positions] - instance.offsets[:-1]
        return Outcome(Status.OPTIMAL, choice, stats=stats)


@dataclass
class _Budget:
    deadline: Deadline
    most: int
    states: int = 0

    def spend(self, states: int) -> None:
        """Raise :class:`TimeUp` when that is beyond the limits."""
        self.states += states
        self.deadline.check()
        if self.states > self.most:
            raise TimeUp


class _Problem(NamedTuple):
    """(n,) weights above the lightest of the class in units of their gcd, and exact excesses."""

    offsets: list[int]
    weight: IntArray
    excess: ExactCosts
    capacity: int

    def classes(self) -> list[slice]:
        return [slice(a, b) for a, b in pairwise(self.offsets)]


def _reduced(instance: Instance) -> _Problem:
    starts, sizes = instance.offsets[:-1], instance.sizes
    weight = instance.weight[0] - np.repeat(np.minimum.reduceat(instance.weight[0], starts), sizes)
    residual = int(instance.capacity[0] - instance.min_usage[0])
    unit = max(int(np.gcd.reduce(weight)), 1)
    weight //= unit
    capacity = min(residual // unit, int(np.maximum.reduceat(weight, starts).sum()))
    excess = excesses(instance.cost, instance.offsets)
    return _Problem(instance.offsets.tolist(), weight, excess, capacity)


def _dense(problem: _Problem, budget: _Budget) -> IntArray:
    capacity, weights = problem.capacity, problem.weight.tolist()
    best = problem.excess.zeros(capacity + 1)
    taken: list[NDArray[np.int32]] = []
    for span in problem.classes():
        # The lightest item always fits; it is the first value of every sum.
        lightest = span.start + weights[span].index(0)
        value = best + problem.excess[lightest : lightest + 1]
        item = np.full(capacity + 1, lightest - span.start, dtype=np.int32)
        for j in range(span.start, span.stop):
            if j == lightest:
                continue
            budget.deadline.check()
            w = weights[j]
            offer = best[: capacity + 1 - w] + problem.excess[j : j + 1]
            better = np.flatnonzero(offer.below(value[w:]))
            value.put(better + w, offer[better])
            item[better + w] = j - span.start
        best = value
        taken.append(item)
        budget.spend(capacity + 1)
    choice = np.empty(len(taken), dtype=np.int64)
    left = capacity
    for i in range(len(taken) - 1, -1, -1):
        choice[i] = taken[i][left]
        left -= weights[problem.offsets[i] + int(choice[i])]
    return choice


def _lists(problem: _Problem, budget: _Budget) -> IntArray:
    states = States.start(problem.excess)
    parents: list[tuple[NDArray[np.int32], NDArray[np.int32]]] = []
    for span in problem.classes():
        weight, excess = problem.weight[span], problem.excess[span]
        states = extended(states, weight, excess, problem.capacity, budget.deadline)
        parent, item = np.divmod(states.code, len(weight))
        parents.append((parent.astype(np.int32), item.astype(np.int32)))
        budget.spend(len(states.weight))
    choice = np.empty(len(parents), dtype=np.int64)
    state = -1
    for i in range(len(parents) - 1, -1, -1):
        parent, item = parents[i]
        choice[i] = item[state]
        state = int(parent[state])
    return choice


SOLVER = DynamicProgramming()
