"""Hard multi-resource classes, weakly correlated: profits near the priced usages."""

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
    """Usages w uniform in [0, R], prices u_k uniform in [1, R], capacities L R / 2.

        p_ij = sum_k u_k w_kij + uniform integer in [0, 3 K R / 5]

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
    price = rng.integers(1, range_ + 1, resources)
    extra = rng.integers(0, 3 * resources * range_ // 5 + 1, (classes, items))
    profit = (np.tensordot(price, weight, axes=1) + extra).astype(np.float64)
    return mmkp_instance("mmkp_correlated", weight, profit, range_, seed)
