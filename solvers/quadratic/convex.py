"""Convex quadratic relaxations, minimised over the knapsack's hull by its exact solver."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import FloatArray, Instance, IntArray

from ..base import NEVER, Deadline, TimeUp
from .model import EPS, Model, oracle

Atom = tuple[IntArray, float]
"""A choice, as item positions, and its weight in a mixture."""

_SMALLEST = 1e-11
"""Weights of atoms below this are dropped."""


@dataclass(frozen=True, eq=False)
class ConvexForm:
    """A convex quadratic that no feasible choice's objective is below.

        f(x) >= constant + linear'x + 1/2 x'Hx

    H is positive semidefinite along all differences of points with one unit per class. ``dropped``
    holds the terms P_jk x_j x_k >= 0 that f has beside, and ``slack`` the S_rk s_r(x) x_k >= 0
    with the room s_r = capacity_r - w_r'x: once item j is chosen, they are linear.

    Args:
        noise: what rounding may change of a value of the form.
        dropped: (n, n) P.
        slack: (K, n) S.
    """

    linear: FloatArray
    matrix: FloatArray
    constant: float
    noise: float
    dropped: FloatArray
    slack: FloatArray

    def kept(self, items: IntArray) -> ConvexForm:
        """The form of some items."""
        at = np.ix_(items, items)
        return replace(
            self,
            linear=self.linear[items],
            matrix=self.matrix[at],
            dropped=self.dropped[at],
            slack=self.slack[:, items],
        )

    def beside(self, knapsack: Instance, fixed: IntArray) -> ConvexForm:
        """The form with what is linear once these items are chosen."""
        if not fixed.size:
            return self
        prices = self.slack[:, fixed].sum(axis=1)
        linear = self.linear + self.dropped[fixed].sum(axis=0) - prices @ knapsack.weight
        twice = self.dropped[np.ix_(fixed, fixed)].sum()
        constant = self.constant + float(prices @ knapsack.capacity) - 0.5 * float(twice)
        return replace(self, linear=linear, constant=constant)


def convexified(
    model: Model, matrix: FloatArray, linear: FloatArray, constant: float, scale: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """The form with H shifted by a multiple of the identity until it is convex, and its noise.

    x_j^2 = x_j, so a shift t adds t/2 (x'x - 1'x), which vanishes on choices. Convexity is needed
    along differences only; the least eigenvalue there is taken with its rounding error.

    Args:
        scale: (n, n) what the entries of H were summed from, in absolute values.
    """
    owner = model.owner
    n, classes = len(owner), len(model.knapsack)
    # An orthonormal basis of what sums to 0 within every class.
    ones = np.zeros((n, classes))
    ones[np.arange(n), owner] = 1.0
    basis = np.linalg.qr(ones, mode="complete")[0][:, classes:]
    shift = 0.0
    if basis.shape[1]:
        least = np.linalg.eigvalsh(basis.T @ matrix @ basis)[0]
        error = 8 * n * EPS * float(np.linalg.norm(scale))
        shift = max(error - float(least), 0.0)
        matrix = matrix + shift * np.eye(n)
        linear = linear - 0.5 * shift
    starts = model.knapsack.offsets[:-1]
    scale = scale + shift * np.eye(n)
    blocks = np.maximum.reduceat(np.maximum.reduceat(scale, starts, axis=0), starts, axis=1)
    total = float(blocks.sum()) + abs(constant)
    total += float(np.maximum.reduceat(np.abs(linear), starts).sum())
    return matrix, linear, 16 * (n + 16) * EPS * total


def plain_form(model: Model, matrix: FloatArray) -> ConvexForm:
    """The objective itself as given: c'x + 1/2 x'Gx, shifted where G is not convex."""
    linear = model.cost - 0.5 * np.diag(matrix)
    shifted, linear, noise = convexified(model, matrix, linear, 0.0, np.abs(matrix))
    n, resources = len(linear), model.knapsack.n_resources
    return ConvexForm(linear, shifted, 0.0, noise, np.zeros((n, n)), np.zeros((resources, n)))


@dataclass(frozen=True, eq=False)
class Relaxed:
    """The minimum of a convex form over the hull of some items' feasible choices.

    Args:
        bound: lower bound of f over them; inf where there are none.
        point: (n,) the minimiser, as far as it was found.
        atoms: feasible choices (item positions) of which it is a mixture, with their weights.
        lagrangian: lower bound of f by the knapsack's Lagrangian at one gradient.
        reduced: (n,) what holding item j adds to it, >= 0; inf for items that are not allowed.
    """

    bound: float
    point: FloatArray
    atoms: list[Atom]
    found: list[IntArray]
    lagrangian: float
    reduced: FloatArray


def minimise(
    model: Model,
    form: ConvexForm,
    allowed: NDArray[np.bool_],
    atoms: list[Atom],
    cutoff: float,
    *,
    accuracy: float = 0.1,
    deadline: Deadline = NEVER,
    steps: int = 500,
) -> Relaxed:
    """Fully corrective Frank-Wolfe: the knapsack as oracle, exact minimisation over its answers.

    At x with the gradient g, every choice y has form(y) >= form(x) + g'(y - x), and the exact
    knapsack of costs g bounds g'y. The point is then the best mixture of all answers so far.
    It ends when the bound reaches the cutoff, or when what it may still gain is ``accuracy`` of
    what it lacks (without a cutoff, of its value).

    Args:
        allowed: (n,) items that may be chosen, at least one of each class.

    References:
        S. Lacoste-Julien, M. Jaggi, NIPS 2015, arXiv 1511.05932.
    """
    knapsack, n = model.knapsack, len(model.owner)
    items = np.flatnonzero(allowed)
    H, q = form.matrix, form.linear
    start = [atom for atom in atoms if allowed[atom[0]].all()]
    found: list[IntArray] = []
    if not start:
        try:
            first = oracle(knapsack, q + 0.5 * np.diag(H), items, deadline)
        except TimeUp:
            return Relaxed(-np.inf, np.zeros(n), [], [], -np.inf, np.zeros(n))
        if first is None:
            return Relaxed(np.inf, np.zeros(n), [], [], np.inf, np.zeros(n))
        start = [(first[0], 1.0)]
        found.append(first[0])
    size = float(abs(q).max() + abs(H).max())
    hull = _Hull(form, start, 1e-9 * size)
    bound, best = -np.inf, None
    for step in itertools.count():
        x, gradient = hull.point, q + hull.product
        value = 0.5 * float(gradient @ x + q @ x)
        try:
            answer = oracle(knapsack, gradient, items, deadline)
        except TimeUp:
            break
        assert answer is not None, "the atoms are feasible"
        at, least, prices = answer
        base = form.constant + value - float(gradient @ x) - form.noise
        if base + least > bound:
            bound = base + least
            best = gradient, base, prices
        top = value + form.constant
        if cutoff < np.inf:
            close = max(accuracy * (cutoff - top), 1e-7 * abs(cutoff), form.noise)
        else:
            close = max(accuracy * abs(top), form.noise)
        if bound >= cutoff or top - bound <= close or step >= steps or deadline.passed:
            break
        found.append(at)
        hull.tolerance = 0.01 * max(close, float(top - bound) * 0.1)
        if not hull.add(at):
            break
    lagrangian, reduced = -np.inf, np.zeros(n)
    if best is not None:
        lagrangian, reduced = _prices(model, items, *best)
    mixture = list(zip(hull.atoms, hull.weights.tolist(), strict=True))
    return Relaxed(bound, hull.point, mixture, found, lagrangian, reduced)


def _prices(
    model: Model, items: IntArray, gradient: FloatArray, base: float, prices: FloatArray
) -> tuple[float, FloatArray]:
    """The knapsack's Lagrangian at its prices, and the items' reduced costs."""
    knapsack = model.knapsack
    costs = (gradient + prices @ knapsack.weight)[items]
    owner = model.owner[items]
    starts = np.searchsorted(owner, np.arange(len(knapsack)))
    least = np.minimum.reduceat(costs, starts)
    room = float(prices @ knapsack.capacity)
    error = 64 * EPS * (room + float(np.abs(least).sum()) + float(np.abs(costs).max()))
    reduced = np.full(len(gradient), np.inf)
    reduced[items] = costs - least[owner]
    return base + float(least.sum()) - room - error, reduced


class _Hull:
    """The best mixture of atoms: an active-set method on the weights (Wolfe 1976)."""

    def __init__(self, form: ConvexForm, atoms: list[Atom], tolerance: float) -> None:
        self.matrix, self.linear, self.tolerance = form.matrix, form.linear, tolerance
        self.atoms = [at for at, _ in atoms]
        self.weights = np.array([weight for _, weight in atoms])
        self.rows = np.zeros((len(atoms), len(self.linear)))
        self.rows[np.arange(len(atoms))[:, None], np.array(self.atoms)] = 1.0
        self.images = self.rows @ self.matrix
        self.gram = self.images @ self.rows.T
        self.costs = self.rows @ self.linear
        self._settle(self.weights)

    def add(self, at: IntArray) -> bool:
        """Take in another atom; False where that changes nothing."""
        row = np.zeros(len(self.linear))
        row[at] = 1.0
        image = self.matrix[at].sum(axis=0)
        column = self.rows @ image
        size = len(column)
        gram = np.empty((size + 1, size + 1))
        gram[:size, :size] = self.gram
        gram[size, :size] = gram[:size, size] = column
        gram[size, size] = image[at].sum()
        self.gram = gram
        self.rows = np.vstack((self.rows, row))
        self.images = np.vstack((self.images, image))
        self.costs = np.append(self.costs, self.linear[at].sum())
        self.atoms.append(at)
        weights = np.append(self.weights, 0.0)
        weights[size] = 1e-9
        self._settle(weights / weights.sum())
        return self.atoms[-1] is at

    def _settle(self, weights: FloatArray) -> None:
        weights = _mixture(self.gram, self.costs, weights, self.tolerance)
        keep = weights > _SMALLEST
        self.weights = weights[keep] / weights[keep].sum()
        self.rows, self.images = self.rows[keep], self.images[keep]
        self.gram, self.costs = self.gram[np.ix_(keep, keep)], self.costs[keep]
        self.atoms = [at for at, kept in zip(self.atoms, keep.tolist(), strict=True) if kept]
        self.point: FloatArray = self.weights @ self.rows
        self.product: FloatArray = self.weights @ self.images


def _mixture(
    gram: FloatArray, costs: FloatArray, weights: FloatArray, tolerance: float
) -> FloatArray:
    """Weights >= 0 of sum 1 that minimise costs'w + 1/2 w'gram w, to a tolerance of its slope.

    Numbers that are too large or too far apart for float64 end it early: any weights give a bound.
    """
    size = len(costs)
    system = np.ones((size + 1, size + 1))
    system[:size, :size] = gram
    system[np.arange(size), np.arange(size)] += 1e-11 * float(np.trace(gram)) / size
    system[size, size] = 0.0
    right = np.append(-costs, 1.0)
    for _ in range(3 * size + 20):
        while True:
            at = np.append(weights > 0, True).nonzero()[0]
            inner = system[at[:, None], at]
            try:
                target = np.linalg.solve(inner, right[at])[:-1]
            except np.linalg.LinAlgError:
                target = np.linalg.lstsq(inner, right[at], rcond=None)[0][:-1]
            if not abs(target.sum() - 1.0) < 0.5:  # numbers too large or too far apart
                return weights
            at = at[:-1]
            falling = target < 0
            if not falling.any():
                weights = np.zeros(size)
                weights[at] = target / target.sum()
                break
            here = weights[at]
            ratios = here[falling] / (here - target)[falling]
            here = np.maximum(here + float(ratios.min()) * (target - here), 0.0)
            here[np.flatnonzero(falling)[np.argmin(ratios)]] = 0.0
            weights = np.zeros(size)
            weights[at] = here / here.sum()
        slope = costs + gram @ weights
        enter = int(np.argmin(slope))
        if weights[enter] > 0 or slope[enter] >= float(slope @ weights) - tolerance:
            break
        weights[enter] = 1e-9
        weights /= weights.sum()
    return weights
