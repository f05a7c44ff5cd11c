"""Exact answers by trying every choice, in integers: slow, obvious, and independent."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise, product

from bitknap.problems import Instance
from bitknap.problems.quadratic import QuadraticInstance

Choice = tuple[int, ...]

UNIT = 1 << 1074
"""Every float is an integer over this."""


def every_choice(instance: Instance) -> Iterator[tuple[Choice, Fraction, tuple[int, ...]]]:
    """(choice, exact cost, usage) of all choices that keep the ties, capacities aside."""
    for choice, cost, usage in _choices(instance):
        yield choice, Fraction(cost, UNIT), usage


def _choices(instance: Instance) -> Iterator[tuple[Choice, int, tuple[int, ...]]]:
    offsets = instance.offsets.tolist()
    ratios = [cost.as_integer_ratio() for cost in instance.cost.tolist()]
    costs = [numerator * (UNIT // denominator) for numerator, denominator in ratios]
    weights = instance.weight.tolist()
    for choice in product(*[range(b - a) for a, b in pairwise(offsets)]):
        at = [a + j for a, j in zip(offsets, choice, strict=False)]
        if all(len({instance.labels[at[i]] for i in group}) == 1 for group in instance.ties):
            usage = tuple(sum(row[j] for j in at) for row in weights)
            yield choice, sum(costs[j] for j in at), usage


def feasible_choices(instance: Instance) -> list[tuple[Fraction, Choice]]:
    """(exact cost, choice) of all feasible choices, cheapest first."""
    return sorted((Fraction(cost, UNIT), choice) for cost, choice in _feasible(instance))


def _feasible(instance: Instance) -> Iterator[tuple[int, Choice]]:
    limits = instance.capacity.tolist()
    for choice, cost, usage in _choices(instance):
        if all(u <= limit for u, limit in zip(usage, limits, strict=True)):
            yield cost, choice


def brute_force(instance: Instance) -> tuple[Fraction, Choice] | None:
    """The least exact cost and a choice that has it, or None when no choice is feasible."""
    found = min(_feasible(instance), default=None)
    return None if found is None else (Fraction(found[0], UNIT), found[1])


def undominated_points(instance: Instance) -> list[tuple[int, Fraction]]:
    """All (usage, cost) of one resource that no other choice is no worse in, lightest first."""
    found: list[tuple[int, Fraction]] = []
    points = sorted((usage[0], cost) for _, cost, usage in every_choice(instance))
    for usage, cost in points:
        if not found or cost < found[-1][1]:
            found.append((usage, cost))
    return found


def quadratic_brute_force(problem: QuadraticInstance) -> tuple[Fraction, Choice] | None:
    """The least exact c'x + 1/2 x'Gx and a choice that has it, or None when none is feasible."""
    instance = problem.knapsack
    limits = instance.capacity.tolist()
    costs = [Fraction(c) for c in instance.cost.tolist()]
    matrix = [[Fraction(g) for g in row] for row in problem.matrix.tolist()]
    found = None
    for choice, _, usage in every_choice(instance):
        if all(u <= limit for u, limit in zip(usage, limits, strict=True)):
            at = [a + j for a, j in zip(instance.offsets.tolist(), choice, strict=False)]
            value = sum(costs[j] for j in at) + sum(matrix[i][j] for i in at for j in at) / 2
            found = min(found or (value, choice), (value, choice))
    return found
