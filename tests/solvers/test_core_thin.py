"""Classes of many items: their ends, the items that no relaxation takes, and what is left."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from bitknap.problems import FloatArray, IntArray
from bitknap.solvers.core import jit, solve_core

Arrays = tuple[IntArray, FloatArray, IntArray]

KINDS = ("uniform", "correlated", "line", "steep", "decades", "few values")


def large_classes(kind: str, seed: int, classes: int = 60) -> Arrays:
    """Offsets, costs and weights of classes of 60 to 150 items."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(60, 151, classes)
    sizes[rng.random(classes) < 0.1] = 1
    offsets = np.append(0, np.cumsum(sizes))
    n = int(offsets[-1])
    hard = kind in ("correlated", "line")
    limit = int(rng.choice([10, 1000, 10_000 if hard else 1 << 40]))
    weight = rng.integers(0, limit + 1, n)
    if kind == "uniform":
        cost = rng.integers(0, limit + 1, n).astype(np.float64)
    elif kind == "correlated":
        cost = -(weight + rng.integers(-10, 11, n)).astype(np.float64)
    elif kind == "line":
        cost = -weight.astype(np.float64)
    elif kind == "steep":
        cost = rng.random(n) * np.exp(-8.0 * weight / limit)
    elif kind == "decades":
        cost = 10.0 ** rng.uniform(-12, 0, n)
    else:
        cost = rng.integers(-2, 3, n) * rng.choice([1.0, -0.0, 0.5], n)
    arrays = offsets, cost, weight
    for array in arrays:
        array.flags.writeable = False
    return arrays


def classes_of(offsets: IntArray) -> Iterator[range]:
    for a, b in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        yield range(a, b)


def hull(items: list[int], cost: FloatArray, weight: IntArray) -> list[int]:
    """The lower convex hull from the lightest to the cheapest item, in fractions."""
    best: list[int] = []
    for j in sorted(items, key=lambda j: (weight[j], cost[j], j)):
        if best and cost[j] >= cost[best[-1]]:
            continue
        while len(best) > 1:
            p, q = best[-2], best[-1]
            first = Fraction(float(cost[p])) - Fraction(float(cost[q]))
            then = Fraction(float(cost[q])) - Fraction(float(cost[j]))
            if first * int(weight[j] - weight[q]) > then * int(weight[q] - weight[p]):
                break
            best.pop()
        best.append(j)
    return best


def test_integers_as_floats_are_rounded_once() -> None:
    jit.kernel()
    from bitknap.solvers.core.kernel_bracket import as_float

    rng = np.random.default_rng(0)
    drawn = rng.integers(-(1 << 62) + 1, 1 << 62, 2000) >> rng.integers(0, 62, 2000)
    for n in [0, 1, -1, (1 << 62) - 1, 1 - (1 << 62), (1 << 53) + 1, *drawn.tolist()]:
        assert as_float(n) == float(n)


@pytest.mark.parametrize("kind", KINDS)
def test_ends_are_the_lightest_and_the_cheapest(kind: str) -> None:
    jit.kernel()
    from bitknap.solvers.core.kernel_bracket import extremes

    for seed in range(5):
        offsets, cost, weight = large_classes(kind, seed)
        ends, largest, bad = extremes(offsets, cost, weight)
        light = [min(c, key=lambda j: (weight[j], cost[j], j)) for c in classes_of(offsets)]
        heavy = [min(c, key=lambda j: (cost[j], weight[j], j)) for c in classes_of(offsets)]
        assert not bad
        assert largest == np.abs(cost).max()
        assert ends.light.tolist() == light
        assert ends.heavy.tolist() == heavy
        assert (ends.least, ends.most) == (weight[light].sum(), weight[heavy].sum())
        assert ends.whole == all(c.is_integer() for c in cost.tolist())


def test_zeros_of_either_sign_are_equal() -> None:
    jit.kernel()
    from bitknap.solvers.core.kernel_bracket import extremes

    for first, second in ((0.0, -0.0), (-0.0, 0.0)):
        cost, weight = np.ones(40), np.arange(40)[::-1].copy()
        cost[10], cost[20] = first, second
        ends = extremes(np.array([0, 40]), cost, weight)[0]
        assert ends.heavy.tolist() == [20]


@pytest.mark.parametrize("inner", [[0, 2, 1, 4], [0, 9, 3, 4], [0, 2, 2, 4], [0, -1, 2, 4]])
def test_classes_that_do_not_follow_one_another_are_refused(inner: list[int]) -> None:
    jit.kernel()
    from bitknap.solvers.core.kernel_bracket import extremes

    assert extremes(np.array(inner), np.ones(4), np.ones(4, dtype=np.int64))[2]


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_the_hull_is_left(kind: str) -> None:
    """Of each class, and of what one step of quickhull leaves of it."""
    jit.kernel()
    from bitknap.solvers.core.kernel_bracket import extremes
    from bitknap.solvers.core.kernel_hull import below_deepest
    from bitknap.solvers.core.kernel_thin import all_classes

    dropped = 0
    for seed in range(4):
        offsets, cost, weight = large_classes(kind, seed, 20)
        ends = extremes(offsets, cost, weight)[0]
        t = all_classes(offsets, cost, weight, ends)
        assert t.cost.tolist() == cost[t.item].tolist()
        assert t.weight.tolist() == weight[t.item].tolist()
        assert t.item[t.ends.light].tolist() == ends.light.tolist()
        assert t.item[t.ends.heavy].tolist() == ends.heavy.tolist()
        parts = zip(classes_of(offsets), classes_of(t.offsets), strict=True)
        for whole, left in parts:
            item = t.item[left.start : left.stop]
            assert len(set(item.tolist())) == item.size
            all_points = hull(list(whole), cost, weight)
            assert hull(item.tolist(), cost, weight) == all_points
            m = below_deepest(item, item.size, cost, weight)
            assert hull(item[:m].tolist(), cost, weight) == all_points
            dropped += len(whole) - m
    assert dropped > 0


@pytest.mark.parametrize("kind", KINDS)
def test_steps_and_gaps_are_those_of_all_items(kind: str) -> None:
    """The steps are the same, and leaving a base item costs at least its gap."""
    jit.kernel()
    from bitknap.solvers.core.kernel_bracket import extremes
    from bitknap.solvers.core.kernel_relax import NEAR_STEPS, near_steps
    from bitknap.solvers.core.kernel_thin import all_classes, restore

    decided = 0
    for seed in range(5):
        arrays = offsets, cost, weight = large_classes(kind, seed, 200)
        ends = extremes(*arrays)[0]
        capacity = int(ends.least + (ends.most - ends.least) * np.random.default_rng(seed).random())
        plain = near_steps(*arrays, ends, capacity)
        t = all_classes(*arrays, ends)
        near = restore(*arrays, t, near_steps(t.offsets, t.cost, t.weight, t.ends, capacity))
        assert near.room == plain.room
        ours, theirs = around(near, NEAR_STEPS), around(plain, NEAR_STEPS)
        assert near.steps.slope[ours].tolist() == plain.steps.slope[theirs].tolist()
        assert near.steps.head[ours].tolist() == plain.steps.head[theirs].tolist()
        high, low = min(near.high, 1e300), near.low
        for c, b, gap in zip(classes_of(offsets), near.base, near.gap, strict=True):
            if np.isneginf(gap):
                continue
            decided += 1
            others = np.array([j for j in c if j != b], dtype=np.int64)
            change, more = cost[others] - cost[b], (weight[others] - weight[b]).astype(float)
            for slope in (low, high):
                margin = change + slope * more
                noise = 1e-12 * (np.abs(change) + slope * np.abs(more))
                undominated = ~((change >= 0) & (more >= 0))
                assert (margin[undominated] >= gap - noise[undominated]).all()
    assert decided > 0


def around(near: Any, most: int) -> IntArray:
    """The steps next to the break, in order."""
    chosen: IntArray = near.order[max(0, near.brk - most) : near.brk + most]
    return chosen


@pytest.mark.parametrize("kind", KINDS)
def test_kernels_agree_on_large_classes(kind: str) -> None:
    for seed in range(8):
        offsets, cost, weight = large_classes(kind, 100 + seed)
        least = np.minimum.reduceat(weight, offsets[:-1]).sum()
        most = np.maximum.reduceat(weight, offsets[:-1]).sum()
        capacity = int(least + (most - least) * np.random.default_rng(seed).random())
        a, b = (solve_core(offsets, cost, weight, capacity, kernel=k) for k in ("numpy", "numba"))
        assert a.optimal
        assert b.optimal
        assert a.choice is not None
        assert b.choice is not None
        assert a.objective == b.objective
        assert a.choice.tolist() == b.choice.tolist()
