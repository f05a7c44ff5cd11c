"""What families share: regular classes, checks of parameters."""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from ..instance import FloatArray, Instance, IntArray


def regular_instance(
    name: str,
    cost: FloatArray,
    weight: IntArray,
    capacity: IntArray,
    labels: tuple[str, ...],
    resources: tuple[str, ...],
    source: str,
) -> Instance:
    """An instance of L classes of m items each, whose items carry the same m labels.

    Args:
        name: of the instance.
        cost: (L, m).
        weight: (K, L, m).
        capacity: (K,).
        labels: m.
        resources: K.
        source: family and parameters.
    """
    count, size = cost.shape
    return Instance(
        name=name,
        offsets=np.arange(0, count * size + 1, size),
        cost=cost.ravel(),
        weight=weight.reshape(len(resources), -1),
        capacity=capacity,
        class_names=tuple([f"c{i}" for i in range(count)]),
        labels=labels * count,
        resources=resources,
        source=source,
    )


def at_least(**limits: tuple[int, int]) -> None:
    """Check (value, smallest) of named integer parameters.

    Raises:
        DataError: a value is below its smallest.
    """
    for name, (value, smallest) in limits.items():
        if value < smallest:
            raise DataError(f"{name.rstrip('_')} must be at least {smallest}, got {value}")
