"""The doubly non-negative relaxation, whose dual makes a convex form as tight as it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import FloatArray, IntArray

from ..base import NEVER, Deadline
from .convex import ConvexForm, convexified
from .model import Model


class Semidefinite:
    """Lower bounds from Y = (1, x, s)(1, x, s)', with s the rooms left of the resources.

        min C.Y   s.t.   Y >= 0 positive semidefinite and entry by entry,  Y_00 = 1,
        Y_jj = Y_0j,  Y_jk = 0 where no choice holds j and k,  every row keeps  sum_{class} x = 1
        and  s = capacity - w'x

    Rows of s are the products of capacities and items. The equations are eliminated,
    Y = V R V', and the rest is split: R is projected to the semidefinite cone, Y to its signs,
    zeros and diagonal (alternating directions, over-relaxed). The multiplier of Y = V R V' yields
    after any number of steps a convex form below f, whatever the steps have left undone.

    Args:
        apart: (n, n) pairs of items that no choice holds, or none better than what is known.

    References:
        S. Burer, Math. Program. 120 (2009) 479-495 (copositive form); A. Billionnet, S. Elloumi,
        A. Lambert, Math. Program. 131 (2012) 381-401 (convex reformulation); D. E. Oliveira,
        H. Wolkowicz, Y. Xu, Math. Program. Comput. 10 (2018) 631-658 (alternating directions with
        facial reduction).
    """

    def __init__(self, model: Model, apart: NDArray[np.bool_], unit: float) -> None:
        self.unit = unit
        knapsack = model.knapsack
        room = (knapsack.capacity - knapsack.min_usage).astype(np.float64)
        self.rooms = np.maximum(room, 1.0)
        self.penalty = 0.2
        self._pose(model, apart)
        self.multiplier: FloatArray = -self.cost
        self.primal: FloatArray = self._signs(np.zeros_like(self.cost))

    def _pose(self, model: Model, apart: NDArray[np.bool_]) -> None:
        self.model = model
        knapsack = model.knapsack
        n, resources, classes = len(model.cost), knapsack.n_resources, len(knapsack)
        self.items = slice(1, n + 1)
        self.diagonal = np.arange(1, n + 1)
        size = 1 + n + resources
        self.shares = knapsack.weight / self.rooms[:, None]
        self.total = knapsack.capacity / self.rooms
        equations = np.zeros((classes + resources, size))
        equations[:classes, 0] = -1.0
        equations[model.owner, self.diagonal] = 1.0
        equations[classes:, 0] = -self.total
        equations[classes:, self.items] = self.shares
        equations[classes:, n + 1 :] = np.eye(resources)
        self.face = np.linalg.qr(equations.T, mode="complete")[0][:, classes + resources :]
        self.cost = np.zeros((size, size))
        self.cost[self.items, self.items] = 0.5 * model.pairs / self.unit
        self.cost[0, self.items] = self.cost[self.items, 0] = 0.5 * model.cost / self.unit
        self.zero = np.zeros((size, size), dtype=bool)
        self.zero[self.items, self.items] = apart

    def keep(self, items: IntArray, apart: NDArray[np.bool_]) -> None:
        """Go on with some of the items, and with more pairs that no better choice holds."""
        size = len(self.cost)
        rest = np.arange(len(self.model.cost) + 1, size)
        at = np.concatenate(([0], 1 + items, rest))
        self.multiplier = self.multiplier[np.ix_(at, at)]
        self.primal = self.primal[np.ix_(at, at)]
        self._pose(self.model.kept(items), apart)
        self.primal = self._signs(self.primal)

    def _signs(self, matrix: FloatArray) -> FloatArray:
        nearest: FloatArray = np.maximum(0.5 * (matrix + matrix.T), 0.0)
        nearest[self.zero] = 0.0
        x = np.clip((2 * matrix[0, self.items] + np.diag(matrix)[self.items]) / 3, 0.0, 1.0)
        nearest[0, 0] = 1.0
        nearest[0, self.items] = nearest[self.items, 0] = x
        nearest[self.diagonal, self.diagonal] = x
        return nearest

    def run(self, steps: int, deadline: Deadline = NEVER) -> float:
        """Take so many steps; the distance between the two halves that is left.

        Complexity: an eigendecomposition of order n - L a step.
        """
        face, left = self.face, np.inf
        primal, multiplier, penalty = self.primal, self.multiplier, self.penalty
        for step in range(1, steps + 1):
            small = face.T @ (primal + multiplier / penalty) @ face
            values, vectors = np.linalg.eigh(0.5 * (small + small.T))
            positive = values > 0
            wide = face @ vectors[:, positive]
            inside = (wide * values[positive]) @ wide.T
            multiplier = multiplier + 0.9 * penalty * (primal - inside)
            before, primal = primal, self._signs(inside - (self.cost + multiplier) / penalty)
            multiplier = multiplier + 0.9 * penalty * (primal - inside)
            if step % 20 == 0:
                left = float(np.linalg.norm(primal - inside))
                moved = penalty * float(np.linalg.norm(primal - before))
                if max(left, moved) < 1e-6 or deadline.passed:
                    break
                if left > 5 * moved:
                    penalty *= 1.5
                elif moved > 5 * left:
                    penalty /= 1.5
        self.primal, self.multiplier, self.penalty = primal, multiplier, penalty
        return left

    def form(self) -> ConvexForm:
        """The convex form of the current multiplier.

        Where it prices a product of two items, or of an item and a room, above 0, the product is
        dropped; what it prices below stays in the form, which is shifted until it is convex.
        """
        n = len(self.model.cost)
        guess = -0.5 * (self.multiplier + self.multiplier.T)
        free = self.zero.copy()
        free[self.diagonal, self.diagonal] = True
        dropped = np.maximum(self.cost - guess, 0.0)
        dropped[free] = 0.0
        dropped[0, : n + 1] = dropped[: n + 1, 0] = 0.0
        form = np.where(free, guess, self.cost - dropped)
        scale = np.where(free, np.abs(guess), np.abs(self.cost) + dropped)
        # y = (1, x, (capacity - w'x) / room) in terms of x.
        into = np.vstack((np.zeros(n), np.eye(n), -self.shares))
        base = np.concatenate(([1.0], np.zeros(n), self.total))
        unit = 2.0 * self.unit
        own = form[self.diagonal, self.diagonal]
        matrix = unit * (into.T @ form @ into)
        linear = unit * (into.T @ form @ base) - self.unit * own
        constant = self.unit * float(base @ form @ base)
        size = unit * (np.abs(into).T @ scale @ np.abs(into))
        sums = unit * (np.abs(into).T @ scale @ base) + self.unit * np.abs(own)
        starts = self.model.knapsack.offsets[:-1]
        rounding = float(np.maximum.reduceat(sums, starts).sum()) + self.unit * float(
            base @ scale @ base
        )
        matrix, linear, noise = convexified(
            self.model, 0.5 * (matrix + matrix.T), linear, rounding, size
        )
        return ConvexForm(
            linear,
            matrix,
            constant,
            noise,
            unit * dropped[self.items, self.items],
            unit * dropped[n + 1 :, self.items] / self.rooms[:, None],
        )
