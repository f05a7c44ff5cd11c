"""Pisinger's subset-sum classes: profit equals weight."""

from __future__ import annotations

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
    """w = p = lrand48() mod R + 1.

    Args:
        classes: L.
        items: items of each class.
        range_: R.
        seed: of ``srand48``.
        capacity: rule, see :func:`~bitknap.problems.families.base.pisinger_capacity`.
        ratio: of the rule ``ratio``.

    Returns:
        The minimisation with cost = max p - p in each class.

    References:
        D. Pisinger, EJOR 83 (1995), 394-410.
    """
    at_least(classes=(classes, 1), items=(items, 1), range_=(range_, 1))
    weight = Lrand48(seed).draw(classes * items).reshape(classes, items) % range_ + 1
    parameters = {"classes": classes, "items": items, "range": range_, "seed": seed}
    return pisinger_instance("subset_sum", weight, weight, parameters, capacity, ratio)
