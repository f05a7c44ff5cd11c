"""Pisinger's strongly correlated classes: profit steps 10 above weight steps, the hard family."""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from ..instance import IntArray
from ._lrand48 import Lrand48
from ._pisinger import pisinger_family


def _draw(stream: Lrand48, classes: int, items: int, range_: int) -> tuple[IntArray, IntArray]:
    """Steps w' = lrand48() mod R' + 1 and p' = w' + 10, sorted, then added up within a class.

    R' = 2R div m for m items, so that the heaviest weighs about R. A range so small that R' = 0 is
    refused.
    """
    step_range = 2 * range_ // items
    if step_range == 0:
        raise DataError(f"range must be at least {(items + 1) // 2} for {items} items")
    draws = stream.draw(classes * items).reshape(classes, items) % step_range + 1
    steps = np.sort(draws, axis=1)
    return np.cumsum(steps, axis=1), np.cumsum(steps + 10, axis=1)


generate = pisinger_family("strongly_correlated", _draw)
