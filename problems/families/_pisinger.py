"""Pisinger's families: numbers of ``lrand48``, integer profits, three rules for the capacity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, get_args

import numpy as np

from ..errors import DataError
from ..instance import Instance, IntArray
from ..schema import Range
from ._lrand48 import Lrand48
from .base import Classes, Items, Seed, checked, regular_instance

Capacity = Literal["program", "paper", "ratio"]
"""The rules, see :func:`pisinger_capacity`."""

Draw = Callable[[Lrand48, int, int, int], tuple[IntArray, IntArray]]
"""Weights and profits, (L, m) each, from the generator, L, m and R."""


def pisinger_family(name: str, draw: Draw, items: int = 10) -> Callable[..., Instance]:
    """The generator of a family."""

    def generate(
        classes: Classes = 100,
        items: Items = items,
        range_: Annotated[int, Range(1, 1 << 31)] = 1000,
        seed: Seed = 1,
        capacity: Capacity = "program",
        ratio: Annotated[float, Range(0, 1)] = 0.5,
    ) -> Instance:
        weight, profit = draw(Lrand48(seed), classes, items, range_)
        parameters = {"classes": classes, "items": items, "range": range_, "seed": seed}
        return _instance(name, weight, profit, parameters, capacity, ratio)

    generate.__doc__ = f"{draw.__doc__}\n{_ARGUMENTS}"
    return checked(generate)


_ARGUMENTS = """
    Args:
        items: items m of each class.
        range_: R.
        capacity: rule, see :func:`~bitknap.problems.families._pisinger.pisinger_capacity`.

    Returns:
        The minimisation with cost = max p - p in each class.

    References:
        D. Pisinger, A minimal algorithm for the multiple-choice knapsack problem, EJOR 83
        (1995), 394-410.
    """


def _instance(
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
