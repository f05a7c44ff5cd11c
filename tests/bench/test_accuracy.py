from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bitknap.bench.job.random_plan import random_choice
from bitknap.problems import Instance, build_instance
from bitknap.problems.errors import InfeasibleError
from bitknap.sensitivity import LayerPolicy

from .tables import random_table

WEIGHTS = {"stem": 144, "wide": 30_000, "deep": 7_000, "head": 1_280}
WIDTHS = (2, 3, 4, 5, 6, 8)


def knapsack(budget: int, ties: tuple[tuple[int, ...], ...] = ()) -> Instance:
    return build_instance(
        [[(1.0 / bits, size * bits) for bits in WIDTHS] for size in WEIGHTS.values()],
        budget,
        class_names=tuple(WEIGHTS),
        labels=tuple(map(str, WIDTHS)) * len(WEIGHTS),
        ties=ties,
    )


@pytest.mark.parametrize("average", [2.0, 2.25, 3.0, 5.5, 8.0])
@pytest.mark.parametrize("ties", [(), ((0, 3),)])
def test_the_draw_fits_and_leaves_no_room(average: float, ties: tuple[tuple[int, ...]]) -> None:
    instance = knapsack(int(average * sum(WEIGHTS.values())), ties)
    for seed in range(10):
        choice = random_choice(instance, seed)
        assert instance.is_feasible(choice)
        for group in [*ties, *([i] for i in range(4) if not ties or i not in ties[0])]:
            for item in range(choice[group[0]] + 1, len(WIDTHS)):
                more = choice.copy()
                more[list(group)] = item
                assert not instance.is_feasible(more)


def test_the_draw_depends_on_the_seed_alone() -> None:
    instance = knapsack(4 * sum(WEIGHTS.values()))
    draws = [tuple(random_choice(instance, seed)) for seed in range(20)]
    other = replace(instance, cost=instance.cost[::-1])
    assert draws == [tuple(random_choice(other, seed)) for seed in range(20)]
    assert len(set(draws)) > 3


def test_too_small_a_budget_is_refused() -> None:
    with pytest.raises(InfeasibleError, match="uses 76,848 of size_bits, above the capacity 76,8"):
        random_choice(knapsack(2 * sum(WEIGHTS.values()) - 1), 0)


def test_bug_random_plans_ignored_the_policy() -> None:
    policy = LayerPolicy(pin=(("@first", "8"),), allow=(("l1", ("2", "4")),), tie=("l{2,3}",))
    table = policy.apply(random_table())
    instance = table.to_instance("fisher", table.capacity(5.0))
    plans = [instance.by_label(random_choice(instance, seed)) for seed in range(30)]
    assert {plan["l0"] for plan in plans} == {"8"}
    assert {plan["l1"] for plan in plans} == {"2", "4"}
    assert all(plan["l2"] == plan["l3"] for plan in plans)
    assert {plan["l4"] for plan in plans} == {"2", "4", "8"}
    assert all(instance.is_feasible(instance.from_labels(plan)) for plan in plans)


def test_several_budgets_are_kept() -> None:
    one = knapsack(4 * sum(WEIGHTS.values()))
    two = replace(
        one,
        weight=np.stack([one.weight[0], one.weight[0][::-1]]),
        capacity=np.array([*one.capacity, 7 * sum(WEIGHTS.values())]),
        resources=("size_bits", "other"),
    )
    assert all(two.is_feasible(random_choice(two, seed)) for seed in range(10))
