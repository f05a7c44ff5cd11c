"""What it costs to force one item."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bitknap.problems import FloatArray, Instance, IntArray

from ..base import Solver, limited
from .space import Space


@dataclass(frozen=True)
class ForcedItems:
    """What the optimum becomes when one class must take one item.

    Args:
        choice: (L,) an optimal choice without force.
        objective: (n,) optimum with each item forced in turn, inf where nothing then fits. Forcing
            an item of a tied class forces the whole group.
        rise: (n,) correctly rounded objective - optimum: 0 for the items of ``choice``.
        elsewhere: (L,) the least rise when the class must take another item than its chosen one,
            inf where it cannot.
    """

    instance: Instance
    choice: IntArray
    optimum: float
    objective: FloatArray
    rise: FloatArray
    elsewhere: FloatArray


def forced(
    instance: Instance,
    solver: str | Solver | None = None,
    time_limit: float | None = None,
    progress: Callable[[int, int], None] = lambda done, items: None,
) -> ForcedItems:
    """The exact optimum with every item of every class forced in turn: one solve each.

    Args:
        solver: an exact method that supports the instance; by default ours.
        time_limit: seconds, or None.
        progress: called with (items forced, items in all).

    Raises:
        InfeasibleError, UnsupportedError, SolverError, LimitError: as ``top_k``.
    """
    unfinished = f"not every item of {instance.name!r} was forced"
    with limited(time_limit, unfinished, "allow more") as deadline:
        return _forced(instance, Space(instance, solver, deadline), progress)


def _forced(instance: Instance, space: Space, progress: Callable[[int, int], None]) -> ForcedItems:
    best = space.best()
    merged, small = space.merged, space.merged.instance
    costs = instance.cost[instance.positions(space.expanded(best.choice))].tolist()
    optimum = math.fsum(costs)
    objective = np.full(small.n_items, math.inf)
    rise = np.full(small.n_items, math.inf)
    for j, i in enumerate(small.class_of.tolist()):
        space.deadline.check()
        progress(j, small.n_items)
        if j - small.offsets[i] == best.choice[i]:
            objective[j], rise[j] = optimum, 0.0
            continue
        allowed = small.class_of != i
        allowed[j] = True
        answer = space.solve(allowed)
        if answer is not None:
            chosen = instance.cost[instance.positions(space.expanded(answer.choice))].tolist()
            objective[j] = math.fsum(chosen)
            rise[j] = math.fsum(chosen + [-cost for cost in costs])
    position = np.full(instance.n_items, -1)
    for i, c in enumerate(merged.class_index.tolist()):
        of_class = np.arange(small.offsets[c], small.offsets[c + 1])
        index = merged.item_index[i] if merged.item_index else of_class - small.offsets[c]
        position[instance.offsets[i] + index] = of_class
    exists = position >= 0
    full_objective = np.where(exists, objective[position], math.inf)
    full_rise = np.where(exists, rise[position], math.inf)
    choice = space.expanded(best.choice)
    others = full_rise.copy()
    others[instance.positions(choice)] = math.inf
    elsewhere = np.minimum.reduceat(others, instance.offsets[:-1])
    return ForcedItems(instance, choice, optimum, full_objective, full_rise, elsewhere)
