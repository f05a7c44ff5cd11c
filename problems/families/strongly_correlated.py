"""Pisinger's strongly correlated classes: profit steps 10 above weight steps, the hard family."""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from ..instance import Instance
from ._lrand48 import Lrand48
from .base import Capacity, at_least, pisinger_instance


def generate(
    classes: int = 100,
    items: int = 10,
    range_: int = 1000,
    seed: int = 1,
    capacity: Capacity = "program",
    ratio: float = 0.5,
) -> Instance:
    """Steps w' = lrand48() mod R' + 1 and p' = w' + 10, sorted, then added up within a class.

    R' = 2R div m for m items, so that the heaviest weighs about R.

    Args:
        classes: L.
        items: items m of each class.
        range_: R.
        seed: of ``srand48``.
        capacity: rule, see :func:`~bitknap.problems.families.base.pisinger_capacity`.
        ratio: of the rule ``ratio``.

    Returns:
        The minimisation with cost = max p - p in each class.

    Raises:
        DataError: the range is so small that R' = 0.

    References:
        D. Pisinger, EJOR 83 (1995), 394-410.
    """
    at_least(classes=(classes, 1), items=(items, 1), range_=(range_, 1))
    step_range = 2 * range_ // items
    if step_range == 0:
        raise DataError(f"range must be at least {(items + 1) // 2} for {items} items")
    draws = Lrand48(seed).draw(classes * items).reshape(classes, items) % step_range + 1
    steps = np.sort(draws, axis=1)
    parameters = {"classes": classes, "items": items, "range": range_, "seed": seed}
    return pisinger_instance(
        "strongly_correlated",
        np.cumsum(steps, axis=1),
        np.cumsum(steps + 10, axis=1),
        parameters,
        capacity,
        ratio,
    )
