"""Exact costs in two limbs, numba kernel: :mod:`.fixed_point` on the bits of floats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .kernel_states import HALF


@njit(cache=True)
def parts(bits: int) -> tuple[int, int]:
    """Signed mantissa and exponent of a float given by its bits."""
    exponent = (bits >> 52) & 0x7FF
    m = bits & ((1 << 52) - 1)
    if exponent:
        m |= 1 << 52
    else:
        exponent = 1
    return (-m if bits < 0 else m), exponent - 1075


@njit(cache=True)
def widen(bits: int, low: int, high: int) -> tuple[int, int]:
    """Extend the exponents of the lowest and the highest bit met so far by those of a float."""
    m, e = parts(bits)
    m = abs(m)
    if m == 0:
        return low, high
    top = e + 53
    while m >> (top - e - 1) == 0:
        top -= 1
    while m & 0xFF == 0:
        m >>= 8
        e += 8
    while m & 1 == 0:
        m >>= 1
        e += 1
    return min(low, e), max(high, top)


@njit(cache=True)
def limbs(bits: int, unit: int) -> tuple[int, int]:
    """A float as two limbs in units of ``2**unit``."""
    m, e = parts(bits)
    if m == 0:
        return np.int64(0), np.int64(0)
    shift = e - unit
    if shift < 0:
        m >>= -shift
        shift = 0
    if shift >= 62:
        return m << (shift - 62), np.int64(0)
    high, low = m >> (62 - shift), (m & ((1 << (62 - shift)) - 1)) << shift
    carry = (low + HALF) >> 62
    return high + carry, low - (carry << 62)


@njit(cache=True)
def difference(a: int, b: int, unit: int) -> tuple[int, int]:
    """Exact ``a - b`` of floats given by their bits."""
    ah, al = limbs(a, unit)
    bh, bl = limbs(b, unit)
    high, low = ah - bh, al - bl
    carry = (low + HALF) >> 62
    return high + carry, low - (carry << 62)


@njit(cache=True)
def gcd(a: int, b: int) -> int:
    """Greatest common divisor."""
    while b:
        a, b = b, a % b
    return a


@njit(cache=True)
def total(cost: Any, item: Any) -> float:
    """Correctly rounded sum of the costs of some items; NaN where the rounding is in doubt.

    Each addition's rounding error is found exactly (Knuth's TwoSum) and added up beside the sum.
    """
    s = rest = size = 0.0
    for j in item:
        x = cost[j]
        t = s + x
        z = t - s
        rest += (s - (t - z)) + (x - z)
        s = t
        size += abs(x)
    doubt = 2.0**-104 * np.float64(item.size) ** 2 * size + 2.0**-52 * abs(rest)
    low, high = s + (rest - doubt), s + (rest + doubt)
    return low if low == high else np.nan
