"""Dynamic programming over the capacity, or over lists of undominated states."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bitknap.problems import FloatArray, Instance, IntArray, restrict, undominated

from ..base import Limits, Outcome, Status

MAX_STATES = 400_000_000
"""States over all classes for which parents are kept (5 bytes each) when no limit is given."""


@dataclass(frozen=True)
class DynamicProgramming:
    """The textbook recursion, exact for float64 costs up to rounding of the sums.

    With costs and weights counted from the smallest of each class, and weights and capacity
    divided by their greatest common divisor, f_i(c) is the least cost of classes 1..i within
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

    exact: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ()

    def supports(self, instance: Instance) -> str | None:
        """One resource only."""
        return None if instance.n_resources == 1 else "this recursion knows one resource only"

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        """Recurse forwards over the classes, then read the choice backwards."""
        small, old = restrict(instance, undominated(instance))
        stages, capacity = _reduced(small)
        run = _dense if capacity <= self.dense_capacity else _lists
        deadline = None if limits.time is None else time.perf_counter() + limits.time
        positions, states = run(stages, capacity, limits.states or MAX_STATES, deadline)
        stats = {"states": states, "reduced_capacity": capacity, "kept_items": len(old)}
        if positions is None:
            return Outcome(Status.NO_SOLUTION, stats=stats)
        choice = old[small.offsets[:-1] + positions] - instance.offsets[:-1]
        return Outcome(Status.OPTIMAL, choice, stats=stats)


Stages = list[tuple[IntArray, FloatArray]]


def _reduced(instance: Instance) -> tuple[Stages, int]:
    """(weights, costs) of each class above its minima, in units of the gcd, and the capacity."""
    starts, sizes = instance.offsets[:-1], instance.sizes
    weight = instance.weight[0] - np.repeat(np.minimum.reduceat(instance.weight[0], starts), sizes)
    cost = instance.cost - np.repeat(np.minimum.reduceat(instance.cost, starts), sizes)
    room = int(instance.capacity[0] - instance.min_usage[0])
    unit = max(int(np.gcd.reduce(weight)), 1)
    weight //= unit
    capacity = min(room // unit, int(np.maximum.reduceat(weight, starts).sum()))
    spans = zip(starts, instance.offsets[1:], strict=True)
    return [(weight[a:b], cost[a:b]) for a, b in spans], capacity


def _dense(
    stages: Stages, capacity: int, max_states: int, deadline: float | None
) -> tuple[IntArray | None, int]:
    best = np.zeros(capacity + 1)
    taken: list[IntArray] = []
    states = 0
    for weight, cost in stages:
        states += capacity + 1
        if _stopped(states, max_states, deadline):
            return None, states
        value = np.full(capacity + 1, np.inf)
        item = np.zeros(capacity + 1, dtype=np.int64)
        for j, (w, p) in enumerate(zip(weight.tolist(), cost.tolist(), strict=True)):
            if w > capacity:
                continue
            offer = best[: capacity + 1 - w] + p
            better = offer < value[w:]
            value[w:][better] = offer[better]
            item[w:][better] = j
        best = value
        taken.append(item)
    choice = np.empty(len(stages), dtype=np.int64)
    for i in range(len(stages) - 1, -1, -1):
        choice[i] = taken[i][capacity]
        capacity -= int(stages[i][0][choice[i]])
    return choice, states


def _lists(
    stages: Stages, capacity: int, max_states: int, deadline: float | None
) -> tuple[IntArray | None, int]:
    weight, cost = np.zeros(1, dtype=np.int64), np.zeros(1)
    parents: list[tuple[IntArray, IntArray]] = []
    states = 0
    for stage_weight, stage_cost in stages:
        total = np.add.outer(stage_weight, weight).ravel()
        value = np.add.outer(stage_cost, cost).ravel()
        fits = np.flatnonzero(total <= capacity)
        order = fits[np.lexsort((value[fits], total[fits]))]
        lowest = np.minimum.accumulate(value[order])
        keep = order[np.concatenate(([True], value[order][1:] < lowest[:-1]))]
        parents.append(
            ((keep % len(weight)).astype(np.int32), (keep // len(weight)).astype(np.int16))
        )
        weight, cost = total[keep], value[keep]
        states += len(weight)
        if _stopped(states, max_states, deadline):
            return None, states
    choice = np.empty(len(stages), dtype=np.int64)
    state = len(weight) - 1
    for i in range(len(stages) - 1, -1, -1):
        parent, item = parents[i]
        choice[i] = item[state]
        state = int(parent[state])
    return choice, states


def _stopped(states: int, max_states: int, deadline: float | None) -> bool:
    return states > max_states or (deadline is not None and time.perf_counter() > deadline)


SOLVER = DynamicProgramming()
