"""Incumbents: what they move and what that costs, in floats and exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .fixed_point import Unit, as_int, fixed, minus
from .relaxation import Relaxation

__all__ = ["Incumbent", "changed", "changes", "exact_incumbent"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Incumbent:
    """A feasible solution: its cost in units relative to the break solution, and what it moves.

    ``moves`` holds ``(class, item)``.
    """

    value: int
    moves: list[tuple[int, int]]


def changed(r: Relaxation, cost: Floats, moves: list[tuple[int, int]]) -> tuple[Floats, Floats]:
    """Return the costs of the items moved to and of those moved from."""
    to = np.array([j for _, j in moves], dtype=np.int64)
    return cost[to], cost[r.item[r.base[[i for i, _ in moves]]]]


def changes(r: Relaxation, cost: Floats, moves: list[tuple[int, int]]) -> tuple[float, float]:
    """Sum of the changes of cost, twice as precise as a float, and of their absolute values."""
    gain = rest = noise = 0.0
    to, at = changed(r, cost, moves)
    for change in (to - at).tolist():
        new = gain + change
        part = new - gain
        rest += (gain - (new - part)) + (change - part)
        gain, noise = new, noise + abs(change)
    return gain + rest, noise


def exact_incumbent(
    r: Relaxation, cost: Floats, moves: list[tuple[int, int]], unit: Unit
) -> Incumbent:
    """Return the break solution after some moves, exactly, or as it is if that is cheaper."""
    to, at = changed(r, cost, moves)
    gain = minus(fixed(to, unit), fixed(at, unit))
    total = sum(as_int(gain, k) for k in range(to.size))
    return Incumbent(total, moves) if total <= 0 else Incumbent(0, [])
