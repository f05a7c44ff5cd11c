"""The core solver against enumeration, dynamic programming and the referee."""

from __future__ import annotations

import itertools
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from bitknap.problems import FloatArray, Instance, InstanceError, IntArray, build_instance
from bitknap.problems.families import FAMILIES, mpq
from bitknap.solvers import Status, default_solver, solve
from bitknap.solvers.base import Limits, Outcome
from bitknap.solvers.core import library, solve_core

from ..reference import brute_force
from .conftest import instance_with_ties, plateaus, uneven_layers

Arrays = tuple[IntArray, FloatArray, IntArray, int]
BITS = (2, 3, 4, 5, 6, 7, 8, 16)
PISINGER = ("strongly_correlated", "weakly_correlated", "subset_sum", "uncorrelated", "zigzag")


def arrays(instance: Instance) -> Arrays:
    return instance.offsets, instance.cost, instance.weight[0], int(instance.capacity[0])


def exact_cost(cost: FloatArray) -> int:
    """The sum in units of the smallest float."""
    ratios = [c.as_integer_ratio() for c in cost.tolist()]
    return sum(a * ((1 << 1074) // b) for a, b in ratios)


def enumerated(offsets: IntArray, cost: FloatArray, weight: IntArray, capacity: int) -> int | None:
    """The least cost in units of the smallest float; None when nothing fits."""
    items = list(zip(cost.tolist(), weight.tolist(), strict=True))
    classes = [items[a:b] for a, b in itertools.pairwise(offsets.tolist())]
    found = brute_force(build_instance(classes, capacity)) if capacity >= 0 else None
    return None if found is None else int(found[0] * 2**1074)


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


def check_result(instance: Arrays, result: Outcome, best: int) -> None:
    """The result is what it says, whatever its status."""
    offsets, cost, weight, capacity = instance
    assert result.choice is not None
    assert ((result.choice >= 0) & (result.choice < np.diff(offsets))).all()
    at = offsets[:-1] + result.choice
    assert int(weight[at].sum()) <= capacity
    assert result.objective == math.fsum(cost[at].tolist())
    assert result.bound <= result.objective
    rounded = float(Fraction(best, 2**1074))
    assert float(result.stats["lp_bound"]) <= rounded
    assert result.bound <= rounded <= result.objective
    if result.status is Status.OPTIMAL:
        assert result.bound == result.objective
        assert exact_cost(cost[at]) == best


def check_random(seeds: range) -> int:
    """Compare with enumeration; return how often branch and bound had to help."""
    helped = 0
    for seed in seeds:
        instance = draw(seed)
        result, best = solve_core(*instance), enumerated(*instance)
        if best is None:
            assert result.status == "infeasible"
            assert result.choice is None
            continue
        assert result.status is Status.OPTIMAL, seed
        check_result(instance, result, best)
        helped += "reason" in result.stats
    return helped


@pytest.mark.parametrize("block", range(4))
def test_equals_enumeration(block: int) -> None:
    assert check_random(range(500 * block, 500 * (block + 1))) > 0


@pytest.mark.slow
def test_twenty_thousand_equal_enumeration() -> None:
    check_random(range(2000, 22_000))


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


def test_bug_optima_missed_the_exact_one_where_rounded_slopes_tie() -> None:
    """States without free capacity were dropped although slopes cross: 1e-16 too dear."""
    for seed in range(100):
        offsets, cost, weight, capacity = rounded_fractions(seed)
        result = solve_core(offsets, cost, weight, capacity)
        assert result.status is Status.OPTIMAL
        assert result.choice is not None
        units = [exact_cost(cost[j : j + 1]) for j in range(cost.size)]
        found = exact_cost(cost[offsets[:-1] + result.choice])
        assert found == least_exact_cost(offsets, units, weight, capacity), seed


def test_bug_steps_of_one_class_were_taken_in_the_wrong_order() -> None:
    """Items on a line but for rounding: a class went back to a lighter item, 2.3 too dear."""
    for seed in range(50):
        rng = np.random.default_rng(seed)
        sizes = rng.integers(2, 8, int(rng.integers(2, 40)))
        weight = np.concatenate([rng.choice(60, size, replace=False) for size in sizes])
        cost = (60 - weight) / np.repeat(rng.choice([1.0, 3.0, 7.0], sizes.size), sizes)
        offsets = np.append(0, np.cumsum(sizes))
        capacity = int(
            np.minimum.reduceat(weight, offsets[:-1]).sum() + rng.integers(30 * sizes.size)
        )
        result = solve_core(offsets, cost, weight, capacity)
        assert result.choice is not None
        units = [exact_cost(cost[j : j + 1]) for j in range(cost.size)]
        found = exact_cost(cost[offsets[:-1] + result.choice])
        assert found == least_exact_cost(offsets, units, weight, capacity), seed


def test_limits_leave_a_feasible_choice_and_a_true_bound() -> None:
    stopped = 0
    for seed in range(500):
        instance = draw(seed)
        best = enumerated(*instance)
        if best is None:
            continue
        for limits in (Limits(states=seed % 9), Limits(time=0.0)):
            result = solve_core(*instance, limits)
            check_result(instance, result, best)
            stopped += result.status is not Status.OPTIMAL
    assert stopped > 20


def test_branching_stops_at_limits_with_a_true_bound() -> None:
    for seed in (11, 14):
        instance = arrays(uneven_layers(seed))
        best = solve_core(*instance)
        assert int(best.stats["branches"]) > 1
        for limit in (0, 3000, 30_000):
            part = solve_core(*instance, Limits(states=limit))
            assert part.bound <= best.objective <= part.objective


def test_costs_below_the_last_bit_of_others_decide() -> None:
    """0.5 + 1e-30 against 0.5: no float sum can tell them apart."""
    offsets, weight = np.array([0, 2, 4]), np.array([1, 0, 0, 1])
    cost = np.array([0.5, 1.0, 1e-30, 0.0])
    for capacity, choice in ((2, [0, 1]), (1, [0, 0])):
        result = solve_core(offsets, cost, weight, capacity)
        assert result.choice is not None
        assert result.choice.tolist() == choice


@pytest.mark.parametrize("factor", [1e-305, 1e-200, 1e-9, 1e200, 1e295])
def test_scale_of_costs_does_not_matter(factor: float) -> None:
    rng = np.random.default_rng(7)
    offsets = np.arange(0, 41, 4)
    cost, weight = 10.0 ** rng.uniform(-6, 0, 40), rng.integers(1, 100, 40)
    power = 2.0 ** np.floor(np.log2(factor))
    a = solve_core(offsets, cost, weight, 400)
    b = solve_core(offsets, cost * power, weight, 400)
    assert a.choice is not None
    assert b.choice is not None
    assert a.choice.tolist() == b.choice.tolist()
    assert b.objective == a.objective * power


def test_bug_costs_over_all_orders_of_magnitude_were_refused() -> None:
    """Costs that span 570 decades and more, against enumeration."""
    helped = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        offsets = np.arange(0, 13, 3)
        cost = rng.choice([-1.0, 1.0], 12) * 10.0 ** rng.uniform(-324, 300, 12)
        weight = rng.integers(0, 9, 12)
        instance = offsets, cost, weight, int(rng.integers(12, 25))
        result, best = solve_core(*instance), enumerated(*instance)
        if best is None:
            assert result.status == "infeasible"
            continue
        assert result.status is Status.OPTIMAL
        check_result(instance, result, best)
        helped += "570" in str(result.stats.get("reason"))
    assert helped > 50


def test_weights_up_to_the_limit() -> None:
    offsets, cost = np.array([0, 2, 4]), np.array([2.0, 1.0, 2.0, 1.0])
    weight = np.array([1, 1 << 60, 0, 1 << 60])
    assert solve_core(offsets, cost, weight, (1 << 60) + 1).objective == 3.0
    assert solve_core(offsets, cost, weight, (1 << 63) - 1).objective == 2.0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        cost, weight = rng.random(12), rng.integers(0, 1 << 59, 12)
        instance = np.arange(0, 13, 3), cost, weight, int(rng.integers(1 << 59, 1 << 61))
        best, result = enumerated(*instance), solve_core(*instance)
        assert (best is None) == (result.status == "infeasible")
        if best is not None:
            check_result(instance, result, best)


@pytest.mark.parametrize("random", [plateaus, instance_with_ties])
def test_dynamic_programming_agrees_where_optima_tie(random: Callable[[int], Instance]) -> None:
    for seed in (0, 1, 2, 3, 5):
        instance = random(seed)
        other = solve(instance, "dp")
        assert other.status is Status.OPTIMAL
        assert solve(instance, "core").objective == other.objective


@pytest.mark.parametrize("classes", [60, 200, 1000, 3000])
def test_permuted_classes_have_the_same_optimum(classes: int) -> None:
    for seed in range(4):
        instance = mpq.generate(classes=classes, bits=BITS, seed=seed)
        order = np.random.default_rng(0).permutation(classes)
        cost = instance.cost.reshape(classes, -1)[order].ravel()
        weight = instance.weight[0].reshape(classes, -1)[order].ravel()
        permuted = solve_core(instance.offsets, cost, weight, int(instance.capacity[0]))
        plain = solve_core(*arrays(instance))
        assert plain.choice is not None
        assert permuted.choice is not None
        first = instance.cost[instance.offsets[:-1] + plain.choice]
        assert exact_cost(first) == exact_cost(cost[instance.offsets[:-1] + permuted.choice])


def test_integer_optimum_of_dynamic_programming_over_the_capacity() -> None:
    """An independent method at sizes that enumeration cannot reach."""
    for family in PISINGER:
        for seed in range(4):
            instance = FAMILIES.load(family)(classes=60, items=6, range_=100, seed=seed)
            best = np.full(int(instance.capacity[0]) + 1, np.inf)
            best[0] = 0.0
            for a, b in itertools.pairwise(instance.offsets.tolist()):
                after = np.full_like(best, np.inf)
                for c, w in zip(instance.cost[a:b], instance.weight[0, a:b].tolist(), strict=True):
                    after[w:] = np.minimum(after[w:], best[: best.size - w] + c)
                best = after
            assert solve_core(*arrays(instance)).objective == best.min()


def test_one_large_layer_among_small_ones_is_branched_on() -> None:
    """Without it the first takes more than 50 million states."""
    branches = 0
    for seed in (3, 13):
        result = solve_core(*arrays(mpq.generate(classes=100, bits=BITS, seed=seed)))
        assert result.status is Status.OPTIMAL
        assert int(result.stats["states_total"]) < 100_000
        branches += int(result.stats.get("branches", 0))
    assert branches > 0


SANITIZED = """
import sys
from pathlib import Path
from bitknap.solvers.base import Limits
from bitknap.solvers.core import library, solve_core
library.FOLDER = Path(sys.argv[1])
from tests.solvers.conftest import instance_with_ties, plateaus, uneven_layers
from tests.solvers.test_core import arrays, draw
for seed in range(2000):
    solve_core(*draw(seed), Limits(time=1.0))
    solve_core(*draw(seed), Limits(states=seed % 9))
for seed in range(40):
    for random in (instance_with_ties, plateaus, uneven_layers):
        solve_core(*arrays(random(seed)), Limits(states=200_000))
"""


@pytest.mark.slow
def test_two_thousand_instances_under_sanitizers(tmp_path: Path) -> None:
    """Neither AddressSanitizer nor UndefinedBehaviorSanitizer has anything to say."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("needs g++")
    flags = ("-O1", "-g", "-fPIC", "-shared", "-fno-sanitize-recover=all")
    source = library.FOLDER / "core.cpp"
    kernel = tmp_path / "core.so"
    checks = "-fsanitize=address,undefined"
    subprocess.run([compiler, "-std=c++17", *flags, checks, source, "-o", kernel], check=True)
    found = [
        subprocess.run(
            [compiler, f"-print-file-name={name}"], check=True, capture_output=True, text=True
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    environment = os.environ | {"LD_PRELOAD": " ".join(found), "ASAN_OPTIONS": "detect_leaks=0"}
    command = [sys.executable, "-c", SANITIZED, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


def test_bug_steps_as_steep_as_the_last_near_one_were_left_out() -> None:
    """Behind 48 steps of one slope the bound saw none, and dropped the optimum."""
    drop = np.repeat([40.0, 30.0, 20.0], [1, 150, 150])
    step = np.repeat([13, 10], [1, 300])
    cost, weight = np.stack((drop, 0 * drop), 1).ravel(), np.stack((0 * step, step), 1).ravel()
    result = solve_core(np.arange(302) * 2, cost, weight, 13 + 10 * 149 + 7)
    assert result.objective == 40 + 149 * 20


def test_completed_states_meet_the_bound_early() -> None:
    """Class by class it takes 174 thousand states to find a choice that meets the bound."""
    generate = FAMILIES.load("weakly_correlated")
    result = solve_core(*arrays(generate(classes=1000, items=10, range_=10_000, seed=1)))
    assert 0 < int(result.stats["states_total"]) < 20_000


def test_a_hundred_thousand_classes() -> None:
    rng = np.random.default_rng(3)
    sizes, widths = mpq.layer_sizes(rng, 100_000), np.array(BITS)
    cost = mpq.layer_costs(rng, 100_000, widths, 3.0, 0.3).ravel()
    weight = (sizes[:, None] * widths).ravel()
    capacity = 4 * int(sizes.sum())
    result = solve_core(np.arange(0, cost.size + 1, 8), cost, weight, capacity)
    assert result.status is Status.OPTIMAL
    assert result.choice is not None
    at = np.arange(0, cost.size, 8) + result.choice
    assert int(weight[at].sum()) <= capacity
    # The relaxation bounds the optimum from below, the multiplier proves how closely.
    assert 0.0 <= result.objective - float(result.stats["lp_bound"]) < 1e-3 * result.objective


def test_without_the_kernel_dp_solves_and_core_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    library.function.cache_clear()
    instance = build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 4)
    try:
        assert default_solver(instance) == "dp"
        assert solve(instance).objective == 4.0
        refused = solve(instance, "core")
        assert refused.status is Status.UNSUPPORTED
        assert "install g++ or clang" in refused.message
        assert "dp can" in refused.message
    finally:
        library.function.cache_clear()


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


def test_bug_costs_rescaled_for_the_kernel_were_reported_so() -> None:
    """Costs too wide for the kernel went on to branch and bound in the kernel's unit."""
    for classes in ([[(1e-300, 8), (3e-280, 0)]], [[(2e-300, 5), (1e-310, 9), (3e-270, 1)]] * 2):
        for capacity in (2, 10, 18):
            instance = build_instance(classes, capacity)
            objective = solve(instance, "core").objective
            assert objective == solve(instance, "brute").objective
            assert objective == 0 or objective is None or objective < 1e-200


def test_bug_no_steps_between_items_of_one_cost() -> None:
    """Classes whose first cheapest item is not the lightest have no hull steps (it crashed)."""
    classes = [[(0.0, 5), (0.0, 1)] for _ in range(100)]
    instance = build_instance(classes, 150)
    result = solve_core(instance.offsets, instance.cost, instance.weight[0], 150)
    assert result.status is Status.OPTIMAL
    assert result.objective == 0.0
