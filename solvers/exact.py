"""Float64 costs as exact integers, and rationals back as floats that do not exceed them."""

from __future__ import annotations

import math
from fractions import Fraction

from bitknap.problems import FloatArray


def exact_integers(values: FloatArray) -> tuple[list[int], int]:
    """Integers m and a power of two q with ``values == m / q``, exactly.

    Every float64 is an integer over a power of two, so the largest of those denominators serves
    all; twelve orders of magnitude make integers of about a hundred bits.

    Example:
        >>> import numpy as np
        >>> exact_integers(np.array([0.75, -2.0]))
        ([3, -8], 4)
    """
    ratios = [value.as_integer_ratio() for value in values.tolist()]
    unit = max((denominator for _, denominator in ratios), default=1)
    return [numerator * (unit // denominator) for numerator, denominator in ratios], unit


def exact_sum(values: FloatArray) -> Fraction:
    """The sum of float64 numbers, not rounded."""
    return sum(map(Fraction, values.tolist()), Fraction(0))


def float_below(value: Fraction) -> float:
    """The largest float64 that does not exceed a rational within float64's range."""
    nearest = float(value)
    return nearest if Fraction(nearest) <= value else math.nextafter(nearest, -math.inf)
