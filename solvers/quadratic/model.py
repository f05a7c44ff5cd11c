"""What every quadratic method works on: one linear part, and products between classes alone."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import FloatArray, Instance, IntArray, restrict
from bitknap.problems.quadratic import QuadraticInstance

from ..base import NEVER, Deadline, Limits, Status, TimeUp

EPS = sys.float_info.epsilon


@dataclass(frozen=True, eq=False)
class Model:
    """A quadratic instance without ties, its items' own squares moved to the linear part.

        f(x) = sum_j cost_j x_j + sum_{j < k} pairs_jk x_j x_k

    Args:
        cost: (n,) c + diag(G) / 2.
        pairs: (n, n) G between classes, 0 within them.
    """

    knapsack: Instance
    cost: FloatArray
    pairs: FloatArray

    @classmethod
    def of(cls, problem: QuadraticInstance) -> Model:
        """The model of an instance without ties."""
        owner = problem.knapsack.class_of
        pairs = np.where(owner[:, None] == owner, 0.0, problem.matrix)
        return cls(problem.knapsack, problem.knapsack.cost + 0.5 * np.diag(problem.matrix), pairs)

    @cached_property
    def owner(self) -> IntArray:
        """(n,) class of each item."""
        return self.knapsack.class_of

    def value(self, at: IntArray) -> float:
        """f of the items chosen, in floats."""
        return float(self.cost[at].sum() + 0.5 * self.pairs[np.ix_(at, at)].sum())

    def magnitude(self, at: IntArray) -> float:
        """The sum of the absolute terms of f."""
        return float(np.abs(self.cost[at]).sum() + 0.5 * np.abs(self.pairs[np.ix_(at, at)]).sum())

    def kept(self, items: IntArray) -> Model:
        """The model of some items, at least one of each class; classes stay as they are."""
        knapsack = _part(self.knapsack, np.zeros_like(self.cost), items)
        return Model(knapsack, self.cost[items], self.pairs[np.ix_(items, items)])


def _part(knapsack: Instance, cost: FloatArray, items: IntArray) -> Instance:
    """The knapsack of some items under other costs."""
    keep = np.zeros(knapsack.n_items, dtype=bool)
    keep[items] = True
    return restrict(replace(knapsack, cost=cost, optimum=None), keep)[0]


def oracle(
    knapsack: Instance, cost: FloatArray, items: IntArray, deadline: Deadline = NEVER
) -> tuple[IntArray, float, FloatArray] | None:
    """The knapsack of some items under other costs, solved exactly.

    Args:
        cost: (n,) of all items.
        items: those that may be chosen, in order, at least one of each class.

    Returns:
        The items chosen, a lower bound, and (K,) prices of the resources; None where nothing fits.

    Raises:
        TimeUp: the deadline passed before a choice was found.
    """
    from ..core import missing, solve_core
    from ..registry import solve

    sizes = np.bincount(knapsack.class_of[items], minlength=len(knapsack))
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    time = deadline.limit
    if knapsack.n_resources == 1 and missing() is None:
        found = solve_core(
            offsets, cost[items], knapsack.weight[0, items], int(knapsack.capacity[0]),
            Limits(time),
        )  # fmt: skip
        if found.choice is None:
            return None
        assert found.bound is not None
        assert found.multiplier is not None
        return items[offsets[:-1] + found.choice], found.bound, found.multiplier
    solution = solve(_part(knapsack, cost, items), limits=Limits(time=time))
    if solution.status is Status.INFEASIBLE:
        return None
    if solution.choice is None:
        raise TimeUp
    bound = -np.inf if solution.bound is None else solution.bound
    none = np.zeros(knapsack.n_resources)
    prices = none if solution.multiplier is None else np.maximum(solution.multiplier, 0.0)
    return items[offsets[:-1] + solution.choice], bound, prices


def conflicts(knapsack: Instance) -> NDArray[np.bool_]:
    """(n, n) pairs of items that no feasible choice holds: of one class, or too heavy together."""
    owner, room = knapsack.class_of, knapsack.capacity - knapsack.min_usage
    apart: NDArray[np.bool_] = owner[:, None] == owner
    for row, most in zip(knapsack.above_lightest, room, strict=True):
        apart |= row[:, None] + row > most
    np.fill_diagonal(apart, False)
    return apart
