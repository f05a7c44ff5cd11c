"""Lagrangian bounds of partial choices, in integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from .model import Weights

Price = tuple[int, Weights]
"""(q, p): multipliers p / q in cost per unit of weight; q > 0, p >= 0."""

Move = tuple[Weights, int, int]
"""(weights, cost, position of the item in its class)."""


def reduced(price: Price, weights: Weights, cost: int) -> int:
    """q (cost + lambda . weights)."""
    q, p = price
    return q * cost + sum(a * w for a, w in zip(p, weights, strict=True))


@dataclass(frozen=True)
class Stage:
    """The items of a class that are still open."""

    index: int
    moves: tuple[Move, ...]

    def lightest(self, k: int) -> int:
        """Least weight in resource k."""
        return min(weights[k] for weights, _, _ in self.moves)

    def cheapest(self, price: Price) -> int:
        """Least reduced cost."""
        return min(reduced(price, weights, cost) for weights, cost, _ in self.moves)


@dataclass(frozen=True)
class Bounds:
    """What a partial choice may use and cost when certain classes are still open.

    Args:
        reach: for each of them q (threshold + lambda . capacity) less the least reduced costs of
            the open classes: bound (2) reaches the threshold when the partial choice's reduced
            cost reaches this.
        residual: capacity less the least weights of the open classes.
    """

    prices: tuple[Price, ...]
    reach: tuple[int, ...]
    residual: Weights

    def passes(self, weights: Weights, cost: int) -> bool:
        """Whether a completion within the capacity may still cost less than the threshold."""
        for w, limit in zip(weights, self.residual, strict=True):
            if w > limit:
                return False
        for (q, p), limit in zip(self.prices, self.reach, strict=True):
            total = q * cost
            for a, w in zip(p, weights, strict=True):
                total += a * w
            if total >= limit:
                return False
        return True

    def opened(self, stage: Stage, sign: int = 1) -> Bounds:
        """The bounds when one class more is open, or with ``sign`` -1, one less."""
        return Bounds(
            self.prices,
            tuple(
                limit - sign * stage.cheapest(price)
                for price, limit in zip(self.prices, self.reach, strict=True)
            ),
            tuple(limit - sign * stage.lightest(k) for k, limit in enumerate(self.residual)),
        )


def bounds_along(
    stages: Sequence[Stage], prices: Sequence[Price], capacity: Weights, threshold: int
) -> list[Bounds]:
    """The bounds with the stages from t on open, for t = 0 to their number."""
    reach = tuple(reduced(price, capacity, threshold) for price in prices)
    found = [Bounds(tuple(prices), reach, capacity)]
    for stage in reversed(stages):
        found.append(found[-1].opened(stage))
    return found[::-1]


def narrowed(
    stages: Sequence[Stage], prices: Sequence[Price], capacity: Weights, threshold: int
) -> list[Stage]:
    """The stages with only the items that pass while all other classes are open."""
    whole = bounds_along(stages, prices, capacity, threshold)[0]
    kept = []
    for stage in stages:
        others = whole.opened(stage, -1)
        kept.append(Stage(stage.index, tuple(m for m in stage.moves if others.passes(*m[:2]))))
    return kept


def distance(stage: Stage, price: Price) -> Fraction:
    """Least reduced cost per unit of priced weight that leaving the class's best item takes."""
    base, least = _best(stage, price)
    return min(
        (
            Fraction(reduced(price, *move[:2]) - least, 1 + _shift(price, move, base))
            for move in stage.moves
            if move[0] != base[0]
        ),
        default=Fraction(0),
    )


def leverage(stage: Stage, price: Price) -> int:
    """How much splitting the class may raise the bound: priced weight moved, less its cost."""
    base, least = _best(stage, price)
    return max(_shift(price, m, base) - (reduced(price, *m[:2]) - least) for m in stage.moves)


def _best(stage: Stage, price: Price) -> tuple[Move, int]:
    base = min(stage.moves, key=lambda move: reduced(price, *move[:2]))
    return base, reduced(price, *base[:2])


def _shift(price: Price, move: Move, base: Move) -> int:
    return sum(a * abs(w - b) for a, w, b in zip(price[1], move[0], base[0], strict=True))
