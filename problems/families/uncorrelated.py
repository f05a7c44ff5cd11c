"""Pisinger's uncorrelated classes: weights and profits independent."""

from __future__ import annotations

from ..instance import IntArray
from ._lrand48 import Lrand48
from ._pisinger import pisinger_family


def _draw(stream: Lrand48, classes: int, items: int, range_: int) -> tuple[IntArray, IntArray]:
    """w = lrand48() mod R + 1, then p = lrand48() mod R + 1, item by item."""
    pairs = stream.draw(2 * classes * items).reshape(classes, items, 2) % range_ + 1
    return pairs[..., 0], pairs[..., 1]


generate = pisinger_family("uncorrelated", _draw)
