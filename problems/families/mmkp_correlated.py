"""Hard multi-resource classes, weakly correlated: profits near the priced usages."""

from __future__ import annotations

import numpy as np

from ..instance import FloatArray, IntArray
from ._mmkp import mmkp_family


def profits(rng: np.random.Generator, weight: IntArray, range_: int) -> FloatArray:
    """p_ij = sum_k u_k w_kij + uniform integer in [0, 3 K R / 5], prices u uniform in [1, R]."""
    price = rng.integers(1, range_ + 1, len(weight))
    extra = rng.integers(0, 3 * len(weight) * range_ // 5 + 1, weight.shape[1:])
    return (np.tensordot(price, weight, axes=1) + extra).astype(np.float64)


generate = mmkp_family("mmkp_correlated", profits)
