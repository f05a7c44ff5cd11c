"""Costs are compared exactly, and what stops a proof is said."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import ClassVar

import numpy as np
import pytest

from bitknap.problems import Instance, LimitError, SolverError, build_instance
from bitknap.problems.families import mpq
from bitknap.solvers import Limits, Outcome, Status, solve
from bitknap.solvers.base import Deadline
from bitknap.solvers.child import within
from bitknap.solvers.excess import ExactCosts, excesses, joined
from bitknap.solvers.frontier import frontier
from bitknap.solvers.program import Program, cover, small_program
from bitknap.solvers.refinement import BackendAnswer, refine
from bitknap.solvers.topk import forced, top_k

from .conftest import random_instance

BELOW = build_instance(
    [[(-1e20, 100), (5.0, 1), (0.0, 3)], [(0.0, 3), (1.0, 1)]], 4, name="never fits"
)


@pytest.mark.parametrize("name", ["core", "dp", "multi", "branch_bound", "highs", "scip", "cpsat"])
def test_bug_an_item_that_never_fits_hid_the_costs_of_the_others(name: str) -> None:
    assert solve(BELOW, name).objective == 1.0


def test_bug_the_frontier_lost_costs_beside_1e20() -> None:
    found = frontier(BELOW)
    assert found.exact
    assert [found.objective[found.index(budget)] for budget in (2, 4, 6)] == [6.0, 1.0, 0.0]
    assert frontier(BELOW, highest=4).objective.tolist() == [6.0, 1.0]
    assert [a.objective for a in top_k(BELOW, 3)] == [1.0, 5.0, 6.0][: len(top_k(BELOW, 3))]


def test_bug_rankings_of_subnormal_costs_failed() -> None:
    tiny = 5e-324
    classes = [[(3 * tiny, 1), (tiny, 2), (0.0, 3)], [(2 * tiny, 0), (0.0, 2)]]
    found = top_k(build_instance(classes, 4), 4)
    assert [a.objective / tiny for a in found] == [1.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize("span", [1.0, 1e12, 1e300])
def test_exact_arrays_add_and_compare_as_fractions_do(span: float) -> None:
    rng = np.random.default_rng(3)
    cost = np.concatenate((rng.normal(size=12), span * rng.normal(size=12)))
    starts = np.array([0, 12, 24])
    excess = excesses(cost, starts)
    values = [
        Fraction(c) - min(map(Fraction, cost[a : a + 12].tolist()))
        for a in (0, 12)
        for c in cost[a : a + 12].tolist()
    ]
    unit = Fraction(2) ** excess.unit.exponent
    assert [value * unit for value in excess.integers()] == values
    sums = excess[:12].outer(excess[12:])
    truth = [a + b for a, b in product(values[:12], values[12:])]
    assert [value * unit for value in sums.integers()] == truth
    falls = [all(value < other for other in truth[:k]) for k, value in enumerate(truth)]
    assert sums.falls().tolist() == falls
    assert sums.floats() == pytest.approx([float(value) for value in truth], rel=2.0**-50)
    back: ExactCosts = joined((sums[:5], sums[5:]))
    assert back.below(sums.zeros(len(truth))).tolist() == [False] * len(truth)


def _satisfied(program: Program, at: list[int]) -> bool:
    """Whether carries exist for a choice: each the least that its row allows."""
    rows = program.rows[:, at].sum(axis=1).tolist()
    carry, columns = 0, program.carries.tolist()
    for row, used, right in zip(columns, rows, program.right.tolist(), strict=True):
        base = max(-min(row, default=0), 0)
        total = used + (carry if 1 in row else 0)
        carry = max(-((right - total) // base), 0) if base else 0
        if not base and total > right:
            return False
    return True


@pytest.mark.parametrize("resources", [1, 2])
def test_small_programs_have_the_choices_of_the_instance(resources: int) -> None:
    for seed in range(80):
        rng = np.random.default_rng([seed, resources])
        top = int(rng.choice([5, 1 << 13, 1 << 20, 1 << 45]))
        classes = [
            [(0.0, rng.integers(0, top, resources).tolist()) for _ in range(3)] for _ in range(4)
        ]
        middle = [sum(items[1][1][k] for items in classes) for k in range(resources)]
        low = [sum(min(w[k] for _, w in items) for items in classes) for k in range(resources)]
        capacity = [max(m - int(rng.integers(0, 3)), b) for m, b in zip(middle, low, strict=True)]
        instance = build_instance(classes, capacity)
        program = small_program(instance, instance.cost)
        assert program.rows.max(initial=0) < 1 << 14
        for choice in product(range(3), repeat=4):
            at = instance.positions(choice).tolist()
            assert _satisfied(program, at) == instance.is_feasible(choice)


def test_a_cut_takes_a_choice_beyond_the_capacity_and_no_feasible_one() -> None:
    cut_off = 0
    for seed in range(150):
        instance = random_instance(seed, resources=1 + seed % 2)
        if (instance.min_usage > instance.capacity).any():
            continue
        choices = list(product(*[range(size) for size in instance.sizes.tolist()]))
        for choice in choices[:: max(1, len(choices) // 10)]:
            cut = cover(instance, np.array(choice))
            assert (cut is None) == instance.is_feasible(choice)
            if cut is None:
                continue
            cut_off += 1
            items, most = cut
            mask = np.zeros(instance.n_items, dtype=int)
            mask[items] = 1
            assert mask[instance.positions(choice)].sum() > most
            taken = [mask[instance.positions(c)].sum() for c in choices if instance.is_feasible(c)]
            assert max(taken, default=0) <= most
    assert cut_off > 100


def test_what_stops_a_back_end_is_said() -> None:
    instance = build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 4)

    def stubborn(program: Program, deadline: Deadline | None) -> BackendAnswer:
        return BackendAnswer(np.array([1, 1]), proven=True, bound=0.0)

    outcome = refine(instance, Limits(), stubborn, tolerance=0.0)
    assert outcome.status is Status.NO_SOLUTION
    assert "ended without a proof; 2 of its choices exceeded a capacity" in outcome.reason
    late = refine(instance, Limits(time=0.0), stubborn, tolerance=0.0)
    assert "the time limit was met" in late.reason


def test_bug_a_call_that_did_not_look_at_the_clock_ran_on() -> None:
    assert within(0.05, lambda: time.sleep(600)) is None
    assert within(60.0, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(60.0, lambda: 1 // 0)
    with pytest.raises(SolverError, match="exit code 9"):
        within(60.0, lambda: os._exit(9))


@pytest.mark.parametrize("name", ["annealing", "evolutionary"])
def test_bug_heuristics_ran_past_their_limit(name: str) -> None:
    solution = solve(mpq.generate(20_000, seed=1), name, 0.2)
    assert solution.status is Status.FEASIBLE
    assert solution.seconds < 5.0  # once 17 times the limit, and more of it the larger


@dataclass(frozen=True)
class SlowToLoad:
    loaded: ClassVar[list[float]] = []
    exact: ClassVar[bool] = False
    requires: ClassVar[tuple[str, ...]] = ()

    def supports(self, instance: Instance) -> str | None:
        return None

    def warm_up(self, instance: Instance) -> None:
        time.sleep(0.1)
        self.loaded.append(time.perf_counter())

    def solve(self, instance: Instance, limits: Limits) -> Outcome:
        return Outcome(Status.FEASIBLE, np.zeros(len(instance), dtype=np.int64))


def test_bug_the_import_of_a_back_end_was_counted() -> None:
    before = time.perf_counter()
    solution = solve(build_instance([[(1.0, 1)]], 1), SlowToLoad())
    assert len(SlowToLoad.loaded) == 1
    assert solution.seconds <= time.perf_counter() - before - 0.1


def test_bug_frontier_and_rankings_had_no_time_limit() -> None:
    instance = mpq.generate(54, seed=1)
    with pytest.raises(LimitError, match="not finished within 0 s"):
        frontier(instance, time_limit=0.0)
    with pytest.raises(LimitError, match="not found within 0 s"):
        top_k(instance, 3, time_limit=0.0)
    with pytest.raises(LimitError, match="forced within 0 s"):
        forced(instance, time_limit=0.0)


def test_bug_a_class_of_many_items_took_quadratic_time_on_the_frontier() -> None:
    count = 200_000
    cost = (count - np.arange(count)).astype(float)
    instance = Instance(
        "one class",
        np.array([0, count]),
        cost,
        np.arange(count)[None, :],
        np.array([count]),
        ("c",),
        tuple(map(str, range(count))),
    )
    found = frontier(instance)
    assert len(found) == count
    assert found.exact
