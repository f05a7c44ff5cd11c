"""Pisinger's classes with an empty item: uncorrelated, the first item being (0, 0)."""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from ..instance import IntArray
from ._lrand48 import Lrand48
from ._pisinger import pisinger_family


def _draw(stream: Lrand48, classes: int, items: int, range_: int) -> tuple[IntArray, IntArray]:
    """Item 0 has w = p = 0; the others as in ``uncorrelated``. Two items make the 0-1 knapsack."""
    if items < 2:
        raise DataError(f"items must be at least 2, got {items}")
    draws = stream.draw(2 * classes * (items - 1)) % range_ + 1
    pairs = np.zeros((classes, items, 2), dtype=np.int64)
    pairs[:, 1:] = draws.reshape(classes, items - 1, 2)
    return pairs[..., 0], pairs[..., 1]


generate = pisinger_family("binary_knapsack", _draw, items=2)
