"""Hard multi-resource classes: profits independent of the usages."""

from __future__ import annotations

import numpy as np

from ..instance import Instance
from ._mmkp import Usages, mmkp_instance, usages
from .base import Classes, Items, Resources, Seed, checked


@checked
def generate(
    classes: Classes = 30,
    items: Items = 10,
    resources: Resources = 5,
    range_: Usages = 10,
    seed: Seed = 1,
) -> Instance:
    """Usages uniform in [0, R], profits uniform in [1, K R^2 / 2], capacities L R / 2.

    In the manner of the classical benchmark sets, whose own files these are not.

    Args:
        classes: L.
        items: items of each class.
        resources: K.
        range_: R.
        seed: of ``numpy.random.default_rng``.

    Returns:
        The minimisation with cost = max p - p in each class.

    References:
        S. Khan, K. Li, E. Manning, M. Akbar, Studia Informatica Universalis 2 (2002), 157-178.
    """
    rng = np.random.default_rng(seed)
    weight = usages(rng, classes, items, resources, range_)
    top = max(resources * range_**2 // 2, 1)
    profit = rng.integers(1, top + 1, (classes, items)).astype(np.float64)
    return mmkp_instance("mmkp_uncorrelated", weight, profit, range_, seed)
