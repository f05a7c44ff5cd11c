"""What the core solver accepts: checked arrays, costs brought to a scale where floats behave."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import InstanceError

__all__ = ["Arrays", "check", "check_shapes"]

# Slopes and bounds of costs within 2**-900 .. 2**900 neither overflow nor lose bits.
_EXPONENT = 900
_MAX_TOTAL = 2.0**62


@dataclass(frozen=True)
class Arrays:
    """A checked instance.

    Attributes
    ----------
    offsets, cost, weight
        As given, except that the costs are ``2**scale`` times the given ones.
    capacity
        At most the sum of the heaviest items.
    scale
        0 unless the largest cost is beyond ``2**900`` or below ``2**-900``.
    """

    offsets: NDArray[np.int64]
    cost: NDArray[np.float64]
    weight: NDArray[np.int64]
    capacity: int
    scale: int


def check(
    offsets: NDArray[np.int64],
    cost: NDArray[np.float64],
    weight: NDArray[np.int64],
    capacity: int,
) -> Arrays:
    """Check the numbers of an instance.

    Raises:
        InstanceError: an empty class, a cost that is not finite, a negative weight, or a total
            weight of 2**62 or more.
    """
    if int(np.diff(offsets).min()) < 1:
        raise InstanceError("every class needs at least one item")
    first = offsets[:-1]
    if int(weight.min()) < 0:
        raise InstanceError(f"weights must not be negative, got {int(weight.min())}")
    largest = max(abs(float(cost.max())), abs(float(cost.min())))
    if not math.isfinite(largest):
        raise InstanceError("costs must be finite, got an infinity or NaN")
    heaviest = np.maximum.reduceat(weight, first)
    if float(heaviest.sum(dtype=np.float64)) >= _MAX_TOTAL:
        raise InstanceError(
            "the weights add up to 2^62 or more, beyond 64-bit integers; use a coarser unit"
        )
    scale, cost = _rescale(cost, largest)
    most = int(heaviest.sum())
    return Arrays(offsets, cost, weight, min(int(capacity), most), scale)


def check_shapes(
    offsets: NDArray[np.int64], cost: NDArray[np.float64], weight: NDArray[np.int64]
) -> None:
    """Check that the arrays belong together.

    Raises:
        InstanceError: they do not.
    """
    n = cost.size
    if cost.ndim != 1 or weight.shape != cost.shape:
        raise InstanceError(
            f"costs and weights must be two vectors of one length, got {cost.shape}, {weight.shape}"
        )
    if offsets.ndim != 1 or offsets.size < 2 or offsets[0] != 0 or offsets[-1] != n:
        raise InstanceError(f"offsets must run from 0 to the number of items {n}, with a class")


def _rescale(cost: NDArray[np.float64], largest: float) -> tuple[int, NDArray[np.float64]]:
    exponent = math.frexp(largest)[1]
    if largest == 0.0 or abs(exponent) <= _EXPONENT:
        return 0, cost
    scale = -exponent
    scaled = np.ldexp(cost, scale)
    if not np.array_equal(np.ldexp(scaled, -scale), cost):
        raise InstanceError("the costs span more than 570 orders of magnitude; drop the smallest")
    return scale, scaled
