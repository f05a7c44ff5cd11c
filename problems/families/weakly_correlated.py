"""Pisinger's weakly correlated classes: profits within 10 of the weights."""

from __future__ import annotations

import numpy as np

from ..instance import IntArray
from ._lrand48 import Lrand48
from ._pisinger import pisinger_family


def _draw(stream: Lrand48, classes: int, items: int, range_: int) -> tuple[IntArray, IntArray]:
    """w = lrand48() mod R + 1, then p = max(1, w + lrand48() mod 21 - 10), item by item.

    The width is 10 whatever R is, not R/10.
    """
    pairs = stream.draw(2 * classes * items).reshape(classes, items, 2)
    weight = pairs[..., 0] % range_ + 1
    return weight, np.maximum(1, weight + pairs[..., 1] % 21 - 10)


generate = pisinger_family("weakly_correlated", _draw)
