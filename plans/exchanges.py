"""Exchanges of one or two layers' choices, ranked by what a metric predicts of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import FloatArray, Instance, IntArray
from bitknap.sensitivity import SensitivityTable


def ranked_exchanges(
    instance: Instance, table: SensitivityTable, metric: str, choice: IntArray, most: int
) -> list[IntArray]:
    """Feasible choices that differ from one in one or two classes, best predicted first.

    With scores s of the metric the prediction is f(x) = 1/(2N) sum_n (sum_l s_n(l, x_l))^2, all
    terms between layers included; else the sum of Omega.

    Args:
        instance: capacities, without ties; classes are the table's layers.
        table: with the metric.
        metric: whose scores or Omega rank.
        choice: (L,) feasible positions within the classes.
        most: exchanges to return.

    Complexity: O(K n^2).
    """
    owner, at = instance.class_of, instance.positions(choice)
    mine = at[owner]
    gain, between = _changes(table, metric, at, owner)
    added = instance.weight - instance.weight[:, mine]
    room = instance.capacity - instance.weight[:, at].sum(axis=1)
    both = gain[:, None] + gain[None, :] + between
    np.fill_diagonal(both, gain)
    same = owner[:, None] == owner[None, :]
    np.fill_diagonal(same, False)
    stays = np.arange(len(owner)) == mine
    both[same] = np.inf
    both[stays, :] = both[:, stays] = np.inf
    for k in range(instance.n_resources):
        used = added[k][:, None] + added[k][None, :]
        np.fill_diagonal(used, added[k])
        both[used > room[k]] = np.inf
    upper = np.triu_indices(len(owner))
    order = np.argsort(both[upper], kind="stable")[:most]
    found = []
    for i, j in zip(upper[0][order], upper[1][order], strict=True):
        if np.isfinite(both[i, j]):
            changed = at.copy()
            changed[owner[i]], changed[owner[j]] = i, j
            found.append(np.asarray(changed - instance.offsets[:-1], dtype=np.int64))
    return found


def _changes(
    table: SensitivityTable, metric: str, at: IntArray, owner: IntArray
) -> tuple[FloatArray, FloatArray]:
    """(n,) predicted change of each single exchange, and (n, n) what two add to their sum."""
    if metric not in table.scores:
        omega = table.omega[metric]
        return omega - omega[at[owner]], np.zeros((len(owner), len(owner)))
    scores: NDArray[np.float64] = np.asarray(table.scores[metric], dtype=np.float64)
    moved = scores - scores[:, at[owner]]
    now = scores[:, at].sum(axis=1)
    products = moved.T @ moved / len(scores)
    return moved.T @ now / len(scores) + products.diagonal() / 2, products
