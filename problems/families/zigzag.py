"""Pisinger's zig-zag classes (Sinha-Zoltners, monotone): sorted weights beside sorted profits."""

from __future__ import annotations

import numpy as np

from ..instance import IntArray
from ._lrand48 import Lrand48
from ._pisinger import pisinger_family


def _draw(stream: Lrand48, classes: int, items: int, range_: int) -> tuple[IntArray, IntArray]:
    """w and p uniform in [1, R], drawn in turn; each sorted ascending in a class, then paired.

    No item dominates another unless two draws are equal. After P. Sinha, A. Zoltners, Operations
    Research 27 (1979), 503-515.
    """
    draws = stream.draw(2 * classes * items).reshape(classes, items, 2) % range_ + 1
    pairs = np.sort(draws, axis=1)
    return pairs[..., 0], pairs[..., 1]


generate = pisinger_family("zigzag", _draw)
