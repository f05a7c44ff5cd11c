"""Costs above the cheapest item of each class, as arrays of exact integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import FloatArray, IntArray

from .multi.fixed_point import (
    Unit,
    as_int,
    ascending,
    choose_unit,
    fixed,
    minus,
    plus,
    take,
    to_real,
)

BoolArray = NDArray[np.bool_]

# Two floats of exact sums are in the order of the sums when they differ by more than this share.
_CLOSE = 2.0**-50


@dataclass(frozen=True, eq=False)
class ExactCosts:
    """An array of exact costs: integers in units of ``2**unit.exponent``, none of them negative.

    Sums and comparisons have no tolerance. The integers are int64 where no sum can overflow,
    else two int64 limbs, else Python's (:mod:`bitknap.solvers.multi.fixed_point`).

    Args:
        high, low: (m,) limbs; ``low`` is None where there is one.
    """

    high: NDArray[Any]
    low: IntArray | None
    unit: Unit

    def __len__(self) -> int:
        return len(self.high)

    def __getitem__(self, index: Any) -> ExactCosts:
        return ExactCosts(*take((self.high, self.low), index), self.unit)

    def __add__(self, other: ExactCosts) -> ExactCosts:
        return ExactCosts(*plus((self.high, self.low), (other.high, other.low)), self.unit)

    def zeros(self, count: int) -> ExactCosts:
        """So many zeros in the same unit."""
        high = np.zeros(count, dtype=self.high.dtype)
        return ExactCosts(
            high, None if self.low is None else np.zeros(count, dtype=np.int64), self.unit
        )

    def put(self, index: IntArray, values: ExactCosts) -> None:
        """Replace some of the numbers."""
        self.high[index] = values.high
        if self.low is not None and values.low is not None:
            self.low[index] = values.low

    def outer(self, other: ExactCosts) -> ExactCosts:
        """The sums of every number here with every one of another array, ours varying slowest."""
        pairs = self[:, None] + other[None, :]
        return ExactCosts(
            pairs.high.ravel(), None if pairs.low is None else pairs.low.ravel(), self.unit
        )

    def below(self, other: ExactCosts) -> BoolArray:
        """(m,) whether a number is less than the one at its place in another array."""
        mask: BoolArray = self.high < other.high
        if self.low is not None and other.low is not None:
            mask |= (self.high == other.high) & (self.low < other.low)
        return mask

    def falls(self) -> BoolArray:
        """(m,) whether a number is less than all before it."""
        if self.low is None:
            return falls(self.high if self.unit.limbs else self._ranks())
        value = self.floats()
        least = np.minimum.accumulate(value)[:-1]
        with np.errstate(over="ignore", invalid="ignore"):
            close = np.abs(value[1:] - least) <= _CLOSE * least
        if not close.any() and np.isfinite(value).all():
            return falls(value)
        return falls(self._ranks())

    def _ranks(self) -> IntArray:
        """(m,) integers in the same order, equal where the numbers are."""
        high, low = self.high, self.low
        order = ascending((high, low))
        rises = high[order][1:] != high[order][:-1]
        if low is not None:
            rises |= low[order][1:] != low[order][:-1]
        ranks = np.empty(len(high), dtype=np.int64)
        ranks[order] = np.concatenate(([0], np.cumsum(rises)))
        return ranks

    def floats(self) -> FloatArray:
        """(m,) float64 costs within 2^-51 of the exact ones; inf beyond float64."""
        with np.errstate(over="ignore"):
            return to_real((self.high, self.low), self.unit)

    def integer(self, at: int) -> int:
        """One of the numbers, in units."""
        return as_int((self.high, self.low), at)

    def integers(self) -> list[int]:
        """All of them."""
        return [self.integer(at) for at in range(len(self))]


def falls(values: NDArray[Any]) -> BoolArray:
    """(m,) whether a number is less than all before it."""
    return np.concatenate(([True], values[1:] < np.minimum.accumulate(values)[:-1]))


def joined(parts: Sequence[ExactCosts]) -> ExactCosts:
    """Arrays of one unit, one after another."""
    high = np.concatenate([part.high for part in parts])
    lows = [part.low for part in parts if part.low is not None]
    return ExactCosts(high, np.concatenate(lows) if lows else None, parts[0].unit)


def excesses(cost: FloatArray, starts: IntArray) -> ExactCosts:
    """(n,) costs above the cheapest of the class, whose sums over all classes stay exact.

    Args:
        starts: (L + 1,) class i holds costs ``starts[i]:starts[i + 1]``.
    """
    unit = choose_unit(cost, len(starts) - 1)
    least = np.repeat(np.minimum.reduceat(cost, starts[:-1]), np.diff(starts))
    return ExactCosts(*minus(fixed(cost, unit), fixed(least, unit)), unit)
