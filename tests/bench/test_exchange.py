"""Exchanges of two layers against every allocation of small instances."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from bitknap.bench.job.exchange import best_of_exchanges, exchanged, quadratic_cost
from bitknap.problems import FloatArray, Instance, UnsupportedError
from bitknap.solvers import solve

from .tables import random_table


def small(seed: int) -> tuple[Instance, FloatArray]:
    table = random_table(layers=6, seed=seed)
    return table.to_instance("fisher", table.capacity(4.0)), table.cross("fisher")


@pytest.mark.parametrize("seed", range(5))
def test_exchanges_find_the_optimum_of_small_instances(seed: int) -> None:
    instance, pairs = small(seed)
    start = solve(instance).choice
    assert start is not None
    every = [np.array(c) for c in itertools.product(range(3), repeat=6)]
    costs = [quadratic_cost(instance, pairs, c) for c in every if instance.is_feasible(c)]
    found = best_of_exchanges(instance, pairs, start)
    assert instance.is_feasible(found)
    assert quadratic_cost(instance, pairs, found) == pytest.approx(min(costs), rel=1e-9)


def test_the_cost_is_the_fishers_whole_form_and_no_exchange_of_two_lowers_it() -> None:
    instance, pairs = small(7)
    start = np.zeros(6, dtype=np.int64)
    found = exchanged(instance, pairs, start)
    chosen = np.zeros(instance.n_items)
    chosen[instance.positions(found)] = 1.0
    cost = quadratic_cost(instance, pairs, found)
    assert cost == pytest.approx(0.5 * chosen @ pairs @ chosen, rel=1e-12)
    assert cost < quadratic_cost(instance, pairs, start)
    for a, b in itertools.combinations(range(6), 2):
        for i, j in itertools.product(range(3), repeat=2):
            other = found.copy()
            other[[a, b]] = i, j
            if instance.is_feasible(other):
                assert quadratic_cost(instance, pairs, other) >= cost * (1 - 1e-9)


def test_without_pair_terms_it_is_the_knapsack() -> None:
    instance, pairs = small(3)
    start = solve(instance)
    assert start.choice is not None
    found = best_of_exchanges(instance, np.zeros_like(pairs), start.choice)
    assert instance.objective(found) == pytest.approx(start.objective, rel=1e-12)


def test_ties_are_refused() -> None:
    instance, pairs = small(0)
    tied = replace(instance, ties=((0, 1),))
    with pytest.raises(UnsupportedError, match="do not keep ties"):
        exchanged(tied, pairs, np.zeros(6, dtype=np.int64))
