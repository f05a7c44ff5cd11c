"""Tied classes: costs are rounded once, of what a label costs above the cheapest."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from bitknap.problems import Instance, build_instance
from bitknap.solvers import Status, solve
from bitknap.solvers.frontier import frontier
from bitknap.solvers.topk import top_k

from .extreme import COSTS, KINDS
from .test_exact_solvers import exact_cost

SOLVERS = ("core", "dp", "branch_bound", "multi")


def tied_instance(seed: int) -> Instance:
    """Two to five classes of one to three items, of which one or two pairs are tied."""
    rng = np.random.default_rng([seed, 77])
    cost = COSTS[kind := KINDS[seed % len(KINDS)]]
    top = int(rng.choice([2, 12, 10**6, 1 << 58]))
    classes = [
        [(cost(rng), int(rng.integers(0, top))) for _ in range(int(rng.integers(1, 4)))]
        for _ in range(int(rng.integers(2, 6)))
    ]
    usage = sum(items[int(rng.integers(len(items)))][1] for items in classes)
    capacity = max(0, usage + int(rng.choice([0, -1, top // 2])))
    ties = ((0, 1),) if len(classes) < 4 or rng.random() < 0.5 else ((0, 2), (1, 3))
    return build_instance(classes, capacity, ties=ties, name=f"tied {kind} {seed}")


def check(seed: int) -> None:
    instance = tied_instance(seed)
    every = [np.array(c) for c in itertools.product(*map(range, instance.sizes.tolist()))]
    kept = [choice for choice in every if instance.keeps_ties(choice)]
    fit = [exact_cost(instance, choice) for choice in kept if instance.is_feasible(choice)]
    if not fit:
        assert {solve(instance, name).status for name in SOLVERS} == {Status.INFEASIBLE}
        return
    solutions = [solve(instance, name) for name in SOLVERS]
    assert {solution.status for solution in solutions} == {Status.OPTIMAL}
    points = frontier(instance)
    last = points.index(int(instance.capacity[0]))
    found = [(solution.choice, solution.objective) for solution in solutions]
    found += [top_k(instance, 1)[0], (points.choice(last), float(points.objective[last]))]
    excess = min(fit) - min(exact_cost(instance, choice) for choice in kept)
    for name, (choice, objective) in zip((*SOLVERS, "topk", "frontier"), found, strict=True):
        cost = exact_cost(instance, choice)
        assert instance.is_feasible(choice)
        assert objective == float(cost), (name, instance.name)
        # The frontier tells points apart by their rounded objectives.
        rounding = abs(min(fit)) / 2**52 if name == "frontier" else 0
        assert cost - min(fit) <= max(excess / 2**48, rounding), (name, instance.name)


def test_a_hundred_tied_instances() -> None:
    for seed in range(100):
        check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_ten_thousand_tied_instances(block: int) -> None:
    for seed in range(1000 * (block + 1), 1000 * (block + 2)):
        check(seed)
