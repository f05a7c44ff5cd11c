"""One table of promises that every registered solver keeps."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest

from bitknap.problems import Instance, build_instance
from bitknap.solvers import SOLVERS, Limits, Status, load_solver, solve

from .conftest import installed, optimum, random_instance

INSTALLED = [name for name in SOLVERS.names() if installed(name)]
NAMES = [
    pytest.param(name, marks=() if name in INSTALLED else pytest.mark.skip("not installed"))
    for name in SOLVERS.names()
]
EXACT = [name for name in INSTALLED if load_solver(name).exact]
QUICK = [name for name in EXACT if name not in ("brute", "cbc", "cpsat", "highs", "scip")]

HAND_MADE = [
    build_instance([[(1.0, 1)]], 1, name="one item"),
    build_instance([[(1.0, 0)], [(0.0, 0)]], 0, name="nothing weighs"),
    build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 4, name="two classes"),
    build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 2, name="capacity at the minimum"),
    build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 99, name="capacity beyond the maximum"),
    build_instance([[(2.0, 5), (2.0, 5), (2.0, 5)]] * 3, 15, name="equal items"),
    build_instance([[(0.0, 1), (0.0, 2)]] * 4, 6, name="all costs zero"),
    build_instance([[(-3.0, 2), (-1.0, 1)], [(-5.0, 4), (0.5, 0)]], 5, name="negative costs"),
    build_instance([[(1e-9, 7), (1e-12, 9)], [(1.0, 2), (1e-3, 8)]], 16, name="far apart"),
    build_instance(
        [[(1.5e-323, 1), (0.0, 3)], [(1e-323, 0), (5e-324, 1)]], 3, name="smallest floats"
    ),
    build_instance(
        [[(4, 1 << 39), (1, 1 << 40 - 1)], [(2, 3), (1, 5)]], (1 << 39) + 5, name="heavy"
    ),
]


def close(value: float | None, truth: float, instance: Instance) -> bool:
    scale = math.fsum(np.abs(instance.cost).tolist())
    return value is not None and abs(value - truth) <= 1e-12 * max(abs(truth), 1e-3 * scale)


def agrees(name: str, instance: Instance, truth: float) -> bool:
    """Whether the solver took the instance, all of whose claims are true."""
    solution = solve(instance, name)
    if solution.status is Status.UNSUPPORTED:
        assert solution.message
        return False
    # A back-end's own tolerance may leave a proof open where costs span 300 orders of magnitude.
    open_ = "any order" in instance.name and solution.stats.get("claim_refuted")
    if load_solver(name).exact and not open_:
        assert solution.status is Status.OPTIMAL, (name, instance.name, solution.status)
        assert abs(solution.objective - truth) <= 1e-12 * abs(truth), (name, instance.name)  # type: ignore[operator]
        assert solution.gap == 0.0
    if solution.choice is not None:
        assert instance.is_feasible(solution.choice)
        assert solution.objective == instance.objective(solution.choice)
    if solution.bound is not None:
        assert solution.bound <= truth + 1e-12 * abs(truth), (name, instance.name)
    return True


@pytest.mark.parametrize("instance", HAND_MADE, ids=lambda i: i.name)
@pytest.mark.parametrize("name", NAMES)
def test_hand_made(name: str, instance: Instance) -> None:
    agrees(name, instance, optimum(instance))


@pytest.mark.parametrize("name", NAMES)
def test_random_instances_agree_with_brute_force(name: str) -> None:
    taken = 0
    for seed in range(60):
        instance = random_instance(seed)
        taken += agrees(name, instance, optimum(instance))
    assert taken >= 50


@pytest.mark.parametrize("name", NAMES)
def test_several_resources(name: str) -> None:
    for seed in range(20):
        instance = random_instance(seed, resources=2)
        truth = optimum(instance)
        if math.isfinite(truth):
            agrees(name, instance, truth)


def test_hundreds_of_random_instances_agree_with_brute_force() -> None:
    for seed in range(100, 700):
        instance = random_instance(seed)
        truth = optimum(instance)
        for name in QUICK:
            agrees(name, instance, truth)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_twenty_thousand_random_instances(block: int) -> None:
    for seed in range(10_000 + 1000 * block, 11_000 + 1000 * block):
        instance = random_instance(seed)
        truth = optimum(instance)
        for name in EXACT:
            agrees(name, instance, truth)


@pytest.mark.parametrize("name", NAMES)
def test_ties_are_kept(name: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(10):
        classes = [[(float(rng.random()), int(rng.integers(9))) for _ in range(3)]] * 4
        instance = build_instance(classes, int(rng.integers(20, 33)), ties=((0, 2, 3),))
        truth = optimum(instance)
        if math.isfinite(truth):
            agrees(name, instance, truth)


@pytest.mark.parametrize("name", NAMES)
def test_one_below_the_minimum_is_infeasible_and_says_the_smallest_limit(name: str) -> None:
    solution = solve(build_instance([[(3, 7), (1, 9)], [(5, 4)]], 10), name)
    assert solution.status is Status.INFEASIBLE
    assert solution.choice is None
    assert "the smallest feasible limit is 11" in solution.message


@pytest.mark.parametrize("name", NAMES)
def test_same_answer_twice_and_instance_untouched(name: str) -> None:
    instance = random_instance(7, "ties and zeros")
    before = instance.cost.tobytes() + instance.weight.tobytes()
    first, second = solve(instance, name), solve(instance, name)
    assert before == instance.cost.tobytes() + instance.weight.tobytes()
    if first.choice is not None and second.choice is not None:
        assert first.choice.tolist() == second.choice.tolist()
        assert first.bound == second.bound


@pytest.mark.parametrize("name", NAMES)
def test_a_time_limit_of_nothing_never_gives_a_wrong_optimum(name: str) -> None:
    for seed in range(6):
        instance = random_instance(seed)
        truth = optimum(instance)
        solution = solve(instance, name, limits=Limits(time=1e-9, states=1))
        if solution.status is Status.OPTIMAL:
            assert close(solution.objective, truth, instance)
        if solution.bound is not None:
            assert solution.bound <= truth + 1e-12 * abs(truth)


@pytest.mark.parametrize("name", NAMES)
def test_a_solver_is_a_frozen_dataclass_with_defaults(name: str) -> None:
    solver = load_solver(name)
    assert dataclasses.is_dataclass(solver)
    assert type(solver).__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert type(solver).__doc__
    assert isinstance(solver.exact, bool)
    assert all(isinstance(package, str) for package in solver.requires)


def test_it_collects_without_the_back_ends() -> None:
    program = (
        "import sys; sys.modules |= dict.fromkeys(('ortools', 'pulp'))\n"
        f"import pytest; sys.exit(pytest.main([{__file__!r}, '--collect-only', '-q']))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 0
