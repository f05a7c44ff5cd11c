"""Pisinger's classes with an item of nothing: uncorrelated, the first item weighing (0, 0)."""

from __future__ import annotations

import numpy as np

from ..instance import Instance
from ._lrand48 import Lrand48
from .base import Capacity, at_least, pisinger_instance


def generate(
    classes: int = 100,
    items: int = 2,
    range_: int = 1000,
    seed: int = 1,
    capacity: Capacity = "program",
    ratio: float = 0.5,
) -> Instance:
    """Item 0 has w = p = 0; the others as in ``uncorrelated``. Two items make the 0-1 knapsack.

    Args:
        classes: L.
        items: items of each class, the empty one included.
        range_: R.
        seed: of ``srand48``.
        capacity: rule, see :func:`~bitknap.problems.families.base.pisinger_capacity`.
        ratio: of the rule ``ratio``.

    Returns:
        The minimisation with cost = max p - p in each class.

    References:
        D. Pisinger, EJOR 83 (1995), 394-410.
    """
    at_least(classes=(classes, 1), items=(items, 2), range_=(range_, 1))
    draws = Lrand48(seed).draw(2 * classes * (items - 1)) % range_ + 1
    pairs = np.zeros((classes, items, 2), dtype=np.int64)
    pairs[:, 1:] = draws.reshape(classes, items - 1, 2)
    parameters = {"classes": classes, "items": items, "range": range_, "seed": seed}
    return pisinger_instance(
        "binary_knapsack", pairs[..., 0], pairs[..., 1], parameters, capacity, ratio
    )
