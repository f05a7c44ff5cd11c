"""Good multipliers for several resources: found in floating point, used exactly."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from .bounds import Price, Stage
from .clock import ProofDeadline
from .model import Weights

_PATIENCE = 10
_DENOMINATOR = 1 << 40
_LARGEST = Fraction(10**100)
_FACTORS = (0.5, 0.9, 1.1, 2.0)


def good_price(
    stages: Sequence[Stage],
    capacity: Weights,
    target: int,
    start: Price,
    steps: int,
    clock: ProofDeadline,
) -> Price:
    """Multipliers lambda >= 0 whose bound L(lambda) is near its largest.

    Polyak's subgradient method in floating point, with the threshold of the search as target:

        lambda <- max(0, lambda + theta (target - L) / |g|^2 g),    g = usage - capacity

    theta is halved when L stops rising. Costs are divided by their largest difference, weights by
    the capacity. Rounding makes the bound a little worse, never false: whatever the multipliers,
    the bound is computed from them exactly.

    References:
        B. Polyak, USSR Computational Mathematics and Mathematical Physics 9 (1969) 14-29.
    """
    low = [min(cost for _, cost, _ in stage.moves) for stage in stages]
    unit = max(
        1, *(cost - c for stage, c in zip(stages, low, strict=True) for _, cost, _ in stage.moves)
    )
    limits = [max(c, 1) for c in capacity]
    table = [
        [
            ((cost - c) / unit, [w / m for w, m in zip(weights, limits, strict=True)])
            for weights, cost, _ in stage.moves
        ]
        for stage, c in zip(stages, low, strict=True)
    ]
    residual = [c / m for c, m in zip(capacity, limits, strict=True)]
    goal = float(
        min(max(Fraction(target - sum(low), unit), Fraction(-1)), Fraction(len(table) + 1))
    )
    q, p = start
    first = [
        float(min(Fraction(a * m, q * unit), _LARGEST)) for a, m in zip(p, limits, strict=True)
    ]
    if _dual(table, residual, first)[0] < _dual(table, residual, [0.0] * len(p))[0]:
        first = [0.0] * len(p)
    best = _subgradient(table, residual, goal, first, steps, clock)
    scale = _DENOMINATOR << max(max(limits).bit_length() - unit.bit_length(), 0)
    return scale, tuple(
        int(Fraction(price) * unit * scale / m) for price, m in zip(best, limits, strict=True)
    )


_Table = list[list[tuple[float, list[float]]]]


def _subgradient(
    table: _Table,
    residual: list[float],
    goal: float,
    prices: list[float],
    steps: int,
    clock: ProofDeadline,
) -> list[float]:
    best, best_value, theta, stale = prices, -float("inf"), 1.0, 0
    for _ in range(steps):
        clock.check()
        value, slope = _dual(table, residual, prices)
        if value > best_value:
            best, best_value, stale = prices, value, 0
        else:
            stale += 1
        if stale == _PATIENCE:
            prices, theta, stale = best, theta / 2, 0
            value, slope = _dual(table, residual, prices)
        length = sum(g * g for g in slope)
        if length == 0.0 or value >= goal:
            break
        step = theta * (goal - value) / length
        prices = [max(0.0, p + step * g) for p, g in zip(prices, slope, strict=True)]
    return best


def _dual(table: _Table, residual: list[float], prices: list[float]) -> tuple[float, list[float]]:
    """L(lambda) and a subgradient of it."""
    value = -sum(p * c for p, c in zip(prices, residual, strict=True))
    slope = [-c for c in residual]
    for items in table:
        least, at = float("inf"), items[0][1]
        for cost, weights in items:
            for p, w in zip(prices, weights, strict=True):
                cost += p * w
            if cost < least:
                least, at = cost, weights
        value += least
        for k, w in enumerate(at):
            slope[k] += w
    return value, slope


def prices_around(price: Price) -> list[Price]:
    """The multipliers, zero, and copies with one or all of them smaller or larger.

    A partial choice heavier or lighter than the average has its best bound at larger or smaller
    multipliers; at zero the bound of a complete choice is its cost.
    """
    q, p = price
    found = [price, (1, (0,) * len(p))]
    for factor in _FACTORS:
        scaled = tuple(int(Fraction(factor) * a) for a in p)
        found.append((q, scaled))
        if len(p) > 1:
            found += [(q, (*p[:k], b, *p[k + 1 :])) for k, b in enumerate(scaled) if p[k] > 0]
    return found
