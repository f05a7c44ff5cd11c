"""Plans for an objective with terms between pairs of layers, by exchanges of up to two layers."""

from __future__ import annotations

import numpy as np

from bitknap.problems import FloatArray, Instance, IntArray, UnsupportedError

from .random_plan import random_choice


def quadratic_cost(instance: Instance, pairs: FloatArray, choice: IntArray) -> float:
    """sum_i cost_i + sum_{i < j} pairs_ij over the chosen items."""
    at = instance.positions(choice)
    between = np.triu(pairs[np.ix_(at, at)], 1).sum()
    return float(instance.cost[at].sum() + between)


def exchanged(instance: Instance, pairs: FloatArray, choice: IntArray) -> IntArray:
    """The choice after the best exchanges of one or two classes' items, until none lowers the cost.

    A local optimum of `quadratic_cost` within the capacities, not a proven one.

    Args:
        instance: without ties.
        pairs: (n, n) symmetric terms between items; those within a class are not used.
        choice: (L,) feasible positions within the classes.

    Raises:
        UnsupportedError: classes are tied.

    Complexity: O(K n^2) per exchange.
    """
    if instance.ties:
        raise UnsupportedError("exchanges of two classes do not keep ties; merge them first")
    owner = instance.class_of
    apart = owner[:, None] != owner[None, :]
    terms = np.where(apart, pairs, 0.0)
    at = instance.positions(choice)
    while True:
        mine = at[owner]
        linear = instance.cost + terms[:, at].sum(axis=1)
        gain = linear - linear[mine]
        added = instance.weight - instance.weight[:, mine]
        residual = instance.capacity - instance.weight[:, at].sum(axis=1)
        mixed = terms - terms[:, mine] - terms[mine, :] + terms[np.ix_(mine, mine)]
        both = np.where(apart, gain[:, None] + gain[None, :] + mixed, np.inf)
        for k in range(instance.n_resources):
            both[added[k][:, None] + added[k][None, :] > residual[k]] = np.inf
        i, j = np.unravel_index(int(np.argmin(both)), both.shape)
        scale = np.abs(instance.cost[at]).sum() + np.abs(terms[np.ix_(at, at)]).sum()
        if both[i, j] >= -1e-12 * scale:
            return np.asarray(at - instance.offsets[:-1], dtype=np.int64)
        at[owner[i]], at[owner[j]] = i, j


def best_of_exchanges(
    instance: Instance, pairs: FloatArray, start: IntArray, draws: int = 20
) -> IntArray:
    """The best of the local optima from a start and from random choices, of seeds 0, 1, ..."""
    starts = [start, *(random_choice(instance, seed) for seed in range(draws))]
    found = [exchanged(instance, pairs, choice) for choice in starts]
    return min(found, key=lambda choice: quadratic_cost(instance, pairs, choice))
