"""The 0-1 program for back-ends with floating-point rows: small integers, exactly equivalent."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bitknap.problems import FloatArray, Instance, IntArray

DIGIT_BITS = 14
"""Bits of a digit: an error of 1e-6 in each of 60 variables is less than one unit of its row."""


@dataclass(frozen=True)
class Program:
    """Minimise cost, one item of each class, integer rows, integer carries.

        min cost . x    s.t.   rows x + carries z <= right,   sum_{j in class i} x_j = 1,
        x binary,  0 <= z <= most  integer

    Args:
        offsets: (L + 1,) class i holds items ``offsets[i]:offsets[i + 1]``.
        rows: (R, n) int64.
        carries: (R, m) int64.
        right: (R,) int64.
        most: (m,) int64.
    """

    offsets: IntArray
    cost: FloatArray
    rows: IntArray
    carries: IntArray
    right: IntArray
    most: IntArray

    @property
    def columns(self) -> IntArray:
        """(R, n + m) coefficients of items, then carries."""
        return np.concatenate((self.rows, self.carries), axis=1)

    def with_cuts(self, cuts: list[tuple[IntArray, int]]) -> Program:
        """The program with more rows: items whose shares add up to at most a number."""
        if not cuts:
            return self
        extra = np.zeros((len(cuts), self.rows.shape[1]), dtype=np.int64)
        for row, (items, _) in zip(extra, cuts, strict=True):
            row[items] = 1
        none = np.zeros((len(cuts), len(self.most)), dtype=np.int64)
        return replace(
            self,
            rows=np.concatenate((self.rows, extra)),
            carries=np.concatenate((self.carries, none)),
            right=np.concatenate((self.right, [most for _, most in cuts])),
        )

    def rounded(self, shares: FloatArray) -> IntArray:
        """The item with the largest share of each class of a nearly integral solution."""
        shares = np.asarray(shares)[: len(self.cost)]
        owner = np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))
        position = np.lexsort((-shares, owner))[self.offsets[:-1]]
        choice: IntArray = position - self.offsets[:-1]
        return choice


def plain_program(instance: Instance, cost: FloatArray) -> Program:
    """The program of an instance as it stands, with other costs."""
    resources = instance.n_resources
    none = np.zeros((resources, 0), dtype=np.int64)
    return Program(instance.offsets, cost, instance.weight, none, instance.capacity, none[0])


def small_program(instance: Instance, cost: FloatArray) -> Program:
    """An equivalent program with small numbers.

    Weights count from the lightest of the class, capacities from the lightest usages, both in
    units of the weights' greatest common divisor. A capacity whose weights have more than
    ``DIGIT_BITS`` bits becomes one row per digit. With weights w = sum_d w_d B^d and the capacity c
    likewise, carries z_d between the rows stand for what lower digits add up to:

        w_0 x - B z_1 <= c_0,   w_1 x + z_1 - B z_2 <= c_1,   ...,   w_D x + z_D <= c_D

    which has a solution z >= 0 exactly if w x <= c.
    """
    weight = instance.above_lightest
    unit = np.maximum(np.gcd.reduce(weight, axis=1), 1)
    weight //= unit[:, None]
    residual = (instance.capacity - instance.min_usage) // unit
    rows: list[IntArray] = []
    right: list[int] = []
    carried: list[tuple[int, int]] = []
    for w, c in zip(weight, residual.tolist(), strict=True):
        parts = max(-(-int(w.max()).bit_length() // DIGIT_BITS), 1)
        for d in range(parts):
            last = d >= parts - 1
            rows.append(w if last else w & ((1 << DIGIT_BITS) - 1))
            right.append(c if last else c & ((1 << DIGIT_BITS) - 1))
            w, c = w >> DIGIT_BITS, c >> DIGIT_BITS
            if not last:
                carried.append((len(rows) - 1, len(rows)))
    carries = np.zeros((len(rows), len(carried)), dtype=np.int64)
    for k, (lower, upper) in enumerate(carried):
        carries[lower, k], carries[upper, k] = -(1 << DIGIT_BITS), 1
    # The digits of L items and a carry below L add up to less than L B.
    most = np.full(len(carried), len(instance), dtype=np.int64)
    return Program(instance.offsets, cost, np.array(rows), carries, np.array(right), most)


def cover(instance: Instance, choice: IntArray) -> tuple[IntArray, int] | None:
    """A cut of a choice that exceeds a capacity: items of which no feasible choice takes as many.

    Items as heavy as those chosen in a few classes, and the lightest in all others, exceed the
    capacity already: at most all but one of those classes can take such items. None when the
    choice is feasible.
    """
    at = instance.positions(choice)
    excess = instance.weight[:, at].sum(axis=1) - instance.capacity
    if (excess <= 0).all():
        return None
    k = int(np.argmax(excess > 0))
    above = instance.weight[k, at] - instance.lightest[k]
    left = int(excess[k])
    chosen = np.flatnonzero(above > 0)
    for i in chosen[np.argsort(above[chosen], kind="stable")].tolist():
        # A class may leave the cover while the others still exceed the capacity.
        if above[i] < left:
            left -= int(above[i])
            above[i] = 0
    owner = instance.class_of
    heavy = (above[owner] > 0) & (instance.weight[k] >= instance.weight[k, at][owner])
    return np.flatnonzero(heavy), int((above > 0).sum()) - 1
