"""The classical multi-resource instances: usages in a small range, half of it as capacity."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from ..instance import FloatArray, Instance, IntArray
from ..schema import Range
from .base import regular_instance

Usages = Annotated[int, Range(1, 1_000_000)]
"""R."""


def usages(
    rng: np.random.Generator, classes: int, items: int, resources: int, range_: int
) -> IntArray:
    """(K, L, m) integers, uniform in [0, R]."""
    return rng.integers(0, range_ + 1, (resources, classes, items))


def mmkp_instance(
    family: str, weight: IntArray, profit: FloatArray, range_: int, seed: int
) -> Instance:
    """Capacity L R / 2 for every resource, raised to the usage of a balanced choice if needed.

    The balanced choice takes in each class the item whose largest usage is smallest, so every
    instance has a feasible choice. cost = max p - p in each class.
    """
    resources, classes, items = weight.shape
    balanced = weight.max(axis=0).argmin(axis=1)
    needed = weight[:, np.arange(classes), balanced].sum(axis=1)
    best = profit.max(axis=1, keepdims=True)
    return regular_instance(
        name=f"{family}-{classes}-{items}-{resources}-{range_}-{seed}",
        cost=best - profit,
        weight=weight,
        capacity=np.maximum(classes * range_ // 2, needed),
        labels=tuple(str(j) for j in range(items)),
        resources=tuple(f"r{k}" for k in range(resources)),
        source=f"{family}: classes {classes}, items {items}, resources {resources}, range "
        f"{range_}, seed {seed}; profit = {int(best.sum())} - cost",
    )
