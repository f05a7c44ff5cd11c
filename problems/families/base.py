"""What families share: regular classes, Pisinger's conventions, checks of parameters."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from ..errors import DataError
from ..instance import FloatArray, Instance, IntArray

Capacity = Literal["program", "paper", "ratio"]
"""Pisinger's capacity rules, see :func:`pisinger_capacity`."""


def regular_instance(
    name: str,
    cost: FloatArray,
    weight: IntArray,
    capacity: IntArray,
    labels: tuple[str, ...],
    resources: tuple[str, ...],
    source: str,
) -> Instance:
    """An instance of L classes of m items each, whose items carry the same m labels.

    Args:
        name: of the instance.
        cost: (L, m).
        weight: (K, L, m).
        capacity: (K,).
        labels: m.
        resources: K.
        source: family and parameters.
    """
    count, size = cost.shape
    return Instance(
        name=name,
        offsets=np.arange(0, count * size + 1, size),
        cost=cost.ravel(),
        weight=weight.reshape(len(resources), -1),
        capacity=capacity,
        class_names=tuple([f"c{i}" for i in range(count)]),
        labels=labels * count,
        resources=resources,
        source=source,
    )


def pisinger_instance(
    family: str,
    weight: IntArray,
    profit: IntArray,
    parameters: dict[str, int],
    capacity: Capacity,
    ratio: float,
) -> Instance:
    """A maximisation over integer profits as a minimisation.

    cost_ij = max_j p_ij - p_ij, so that with the constant P = sum_i max_j p_ij, which ``source``
    states, profit = P - cost for every choice and the optima convert exactly.
    """
    best = profit.max(axis=1, keepdims=True)
    limit = pisinger_capacity(weight, profit, capacity, ratio)
    named = ", ".join(f"{key} {value}" for key, value in parameters.items())
    rule = f"ratio {ratio}" if capacity == "ratio" else capacity
    sizes = "-".join(str(value) for value in parameters.values())
    suffix = "" if capacity == "program" else f"-{rule.replace(' ', '')}"
    return regular_instance(
        name=f"{family}-{sizes}{suffix}",
        cost=(best - profit).astype(np.float64),
        weight=weight[None],
        capacity=np.array([limit]),
        labels=tuple(str(j) for j in range(weight.shape[1])),
        resources=("weight",),
        source=f"Pisinger (EJOR 83, 1995), {family}: {named}; capacity rule {rule}; "
        f"profit = {int(best.sum())} - cost",
    )


def pisinger_capacity(weight: IntArray, profit: IntArray, rule: Capacity, ratio: float) -> int:
    """The capacity under one of three rules; w, p are (L, m), halves and ratios round down.

    * ``program``: 1/2 sum_i (min_j w_ij + w of the most profitable item, the lightest on ties),
      as the published program has it;
    * ``paper``: 1/2 sum_i (min_j w_ij + max_j w_ij), as the paper states it;
    * ``ratio``: ratio * sum_i max_j w_ij; below the sum of minima nothing fits.

    Raises:
        DataError: unknown rule, or a ratio outside [0, 1].
    """
    lightest, heaviest = weight.min(axis=1), weight.max(axis=1)
    if rule == "paper":
        return int((lightest + heaviest).sum()) // 2
    if rule == "program":
        best = profit == profit.max(axis=1, keepdims=True)
        top = np.where(best, weight, np.iinfo(np.int64).max).min(axis=1)
        return int((lightest + top).sum()) // 2
    if rule != "ratio":
        raise DataError(f"the capacity rule {rule!r} is none of {', '.join(get_args(Capacity))}")
    if not 0.0 <= ratio <= 1.0:
        raise DataError(f"the capacity ratio must be between 0 and 1, got {ratio}")
    return int(ratio * int(heaviest.sum()))


def at_least(**limits: tuple[int, int]) -> None:
    """Check (value, smallest) of named integer parameters.

    Raises:
        DataError: a value is below its smallest.
    """
    for name, (value, smallest) in limits.items():
        if value < smallest:
            raise DataError(f"{name.rstrip('_')} must be at least {smallest}, got {value}")
