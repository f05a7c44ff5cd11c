"""Costs of a class hundreds of orders of magnitude apart, down to the smallest floats."""

from __future__ import annotations

import numpy as np
import pytest

from bitknap.problems import FloatArray, IntArray
from bitknap.solvers.core import solve_core

Arrays = tuple[IntArray, FloatArray, IntArray]

SMALLEST = 5e-324
KINDS = ("decay", "decades", "powers", "two scales", "smallest or not")


def draw(kind: str, seed: int) -> Arrays:
    """Offsets, costs and weights of 3 to 1,500 classes of 1 to 12 items, or 10 each."""
    rng = np.random.default_rng(seed)
    classes = int(rng.choice([3, 54, 700, 1500]))
    sizes = rng.integers(1, 13, classes) if seed % 2 else np.full(classes, 10)
    offsets = np.append(0, np.cumsum(sizes))
    n = int(offsets[-1])
    limit = int(rng.choice([3, 1000, 1 << 30]))
    weight = rng.integers(0, limit + 1, n)
    few = rng.integers(0, 4, n)
    kinds = {
        "decay": np.exp(-weight / limit * 600) * rng.random(n),
        "decades": 10.0 ** rng.uniform(-300, 0, n),
        "powers": 10.0 ** -rng.integers(0, 320, n).astype(float),
        "two scales": 10.0 ** np.where(rng.random(n) < 0.5, -35, -1) * (1 + rng.random(n)),
        "smallest or not": few * rng.choice([SMALLEST, 1.0], n),
    }
    return offsets, kinds[kind], weight


def exact(cost: FloatArray) -> int:
    """The sum in units of the smallest float."""
    ratios = [c.as_integer_ratio() for c in cost.tolist()]
    return sum(a * ((1 << 1074) // b) for a, b in ratios)


@pytest.mark.parametrize("kernel", ["numpy", "numba"])
@pytest.mark.parametrize("kind", KINDS)
def test_bug_where_all_fits_not_all_classes_stood_at_the_lightest_of_their_cheapest(
    kind: str, kernel: str
) -> None:
    """Seen from a class's dearest item, costs of 0 and 1e-42 are one: the wrong one was taken."""
    for seed in range(8):
        offsets, cost, weight = draw(kind, seed)
        capacity = int(np.maximum.reduceat(weight, offsets[:-1]).sum())
        result = solve_core(offsets, cost, weight, capacity, kernel=kernel)
        assert result.optimal
        assert result.choice is not None
        item = offsets[:-1] + result.choice
        assert (cost[item] == np.minimum.reduceat(cost, offsets[:-1])).all()
        dearer = cost > np.repeat(cost[item], np.diff(offsets))
        lightest = np.where(dearer, np.iinfo(np.int64).max, weight)
        assert (weight[item] == np.minimum.reduceat(lightest, offsets[:-1])).all()


@pytest.mark.parametrize("part", [0.0, 0.01, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", KINDS)
def test_kernels_agree_on_tiny_costs(kind: str, part: float) -> None:
    proven = 0
    for seed in range(8):
        offsets, cost, weight = draw(kind, seed)
        least = int(np.minimum.reduceat(weight, offsets[:-1]).sum())
        most = int(np.maximum.reduceat(weight, offsets[:-1]).sum())
        capacity = least + int((most - least) * part)
        a, b = (
            solve_core(offsets, cost, weight, capacity, kernel=k, state_limit=20_000)
            for k in ("numpy", "numba")
        )
        if not (a.optimal and b.optimal):
            continue
        proven += 1
        assert a.choice is not None
        assert b.choice is not None
        assert exact(cost[offsets[:-1] + a.choice]) == exact(cost[offsets[:-1] + b.choice]), seed
        assert a.choice.tolist() == b.choice.tolist(), seed
    assert proven >= 4


def test_bug_a_search_in_units_of_the_smallest_float_did_not_end() -> None:
    """Two to the power of -1074 is 0 in compiled code."""
    rng = np.random.default_rng(0)
    offsets = np.arange(21) * 10
    for _ in range(20):
        cost = rng.integers(0, 4, 200) * rng.choice([SMALLEST, 1.0], 200)
        weight = rng.integers(0, 1 << 20, 200)
        capacity = int(np.minimum.reduceat(weight, offsets[:-1]).sum()) + (1 << 18)
        a, b = (solve_core(offsets, cost, weight, capacity, kernel=k) for k in ("numpy", "numba"))
        assert a.optimal
        assert b.optimal
        assert a.objective == b.objective
