"""What single methods promise beyond the conformance table."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitknap.problems import Instance, build_instance, lower_hull
from bitknap.problems.families import FAMILIES
from bitknap.solvers import Limits, Status, solve
from bitknap.solvers.dual import dual_bound
from bitknap.solvers.exact import exact_integers, float_below
from bitknap.solvers.local import improve, lightest, repair
from bitknap.solvers.methods.annealing import Annealing
from bitknap.solvers.methods.branch_bound import BranchAndBound
from bitknap.solvers.methods.brute import BruteForce
from bitknap.solvers.methods.evolutionary import Evolutionary
from bitknap.solvers.methods.fptas import Fptas
from bitknap.solvers.methods.lagrangian import Lagrangian
from bitknap.solvers.methods.lp import LinearRelaxation

from .conftest import random_instance

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def feasible(seed: int, resources: int = 1) -> Instance | None:
    instance = random_instance(seed, resources=resources)
    return instance if (instance.min_usage <= instance.capacity).all() else None


def rational_optimum(instance: Instance) -> Fraction | None:
    choices = itertools.product(*[range(size) for size in instance.sizes.tolist()])
    costs = [Fraction(c) for c in instance.cost.tolist()]
    values = [
        sum(costs[j] for j in instance.positions(choice))
        for choice in choices
        if instance.is_feasible(choice)
    ]
    return min(values, default=None)


def rational_relaxation(instance: Instance) -> Fraction:
    """Value of the linear relaxation by hull steps in rationals."""
    steps, total, room = [], Fraction(0), int(instance.capacity[0])
    for a, b in zip(instance.offsets[:-1], instance.offsets[1:], strict=True):
        cost, weight = instance.cost[a:b], instance.weight[0, a:b]
        hull = lower_hull(cost, weight).tolist()
        total += Fraction(float(cost[hull[0]]))
        room -= int(weight[hull[0]])
        for j, k in itertools.pairwise(hull):
            gain = Fraction(float(cost[j])) - Fraction(float(cost[k]))
            steps.append((gain / int(weight[k] - weight[j]), int(weight[k] - weight[j])))
    for slope, weight in sorted(steps, reverse=True):
        taken = min(weight, room)
        total -= slope * taken
        room -= taken
    return total


@given(st.lists(FLOATS, min_size=1, max_size=8))
def test_floats_are_integers_over_a_power_of_two(values: list[float]) -> None:
    numbers, unit = exact_integers(np.array(values))
    assert [Fraction(m, unit) for m in numbers] == [Fraction(v) for v in values]
    assert unit & (unit - 1) == 0


@given(FLOATS, st.integers(1, 10**6), st.integers(-1, 1))
def test_float_below_is_the_largest_not_above(value: float, parts: int, sign: int) -> None:
    number = Fraction(value) + Fraction(sign, parts) * abs(Fraction(value))
    if abs(number) > Fraction(1.7e308):
        return
    below = float_below(number)
    assert Fraction(below) <= number
    above = math.nextafter(below, math.inf)
    assert math.isinf(above) or Fraction(above) > number


@pytest.mark.parametrize("resources", [1, 2, 3])
def test_the_dual_is_below_the_optimum_in_rationals_at_any_price(resources: int) -> None:
    rng = np.random.default_rng(resources)
    for seed in range(60):
        instance = feasible(seed, resources)
        truth = None if instance is None else rational_optimum(instance)
        if instance is None or truth is None:
            continue
        span = float(np.abs(instance.cost).max()) / max(float(instance.weight.max()), 1.0)
        for scale in (0.0, 1e-300, 1e-3, 0.3, 1.0, 10.0, 1e200):
            price = rng.random(resources) * scale * (span if scale < 1e100 else 1.0)
            assert Fraction(dual_bound(instance, price)) <= truth


def test_the_dual_at_a_price_beyond_float64_bounds_nothing() -> None:
    instance = build_instance([[(1.0, 10**9), (2.0, 0)]], 10)
    assert dual_bound(instance, np.array([1.7e308])) == -math.inf


@pytest.mark.parametrize("method", [LinearRelaxation(), Lagrangian()])
def test_bounds_of_one_resource_are_the_linear_relaxation(method: object) -> None:
    for seed in range(150):
        instance = feasible(seed)
        if instance is None:
            continue
        solution = solve(instance, method)  # type: ignore[arg-type]
        value = rational_relaxation(instance)
        assert solution.bound is not None
        rounding = Fraction(math.fsum(np.abs(instance.cost).tolist())) / 10**12 + Fraction(1e-321)
        if isinstance(method, LinearRelaxation):
            assert Fraction(solution.bound) <= value
            assert value - Fraction(solution.bound) <= rounding
        else:
            # It first drops items that fit beside nothing, which can only raise the bound.
            assert value - Fraction(solution.bound) <= rounding
            assert Fraction(solution.bound) <= rational_optimum(instance)  # type: ignore[operator]


def test_the_relaxation_s_multiplier_is_the_break_slope() -> None:
    classes = [[(10.0, 1), (4.0, 3), (3.0, 6)], [(8.0, 2), (0.0, 6)]]
    solution = solve(build_instance(classes, 7), "lp")
    # Slopes 3, 2, 1/3; the second no longer fits: 2 of its 4 units remain.
    assert solution.multiplier is not None
    assert solution.multiplier.tolist() == [2.0]
    assert solution.choice is not None
    assert solution.choice.tolist() == [1, 0]
    assert solution.bound == pytest.approx(12 - 2 * 2, rel=1e-12)


def test_completion_goes_on_behind_the_break_step() -> None:
    instance = build_instance([[(9.0, 0), (0.0, 9)], [(1.0, 0), (0.0, 2)]], 3)
    assert solve(instance, LinearRelaxation()).objective == 10.0
    assert solve(instance, LinearRelaxation(complete=True)).objective == 9.0


def test_the_subgradient_bound_comes_near_the_linear_relaxation() -> None:
    from scipy.optimize import linprog

    for seed in range(4):
        instance = FAMILIES.load("mmkp_correlated")(classes=12, items=5, resources=3, seed=seed)
        rows = np.zeros((len(instance), instance.n_items))
        rows[instance.class_of, np.arange(instance.n_items)] = 1
        value = linprog(
            instance.cost,
            A_ub=instance.weight,
            b_ub=instance.capacity,
            A_eq=rows,
            b_eq=np.ones(len(instance)),
        ).fun
        solution = solve(instance, "lagrangian")
        assert solution.bound is not None
        assert solution.choice is not None
        assert 0.99 * value <= solution.bound


@pytest.mark.parametrize("family", ["uncorrelated", "weakly_correlated", "subset_sum", "zigzag"])
def test_branch_and_bound_and_dynamic_programming_agree_beyond_brute_force(family: str) -> None:
    for seed in range(3):
        instance = FAMILIES.load(family)(classes=12, items=5, range_=100, seed=seed)
        assert solve(instance, "branch_bound").objective == solve(instance, "dp").objective


def test_branch_and_bound_stopped_early_has_a_true_bound() -> None:
    instance = FAMILIES.load("mpq")(classes=40, seed=3)
    best = solve(instance, "branch_bound")
    assert best.status is Status.OPTIMAL
    for nodes in (1, 2, 10, 50):
        stopped = solve(instance, "branch_bound", limits=Limits(states=nodes))
        assert stopped.stats["nodes"] <= nodes
        assert stopped.status is Status.FEASIBLE
        assert stopped.bound is not None
        assert stopped.bound <= best.objective <= stopped.objective  # type: ignore[operator]


def test_branch_and_bound_is_exact_where_float_sums_are_not() -> None:
    # 1e16 + 1 is 1e16 in float64: only exact sums tell the second and third item apart.
    classes = [[(1e16, 0)], [(0.0, 5), (1.0, 1), (1.5, 1)], [(0.25, 1), (0.0, 2)]]
    solution = solve(build_instance(classes, 2), BranchAndBound())
    assert solution.choice is not None
    assert solution.choice.tolist() == [0, 1, 0]


@pytest.mark.parametrize("eps", [1.0, 0.1, 0.01])
def test_the_scheme_keeps_its_guarantee_in_rationals(eps: float) -> None:
    for seed in range(80):
        instance = feasible(seed)
        if instance is None:
            continue
        solution = solve(instance, Fptas(eps=eps))
        truth = rational_optimum(instance)
        assert truth is not None
        assert solution.choice is not None
        lowest = np.minimum.reduceat(instance.cost, instance.offsets[:-1])
        base = sum(Fraction(c) for c in lowest.tolist())
        chosen = instance.cost[instance.positions(solution.choice)]
        cost = sum(Fraction(c) for c in chosen.tolist())
        assert cost - base <= (1 + Fraction(eps)) * (truth - base) * (1 + Fraction(1, 10**12))
        assert solution.bound is not None
        # The bound of an optimal choice is its rounded objective.
        assert Fraction(solution.bound) <= truth or solution.status is Status.OPTIMAL


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1.0, 1e290])
def test_the_scheme_works_at_any_scale(scale: float) -> None:
    classes = [[(4 * scale, 1), (2 * scale, 2), (0.0, 4)]] * 3
    instance = build_instance(classes, 7)
    assert solve(instance, Fptas(eps=0.05)).objective == solve(instance, "dp").objective


def test_the_scheme_refuses_what_it_cannot_hold() -> None:
    instance = FAMILIES.load("mpq")(classes=30)
    tight = solve(instance, Fptas(eps=1e-9))
    assert tight.status is Status.UNSUPPORTED
    assert "raise eps" in tight.message
    assert solve(instance, Fptas(eps=0.0)).status is Status.UNSUPPORTED


def test_brute_force_says_how_many_choices_are_too_many() -> None:
    instance = build_instance([[(1.0, 1), (2.0, 2)]] * 20 + [[(1.0, 0)]] * 2000, 30)
    solution = solve(instance)
    refused = solve(instance, "brute")
    assert refused.status is Status.UNSUPPORTED
    assert "10^6 choices" in refused.message
    assert solve(instance, BruteForce(most=1 << 20), limits=Limits(states=100)).choice is not None
    small = build_instance([[(1.0, 1), (2.0, 2)]] * 6 + [[(1.0, 0)]] * 2000, 30)
    assert solve(small, "brute").objective == 2006.0
    assert solution.status is Status.OPTIMAL


def test_bug_scip_cuts_off_the_optimum_of_rows_with_large_coefficients() -> None:
    instance = FAMILIES.load("mpq_multi")(
        classes=40, bits=(2, 4, 8), activation_bits=(4, 8), resources=4, seed=4
    )
    assert instance.weight.max() > 10**9
    answers = {name: solve(instance, name) for name in ("scip", "highs")}
    assert {solution.status for solution in answers.values()} == {Status.OPTIMAL}
    assert len({solution.objective for solution in answers.values()}) == 1


@pytest.mark.parametrize("kind", [Annealing, Evolutionary])
def test_baselines_follow_their_seed_and_near_the_optimum(kind: type) -> None:
    instance = FAMILIES.load("uncorrelated")(classes=20, items=5, range_=1000)
    first, again, other = (solve(instance, kind(seed=s)) for s in (1, 1, 2))
    assert first.choice is not None
    assert again.choice is not None
    assert first.choice.tolist() == again.choice.tolist()
    best = solve(instance).objective
    assert best is not None
    for solution in (first, other):
        assert solution.objective is not None
        assert best <= solution.objective <= 1.3 * best
        assert solution.bound is None


@pytest.mark.parametrize("kind", [Annealing, Evolutionary])
def test_baselines_beat_their_start(kind: type) -> None:
    better = 0
    for seed in range(5):
        instance = FAMILIES.load("mmkp_uncorrelated")(classes=12, items=6, resources=3, seed=seed)
        start = repair(instance, lightest(instance))
        assert start is not None
        started = instance.objective(improve(instance, start))
        found = solve(instance, kind()).objective
        assert found is not None
        assert found <= started
        better += found < started
    assert better >= 3


@given(st.integers(0, 400), st.integers(1, 3))
@settings(deadline=None, max_examples=150)
def test_repair_and_improve_end_feasible_and_not_more_expensive(seed: int, resources: int) -> None:
    instance = feasible(seed, resources)
    if instance is None:
        return
    rng = np.random.default_rng(seed)
    repaired = repair(instance, rng.integers(0, instance.sizes))
    if repaired is None:
        assert resources > 1
        return
    assert instance.is_feasible(repaired)
    improved = improve(instance, repaired)
    assert instance.is_feasible(improved)
    assert instance.objective(improved) <= instance.objective(repaired)


def test_lightest_is_the_lightest_for_one_resource() -> None:
    for seed in range(50):
        instance = random_instance(seed)
        assert instance.usage(lightest(instance)) == instance.min_usage


@pytest.mark.parametrize("seed", range(40))
def test_greedy_prefix_is_the_longest_prefix_of_the_ranking_that_fits(seed: int) -> None:
    instance = feasible(seed)
    if instance is None:
        return
    weight, cost = instance.weight[0].tolist(), instance.cost.tolist()
    spans = [range(a, b) for a, b in itertools.pairwise(instance.offsets.tolist())]
    low = [min(span, key=weight.__getitem__) for span in spans]
    best = [min(span, key=cost.__getitem__) for span in spans]
    ranked = sorted(range(len(spans)), key=lambda i: cost[best[i]] - cost[low[i]])
    prefixes = []
    for length in range(len(spans) + 1):
        taken = set(ranked[:length])
        at = [best[i] if i in taken else low[i] for i in range(len(spans))]
        prefixes.append(at if sum(weight[k] for k in at) <= instance.capacity[0] else None)
    longest = [at for at in prefixes if at is not None][-1]
    solution = solve(instance, "greedy_prefix")
    assert solution.objective == pytest.approx(sum(cost[k] for k in longest))


def test_greedy_prefix_knows_no_ratio() -> None:
    """The class that saves most is too heavy: the ranking ends there, though the next one fits."""
    instance = build_instance([[(9, 0), (0, 10)], [(5, 0), (0, 1)]], 4)
    assert solve(instance, "greedy_prefix").objective == 14
    assert solve(instance).objective == 9
