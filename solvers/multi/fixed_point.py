"""Exact arithmetic on float64 costs: every cost is an integer times one power of two.

A finite float64 is ``m * 2**e`` with integers ``m`` and ``e``, so the costs of an instance are
integers in units of ``2**q``, ``q`` the smallest ``e``. Their sums are then exact, associative and
comparable without any tolerance. Three widths are used, the narrowest that no sum can overflow:

* ``1``: one int64 (integer costs, for instance);
* ``2``: two limbs, ``high * 2**62 + low`` with ``-2**61 <= low < 2**61``: 123 bits, which holds
  costs that span 20 orders of magnitude with all their 53 bits; small numbers have
  ``high == 0``, so they turn into floats without cancellation;
* ``0``: Python integers in object arrays, for anything wider.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LIMB = 62
HALF = 1 << (LIMB - 1)

Exact = tuple[NDArray[Any], NDArray[np.int64] | None]


@dataclass(frozen=True)
class Unit:
    """Unit ``2**exponent`` of the exact costs and the number of limbs (1, 2, or 0 for Python)."""

    exponent: int
    limbs: int


def _mantissa(cost: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return integers ``(m, e)`` with ``cost == m * 2**e``."""
    fraction, exponent = np.frexp(cost)
    return (fraction * 2.0**53).astype(np.int64), exponent.astype(np.int64) - 53


def choose_unit(cost: NDArray[np.float64], terms: int) -> Unit:
    """Choose the unit in which sums of ``terms`` differences of the costs are exact.

    Args:
        cost: finite costs.
        terms: the largest number of differences ever added up.
    """
    m, e = _mantissa(cost[cost != 0.0])
    if not m.size:
        return Unit(0, 1)
    trailing = np.frexp((m & -m).astype(np.float64))[1] - 1
    low = int((e + trailing).min())
    bits = int(e.max()) + 53 + 1 + int(terms).bit_length() - low
    return Unit(low, 1 if bits <= 62 else 2 if bits <= 122 else 0)


def fixed(cost: NDArray[np.float64], unit: Unit) -> Exact:
    """Write costs as exact multiples of the unit: ``(high, low)``, ``low`` None if one limb."""
    m, e = _mantissa(cost)
    shift = np.where(m == 0, 0, e - unit.exponent)
    if unit.limbs == 0:
        # Mantissas with trailing zeros may lie below the unit: shift right, exactly.
        wide = [
            x << s if s >= 0 else x >> -s for x, s in zip(m.tolist(), shift.tolist(), strict=True)
        ]
        return np.array(wide, dtype=object), None
    right = np.maximum(-shift, 0)
    m, shift = m >> right, shift + right
    if unit.limbs == 1:
        return m << shift, None
    wide_shift = shift >= LIMB
    split = np.where(wide_shift, LIMB, LIMB - shift)
    high = np.where(wide_shift, m << np.where(wide_shift, shift - LIMB, 0), m >> split)
    low = np.where(
        wide_shift, 0, (m & ((np.int64(1) << split) - 1)) << np.where(wide_shift, 0, shift)
    )
    return _centred(high, low)


def _centred(high: NDArray[Any], low: NDArray[np.int64]) -> Exact:
    carry = (low + HALF) >> LIMB
    return high + carry, low - (carry << LIMB)


def plus(a: Exact, b: Exact) -> Exact:
    """Add two exact arrays (broadcasting)."""
    if a[1] is None or b[1] is None:
        return a[0] + b[0], None
    return _centred(a[0] + b[0], a[1] + b[1])


def minus(a: Exact, b: Exact) -> Exact:
    """Subtract two exact arrays (broadcasting)."""
    if a[1] is None or b[1] is None:
        return a[0] - b[0], None
    return _centred(a[0] - b[0], a[1] - b[1])


def to_real(value: Exact, unit: Unit) -> NDArray[np.float64]:
    """Return the costs as floats, each within a few units in the last place."""
    high, low = value
    if unit.limbs == 0:
        return np.array([_real(x, unit.exponent) for x in high.ravel()]).reshape(high.shape)
    if low is None:
        return np.ldexp(high.astype(np.float64), unit.exponent)
    return np.ldexp(high.astype(np.float64) * 2.0**LIMB + low.astype(np.float64), unit.exponent)


def _real(x: int, exponent: int) -> float:
    shift = max(0, x.bit_length() - 64)
    return float(np.ldexp(float(x >> shift), exponent + shift))


def as_int(value: Exact, at: int) -> int:
    """Return one exact cost as a Python integer."""
    high, low = value
    return int(high[at]) if low is None else (int(high[at]) << LIMB) + int(low[at])


def take(value: Exact, index: Any) -> Exact:
    """Some of an array of exact costs."""
    high, low = value
    return high[index], None if low is None else low[index]


def ascending(value: Exact) -> NDArray[np.int64]:
    """The order of rising costs, equal ones as they come."""
    high, low = value
    return np.argsort(high, kind="stable") if low is None else np.lexsort((low, high))
