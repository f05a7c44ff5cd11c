"""The k best choices by partition: any number of resources, any exact solver."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import FloatArray, Instance

from .space import Allocation, Space


def lawler(space: Space, k: int) -> list[Allocation]:
    """The k best choices by partition of the solution space.

    Once x is the best choice of a part, the rest of the part is divided by the first class
    q >= p in which a choice differs from x, where the part fixes the classes before p. Each piece
    fixes the classes before q to x and forbids x_q at class q; its best choice is one solve. A
    piece waits with its Lagrangian bound:

        sum_{i < q} r(x_i) + min_{j allowed} r_qj + sum_{i > q} min_j r_ij - lambda . capacity,
        r_ij = cost_ij + lambda . weight_ij

    and is solved only when no solved choice is below that.

    References:
        E. Lawler, Management Science 18 (1972) 401-405; K. Murty, Operations Research 16 (1968)
        682-687.
    """
    best = space.best()
    bounds = _Bounds.of(space.merged.instance, best.multiplier)
    heap = [_Entry(best.cost, True, best.choice, _Part((), frozenset()))]
    found: list[Allocation] = []
    while heap and len(found) < k:
        space.deadline.check()
        entry = heapq.heappop(heap)
        if not entry.solved:
            answer = space.solve(entry.part.allowed(space.merged.instance))
            if answer is not None:
                entry = _Entry(answer.cost, True, answer.choice, entry.part)
                heapq.heappush(heap, entry)
            continue
        choice = space.expanded(entry.choice)
        found.append(Allocation(choice, space.instance.objective(choice)))
        for piece, bound in bounds.pieces(entry.part, entry.choice):
            heapq.heappush(heap, _Entry(bound, False, piece.prefix, piece))
    return found


@dataclass(frozen=True)
class _Part:
    """The choices that start with a prefix and take no forbidden item in the next class."""

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

    key: Fraction | float
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
        starts = instance.offsets[:-1]
        with np.errstate(over="ignore"):
            reduced = instance.cost + prices @ instance.weight.astype(np.float64)
            paid = float(prices @ instance.capacity.astype(np.float64))
            size = float(np.maximum.reduceat(np.abs(reduced), starts).sum()) + paid
        if not np.isfinite(size):
            return _Bounds.of(instance, None)
        least = np.minimum.reduceat(reduced, starts)
        rounding = (len(least) + instance.n_resources + 8) * 2.0**-51 * size
        tail = np.append(np.cumsum(least[::-1])[::-1], 0.0) - paid - rounding
        spans = pairwise(instance.offsets.tolist())
        return _Bounds([reduced[a:b].tolist() for a, b in spans], tail.tolist())

    def pieces(self, part: _Part, choice: tuple[int, ...]) -> Iterator[tuple[_Part, float]]:
        """What is left of a part without its best choice, each piece with its bound."""
        first = len(part.prefix)
        fixed = sum(costs[j] for costs, j in zip(self.reduced, part.prefix, strict=False))
        for q in range(first, len(choice)):
            forbidden = (part.forbidden if q == first else frozenset()) | {choice[q]}
            costs = self.reduced[q]
            if len(forbidden) < len(costs):
                least = min(r for j, r in enumerate(costs) if j not in forbidden)
                yield _Part(choice[:q], forbidden), fixed + least + self.tail[q + 1]
            fixed += costs[choice[q]]
