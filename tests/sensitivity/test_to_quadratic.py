"""The quadratic knapsack of a table: its objective is the metric's whole form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bitknap.problems import DataError

from ..bench.tables import random_table


def test_scores_give_the_whole_form_and_full_shrinkage_the_sum() -> None:
    table = random_table(layers=5, seed=2)
    problem = table.to_quadratic("fisher", table.capacity(4.0))
    knapsack = table.to_instance("fisher", table.capacity(4.0))
    rng = np.random.default_rng(0)
    shrunk = table.to_quadratic("fisher", table.capacity(4.0), shrinkage=1.0)
    for _ in range(20):
        choice = np.array([rng.integers(size) for size in knapsack.sizes])
        x = np.zeros(knapsack.n_items)
        x[knapsack.positions(choice)] = 1.0
        assert problem.objective(choice) == pytest.approx(
            0.5 * x @ table.cross("fisher") @ x, rel=1e-9
        )
        assert shrunk.objective(choice) == pytest.approx(knapsack.objective(choice), rel=1e-5)
    assert problem.knapsack.capacity.tolist() == knapsack.capacity.tolist()


def test_measured_pairs_are_added_to_omega() -> None:
    table = random_table(layers=3, seed=1)
    n = len(table.labels)
    pairs = np.random.default_rng(1).normal(size=(n, n))
    pairs = pairs + pairs.T
    np.fill_diagonal(pairs, 0.0)
    table = replace(table, interactions={"fisher": pairs})
    problem = table.to_quadratic("fisher", table.capacity(4.0))
    at = problem.knapsack.positions([0, 1, 2])
    expected = table.omega["fisher"][at].sum() + np.triu(pairs[np.ix_(at, at)], 1).sum()
    assert problem.objective([0, 1, 2]) == pytest.approx(expected, rel=1e-12)


def test_a_metric_without_products_is_refused() -> None:
    table = random_table(layers=3, seed=1)
    plain = replace(table, omega={**table.omega, "other": table.omega["fisher"]})
    with pytest.raises(DataError, match="has no terms between layers"):
        plain.to_quadratic("other", plain.capacity(4.0))
