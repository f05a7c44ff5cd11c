"""The k best allocations, and what it costs to force one item."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import (
    FloatArray,
    InfeasibleError,
    Instance,
    IntArray,
    Merged,
    SolverError,
    UnsupportedError,
    merge_ties,
    restrict,
)

from .base import Solver, Status
from .registry import DEFAULT, solve

_ROUNDING = 1e-12


class Allocation(NamedTuple):
    """A feasible choice, (L,) item positions within the classes, and its objective."""

    choice: IntArray
    objective: float


def top_k(instance: Instance, k: int, solver: str | Solver = DEFAULT) -> list[Allocation]:
    """The k feasible choices of least cost, best first; fewer when there are no more.

    Lawler's partition: once x is the best choice of a part of the solution space, the rest of the
    part is divided by the first class q >= p in which a choice differs from x, where the part
    fixes the classes before p. Each piece fixes the classes before q to x and forbids x_q at
    class q; its best choice is one solve. A piece waits with its Lagrangian bound

        sum_{i<q} r(x_i) + min_{j not forbidden} r_qj + sum_{i>q} min_j r_ij - lambda . capacity,
        r_ij = cost_ij + lambda . weight_ij

    and is solved only when no solved choice is below that.

    Args:
        instance: ties are kept: tied classes change together.
        k: how many.
        solver: an exact method that supports the instance.

    Returns:
        Distinct choices; those of equal cost come in the same order on every run.

    Raises:
        InfeasibleError: no choice fits the capacity.
        UnsupportedError: k is below 1, or the solver cannot handle the instance.
        SolverError: the solver ended without a proven optimum.

    References:
        E. Lawler, Management Science 18 (1972) 401-405; K. Murty, Operations Research 16 (1968)
        682-687.

    Example:
        >>> from bitknap.problems import build_instance
        >>> instance = build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 4)
        >>> [(a.choice.tolist(), a.objective) for a in top_k(instance, 2)]
        [([0, 1], 4.0), ([1, 0], 6.0)]
    """
    if k < 1:
        raise UnsupportedError(f"k must be at least 1, got {k}")
    space = _Space(instance, solver)
    best = space.best()
    bounds = _Bounds.of(space.merged.instance, best.multiplier)
    heap = [_Entry(best.objective, True, best.choice, _Part((), frozenset()))]
    found: list[Allocation] = []
    while heap and len(found) < k:
        entry = heapq.heappop(heap)
        if not entry.solved:
            answer = space.solve(entry.part.allowed(space.merged.instance))
            if answer is not None:
                entry = _Entry(answer.objective, True, answer.choice, entry.part)
                heapq.heappush(heap, entry)
            continue
        found.append(Allocation(space.expanded(entry.choice), entry.key))
        for piece, bound in bounds.pieces(entry.part, entry.choice):
            heapq.heappush(heap, _Entry(bound, False, piece.prefix, piece))
    return found


@dataclass(frozen=True)
class Forced:
    """What the optimum becomes when one class must take one item.

    Args:
        instance: what was asked about.
        choice: (L,) an optimal choice without force.
        optimum: its objective.
        objective: (n,) optimum with each item forced in turn, inf where nothing then fits. Forcing
            an item of a tied class forces the whole group.
        rise: (n,) correctly rounded objective - optimum: 0 for the items of ``choice``.
        elsewhere: (L,) the least rise when the class must take another item than its chosen one,
            inf where it cannot.
    """

    instance: Instance
    choice: IntArray
    optimum: float
    objective: FloatArray
    rise: FloatArray
    elsewhere: FloatArray


def forced(instance: Instance, solver: str | Solver = DEFAULT) -> Forced:
    """The exact optimum with every item of every class forced in turn: one solve each.

    Args:
        instance: ties are kept.
        solver: an exact method that supports the instance.

    Raises:
        InfeasibleError, UnsupportedError, SolverError: as ``top_k``.
    """
    space = _Space(instance, solver)
    best = space.best()
    merged, small = space.merged, space.merged.instance
    costs = instance.cost[instance.positions(space.expanded(best.choice))].tolist()
    objective = np.full(small.n_items, math.inf)
    rise = np.full(small.n_items, math.inf)
    for j, i in enumerate(small.class_of.tolist()):
        if j - small.offsets[i] == best.choice[i]:
            objective[j], rise[j] = best.objective, 0.0
            continue
        allowed = small.class_of != i
        allowed[j] = True
        answer = space.solve(allowed)
        if answer is not None:
            own = instance.cost[instance.positions(space.expanded(answer.choice))].tolist()
            objective[j] = answer.objective
            rise[j] = math.fsum(own + [-cost for cost in costs])
    position = np.full(instance.n_items, -1)
    for i, c in enumerate(merged.class_index.tolist()):
        of_class = np.arange(small.offsets[c], small.offsets[c + 1])
        index = merged.item_index[i] if merged.item_index else of_class - small.offsets[c]
        position[instance.offsets[i] + index] = of_class
    exists = position >= 0
    full_objective = np.where(exists, objective[position], math.inf)
    full_rise = np.where(exists, rise[position], math.inf)
    choice = space.expanded(best.choice)
    others = full_rise.copy()
    others[instance.positions(choice)] = math.inf
    elsewhere = np.minimum.reduceat(others, instance.offsets[:-1])
    return Forced(instance, choice, best.objective, full_objective, full_rise, elsewhere)


class _Answer(NamedTuple):
    choice: tuple[int, ...]
    objective: float
    multiplier: FloatArray | None


class _Space:
    """The choices of an instance without ties, and the best of any part of them."""

    def __init__(self, instance: Instance, solver: str | Solver) -> None:
        self.instance, self.solver = instance, solver
        self.merged: Merged = merge_ties(instance)

    def expanded(self, choice: tuple[int, ...]) -> IntArray:
        return self.merged.expand(np.array(choice, dtype=np.int64))

    def best(self) -> _Answer:
        answer = self.solve(np.ones(self.merged.instance.n_items, dtype=bool))
        if answer is None:
            raise InfeasibleError(f"no choice of {self.instance.name!r} fits the capacity")
        return answer

    def solve(self, allowed: NDArray[np.bool_]) -> _Answer | None:
        """The best choice of allowed items, None when no such choice fits."""
        whole = self.merged.instance
        small, old = restrict(whole, allowed)
        solution = solve(small, self.solver)
        if solution.status is Status.INFEASIBLE:
            return None
        if solution.status is Status.UNSUPPORTED:
            raise UnsupportedError(f"{solution.message}; choose another solver")
        if solution.status is not Status.OPTIMAL or solution.choice is None:
            raise SolverError(
                f"{solution.solver} ended with status {solution.status} on a part of "
                f"{self.instance.name!r}; a ranking needs proven optima, choose an exact solver"
            )
        choice = tuple((old[small.positions(solution.choice)] - whole.offsets[:-1]).tolist())
        return _Answer(choice, self.instance.objective(self.expanded(choice)), solution.multiplier)


@dataclass(frozen=True)
class _Part:
    """Choices that start with a prefix and take no forbidden item in the class after it."""

    prefix: tuple[int, ...]
    forbidden: frozenset[int]

    def allowed(self, instance: Instance) -> NDArray[np.bool_]:
        at = len(self.prefix)
        starts = instance.offsets
        mask = np.ones(instance.n_items, dtype=bool)
        mask[: starts[at]] = False
        mask[starts[:at] + np.array(self.prefix, dtype=np.int64)] = True
        mask[[int(starts[at]) + j for j in self.forbidden]] = False
        return mask


@dataclass(frozen=True, order=True)
class _Entry:
    """A part with its best choice, or waiting with a bound: then it comes first among equals."""

    key: float
    solved: bool
    choice: tuple[int, ...]
    part: _Part = field(compare=False)


@dataclass(frozen=True)
class _Bounds:
    """Lagrangian bounds of parts.

    Args:
        reduced: per class the reduced costs of its items.
        tail: (L + 1,) sums of the least reduced costs of the classes from each on, less
            lambda . capacity and an allowance for rounding.
    """

    reduced: list[list[float]]
    tail: list[float]

    @staticmethod
    def of(instance: Instance, multiplier: FloatArray | None) -> _Bounds:
        prices = np.zeros(instance.n_resources) if multiplier is None else np.asarray(multiplier)
        if not (np.isfinite(prices) & (prices >= 0.0)).all():
            prices = np.zeros(instance.n_resources)
        reduced = instance.cost + prices @ instance.weight.astype(np.float64)
        starts = instance.offsets[:-1]
        paid = float(prices @ instance.capacity.astype(np.float64))
        size = float(np.maximum.reduceat(np.abs(reduced), starts).sum()) + paid
        least = np.minimum.reduceat(reduced, starts)
        tail = np.append(np.cumsum(least[::-1])[::-1], 0.0) - paid - _ROUNDING * size
        spans = pairwise(instance.offsets.tolist())
        return _Bounds([reduced[a:b].tolist() for a, b in spans], tail.tolist())

    def pieces(self, part: _Part, choice: tuple[int, ...]) -> Iterator[tuple[_Part, float]]:
        """What is left of a part without its best choice, each piece with its bound."""
        first = len(part.prefix)
        fixed = sum(own[j] for own, j in zip(self.reduced, part.prefix, strict=False))
        for q in range(first, len(choice)):
            forbidden = (part.forbidden if q == first else frozenset()) | {choice[q]}
            own = self.reduced[q]
            if len(forbidden) < len(own):
                least = min(r for j, r in enumerate(own) if j not in forbidden)
                yield _Part(choice[:q], forbidden), fixed + least + self.tail[q + 1]
            fixed += own[choice[q]]
