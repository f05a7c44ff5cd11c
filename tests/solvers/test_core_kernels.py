"""Both kernels of the core solver give the same choice; large, branched and integer instances."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from bitknap.problems import Instance
from bitknap.problems.families import FAMILIES, mpq
from bitknap.solvers import Status, solve
from bitknap.solvers.core import CoreResult, jit, relaxation, solve_core
from bitknap.solvers.core import solve as solve_module
from bitknap.solvers.core.arrays import check
from bitknap.solvers.core.fixed_point import choose_unit, fixed, minus, to_real
from bitknap.solvers.core.lattice import find_lattice
from bitknap.solvers.core.task import NONE, Task
from bitknap.solvers.methods.core import Core

from .conftest import instance_with_ties, plateaus, uneven_layers

BITS = (2, 3, 4, 5, 6, 7, 8, 16)


def run(instance: Instance, kernel: str) -> CoreResult:
    return solve_core(
        instance.offsets,
        instance.cost,
        instance.weight[0],
        int(instance.capacity[0]),
        kernel=kernel,
    )


def assert_same(instance: Instance) -> CoreResult:
    a, b = run(instance, "numpy"), run(instance, "numba")
    assert a.choice is not None
    assert b.choice is not None
    assert a.optimal
    assert b.optimal
    assert b.stats["kernel"] == "numba"
    assert a.choice.tolist() == b.choice.tolist()
    return b


@pytest.mark.parametrize("bits", [(2, 4, 8), BITS])
@pytest.mark.parametrize("classes", [5, 54, 200, 1000])
def test_kernels_agree_on_mpq(classes: int, bits: tuple[int, ...]) -> None:
    for seed in range(3):
        assert_same(mpq.generate(classes=classes, bits=bits, seed=seed))


@pytest.mark.parametrize(
    "family", ["uncorrelated", "weakly_correlated", "strongly_correlated", "subset_sum", "zigzag"]
)
@pytest.mark.parametrize("shape", [(10, 10, 100), (50, 5, 30), (400, 10, 1000), (10, 200, 1000)])
def test_kernels_agree_on_pisinger(family: str, shape: tuple[int, int, int]) -> None:
    classes, items, limit = shape
    for seed in range(2):
        generate = FAMILIES.load(family)
        assert_same(generate(classes=classes, items=items, range_=limit, seed=seed))


def test_integer_optimum_of_dynamic_programming_over_the_capacity() -> None:
    """An independent method at sizes that enumeration cannot reach."""
    for seed in range(6):
        instance = FAMILIES.load("strongly_correlated")(classes=30, items=6, range_=100, seed=seed)
        best = np.full(int(instance.capacity[0]) + 1, np.inf)
        best[0] = 0.0
        for a, b in zip(instance.offsets, instance.offsets[1:], strict=False):
            after = np.full_like(best, np.inf)
            for c, w in zip(instance.cost[a:b], instance.weight[0, a:b].tolist(), strict=True):
                after[w:] = np.minimum(after[w:], best[: best.size - w] + c)
            best = after
        assert run(instance, "numpy").objective == best.min()


def test_permuted_classes_have_the_same_optimum() -> None:
    instance = mpq.generate(classes=60, bits=BITS, seed=4)
    order = np.random.default_rng(0).permutation(60)
    cost = instance.cost.reshape(60, -1)[order].ravel()
    weight = instance.weight[0].reshape(60, -1)[order].ravel()
    permuted = solve_core(instance.offsets, cost, weight, int(instance.capacity[0]))
    assert permuted.objective == run(instance, "numpy").objective


@pytest.mark.parametrize("kernel", ["numpy", "numba"])
def test_branching_finds_the_optimum_of_the_search(
    kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instances that branch, against the same without branching."""
    branched = 0
    for seed in range(12):
        instance = mpq.generate(classes=1200, bits=BITS, seed=seed)
        result = run(instance, kernel)
        branched += "branches" in result.stats
        with monkeypatch.context() as patch:
            patch.setattr(solve_module, "Task", _without_branching)
            plain = run(instance, kernel)
        assert "branches" not in plain.stats
        assert result.objective == plain.objective
    assert branched


@pytest.mark.parametrize("classes", [3, 40, 129, 500, 1300])
@pytest.mark.parametrize("ordered", [0.0, 0.5, 1.0])
def test_steps_next_to_the_break_are_those_of_brackets(classes: int, ordered: float) -> None:
    """Selected from all steps, and from brackets: the same; where they end, none is between."""
    jit.kernel()
    from bitknap.solvers.core.kernel_bracket import extremes
    from bitknap.solvers.core.kernel_direct import direct_steps
    from bitknap.solvers.core.kernel_relax import NEAR_STEPS, near_steps

    rng = np.random.default_rng(classes)
    for draw in range(18):
        items = np.full(classes, 3) if draw % 2 else rng.integers(1, 7, classes)
        offsets = np.append(0, np.cumsum(items))
        cost, weight = rng.random(offsets[-1]), rng.integers(0, 1 << 12, offsets[-1])
        if draw % 3 == 0:
            cost = np.floor(20 * cost)
        for i in np.flatnonzero(rng.random(classes) < ordered):
            at = slice(offsets[i], offsets[i + 1])
            weight[at] = (1 + np.arange(items[i])) * int(rng.integers(1, 1 << 12))
            cost[at] = 4.0 ** -np.arange(items[i]) * float(rng.random())
        if draw >= 12:
            weight = rng.integers(0, 3, offsets[-1])
            cost = np.floor(4 * rng.random(offsets[-1]))
        arrays = offsets, cost, weight
        for array in arrays:
            array.flags.writeable = False
        ends, _, _ = extremes(*arrays)
        capacity = int(ends.least + (ends.most - ends.least) * rng.random())
        steps, order, brk, room, base, gap = direct_steps(*arrays, ends, capacity)[:6]
        rows, around, at_break, left, foot, apart = near_steps(*arrays, ends, capacity)[:6]
        before = min(brk, at_break, NEAR_STEPS + 1)
        assert before > NEAR_STEPS or brk == at_break
        ours = order[brk - before : brk + NEAR_STEPS]
        theirs = around[at_break - before : at_break + NEAR_STEPS]
        assert room == left
        assert steps.slope[ours].tolist() == rows.slope[theirs].tolist()
        assert steps.head[ours].tolist() == rows.head[theirs].tolist()
        decided = np.isfinite(gap) & np.isfinite(apart)
        assert base[decided].tolist() == foot[decided].tolist()


def test_one_large_layer_among_small_ones_is_branched_on() -> None:
    """Without it the first takes more than 50 million states."""
    for seed in (3, 13):
        result = assert_same(mpq.generate(classes=100, bits=BITS, seed=seed))
        assert int(result.stats["branches"]) > 0
        assert int(result.stats["states_total"]) < 50_000


def test_the_tree_in_the_kernel_is_the_one_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree that needs more than one slice is explored in Python instead."""
    kernel = jit.kernel()
    deepest = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        size = 1 + np.exp(rng.normal(5.0, 3.0, 100 + 500 * (seed % 2))).astype(np.int64)
        cost = (rng.exponential(1.0, size.size)[:, None] * 4.0 ** -np.array([2, 4, 8])).ravel()
        weight = (size[:, None] * np.array([2, 4, 8])).ravel()
        arrays = np.arange(size.size + 1) * 3, cost, weight, 4 * int(size.sum())
        inside = solve_core(*arrays, kernel="numba")
        with monkeypatch.context() as patched:
            patched.setattr(kernel, "_SLICE", 1 + int(inside.stats["states_total"]))
            around = solve_core(*arrays, kernel="numba")
        deepest = max(deepest, int(inside.stats.get("branches", 0)))
        assert inside.choice is not None
        assert around.choice is not None
        assert around.choice.tolist() == inside.choice.tolist()
        assert around[2:] == inside[2:]
    assert deepest > 3


def test_kernels_agree_on_a_move_to_items_of_equal_cost() -> None:
    """The best move alone is optimal, and leads to the lighter of two."""
    arrays = np.array([0, 4]), np.array([0.0, 26, 0, -6289]), np.array([16, 8, 11, 30]), 16
    choices = [solve_core(*arrays, kernel=kernel).choice for kernel in ("numpy", "numba")]
    assert [choice.tolist() for choice in choices if choice is not None] == [[2], [2]]


@pytest.mark.parametrize(
    ("classes", "seed"),
    [
        (48, 129),
        (48, 208),
        (48, 217),
        (48, 228),
        (48, 868),
        (48, 976),
        (48, 1138),
        (20, 82),
        (300, 35),
    ],
)
def test_kernels_agree_on_points_of_a_line_but_for_rounding(classes: int, seed: int) -> None:
    """Items of all classes lie on one line; hull and first incumbent must round alike."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate(([0], np.cumsum(rng.integers(1, 7, classes))))
    weight = rng.integers(0, 31, offsets[-1])
    cost = (30 - weight) / 3
    least = int(np.minimum.reduceat(weight, offsets[:-1]).sum())
    most = int(np.maximum.reduceat(weight, offsets[:-1]).sum())
    arrays = offsets, cost, weight, int(rng.integers(least, most + 1))
    choices = [solve_core(*arrays, kernel=kernel).choice for kernel in ("numpy", "numba")]
    assert all(choice is not None for choice in choices)
    assert np.array_equal(*choices)


def test_bug_steps_as_steep_as_the_last_near_one_were_left_out() -> None:
    """Behind 48 steps of one slope the numba kernel's bound saw none, and dropped the optimum."""
    drop = np.repeat([40.0, 30.0, 20.0], [1, 150, 150])
    step = np.repeat([13, 10], [1, 300])
    cost, weight = np.stack((drop, 0 * drop), 1).ravel(), np.stack((0 * step, step), 1).ravel()
    offsets = np.arange(302) * 2
    found = [
        solve_core(offsets, cost, weight, 13 + 10 * 149 + 7, kernel=kernel).objective
        for kernel in ("numpy", "numba")
    ]
    assert found == [40 + 149 * 20] * 2


def test_kernels_and_dynamic_programming_agree_where_steps_are_equally_steep() -> None:
    for seed in range(60):
        instance = plateaus(seed)
        assert assert_same(instance).objective == solve(instance, "dp").objective


def test_kernels_agree_on_hundreds_of_layers_that_tie() -> None:
    for seed in range(30):
        assert_same(instance_with_ties(seed))


@pytest.mark.parametrize("seed", [37, 50, 53, 174, 229, 557, 655, 997])
def test_bug_kernels_branched_otherwise_and_found_another_of_several_optima(seed: int) -> None:
    """Slopes were rounded outward by more in one of them, or large numbers not branched on."""
    instance = uneven_layers(seed)
    assert (
        run(instance, "numpy").stats["states_total"] == assert_same(instance).stats["states_total"]
    )


def test_bug_searches_in_slices_did_not_branch(monkeypatch: pytest.MonkeyPatch) -> None:
    """So those did not whose states or numbers are too many or too large for one call."""
    monkeypatch.setattr(jit.kernel(), "_SLICE", 100)
    branched = [assert_same(uneven_layers(seed)).stats.get("branches", 0) for seed in (229, 997)]
    assert branched == [36, 32]


@pytest.mark.slow
@pytest.mark.parametrize("random", [plateaus, instance_with_ties, uneven_layers])
def test_thousands_of_instances_that_tie(random: Callable[[int], Instance]) -> None:
    for seed in range(100, 1100):
        assert_same(random(seed))


def test_completed_states_meet_the_bound_early() -> None:
    """Class by class it takes 174 thousand states to find a choice that meets the bound."""
    generate = FAMILIES.load("weakly_correlated")
    result = assert_same(generate(classes=1000, items=10, range_=10_000, seed=1))
    assert 0 < int(result.stats["states_total"]) < 20_000


def _without_branching(*arrays: Any, may_branch: bool) -> Task:
    assert may_branch
    return Task(*arrays)


def test_branching_stops_at_limits_with_a_true_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("UNEVEN", 0.0), ("HUGE", 0.0), ("LARGE", 1)):
        monkeypatch.setattr(relaxation, name, value)
    branched = 0
    for seed in range(40):
        instance = mpq.generate(classes=12, seed=seed)
        arrays = (instance.offsets, instance.cost, instance.weight[0], int(instance.capacity[0]))
        best = solve(instance, Core("numba")).objective
        assert best is not None
        full = solve_core(*arrays, kernel="numpy")
        branched += "branches" in full.stats
        assert full.objective == best
        for limit in (0, 3, 10, 40):
            part = solve_core(*arrays, kernel="numpy", state_limit=limit)
            assert part.bound <= best <= part.objective
    assert branched >= 5


def test_a_hundred_thousand_classes() -> None:
    rng = np.random.default_rng(3)
    sizes, widths = mpq.layer_sizes(rng, 100_000), np.array(BITS)
    cost = mpq.layer_costs(rng, 100_000, widths, 3.0, 0.3).ravel()
    weight = (sizes[:, None] * widths).ravel()
    capacity = 4 * int(sizes.sum())
    result = solve_core(np.arange(0, cost.size + 1, 8), cost, weight, capacity, kernel="numba")
    assert result.optimal
    assert result.choice is not None
    at = np.arange(0, cost.size, 8) + result.choice
    assert int(weight[at].sum()) <= capacity
    # The relaxation bounds the optimum from below, the multiplier proves how closely.
    assert 0.0 <= result.objective - float(result.stats["lp_bound"]) < 1e-3 * result.objective


def test_wide_costs_are_exact() -> None:
    rng = np.random.default_rng(5)
    for exponents, limbs in (((0, 1), 2), ((-3, 3), 2), ((-30, 30), 0)):
        cost = rng.choice([-1.0, 1.0], 200) * 10.0 ** rng.uniform(*exponents, 200)
        unit = choose_unit(cost, 1000)
        assert unit.limbs == limbs
        high, low = minus(fixed(cost[:100], unit), fixed(cost[100:], unit))
        for k in range(100):
            value = int(high[k]) if low is None else (int(high[k]) << 62) + int(low[k])
            exact = Fraction(cost[k]) - Fraction(cost[100 + k])
            assert Fraction(value) * Fraction(2) ** unit.exponent == exact
        assert np.allclose(to_real((high, low), unit), cost[:100] - cost[100:], rtol=1e-12)


def test_lattice_of_strongly_correlated_differences() -> None:
    rng = np.random.default_rng(0)
    dw, steps = rng.integers(-500, 500, 300), rng.integers(-5, 6, 300)
    lattice = find_lattice(dw, -dw - 10 * steps)
    assert (lattice.g, lattice.h, lattice.G) == (1, 9, 10)
    assert find_lattice(dw, rng.integers(-9, 9, 300)).G == 1
    assert find_lattice(6 * dw, 4 * dw).g == 6


def test_weights_near_the_limit() -> None:
    offsets, cost = np.array([0, 2, 4]), np.array([2.0, 1.0, 2.0, 1.0])
    weight = np.array([1, 1 << 60, 0, 1 << 60])
    for kernel in ("numpy", "numba"):
        result = solve_core(offsets, cost, weight, (1 << 60) + 1, kernel=kernel)
        assert result.objective == 3.0
        everything = solve_core(offsets, cost, weight, (1 << 63) - 1, kernel=kernel)
        assert everything.objective == 2.0
    assert check(offsets, cost, weight, 1 << 62).capacity == 1 << 61


# The lightest item of every class is its cheapest: no class has a choice to draw. Then classes of
# many items.
NEAR_THE_ENDS = """
import numpy as np
from bitknap.solvers.core import solve_core
n = 500
cost, weight = np.tile([1.0, 2.0, 3.0], n), np.tile([1, 2, 3], n)
found = solve_core(np.arange(n + 1) * 3, cost, weight, n, kernel="numba")
assert found.optimal and found.objective == n, found
rng = np.random.default_rng(0)
cost, weight = rng.random(4200), rng.integers(0, 1000, 4200)
found = solve_core(np.arange(43) * 100, cost, weight, 10_000, kernel="numba")
assert found.optimal, found
"""


def test_the_kernel_reads_nothing_outside_its_arrays() -> None:
    """As plain Python it cannot do so unnoticed."""
    plain = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    subprocess.run([sys.executable, "-c", NEAR_THE_ENDS], check=True, env=plain)


@pytest.mark.parametrize("part", [0.0, 1e-6, 1e-3, 0.5, 1 - 1e-6, 1.0])
def test_few_classes_are_left_undecided_at_any_capacity(part: float) -> None:
    kernel = jit.kernel()
    instance = mpq.generate(classes=10_000, seed=1)
    arrays = [kernel._frozen(a) for a in (instance.offsets, instance.cost, instance.weight[0])]
    ends = kernel.extremes(*arrays)[0]
    least, most = ends.least, ends.most
    capacity = least + int(part * (most - least))
    near = kernel.first_steps(*arrays, ends, capacity)
    found = kernel.relax(*arrays, near, float(most - least), ends.whole, NONE.copy())
    assert np.isneginf(found.gap).sum() < 5_000


def test_importing_the_solver_does_not_load_numba() -> None:
    code = (
        "import sys; from bitknap.problems.families import mpq; from bitknap.solvers import solve;"
        "r = solve(mpq.generate(), 'core'); assert r.status == 'optimal';"
        "assert r.stats['kernel'] == 'numpy'; assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_warming_up_loads_what_the_solve_will_use() -> None:
    code = (
        "import sys; from bitknap.problems.families import mpq;"
        "from bitknap.solvers.core import jit;"
        "from bitknap.solvers.methods.core import Core; Core().warm_up(mpq.generate());"
        "assert 'numba' not in sys.modules; Core('numba').warm_up(mpq.generate());"
        "assert jit.loaded()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_registered_solver_carries_the_multiplier() -> None:
    solution = solve(mpq.generate(), "core")
    assert solution.status is Status.OPTIMAL
    assert solution.multiplier is not None
    assert solution.multiplier[0] > 0.0
    assert solution.bound == solution.objective


def test_bug_branching_compiled_the_kernel_again() -> None:
    """Fixed items and rivals were writable arrays, another type to numba: 10 s in a first solve."""
    jit.kernel()
    from bitknap.solvers.core.kernel_quick import quick

    assert int(run(mpq.generate(classes=100, bits=BITS, seed=3), "numba").stats["branches"]) > 0
    assert len(quick.signatures) == 1
