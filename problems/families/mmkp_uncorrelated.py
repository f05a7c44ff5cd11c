"""Hard multi-resource classes: profits independent of the usages."""

from __future__ import annotations

import numpy as np

from ..instance import FloatArray, IntArray
from ._mmkp import mmkp_family


def profits(rng: np.random.Generator, weight: IntArray, range_: int) -> FloatArray:
    """Uniform in [1, K R^2 / 2]."""
    top = max(len(weight) * range_**2 // 2, 1)
    return rng.integers(1, top + 1, weight.shape[1:]).astype(np.float64)


generate = mmkp_family("mmkp_uncorrelated", profits)
