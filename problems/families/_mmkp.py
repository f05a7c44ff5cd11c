"""The classical multi-resource instances: usages in a small range, half of it as capacity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import numpy as np

from ..instance import FloatArray, Instance, IntArray
from ..schema import Range
from .base import Classes, Items, Resources, Seed, checked, regular_instance

Usages = Annotated[int, Range(1, 1_000_000)]
"""R."""


Profits = Callable[[np.random.Generator, IntArray, int], FloatArray]
"""(L, m) profits, integers, from the generator, the usages (K, L, m) and R."""


def mmkp_family(name: str, profits: Profits) -> Callable[..., Instance]:
    """The generator of a family with usages uniform in [0, R]."""

    @checked
    def generate(
        classes: Classes = 30,
        items: Items = 10,
        resources: Resources = 5,
        range_: Usages = 10,
        seed: Seed = 1,
    ) -> Instance:
        """An instance in the manner of the classical sets, whose own files these are not.

        Returns:
            The minimisation with cost = max p - p in each class.

        References:
            S. Khan, K. Li, E. Manning, M. Akbar, Studia Informatica Universalis 2 (2002), 157-178.
        """
        rng = np.random.default_rng(seed)
        weight = rng.integers(0, range_ + 1, (resources, classes, items))
        return _instance(name, weight, profits(rng, weight, range_), range_, seed)

    return generate


def _instance(
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
