"""What families share: regular classes, checks of parameters."""

from __future__ import annotations

import inspect
import math
import typing
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import numpy as np

from ..errors import DataError
from ..instance import MOST_ITEMS, FloatArray, Instance, IntArray
from ..schema import Range, convert


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
        cost: (L, m).
        weight: (K, L, m).
        capacity: (K,).
        labels: m.
        resources: K.
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


Classes = Annotated[int, Range(1, MOST_ITEMS)]
Items = Annotated[int, Range(1, MOST_ITEMS)]
Resources = Annotated[int, Range(1, 1000)]
Seed = Annotated[int, Range(0, (1 << 63) - 1)]
Width = Annotated[int, Range(1, 32)]
Budget = Annotated[float, Range(0, 32)]
Deviation = Annotated[float, Range(0, 50)]
Largest = Annotated[float, Range(1e-300, 1e100)]


def checked(generate: Callable[..., Instance]) -> Callable[..., Instance]:
    """A family whose parameters are what their annotations allow, and not more items than that.

    Raises:
        DataError: a parameter is unknown, of another type, or out of its range; or classes times
            items times resources exceed `MOST_ITEMS`.
    """
    signature = inspect.signature(generate)
    hints = typing.get_type_hints(generate, include_extras=True)

    @wraps(generate)
    def guarded(*given: Any, **named: Any) -> Instance:
        known = ", ".join(name.rstrip("_") for name in signature.parameters)
        try:
            bound = signature.bind(*given, **named)
        except TypeError as error:
            raise DataError(f"{error}; the parameters are {known}") from None
        for name, value in bound.arguments.items():
            bound.arguments[name] = convert(hints[name], value, name.rstrip("_"))
        bound.apply_defaults()
        entries = math.prod(_count(bound.arguments.get(name, 1)) for name in _MULTIPLY)
        if entries > MOST_ITEMS:
            raise DataError(f"asks for {entries:,} weights; at most {MOST_ITEMS:,} are made")
        return generate(*bound.args, **bound.kwargs)

    return guarded


_MULTIPLY = ("classes", "items", "bits", "activation_bits", "resources")


def _count(value: int | tuple[int, ...]) -> int:
    return max(1, len(value)) if isinstance(value, tuple) else value
