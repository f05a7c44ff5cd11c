"""The exact method for several resources against brute force, other methods, and its promises."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from bitknap.problems import Instance, build_instance
from bitknap.problems.families import mmkp_correlated, mmkp_uncorrelated, mpq, mpq_multi
from bitknap.solvers import Limits, Status, solve
from bitknap.solvers.multi.bounds import build_bundle, prices_around
from bitknap.solvers.multi.dual import Dual
from bitknap.solvers.multi.model import build_model

from ..reference import brute_force
from .conftest import COSTS, random_instance


def check(instance: Instance) -> None:
    """The exact optimum in fractions, or a proof that there is none."""
    truth = brute_force(instance)
    solution = solve(instance, "multi")
    if truth is None:
        assert solution.status is Status.INFEASIBLE, instance.name
        return
    assert solution.status is Status.OPTIMAL, instance.name
    assert solution.objective == instance.objective(truth[1]), instance.name
    assert solution.gap == 0.0


@pytest.mark.parametrize("resources", [1, 2, 3, 4])
def test_random_instances_agree_with_brute_force(resources: int) -> None:
    for seed in range(100):
        check(random_instance(seed, resources=resources))


@pytest.mark.slow
@pytest.mark.parametrize("resources", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("block", range(4))
def test_thousands_of_random_instances(resources: int, block: int) -> None:
    for seed in range(5000 + 500 * block, 5500 + 500 * block):
        check(random_instance(seed, resources=resources))


def dense(seed: int) -> Instance:
    """Small weights, many coincidences: equal items, zero weights, tight and slack capacities."""
    rng = np.random.default_rng(seed)
    resources = int(rng.integers(2, 5))
    classes = []
    for _ in range(5):
        items = [
            (float(rng.integers(0, 6)), rng.integers(0, 4, resources).tolist())
            for _ in range(rng.integers(1, 5))
        ]
        classes.append(items + items[:1] * int(rng.integers(0, 2)))
    low = [sum(min(w[k] for _, w in items) for items in classes) for k in range(resources)]
    capacity = [c + int(rng.integers(0, 8)) for c in low]
    ties = ((0, 3),) if len(classes[0]) == len(classes[3]) and rng.random() < 0.5 else ()
    return build_instance(classes, capacity, name=f"dense {seed}", ties=ties)


def test_small_weights_and_ties() -> None:
    seen = set()
    for seed in range(120):
        instance = dense(seed)
        check(instance)
        seen.add((solve(instance, "multi").status, bool(instance.ties)))
    assert len(seen) == 4


def test_infeasible_only_together() -> None:
    """Each capacity admits some choice, both together none; a unit more admits one."""
    classes = [[(1.0, (0, 3)), (2.0, (3, 0))]] * 8
    assert solve(build_instance(classes, [12, 11]), "multi").status is Status.INFEASIBLE
    assert solve(build_instance(classes, [12, 12]), "multi").objective == 12.0


@pytest.mark.parametrize("factor", [1e-300, 1e-9, 1.0, 1e9, 1e290])
def test_costs_of_any_scale(factor: float) -> None:
    instance = mpq_multi.generate(classes=8, bits=(2, 4, 8), resources=3, seed=5)
    scaled = [
        [
            (factor * c, w.tolist())
            for c, w in zip(instance.cost[a:b], instance.weight[:, a:b].T, strict=True)
        ]
        for a, b in zip(instance.offsets[:-1], instance.offsets[1:], strict=True)
    ]
    check(build_instance(scaled, instance.capacity.tolist()))


def test_costs_three_hundred_orders_apart() -> None:
    """Wider than two limbs: exact costs are Python integers."""
    rng = np.random.default_rng(1)
    for _ in range(10):
        classes = [
            [(float(10.0 ** rng.uniform(-290, 10)), rng.integers(0, 9, 2).tolist()) for _ in "abc"]
            for _ in range(6)
        ]
        check(build_instance(classes, [24, 24]))


def test_many_classes_of_equal_tiny_costs_sum_exactly() -> None:
    """Two-limb costs of hundreds of forced classes: their low limbs overflow one another."""
    rng = np.random.default_rng(2)
    loose = [[(float(rng.random()), (1, 1)), (float(rng.random()) + 1e-13, (0, 2))]] * 3
    forced = [[(float(rng.random()), (0, 0)), (1e6, (9, 9))] for _ in range(300)]
    instance = build_instance(forced + loose, [2, 5])
    solution = solve(instance, "multi")
    assert solution.objective == solve(instance, "highs").objective


@pytest.mark.parametrize("resources", [2, 3, 4])
@pytest.mark.parametrize("bits", [(2, 4, 8), (2, 3, 4, 5, 6, 7, 8, 16)])
def test_layers_agree_with_highs(resources: int, bits: tuple[int, ...]) -> None:
    for seed in (3, 4):
        instance = mpq_multi.generate(classes=30, bits=bits, resources=resources, seed=seed)
        other = solve(instance, "highs")
        solution = solve(instance, "multi")
        assert solution.status is other.status is Status.OPTIMAL
        assert solution.objective == pytest.approx(other.objective, rel=1e-12)


@pytest.mark.parametrize("family", [mmkp_correlated, mmkp_uncorrelated])
def test_classical_families_agree_with_highs(family: object) -> None:
    for resources in (2, 3):
        instance = family.generate(classes=10, items=5, resources=resources, seed=1)  # type: ignore[attr-defined]
        solution = solve(instance, "multi")
        assert solution.status is Status.OPTIMAL
        assert solution.objective == solve(instance, "highs").objective


def test_one_resource_agrees_with_core() -> None:
    for seed in range(5):
        instance = mpq.generate(classes=60, bits=(2, 3, 4, 6, 8), seed=seed)
        assert solve(instance, "multi").objective == solve(instance, "core").objective


def test_limits_give_true_bounds() -> None:
    instance = mpq_multi.generate(classes=54, bits=tuple(range(2, 17)), resources=4, seed=4)
    optimum = solve(instance, "multi").objective
    assert optimum is not None
    bounds = []
    for states in (1, 1000, 4000, 16000):
        solution = solve(instance, "multi", limits=Limits(states=states))
        assert solution.bound is not None
        assert solution.bound <= optimum
        if solution.choice is not None:
            assert solution.objective >= optimum  # type: ignore[operator]
        bounds.append(solution.bound)
    assert bounds == sorted(bounds)
    assert bounds[0] > 0.9 * optimum


@pytest.mark.parametrize("costs", COSTS)
def test_bundle_bounds_every_completion(costs: str) -> None:
    """The root bound of any prices is below the exact optimum, however large the prices."""
    rng = np.random.default_rng(0)
    for seed in range(40):
        instance = random_instance(seed, costs, resources=2)
        truth = brute_force(instance)
        model = build_model(instance)
        if truth is None or model is None:
            continue
        shares = prices_around(np.exp(rng.normal(0.0, 3.0, 2)))
        bundle = build_bundle(model, shares)
        least = np.minimum.reduceat(instance.cost, instance.offsets[:-1])
        value = math.fsum([*instance.cost[instance.positions(truth[1])].tolist(), *(-least)])
        units = math.ldexp(value, model.exponent - model.unit.exponent)
        assert bundle.tail[0].max() <= units * (1.0 + 1e-15)


def test_dual_reaches_the_linear_relaxation() -> None:
    from scipy.optimize import linprog

    for seed in range(6):
        instance = mpq_multi.generate(classes=40, bits=(2, 4, 6, 8), resources=4, seed=seed)
        model = build_model(instance)
        assert model is not None
        dual = Dual(model, 1e3)
        price, _ = dual.maximise(np.ones(4), np.zeros(4), math.inf, 1e-12, 300)
        at = dual.cheapest(price)
        reached = model.cost[at].sum() + price @ (model.share[:, at].sum(axis=1) - 1.0)
        one_each = np.zeros((len(instance), model.cost.size))
        one_each[model.class_of, np.arange(model.cost.size)] = 1.0
        relaxed = linprog(
            model.cost, model.share, np.ones(4), one_each, np.ones(len(instance)), (0, None)
        )
        assert reached == pytest.approx(relaxed.fun, rel=1e-9)


def test_same_answer_twice() -> None:
    instance = mpq_multi.generate(classes=54, resources=3, seed=8)
    first, second = solve(instance, "multi"), solve(instance, "multi")
    assert first.choice.tolist() == second.choice.tolist()  # type: ignore[union-attr]
    assert first.stats == second.stats


def test_scipy_and_torch_stay_out() -> None:
    import subprocess

    code = (
        "from bitknap.problems import build_instance\nfrom bitknap.solvers import solve\n"
        "import sys\n"
        "solve(build_instance([[(3, (1, 2)), (1, (2, 1))]] * 2, [3, 3]), 'multi')\n"
        "print(*({'scipy', 'torch'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not run.stdout.split()
