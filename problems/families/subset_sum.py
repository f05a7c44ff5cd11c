"""Pisinger's subset-sum classes: profit equals weight."""

from __future__ import annotations

from ..instance import IntArray
from ._lrand48 import Lrand48
from ._pisinger import pisinger_family


def _draw(stream: Lrand48, classes: int, items: int, range_: int) -> tuple[IntArray, IntArray]:
    """w = p = lrand48() mod R + 1."""
    weight = stream.draw(classes * items).reshape(classes, items) % range_ + 1
    return weight, weight


generate = pisinger_family("subset_sum", _draw)
