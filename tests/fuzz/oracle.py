"""Optimum, frontier and ranking in Python's integers: lists of sums, and no code of the solvers."""

from __future__ import annotations

import heapq
from fractions import Fraction
from itertools import pairwise

from bitknap.problems import Instance

Usage = tuple[int, ...]


def least_costs(instance: Instance, count: int) -> dict[Usage, list[Fraction]]:
    """For every usage that a choice has, capacities aside, the least exact costs; no ties.

    Class by class, the sums of every usage so far with every item; of one usage the ``count``
    least costs are kept, a cost as often as choices have it.
    """
    ratios = [cost.as_integer_ratio() for cost in instance.cost.tolist()]
    unit = max(denominator for _, denominator in ratios)
    costs = [numerator * (unit // denominator) for numerator, denominator in ratios]
    weights = list(zip(*instance.weight.tolist(), strict=True))
    sums: dict[Usage, list[int]] = {(0,) * len(instance.capacity): [0]}
    for start, stop in pairwise(instance.offsets.tolist()):
        after: dict[Usage, list[int]] = {}
        for usage, known in sums.items():
            for j in range(start, stop):
                total = tuple(u + w for u, w in zip(usage, weights[j], strict=True))
                after.setdefault(total, []).extend([cost + costs[j] for cost in known])
        sums = {usage: heapq.nsmallest(count, found) for usage, found in after.items()}
    return {usage: [Fraction(cost, unit) for cost in found] for usage, found in sums.items()}


def ranking(instance: Instance, count: int) -> list[Fraction]:
    """The least exact costs of feasible choices, fewer when there are fewer."""
    limits = instance.capacity.tolist()
    found = [
        cost
        for usage, known in least_costs(instance, count).items()
        if all(u <= limit for u, limit in zip(usage, limits, strict=True))
        for cost in known
    ]
    return heapq.nsmallest(count, found)


def staircase(instance: Instance) -> list[tuple[int, Fraction]]:
    """All (usage, exact cost) of one resource that no other choice is no worse in."""
    found: list[tuple[int, Fraction]] = []
    for (usage,), (cost,) in sorted(least_costs(instance, 1).items()):
        if not found or cost < found[-1][1]:
            found.append((usage, cost))
    return found
