"""The Lagrangian dual function: a lower bound that rounding cannot make false."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from bitknap.problems import FloatArray, Instance, IntArray

from .exact import float_below


def cheapest(instance: Instance, price: FloatArray | IntArray) -> IntArray:
    """The choice of the item of least price in each class, the first of equals."""
    least = np.minimum.reduceat(price, instance.offsets[:-1])
    found = np.flatnonzero(price == np.repeat(least, instance.sizes))
    first = np.searchsorted(found, instance.offsets[:-1])
    choice: IntArray = found[first] - instance.offsets[:-1]
    return choice


def dual_bound(instance: Instance, multiplier: FloatArray) -> float:
    """A number that no feasible choice costs less than.

    For prices u >= 0 and r_k the capacity above the lightest choice,

        D(u) = sum_i min_j (c_ij + sum_k u_k (w_kij - min_j w_kij)) - sum_k u_k r_k

    is at most the optimum. In float64 a priced cost of K + 1 terms is within
    (K + 3) 2^-52 (|c| + sum_k u_k dw_k) of the exact one; that much is taken off each item before
    the minimum, and the sums are rounded downwards, so the result is at most D(u).

    Args:
        instance: without ties, every capacity at least the lightest usage.
        multiplier: (K,) prices u, finite and not negative, in cost per unit of weight.

    Complexity: O(K n).

    References:
        M. Fisher, Management Science 27 (1981), 1-18.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        charge = multiplier @ instance.above_lightest.astype(np.float64)
        slack = (len(multiplier) + 3) * 2.0**-52 * (np.abs(instance.cost) + charge)
        # Products that underflow lose at most the smallest float each.
        slack += (len(multiplier) + 1) * 5e-324
        least = np.minimum.reduceat(instance.cost + charge - slack, instance.offsets[:-1])
    if not np.isfinite(least).all():
        return -math.inf
    residual = (instance.capacity - instance.min_usage).tolist()
    paid = sum(
        (Fraction(u) * r for u, r in zip(multiplier.tolist(), residual, strict=True)), Fraction(0)
    )
    total = math.nextafter(math.fsum(least.tolist()), -math.inf)
    return float_below(Fraction(total) - paid)
