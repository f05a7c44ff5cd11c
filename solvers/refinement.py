"""Exact answers from back-ends with absolute tolerances: scale, solve, peel, solve again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bitknap.problems import FloatArray, Instance, IntArray, restrict, undominated

from .base import Limits, Outcome, Status

LARGEST = 1e6
"""What the largest cost is scaled to: MIP tolerances of 1e-6 then are 1e-12 of it."""


@dataclass(frozen=True)
class Answer:
    """What a back-end said of one scaled problem.

    Args:
        choice: (L,) item positions within the classes, or None.
        proven: whether the back-end calls the choice optimal at zero gap.
        bound: its dual bound in scaled cost, or None.
        infeasible: whether it calls the problem infeasible.
        stats: what it counted.
    """

    choice: IntArray | None
    proven: bool = False
    bound: float | None = None
    infeasible: bool = False
    stats: Mapping[str, Any] = field(default_factory=dict)


Backend = Callable[[Instance, float | None], Answer]
"""Solves an instance with costs in [0, LARGEST], or integers, within seconds."""


def refine(
    instance: Instance,
    limits: Limits,
    backend: Backend,
    *,
    tolerance: float,
    largest: float = LARGEST,
    integers: bool = False,
) -> Outcome:
    """Solve by a back-end whose tolerances are absolute, to 1e-12 of the cost above the minima.

    Costs are counted from the smallest of each class, d_ij = p_ij - min_j p_ij >= 0, and scaled
    so that the largest is ``largest``. An item with d_ij above the total d of a known choice
    cannot be in a better one, so after each answer such items are peeled off and the rest is
    scaled up and solved again, until the scale no longer grows tenfold. No item is lost that an
    optimum needs, and the back-end's tolerance shrinks with the costs that matter.

    Args:
        instance: without ties.
        limits: time over all rounds.
        backend: one call of the back-end.
        tolerance: what its dual bound may be above the truth, in scaled cost.
        largest: see above.
        integers: round scaled costs down, which keeps bounds true.

    Returns:
        OPTIMAL when the last round was proven; else FEASIBLE with a bound true for ``instance``.
    """
    deadline = math.inf if limits.time is None else time.perf_counter() + limits.time
    problem, old = restrict(instance, undominated(instance))
    lowest = np.minimum.reduceat(instance.cost, instance.offsets[:-1])
    best = _Best()
    before = math.inf
    while True:
        above = problem.cost - np.repeat(lowest, problem.sizes)
        top = float(above.max())
        if before < 10.0 * top or (top == 0.0 and before < math.inf):
            return best.outcome(Status.OPTIMAL, lowest)
        before, left = top, deadline - time.perf_counter()
        if left <= 0.0:
            return best.outcome(Status.FEASIBLE, lowest)
        # Divided first: largest / top may be beyond float64.
        costs = above / (top or 1.0) * largest
        costs = np.floor(costs) if integers else costs
        answer = backend(_lean(problem, costs), None if left == math.inf else left)
        best.take(answer, problem, above, old - instance.offsets[problem.class_of])
        if answer.bound is not None:
            best.bound = max(best.bound, (answer.bound - tolerance) / largest * top - 5e-324)
        if answer.infeasible and best.choice is None:
            return Outcome(Status.INFEASIBLE, stats=best.stats)
        if not answer.proven or best.choice is None:
            return best.outcome(Status.FEASIBLE, lowest)
        problem, kept = restrict(problem, above <= best.total)
        old = old[kept]


def as_it_comes(instance: Instance, limits: Limits, backend: Backend) -> Outcome:
    """One call of the back-end on the costs as they are, its claim taken at its word.

    For studies of what back-ends say; the bound it states is not corrected.
    """
    answer = backend(instance, limits.time)
    if answer.choice is None:
        status = Status.INFEASIBLE if answer.infeasible else Status.NO_SOLUTION
        return Outcome(status, stats=answer.stats)
    status = Status.OPTIMAL if answer.proven else Status.FEASIBLE
    return Outcome(status, answer.choice, answer.bound, stats=answer.stats)


@dataclass
class _Best:
    """The best choice so far, its cost above the minima, and a bound of the optimum's."""

    choice: IntArray | None = None
    total: float = math.inf
    bound: float = 0.0
    stats: dict[str, Any] = field(default_factory=lambda: {"rounds": 0})

    def take(self, answer: Answer, problem: Instance, above: FloatArray, items: IntArray) -> None:
        self.stats = self.stats | dict(answer.stats) | {"rounds": self.stats["rounds"] + 1}
        if answer.choice is None:
            return
        if not problem.is_feasible(answer.choice):
            self.stats["rounding_broke_capacity"] = True
            return
        at = problem.positions(answer.choice)
        total = math.fsum(above[at].tolist())
        if self.choice is None or total < self.total:
            self.choice, self.total = items[at], total

    def outcome(self, status: Status, lowest: FloatArray) -> Outcome:
        if self.choice is None:
            return Outcome(Status.NO_SOLUTION, stats=self.stats)
        base = lowest.tolist()
        # The sum below is rounded twice; the allowance covers both.
        allowance = 1e-15 * (math.fsum(map(abs, base)) + self.bound)
        bound = math.fsum([*base, min(self.bound, self.total), -allowance])
        return Outcome(status, self.choice, bound, stats=self.stats)


def _lean(problem: Instance, cost: FloatArray) -> Instance:
    """The problem with other costs, and weights above the minima in units of their gcd."""
    lightest = np.minimum.reduceat(problem.weight, problem.offsets[:-1], axis=1)
    weight = problem.weight - np.repeat(lightest, problem.sizes, axis=1)
    unit = np.maximum(np.gcd.reduce(weight, axis=1), 1)
    return Instance(
        problem.name,
        problem.offsets,
        cost,
        weight // unit[:, None],
        (problem.capacity - lightest.sum(axis=1)) // unit,
        problem.class_names,
        problem.labels,
        problem.resources,
    )


def rounded(instance: Instance, shares: FloatArray) -> IntArray:
    """The item with the largest share of each class of a nearly integral solution."""
    position = np.lexsort((-np.asarray(shares), instance.class_of))[instance.offsets[:-1]]
    choice: IntArray = position - instance.offsets[:-1]
    return choice


def too_heavy(instance: Instance) -> str | None:
    """Why weights cannot enter a back-end of float64 rows, or None when they are below 2^40."""
    heaviest = int(instance.weight.max())
    return None if heaviest < 1 << 40 else f"weights of {heaviest} are beyond its rows' accuracy"
