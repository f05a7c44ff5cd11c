"""The core solver against enumeration."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from bitknap.problems import InstanceError, UnsupportedError
from bitknap.solvers.core import CoreResult, solve_core

KERNELS = ["numpy", "numba"]
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, int]


def brute(offsets: np.ndarray, cost: np.ndarray, weight: np.ndarray, capacity: int) -> float | None:
    """Cheapest feasible sum over all choices, correctly rounded; None when nothing fits."""
    ranges = [range(a, b) for a, b in itertools.pairwise(offsets.tolist())]
    c, w = cost.tolist(), weight.tolist()
    costs = [
        math.fsum(c[j] for j in choice)
        for choice in itertools.product(*ranges)
        if sum(w[j] for j in choice) <= capacity
    ]
    return min(costs, default=None)


def draw_costs(rng: np.random.Generator, n: int) -> np.ndarray:
    sign = rng.choice([1.0, -1.0], n)
    draws = [
        rng.integers(0, 10, n).astype(float),
        rng.integers(-20, 20, n) * 10.0,
        sign * 10.0 ** rng.uniform(-14, 0, n),
        1e-9 * 10.0 ** rng.uniform(-12, 0, n),
        np.zeros(n),
        rng.normal(size=n) * rng.integers(0, 2, n),
        sign * 10.0 ** rng.uniform(-40, 30, n),
        10.0 ** rng.uniform(-324, 0, n),
        rng.integers(0, 4, n) * rng.choice([5e-324, 1.0], n),
    ]
    return draws[int(rng.integers(len(draws)))]


def draw(seed: int) -> Arrays:
    """A small instance of one of many kinds: scales, ties, zeros, single items, tight capacity."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 5, int(rng.integers(1, 6)))
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    n = int(offsets[-1])
    cost = draw_costs(rng, n)
    per_class = np.repeat(rng.lognormal(8, 3, sizes.size).astype(np.int64), sizes)
    draws = [
        rng.integers(0, 10, n),
        8 * rng.integers(0, 2, n),
        rng.integers(0, 1 << 50, n),
        per_class * rng.integers(2, 9, n),
        rng.integers(1, 1000, n),
    ]
    weight = draws[int(rng.integers(len(draws)))]
    correlated = rng.random()
    if correlated < 0.15:
        cost = -(weight + 10.0 * rng.integers(0, 4, n))
    elif correlated < 0.25:
        cost = weight * -0.1
    least = int(np.minimum.reduceat(weight, offsets[:-1]).sum())
    most = int(np.maximum.reduceat(weight, offsets[:-1]).sum())
    inside = int(rng.integers(least, most + 1))
    capacity = int(rng.choice([least, most, least - 1, most - 1, (least + most) // 2, inside]))
    return offsets, cost, weight, capacity


def check_result(instance: Arrays, result: CoreResult) -> None:
    """The result is what it says, whatever its status."""
    offsets, cost, weight, capacity = instance
    assert result.choice is not None
    assert ((result.choice >= 0) & (result.choice < np.diff(offsets))).all()
    at = offsets[:-1] + result.choice
    assert int(weight[at].sum()) <= capacity
    assert result.objective == math.fsum(cost[at].tolist())
    assert result.bound <= result.objective
    assert not result.optimal or result.bound == result.objective


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("block", range(8))
def test_equals_enumeration(kernel: str, block: int) -> None:
    for seed in range(300 * block, 300 * (block + 1)):
        instance = draw(seed)
        result, best = solve_core(*instance, kernel=kernel), brute(*instance)
        if best is None:
            assert result.status == "infeasible"
            assert result.choice is None
            continue
        assert result.status == "optimal", seed
        check_result(instance, result)
        assert result.objective == best, seed
        assert float(result.stats["lp_bound"]) <= best


def least_exact_cost(offsets: np.ndarray, units: list[int], weight: np.ndarray, room: int) -> int:
    """Least sum of integer costs, by dynamic programming over all weights."""
    best = {0: 0}
    for a, b in itertools.pairwise(offsets.tolist()):
        after: dict[int, int] = {}
        for w, v in best.items():
            for j in range(a, b):
                at, value = w + int(weight[j]), v + units[j]
                if at <= room and value < after.get(at, value + 1):
                    after[at] = value
        best = after
    return min(best.values())


def rounded_fractions(seed: int) -> Arrays:
    """Costs nearly linear in weight, whose slopes differ by the rounding of fractions."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate(([0], np.cumsum(rng.integers(1, 7, int(rng.integers(4, 36))))))
    most = int(rng.choice([10, 30, 100]))
    weight = rng.integers(0, most + 1, int(offsets[-1]))
    saved = most - weight
    added, times = rng.integers(0, 3, weight.size), rng.integers(1, 3, weight.size)
    kinds = [saved, saved + added, saved * times]
    cost = kinds[seed % 3] / float(rng.choice([3, 7, 10])) * float(rng.choice([1, 1e-5, 0.7]))
    least = int(np.minimum.reduceat(weight, offsets[:-1]).sum())
    inside = rng.integers(least, np.maximum.reduceat(weight, offsets[:-1]).sum() + 1)
    return offsets, cost, weight, int(inside)


@pytest.mark.parametrize("kernel", KERNELS)
def test_bug_optima_missed_the_exact_one_where_rounded_slopes_tie(kernel: str) -> None:
    """States without free capacity were dropped although slopes cross: 1e-16 too dear."""
    for seed in range(250):
        offsets, cost, weight, capacity = rounded_fractions(seed)
        result = solve_core(offsets, cost, weight, capacity, kernel=kernel)
        assert result.optimal
        assert result.choice is not None
        units = [int(Fraction(x) * 2**1074) for x in cost.tolist()]
        found = sum(units[j] for j in (offsets[:-1] + result.choice).tolist())
        assert found == least_exact_cost(offsets, units, weight, capacity), seed


@pytest.mark.parametrize("kernel", KERNELS)
def test_limits_leave_a_feasible_choice_and_a_true_bound(kernel: str) -> None:
    stopped = 0
    for seed in range(1500):
        instance = draw(seed)
        best = brute(*instance)
        if best is None:
            continue
        for limits in ({"state_limit": seed % 9}, {"time_limit": 0.0}):
            result = solve_core(*instance, kernel=kernel, **limits)
            check_result(instance, result)
            assert result.bound <= best <= result.objective, seed
            stopped += not result.optimal
    assert stopped > 50


@pytest.mark.parametrize("kernel", KERNELS)
def test_costs_below_the_last_bit_of_others_decide(kernel: str) -> None:
    """0.5 + 1e-30 against 0.5: no float sum can tell them apart."""
    offsets = np.array([0, 2, 4])
    cost = np.array([0.5, 1.0, 1e-30, 0.0])
    weight = np.array([1, 0, 0, 1])
    result = solve_core(offsets, cost, weight, 2, kernel=kernel)
    assert result.choice is not None
    assert result.choice.tolist() == [0, 1]
    tight = solve_core(offsets, cost, weight, 1, kernel=kernel)
    assert tight.choice is not None
    assert tight.choice.tolist() == [0, 0]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("factor", [1e-305, 1e-200, 1e-9, 1e200, 1e295])
def test_scale_of_costs_does_not_matter(kernel: str, factor: float) -> None:
    rng = np.random.default_rng(7)
    offsets = np.arange(0, 41, 4)
    cost, weight = 10.0 ** rng.uniform(-6, 0, 40), rng.integers(1, 100, 40)
    power = 2.0 ** np.floor(np.log2(factor))
    a = solve_core(offsets, cost, weight, 400, kernel=kernel)
    b = solve_core(offsets, cost * power, weight, 400, kernel=kernel)
    assert a.choice is not None
    assert b.choice is not None
    assert a.choice.tolist() == b.choice.tolist()
    assert b.objective == a.objective * power


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"cost": np.array([1.0, np.nan, 2.0])}, "finite"),
        ({"cost": np.array([1.0, np.inf, 2.0])}, "finite"),
        ({"cost": np.array([1.0, 2.0])}, "one length"),
        ({"weight": np.array([1, -1, 2])}, "not be negative"),
        ({"weight": np.array([1 << 61, 1, 1 << 61])}, "2\\^62"),
        ({"offsets": np.array([0, 2])}, "offsets must run"),
        ({"offsets": np.array([0, 3, 3])}, "at least one item"),
        ({"cost": np.array([1e300, 1e-300, 5e-324])}, "570 orders"),
    ],
)
def test_bad_arrays_are_refused(change: dict[str, np.ndarray], sentence: str) -> None:
    good = {
        "offsets": np.array([0, 1, 3]),
        "cost": np.array([1.0, 2.0, 3.0]),
        "weight": np.array([1, 2, 3]),
    }
    with pytest.raises(InstanceError, match=sentence):
        solve_core(**(good | change), capacity=4)


def test_unknown_kernel_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="numpy and numba"):
        solve_core(np.array([0, 1]), np.ones(1), np.ones(1, dtype=np.int64), 1, kernel="gpu")
