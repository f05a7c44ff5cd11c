"""What must hold for every solver and every instance, whatever the numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitknap.problems import Instance, build_instance
from bitknap.solvers import SOLVERS, Status, load_solver, solve

from .conftest import installed, optimum

SLOW = ("annealing", "cbc", "cpsat", "evolutionary", "highs", "scip")
NAMES = [name for name in SOLVERS.names() if installed(name)]
EXACT = [name for name in NAMES if load_solver(name).exact]

Classes = list[list[tuple[float, int]]]
ITEM = st.tuples(st.integers(-40, 40).map(lambda n: n / 8), st.integers(0, 30))
CLASSES = st.lists(st.lists(ITEM, min_size=1, max_size=4), min_size=1, max_size=5)


def capacity_of(classes: Classes, share: float) -> int:
    low, high = (sum(end(w for _, w in items) for items in classes) for end in (min, max))
    return int(low + share * (high - low))


def solved(name: str, instance: Instance) -> float:
    solution = solve(instance, name)
    assert solution.status is Status.OPTIMAL, solution.message
    assert solution.objective is not None
    return solution.objective


def examples(name: str) -> settings:
    return settings(max_examples=6 if name in SLOW else 30, deadline=None)


@pytest.mark.parametrize("name", NAMES)
def test_no_claim_is_better_than_the_optimum(name: str) -> None:
    @examples(name)
    @given(CLASSES, st.floats(0, 1))
    def check(classes: Classes, share: float) -> None:
        instance = build_instance(classes, capacity_of(classes, share))
        truth = optimum(instance)
        solution = solve(instance, name)
        if solution.choice is not None:
            assert instance.is_feasible(solution.choice)
            assert solution.objective == instance.objective(solution.choice) >= truth
        if solution.bound is not None:
            assert solution.bound <= truth + 1e-12 * abs(truth)

    check()


@pytest.mark.parametrize("name", EXACT)
def test_optima_move_as_the_instance_does(name: str) -> None:
    @examples(name)
    @given(CLASSES, st.floats(0, 1), st.randoms(use_true_random=False), st.integers(-8, 8))
    def check(classes: Classes, share: float, random: object, power: int) -> None:
        capacity = capacity_of(classes, share)
        value = solved(name, build_instance(classes, capacity))
        shuffled = [random.sample(items, len(items)) for items in classes]  # type: ignore[attr-defined]
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        assert solved(name, build_instance(shuffled, capacity)) == value
        scaled = [[(math.ldexp(cost, power), w) for cost, w in items] for items in classes]
        assert solved(name, build_instance(scaled, capacity)) == math.ldexp(value, power)
        shifted = [[(cost + 5.0, w) for cost, w in items] for items in classes]
        assert solved(name, build_instance(shifted, capacity)) == value + 5.0 * len(classes)
        worse = [[*items, (items[0][0] + 1.0, items[0][1] + 1)] for items in classes]
        assert solved(name, build_instance(worse, capacity)) == value
        assert solved(name, build_instance(classes, capacity + 3)) <= value

    check()
