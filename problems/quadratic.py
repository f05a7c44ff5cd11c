"""The quadratic knapsack: one item per class, with terms between the items of two classes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from .errors import InstanceError
from .instance import FloatArray, Instance
from .ties import MergedInstance, merge_ties


@dataclass(frozen=True, eq=False)
class QuadraticInstance:
    """A multiple-choice knapsack with a quadratic objective.

        minimise    c'x + 1/2 x'Gx     over the one-hot x of one item per class

    under the capacities and ties of ``knapsack``, whose costs are c. An item's own square adds
    G[j, j] / 2 to its cost; entries of G between two items of one class never count, for no
    choice holds both, but they decide whether G is positive semidefinite, and so how tight the
    convex relaxation is.

    Args:
        knapsack: classes, costs c, weights, capacities, ties and names.
        matrix: (n, n) float64, symmetric and finite: G.
        best: the least objective known, or None.
        bound: a proven lower bound of the optimum, or None; equal to ``best`` where that is proven.

    Raises:
        InstanceError: the matrix has another shape, is not finite or not symmetric, or what the
            objective may add up to is beyond float64.

    Example:
        >>> from bitknap.problems import build_instance
        >>> knapsack = build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 4)
        >>> G = np.zeros((4, 4)); G[0, 3] = G[3, 0] = 7.0
        >>> QuadraticInstance(knapsack, G).objective([0, 1])
        11.0
    """

    knapsack: Instance
    matrix: FloatArray
    best: float | None = None
    bound: float | None = None

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, dtype=np.float64)
        object.__setattr__(self, "matrix", matrix)
        n, name = self.knapsack.n_items, self.knapsack.name
        if matrix.shape != (n, n):
            raise InstanceError(
                f"the matrix of {name!r} must have shape {(n, n)}, a row per item, "
                f"got {matrix.shape}"
            )
        if not np.isfinite(matrix).all():
            i, j = np.argwhere(~np.isfinite(matrix))[0]
            raise InstanceError(
                f"the matrix of {name!r} is {matrix[i, j]} between items {i} and {j}; "
                "its entries must be finite"
            )
        if not np.array_equal(matrix, matrix.T):
            i, j = np.argwhere(matrix != matrix.T)[0]
            raise InstanceError(
                f"the matrix of {name!r} is {matrix[i, j]} between items {i} and {j}, but "
                f"{matrix[j, i]} between {j} and {i}; it must be symmetric"
            )
        with np.errstate(over="ignore"):
            if not np.isfinite(np.abs(matrix).sum()):
                raise InstanceError(
                    f"the matrix of {name!r} adds up beyond float64; use a coarser unit"
                )
        matrix.flags.writeable = False

    @classmethod
    def from_scores(
        cls, knapsack: Instance, scores: ArrayLike, shrinkage: float = 0.0
    ) -> QuadraticInstance:
        """The instance of G = (1 - r) s's / N + r diag(s's / N).

        1/2 x'Gx is then, at r = 0, the mean over the samples of half the square of the chosen
        scores' sum.

        Args:
            shrinkage: r between 0 (all terms) and 1 (the items' own squares alone).

        Raises:
            InstanceError: the scores have another shape or are not finite, or r is out of range.
        """
        s = np.asarray(scores, dtype=np.float64)
        if s.ndim != 2 or not len(s) or s.shape[1] != knapsack.n_items:
            raise InstanceError(
                f"the scores of {knapsack.name!r} must be (samples, {knapsack.n_items}), "
                f"got {s.shape}"
            )
        if not 0.0 <= shrinkage <= 1.0:
            raise InstanceError(f"the shrinkage must be between 0 and 1, got {shrinkage}")
        with np.errstate(over="ignore", invalid="ignore"):
            product = s.T @ s / len(s)
        own = np.diag(product).copy()
        # A product of BLAS need not be symmetric to the last bit.
        matrix = (0.5 * (1.0 - shrinkage)) * (product + product.T)
        np.fill_diagonal(matrix, own)
        return cls(knapsack, matrix)

    @property
    def name(self) -> str:
        """Name of the instance."""
        return self.knapsack.name

    def terms(self, choice: ArrayLike) -> list[float]:
        """Exact summands of the objective of a choice: costs, half squares and products."""
        at = self.knapsack.positions(choice)
        block = self.matrix[np.ix_(at, at)]
        pairs = block[np.triu_indices(len(at), 1)]
        halves = 0.5 * np.diag(block)
        return [*self.knapsack.cost[at].tolist(), *halves.tolist(), *pairs.tolist()]

    def objective(self, choice: ArrayLike) -> float:
        """Correctly rounded objective of a choice (``math.fsum``)."""
        return math.fsum(self.terms(choice))

    def exact_objective(self, choice: ArrayLike) -> Fraction:
        """The objective of a choice, not rounded."""
        at = self.knapsack.positions(choice).tolist()
        cost, matrix = self.knapsack.cost, self.matrix
        linear = sum((Fraction(float(cost[i])) for i in at), Fraction(0))
        products = (Fraction(float(matrix[i, j])) for i in at for j in at)
        return linear + sum(products, Fraction(0)) / 2

    def with_capacity(self, capacity: ArrayLike, name: str | None = None) -> QuadraticInstance:
        """The same objective under another capacity; what is known of the optimum is dropped."""
        return QuadraticInstance(self.knapsack.with_capacity(capacity, name), self.matrix)


def merge_quadratic(problem: QuadraticInstance) -> tuple[QuadraticInstance, MergedInstance]:
    """The instance with each group of tied classes as one class, and the way back.

    With S (n, m), whose column k marks the items that merged item k stands for, costs are S'c and
    the matrix is S'GS, both rounded.
    """
    knapsack = problem.knapsack
    merged = merge_ties(replace(knapsack, cost=np.zeros(knapsack.n_items), optimum=None))
    if not merged.item_index:
        return problem, merged
    small = merged.instance
    marks = np.zeros((knapsack.n_items, small.n_items))
    for i, (k, items) in enumerate(zip(merged.class_index, merged.item_index, strict=True)):
        marks[knapsack.offsets[i] + items, small.offsets[k] + np.arange(len(items))] = 1.0
    matrix = marks.T @ problem.matrix @ marks
    summed = replace(small, cost=marks.T @ knapsack.cost)
    return QuadraticInstance(summed, 0.5 * (matrix + matrix.T)), merged
